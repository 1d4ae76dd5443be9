//! What is known of the values of the variables of one text.

use std::collections::{BTreeMap, BTreeSet};

use super::super::shell::script::{Assignment, Expands, Folders, Script, Simple, Word};

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

/// The values that variables of one text can have; a name with an unknown value is not in it.
#[derive(Debug, Default)]
pub struct Values {
    known: BTreeMap<String, Vec<Word>>,
    /// Every name that the text gives a value, known or not.
    given: BTreeSet<String>,
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
/// All that one word can become, taken together.
const MAX_MADE_BYTES: usize = 16 * 1_024;
/// Names that are given values in one text; more leave nothing known.
const MAX_NAMES: usize = 64;
/// Loops of one text whose words are read; more leave nothing known.
const MAX_LOOPS: usize = 64;

/// Places that one command can be in.
const MAX_WAYS: usize = 8;

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

/// Variables that a text within may expand, where it is not another shell that they are handed on to.
fn read_within(script: &Script) -> BTreeSet<&str> {
    let is_handed_on = |command: &Simple| {
        let program = command.words.first().map_or("", |word| word.text.as_str());
        matches!(program, "bash" | "sh" | "dash" | "zsh") && command.assignments.is_empty()
    };
    let handed_on: Vec<String> =
        script.commands.iter().flat_map(|command| exported(&command.words)).map(|given| given.name).collect();
    let names = script.commands.iter().flat_map(|command| {
        let kept: &[String] = if is_handed_on(command) { &handed_on } else { &[] };
        let texts = command.words.iter().filter(|word| !word.expands.value);
        texts.flat_map(|word| names_in(&word.text)).flatten().filter(|name| !kept.iter().any(|other| other == name))
    });
    names.collect()
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
        let mut built: BTreeMap<String, Vec<Word>> = BTreeMap::new();
        let exported: Vec<Assignment> = script.commands.iter().flat_map(|command| exported(&command.words)).collect();
        for assignment in script.commands.iter().flat_map(|command| &command.assignments).chain(&exported) {
            let value = &assignment.value;
            let short = value.text.len() <= MAX_VALUE_BYTES && !value.text.starts_with('(');
            let plain = short && (Expands { tilde: false, ..value.expands }.nothing() || is_made_here(&value.text));
            let name = identifier(&assignment.name);
            *times.entry(name).or_default() += 1;
            // `a+=x` and `a[0]=x` leave something else in it.
            let whole = short && name == assignment.name;
            if whole && !plain && is_built(value) {
                built.entry(name.to_owned()).or_default().push(value.clone());
                note(name, Some(Vec::new()));
            } else {
                note(name, (whole && plain).then(|| vec![value.clone()]));
            }
        }
        for (name, words) in loops(text) {
            note(name, words);
        }
        if found.len() > MAX_NAMES {
            found.values_mut().for_each(|words| *words = None);
        }
        let within = read_within(script);
        let others = script.commands.iter().any(|command| gives_values(&command.words));
        for (name, words) in found.iter_mut().filter(|(_, words)| words.is_some()) {
            let mentions = Mentions::of(name, text);
            // Somewhere else it gets a value that is not read here: by a builtin, by an expansion, in a text within.
            let elsewhere = mentions.given > times.get(name.as_str()).copied().unwrap_or_default();
            let unset = script.early.contains(name) || within.contains(name.as_str());
            if unset || elsewhere || mentions.added_to || (others && mentions.bare) {
                *words = None;
            }
        }
        let given = found.keys().cloned().collect();
        let known = found.into_iter().filter_map(|(name, words)| words.map(|words| (name, words))).collect();
        let mut values = Self {
            known,
            given,
            positional: ["$@", "$*", "${@", "${*"].iter().any(|all| text.contains(all)),
            finds_dots: text.contains("dotglob") || text.contains("GLOBIGNORE"),
            goes_down: text.contains("globstar"),
        };
        values.build(built);
        values
    }

    /// Values that are made of other variables, once those are known; what is made of itself never is.
    fn build(&mut self, mut waiting: BTreeMap<String, Vec<Word>>) {
        loop {
            let is_ready = |words: &Vec<Word>| {
                let mut names = words.iter().flat_map(|word| names_in(&word.text));
                names.all(|name| name.is_some_and(|name| !waiting.contains_key(name)))
            };
            let Some(name) = waiting.iter().find(|(_, words)| is_ready(words)).map(|(name, _)| name.clone()) else {
                break;
            };
            let words = waiting.remove(&name).unwrap_or_default();
            let is_known = |word: &Word| {
                Expands { tilde: false, ..word.expands }.nothing() || matches!(word.text.as_str(), "$?" | "$#" | "$$")
            };
            let made: Option<Vec<Vec<Word>>> =
                words.iter().map(|word| self.put_in(word).filter(|made| made.iter().all(is_known))).collect();
            let all = self.known.remove(&name).zip(made).map(|(plain, made)| [plain, made.concat()].concat());
            let is_short = |all: &Vec<Word>| all.iter().all(|word| word.text.len() <= MAX_VALUE_BYTES);
            if let Some(all) = all.filter(|all| all.len() <= MAX_VALUES && is_short(all)) {
                self.known.insert(name, all);
            }
        }
        self.known.retain(|name, _| !waiting.contains_key(name));
    }

    /// Whether the text gives it a value, whichever.
    pub fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Puts the folders that variables name into the places of the commands.
    pub fn settle(&self, script: &mut Script) {
        for command in &mut script.commands {
            let Folders::Known(ways) = &command.folders else { continue };
            if !ways.iter().flatten().any(|step| step.starts_with('$')) {
                continue;
            }
            let settled: Option<Vec<Vec<Vec<String>>>> = ways.iter().map(|steps| self.ways(steps)).collect();
            let settled: Option<Vec<Vec<String>>> =
                settled.map(|ways| ways.concat()).filter(|ways| ways.len() <= MAX_WAYS);
            command.folders = settled.map_or(Folders::Unknown, Folders::Known);
        }
    }

    /// The ways that one can be, where all of its steps are known.
    fn ways(&self, steps: &[String]) -> Option<Vec<Vec<String>>> {
        let mut ways = vec![Vec::new()];
        for step in steps {
            let choices = if step.starts_with('$') { self.folders(step)? } else { vec![step.clone()] };
            ways = ways
                .iter()
                .flat_map(|way| choices.iter().map(|step| [way.as_slice(), std::slice::from_ref(step)].concat()))
                .collect();
            if ways.len() > MAX_WAYS {
                return None;
            }
        }
        Some(ways)
    }

    fn folders(&self, written: &str) -> Option<Vec<String>> {
        let words = self.words(&Word { text: written.to_owned(), expands: VALUE })?;
        let is_plain = |word: &Word| {
            let else_expands = Expands { tilde: false, ..word.expands };
            let is_home = word.text.starts_with('~') == word.expands.tilde;
            else_expands.nothing() && is_home && !word.text.is_empty() && !word.text.starts_with(['-', '$'])
        };
        words.iter().all(is_plain).then(|| words.into_iter().map(|word| word.text).collect())
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
            let mut values = values;
            if word.expands.splits {
                // The pieces of a name that begins with anything at all are as unknown as any input.
                if values.iter().any(|value| value.text.starts_with('*') || value.text.contains('\\')) {
                    return None;
                }
                values.iter_mut().for_each(|value| value.expands.glob |= value.text.contains(['*', '?', '[']));
            }
            if values.iter().any(|value| value.text.contains([' ', '\t', '\n']) || value.text.is_empty()) {
                // It may become several words or none.
                return Some(vec![word.clone()]);
            }
            let joined = |start: &Word, value: &Word| Word {
                text: format!("{}{before}{}", start.text, value.text),
                expands: start.expands.and(value.expands),
            };
            made = made.iter().flat_map(|start| values.iter().map(|value| joined(start, value))).collect();
            let bytes: usize = made.iter().map(|word| word.text.len()).sum();
            if made.len() > MAX_VALUES || bytes > MAX_MADE_BYTES {
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

/// The names that are expanded in it; none stands for what is no name.
fn names_in(text: &str) -> impl Iterator<Item = Option<&str>> {
    let numbers = |after: &&str| after.starts_with(['?', '#']);
    text.split('$').skip(1).filter(move |after| !numbers(after)).map(|after| {
        let name = identifier(after.strip_prefix('{').unwrap_or(after));
        // Where it is taken for a value, the shell may be elsewhere by then.
        (!name.is_empty() && name != "PWD").then_some(name)
    })
}

/// Of other variables and nothing else.
fn is_built(value: &Word) -> bool {
    let Expands { glob, brace, .. } = value.expands;
    value.expands.value && !glob && !brace && !value.text.contains('`')
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
        let tilde = quote.is_none() && word.starts_with("~/");
        let rest = if tilde { word.get(1..).unwrap_or_default() } else { word };
        if !rest.chars().all(plain) || word.starts_with('-') || word.is_empty() {
            return None;
        }
        let glob = quote.is_none() && word.contains('*');
        found.push(Word { text: word.to_owned(), expands: Expands { glob, tilde, ..Expands::default() } });
    }
    (found.len() <= MAX_VALUES).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::super::super::shell;
    use super::super::super::shell::script::Simple;
    use super::super::assignments::tests::assignment;
    use super::*;

    #[test]
    fn values_that_are_known() {
        let script = Script {
            commands: vec![Simple {
                assignments: vec![
                    assignment("a", "x", false),
                    assignment("b", "$(date)", true),
                    assignment("c", "$1", true),
                    assignment("e", "$d-z", true),
                    assignment("d", "$a/y", true),
                    assignment("g", "$h", true),
                    assignment("h", "$g", true),
                    assignment("p", "$PWD/x", true),
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
            ("$d", Some(vec!["x/y"])),
            ("$e", Some(vec!["x/y-z"])),
            ("$g", None),
            ("$h", None),
            ("$p", None),
            ("$i", Some(vec!["1", "2"])),
            ("$f", Some(vec!["*.txt"])),
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
    #[test]
    fn a_value_counts_where_it_surely_was_given_before() {
        let known = |text: &str| {
            let word = Word { text: "$a".to_owned(), expands: Expands { splits: true, ..VALUE } };
            let found = Values::of(text, &shell::read(text)).words(&word);
            found.map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>().join(" "))
        };
        for (text, expected) in [
            ("a=x; cat $a", Some("x")),
            ("cd b && a=x && cat $a", Some("x")),
            ("if b; then a=x; else a=y; fi; cat $a", Some("x y")),
            ("for a in x y; do cat $a; done", Some("x y")),
            ("a=x; while b; do cat $a; done", Some("x")),
            ("a=x; f() { cat $a; }; f", Some("x")),
            ("export a=x; bash -c 'cat $a'", Some("x")),
            ("a=~/x; cat $a", Some("~/x")),
            ("a='x*'; cat $a", Some("x*")),
            ("a='\\.x*'; cat $a", None),
            ("a='*'; cat $a", None),
            ("a=x true; cat $a", None),
            ("a=x cat $a", None),
            ("(a=x); cat $a", None),
            ("a=x | b; cat $a", None),
            ("a=x & cat $a", None),
            ("b && a=x; cat $a", None),
            ("b || a=x; cat $a", None),
            ("if b; then a=x; fi; cat $a", None),
            ("case b in b) a=x ;; esac; cat $a", None),
            ("while b; do a=x; done; cat $a", None),
            ("for a in x; do b; done; cat $a", None),
            ("f() { a=x; }; cat $a", None),
            ("f() { cat $a; }; f; a=x", None),
            ("cat $a; a=x", None),
            ("cat <<E; a=x\n$a\nE\ncat $a", None),
            ("a=x; bash -c 'cat $a'", None),
            ("export a=x; find . -exec env -i sh -c 'cat $a' ';'", None),
        ] {
            assert_eq!(known(text).as_deref(), expected, "{text}");
        }
        let word = Word { text: "$a".to_owned(), expands: Expands { splits: true, ..VALUE } };
        let text = "a='.x*'; cat $a";
        let found = Values::of(text, &shell::read(text)).words(&word).unwrap();
        assert!(found.iter().all(|word| word.expands.glob), "{found:?}");
    }

    #[test]
    fn folders_of_variables_are_put_into_places() {
        let places = |text: &str| {
            let mut script = shell::read(text);
            Values::of(text, &script.clone()).settle(&mut script);
            script.commands.last().map(|last| last.folders.clone())
        };
        let known = |ways: &[&[&str]]| {
            Some(Folders::Known(ways.iter().map(|steps| steps.iter().map(ToString::to_string).collect()).collect()))
        };
        assert_eq!(places("a=/x; cd $a && b"), known(&[&["/x"]]));
        assert_eq!(places("a=x; cd c && cd \"$a/y\" && b"), known(&[&["c", "x/y"]]));
        assert_eq!(places("for a in x y; do cd $a && b; done"), Some(Folders::Unknown));
        for text in ["cd $a && b", "a='x y'; cd $a && b", "a=-; cd $a && b", "a='~'; cd $a && b", "a=x*; cd $a && b"] {
            assert_eq!(places(text), Some(Folders::Unknown), "{text}");
        }
    }
}
