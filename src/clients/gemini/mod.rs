//! Gemini CLI (seen with 0.61.0). It has its own names of events and tools, no ids of calls, and no hook of its can stop
//! a call by failing: its guard is advisory. What is told after a call was read in its documents.

pub mod hook;
pub mod settings;
mod tools;

use serde_json::Value;

use super::{Abilities, Client};

pub const CLIENT: Client = Client {
    name: "gemini",
    title: "Gemini CLI",
    abilities: Abilities {
        blocks_on_failure: false,
        rewrites: true,
        confines: false,
        asks: false,
        defers: false,
        call_ids: false,
        sees_failures: true,
    },
    read: hook::read,
    answer: hook::answer,
    failed: hook::failed,
    rewrite_shell,
    set_model: |_, _| None,
    text_of_result: None,
};

/// The answer is laid over the old input, which nothing can be taken out of. A folder of its own stays: the judged
/// command names it in full.
fn rewrite_shell(native: &Value, command: &str) -> Value {
    super::fields::with(native, "command", command)
}
