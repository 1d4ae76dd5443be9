//! Which variables a text gives values that are not known to be numbers, and which of them arithmetic evaluates:
//! bash runs the substitutions in such a value. Values from outside the text are not seen here.

use std::collections::BTreeSet;

/// Bash puts texts into them without being told to: the last word of a command, a line that was read, what a pattern found.
const FILLED_BY_BASH: [&str; 24] = [
    "_",
    "BASH_ALIASES",
    "BASH_ARGV",
    "BASH_ARGV0",
    "BASH_COMMAND",
    "BASH_EXECUTION_STRING",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "COMP_LINE",
    "COMP_WORDS",
    "COPROC",
    "DIRSTACK",
    "FUNCNAME",
    "HOME",
    "HOSTNAME",
    "MAPFILE",
    "OLDPWD",
    "OPTARG",
    "PATH",
    "PWD",
    "READLINE_LINE",
    "REPLY",
    "SHELL",
    "TMPDIR",
];

#[derive(Debug, Default)]
pub(super) struct Variables {
    data: BTreeSet<String>,
    evaluated: BTreeSet<String>,
    /// Of which even the number of words is not known.
    unknown: BTreeSet<String>,
    apart: BTreeSet<String>,
}

impl Variables {
    pub(super) fn holds_data(&mut self, name: &str) {
        self.data.insert(name.to_owned());
    }

    pub(super) fn holds_anything(&mut self, name: &str) {
        self.unknown.insert(name.to_owned());
    }

    /// A test gets the words that its value falls into.
    pub(super) fn falls_apart(&mut self, name: &str) {
        self.apart.insert(name.to_owned());
    }

    pub(super) fn anything_apart(&self) -> Option<&str> {
        let given = |name: &&String| self.unknown.contains(*name) || FILLED_BY_BASH.contains(&name.as_str());
        self.apart.iter().find(given).map(String::as_str)
    }

    pub(super) fn evaluates(&mut self, name: &str) {
        self.evaluated.insert(name.to_owned());
    }

    pub(super) fn evaluated_data(&self) -> Option<&str> {
        let given = |name: &&String| self.data.contains(*name) || FILLED_BY_BASH.contains(&name.as_str());
        self.evaluated.iter().find(given).map(String::as_str)
    }
}

/// Assigning these changes how the rest of the text is read, or which programs its names mean.
pub(super) fn is_sensitive(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "PATH",
        "IFS",
        "PS4",
        "PROMPT_COMMAND",
        "BASH_ENV",
        "ENV",
        "SHELLOPTS",
        "BASHOPTS",
        "BASH_ALIASES",
        "BASH_CMDS",
        "BASH_COMPAT",
        "BASH_LOADABLES_PATH",
        "BASH_XTRACEFD",
        "CDPATH",
        "EXECIGNORE",
        "GLOBIGNORE",
        "POSIXLY_CORRECT",
        "PS0",
        "PS1",
        "PS2",
        "BASH_ARGV0",
        "HASHCMDS",
    ];
    NAMES.contains(&name) || name.starts_with("BASH_FUNC_")
}

pub(super) fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 23] = [
        "!", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select",
        "then", "until", "while", "{", "}", "time", "[[", "]]", "",
    ];
    WORDS.contains(&word)
}

/// Functions of these names would change what the reading of the text relies on.
pub(super) fn is_builtin(name: &str) -> bool {
    const NAMES: [&str; 62] = [
        ".",
        ":",
        "[",
        "alias",
        "bg",
        "bind",
        "break",
        "builtin",
        "caller",
        "cd",
        "command",
        "compgen",
        "complete",
        "compopt",
        "continue",
        "declare",
        "dirs",
        "disown",
        "echo",
        "enable",
        "eval",
        "exec",
        "exit",
        "export",
        "false",
        "fc",
        "fg",
        "getopts",
        "hash",
        "help",
        "history",
        "jobs",
        "kill",
        "let",
        "local",
        "logout",
        "mapfile",
        "popd",
        "printf",
        "pushd",
        "pwd",
        "read",
        "readarray",
        "readonly",
        "return",
        "set",
        "shift",
        "shopt",
        "source",
        "suspend",
        "test",
        "times",
        "trap",
        "true",
        "type",
        "typeset",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "wait",
        "command_not_found_handle",
    ];
    NAMES.contains(&name)
}

pub(super) fn is_identifier(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(letter) && !text.starts_with(|first: char| first.is_ascii_digit())
}

pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
