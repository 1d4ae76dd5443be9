//! Which variables a command may be given without a rule for it. What is known of their values is in `values`.

use super::super::shell::script::Assignment;

/// They change how a program prints or how much it does, never what it runs.
const SAFE: &[&str] = &[
    "CARGO_TERM_COLOR",
    "CGO_ENABLED",
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "DEBUG",
    "FORCE_COLOR",
    "GOARCH",
    "GOOS",
    "LANG",
    "LANGUAGE",
    "LINES",
    "LOG_LEVEL",
    "NODE_ENV",
    "NO_COLOR",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "RUST_MIN_STACK",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TZ",
];

/// Lower-case names that programs read from their environment all the same.
const READ_BY_PROGRAMS: &[&str] = &["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "histchars"];

/// Short names that programs or the shell read, where they were handed on before.
const SHORT: &[&str] = &[
    "AR", "AS", "CC", "CPP", "CXX", "ENV", "F77", "FC", "IFS", "LD", "NM", "PS0", "PS1", "PS2", "PS3", "PS4", "PWD",
    "RM", "SH", "UID", "VIM",
];

pub fn is_safe(assignment: &Assignment) -> bool {
    let name = assignment.name.as_str();
    // No name of a file is looked for here.
    (SAFE.contains(&name) || name.starts_with("LC_"))
        && !(assignment.value.expands.value || assignment.value.expands.tilde)
}

/// A variable of the text's own, which no program is started with unless it is exported.
pub fn stays_inside(assignment: &Assignment) -> bool {
    let name = assignment.name.as_str();
    let is_short = name.len() <= 3 && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    is_safe(assignment)
        || (is_short && !SHORT.contains(&name) && !SAFE.contains(&name))
        || (name.starts_with(|letter: char| letter.is_ascii_lowercase())
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
            && !name.starts_with("npm_")
            && !READ_BY_PROGRAMS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::super::super::shell::script::{Expands, Word};
    use super::*;

    fn assignment(name: &str, value: &str, expands: bool) -> Assignment {
        let expands = Expands { value: expands, ..Expands::default() };
        Assignment { name: name.to_owned(), value: Word { text: value.to_owned(), expands } }
    }

    #[test]
    fn safe_names_and_static_values() {
        for (name, value, expands, safe, inside) in [
            ("NODE_ENV", "test", false, true, true),
            ("LC_ALL", "C", false, true, true),
            ("CI", "$x", true, false, false),
            ("PATH", "/x", false, false, false),
            ("HOME", "/x", false, false, false),
            ("GIT_SSH_COMMAND", "x", false, false, false),
            ("LD_PRELOAD", "x", false, false, false),
            ("name", "x", false, false, true),
            ("name", "$(date)", true, false, true),
            ("https_proxy", "x", false, false, false),
            ("npm_config_script_shell", "x", false, false, false),
            ("Path", "x", false, false, false),
        ] {
            let assignment = assignment(name, value, expands);
            assert_eq!((is_safe(&assignment), stays_inside(&assignment)), (safe, inside), "{name}={value}");
        }
    }
}
