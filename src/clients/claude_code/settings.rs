//! Claude Code's files: the server in `.mcp.json`, the hooks in `.claude/settings.json`. The plugin and the settings of a
//! machine carry the same hooks. It reads no comments there.

use serde_json::{Map, Value, json};

use crate::clients::setup::json_text::Dialect;
use crate::clients::setup::merge::Want;
use crate::clients::setup::{ClientSettings, Form, Guard, Setup, Version, Wanted};

pub const CLIENT: ClientSettings = ClientSettings {
    name: "claude-code",
    title: "Claude Code",
    program: "claude",
    tells_version: true,
    home: &[".claude.json", ".claude"],
    wanted,
    guard,
    off_switches: &[(".claude/settings.local.json", "disableAllHooks"), (".claude/settings.json", "disableAllHooks")],
};

/// The first version that stops a call whose hook fails.
pub const BLOCKS_SINCE: Version = Version(2, 1, 295);

/// The events that are told to phasegate, and whether they are about a tool.
pub const EVENTS: [(&str, bool); 13] = [
    ("SessionStart", false),
    ("UserPromptSubmit", false),
    ("PreToolUse", true),
    ("PostToolUse", true),
    ("PostToolUseFailure", true),
    ("PermissionRequest", true),
    ("SubagentStart", false),
    ("SubagentStop", false),
    ("PreCompact", false),
    ("ConfigChange", false),
    ("Stop", false),
    ("StopFailure", false),
    ("SessionEnd", false),
];

const HOOK_SECONDS: u32 = 10;

/// How a hook is started. An older version is not told of `onFailure`, which it does not know.
pub fn handler(setup: &Setup) -> Value {
    let mut handler = json!({
        "type": "command",
        "command": setup.program,
        "args": ["hook", CLIENT.name],
        "timeout": HOOK_SECONDS,
    });
    let blocks = setup.version.is_none_or(|version| version >= BLOCKS_SINCE);
    if let Some(members) = handler.as_object_mut().filter(|_| blocks) {
        members.insert("onFailure".to_owned(), json!("block"));
    }
    handler
}

pub fn hooks(setup: &Setup) -> Vec<Want> {
    let handler = handler(setup);
    let want = |(event, tool): (&'static str, bool)| Want::Hook {
        event,
        matcher: tool.then_some("*"),
        handler: handler.clone(),
    };
    EVENTS.into_iter().map(want).collect()
}

/// So that a call of our own tools asks nobody: phasegate is what asks.
pub const OWN_TOOLS: Want =
    Want::Listed { at: &["permissions", "allow"], text: "mcp__phasegate__*", or: &["mcp__phasegate"] };

/// `alwaysLoad`: the tools are there from the first turn, not found by a search.
pub fn server(setup: &Setup) -> Map<String, Value> {
    let entry = json!({ "type": "stdio", "command": setup.program, "args": ["serve"], "alwaysLoad": true });
    entry.as_object().cloned().unwrap_or_default()
}

fn wanted(setup: &Setup) -> Vec<Wanted> {
    let server = Want::Server { under: "mcpServers", entry: server(setup) };
    let mut settings = hooks(setup);
    settings.push(OWN_TOOLS);
    // Else Claude Code asks about the server, and the answer it suggests is to go on without.
    settings.push(Want::Listed { at: &["enabledMcpjsonServers"], text: "phasegate", or: &[] });
    vec![
        Wanted { files: &[".mcp.json"], form: Form::Json { dialect: Dialect::Strict, wants: vec![server] } },
        Wanted { files: &[".claude/settings.json"], form: Form::Json { dialect: Dialect::Strict, wants: settings } },
    ]
}

/// What a whole machine is held to: no project and no flag takes these hooks away.
pub fn managed(setup: &Setup) -> Wanted {
    let mut wants = hooks(setup);
    wants.push(OWN_TOOLS);
    Wanted { files: &["managed-settings.json"], form: Form::Json { dialect: Dialect::Strict, wants } }
}

fn guard(version: Option<Version>) -> Guard {
    match version {
        Some(version) if version < BLOCKS_SINCE => Guard::Advisory {
            why: format!("before {BLOCKS_SINCE} a call runs when its hook fails; update Claude Code"),
        },
        Some(_) => Guard::Enforced { why: "hooks block on failure".to_owned() },
        None => {
            Guard::Advisory { why: format!("its version is not known; from {BLOCKS_SINCE} on hooks block on failure") }
        }
    }
}
