//! What a client's hook tells and what it is told, in one form for all clients. Reading and writing their JSON is each
//! client's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event of a session of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Hooked {
    pub session: String,
    /// Of a subagent; nothing on the main thread.
    pub agent: Option<SubAgent>,
    pub cwd: PathBuf,
    /// Where the client keeps the conversation.
    pub transcript: Option<PathBuf>,
    /// The model that answers, where the client says so.
    pub model: Option<String>,
    pub event: HookEvent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAgent {
    pub id: String,
    /// Such as `general-purpose` or `Explore`.
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum HookEvent {
    SessionStarted {
        how: Start,
    },
    PromptSubmitted,
    /// A tool is about to run: the one moment at which it can be stopped.
    Before(ToolCall),
    /// It ran; `well` is the client's word for whether it went well.
    After {
        call: ToolCall,
        result: ToolResult,
    },
    /// The client would ask its person about this call.
    PermissionAsked(ToolCall),
    SubAgentStarted,
    SubAgentStopped,
    BeforeCompaction,
    /// A settings file of the client has changed and is about to count.
    SettingsChanged {
        source: String,
        file: Option<PathBuf>,
    },
    /// The agent wants to end its turn; `again`: it was already told once to go on.
    Stopping {
        again: bool,
    },
    /// The turn ended by an error of the model's service.
    StoppedByFailure {
        message: String,
    },
    SessionEnded {
        why: String,
    },
    /// Known, and nothing to be said about it.
    Other {
        name: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Fresh,
    Resumed,
    Cleared,
    Compacted,
}

/// A call in the words of the one vocabulary: `Bash`, `Read`, `Edit`, `Write`, `mcp__server__tool`, … with its input in
/// the form that Claude Code gives that tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The client's id of the call, which the server sees too; nothing where the client has none.
    pub id: Option<String>,
    pub tool: String,
    pub input: Value,
    /// A call that is several in our words, such as a patch over many files: the rest of them.
    pub also: Vec<(String, Value)>,
    /// The input as the client gave it, for an answer that changes it.
    pub native: Value,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    pub well: bool,
    /// Of a shell call, where the client says so.
    pub exit_code: Option<i32>,
    pub interrupted: bool,
    /// What it printed, or the error, cut to a bounded length.
    pub output: String,
    /// The whole of it as the client gave it, for an answer that changes it; nothing where the client takes none.
    pub native: Value,
}

/// What the client is told.
#[derive(Clone, Debug, PartialEq)]
pub enum HookAnswer {
    /// Nothing to say: the client goes on by its own rules.
    Nothing,
    /// The call runs without a prompt of the client; with another input where there is one, in the client's own form.
    Allow { input: Option<Value>, note: Option<String> },
    /// The client asks its person.
    Ask { reason: String },
    /// The run of a client without a person ends here and can be taken up again once it is decided.
    Defer { reason: String },
    /// The call does not run.
    Deny { reason: String },
    /// Words for the model.
    Tell { context: String },
    /// The model gets this result in place of the call's own, in the client's own form, and these words.
    Replace { result: Value, context: Option<String> },
    /// What was to happen does not: the turn does not end, the settings do not count.
    Block { reason: String },
}

/// What the hook process prints and how it ends. Standard output is empty or exactly one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
    pub code: u8,
}
