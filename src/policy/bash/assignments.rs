//! Which variables a command may be given without a rule for it. What is known of their values is in `values`.

use super::super::shell::script::{Assignment, Word};

/// They change how a program prints or how much it does, never what it runs.
const SAFE: &[&str] = &[
    "BLOCKSIZE",
    "BLOCK_SIZE",
    "CARGO_INCREMENTAL",
    "CARGO_TERM_COLOR",
    "CGO_ENABLED",
    "CHARSET",
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORTERM",
    "COLUMNS",
    "DEBIAN_FRONTEND",
    "DEBUG",
    "DO_NOT_TRACK",
    "FORCE_COLOR",
    "GCC_COLORS",
    "GIT_OPTIONAL_LOCKS",
    "GIT_TERMINAL_PROMPT",
    "GO111MODULE",
    "GOARCH",
    "GOMAXPROCS",
    "GOOS",
    "GREP_COLORS",
    "LANG",
    "LANGUAGE",
    "LINES",
    "LOG_LEVEL",
    "LSCOLORS",
    "LS_COLORS",
    "NEXT_TELEMETRY_DISABLED",
    "NODE_ENV",
    "NODE_NO_WARNINGS",
    "NO_COLOR",
    "OMP_NUM_THREADS",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_NO_INPUT",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONIOENCODING",
    "PYTHONUNBUFFERED",
    "PYTHONUTF8",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "RUST_LOG_STYLE",
    "RUST_MIN_STACK",
    "RUST_TEST_THREADS",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TIME_STYLE",
    "TZ",
];

/// Their value is a command: these show what there is, or change nothing.
const QUIET: &[(&str, &[&str])] = &[
    ("EDITOR", &["true", ":"]),
    ("GIT_EDITOR", &["true", ":"]),
    ("GIT_PAGER", &["", "cat"]),
    ("GIT_SEQUENCE_EDITOR", &["true", ":"]),
    ("MANPAGER", &["", "cat"]),
    ("PAGER", &["", "cat"]),
    ("SYSTEMD_PAGER", &["", "cat"]),
];

/// Lower-case names that programs read from their environment all the same.
const READ_BY_PROGRAMS: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "histchars"];

pub fn is_safe(assignment: &Assignment) -> bool {
    let name = assignment.name.as_str();
    let is_quiet =
        || QUIET.iter().any(|(quiet, values)| *quiet == name && values.contains(&assignment.value.text.as_str()));
    // No name of a file is looked for here.
    (SAFE.contains(&name) || name.starts_with("LC_") || is_quiet())
        && !(assignment.value.expands.value || assignment.value.expands.tilde)
}

/// Short names that programs read, where they were handed on before.
const SHORT: &[&str] = &["AR", "AS", "CC", "FC", "LD", "NM", "RM", "SH"];

/// A name that no program reads, unless it is exported.
pub fn is_own(name: &str) -> bool {
    let is_short = name.len() <= 2 && name.starts_with(|letter: char| letter.is_ascii_uppercase());
    is_short && !SHORT.contains(&name) && !SAFE.contains(&name) || is_lower(name)
}

fn is_lower(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !name.starts_with("npm_")
        && !READ_BY_PROGRAMS.contains(&name)
}

/// The variable that a builtin hands on to programs, of those that may change what they do.
pub fn handed_on(words: &[Word]) -> Option<&str> {
    let (first, rest) = words.split_first()?;
    if !matches!(first.text.as_str(), "declare" | "export" | "local" | "readonly" | "typeset") {
        return None;
    }
    rest.iter().find_map(|word| {
        let (name, value) = word.text.split_once('=')?;
        let value = Word { text: value.to_owned(), expands: word.expands };
        let given = Assignment { name: name.to_owned(), value };
        (!is_safe(&given) && !is_own(name)).then_some(name)
    })
}

#[cfg(test)]
pub mod tests {
    use super::super::super::shell::script::Expands;
    use super::*;

    pub fn assignment(name: &str, value: &str, expands: bool) -> Assignment {
        let expands = Expands { value: expands, ..Expands::default() };
        Assignment { name: name.to_owned(), value: Word { text: value.to_owned(), expands } }
    }

    #[test]
    fn safe_names_and_static_values() {
        for (name, value, expands, safe, own) in [
            ("NODE_ENV", "test", false, true, false),
            ("LC_ALL", "C", false, true, false),
            ("CI", "$x", true, false, false),
            ("PATH", "/x", false, false, false),
            ("HOME", "/x", false, false, false),
            ("GIT_SSH_COMMAND", "x", false, false, false),
            ("GIT_PAGER", "cat", false, true, false),
            ("GIT_PAGER", "cat -n", false, false, false),
            ("GIT_EDITOR", "true", false, true, false),
            ("PAGER", "true", true, false, false),
            ("LD_PRELOAD", "x", false, false, false),
            ("name", "x", false, false, true),
            ("name", "$(date)", true, false, true),
            ("https_proxy", "x", false, false, false),
            ("npm_config_script_shell", "x", false, false, false),
            ("Path", "x", false, false, false),
        ] {
            let assignment = assignment(name, value, expands);
            assert_eq!((is_safe(&assignment), is_own(name)), (safe, own), "{name}={value}");
        }
    }
}
