//! Counting records by one or two of their properties, and adding up what agents reported as spent. Which records are
//! counted is not here (`sieve`).

use std::collections::BTreeMap;

use memchr::memmem;
use serde_json::Value;

use crate::domain::record::{Count, CountBy};

use super::judged::{tool_of, verdict_word};
use super::lines::Head;
use super::sieve::{Columns, phase_of};

/// More groups than that are added up as one: an answer is for reading.
pub const GROUPS_MAX: usize = 10_000;
/// What the records beyond `GROUPS_MAX` are counted under.
pub const OTHERS: &str = "(others)";

#[derive(Debug, Default)]
pub struct Tally {
    by: Vec<CountBy>,
    groups: BTreeMap<Vec<String>, Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    records: u64,
    usd: Option<f64>,
    tokens: Option<u64>,
}

impl Tally {
    pub fn new(by: &[CountBy]) -> Self {
        Self { by: by.to_vec(), groups: BTreeMap::new() }
    }

    /// `head` is absent for an erased record.
    pub fn add(&mut self, columns: &Columns<'_>, head: Option<&Head<'_>>) {
        let value = |by: &CountBy| match by {
            CountBy::Kind => columns.kind.to_owned(),
            CountBy::Agent => columns.agent.to_owned(),
            CountBy::Tool => head.map(|head| tool_of(head).into_owned()).unwrap_or_default(),
            CountBy::Verdict => verdict_word(columns.kind, head.map_or("", |head| head.event)).to_owned(),
            CountBy::Task => columns.task.map(|task| task.to_string()).unwrap_or_default(),
            CountBy::Day => columns.at.to_string().chars().take(10).collect(),
            CountBy::Phase => head.and_then(|head| phase_of(head.event)).unwrap_or_default(),
        };
        let group: Vec<String> = self.by.iter().map(value).collect();
        let (usd, tokens) = head.map(|head| spent(head.event)).unwrap_or_default();
        self.put(group, Sum { records: 1, usd, tokens });
    }

    /// Counts of another part of the same log.
    pub fn merge(&mut self, counts: Vec<Count>) {
        for Count { mut by, records, usd, tokens } in counts {
            let group = self.by.iter().map(|key| by.remove(key.word()).unwrap_or_default()).collect();
            self.put(group, Sum { records, usd, tokens });
        }
    }

    fn put(&mut self, mut group: Vec<String>, more: Sum) {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group) {
            group = vec![OTHERS.to_owned(); self.by.len()];
        }
        let sum = self.groups.entry(group).or_default();
        sum.records = sum.records.saturating_add(more.records);
        sum.usd = added(sum.usd, more.usd, |a, b| a + b);
        sum.tokens = added(sum.tokens, more.tokens, u64::saturating_add);
    }

    /// The most frequent first; among equals in the order of their names.
    pub fn counts(self) -> Vec<Count> {
        let name = |values: Vec<String>| self.by.iter().map(|by| by.word().to_owned()).zip(values).collect();
        let counts = self.groups.into_iter();
        let mut counts: Vec<Count> = counts
            .map(|(group, Sum { records, usd, tokens })| Count { by: name(group), records, usd, tokens })
            .collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.records));
        counts
    }
}

fn added<T>(a: Option<T>, b: Option<T>, add: fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (one, other) => one.or(other),
    }
}

/// Dollars and tokens that an agent reported with its outcome, as `outcome.data` or the `usage` in it, or that an event
/// carries as `usage`. No event of ours has a field for them yet.
fn spent(event: &str) -> (Option<f64>, Option<u64>) {
    let holds = |word: &str| memmem::find(event.as_bytes(), word.as_bytes()).is_some();
    if !holds("\"usd\"") && !holds("tokens\"") {
        return (None, None);
    }
    let Ok(event) = serde_json::from_str::<Value>(event) else { return (None, None) };
    let places = ["/outcome/data/usage", "/outcome/data", "/usage"];
    for place in places.iter().filter_map(|place| event.pointer(place)) {
        let usd = place.get("usd").and_then(Value::as_f64).filter(|usd| usd.is_finite() && *usd >= 0.0);
        let number = |field: &str| place.get(field).and_then(Value::as_u64);
        let parts = added(number("input_tokens"), number("output_tokens"), u64::saturating_add);
        let tokens = number("tokens").or(parts);
        if usd.is_some() || tokens.is_some() {
            return (usd, tokens);
        }
    }
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_report_as_spent_is_found() {
        for (event, usd, tokens) in [
            (
                r#"{"type":"TaskCompleted","outcome":{"summary":"x","data":{"usd":0.25,"tokens":100}}}"#,
                Some(0.25),
                Some(100),
            ),
            (r#"{"type":"X","usage":{"input_tokens":7,"output_tokens":5}}"#, None, Some(12)),
            (r#"{"type":"X","outcome":{"summary":"\"usd\": 3"}}"#, None, None),
            (r#"{"type":"X","usage":{"usd":-1}}"#, None, None),
            (r#"{"type":"X","note":"usd"}"#, None, None),
        ] {
            assert_eq!(spent(event), (usd, tokens), "{event}");
        }
    }
}
