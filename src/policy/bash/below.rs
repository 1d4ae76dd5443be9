//! Folders that a command goes through with all that lies below them: what is there is used, though nobody names it. What a
//! project's own folder holds may be read that way, since every search does.

use super::super::judge::Around;
use super::super::paths::Access;
use super::super::shell::script::Word;
use super::effects::base;
use super::files::Named;
use super::subcommands::subcommand;

/// They search or pack what is below their operands, without being asked to.
const GO_THROUGH: &[&str] = &["7z", "ack", "ag", "fd", "rg", "tree"];
/// They do where an option says so.
const WITH_OPTION: &[(&str, &[char], Access)] = &[
    ("chgrp", &['R'], Access::Write),
    ("chmod", &['R'], Access::Write),
    ("chown", &['R'], Access::Write),
    ("cp", &['a', 'r', 'R'], Access::Read),
    ("diff", &['r'], Access::Read),
    ("egrep", &['r', 'R'], Access::Read),
    ("fgrep", &['r', 'R'], Access::Read),
    ("grep", &['r', 'R'], Access::Read),
    ("rm", &['r', 'R'], Access::Write),
    ("rsync", &['a', 'r'], Access::Read),
    ("scp", &['r'], Access::Read),
    ("zip", &['r'], Access::Read),
];
const OPTIONS: &[&str] = &["--archive", "--dereference-recursive", "--recurse-paths", "--recursive"];

const GIT_CHANGES: &[&str] = &["checkout", "clean", "mv", "restore", "rm"];

/// What `find` is asked to do with what it finds.
const OF_FIND: &[(&str, Access)] = &[
    ("-delete", Access::Write),
    ("-exec", Access::Read),
    ("-execdir", Access::Read),
    ("-fprint", Access::Read),
    ("-ok", Access::Read),
    ("-okdir", Access::Read),
];

/// The folders among the words of one command that it goes through.
pub fn gone_through(words: &[Word]) -> Vec<Named> {
    let Some(name) = words.first().map(|word| base(&word.text)) else { return Vec::new() };
    let (mut operands, access): (Vec<&Word>, Access) = match name {
        "find" => {
            let Some(access) = done_by_find(words) else { return Vec::new() };
            let options = |word: &&Word| matches!(word.text.as_str(), "-H" | "-L" | "-P");
            let starts = words.iter().skip(1).skip_while(options);
            (starts.take_while(|word| !word.text.starts_with(['-', '(', '!'])).collect(), access)
        }
        "git" => match subcommand("git", words).filter(|(_, sub)| GIT_CHANGES.contains(sub)) {
            Some((at, _)) => (plain(words.get(at..).unwrap_or_default()), Access::Write),
            None => return Vec::new(),
        },
        "mv" => (plain(words), Access::Write),
        "tar" => match packs(words) {
            true => (plain(words), Access::Read),
            false => return Vec::new(),
        },
        name if GO_THROUGH.contains(&name) => (plain(words), Access::Read),
        name => match WITH_OPTION.iter().find(|(known, ..)| *known == name) {
            Some((_, letters, access)) if has_option(words, letters) => (plain(words), *access),
            _ => return Vec::new(),
        },
    };
    let moves = name == "mv" || name == "git" && words.iter().any(|word| word.text == "mv");
    if operands.len() > 1 && (moves || matches!(name, "cp" | "rsync" | "scp")) {
        let last = operands.pop().cloned();
        let clears = name == "rsync" && words.iter().any(|word| word.text.starts_with("--del"));
        let cleared = last.filter(|_| clears).map(|path| Named { path, access: Access::Write });
        return named(operands, access).chain(cleared).collect();
    }
    named(operands, access).collect()
}

/// Whether going through the folder to read is more than working on the project, such as going through a home.
pub fn is_elsewhere(folder: &str, around: &Around) -> bool {
    let below = folder.strip_prefix(around.cwd.trim_end_matches('/'));
    !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn named(operands: Vec<&Word>, access: Access) -> impl Iterator<Item = Named> {
    operands.into_iter().map(move |word| Named { path: word.clone(), access })
}

fn plain(words: &[Word]) -> Vec<&Word> {
    words.iter().skip(1).filter(|word| !word.text.starts_with('-')).collect()
}

fn has_option(words: &[Word], letters: &[char]) -> bool {
    let has = |word: &Word| match word.text.strip_prefix('-') {
        Some(long) if long.starts_with('-') => OPTIONS.contains(&word.text.as_str()),
        Some(short) => short.contains(letters),
        None => false,
    };
    words.iter().skip(1).any(has)
}

fn packs(words: &[Word]) -> bool {
    let bundle = words.get(1).is_some_and(|word| !word.text.starts_with("--") && word.text.contains(['c', 'r', 'u']));
    let option = |word: &Word| {
        matches!(word.text.as_str(), "--append" | "--create" | "--update")
            || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'))
    };
    bundle || words.iter().any(option)
}

fn done_by_find(words: &[Word]) -> Option<Access> {
    let asked = words.iter().filter_map(|word| OF_FIND.iter().find(|(option, _)| *option == word.text));
    let all: Vec<Access> = asked.map(|(_, access)| *access).collect();
    let writes = all.contains(&Access::Write) || words.iter().any(|word| matches!(base(&word.text), "rm" | "mv"));
    (!all.is_empty()).then_some(if writes { Access::Write } else { Access::Read })
}
