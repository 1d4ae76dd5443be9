//! The public surface: one file a tool, one table. MCP, REST, the command line and `schemas/` all come from it.
//! Tools read arguments and render answers; they decide nothing and reach no store.

pub mod arguments;
pub mod claim_task;
pub mod fold;
pub mod list_tasks;
pub mod optimize_context;
pub mod query_audit;
pub mod record_outcome;
pub mod request_approval;
pub mod route_model;
pub mod schema;
pub mod submit_artifact;
pub mod submit_task;
pub mod transition_phase;
pub mod update_task;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::command::{Change, ClaimTask, RecordOutcome, RequestApproval, SubmitTasks, Target};
use crate::domain::context::Reduction;
use crate::domain::query::TaskFilter;
use crate::domain::record::RecordFilter;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Outcome;
use crate::domain::visible;

pub use arguments::{exact, handle_hash, read};

/// One row of the surface.
pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// One of the five that every client configuration expects.
    pub core: bool,
    /// Open in every phase unless a rule denies it; others need a rule that allows them.
    pub in_loop: bool,
    pub read_only: bool,
    /// It can take something away that does not come back.
    pub destructive: bool,
    /// Calling it twice with the same arguments is calling it once.
    pub idempotent: bool,
    pub input: fn() -> Value,
    pub output: fn() -> Value,
    pub parse: fn(Value) -> Result<Request, Refusal>,
}

pub static TOOLS: [Tool; 11] = [
    claim_task::TOOL,
    transition_phase::TOOL,
    request_approval::TOOL,
    route_model::TOOL,
    query_audit::TOOL,
    submit_task::TOOL,
    list_tasks::TOOL,
    update_task::TOOL,
    submit_artifact::TOOL,
    record_outcome::TOOL,
    optimize_context::TOOL,
];

/// Of a name that is none.
const NAME_SHOWN_CHARS: usize = 60;

pub fn find(name: &str) -> Result<&'static Tool, Refusal> {
    TOOLS.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        let shown = visible::line(name, NAME_SHOWN_CHARS);
        Refusal::new(Code::UnknownTool, format!("there is no tool `{shown}`"), format!("known: {}", known.join(", ")))
    })
}

/// What a call asks for, read and checked. The engine turns it into commands.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Submit(SubmitTasks),
    Claim(ClaimTask),
    Update { target: Target, change: Change },
    Artifact { target: Target, name: String, content: Content, media_type: Option<String> },
    Transition { target: Target, to: Option<String>, outcome: Option<Outcome> },
    Approval { request: RequestApproval, wait_seconds: u64 },
    Route(crate::domain::route::Work),
    Outcome(RecordOutcome),
    Shorten(Reduction),
    ListTasks(TaskFilter),
    QueryAudit(RecordFilter),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Inline(Value),
    /// A file in the work tree, with the digest the caller says it has.
    Path {
        path: String,
        sha256: Option<String>,
    },
}

/// An answer as both kinds of client see it: some show only the one, some only the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub structured: Value,
    pub text: String,
}

impl Reply {
    /// A word beside the answer, after those that are there.
    pub fn note(&mut self, note: &str) {
        self.note_and(note, "");
    }

    /// The same; only the text has more of it.
    pub fn note_and(&mut self, note: &str, more: &str) {
        if note.is_empty() {
            return;
        }
        let before = self.structured.get("note").and_then(Value::as_str).unwrap_or_default();
        if before.chars().count() >= NOTES_CHARS_MAX {
            return;
        }
        let before = if before.is_empty() { String::new() } else { format!("{before}; ") };
        let note = visible::ends(note, NOTES_CHARS_MAX);
        self.text.push_str(&format!("\nNote: {note}{more}"));
        if let Value::Object(fields) = &mut self.structured {
            fields.insert("note".to_owned(), Value::String(before + &note));
        }
    }
}

/// Of all notes beside one answer.
const NOTES_CHARS_MAX: usize = 1500;

/// The typed result of a tool.
pub trait Output: Serialize + DeserializeOwned {
    /// The field of a list that may stop early.
    const ROWS: &'static str = "";

    fn text(&self) -> String;

    /// Keeps so many rows of that list, and says how the rest of `whole` is come by.
    fn keep(&mut self, _rows: usize, _whole: &Self) -> String {
        String::new()
    }

    /// Where what was cut stands whole.
    fn elsewhere(&self) -> Option<String> {
        None
    }

    /// Both forms, as long as they are.
    fn whole_reply(&self) -> Reply {
        Reply { structured: serde_json::to_value(self).unwrap_or(Value::Null), text: self.text() }
    }

    /// Both forms, as long as an answer may be.
    fn reply(&self) -> Reply {
        fold::reply(self)
    }
}

impl Output for Refusal {
    fn text(&self) -> String {
        self.to_string()
    }
}
