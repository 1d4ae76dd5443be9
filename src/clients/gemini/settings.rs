//! Gemini CLI's file of a project: server and hooks in `.gemini/settings.json`. It reads comments.

use serde_json::json;

use crate::clients::setup::json_text::Dialect;
use crate::clients::setup::merge::Want;
use crate::clients::setup::{ClientSettings, Form, Guard, Setup, Version, Wanted};

pub const CLIENT: ClientSettings = ClientSettings {
    name: "gemini",
    title: "Gemini CLI",
    program: "gemini",
    tells_version: true,
    home: &[".gemini"],
    wanted,
    guard,
    off_switches: &[],
};

const EVENTS: [(&str, bool); 7] = [
    ("SessionStart", false),
    ("BeforeAgent", false),
    ("BeforeTool", true),
    ("AfterTool", true),
    ("PreCompress", false),
    ("AfterAgent", false),
    ("SessionEnd", false),
];

const HOOK_MILLISECONDS: u32 = 10_000;

fn wanted(setup: &Setup) -> Vec<Wanted> {
    let command = format!("{} hook {}", setup.shell_word(), CLIENT.name);
    let handler = json!({ "name": "phasegate", "type": "command", "command": command, "timeout": HOOK_MILLISECONDS });
    let entry = json!({ "command": setup.program, "args": ["serve"], "trust": true });
    let mut wants = vec![Want::Server { under: "mcpServers", entry: entry.as_object().cloned().unwrap_or_default() }];
    wants.extend(EVENTS.into_iter().map(|(event, tool)| Want::Hook {
        event,
        matcher: tool.then_some("*"),
        handler: handler.clone(),
    }));
    vec![Wanted { files: &[".gemini/settings.json"], form: Form::Json { dialect: Dialect::Comments, wants } }]
}

fn guard(_: Option<Version>) -> Guard {
    Guard::Advisory { why: "a call runs when its hook fails or takes too long".to_owned() }
}
