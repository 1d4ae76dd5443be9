//! Codex CLI (seen with 0.169.0). Its hooks have the JSON of Claude Code, but fewer answers count, and none of its
//! hooks can stop a call by failing: its guard is advisory.

pub mod hook;
pub mod settings;
mod tools;

use serde_json::{Value, json};

use super::{Abilities, Client};

pub const CLIENT: Client = Client {
    name: "codex",
    title: "Codex CLI",
    abilities: Abilities {
        blocks_on_failure: false,
        rewrites: true,
        confines: true,
        asks: false,
        defers: false,
        call_ids: true,
        sees_failures: false,
    },
    read: hook::read,
    answer: hook::answer,
    failed: super::claude_code::hook::failed,
    rewrite_shell,
    set_model: |_, _| None,
    text_of_result: None,
};

/// The command is a text or a list of words, under one of two names. A folder of its own is part of the judged command.
fn rewrite_shell(native: &Value, command: &str) -> Value {
    let key = if native.get("cmd").is_some() { "cmd" } else { "command" };
    let as_list = native.get(key).is_some_and(Value::is_array);
    let mut found = native.as_object().cloned().unwrap_or_default();
    found.shift_remove("workdir");
    found.insert(key.to_owned(), if as_list { json!(["bash", "-c", command]) } else { json!(command) });
    Value::Object(found)
}
