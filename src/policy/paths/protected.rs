//! Paths that no rule opens by itself: what runs later without being asked, and what is the guard.

use super::pattern::{Pattern, below, names};
use super::place::Place;
use crate::policy::judge::Around;

/// Folders all of which count, wherever they stand, and why.
const FOLDERS: [(&str, &str); 22] = [
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
    (".vim", START),
    (".emacs.d", START),
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

/// Names that stand one after another, below a home.
const PLACES: [(&str, &str); 15] = [
    (".config/git", GIT),
    (".config/fish", START),
    (".config/autostart", START),
    (".config/systemd", START),
    (".config/environment.d", START),
    (".config/nvim", START),
    (".config/vim", START),
    (".config/emacs", START),
    (".config/direnv", START),
    (".config/opencode", CLIENT),
    (".config/gh", KEYS),
    (".config/gcloud", KEYS),
    ("Library/LaunchAgents", START),
    ("Application Support/ClaudeCode", CLIENT),
    ("ProgramData/ClaudeCode", CLIENT),
];

/// What the system or a client takes for everybody, from the root; a last name that ends with `*` is a beginning.
const OF_THE_SYSTEM: [(&str, &str); 24] = [
    ("etc/profile*", START),
    ("etc/bash.bashrc", START),
    ("etc/bashrc", START),
    ("etc/zsh", START),
    ("etc/zshrc", START),
    ("etc/zshenv", START),
    ("etc/zprofile", START),
    ("etc/environment", START),
    ("etc/crontab", START),
    ("etc/cron.*", START),
    ("etc/anacrontab", START),
    ("etc/systemd", START),
    ("etc/init.d", START),
    ("etc/rc.local", START),
    ("etc/ld.so.preload", START),
    ("etc/ld.so.conf*", START),
    ("etc/pam.d", START),
    ("etc/sudoers*", KEYS),
    ("etc/gitconfig", GIT),
    ("etc/claude-code", CLIENT),
    ("etc/codex", CLIENT),
    ("etc/gemini-cli", CLIENT),
    ("etc/opencode", CLIENT),
    ("var/spool/cron", START),
];

/// What others run by themselves: open to a rule that names it, not to a wide one.
const RUN_LATER: [&str; 44] = [
    ".envrc",
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    "lefthook-local.yml",
    "lefthook-local.yaml",
    ".lefthook-local.yml",
    ".lefthook-local.yaml",
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
    ".pnp.cjs",
    ".pnp.loader.mjs",
    "bunfig.toml",
    ".bunfig.toml",
    ".mvn",
    "maven-wrapper.properties",
    "gradle-wrapper.properties",
    ".bazelrc",
    ".bazelversion",
    ".bazeliskrc",
    "pyrightconfig.json",
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

/// Files and folders of clients that hold the hooks.
const HOOKS: [&str; 19] = [
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".codex/hooks.json",
    ".codex/config.toml",
    ".gemini/settings.json",
    "opencode.json",
    "opencode.jsonc",
    ".opencode/plugin",
    ".opencode/plugins",
    ".config/opencode/plugin",
    ".config/opencode/plugins",
    ".config/opencode/config.json",
    ".cursor/hooks.json",
    "etc/claude-code/managed-settings.json",
    "etc/claude-code/managed-settings.d",
    "Application Support/ClaudeCode/managed-settings.json",
    "Application Support/ClaudeCode/managed-settings.d",
    "ProgramData/ClaudeCode/managed-settings.json",
    "ProgramData/ClaudeCode/managed-settings.d",
];

/// Where a client keeps whole work trees among its settings: plain files, each tree under a name of its own.
const WORKTREES: [&str; 2] = [".claude", "worktrees"];

const STATE: &str = ".phasegate";

/// Why no rule opens writing here by itself.
pub fn protected(place: &Place) -> Option<&'static str> {
    place.spellings().find_map(|path| protected_spelling(&folded(path)))
}

fn protected_spelling(names: &[String]) -> Option<&'static str> {
    let named = |name: &&String, table: &[(&str, &'static str)]| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, why)| *why)
    };
    let names = in_worktree(names);
    // The folder itself counts too: taking it away is a change.
    let within = names.iter().find_map(|name| named(&name, &FOLDERS));
    within
        .or_else(|| names.last().and_then(|name| named(&name, &FILES)))
        .or_else(|| PLACES.iter().find(|(place, _)| holds(names, place)).map(|(_, why)| *why))
        .or_else(|| OF_THE_SYSTEM.iter().find(|(place, _)| begins(names, place)).map(|(_, why)| *why))
}

/// What is below a client's work tree, for a path in one; else the path.
fn in_worktree(names: &[String]) -> &[String] {
    let is =
        |at: usize| WORKTREES.iter().enumerate().all(|(next, name)| names.get(at + next).is_some_and(|n| n == name));
    let inside = |at: &usize| is(*at) && names.len() > at + WORKTREES.len() + 1;
    let outside = |at: &usize| {
        let before = names.get(..*at).unwrap_or_default();
        !before.iter().any(|name| FOLDERS.iter().any(|(known, _)| known == name))
    };
    let found = (0..names.len()).find(|at| inside(at) && outside(at));
    found.and_then(|at| names.get(at + WORKTREES.len() + 1..)).unwrap_or(names)
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
        || holds(&inside, ".local/state/phasegate")
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
    let hook = HOOKS.iter().any(|file| holds(&names, file));
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

/// Whether the path begins so; on one system `/etc` and its like lie in `/private`.
fn begins(path: &[String], run: &str) -> bool {
    let path = path.strip_prefix(&["private".to_owned()] as &[String]).unwrap_or(path);
    let is = |(name, wanted): (&String, &str)| match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    };
    path.len() >= run.split('/').count() && path.iter().zip(run.split('/')).all(is)
}

/// Whether these names stand one after another in the path.
fn holds(path: &[String], run: &str) -> bool {
    let run: Vec<&str> = run.split('/').collect();
    path.windows(run.len()).any(|names| names.iter().zip(&run).all(|(name, wanted)| name.eq_ignore_ascii_case(wanted)))
}
