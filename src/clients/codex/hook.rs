//! Hooks of Codex: what differs from Claude Code. What it does not understand lets the call run, so it is never said:
//! the strongest thing that it does understand is said instead.

use serde_json::{Map, json};

use super::tools;
use crate::clients::claude_code::hook as claude;
use crate::clients::hooked::{HookAnswer, HookEvent, Hooked, Printed};
use crate::clients::names::ask_elsewhere;

pub fn read(bytes: &[u8]) -> Result<Hooked, String> {
    claude::read_as(bytes, tools::spoken)
}

pub fn answer(hooked: &Hooked, answer: &HookAnswer) -> Printed {
    match &hooked.event {
        HookEvent::Before(_) => before(hooked, answer),
        // The only event after a call, however it went.
        HookEvent::After { .. } => claude::after("PostToolUse", answer),
        HookEvent::PermissionAsked(_)
        | HookEvent::SessionStarted { .. }
        | HookEvent::PromptSubmitted
        | HookEvent::SubAgentStarted
        | HookEvent::SubAgentStopped
        | HookEvent::BeforeCompaction
        | HookEvent::SettingsChanged { .. }
        | HookEvent::Stopping { .. }
        | HookEvent::StoppedByFailure { .. }
        | HookEvent::SessionEnded { .. }
        | HookEvent::Other { .. } => claude::answer(hooked, answer),
    }
}

fn before(hooked: &Hooked, answer: &HookAnswer) -> Printed {
    match answer {
        HookAnswer::Ask { reason } | HookAnswer::Defer { reason } => {
            claude::answer(hooked, &HookAnswer::Deny { reason: ask_elsewhere(reason) })
        }
        // An allowance alone is not understood; with another input it is wanted.
        HookAnswer::Allow { input: None, note } => {
            let told = |context: &String| Map::from_iter([("additionalContext".to_owned(), json!(context))]);
            note.as_ref().map_or_else(Printed::default, |context| claude::specific("PreToolUse", told(context)))
        }
        HookAnswer::Nothing
        | HookAnswer::Allow { input: Some(_), .. }
        | HookAnswer::Deny { .. }
        | HookAnswer::Tell { .. }
        | HookAnswer::Replace { .. }
        | HookAnswer::Block { .. } => claude::answer(hooked, answer),
    }
}
