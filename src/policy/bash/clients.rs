//! Clients of coding agents as a command meets them: one started without what holds it to its phase, told of other settings,
//! or whose settings are covered or changed. What is done to files by name is in `holders`.

use super::super::shell::script::Word;
use super::effects::base;
use super::table;
use super::views::Seen;

const CLIENTS: &[&str] = &[
    "claude",
    "claude-code",
    "codex",
    "copilot",
    "gemini",
    "gemini-cli",
    "opencode",
    "opencode-ai",
    "cursor-agent",
    "aider",
    "amp",
    "crush",
    "goose",
    "qwen",
];

/// Words that start such a client without what holds it, or take that away.
const UNGUARDED: &[&str] = &[
    "disableAllHooks",
    "--settings",
    "--setting-sources",
    "--dangerously",
    "bypassPermissions",
    "--yolo",
    "--bare",
    "--strict-mcp-config",
    "--mcp-config",
    "--config",
    "--no-hooks",
    "--approval-mode",
    "--permission-mode",
    "--full-auto",
    "danger-full-access",
    "--allowedTools",
    "--allowed-tools",
    "--safe-mode",
    "--disable",
    "--allow-all",
    "--allow-tool",
    "--force",
    "--pure",
];

/// They put something else over a file, or change it by texts of their own.
const COVERS_FILES: &[&str] =
    &["mount", "umount", "bindfs", "vi", "vim", "nvim", "ex", "ed", "emacs", "emacsclient", "kak", "nano", "micro"];

/// Where a client looks for its settings: elsewhere nothing holds it.
const PLACES_OF_SETTINGS: &[&str] = &[
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_DIR",
    "HOME",
    "XDG_CONFIG_HOME",
    "CLAUDE_CODE_SIMPLE",
];

/// Where clients keep their settings.
const FOLDERS: &[&str] = &[".claude", ".codex", ".gemini", ".cursor", ".opencode", ".vscode"];

/// A client is told to look for its settings elsewhere, by an assignment or by the words of `env` and `export`.
pub fn moves_settings(seen: &[Seen<'_>]) -> bool {
    let gives = |words: &[Word]| {
        let by = words.first().map_or("", |word| base(&word.text));
        let hands_on = matches!(by, "env" | "export" | "declare" | "typeset" | "sudo" | "doas");
        let name = |word: &Word| word.text.split_once('=').is_some_and(|(name, _)| PLACES_OF_SETTINGS.contains(&name));
        hands_on && words.iter().skip(1).any(name)
    };
    let assigned = seen.iter().flat_map(|one| &one.simple.assignments);
    assigned.into_iter().any(|given| PLACES_OF_SETTINGS.contains(&given.name.as_str()))
        || seen.iter().flat_map(|one| &one.views).any(|view| gives(view.words()))
}

pub fn starts_client(seen: &[Seen<'_>]) -> bool {
    let mut firsts = seen.iter().flat_map(|one| &one.views).filter_map(|view| view.words().first());
    firsts.any(|first| CLIENTS.contains(&base(&first.text)))
}

/// `-c` of codex sets anything; of the model alone it takes nothing away.
fn sets_of_codex(words: &[Word]) -> bool {
    let mut pairs = words.windows(2).filter_map(|pair| match pair {
        [option, value] if option.text == "-c" => Some(value.text.as_str()),
        [option, _] => option.text.strip_prefix("-c").filter(|rest| !rest.is_empty()),
        _ => None,
    });
    pairs.any(|setting| !setting.trim_start_matches('=').starts_with("model"))
}

/// A client that is started without what holds it, or that changes its own settings.
pub fn unguarded(name: &str, sub: &str, words: &[Word]) -> Option<String> {
    if !CLIENTS.contains(&name) {
        return None;
    }
    let has = |wanted: &[&str]| words.iter().skip(1).any(|word| wanted.iter().any(|part| word.text.contains(part)));
    let freed = has(UNGUARDED)
        || (matches!(name, "gemini" | "qwen") && has(&["-y"]))
        || (name == "cursor-agent" && words.iter().any(|word| word.text == "-f"))
        || (name == "codex" && sets_of_codex(words));
    if freed {
        return Some("it would start an agent without what holds it to its phase".to_owned());
    }
    let changes = matches!(sub, "mcp" | "plugin" | "config" | "hooks" | "plugins" | "extensions");
    (changes && !has(&["list", "get"]))
        .then(|| "it would change the settings that hold an agent to its phase".to_owned())
}

/// Whether a word of this program, which is none that only shows, touches the settings of a client.
pub fn touches_settings(name: &str, word: &Word) -> Option<&'static str> {
    let folder =
        matches!(name, "mount" | "umount" | "bindfs") && FOLDERS.contains(&base(word.text.trim_end_matches('/')));
    if COVERS_FILES.contains(&name) && (names_settings(&word.text) || folder) {
        return Some("it would change or cover the settings that hold an agent to its phase");
    }
    let code = word.text.contains([' ', '(', ';', '\n']);
    let runs = table::INTERPRETERS.iter().any(|known| name.starts_with(known));
    (code && runs && names_settings(&word.text))
        .then_some("a program in it names the settings that hold an agent to its phase")
}

pub fn names_settings(text: &str) -> bool {
    [
        ".claude/settings",
        ".codex/config",
        ".codex/hooks",
        ".gemini/settings",
        "opencode.json",
        ".opencode/plugin",
        ".cursor/hooks",
    ]
    .iter()
    .any(|file| text.contains(file))
}
