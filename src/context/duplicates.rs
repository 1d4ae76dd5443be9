//! What was said before: exactly but for blanks, or nearly, by the share of word runs that two texts have in common. Texts of
//! earlier calls are known by fingerprints alone; nothing here keeps them.

use std::collections::HashSet;

use super::chunks::{Role, Unit};
use super::kinds::Kind;
use super::terms::{Keyed, hash};

/// A text shorter than this may stand twice: an `else`, a heading. Not one below the other, nor as a line of a log.
const BYTES_MIN: usize = 40;
/// Words of a run, and the fewest runs that say whether two texts are nearly one.
const RUN_WORDS: usize = 4;
const RUNS_MIN: usize = 12;
/// Two texts are nearly one if they share this much of their runs.
const ALIKE: f64 = 0.8;
/// Smallest hashes in so many groups of so many: texts without a group in common need not be compared.
const GROUPS: usize = 4;
const GROUP_SIZE: usize = 2;
/// A text that is not at hand cannot be compared: it takes so many equal smallest hashes of one text to leave another out for it.
const SKETCH_SIZE: usize = 12;

/// Fingerprints of what somebody already has.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    prints: HashSet<u64>,
}

impl Seen {
    pub fn add(&mut self, prints: impl IntoIterator<Item = u64>) {
        self.prints.extend(prints);
    }

    pub fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    fn has(&self, print: &Print) -> bool {
        self.prints.contains(&print.exact) || print.sketch.is_some_and(|sketch| self.prints.contains(&sketch))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It stands earlier in this text.
    Here,
    /// An earlier call had it.
    Before,
}

struct Print {
    exact: u64,
    sketch: Option<u64>,
    groups: Vec<u64>,
    runs: HashSet<u64>,
}

/// What units repeat, and the fingerprints of each.
pub struct Found {
    pub repeats: Vec<Option<Repeat>>,
    pub prints: Vec<Vec<u64>>,
}

pub fn find(text: &str, units: &[Unit], kind: Kind, seen: &Seen) -> Found {
    let mut found = Found { repeats: vec![None; units.len()], prints: vec![Vec::new(); units.len()] };
    let mut here: HashSet<u64> = HashSet::new();
    let mut sketches: Vec<HashSet<u64>> = Vec::new();
    let mut by_group: Keyed<u64, Vec<usize>> = Keyed::default();
    let mut before = "";
    for ((unit, repeat), prints) in units.iter().zip(&mut found.repeats).zip(&mut found.prints) {
        let piece = unit.text(text);
        if matches!(unit.role, Role::FileHead | Role::Blank) {
            continue;
        }
        let line = piece.trim_end_matches([',', ' ', '\t', '\r', '\n']);
        let run = std::mem::replace(&mut before, line) == line && !line.is_empty();
        if piece.trim().len() < BYTES_MIN {
            // Such lines are too short to be known again in another text.
            let is_again = is_entry(line, kind) && !here.insert(exact(line));
            *repeat = (run || is_again).then_some(Repeat::Here);
            continue;
        }
        let print = print(if kind == Kind::Json { line } else { piece }, kind);
        let near = || {
            let shared = print.groups.iter().filter_map(|group| by_group.get(group)).flatten();
            shared.filter_map(|known| sketches.get(*known)).any(|runs| alike(runs, &print.runs) >= ALIKE)
        };
        if seen.has(&print) {
            *repeat = Some(Repeat::Before);
        } else if here.contains(&print.exact) || near() {
            *repeat = Some(Repeat::Here);
        }
        prints.push(print.exact);
        prints.extend(print.sketch);
        here.insert(print.exact);
        if repeat.is_none() && !print.groups.is_empty() {
            for group in print.groups {
                by_group.entry(group).or_default().push(sketches.len());
            }
            sketches.push(print.runs);
        }
    }
    found
}

/// Something said by itself: a line of a log, a whole element of JSON. Lines of an element that is spread over many are not.
fn is_entry(line: &str, kind: Kind) -> bool {
    match kind {
        Kind::Log => line.contains(char::is_alphanumeric),
        Kind::Json => line.starts_with('{') && line.ends_with('}') || line.starts_with('[') && line.ends_with(']'),
        Kind::Code | Kind::Prose | Kind::Transcript => false,
    }
}

fn exact(piece: &str) -> u64 {
    piece.split_whitespace().fold(0, |sum, word| mix(sum, hash(word.as_bytes())))
}

fn print(piece: &str, kind: Kind) -> Print {
    let words: Vec<u64> = piece.split_whitespace().map(|word| hash(word.as_bytes())).collect();
    let exact = exact(piece);
    // Two functions that differ in one word are two; so are two lines with other numbers.
    let mut runs: HashSet<u64> = HashSet::new();
    if kind == Kind::Prose {
        runs = words.windows(RUN_WORDS).map(|run| run.iter().fold(1, |sum, word| mix(sum, *word))).collect();
    }
    if runs.len() < RUNS_MIN {
        return Print { exact, sketch: None, groups: Vec::new(), runs };
    }
    let groups = (0..GROUPS).map(|group| smallest(&runs, group * GROUP_SIZE, GROUP_SIZE)).collect();
    let sketch = Some(smallest(&runs, GROUPS * GROUP_SIZE, SKETCH_SIZE));
    Print { exact, sketch, groups, runs }
}

fn mix(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The smallest hashes of the runs in so many orders from one on, as one.
fn smallest(runs: &HashSet<u64>, first: usize, orders: usize) -> u64 {
    let salts = (first..first + orders).map(|order| mix(7, order as u64 + 1));
    salts.fold(3 + first as u64, |sum, salt| {
        let keys = runs.iter().map(|run| (run ^ salt).wrapping_mul(0xff51_afd7_ed55_8ccd)).map(|key| key ^ (key >> 33));
        mix(sum, keys.min().unwrap_or(0))
    })
}

fn alike(one: &HashSet<u64>, other: &HashSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    common as f64 / (one.len() + other.len() - common).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::chunks::cut;
    use super::*;

    fn repeats(earlier: &str, text: &str) -> Vec<Option<Repeat>> {
        let mut seen = Seen::default();
        seen.add(find(earlier, &cut(earlier, Kind::Prose), Kind::Prose, &Seen::default()).prints.concat());
        find(text, &cut(text, Kind::Prose), Kind::Prose, &seen).repeats
    }

    fn town(n: usize) -> String {
        format!("Town {n}\nTown {n} lies on the river number {} and has {} people in it.\n\n", n % 9, n * 731)
    }

    #[test]
    fn texts_of_one_form_are_not_taken_for_each_other() {
        let earlier: String = (0..40).map(town).collect();
        let text: String = (40..80).map(town).collect();
        assert_eq!(repeats(&earlier, &text), vec![None; 40]);
        assert_eq!(repeats(&earlier, &town(7)), [Some(Repeat::Before)]);
    }

    #[test]
    fn short_lines_are_repeats_in_logs_and_below_each_other() {
        let repeated = |text: &str, kind| -> Vec<usize> {
            let found = find(text, &cut(text, kind), kind, &Seen::default());
            (0..found.repeats.len()).filter(|unit| found.repeats[*unit].is_some()).collect()
        };
        for (text, kind, again) in [
            ("INFO fine\nINFO fine\nERROR full\nINFO fine\n", Kind::Log, vec![1, 3]),
            ("{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n", Kind::Json, vec![2]),
            ("[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 1\n  }\n]\n", Kind::Json, vec![]),
            ("$ ls\nok\nok\n$ ls\nok\n", Kind::Transcript, vec![2]),
            ("Said.\n\nSaid.\n\nHead\n\nSaid.\n\n", Kind::Prose, vec![1]),
        ] {
            assert_eq!(repeated(text, kind), again, "{text}");
        }
        let whole = format!("[{}]", vec!["{\"a\":1}"; 80].join(","));
        assert_eq!(repeated(&whole, Kind::Json).len(), 79, "the last has no comma");
    }

    #[test]
    fn what_shares_a_group_is_found_as_if_each_were_held_against_all() {
        let word = |n: usize, at: usize| if n > 40 && at == n % 60 { n } else { 1000 + n % 40 + at * 50 };
        let said = |n: usize| (0..60).map(|at| format!("w{} ", word(n, at))).collect::<String>();
        let text: String = (0..300).map(|n| format!("{}\n\n", said(n))).collect();
        let mut kept: Vec<Print> = Vec::new();
        let units = cut(&text, Kind::Prose);
        let held = units.iter().map(|unit| {
            let one = print(unit.text(&text), Kind::Prose);
            let near = |other: &Print| {
                let shares = other.groups.iter().any(|group| one.groups.contains(group));
                other.exact == one.exact || shares && alike(&other.runs, &one.runs) >= ALIKE
            };
            let again = kept.iter().any(near);
            if !again {
                kept.push(one);
            }
            again.then_some(Repeat::Here)
        });
        let held: Vec<_> = held.collect();
        let count = held.iter().flatten().count();
        assert!(count > 20 && count < 280, "{count}");
        assert_eq!(repeats("", &text), held);
    }

    #[test]
    fn what_differs_only_by_a_word_in_a_long_text_is_a_repeat() {
        let words: Vec<String> = (0..120).map(|n| format!("word{n}")).collect();
        let text = words.join(" ");
        let twice = format!("{text}\n\n{}\n", text.replace("word60", "other"));
        assert_eq!(repeats("", &twice), [None, Some(Repeat::Here)]);
        assert_eq!(repeats(&text, &text.replace(' ', "\n")), [Some(Repeat::Before)]);
    }
}
