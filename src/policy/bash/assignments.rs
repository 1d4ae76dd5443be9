//! Which variables a command may be given without a rule for it, and what is known of the values of variables.

use std::collections::BTreeMap;

use super::super::shell::script::{Assignment, Script, Word};

/// They change how a program prints or how much it does, never what it runs.
const SAFE: &[&str] = &[
    "CARGO_TERM_COLOR",
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

/// Set by the shell or by logging in: they hold a folder, a name or a number.
const FROM_THE_SYSTEM: &[&str] = &[
    "HOME",
    "PWD",
    "OLDPWD",
    "USER",
    "LOGNAME",
    "HOSTNAME",
    "UID",
    "EUID",
    "PPID",
    "SECONDS",
    "RANDOM",
    "LINENO",
    "SHLVL",
    "TMPDIR",
    "EPOCHSECONDS",
    "COLUMNS",
    "LINES",
    "?",
    "$",
    "!",
    "#",
];

pub fn is_safe(assignment: &Assignment) -> bool {
    let name = assignment.name.as_str();
    (SAFE.contains(&name) || name.starts_with("LC_")) && assignment.value.expands.nothing()
}

/// A variable of the text's own, which no program is started with unless it is exported.
pub fn stays_inside(assignment: &Assignment) -> bool {
    let name = assignment.name.as_str();
    is_safe(assignment)
        || (name.starts_with(|letter: char| letter.is_ascii_lowercase())
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
            && !name.starts_with("npm_")
            && !READ_BY_PROGRAMS.contains(&name))
}

/// The values that variables of one text can have; a name with an unknown value is not in it.
#[derive(Debug, Default)]
pub struct Values {
    known: BTreeMap<String, Vec<Word>>,
}

const MAX_VALUES: usize = 16;
/// A longer value counts as not known: a few letters that name it could be put in for it hundreds of times.
const MAX_VALUE_BYTES: usize = 2_048;

impl Values {
    pub fn of(text: &str, script: &Script) -> Self {
        let mut found: BTreeMap<String, Option<Vec<Word>>> = BTreeMap::new();
        let mut note = |name: &str, value: Option<Vec<Word>>| {
            let entry = found.entry(name.to_owned()).or_insert_with(|| Some(Vec::new()));
            match (entry.as_mut(), value) {
                (Some(all), Some(value)) if all.len() + value.len() <= MAX_VALUES => all.extend(value),
                (_, _) => *entry = None,
            }
        };
        for command in &script.commands {
            for assignment in &command.assignments {
                let value = &assignment.value;
                let short = value.text.len() <= MAX_VALUE_BYTES;
                let plain = short && (value.expands.nothing() || is_made_here(&value.text));
                note(assignment.name.trim_end_matches('+'), plain.then(|| vec![value.clone()]));
            }
        }
        for (name, words) in loops(text) {
            note(name, words);
        }
        Self { known: found.into_iter().filter_map(|(name, words)| words.map(|words| (name, words))).collect() }
    }

    /// The words it can become, where all that is expanded in it is known.
    pub fn words(&self, word: &Word) -> Option<Vec<Word>> {
        if !word.expands.value {
            return Some(vec![word.clone()]);
        }
        if is_made_here(&word.text) {
            return Some(vec![word.clone()]);
        }
        let (before, after) = word.text.split_once('$')?;
        if after.contains(['$', '`']) || before.contains('`') {
            return None;
        }
        let (name, rest) = match after.strip_prefix('{') {
            Some(inner) => inner.split_once('}')?,
            None => {
                let end = after
                    .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
                    .unwrap_or(after.len())
                    .max(usize::from(after.starts_with(['?', '#', '$', '!'])));
                after.split_at_checked(end)?
            }
        };
        if FROM_THE_SYSTEM.contains(&name) && !self.known.contains_key(name) {
            return Some(vec![word.clone()]);
        }
        let values = self.known.get(name)?;
        if values.iter().any(|value| value.text.contains([' ', '\t', '\n']) || value.text.is_empty()) {
            // It may become several words or none.
            return Some(vec![word.clone()]);
        }
        Some(
            values
                .iter()
                .map(|value| Word {
                    text: format!("{before}{}{rest}", value.text),
                    expands: super::super::shell::script::Expands { glob: value.expands.glob, ..value.expands },
                })
                .collect(),
        )
    }
}

/// Made of the output of commands that are judged themselves, or of a sum.
fn is_made_here(text: &str) -> bool {
    let Some(at) = text.find(['$', '`']) else { return false };
    let rest = text.get(at..).unwrap_or_default();
    rest.starts_with("$(") || rest.starts_with('`')
}

/// `for NAME in WORDS`, wherever it is written; no words where they are not plain.
fn loops(text: &str) -> Vec<(&str, Option<Vec<Word>>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("for ") {
        rest = after;
        if before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_') {
            continue;
        }
        let head = after.split([';', '\n']).next().unwrap_or_default();
        let Some((name, words)) = head.trim_start().split_once(" in ") else { continue };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:,+@%=*- ".contains(letter);
        let words: Option<Vec<Word>> = (words.chars().all(plain)).then(|| {
            words
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| {
                    let glob = word.contains('*');
                    let expands = super::super::shell::script::Expands { glob, ..Default::default() };
                    Word { text: word.to_owned(), expands }
                })
                .collect()
        });
        // Names of files that begin with anything at all are as unknown as any input.
        let words = words
            .filter(|words| words.len() <= MAX_VALUES && !words.iter().any(|word| word.text.starts_with(['*', '-'])));
        found.push((name.trim(), words));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::super::shell::script::{Expands, Simple};
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

    #[test]
    fn values_that_are_known() {
        let script = Script {
            commands: vec![Simple {
                assignments: vec![
                    assignment("a", "x", false),
                    assignment("b", "$(date)", true),
                    assignment("c", "$1", true),
                    assignment("long", &"x".repeat(MAX_VALUE_BYTES + 1), false),
                ],
                ..Simple::default()
            }],
            ..Script::default()
        };
        let values =
            Values::of("for i in 1 2; do x; done; for f in *.txt; do y; done; for s in src/*.rs; do z; done", &script);
        for (text, expected) in [
            ("$a", Some(vec!["x"])),
            ("p/${a}.txt", Some(vec!["p/x.txt"])),
            ("$b", Some(vec!["$(date)"])),
            ("$c", None),
            ("$long", None),
            ("$i", Some(vec!["1", "2"])),
            ("$f", None),
            ("$s", Some(vec!["src/*.rs"])),
            ("$HOME/x", Some(vec!["$HOME/x"])),
            ("$unknown", None),
            ("$a$unknown", None),
            ("${a:-x}", None),
            ("$?", Some(vec!["$?"])),
            ("$(ls)", Some(vec!["$(ls)"])),
        ] {
            let word = Word { text: text.to_owned(), expands: Expands { value: true, ..Expands::default() } };
            let found = values.words(&word);
            let found = found.as_ref().map(|words| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>());
            assert_eq!(found, expected, "{text}");
        }
    }
}
