//! What the plugin for opencode asks and is told. The form is ours: the plugin is too.

use serde_json::{Map, Value, json};

use super::tools;
use crate::clients::claude_code::hook::{Spoken, object, refused};
use crate::clients::hooked::{HookAnswer, HookEvent, Hooked, Printed, Start, SubAgent, ToolCall, ToolResult};
use crate::clients::names::ask_elsewhere;
use crate::clients::{fields, strict};

pub fn read(bytes: &[u8]) -> Result<Hooked, String> {
    let event = strict::object(bytes)?;
    let cwd = fields::folder(&event, "cwd")?;
    let name = fields::name(&event, "event")?;
    let call = || call(&event, &cwd);
    let found = match name.as_str() {
        "started" => HookEvent::SessionStarted { how: Start::Fresh },
        "compacted" => HookEvent::SessionStarted { how: Start::Compacted },
        "before" => HookEvent::Before(call()?),
        "after" => HookEvent::After { call: call()?, result: result(&event) },
        "agent_started" => HookEvent::SubAgentStarted,
        "agent_stopped" => HookEvent::SubAgentStopped,
        "compacting" => HookEvent::BeforeCompaction,
        // The turn has ended already: no one can be told to go on.
        "idle" => HookEvent::Stopping { again: true },
        "ended" => HookEvent::SessionEnded { why: "deleted".to_owned() },
        _ => HookEvent::Other { name },
    };
    Ok(Hooked {
        session: fields::name(&event, "session")?,
        agent: fields::name_if_any(&event, "agent")?.map(|id| SubAgent { id, kind: None }),
        cwd,
        transcript: None,
        model: None,
        event: found,
    })
}

fn call(event: &Map<String, Value>, cwd: &std::path::Path) -> Result<ToolCall, String> {
    let tool = fields::name(event, "tool")?;
    let native = fields::input(event, "args")?;
    let Spoken { tool, input, also } = tools::spoken(&tool, &native, cwd);
    Ok(ToolCall { id: fields::name_if_any(event, "call")?, tool, input, also, native })
}

fn result(event: &Map<String, Value>) -> ToolResult {
    let exit_code = event.get("exit").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
    let output = fields::words(event.get("output"));
    ToolResult {
        well: exit_code.is_none_or(|code| code == 0),
        exit_code,
        interrupted: false,
        output,
        native: Value::Null,
    }
}

pub fn answer(hooked: &Hooked, answer: &HookAnswer) -> Printed {
    let before = matches!(hooked.event, HookEvent::Before(_));
    match answer {
        HookAnswer::Nothing => Printed::default(),
        HookAnswer::Allow { input, note } if before => {
            let mut said = Map::new();
            if let Some(input) = input {
                said.insert("args".to_owned(), input.clone());
            }
            if let Some(note) = note {
                said.insert("context".to_owned(), json!(note));
            }
            if said.is_empty() { Printed::default() } else { object(&Value::Object(said)) }
        }
        HookAnswer::Allow { .. } | HookAnswer::Replace { .. } => Printed::default(),
        HookAnswer::Ask { reason } | HookAnswer::Defer { reason } if before => denied(&ask_elsewhere(reason)),
        HookAnswer::Deny { reason } | HookAnswer::Block { reason } if before => denied(reason),
        HookAnswer::Ask { reason: words }
        | HookAnswer::Defer { reason: words }
        | HookAnswer::Deny { reason: words }
        | HookAnswer::Block { reason: words }
        | HookAnswer::Tell { context: words } => object(&json!({"context": words})),
    }
}

fn denied(reason: &str) -> Printed {
    object(&json!({"deny": reason}))
}

/// The plugin takes this for a no before a call, and for nothing at any other moment.
pub fn failed(_: &[u8], why: &str) -> Printed {
    refused(why)
}
