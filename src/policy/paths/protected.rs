//! Paths that no rule opens by itself: what runs later without being asked, and what is the guard.

use super::pattern::{Pattern, below, names};
use super::place::Place;
use crate::policy::judge::Around;

/// Folders all of which count, wherever they stand, and why.
const FOLDERS: [(&str, &str); 20] = [
    (".git", GIT),
    (".githooks", GIT),
    (".husky", GIT),
    (".claude", CLIENT),
    (".codex", CLIENT),
    (".gemini", CLIENT),
    (".opencode", CLIENT),
    (".cursor", CLIENT),
    (".windsurf", CLIENT),
    (".continue", CLIENT),
    (".vscode", CLIENT),
    (".idea", CLIENT),
    (".zed", CLIENT),
    (".fleet", CLIENT),
    (".ssh", KEYS),
    (".gnupg", KEYS),
    (".aws", KEYS),
    (".kube", KEYS),
    (".docker", KEYS),
    ("phasegate.d", OURS),
];

/// Files wherever they stand.
const FILES: [(&str, &str); 52] = [
    (".gitconfig", GIT),
    (".gitmodules", GIT),
    (".gitattributes", GIT),
    (".mcp.json", CLIENT),
    (".claude.json", CLIENT),
    ("opencode.json", CLIENT),
    ("opencode.jsonc", CLIENT),
    (".aider.conf.yml", CLIENT),
    ("managed-settings.json", CLIENT),
    ("managed-mcp.json", CLIENT),
    ("phasegate.yaml", OURS),
    ("phasegate.yml", OURS),
    ("phasegate.toml", OURS),
    (".profile", START),
    (".bashrc", START),
    (".bash_profile", START),
    (".bash_login", START),
    (".bash_logout", START),
    (".bash_aliases", START),
    (".zshrc", START),
    (".zshenv", START),
    (".zprofile", START),
    (".zlogin", START),
    (".zlogout", START),
    (".kshrc", START),
    (".cshrc", START),
    (".tcshrc", START),
    (".login", START),
    ("config.fish", START),
    (".xinitrc", START),
    (".xprofile", START),
    (".xsessionrc", START),
    (".pam_environment", START),
    (".inputrc", START),
    (".vimrc", START),
    (".exrc", START),
    (".nvimrc", START),
    (".emacs", START),
    (".gdbinit", START),
    (".lldbinit", START),
    (".tmux.conf", START),
    (".screenrc", START),
    (".pythonrc", START),
    (".irbrc", START),
    (".Rprofile", START),
    (".psqlrc", START),
    (".sqliterc", START),
    (".ripgreprc", START),
    (".curlrc", START),
    (".wgetrc", START),
    (".netrc", KEYS),
    (".git-credentials", KEYS),
];

/// Ends of paths below a home or the system.
const PLACES: [(&str, &str); 16] = [
    (".config/git", GIT),
    (".config/fish", START),
    (".config/autostart", START),
    (".config/systemd", START),
    (".config/environment.d", START),
    (".config/nvim", START),
    (".config/opencode", CLIENT),
    (".config/gh", KEYS),
    (".config/gcloud", KEYS),
    ("Library/LaunchAgents", START),
    ("etc/profile.d", START),
    ("etc/profile", START),
    ("etc/bash.bashrc", START),
    ("etc/claude-code", CLIENT),
    ("etc/cron.d", START),
    ("var/spool/cron", START),
];

/// What others run by themselves: open to a rule that names it, not to a wide one.
const RUN_LATER: [&str; 29] = [
    ".envrc",
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    "lefthook.yml",
    "lefthook.yaml",
    ".lefthook.yml",
    ".lefthook.yaml",
    ".lefthook",
    ".overcommit.yml",
    ".devcontainer",
    ".devcontainer.json",
    ".cargo",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".yarn",
    ".pnpmfile.cjs",
    ".pypirc",
    ".mise.toml",
    "mise.toml",
    ".mise",
    ".tool-versions",
    ".gitlab-ci.yml",
    ".circleci",
    ".buildkite",
    "sitecustomize.py",
    "usercustomize.py",
    ".lintstagedrc",
    ".huskyrc",
];

const GIT: &str = "git runs it or takes settings from it";
const CLIENT: &str = "it holds settings of a client or an editor";
const KEYS: &str = "keys and logins lie there";
const OURS: &str = "it is a workflow or a setting of phasegate";
const START: &str = "a shell or a program runs it when it starts";
const LATER: &str = "other programs run it by themselves; a rule that names it can allow it";

/// Files of clients that hold the hooks: the ends of their paths.
const HOOKS: [(&str, &str); 9] = [
    (".claude", "settings.json"),
    (".claude", "settings.local.json"),
    (".codex", "hooks.json"),
    (".codex", "config.toml"),
    (".gemini", "settings.json"),
    (".opencode", "plugin"),
    (".opencode", "plugins"),
    (".cursor", "hooks.json"),
    ("etc/claude-code", "managed-settings.json"),
];

const STATE: &str = ".phasegate";

/// Why no rule opens writing here by itself.
pub fn protected(place: &Place) -> Option<&'static str> {
    place.spellings().find_map(|path| protected_spelling(&folded(path)))
}

fn protected_spelling(names: &[String]) -> Option<&'static str> {
    let named = |name: &&String, table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, why)| *why)
    };
    // The folder itself counts too: taking it away is a change.
    let within = names.iter().find_map(|name| named(&name, &FOLDERS));
    within
        .or_else(|| names.last().and_then(|name| named(&name, &FILES)))
        .or_else(|| PLACES.iter().find(|(place, _)| holds(names, place)).map(|(_, why)| *why))
}

/// Why only a rule that names it opens writing here, and the name that it must hold.
pub fn runs_later(place: &Place) -> Option<(&'static str, String)> {
    place.spellings().find_map(|path| {
        let names = folded(path);
        let known = names.iter().find(|name| RUN_LATER.iter().any(|known| known.eq_ignore_ascii_case(name)));
        let known = known.cloned().or_else(|| holds(&names, ".github/workflows").then(|| ".github".to_owned()));
        known.map(|name| (LATER, name))
    })
}

/// Such a rule.
pub fn names_it(pattern: &Pattern, name: &str) -> bool {
    pattern.names_literally(name)
}

/// Why an agent keeps off this path whatever the rules say.
pub fn guarded(place: &Place, write: bool, around: &Around) -> Option<String> {
    place.spellings().find_map(|path| guarded_spelling(path, write, around))
}

fn guarded_spelling(path: &str, write: bool, around: &Around) -> Option<String> {
    let written = names(path);
    if let Some(own) = around.guard.paths.iter().find(|own| own.len() > 1 && below(&written, own, true).is_some()) {
        return Some(format!("{own} is phasegate's own"));
    }
    // A work tree may itself lie in the state folder: what counts is the way from there.
    let inside = below(&written, &around.root, false).filter(|_| around.root.len() > 1);
    let inside: Vec<String> = inside.map_or_else(|| folded(path), |rest| rest.iter().map(|name| fold(name)).collect());
    if inside.iter().any(|name| name == STATE)
        || holds(&inside, ".config/phasegate")
        || holds(&inside, "share/phasegate")
    {
        return Some("state, settings and keys of phasegate lie there".to_owned());
    }
    if !write {
        return None;
    }
    if is_program(path, around) {
        return Some("it would put something else in phasegate's place".to_owned());
    }
    let names = folded(path);
    let hook = HOOKS.iter().any(|(folder, file)| holds(&names, &format!("{folder}/{file}")));
    let other = names.windows(2).any(|pair| match pair {
        [folder, file] => folder == ".claude" && file.starts_with("settings") && file.ends_with(".json"),
        _ => false,
    });
    (hook || other).then(|| "the hooks that hold an agent to its phase stand in it".to_owned())
}

/// The running program, or one of its name where programs lie.
pub fn is_program(path: &str, around: &Around) -> bool {
    let mut names = path.rsplit('/');
    let (last, folder) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    around.guard.programs.iter().any(|program| program == path) || (last == "phasegate" && folder.ends_with("bin"))
}

fn fold(name: &str) -> String {
    name.chars().filter(|character| !super::place::is_unseen(*character)).collect::<String>().to_lowercase()
}

fn folded(path: &str) -> Vec<String> {
    names(path).into_iter().map(fold).collect()
}

/// Whether these names stand one after another in the path.
fn holds(path: &[String], run: &str) -> bool {
    let run: Vec<&str> = run.split('/').collect();
    path.windows(run.len()).any(|names| names.iter().zip(&run).all(|(name, wanted)| name.eq_ignore_ascii_case(wanted)))
}
