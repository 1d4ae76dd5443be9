//! PURE: how groups of work (projects, task types) did, each drawn to the mean of all by as much as chance would explain. How
//! much groups differ is itself read from what was recorded: where they do not, a group's own record says nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is believed before anything is recorded: success varies by this much between groups (a variance) ...
const BETWEEN: f64 = 0.002;
/// ... and that belief weighs as much as so many groups.
const BETWEEN_GROUPS: f64 = 5.0;
/// Variance of one outcome around its group's mean, and how many outcomes that belief weighs.
const WITHIN: f64 = 0.2;
const WITHIN_OUTCOMES: f64 = 4.0;
/// A stranger who names a new project with every outcome must not fill the store.
const GROUPS_MAX: usize = 10_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    groups: BTreeMap<String, Record>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub tries: f64,
    pub successes: f64,
}

/// Sums over all groups; what an estimate needs beside the group's own record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    groups: f64,
    tries: f64,
    successes: f64,
    squares: f64,
    tries_squared: f64,
}

impl Memory {
    pub fn add(&mut self, group: &str, success: f64, sums: &mut Sums) {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(group) {
            return;
        }
        let record = self.groups.entry(group.to_owned()).or_default();
        sums.take(record, -1.0);
        record.tries += 1.0;
        record.successes += success;
        sums.take(record, 1.0);
    }

    /// An outcome that was counted turned out otherwise, by this much.
    pub fn amend(&mut self, group: &str, by: f64, sums: &mut Sums) {
        if let Some(record) = self.groups.get_mut(group) {
            sums.take(record, -1.0);
            record.successes = (record.successes + by).clamp(0.0, record.tries);
            sums.take(record, 1.0);
        }
    }

    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        self.groups.values().for_each(|record| sums.take(record, 1.0));
        sums
    }

    pub fn record(&self, group: &str) -> Record {
        self.groups.get(group).copied().unwrap_or_default()
    }

    pub fn groups(&self) -> impl Iterator<Item = (&str, Record)> {
        self.groups.iter().map(|(name, record)| (name.as_str(), *record))
    }

    /// How much better or worse than the mean this group does, where something is known of it.
    pub fn offset(&self, group: &str, sums: &Sums) -> Option<f64> {
        let record = self.groups.get(group).filter(|record| record.tries > 0.0)?;
        let mean = sums.successes / sums.tries.max(1.0);
        Some((record.successes - record.tries * mean) / (record.tries + sums.draw()))
    }
}

impl Sums {
    fn take(&mut self, record: &Record, sign: f64) {
        if record.tries > 0.0 {
            self.groups += sign;
            self.tries += sign * record.tries;
            self.successes += sign * record.successes;
            self.squares += sign * record.successes * record.successes / record.tries;
            self.tries_squared += sign * record.tries * record.tries;
        }
    }

    /// How many outcomes of its own a group needs to be believed by half: the variance within groups by that between them
    /// (one-way analysis of variance, both drawn to what is believed beforehand).
    fn draw(&self) -> f64 {
        let free = (self.groups - 1.0).max(0.0);
        // Outcomes are near 0 or 1, so that their squares sum to about themselves.
        let inside = (self.successes - self.squares).max(0.0);
        let within = (inside + WITHIN * WITHIN_OUTCOMES) / (self.tries - self.groups + WITHIN_OUTCOMES).max(1.0);
        let mean = self.successes / self.tries.max(1.0);
        let across = (self.squares - mean * self.successes).max(0.0);
        let usual = if free > 0.0 { (self.tries - self.tries_squared / self.tries.max(1.0)) / free } else { 1.0 };
        let raw = if free > 0.0 { ((across / free - within) / usual.max(1e-9)).max(0.0) } else { 0.0 };
        let between = (raw * free + BETWEEN * BETWEEN_GROUPS) / (free + BETWEEN_GROUPS);
        within / between.max(1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(rows: &[(&str, u32, u32)]) -> (Memory, Sums) {
        let (mut memory, mut sums) = (Memory::default(), Sums::default());
        for (group, tries, successes) in rows {
            for n in 0..*tries {
                memory.add(group, f64::from(u8::from(n < *successes)), &mut sums);
            }
        }
        (memory, sums)
    }

    #[test]
    fn a_group_is_believed_the_more_the_more_groups_differ() {
        let (apart, sums) = filled(&[("a", 20, 18), ("b", 20, 2), ("c", 20, 17), ("d", 20, 3)]);
        assert!(apart.offset("a", &sums) > Some(0.3), "{:?}", apart.offset("a", &sums));
        let (alike, sums) = filled(&[("a", 20, 11), ("b", 20, 9), ("c", 20, 10), ("d", 20, 10)]);
        assert!(alike.offset("a", &sums).is_some_and(|offset| offset.abs() < 0.02), "{:?}", alike.offset("a", &sums));
        assert_eq!(alike.offset("new", &sums), None);
    }

    #[test]
    fn sums_that_are_kept_are_the_sums_that_are_counted() {
        let (memory, kept) = filled(&[("a", 7, 3), ("b", 1, 1), ("c", 30, 2)]);
        let counted = memory.sums();
        assert!((kept.draw() - counted.draw()).abs() < 1e-9, "{kept:?} {counted:?}");
    }
}
