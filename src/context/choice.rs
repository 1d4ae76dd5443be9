//! Which units stay: the most that a budget holds, each with what the marks around it cost. Units come by their rank, or, in logs
//! and sessions, by how many values they bring that no kept line has.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashSet};

use super::chunks::{Role, Unit};
use super::marks::{Gap, Marks, TOLD_FROM};
use super::values;

/// Sums of the same weights in another order differ by less.
const ROUNDING: f64 = 1e-6;
/// Tokens that a mark must save.
const SAVED_MIN: f64 = 1.0;

pub struct Choice<'u> {
    units: &'u [Unit],
    budget: f64,
    used: f64,
    kept: BTreeSet<usize>,
    dots: f64,
    told: f64,
    marks: Marks,
}

impl<'u> Choice<'u> {
    pub fn new(units: &'u [Unit], budget: f64, marks: Marks) -> Self {
        let lines = units.last().map_or(1, |unit| unit.line + unit.lines);
        let (dots, told) = (marks.weight_max(lines, false), marks.weight_max(lines, true));
        let mut choice = Self { units, budget, used: 0.0, kept: BTreeSet::new(), dots, told, marks };
        choice.used = choice.gap(0, units.len());
        choice
    }

    pub fn kept(&self) -> Vec<bool> {
        (0..self.units.len()).map(|unit| self.kept.contains(&unit)).collect()
    }

    pub fn has(&self, number: usize) -> bool {
        self.kept.contains(&number)
    }

    /// What the mark of a gap costs: units from one number up to, not including, another.
    fn gap(&self, from: usize, to: usize) -> f64 {
        let (Some(first), Some(last)) = (self.units.get(from), to.checked_sub(1).and_then(|to| self.units.get(to)))
        else {
            return 0.0;
        };
        match () {
            () if from >= to => 0.0,
            () if self.inside(from) || self.inside(to) => {
                self.marks.inline_weight(&(first.bytes.start..last.bytes.end))
            }
            () if last.line + last.lines - first.line < TOLD_FROM => self.dots,
            () => self.told,
        }
    }

    /// Whether a unit goes on in a line that the one before it began.
    fn inside(&self, number: usize) -> bool {
        let before = number.checked_sub(1).and_then(|before| self.units.get(before));
        before.zip(self.units.get(number)).is_some_and(|(before, unit)| before.line + before.lines > unit.line)
    }

    /// What keeping a unit costs, marks around it included. Less than nothing where it closes a gap that its mark made dearer.
    fn cost(&self, number: usize) -> f64 {
        let from = self.kept.range(..number).next_back().map_or(0, |before| before + 1);
        let to = self.kept.range(number + 1..).next().copied().unwrap_or(self.units.len());
        let weight = self.units.get(number).map_or(0.0, |unit| unit.weight);
        weight + self.gap(from, number) + self.gap(number + 1, to) - self.gap(from, to)
    }

    /// All of these, if they fit together with the marks between them: one by one, a gap that closes later would seem to cost.
    pub fn keep_all(&mut self, numbers: impl Iterator<Item = usize>) -> bool {
        let kept: BTreeSet<usize> = numbers.collect();
        let weight: f64 = kept.iter().filter_map(|number| self.units.get(*number)).map(|unit| unit.weight).sum();
        let mut from = 0;
        let mut marks = 0.0;
        for to in kept.iter().copied().chain([self.units.len()]) {
            marks += self.gap(from, to);
            from = to + 1;
        }
        let fits = weight + marks <= self.budget + ROUNDING;
        if fits {
            (self.used, self.kept) = (weight + marks, kept);
        }
        fits
    }

    pub fn keep(&mut self, number: usize) -> bool {
        if self.kept.contains(&number) {
            return false;
        }
        let cost = self.cost(number);
        let fits = self.used + cost <= self.budget + ROUNDING;
        if fits {
            self.used += cost;
            self.kept.insert(number);
        }
        fits
    }

    /// Takes back what was kept last in rank, where a text turned out dearer than its parts.
    pub fn drop(&mut self, number: usize) {
        if self.kept.remove(&number) {
            self.used -= self.cost(number);
        }
    }

    /// A gap that costs hardly more than its mark is no gap.
    pub fn close_small(&mut self, may: impl Fn(usize) -> bool) {
        let mut from = 0;
        let kept: Vec<usize> = self.kept.iter().copied().chain([self.units.len()]).collect();
        for to in kept {
            let weight: f64 = self.units.get(from..to).unwrap_or_default().iter().map(|unit| unit.weight).sum();
            let more = weight - self.gap(from, to);
            let fits = more <= 0.0 || self.used + more <= self.budget;
            if from < to && more <= SAVED_MIN && fits && (from..to).all(&may) {
                self.used += more;
                self.kept.extend(from..to);
            }
            from = to + 1;
        }
    }
}

/// Best first; of equals the earlier.
pub fn by_rank(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let score = |unit: &usize| scores.get(*unit).copied().unwrap_or(0.0);
    order.sort_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)));
    order
}

/// A line that matches the query best is worth so much as so many points of new values.
const QUERY_POINTS: f64 = 4.0;
/// What stands last is worth more, up to so much of its worth: later steps go on from there.
const RECENT: f64 = 0.5;
/// Tokens that every line costs beside its own, so that many small scraps do not win over one whole line.
const SCRAP_TOKENS: f64 = 2.0;

struct Candidate {
    worth: f64,
    number: usize,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.worth.total_cmp(&other.worth).then(self.number.cmp(&other.number))
    }
}

/// Keeps the line that brings most for its tokens, again and again; what it brought counts no more for the others.
pub fn by_values(text: &str, units: &[Unit], scores: &[f64], repeats: impl Fn(usize) -> bool, choice: &mut Choice<'_>) {
    let mut had: HashSet<u64> = HashSet::new();
    let brings: Vec<Vec<(u64, f32)>> = units
        .iter()
        .map(|unit| {
            let mut found = Vec::new();
            values::each(unit.text(text), |value, weight| found.push((value, weight)));
            found.sort_unstable_by_key(|(value, _)| *value);
            found.dedup_by_key(|(value, _)| *value);
            found
        })
        .collect();
    let worth = |number: usize, had: &HashSet<u64>| -> f64 {
        let new = brings.get(number).into_iter().flatten().filter(|(value, _)| !had.contains(value));
        let new: f64 = new.map(|(_, weight)| f64::from(*weight)).sum();
        let asked = QUERY_POINTS * scores.get(number).copied().unwrap_or(0.0);
        let asked = if new > 0.0 { asked } else { asked * 0.1 };
        let recent = 1.0 + RECENT * number as f64 / units.len().max(1) as f64;
        let tokens = units.get(number).map_or(1.0, |unit| unit.weight) + SCRAP_TOKENS;
        (new * recent + asked) / tokens
    };
    let candidates = (0..units.len()).filter(|number| !repeats(*number));
    let candidates = candidates.filter(|number| units.get(*number).is_some_and(|unit| unit.role != Role::Blank));
    let mut open: BinaryHeap<Candidate> =
        candidates.map(|number| Candidate { worth: worth(number, &had), number }).collect();
    while let Some(Candidate { worth: before, number }) = open.pop() {
        let now = worth(number, &had);
        // What others brought meanwhile may have made it worth less than the next.
        if now < before && open.peek().is_some_and(|next| next.worth > now) {
            open.push(Candidate { worth: now, number });
            continue;
        }
        if choice.keep(number) {
            had.extend(brings.get(number).into_iter().flatten().map(|(value, _)| *value));
        }
    }
}

/// The gaps between what was kept, as lines.
pub fn gaps(units: &[Unit], kept: &[bool]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let mut open = false;
    for (unit, kept) in units.iter().zip(kept) {
        if *kept {
            open = false;
            continue;
        }
        let last_line = unit.line + unit.lines.max(1) - 1;
        match gaps.last_mut() {
            Some(gap) if open => gap.last_line = last_line,
            _ => gaps.push(Gap { first_line: unit.line, last_line }),
        }
        open = true;
    }
    gaps
}
