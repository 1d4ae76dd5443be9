//! Hooks of Claude Code: their JSON in and out. Codex speaks the same form and shares what is read here.

use serde_json::{Map, Value, json};

use crate::clients::hooked::{HookAnswer, HookEvent, Hooked, Printed, Start, SubAgent, ToolCall, ToolResult};
use crate::clients::{fields, names, strict};

/// The name, the input and the rest of a call in the one vocabulary.
pub struct Spoken {
    pub tool: String,
    pub input: Value,
    pub also: Vec<(String, Value)>,
}

/// Puts a call of a client into the one vocabulary.
pub type Translate = fn(tool: &str, native: &Value, cwd: &std::path::Path) -> Spoken;

pub fn read(bytes: &[u8]) -> Result<Hooked, String> {
    read_as(bytes, spoken)
}

pub fn spoken(tool: &str, native: &Value, _: &std::path::Path) -> Spoken {
    let tool = if tool == "Task" { "Agent".to_owned() } else { names::plain(tool) };
    Spoken { tool, input: native.clone(), also: Vec::new() }
}

pub fn read_as(bytes: &[u8], translate: Translate) -> Result<Hooked, String> {
    let event = strict::object(bytes)?;
    let cwd = fields::folder(&event, "cwd")?;
    let agent = fields::name_if_any(&event, "agent_id")?;
    let kind = fields::name_if_any(&event, "agent_type")?;
    let name = fields::name(&event, "hook_event_name")?;
    let call = || call(&event, translate, &cwd);
    let found = match name.as_str() {
        "SessionStart" => HookEvent::SessionStarted { how: start(fields::text(&event, "source")) },
        "UserPromptSubmit" => HookEvent::PromptSubmitted,
        "PreToolUse" => HookEvent::Before(call()?),
        "PostToolUse" => HookEvent::After { call: call()?, result: went_well(&event) },
        "PostToolUseFailure" => HookEvent::After { call: call()?, result: went_wrong(&event) },
        "PermissionRequest" => HookEvent::PermissionAsked(call()?),
        "SubagentStart" => HookEvent::SubAgentStarted,
        "SubagentStop" => HookEvent::SubAgentStopped,
        "PreCompact" => HookEvent::BeforeCompaction,
        "ConfigChange" => HookEvent::SettingsChanged {
            source: fields::text(&event, "source").unwrap_or("unknown").to_owned(),
            file: fields::text(&event, "file_path").map(Into::into),
        },
        "Stop" => HookEvent::Stopping { again: fields::flag(&event, "stop_hook_active") },
        "StopFailure" => HookEvent::StoppedByFailure { message: failure(&event) },
        "SessionEnd" => HookEvent::SessionEnded { why: fields::text(&event, "reason").unwrap_or("other").to_owned() },
        _ => HookEvent::Other { name },
    };
    Ok(Hooked {
        session: fields::name(&event, "session_id")?,
        agent: agent.map(|id| SubAgent { id, kind }),
        cwd,
        transcript: fields::text(&event, "transcript_path").map(Into::into),
        model: fields::name_if_any(&event, "model")?,
        event: found,
    })
}

/// A start of a kind that is not known is told as a resumption: the agent is reminded of its state.
fn start(source: Option<&str>) -> Start {
    match source {
        Some("startup") | None => Start::Fresh,
        Some("clear") => Start::Cleared,
        Some("compact") => Start::Compacted,
        Some(_) => Start::Resumed,
    }
}

fn call(event: &Map<String, Value>, translate: Translate, cwd: &std::path::Path) -> Result<ToolCall, String> {
    let tool = fields::name(event, "tool_name")?;
    let native = fields::input(event, "tool_input")?;
    let Spoken { tool, input, also } = translate(&tool, &native, cwd);
    Ok(ToolCall { id: fields::name_if_any(event, "tool_use_id")?, tool, input, also, native })
}

fn went_well(event: &Map<String, Value>) -> ToolResult {
    let response = event.get("tool_response");
    let said = |key: &str| response.and_then(|response| response.get(key));
    let word = |key: &str| said(key).and_then(Value::as_str);
    let interrupted = said("interrupted").and_then(Value::as_bool).unwrap_or(false);
    let output = match (word("stdout"), word("stderr")) {
        (None, None) => fields::words(response),
        (out, err) => {
            fields::cut(&[out, err].into_iter().flatten().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n"))
        }
    };
    // A shell call is told here only if it ended with 0, but for one that still runs and for codes that the client
    // explains, such as 1 of `grep`.
    let plain = said("returnCodeInterpretation").is_none_or(Value::is_null) && said("backgroundTaskId").is_none();
    let exit_code = (word("stdout").is_some() && plain && !interrupted).then_some(0);
    ToolResult { well: true, exit_code, interrupted, output, native: response.cloned().unwrap_or_default() }
}

fn went_wrong(event: &Map<String, Value>) -> ToolResult {
    let error = fields::text(event, "error").unwrap_or_default();
    let code = error.strip_prefix("Exit code ").map(|rest| rest.split(|c: char| !c.is_ascii_digit() && c != '-'));
    let exit_code = code.and_then(|mut words| words.next()?.parse().ok());
    let interrupted = fields::flag(event, "is_interrupt");
    ToolResult { well: false, exit_code, interrupted, output: fields::cut(error), native: Value::Null }
}

fn failure(event: &Map<String, Value>) -> String {
    let said = ["error_details", "error", "message"].into_iter().find_map(|key| fields::text(event, key));
    fields::cut(said.unwrap_or("the client does not say why"))
}

pub fn answer(hooked: &Hooked, answer: &HookAnswer) -> Printed {
    match &hooked.event {
        HookEvent::Before(_) => before(answer),
        HookEvent::After { result, .. } => {
            after(if result.well { "PostToolUse" } else { "PostToolUseFailure" }, answer)
        }
        HookEvent::PermissionAsked(_) => permission(answer),
        HookEvent::SessionStarted { .. } => told("SessionStart", answer),
        HookEvent::PromptSubmitted => told("UserPromptSubmit", answer),
        HookEvent::SubAgentStarted => told("SubagentStart", answer),
        HookEvent::Stopping { .. } | HookEvent::SubAgentStopped => match answer {
            HookAnswer::Block { reason } => object(&json!({"decision": "block", "reason": reason})),
            // Words for the model would make it go on; the person sees these.
            HookAnswer::Tell { context } => object(&json!({"systemMessage": context})),
            _ => Printed::default(),
        },
        HookEvent::BeforeCompaction
        | HookEvent::SettingsChanged { .. }
        | HookEvent::StoppedByFailure { .. }
        | HookEvent::SessionEnded { .. }
        | HookEvent::Other { .. } => match answer {
            HookAnswer::Block { reason } | HookAnswer::Deny { reason } => refused(reason),
            _ => Printed::default(),
        },
    }
}

fn before(answer: &HookAnswer) -> Printed {
    let mut said = Map::new();
    let mut decide = |decision: &str, reason: &str| {
        said.insert("permissionDecision".to_owned(), json!(decision));
        if !reason.is_empty() {
            said.insert("permissionDecisionReason".to_owned(), json!(reason));
        }
    };
    match answer {
        HookAnswer::Nothing => return Printed::default(),
        HookAnswer::Allow { input, note } => {
            decide("allow", "");
            if let Some(input) = input {
                said.insert("updatedInput".to_owned(), input.clone());
            }
            if let Some(note) = note {
                said.insert("additionalContext".to_owned(), json!(note));
            }
        }
        HookAnswer::Ask { reason } => decide("ask", reason),
        HookAnswer::Defer { reason } => decide("defer", reason),
        HookAnswer::Deny { reason } | HookAnswer::Block { reason } => decide("deny", reason),
        HookAnswer::Tell { context } => {
            said.insert("additionalContext".to_owned(), json!(context));
        }
        HookAnswer::Replace { .. } => return Printed::default(),
    }
    specific("PreToolUse", said)
}

/// It has run: what can still be done is to tell the model.
pub fn after(event: &str, answer: &HookAnswer) -> Printed {
    match answer {
        HookAnswer::Nothing | HookAnswer::Allow { .. } => Printed::default(),
        HookAnswer::Tell { context } => context_for(event, context),
        HookAnswer::Replace { result, context } => {
            let mut said = Map::from_iter([("updatedToolOutput".to_owned(), result.clone())]);
            said.extend(context.iter().map(|context| ("additionalContext".to_owned(), json!(context))));
            specific(event, said)
        }
        HookAnswer::Ask { reason }
        | HookAnswer::Defer { reason }
        | HookAnswer::Deny { reason }
        | HookAnswer::Block { reason } => object(&json!({"decision": "block", "reason": reason})),
    }
}

pub fn permission(answer: &HookAnswer) -> Printed {
    let decision = match answer {
        HookAnswer::Nothing
        | HookAnswer::Ask { .. }
        | HookAnswer::Defer { .. }
        | HookAnswer::Tell { .. }
        | HookAnswer::Replace { .. } => return Printed::default(),
        HookAnswer::Allow { input: Some(input), .. } => json!({"behavior": "allow", "updatedInput": input}),
        HookAnswer::Allow { input: None, .. } => json!({"behavior": "allow"}),
        HookAnswer::Deny { reason } | HookAnswer::Block { reason } => json!({"behavior": "deny", "message": reason}),
    };
    specific("PermissionRequest", Map::from_iter([("decision".to_owned(), decision)]))
}

/// A moment at which the model can be told something; a prompt can be dropped too.
pub fn told(event: &str, answer: &HookAnswer) -> Printed {
    match answer {
        HookAnswer::Tell { context } => context_for(event, context),
        HookAnswer::Block { reason } | HookAnswer::Deny { reason } => {
            object(&json!({"decision": "block", "reason": reason}))
        }
        HookAnswer::Nothing
        | HookAnswer::Allow { .. }
        | HookAnswer::Ask { .. }
        | HookAnswer::Defer { .. }
        | HookAnswer::Replace { .. } => Printed::default(),
    }
}

fn context_for(event: &str, context: &str) -> Printed {
    specific(event, Map::from_iter([("additionalContext".to_owned(), json!(context))]))
}

/// The part of an answer that is of one event. The client refuses it without the name.
pub fn specific(event: &str, said: Map<String, Value>) -> Printed {
    let mut named = Map::from_iter([("hookEventName".to_owned(), json!(event))]);
    named.extend(said);
    object(&json!({"hookSpecificOutput": named}))
}

pub fn object(value: &Value) -> Printed {
    Printed { stdout: value.to_string(), ..Printed::default() }
}

/// Exit 2 with the reason on standard error: the one answer that all clients take for a no.
pub fn refused(reason: &str) -> Printed {
    Printed { stderr: reason.to_owned(), code: 2, ..Printed::default() }
}

/// The end of a turn is not held up by a fault of ours: the agent would be sent on again and again, and each time costs.
/// Only an event that is read and says so is such an end; all else is refused.
pub fn failed(bytes: &[u8], why: &str) -> Printed {
    let event = strict::object(bytes).unwrap_or_default();
    let ends = matches!(fields::text(&event, "hook_event_name"), Some("Stop" | "SubagentStop"));
    let ends = ends && !event.contains_key("tool_name");
    Printed { stderr: why.to_owned(), code: if ends { 1 } else { 2 }, ..Printed::default() }
}
