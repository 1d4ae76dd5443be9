//! What a client's hooks tell of its sessions: that one is there, who works in it, how a call ended. Whether a call may run
//! is not here (`policy`).

use serde_json::Value;

use crate::domain::canonical;
use crate::domain::claim::LEASE_SECONDS_MAX;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::{AgentName, SessionId, Time};
use crate::domain::session::{Guard, Opened};

/// Longer texts of a call are cut in its record; its digest is of the whole.
const TEXT_CHARS_MAX: usize = 4000;
const COMMAND_CHARS_MAX: usize = 16 << 10;

/// A session as a hook shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub session: SessionId,
    pub client: String,
    pub guard: Guard,
    pub why: String,
    pub folder: String,
    pub model: Option<String>,
    /// On the session's main thread.
    pub agent: AgentName,
    /// Who acts, where that is a subagent; and of what kind it is.
    pub subagent: Option<(AgentName, Option<String>)>,
}

/// What is new about the session. `how` where the client tells of a start; any other sign of life counts as one too.
pub fn shown(facts: &Facts, shown: &Shown, how: Option<Opened>) -> Vec<Event> {
    let known = facts.state.sessions.get(&shown.session);
    // Its guard is looked at where it starts and where its settings change: what lies on disk in between does not count.
    let open = known.filter(|known| known.ended.is_none());
    let mut events = Vec::new();
    let begun = Event::SessionStarted {
        session: shown.session.clone(),
        agent: shown.agent.clone(),
        client: shown.client.clone(),
        guard: shown.guard,
        why: shown.why.clone(),
        how: how.unwrap_or(Opened::Midway),
        folder: shown.folder.clone(),
        model: shown.model.clone(),
    };
    if how.is_some() || open.is_none() {
        events.push(begun);
    }
    if let Some((agent, kind)) = &shown.subagent
        && known.and_then(|known| known.subagents.get(agent)).is_none_or(|known| known.ended.is_some())
    {
        let (session, agent, kind) = (shown.session.clone(), agent.clone(), kind.clone());
        events.push(Event::SubAgentStarted { session, agent, kind });
    }
    events
}

/// The end of a call that a hook let through; nothing where it knows of none.
pub fn observed(facts: &Facts, call: &str, well: bool, exit_code: Option<i32>) -> Option<Event> {
    let seen = facts.state.seen_calls.get(call)?;
    let (session, task, tool) = (seen.session.clone(), seen.task, seen.tool.clone());
    Some(Event::CallObserved { session, task, call: call.to_owned(), tool, well, exit_code })
}

/// Claims of an agent whose model's service takes no more until then.
pub fn parked(facts: &Facts, until: Time, why: &str, context: &Context) -> Vec<Event> {
    let most = context.now.plus_seconds(7 * LEASE_SECONDS_MAX);
    let until = until.min(most);
    let held = facts.held.iter().filter_map(|id| facts.state.tasks.get(id));
    let park = |task: &crate::domain::task::Task| {
        let claim = task.claim().filter(|claim| claim.parked_until.is_none_or(|known| known < until))?;
        let (agent, fence) = (claim.agent.clone(), claim.fence);
        Some(Event::ClaimParked { task: task.id, agent, fence, until, why: why.to_owned() })
    };
    if until <= context.now { Vec::new() } else { held.filter_map(park).collect() }
}

/// Stands for the id of a call of ours where the client shows the server none: what is called, and with what.
pub fn unnamed(tool: &str, input: &Value) -> String {
    format!("args:{}", canonical::digest(&serde_json::json!({ "tool": tool, "input": input })))
}

/// A call's arguments as they are kept, and the digest of all of them.
pub fn kept(tool: &str, input: &Value) -> (Value, String) {
    let digest = canonical::digest(&serde_json::json!({ "tool": tool, "input": input }));
    let most = |key: &str| if key == "command" { COMMAND_CHARS_MAX } else { TEXT_CHARS_MAX };
    let cut = |key: &str, value: &Value| match value {
        Value::String(text) => Value::String(cut_text(text, most(key))),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() <= TEXT_CHARS_MAX { value.clone() } else { Value::String(cut_text(&text, TEXT_CHARS_MAX)) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    };
    let kept = match input.as_object() {
        Some(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), cut(key, value))).collect()),
        None => cut("", input),
    };
    (kept, digest)
}

fn cut_text(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => {
            let (head, rest) = text.split_at(at);
            format!("{head}… [{} more characters]", rest.chars().count())
        }
    }
}
