//! Codex's files of a project: the server in `.codex/config.toml`, the hooks in `.codex/hooks.json`. Codex reads both in
//! projects that its user trusts. The user's own files are left alone.

use serde_json::json;

use crate::clients::setup::json_text::Dialect;
use crate::clients::setup::merge::Want;
use crate::clients::setup::{ClientSettings, Form, Guard, Setup, Version, Wanted};

pub const CLIENT: ClientSettings = ClientSettings {
    name: "codex",
    title: "Codex",
    program: "codex",
    tells_version: true,
    home: &[".codex"],
    wanted,
    guard,
    off_switches: &[],
};

const EVENTS: [(&str, bool); 10] = [
    ("SessionStart", false),
    ("UserPromptSubmit", false),
    ("PreToolUse", true),
    ("PostToolUse", true),
    ("PermissionRequest", true),
    ("SubagentStart", false),
    ("SubagentStop", false),
    ("PreCompact", false),
    ("Stop", false),
    ("SessionEnd", false),
];

const HOOK_SECONDS: u32 = 10;
/// Codex gives its end no more, and says so at each start where more is asked for.
const END_SECONDS: u32 = 3;

fn wanted(setup: &Setup) -> Vec<Wanted> {
    // Codex starts a hook by a shell and passes no `args`.
    let command = format!("{} hook {}", setup.shell_word(), CLIENT.name);
    let hook = |(event, tool): (&'static str, bool)| {
        let seconds = if event == "SessionEnd" { END_SECONDS } else { HOOK_SECONDS };
        let handler = json!({ "type": "command", "command": command, "timeout": seconds });
        Want::Hook { event, matcher: tool.then_some("*"), handler }
    };
    let wants = EVENTS.into_iter().map(hook).collect();
    vec![
        Wanted { files: &[".codex/config.toml"], form: Form::Toml { program: setup.program.clone() } },
        Wanted { files: &[".codex/hooks.json"], form: Form::Json { dialect: Dialect::Strict, wants } },
    ]
}

fn guard(_: Option<Version>) -> Guard {
    Guard::Advisory {
        why: "its hooks pass when they fail; trust the folder and review the hooks in Codex once".to_owned(),
    }
}
