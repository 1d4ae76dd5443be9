//! Which words of a command make an everyday program run another one or write a file: what a rule with `*` does not
//! cover unless it spells them out. The programs stand in `table/`; looking through wrappers is elsewhere.

mod compilers;
mod git;
mod harmless;
mod launchers;
mod outputs;
mod own_ways;
mod queries;
mod special;

pub use harmless::{only_prints, runs_the_project};
pub use outputs::{perhaps_targets, started};
pub use special::reads_commands;

use super::super::shell::script::{Input, Word};
use super::options::{Part, Style, Valued, readings};
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

impl Risk {
    /// The same, where that many words stand before its own.
    fn behind(self, words: usize) -> Self {
        Self { at: self.at.saturating_add(words), ..self }
    }
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
    /// Files are written whose names begin with that operand, counted from 0.
    Prefix(usize),
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

/// Launchers before one program.
const MAX_LAUNCHERS: usize = 4;

pub fn risks(words: &[Word], input: Input) -> Vec<Risk> {
    let mut found = Vec::new();
    let mut from = 0;
    let mut drops_dashes = false;
    // `npx jest` is jest, `python3 -m pytest` is pytest.
    for round in 0..=MAX_LAUNCHERS {
        let Some((first, _)) = words.get(from..).and_then(<[Word]>::split_first) else { break };
        let rest = words.get(from..).unwrap_or_default();
        let name = table::listed_name(base(&first.text));
        found.extend(risks_of(name, rest, input).into_iter().map(|risk| risk.behind(from)));
        // Such a launcher takes a `--` away, and what stands behind it are options again.
        if drops_dashes && let Some(dashes) = rest.iter().position(|word| word.text == "--") {
            let kept: Vec<Word> = rest.iter().filter(|word| word.text != "--").cloned().collect();
            found.extend(
                risks_of(name, &kept, input)
                    .into_iter()
                    .filter(|risk| risk.at >= dashes)
                    .map(|risk| risk.behind(from + 1)),
            );
        }
        let Some(at) = launchers::launched(name, rest) else { break };
        drops_dashes |= matches!(name, "npm" | "npx" | "pnpm" | "yarn");
        from += at;
        if round == MAX_LAUNCHERS {
            found.push(Risk { at: from.min(words.len().saturating_sub(1)), effect: Effect::Unknown, target: None });
        }
    }
    for risk in &mut found {
        if risk.effect == Effect::Writes && risk.target.as_ref().is_some_and(is_program_for_output) {
            *risk = Risk { at: risk.at, effect: Effect::Runs, target: None };
        }
    }
    found.sort_by_key(|risk| risk.at);
    found
}

/// `psql -o '|program'`, `gs -o %pipe%program`.
fn is_program_for_output(target: &Word) -> bool {
    target.text.trim_start().starts_with('|') || target.text.contains("%pipe%")
}

fn risks_of(name: &str, words: &[Word], input: Input) -> Vec<Risk> {
    let mut found = Vec::new();
    special::risks(name, words, input, &mut found);
    compilers::risks(name, words, &mut found);
    own_ways::risks(name, words, &mut found);
    let subs = subcommands::subcommands(name, words);
    let plumbing = subs.iter().filter(|(_, sub)| name == "git" && git::is_plumbing(sub));
    found.extend(plumbing.map(|(at, _)| Risk { at: *at, effect: Effect::Runs, target: None }));
    let prints = harmless::only_prints(name, words);
    for program in table::lines(name) {
        if prints && (matches!(program.operands, Operands::Runs | Operands::Writes) || name == "ssh-keygen") {
            continue;
        }
        if program.sub.is_empty() {
            // What stands after the subcommand is read with it.
            let before_only = matches!(name, "git" | "docker");
            let end = subs.last().filter(|_| before_only).map_or(words.len(), |(at, _)| *at);
            judge(program, words.get(..end).unwrap_or(words), 1, input, &mut found);
        }
        for (at, _) in subs.iter().filter(|(_, sub)| *sub == program.sub) {
            judge(program, words, at + 1, input, &mut found);
        }
    }
    found
}

/// What it runs is told by its operands, or by what is not in its words.
pub fn runs_others(name: &str, words: &[Word]) -> bool {
    let named = table::RUNS_OTHERS.contains(&name) || table::UNREADABLE.contains(&name);
    named && !only_prints(name, words)
}

pub fn is_interpreter(name: &str) -> bool {
    table::INTERPRETERS.contains(&table::listed_name(name))
}

fn judge(program: &Program, words: &[Word], start: usize, input: Input, found: &mut Vec<Risk>) {
    let valued = Valued { letters: program.letters, names: program.names };
    for reading in readings(program.name, words, start, program.style, valued) {
        let more = judge_parts(program, words, start, input, reading);
        for risk in more {
            if !found.contains(&risk) {
                found.push(risk);
            }
        }
    }
}

fn judge_parts(program: &Program, words: &[Word], start: usize, input: Input, parts: Vec<Part<'_>>) -> Vec<Risk> {
    let mut found = Vec::new();
    let counted = matches!(program.operands, Operands::WrittenFrom(1..));
    let careful = !program.runs.is_empty() || !program.writes.is_empty() || counted;
    let mut operands = Vec::new();
    let mut texts: Vec<(usize, Option<&str>)> = Vec::new();
    let mut script_given = false;
    let mut inline = false;
    let mut module = None;
    let mut handed_on = false;
    for part in parts {
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
                // What stands behind `go test -args` is for the test, which reads options of its own.
                handed_on |= program.name == "go" && name == "args";
                if handed_on && !name.starts_with("test.") {
                    continue;
                }
                if let Some(effect) = effect_of(program, name, long)
                    && let given = value.cloned().or_else(|| attached.map(|text| attached_word(words, at, text)))
                    && !harmless::is_harmless(program, name, words.get(at..).unwrap_or_default(), given.as_ref())
                {
                    inline |= effect == Effect::Runs;
                    found.push(Risk { at, effect, target: given.filter(|_| effect == Effect::Writes) });
                }
                if is_text_option(name, long) {
                    script_given = true;
                    texts.push((at, given_text(value, attached, words.get(at))));
                }
                script_given |= matches!(name, "f" | "file");
            }
        }
    }
    if matches!(program.operands, Operands::Sed | Operands::Awk) {
        let first = operands.first().filter(|_| !script_given);
        texts.extend(first.and_then(|at| words.get(*at).map(|word| (*at, known_text(word)))));
        texts.retain(|(_, text)| text_acts(program.operands, *text));
        found.extend(texts.iter().map(|(at, _)| Risk { at: *at, effect: Effect::Runs, target: None }));
    }
    if program.operands == Operands::Interpreter {
        let script = operands.first().and_then(|at| words.get(*at));
        let from_input = match script {
            None => !inline && module.is_none() && !words.iter().skip(1).any(|word| is_question(&word.text)),
            Some(word) => is_input(&word.text),
        };
        if from_input && (input != Input::Inherited || !operands.is_empty()) {
            found.push(Risk { at: words.len(), effect: Effect::Runs, target: None });
        }
    }
    found.extend(by_operands(program, words, start, &operands));
    found
}

fn by_operands(program: &Program, words: &[Word], start: usize, operands: &[usize]) -> Vec<Risk> {
    // A subcommand is named by its own word, a program only together with what it is to do.
    let whole = if program.sub.is_empty() { 1 } else { start.saturating_sub(1) };
    match program.operands {
        Operands::WrittenFrom(count) => {
            let written = |at: &usize| Risk { at: *at, effect: Effect::Writes, target: words.get(*at).cloned() };
            operands.iter().skip(count).map(written).collect()
        }
        Operands::Prefix(place) => {
            let at = operands.get(place).copied();
            // A rule must open every name that may follow.
            let begun = |word: &Word| Word { text: format!("{}*", word.text), expands: word.expands };
            let unnamed = || Word { text: "x*".to_owned(), ..Word::default() };
            let target = at.map_or_else(|| Some(unnamed()), |at| words.get(at).map(begun));
            vec![Risk { at: at.unwrap_or(whole), effect: Effect::Writes, target }]
        }
        Operands::Runs => vec![Risk { at: whole, effect: Effect::Runs, target: None }],
        Operands::Writes => vec![Risk { at: whole, effect: Effect::Writes, target: None }],
        Operands::Plain | Operands::Sed | Operands::Awk | Operands::Interpreter | Operands::OthersAfterFirst => {
            Vec::new()
        }
    }
}

fn effect_of(program: &Program, name: &str, long: bool) -> Option<Effect> {
    // It takes either.
    let dashed = if program.name == "node" { name.replace('_', "-") } else { String::new() };
    let name = if dashed.is_empty() { name } else { &dashed };
    let listed = |list| names(list, name, long, program.style);
    listed(program.runs).then_some(Effect::Runs).or_else(|| listed(program.writes).then_some(Effect::Writes))
}

/// What is expanded inside a program text can be any part of it.
fn text_acts(language: Operands, text: Option<&str>) -> bool {
    text.is_none_or(|text| if language == Operands::Sed { scripts::sed_acts(text) } else { scripts::awk_acts(text) })
}

/// Or another descriptor, or what a substitution prints.
fn is_input(path: &str) -> bool {
    matches!(path, "-" | "/dev/stdin")
        || ["/dev/fd/", "/proc/self/fd/", "<("].iter().any(|start| path.starts_with(start))
}

/// The option whose value is a program text, also cut short.
fn is_text_option(name: &str, long: bool) -> bool {
    if long {
        !name.is_empty() && ["expression", "source"].iter().any(|whole| whole.starts_with(name))
    } else {
        name == "e"
    }
}

/// The text of an option; none where it is not known before it runs.
fn given_text<'a>(value: Option<&'a Word>, attached: Option<&'a str>, option: Option<&Word>) -> Option<&'a str> {
    match (value, attached) {
        (Some(value), _) => known_text(value),
        (None, Some(text)) => option.is_some_and(|word| word.expands.nothing()).then_some(text),
        (None, None) => None,
    }
}

/// A tilde is no command of sed or awk; all else that is expanded can be any part of a program.
fn known_text(word: &Word) -> Option<&str> {
    let changes = word.expands.value || word.expands.brace;
    (!changes).then_some(word.text.as_str())
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
        (true, Style::Exact) => *listed == name,
        (true, Style::Words) => same_name(listed, name),
        (true, Style::Getopt) => listed.len() > 1 && !name.is_empty() && listed.starts_with(name),
    })
}

/// Tools take `--globalSetup` for `--global-setup`, and some any case; one letter is taken as it stands.
fn same_name(listed: &str, name: &str) -> bool {
    let (stem, starts) = listed.strip_suffix('*').map_or((listed, false), |stem| (stem, true));
    if stem.len() < 2 {
        return if starts { name.starts_with(stem) } else { name == stem };
    }
    let mut left = plain_letters(name);
    plain_letters(stem).all(|letter| left.next() == Some(letter)) && (starts || left.next().is_none())
}

fn plain_letters(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(|letter| !matches!(letter, b'-' | b'_')).map(|letter| letter.to_ascii_lowercase())
}
