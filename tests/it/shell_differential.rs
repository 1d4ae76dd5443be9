//! The reader of shell texts against bash: what bash starts or writes must be in the list of a text that is taken
//! as read. A failure prints its seed; `PHASEGATE_SHELL_SEED` repeats one, `PHASEGATE_SHELL_TEXTS` says how many
//! texts.

mod oracle;
mod probes;
mod writer;

use phasegate::policy::shell::read;
use phasegate::policy::shell::script::{Folders, Script, Simple, Way, Word};

use oracle::{Batch, Seen};
use writer::Writer;

const SEED: u64 = 20_001;
const TEXTS: usize = 20_000;
const BATCH: usize = 500;

#[derive(Debug, Default)]
struct Tally {
    texts: usize,
    accepted: usize,
    /// Accepted, and bash started something.
    shown: usize,
    /// Not accepted, though bash started something.
    refused: usize,
    /// Of these, the ones where the search found every name.
    found: usize,
    faults: Vec<String>,
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn bash_starts_nothing_that_an_accepted_text_does_not_show() {
    let seed = setting("PHASEGATE_SHELL_SEED", SEED);
    let texts = usize::try_from(setting("PHASEGATE_SHELL_TEXTS", TEXTS as u64)).unwrap();
    let mut writer = Writer::new(seed);
    let mut all: Vec<String> = probes::PROBES.map(str::to_owned).to_vec();
    while all.len() < texts {
        let (text, other) = (writer.text(), writer.text());
        let damaged = writer.damaged(&text, &other);
        all.extend([text, damaged]);
    }
    let mut tally = Tally::default();
    for batch in all.chunks(BATCH) {
        // Both at once: the machine has two cores at least, and bash uses one.
        let (good, bad) = (Batch::start(batch, 0), Batch::start(batch, 1));
        for (text, seen) in batch.iter().zip(good.finish().into_iter().zip(bad.finish())) {
            judge(text, &[seen.0, seen.1], &mut tally);
        }
    }
    eprintln!(
        "seed {seed}: {} texts, {} accepted, in {} of them bash ran something; it did in {} refused ones, \
         and the search found every name in {} of these",
        tally.texts, tally.accepted, tally.shown, tally.refused, tally.found
    );
    let shown = tally.faults.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(tally.faults.is_empty(), "seed {seed}: {} faults\n{shown}", tally.faults.len());
    assert!(tally.shown * 5 > tally.texts, "too few texts were accepted for this to show anything");
}

/// Every program of `text` by its words, whatever else was made of it.
fn programs(text: &str) -> Vec<Vec<String>> {
    let words = |command: Simple| command.words.into_iter().map(|word| word.text).collect::<Vec<_>>();
    read(text).commands.into_iter().map(words).filter(|words| !words.is_empty()).collect()
}

#[test]
fn what_stands_around_a_text_hides_nothing_of_it() {
    let seed = setting("PHASEGATE_SHELL_SEED", SEED);
    let mut writer = Writer::new(seed);
    let mut accepted = 0;
    for _ in 0..3_000 {
        let (text, other) = (writer.text(), writer.text());
        let damaged = writer.damaged(&text, &other);
        let _bounded = read(&damaged);
        let before = read(&text);
        if before.opaque.is_some() || text.contains('#') {
            continue;
        }
        accepted += 1;
        let line = if text.ends_with('\n') { "" } else { "\n" };
        for around in [
            format!("( {text}{line})"),
            format!("{{ {text}{line}}}"),
            format!("zz $( {text}{line})"),
            format!("zz \"$( {text}{line})\""),
            format!("if zz; then {text}{line}fi"),
            format!("{text}{line}; zz").replace("\n; zz", "\nzz"),
        ] {
            let after = read(&around);
            // The one thing that a substitution around it takes away.
            let beside = |why: &String| text.contains("<<") && why.starts_with("a here-document stands beside");
            assert!(after.opaque.as_ref().is_none_or(beside), "seed {seed}: {around:?}: {:?}", after.opaque);
            let (all, around) = (programs(&around), around);
            for program in programs(&text) {
                assert!(all.contains(&program), "seed {seed}: {program:?} is hidden in {around:?}");
            }
        }
    }
    assert!(accepted > 1_000, "too few texts were accepted for this to show anything");
}

fn judge(text: &str, runs: &[Seen], tally: &mut Tally) {
    let script = read(text);
    tally.texts += 1;
    let runs_something = runs.iter().any(|seen| !seen.started.is_empty());
    if script.opaque.is_some() {
        tally.refused += usize::from(runs_something);
        let named = |words: &[Vec<u8>]| script.commands.iter().any(|command| names(command, words));
        let all = runs.iter().flat_map(|seen| &seen.started).all(|(_, words)| named(words));
        tally.found += usize::from(runs_something && all);
        return;
    }
    tally.accepted += 1;
    tally.shown += usize::from(runs_something);
    for seen in runs {
        let fault = seen.started.iter().find_map(|(folder, words)| fault_of_start(&script, folder, words));
        let fault = fault.or_else(|| seen.files.iter().find_map(|file| fault_of_file(&script, file)));
        if let Some(fault) = fault {
            tally.faults.push(format!("{fault}\n    text: {text:?}\n    read: {:?}", short(&script)));
            return;
        }
    }
}

fn short(script: &Script) -> Vec<String> {
    script
        .commands
        .iter()
        .map(|command| command.words.iter().map(|word| format!("<{}>", word.text)).collect())
        .collect()
}

fn names(command: &Simple, words: &[Vec<u8>]) -> bool {
    let mut all = command.words.iter();
    all.any(|word| words.first().is_some_and(|name| name == word.text.as_bytes()))
}

fn fault_of_start(script: &Script, folder: &str, words: &[Vec<u8>]) -> Option<String> {
    let shown = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>();
    let matching: Vec<&Simple> = script.commands.iter().filter(|command| matches(command, words)).collect();
    if matching.is_empty() {
        let named = script.commands.iter().any(|command| names(command, words));
        return Some(format!("{} {shown:?}", if named { "ARGS" } else { "NAME" }));
    }
    let known = matching.iter().any(|command| may_run_in(&command.folders, folder));
    (!known).then(|| format!("FOLDER {shown:?} in `{folder}`"))
}

/// The words as they stand, or behind a builtin that runs them.
fn matches(command: &Simple, words: &[Vec<u8>]) -> bool {
    let mut rest = command.words.as_slice();
    loop {
        if fits(rest, words) {
            return true;
        }
        match rest.split_first() {
            Some((first, others)) if matches!(first.text.as_str(), "command" | "builtin" | "exec" | "--") => {
                rest = others
            }
            _ => return false,
        }
    }
}

/// A word that is expanded may be any number of words.
fn fits(read: &[Word], words: &[Vec<u8>]) -> bool {
    match (read.split_first(), words.split_first()) {
        (None, first) => first.is_none(),
        (Some((word, rest)), first) if !word.expands.nothing() => {
            fits(rest, words) || first.is_some_and(|(_, others)| fits(read, others))
        }
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, others))) => word.text.as_bytes() == first && fits(rest, others),
    }
}

/// From the folder where all begins, which is home as well.
fn joined(folders: &[String], last: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for folder in folders {
        if folder.starts_with('~') {
            parts.clear();
        }
        parts.extend(folder.trim_start_matches('~').split('/'));
    }
    parts.extend(last.split('/'));
    parts.retain(|part| !matches!(*part, "" | "."));
    parts.join("/")
}

/// A folder that a variable names is settled later, by who knows its value.
fn is_open(folders: &Folders) -> bool {
    matches!(folders, Folders::Known(all) if all.iter().flatten().any(|folder| folder.starts_with('$')))
}

fn may_run_in(folders: &Folders, seen: &str) -> bool {
    match folders {
        Folders::Known(all) if !is_open(folders) => all.iter().any(|folders| joined(folders, "") == seen),
        Folders::Known(_) | Folders::Unknown => true,
    }
}

fn fault_of_file(script: &Script, file: &str) -> Option<String> {
    let shown = script.commands.iter().any(|command| {
        command.redirections.iter().filter(|target| target.way != Way::Read && target.way != Way::Descriptor).any(
            |redirection| {
                if !redirection.target.expands.nothing() {
                    return true;
                }
                match &command.folders {
                    Folders::Known(all) if !is_open(&command.folders) => {
                        all.iter().any(|folders| joined(folders, &redirection.target.text) == file)
                    }
                    Folders::Known(_) | Folders::Unknown => file.ends_with(&redirection.target.text),
                }
            },
        )
    });
    (!shown).then(|| format!("FILE `{file}`"))
}
