//! Hooks of Gemini CLI: their JSON in and out.

use serde_json::{Map, Value, json};

use super::tools;
use crate::clients::claude_code::hook::{Spoken, object};
use crate::clients::hooked::{HookAnswer, HookEvent, Hooked, Printed, Start, ToolCall, ToolResult};
use crate::clients::names::ask_elsewhere;
use crate::clients::{fields, strict};

pub fn read(bytes: &[u8]) -> Result<Hooked, String> {
    let event = strict::object(bytes)?;
    let cwd = fields::folder(&event, "cwd")?;
    let name = fields::name(&event, "hook_event_name")?;
    let call = || call(&event, &cwd);
    let found = match name.as_str() {
        "SessionStart" => HookEvent::SessionStarted {
            how: match fields::text(&event, "source") {
                Some("resume") => Start::Resumed,
                Some("clear") => Start::Cleared,
                _ => Start::Fresh,
            },
        },
        "BeforeAgent" => HookEvent::PromptSubmitted,
        "BeforeTool" => HookEvent::Before(call()?),
        "AfterTool" => HookEvent::After { call: call()?, result: result(event.get("tool_response")) },
        "PreCompress" => HookEvent::BeforeCompaction,
        "AfterAgent" => HookEvent::Stopping { again: fields::flag(&event, "stop_hook_active") },
        "SessionEnd" => HookEvent::SessionEnded { why: fields::text(&event, "reason").unwrap_or("other").to_owned() },
        _ => HookEvent::Other { name },
    };
    Ok(Hooked {
        session: fields::name(&event, "session_id")?,
        // The client does not tell its subagents apart.
        agent: None,
        cwd,
        transcript: fields::text(&event, "transcript_path").map(Into::into),
        model: None,
        event: found,
    })
}

fn call(event: &Map<String, Value>, cwd: &std::path::Path) -> Result<ToolCall, String> {
    let tool = fields::name(event, "tool_name")?;
    let native = fields::input(event, "tool_input")?;
    let context = event.get("mcp_context").and_then(Value::as_object);
    let Spoken { tool, input, also } = tools::spoken(&tool, &native, context, cwd);
    Ok(ToolCall { id: None, tool, input, also, native })
}

/// The code of a shell call stands in the text for the model, on a line of its own, if it is not 0.
fn result(response: Option<&Value>) -> ToolResult {
    let said = |key: &str| response.and_then(|response| response.get(key)).filter(|value| !value.is_null());
    let output = fields::words(said("llmContent").or(response));
    let code = output.lines().rev().find_map(|line| line.strip_prefix("Exit Code: ")?.trim().parse::<i32>().ok());
    let well = said("error").is_none() && code.is_none_or(|code| code == 0);
    ToolResult { well, exit_code: code, interrupted: false, output, native: Value::Null }
}

pub fn answer(hooked: &Hooked, answer: &HookAnswer) -> Printed {
    match &hooked.event {
        HookEvent::Before(_) => before(answer),
        HookEvent::After { .. } => match reason(answer) {
            // A refusal here would hide from the model what has already happened.
            Some(reason) => context("AfterTool", reason),
            None => Printed::default(),
        },
        HookEvent::SessionStarted { .. } => told("SessionStart", answer),
        HookEvent::PromptSubmitted => told("BeforeAgent", answer),
        HookEvent::Stopping { .. } => match answer {
            HookAnswer::Block { reason } => denied(reason),
            HookAnswer::Tell { context } => object(&json!({"systemMessage": context})),
            _ => Printed::default(),
        },
        HookEvent::PermissionAsked(_)
        | HookEvent::SubAgentStarted
        | HookEvent::SubAgentStopped
        | HookEvent::BeforeCompaction
        | HookEvent::SettingsChanged { .. }
        | HookEvent::StoppedByFailure { .. }
        | HookEvent::SessionEnded { .. }
        | HookEvent::Other { .. } => match answer {
            HookAnswer::Block { reason } | HookAnswer::Deny { reason } => denied(reason),
            _ => Printed::default(),
        },
    }
}

fn before(answer: &HookAnswer) -> Printed {
    match answer {
        HookAnswer::Nothing => Printed::default(),
        HookAnswer::Allow { input, note } => {
            let mut said = Map::from_iter([("decision".to_owned(), json!("allow"))]);
            if let Some(note) = note {
                said.insert("systemMessage".to_owned(), json!(note));
            }
            if let Some(input) = input {
                let rewritten = json!({"hookEventName": "BeforeTool", "tool_input": input});
                said.insert("hookSpecificOutput".to_owned(), rewritten);
            }
            object(&Value::Object(said))
        }
        HookAnswer::Ask { reason } | HookAnswer::Defer { reason } => denied(&ask_elsewhere(reason)),
        HookAnswer::Deny { reason } | HookAnswer::Block { reason } => denied(reason),
        HookAnswer::Tell { context } => object(&json!({"systemMessage": context})),
        HookAnswer::Replace { .. } => Printed::default(),
    }
}

fn told(event: &str, answer: &HookAnswer) -> Printed {
    match answer {
        HookAnswer::Tell { context: words } => context(event, words),
        HookAnswer::Block { reason } | HookAnswer::Deny { reason } => denied(reason),
        HookAnswer::Nothing
        | HookAnswer::Allow { .. }
        | HookAnswer::Ask { .. }
        | HookAnswer::Defer { .. }
        | HookAnswer::Replace { .. } => Printed::default(),
    }
}

fn reason(answer: &HookAnswer) -> Option<&str> {
    match answer {
        HookAnswer::Nothing | HookAnswer::Allow { .. } => None,
        HookAnswer::Replace { context, .. } => context.as_deref(),
        HookAnswer::Tell { context: reason }
        | HookAnswer::Ask { reason }
        | HookAnswer::Defer { reason }
        | HookAnswer::Deny { reason }
        | HookAnswer::Block { reason } => Some(reason),
    }
}

fn context(event: &str, words: &str) -> Printed {
    object(&json!({"hookSpecificOutput": {"hookEventName": event, "additionalContext": words}}))
}

fn denied(reason: &str) -> Printed {
    object(&json!({"decision": "deny", "reason": reason}))
}

/// As with Claude Code: the end of a turn is not held up by a fault of ours.
pub fn failed(bytes: &[u8], why: &str) -> Printed {
    let event = strict::object(bytes).unwrap_or_default();
    let ends = fields::text(&event, "hook_event_name") == Some("AfterAgent") && !event.contains_key("tool_name");
    Printed { stderr: why.to_owned(), code: if ends { 1 } else { 2 }, ..Printed::default() }
}
