//! opencode (seen with 1.18.33). It has no hooks that are programs: a plugin asks `phasegate hook opencode`, and a call
//! that it cannot ask about does not run. Without the plugin nothing is asked: its guard ends there.

pub mod hook;
pub mod settings;
mod tools;

use serde_json::Value;

use super::{Abilities, Client};

pub const CLIENT: Client = Client {
    name: "opencode",
    title: "opencode",
    abilities: Abilities {
        blocks_on_failure: true,
        rewrites: true,
        confines: false,
        asks: false,
        defers: false,
        call_ids: false,
        sees_failures: false,
    },
    read: hook::read,
    answer: hook::answer,
    failed: hook::failed,
    rewrite_shell,
    set_model: |_, _| None,
    text_of_result: None,
};

const PLUGIN: &str = include_str!("plugin.js");
const PROGRAM: &str = "const PROGRAM = \"phasegate\"";

/// The plugin's text, with the program that it starts.
pub fn plugin(program: &str) -> String {
    PLUGIN.replacen(PROGRAM, &format!("const PROGRAM = {}", Value::from(program)), 1)
}

/// A folder of its own is part of the judged command.
fn rewrite_shell(native: &Value, command: &str) -> Value {
    let mut found = super::fields::with(native, "command", command);
    if let Some(fields) = found.as_object_mut() {
        fields.shift_remove("workdir");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_starts_the_program_it_is_written_for() {
        let text = plugin(r#"/opt/a "b"/phasegate"#);
        assert!(text.contains(r#"const PROGRAM = "/opt/a \"b\"/phasegate""#) && !text.contains(PROGRAM));
    }
}
