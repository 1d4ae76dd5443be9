//! What was said before: exactly but for blanks, or nearly, by the share of word runs that two texts have in common. Texts of
//! earlier calls are known by fingerprints alone; nothing here keeps them.

use std::collections::HashSet;

use super::chunks::{Role, Unit};
use super::kinds::Kind;
use super::terms::hash;

/// A text shorter than this may stand twice: an `else`, a heading.
const BYTES_MIN: usize = 40;
/// Words of a run, and the fewest runs that say whether two texts are nearly one.
const RUN_WORDS: usize = 4;
const RUNS_MIN: usize = 12;
/// Two texts are nearly one if they share this much of their runs.
const ALIKE: f64 = 0.8;
/// A sketch: so many groups of so many smallest hashes. Of these groups so many must agree for texts that are not at hand.
const GROUPS: usize = 4;
const GROUP_SIZE: usize = 2;
const GROUPS_ALIKE: usize = 3;

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
        self.prints.contains(&print.exact)
            || print.groups.iter().filter(|group| self.prints.contains(*group)).count() >= GROUPS_ALIKE
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
    let mut sketches: Vec<(Vec<u64>, HashSet<u64>)> = Vec::new();
    for ((unit, repeat), prints) in units.iter().zip(&mut found.repeats).zip(&mut found.prints) {
        let piece = unit.text(text);
        if piece.trim().len() < BYTES_MIN || unit.role == Role::FileHead {
            continue;
        }
        let print = print(piece, kind);
        let near = || {
            sketches.iter().any(|(groups, runs)| {
                groups.iter().any(|group| print.groups.contains(group)) && alike(runs, &print.runs) >= ALIKE
            })
        };
        if seen.has(&print) {
            *repeat = Some(Repeat::Before);
        } else if here.contains(&print.exact) || near() {
            *repeat = Some(Repeat::Here);
        }
        prints.push(print.exact);
        prints.extend(&print.groups);
        here.insert(print.exact);
        if repeat.is_none() && !print.groups.is_empty() {
            sketches.push((print.groups, print.runs));
        }
    }
    found
}

fn print(piece: &str, kind: Kind) -> Print {
    let words: Vec<u64> = piece.split_whitespace().map(|word| hash(word.as_bytes())).collect();
    let exact = words.iter().fold(0, |sum, word| mix(sum, *word));
    // Two functions that differ in one word are two; so are two lines with other numbers.
    let mut runs: HashSet<u64> = HashSet::new();
    if kind == Kind::Prose {
        runs = words.windows(RUN_WORDS).map(|run| run.iter().fold(1, |sum, word| mix(sum, *word))).collect();
    }
    let groups =
        if runs.len() < RUNS_MIN { Vec::new() } else { (0..GROUPS).map(|group| smallest(&runs, group)).collect() };
    Print { exact, groups, runs }
}

fn mix(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The smallest hashes of the runs in one of several orders, as one.
fn smallest(runs: &HashSet<u64>, group: usize) -> u64 {
    let salts = (0..GROUP_SIZE).map(|row| mix(7, (group * GROUP_SIZE + row) as u64 + 1));
    salts.fold(3 + group as u64, |sum, salt| {
        let least =
            runs.iter().map(|run| (run ^ salt).wrapping_mul(0xff51_afd7_ed55_8ccd)).map(|key| key ^ (key >> 33)).min();
        mix(sum, least.unwrap_or(0))
    })
}

fn alike(one: &HashSet<u64>, other: &HashSet<u64>) -> f64 {
    let common = one.intersection(other).count();
    common as f64 / (one.len() + other.len() - common).max(1) as f64
}
