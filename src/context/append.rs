//! The reduction of a text that grows: each line is judged by what stands before it alone, so that the output for a longer text
//! begins with the very bytes of the output for a shorter one. A prefix that a model's provider has cached stays the same. A
//! last line without an end may still become another one: it comes when it is whole.

use std::collections::HashSet;

use super::chunks::{Role, Unit};
use super::duplicates::Repeat;
use super::reduce::{Ask, Budget};
use super::terms::{Keyed, Words};
use super::{tokens, values};

/// One line a unit; an end without a newline counts as a line.
pub fn cut(text: &str) -> Vec<Unit> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').enumerate().map(|(number, line)| {
        let bytes = at..at + line.len();
        at = bytes.end;
        let role = if line.trim().is_empty() { Role::Blank } else { Role::Text };
        Unit { bytes, line: number + 1, lines: 1, section: 0, role, names: Vec::new(), weight: tokens::weigh(line) }
    });
    lines.collect()
}

/// Of a line's words, this share asked for counts as much as a line full of new values.
const ASKED_POINTS: f64 = 6.0;
/// A line is kept if it is worth so much of what lines were worth so far, at the pace of the budget.
const START_BAR: f64 = 0.3;
/// How fast the bar follows the pace.
const BAR_STEP: f64 = 0.02;

pub fn choose(ask: &Ask<'_>, units: &[Unit], repeats: &[Option<Repeat>]) -> Vec<bool> {
    let (share, most) = match ask.budget {
        Budget::Share(share) => (share.clamp(0.0, 1.0), f64::INFINITY),
        // The length of what is to come is not known: half is kept until the cap.
        Budget::Tokens(tokens) => (0.5, tokens as f64 / ask.factor),
    };
    let mut words = Words::default();
    let mut asked: Keyed<u32, f64> = Keyed::default();
    words.terms(ask.query, |term, _| {
        asked.insert(term, 1.0);
    });
    let mark = ask.marks.weight_max(9_999_999, true);
    let mut had: HashSet<u64> = HashSet::new();
    let (mut seen_tokens, mut used, mut bar, mut open_gap) = (0.0, 0.0, START_BAR, 0);
    let mut kept = Vec::with_capacity(units.len());
    for (number, unit) in units.iter().enumerate() {
        let line = unit.text(ask.text);
        seen_tokens += unit.weight;
        let mut new = 0.0;
        values::each(line, |value, weight| new += if had.contains(&value) { 0.0 } else { f64::from(weight) });
        let mut match_count = 0.0;
        words.terms(line, |term, _| match_count += asked.get(&term).copied().unwrap_or(0.0));
        let worth = (new + ASKED_POINTS * match_count.min(3.0) / 3.0) / (unit.weight + 2.0);
        let pays = if open_gap > 0 { mark } else { 0.0 };
        // Room for the mark of a gap that is still open at the end.
        let fits = used + pays + unit.weight + mark <= (seen_tokens * share).min(most);
        let is_whole = line.ends_with('\n') && unit.role != Role::Blank;
        let keep = repeats.get(number).copied().flatten().is_none() && is_whole && worth >= bar && fits;
        if keep {
            used += pays + unit.weight;
            values::each(line, |value, _| {
                had.insert(value);
            });
        }
        open_gap = if keep { 0 } else { open_gap + 1 };
        bar = if used < seen_tokens * share { (bar - BAR_STEP).max(0.0) } else { (bar + BAR_STEP).min(2.0) };
        kept.push(keep);
    }
    kept
}
