//! Which variables a command may be given without a rule for it, and what is known of the values of variables.

use std::collections::{BTreeMap, BTreeSet};

use super::super::shell::script::{Assignment, Expands, Script, Word};

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

/// Set by the shell or by logging in: they hold a folder, a name or a number.
const FROM_THE_SYSTEM: &[&str] = &[
    "HOME",
    "PATH",
    "PWD",
    "OLDPWD",
    "SHELL",
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

/// The values that variables of one text can have; a name with an unknown value is not in it.
#[derive(Debug, Default)]
pub struct Values {
    known: BTreeMap<String, Vec<Word>>,
    /// Every name that the text gives a value, known or not.
    given: BTreeSet<String>,
    looped: BTreeSet<String>,
    /// The text sets its own positional parameters, or uses them.
    pub positional: bool,
    /// The shell's patterns find names that begin with a dot as well.
    pub finds_dots: bool,
    /// `**` goes down any number of folders.
    pub goes_down: bool,
}

const MAX_VALUES: usize = 16;
/// A longer value counts as not known: a few letters that name it could be put in for it hundreds of times.
const MAX_VALUE_BYTES: usize = 2_048;
/// Names that are given values in one text; more leave nothing known.
const MAX_NAMES: usize = 64;
/// Loops of one text whose words are read; more leave nothing known.
const MAX_LOOPS: usize = 64;

/// Builtins that give the names among their words a value which their words need not show.
const GIVE_VALUES: &[&str] = &[
    "read",
    "printf",
    "mapfile",
    "readarray",
    "declare",
    "typeset",
    "local",
    "export",
    "readonly",
    "getopts",
    "let",
    "select",
    "unset",
    "wait",
    "coproc",
    "nameref",
];

/// `export NAME=value`
fn exported(words: &[Word]) -> Vec<Assignment> {
    let Some((_, rest)) = words.split_first().filter(|(first, _)| first.text == "export") else { return Vec::new() };
    let given = rest.iter().filter_map(|word| {
        let (name, value) = word.text.split_once('=')?;
        let value = Word { text: value.to_owned(), expands: word.expands };
        Some(Assignment { name: name.to_owned(), value })
    });
    given.collect()
}

fn gives_values(words: &[Word]) -> bool {
    let asked = |option: &str| words.iter().any(|word| word.text.starts_with(option));
    words.iter().any(|word| match word.text.as_str() {
        "printf" => asked("-v"),
        "wait" => asked("-p"),
        name => GIVE_VALUES.contains(&name),
    })
}

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
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let exported: Vec<Assignment> = script.commands.iter().flat_map(|command| exported(&command.words)).collect();
        for assignment in script.commands.iter().flat_map(|command| &command.assignments).chain(&exported) {
            let value = &assignment.value;
            let short = value.text.len() <= MAX_VALUE_BYTES && !value.text.starts_with('(');
            let plain = short && (value.expands.nothing() || is_made_here(&value.text));
            let name = identifier(&assignment.name);
            // `a+=x` and `a[0]=x` leave something else in it.
            note(name, (plain && name == assignment.name).then(|| vec![value.clone()]));
            *times.entry(name).or_default() += 1;
        }
        let mut looped = BTreeSet::new();
        for (name, words) in loops(text) {
            note(name, words);
            looped.insert(name.to_owned());
        }
        if found.len() > MAX_NAMES {
            found.values_mut().for_each(|words| *words = None);
        }
        let others = script.commands.iter().any(|command| gives_values(&command.words));
        for (name, words) in found.iter_mut().filter(|(_, words)| words.is_some()) {
            let mentions = Mentions::of(name, text);
            // Somewhere else it gets a value that is not read here: by a builtin, by an expansion, in a text within.
            let elsewhere = mentions.given > times.get(name.as_str()).copied().unwrap_or_default();
            if elsewhere || mentions.added_to || (others && mentions.bare) {
                *words = None;
            }
        }
        let given = found.keys().cloned().collect();
        let known = found.into_iter().filter_map(|(name, words)| words.map(|words| (name, words))).collect();
        Self {
            known,
            given,
            looped,
            positional: ["$@", "$*", "${@", "${*"].iter().any(|all| text.contains(all)),
            finds_dots: text.contains("dotglob") || text.contains("GLOBIGNORE"),
            goes_down: text.contains("globstar"),
        }
    }

    /// Names that a loop gives values.
    pub fn looped(&self) -> impl Iterator<Item = &str> {
        self.looped.iter().map(String::as_str)
    }

    /// Whether the text gives it a value, whichever.
    pub fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// The words it can become, where all that is expanded in it is known.
    pub fn words(&self, word: &Word) -> Option<Vec<Word>> {
        let whole = || vec![word.clone()];
        let made_here = is_made_here(&word.text);
        if !word.expands.value || (made_here && !word.text.contains("$((")) {
            return Some(whole());
        }
        self.put_in(word).or_else(|| made_here.then(whole))
    }

    fn put_in(&self, word: &Word) -> Option<Vec<Word>> {
        let mut made = vec![Word { text: String::new(), expands: Expands { value: false, ..word.expands } }];
        let mut rest = word.text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            if before.contains('`') {
                return None;
            }
            let (expansion, left) = expansion(after)?;
            rest = left;
            let begins = before.is_empty() && made.iter().all(|word| word.text.is_empty());
            let values = match expansion {
                Expansion::Name(name)
                    if begins
                        && !self.gives(name)
                        && (rest.is_empty() || rest.starts_with('/'))
                        && of_folder(name).is_some() =>
                {
                    of_folder(name).into_iter().collect()
                }
                Expansion::Number => vec![Word { text: "0".to_owned(), ..Word::default() }],
                Expansion::Kept(written) => vec![Word { text: format!("${written}"), expands: VALUE }],
                Expansion::Name(name) if FROM_THE_SYSTEM.contains(&name) && !self.gives(name) => {
                    let written = after.get(..after.len() - left.len())?;
                    vec![Word { text: format!("${written}"), expands: VALUE }]
                }
                Expansion::Name(name) => self.known.get(name)?.clone(),
            };
            if values.iter().any(|value| value.text.contains([' ', '\t', '\n']) || value.text.is_empty()) {
                // It may become several words or none.
                return Some(vec![word.clone()]);
            }
            let joined = |start: &Word, value: &Word| Word {
                text: format!("{}{before}{}", start.text, value.text),
                expands: start.expands.and(value.expands),
            };
            made = made.iter().flat_map(|start| values.iter().map(|value| joined(start, value))).collect();
            if made.len() > MAX_VALUES {
                return None;
            }
        }
        if rest.contains('`') {
            return None;
        }
        made.iter_mut().for_each(|word| word.text.push_str(rest));
        Some(made)
    }
}

/// The folder where it runs, and the home.
fn of_folder(name: &str) -> Option<Word> {
    match name {
        "PWD" => Some(Word { text: ".".to_owned(), ..Word::default() }),
        "HOME" => Some(Word { text: "~".to_owned(), expands: Expands { tilde: true, ..Expands::default() } }),
        _ => None,
    }
}

const VALUE: Expands = Expands { value: true, splits: false, glob: false, brace: false, tilde: false };

enum Expansion<'a> {
    Name(&'a str),
    /// As it is written after the `$`.
    Kept(&'a str),
    /// Some number that is not below zero.
    Number,
}

/// What stands after a `$`, and what follows it.
fn expansion(after: &str) -> Option<(Expansion<'_>, &str)> {
    if let Some(sum) = after.strip_prefix("((") {
        let end = sum.find("))")?;
        let plain = |letter: char| letter.is_ascii_digit() || " +*".contains(letter);
        let (_, rest) = after.split_at_checked(end + 4)?;
        return sum.get(..end)?.chars().all(plain).then_some((Expansion::Number, rest));
    }
    if let Some(inner) = after.strip_prefix('(') {
        // What it runs is judged by itself.
        let end =
            inner.find(')').filter(|end| !inner.get(..*end).is_some_and(|inner| inner.contains(['(', '\'', '"'])))?;
        let (written, rest) = after.split_at_checked(end + 2)?;
        return Some((Expansion::Kept(written), rest));
    }
    match after.strip_prefix('{') {
        Some(inner) => {
            let (name, rest) = inner.split_once('}')?;
            if matches!(name, "PIPESTATUS[0]" | "PIPESTATUS[1]" | "PIPESTATUS[2]" | "PIPESTATUS[@]" | "#") {
                return Some((Expansion::Kept(after.get(..name.len() + 2)?), rest));
            }
            Some((Expansion::Name(name), rest))
        }
        None => {
            let end = after
                .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
                .unwrap_or(after.len())
                .max(usize::from(after.starts_with(['?', '#', '$', '!'])));
            let (name, rest) = after.split_at_checked(end)?;
            Some((Expansion::Name(name), rest))
        }
    }
}

fn identifier(name: &str) -> &str {
    let end = name.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(name.len());
    name.get(..end).unwrap_or(name)
}

/// How a name stands in a text.
#[derive(Default)]
struct Mentions {
    /// With `=` behind it.
    given: usize,
    /// With `+=` or an index behind it.
    added_to: bool,
    /// By itself, neither expanded nor given a value.
    bare: bool,
}

impl Mentions {
    fn of(name: &str, text: &str) -> Self {
        let mut found = Self::default();
        let part = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
        for (at, _) in text.match_indices(name) {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + name.len()..).unwrap_or_default();
            if before.chars().next_back().filter(part).is_some() || after.chars().next().filter(part).is_some() {
                continue;
            }
            let sets = after.trim_start_matches([':', '+']).starts_with('=') || after.starts_with('[');
            if sets {
                found.given += 1;
                found.added_to |= after.starts_with(['+', '[']);
            } else if !before.ends_with(['$', '{', '#', '!']) {
                found.bare |= !before.trim_end().ends_with("for");
            }
        }
        found
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
    while let Some((before, after)) = rest.split_once("for") {
        rest = after;
        let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if before.ends_with(part) || !after.starts_with([' ', '\t', '\n', '\\']) {
            continue;
        }
        let after = after.trim_start_matches([' ', '\t', '\n', '\\']);
        let name = identifier(after);
        if name.is_empty() {
            continue;
        }
        let words = if found.len() < MAX_LOOPS { looped(after.get(name.len()..).unwrap_or_default()) } else { None };
        found.push((name, words));
    }
    found
}

/// The words after the name of a loop.
fn looped(after: &str) -> Option<Vec<Word>> {
    let near: String = after.chars().take(MAX_VALUE_BYTES).collect();
    let words = near.trim_start().strip_prefix("in ")?;
    let end = words.find([';', '\n'])?;
    let words = words.get(..end)?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:,+@%=*-".contains(letter);
    let mut found = Vec::new();
    for written in words.split(' ').filter(|word| !word.is_empty()) {
        let quote = written.chars().next().filter(|first| matches!(first, '"' | '\''));
        let word = match quote {
            Some(quote) => written.strip_prefix(quote)?.strip_suffix(quote)?,
            None => written,
        };
        // Names of files that begin with anything at all are as unknown as any input.
        let tilde = quote.is_none() && word.starts_with("~/");
        let rest = if tilde { word.get(1..).unwrap_or_default() } else { word };
        if !rest.chars().all(plain) || word.starts_with(['*', '-']) || word.is_empty() {
            return None;
        }
        let glob = quote.is_none() && word.contains('*');
        found.push(Word { text: word.to_owned(), expands: Expands { glob, tilde, ..Expands::default() } });
    }
    (found.len() <= MAX_VALUES).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::super::super::shell::script::Simple;
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
            ("$HOME/x", Some(vec!["~/x"])),
            ("${PWD}/x", Some(vec!["./x"])),
            ("x/$HOME", Some(vec!["x/$HOME"])),
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
