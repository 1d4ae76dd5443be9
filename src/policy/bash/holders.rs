//! Files whose loss or change would take the guard away: phasegate's state, the settings that hold agents, and what runs later
//! in a person's name. Commands that do so without a file are in `guard`.

use super::super::judge::Around;
use super::super::paths::{Access, is_program};
use super::super::shell::script::{Expands, Word};
use super::clients::names_settings;
use super::effects::base;
use super::guard::{Mention, names_state};
use super::subcommands::subcommand;
use super::uses::Uses;
use super::views::{Seen, View};

/// Folders of the settings that hold agents to their phase.
pub const HOLDERS: &[&str] = &[".claude", ".codex", ".gemini", ".opencode", ".cursor"];

const STARTS: &[&str] =
    &[".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".zprofile", ".bash_login", ".bash_aliases"];

/// What no agent touches, named behind something that is known only when it runs: `$(pwd)/.phasegate/log.key`.
pub fn behind_an_expansion(word: &Word, access: Access, around: &Around) -> Option<String> {
    if !word.expands.value {
        return None;
    }
    let text = word.text.as_str();
    let found = ["settings.json", "settings.local.json"].iter().any(|name| text.contains(name));
    let searched = found && (text.contains(".claude") || text.contains("find "));
    let ours = names_state(text, around)
        || ["log.key", "redaction.key", "phasegate.db"].iter().any(|name| text.contains(name));
    let holds = ours || (access == Access::Write && (names_settings(text) || searched));
    holds.then(|| format!("`{}` may be what holds agents to their phase", super::shown(text)))
}

/// `git clean -fdx`, `git stash --all`.
fn removes_ignored(words: &[Word]) -> bool {
    let Some((at, sub)) = subcommand("git", words) else { return false };
    let texts: Vec<&str> = words.iter().skip(at + 1).map(|word| word.text.as_str()).collect();
    let long =
        |whole: &str| texts.iter().any(|text| text.len() > 3 && text.starts_with("--") && whole.starts_with(text));
    // What stands behind `e` in a bundle is a pattern.
    let letters = |letter: char| {
        let bundles = texts.iter().filter_map(|text| text.strip_prefix('-').filter(|rest| !rest.starts_with('-')));
        bundles.into_iter().any(|bundle| bundle.split('e').next().is_some_and(|flags| flags.contains(letter)))
    };
    match sub {
        "clean" => {
            let dry = (letters('n') && !texts.contains(&"-e")) || long("--dry-run");
            let dry = dry && !long("--no-dry-run");
            let pattern = |text: &&str| matches!(*text, "-e.phasegate" | "--exclude=.phasegate");
            let kept = texts.iter().any(pattern)
                || texts.windows(2).any(|pair| matches!(pair, ["-e" | "--exclude", ".phasegate"]));
            // Of a folder that is named, only what lies there goes.
            let patterns = texts.iter().filter(|text| matches!(**text, "-e" | "--exclude")).count();
            let operands =
                texts.iter().filter(|text| !text.starts_with('-') && **text != "." && **text != "./").count();
            (letters('x') || letters('X')) && letters('d') && !dry && !kept && operands <= patterns
        }
        "stash" => {
            let first = texts.iter().find(|text| !text.starts_with('-'));
            matches!(first, None | Some(&"push" | &"save")) && (letters('a') || long("--all"))
        }
        _ => false,
    }
}

/// It starts at the top of the work tree, above it, or in a folder that is not known.
fn may_be_at_top(view: &View, around: &Around) -> bool {
    let (places, open) = super::files::places(&here(), &view.folders, &[], around);
    open || places.iter().any(|place| is_or_below(&around.root, place))
}

fn here() -> Word {
    Word { text: ".".to_owned(), ..Word::default() }
}

/// The folder that the shell is in has many names.
fn settled(word: &Word) -> Word {
    match word.text.trim_end_matches('/') {
        "$PWD" | "${PWD}" | "${PWD:?}" | "~+" | "$(pwd)" | "$(pwd -P)" | "$(pwd -L)" | "`pwd`" => here(),
        "$HOME" | "${HOME}" | "${HOME:?}" => {
            Word { text: "~".to_owned(), expands: Expands { tilde: true, ..Expands::default() } }
        }
        _ => word.clone(),
    }
}

/// What the files say that a text would write.
pub fn files(uses: &Uses, seen: &[Seen<'_>], text: &str, around: &Around) -> Option<String> {
    if let Some(why) = &uses.guarded {
        return Some(why.clone());
    }
    let mention = Mention::of(text, around);
    let starts_shells = ["PATH", "alias", "phasegate", "()"].iter().any(|part| text.contains(part));
    for one in uses.all.iter().filter(|one| one.access == Access::Write && !one.aside) {
        let mut names = one.path.rsplit('/');
        let (last, folder) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        if is_program(&one.path, around) {
            return Some("it would put something else in phasegate's place".to_owned());
        }
        if HOLDERS.contains(&last) {
            return Some(format!("`{last}` holds the settings that hold an agent to its phase"));
        }
        if folder == "pts" || (folder == "dev" && last.starts_with("tty")) {
            return Some("it would type into a terminal, which may be a person's".to_owned());
        }
        let shell_start = STARTS.contains(&last) && starts_shells;
        if shell_start || (one.protected && mention.decides) {
            return Some(format!("what is written to `{}` runs later, in a person's name", super::shown(last)));
        }
    }
    // What a container holds is not ours.
    let elsewhere = |one: &&Seen<'_>| {
        let first = one.views.first().and_then(|view| view.words().first());
        first.is_some_and(|first| matches!(base(&first.text), "docker" | "podman" | "nerdctl" | "kubectl" | "oc"))
    };
    let views = || seen.iter().filter(|one| !elsewhere(one)).flat_map(|one| &one.views);
    for view in views().filter(|view| view.sure) {
        let words = view.words();
        let Some(name) = words.first().map(|word| base(&word.text)) else { continue };
        let deep = words.iter().any(|word| matches!(word.text.as_str(), "-R" | "--recursive"));
        if name == "git" && removes_ignored(words) && may_be_at_top(view, around) {
            let why = "it would take away what git ignores, the state of phasegate with it (`git clean -e .phasegate` \
                       leaves that)";
            return Some(why.to_owned());
        }
        let has = |option: &str| words.iter().any(|word| word.text.starts_with(option));
        let mirrors = name == "rsync"
            && has("--del")
            && !words.iter().any(|word| matches!(word.text.as_str(), "-n" | "--dry-run"));
        let removes = mirrors
            || matches!(name, "rm" | "mv" | "srm" | "shred")
            || (deep && matches!(name, "chmod" | "chown" | "chgrp"));
        for named in super::files::named(words).iter().filter(|named| named.access == Access::Write) {
            if named.path.expands.value && named.path.text.contains("phasegate") {
                return Some("it would change what phasegate's own program or files are".to_owned());
            }
            // The last operand of `mv` is where the others go.
            let path = settled(&named.path);
            if !removes
                || (name == "mv" && words.last() == Some(&named.path) && !has("-t") && !has("--target"))
                || !(Expands { tilde: false, ..path.expands }).nothing()
            {
                continue;
            }
            let (places, _) = super::files::places(&path, &view.folders, &[], around);
            let root = super::files::normal(&around.root);
            let holds = |place: &String| {
                let own = around.guard.paths.iter().map(String::as_str);
                let home = around.home.as_deref().is_some_and(|home| is_or_below(home, place));
                place == "/" || home || own.chain([root.as_str()]).any(|held| is_or_below(held, place))
            };
            if places.iter().any(holds) {
                let held = super::shown(&named.path.text);
                return Some(format!("`{held}` holds the state of phasegate, or the settings that hold agents"));
            }
        }
    }
    None
}

fn is_or_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
