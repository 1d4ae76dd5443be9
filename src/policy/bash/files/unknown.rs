//! Programs that nobody here knows: which of their words may be files that they read. Those that are known are in `files`.

use super::super::subcommands;
use super::super::wrappers::is_loose;
use super::{Access, Expands, Named, Word};

/// Programs whose words are no files, or that open none of those they are given.
const OPENS_NONE: &[&str] = &[
    ":",
    "[",
    "[[",
    "alias",
    "asdf",
    "basename",
    "bazel",
    "bg",
    "break",
    "brew",
    "cd",
    "composer",
    "continue",
    "date",
    "declare",
    "deno",
    "df",
    "dirname",
    "disown",
    "du",
    "echo",
    "export",
    "exa",
    "exit",
    "eza",
    "false",
    "fd",
    "fg",
    "find",
    "gem",
    "gradle",
    "hash",
    "help",
    "history",
    "jobs",
    "just",
    "kill",
    "killall",
    "local",
    "ls",
    "lsof",
    "mise",
    "mix",
    "mvn",
    "npx",
    "nvm",
    "pgrep",
    "phasegate",
    "pkill",
    "popd",
    "printf",
    "ps",
    "pushd",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "realpath",
    "return",
    "rustup",
    "seq",
    "set",
    "shift",
    "shopt",
    "sleep",
    "ssh",
    "ssh-add",
    "stat",
    "task",
    "test",
    "tput",
    "tree",
    "true",
    "type",
    "typeset",
    "umask",
    "unalias",
    "unset",
    "wait",
    "whereis",
    "which",
];

/// A program that nobody here knows may read whatever its words name.
pub fn opened(name: &str, words: &[Word]) -> Vec<Named> {
    if OPENS_NONE.contains(&name) || subcommands::has_subcommands(name) || is_loose(name) {
        return Vec::new();
    }
    let written =
        |word: &&Word| word.expands.nothing() || word.expands == Expands { tilde: true, ..Expands::default() };
    let values = words.iter().skip(1).filter(written).flat_map(|word| {
        let text = word.text.as_str();
        let whole = if text.starts_with('-') { text.split_once('=').map(|(_, value)| value) } else { Some(text) };
        let sent = text.split_once('@').map(|(_, path)| path);
        [whole, sent].into_iter().flatten().map(|text| Word { text: text.to_owned(), expands: word.expands })
    });
    values.filter(|path| !path.text.is_empty()).map(|path| Named { path, access: Access::Read }).collect()
}
