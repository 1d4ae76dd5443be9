//! opencode's files of a project: the server in `opencode.json`, the plugin that asks phasegate before each call.

use serde_json::{Value, json};

use crate::clients::setup::json_text::Dialect;
use crate::clients::setup::merge::Want;
use crate::clients::setup::{ClientSettings, Form, Guard, Setup, Version, Wanted};

pub const CLIENT: ClientSettings = ClientSettings {
    name: "opencode",
    title: "opencode",
    program: "opencode",
    tells_version: true,
    home: &[".config/opencode"],
    wanted,
    guard,
    off_switches: &[],
};

const PLUGIN: &str = include_str!("plugin.js");
/// The first words of every version of the plugin.
const PLUGIN_MARK: &str = "// Phasegate's guard for opencode";
const PROGRAM_LINE: &str = "const PROGRAM = \"phasegate\"";

fn wanted(setup: &Setup) -> Vec<Wanted> {
    let entry = json!({ "type": "local", "command": [setup.program, "serve"], "enabled": true });
    let wants = vec![
        Want::Fresh { key: "$schema", value: json!("https://opencode.ai/config.json") },
        Want::Server { under: "mcp", entry: entry.as_object().cloned().unwrap_or_default() },
    ];
    let program = format!("const PROGRAM = {}", Value::from(setup.program.as_str()));
    let plugin = PLUGIN.replacen(PROGRAM_LINE, &program, 1);
    vec![
        Wanted { files: &["opencode.json", "opencode.jsonc"], form: Form::Json { dialect: Dialect::Comments, wants } },
        Wanted { files: &[".opencode/plugin/phasegate.js"], form: Form::Whole { mark: PLUGIN_MARK, text: plugin } },
    ]
}

fn guard(_: Option<Version>) -> Guard {
    Guard::Advisory {
        why: "the plugin stops what it cannot ask about, but `opencode --pure` starts without it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_starts_the_program_that_is_named() {
        assert!(PLUGIN.starts_with(PLUGIN_MARK));
        assert_eq!(PLUGIN.matches(PROGRAM_LINE).count(), 1);
        let files = wanted(&Setup { program: "/a \"b\"/phasegate".to_owned(), version: None });
        let Form::Whole { text, .. } = &files[1].form else { panic!("{files:?}") };
        assert!(text.contains(r#"const PROGRAM = "/a \"b\"/phasegate""#), "{text}");
    }
}
