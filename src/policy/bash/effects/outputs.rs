//! Files behind options that write, found without knowing how a program reads its words: enough to refuse, never to allow.

use super::super::options::Style;
use super::super::{subcommands, table};
use super::{Effect, MAX_LAUNCHERS, Program, Word, base, effect_of, launchers};

/// Where the program begins that launchers before it start.
pub fn started(words: &[Word]) -> usize {
    let mut from = 0;
    for _ in 0..MAX_LAUNCHERS {
        let rest = words.get(from..).unwrap_or_default();
        let Some(first) = rest.first() else { break };
        let Some(at) = launchers::launched(table::listed_name(base(&first.text)), rest) else { break };
        from += at;
    }
    from
}

/// What may be the value of an option that writes, by the column `writes` of the tables, whether or not these say that it takes
/// a value: what is written in place stands there as well.
pub fn perhaps_targets(words: &[Word]) -> Vec<Word> {
    let words = words.get(started(words)..).unwrap_or_default();
    let Some(first) = words.first() else { return Vec::new() };
    let name = table::listed_name(base(&first.text));
    let sub = subcommands::subcommand(name, words).map_or("", |(_, sub)| sub);
    let about = |program: &&Program| program.sub.is_empty() || program.sub == sub;
    let mut found = Vec::new();
    // Its `--delete` stands before what is read.
    if name == "rsync" {
        return found;
    }
    for program in table::lines(name).filter(about).filter(|program| !program.writes.is_empty()) {
        for (at, word) in words.iter().enumerate().skip(1) {
            found.extend(perhaps_target(program, word, words.get(at + 1)));
        }
    }
    found
}

fn perhaps_target(program: &Program, word: &Word, next: Option<&Word>) -> Option<Word> {
    let is_value = |word: &&Word| !word.text.starts_with('-') && !word.text.contains("://");
    let attached = |text: &str| Word { text: text.to_owned(), expands: word.expands };
    let writes = |name: &str, long| effect_of(program, name, long) == Some(Effect::Writes);
    let short = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    let long = word.text.strip_prefix("--").or(short.filter(|_| program.style == Style::Words));
    // `-ofile`, where such a program has options of one letter.
    let begins = program.writes.iter().filter_map(|name| name.strip_suffix('*')).filter(|name| name.len() == 1);
    if let Some(rest) = begins.filter_map(|letter| long?.strip_prefix(letter)).find(|rest| !rest.is_empty()) {
        return Some(attached(rest));
    }
    if let Some((name, value)) = long.map(|text| text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b))))
        && writes(name, true)
    {
        return value.map(attached).or_else(|| next.filter(is_value).cloned());
    }
    let letters = short?;
    let (at, letter) = letters.char_indices().find(|(at, letter)| {
        letters.get(*at..at + letter.len_utf8()).is_some_and(|name| writes(name, program.style == Style::Words))
    })?;
    match letters.get(at + letter.len_utf8()..) {
        None | Some("") => next.filter(is_value).cloned(),
        Some(rest) => Some(attached(rest)),
    }
}
