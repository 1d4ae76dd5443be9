//! Which words of a command make an everyday program run another one or write a file: what a rule with `*` does not
//! cover unless it spells them out. The programs stand in `table.rs`; looking through wrappers is elsewhere.

use super::super::shell::script::{Input, Word};
use super::options::{Part, Style, Valued, parts};
use super::{scripts, subcommands, table};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Runs what the command names, or reads settings that can.
    Runs,
    /// Writes, deletes or moves what the command names.
    Writes,
    /// Could be either, once it is expanded.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    /// The word that decides.
    pub at: usize,
    pub effect: Effect,
    /// The file that is written, where that is all that happens and it is known.
    pub target: Option<Word>,
}

/// What the table knows of a program, or of one of its subcommands.
#[derive(Debug)]
pub struct Program {
    pub name: &'static str,
    /// The subcommand it is about; empty for every one.
    pub sub: &'static str,
    pub style: Style,
    /// Letters and names of options whose value is the next word.
    pub letters: &'static str,
    pub names: &'static [&'static str],
    pub runs: &'static [&'static str],
    pub writes: &'static [&'static str],
    pub operands: Operands,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    Plain,
    /// The first operand, or the value of `-e`, is a program text in that language.
    Sed,
    Awk,
    /// From that operand on each is written, counted from 0.
    WrittenFrom(usize),
    /// The whole subcommand runs or writes what is named.
    Runs,
    Writes,
    /// The program text comes with an option; without any operand it is read from standard input.
    Interpreter,
    /// From the first operand on the words belong to the program that is started.
    OthersAfterFirst,
}

/// The name of a program without its folder.
pub fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

pub fn risks(words: &[Word], input: Input) -> Vec<Risk> {
    let mut found = Vec::new();
    let Some(first) = words.first() else { return found };
    let name = unversioned(base(&first.text));
    // `python3 -m pytest` is pytest.
    if name == "python"
        && let Some(at) = words.iter().position(|word| word.text == "-m").filter(|at| *at < 4)
        && let Some(module) = words.get(at + 1..).filter(|rest| rest.first().is_some_and(|word| word.text != "python"))
    {
        found.extend(
            risks_of(unversioned(module.first().map_or("", |word| word.text.as_str())), module, input)
                .into_iter()
                .map(|risk| Risk { at: risk.at.saturating_add(at + 1), ..risk }),
        );
    }
    found.extend(risks_of(name, words, input));
    found.sort_by_key(|risk| risk.at);
    found
}

fn risks_of(name: &str, words: &[Word], input: Input) -> Vec<Risk> {
    let mut found = Vec::new();
    special(name, words, input, &mut found);
    let sub = subcommands::subcommand(name, words);
    for program in table::PROGRAMS.iter().filter(|program| program.name == name) {
        if !program.sub.is_empty() && sub.is_none_or(|(_, sub)| sub != program.sub) {
            continue;
        }
        let start = if program.sub.is_empty() { 1 } else { sub.map_or(1, |(at, _)| at + 1) };
        // What stands after the subcommand is read with it.
        let end =
            if name == "git" && program.sub.is_empty() { sub.map_or(words.len(), |(at, _)| at) } else { words.len() };
        judge(program, words.get(..end).unwrap_or(words), start, input, &mut found);
    }
    found
}

const SQLITE_RUNS: &[&str] = &[
    ".shell",
    ".system",
    ".load",
    ".output",
    ".once",
    ".excel",
    ".import",
    ".read",
    ".log",
    ".backup",
    ".save",
    "load_extension",
    "writefile",
    "edit(",
];

/// What no table of options can say.
fn special(name: &str, words: &[Word], input: Input, found: &mut Vec<Risk>) {
    // Commands of its own shell may come that way.
    if matches!(name, "sqlite3" | "psql" | "mysql" | "gdb" | "ed" | "ex" | "bc") && input != Input::Inherited {
        found.push(Risk { at: words.len(), effect: Effect::Runs, target: None });
    }
    if name == "dd" {
        for (at, word) in words.iter().enumerate() {
            let target =
                word.text.strip_prefix("of=").map(|path| Word { text: path.to_owned(), expands: word.expands });
            found.extend(target.map(|target| Risk { at, effect: Effect::Writes, target: Some(target) }));
        }
    }
    let mut runs = |at| found.push(Risk { at, effect: Effect::Runs, target: None });
    for (at, word) in words.iter().enumerate().skip(1) {
        let text = word.text.as_str();
        let risky = match name {
            // `make SHELL=/tmp/x`, and any variable that a recipe runs.
            "make" | "gmake" => !text.starts_with('-') && text.contains('='),
            // A transport that is a command.
            "git" => text.starts_with("ext::") || text.starts_with("fd::"),
            // `tar cIf program archive`, without a dash.
            "tar" => at == 1 && !text.starts_with('-') && text.contains(['I', 'F']),
            "cargo" => at == 1 && text.starts_with('+') && text.contains('/'),
            // A command for the editor or pager; a bare line number is none.
            "vi" | "vim" | "nvim" | "view" | "less" | "more" | "ex" => {
                text.strip_prefix('+').is_some_and(|rest| rest.chars().any(|letter| !letter.is_ascii_digit()))
            }
            "sqlite3" => SQLITE_RUNS.iter().any(|part| text.contains(part)),
            "gcc" | "g++" | "clang" | "cc" => {
                text.starts_with("-fplugin") || text.starts_with("-specs") || text.starts_with('@')
            }
            _ => return,
        };
        if risky {
            runs(at);
        }
    }
}

/// `python3.12` is `python3`, `perl5.36` is `perl5`.
fn unversioned(name: &str) -> &str {
    let cut = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    if table::INTERPRETERS.contains(&cut) { cut } else { name }
}

pub fn is_interpreter(name: &str) -> bool {
    table::INTERPRETERS.contains(&unversioned(name))
}

fn judge(program: &Program, words: &[Word], start: usize, input: Input, found: &mut Vec<Risk>) {
    let careful = !program.runs.is_empty() || !program.writes.is_empty();
    let mut operands = Vec::new();
    let mut texts: Vec<(usize, &str)> = Vec::new();
    let mut script_given = false;
    let mut inline = false;
    let mut module = None;
    for part in parts(words, start, program.style, Valued { letters: program.letters, names: program.names }) {
        match part {
            Part::Operand { at } => {
                operands.push(at);
                if matches!(program.operands, Operands::Interpreter | Operands::OthersAfterFirst) {
                    break;
                }
            }
            Part::Unknown { at } => {
                operands.push(at);
                if careful {
                    found.push(Risk { at, effect: Effect::Unknown, target: None });
                }
            }
            Part::Option { name, long, value, attached, at } => {
                if program.operands == Operands::Interpreter && name == "m" && program.name == "python" {
                    module = Some(at);
                    break;
                }
                if names(program.runs, name, long, program.style) {
                    inline = true;
                    found.push(Risk { at, effect: Effect::Runs, target: None });
                } else if names(program.writes, name, long, program.style) {
                    let target = value.cloned().or_else(|| attached.map(|text| attached_word(words, at, text)));
                    found.push(Risk { at, effect: Effect::Writes, target });
                }
                if matches!(name, "e" | "expression" | "source") {
                    script_given = true;
                    texts.extend(value.map(|value| (at, value.text.as_str())).or(attached.map(|text| (at, text))));
                }
                script_given |= matches!(name, "f" | "file");
            }
        }
    }
    // A subcommand is named by its own word, a program only together with what it is to do.
    let whole = if program.sub.is_empty() { 1 } else { start.saturating_sub(1) };
    match program.operands {
        Operands::Plain => {}
        Operands::Sed | Operands::Awk => {
            if !script_given {
                texts.extend(operands.first().and_then(|at| words.get(*at).map(|word| (*at, word.text.as_str()))));
            }
            texts.retain(|(at, text)| {
                // What is expanded inside a program text can be any part of it.
                let known = words.get(*at).is_none_or(|word| !word.expands.value);
                !known
                    || match program.operands {
                        Operands::Sed => scripts::sed_acts(text),
                        _ => scripts::awk_acts(text),
                    }
            });
            found.extend(texts.iter().map(|(at, _)| Risk { at: *at, effect: Effect::Runs, target: None }));
        }
        Operands::WrittenFrom(count) => found.extend(operands.iter().skip(count).map(|at| Risk {
            at: *at,
            effect: Effect::Writes,
            target: words.get(*at).cloned(),
        })),
        Operands::Runs => found.push(Risk { at: whole, effect: Effect::Runs, target: None }),
        Operands::Writes => found.push(Risk { at: whole, effect: Effect::Writes, target: None }),
        Operands::OthersAfterFirst => {}
        Operands::Interpreter => {
            let from_input = match operands.first().and_then(|at| words.get(*at)) {
                None => !inline && module.is_none() && !words.iter().skip(1).any(|word| is_question(&word.text)),
                Some(word) => matches!(word.text.as_str(), "-" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0"),
            };
            if from_input && (input != Input::Inherited || !operands.is_empty()) {
                found.push(Risk { at: words.len(), effect: Effect::Runs, target: None });
            }
        }
    }
}

/// Options that only ask the program about itself.
fn is_question(text: &str) -> bool {
    matches!(text, "--version" | "-V" | "-v" | "--help" | "-h")
}

fn attached_word(words: &[Word], at: usize, text: &str) -> Word {
    let expands = words.get(at).map(|word| word.expands).unwrap_or_default();
    Word { text: text.to_owned(), expands }
}

/// A long name also when it is cut short, as GNU and git read it.
fn names(list: &[&str], name: &str, long: bool, style: Style) -> bool {
    list.iter().any(|listed| match (long, style) {
        (false, _) => *listed == name,
        (true, Style::Words) => *listed == name || listed.strip_suffix('*').is_some_and(|stem| name.starts_with(stem)),
        (true, Style::Getopt) => listed.len() > 1 && !name.is_empty() && listed.starts_with(name),
    })
}
