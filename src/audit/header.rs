//! The few fields of a record that a reader of the log compares, and which starts must have an outcome. The rest of a
//! record is only hashed.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::domain::ids::Time;

#[derive(Debug, Deserialize)]
pub struct Header<'a> {
    pub at: &'a str,
    #[serde(borrow)]
    pub agent: Cow<'a, str>,
    #[serde(borrow)]
    pub event: EventHeader<'a>,
}

#[derive(Debug, Deserialize)]
pub struct EventHeader<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(default)]
    pub task: Option<&'a str>,
}

/// Something that is started and must be seen to end.
struct Pair {
    start: &'static str,
    ends: &'static [&'static str],
    /// The field that start and end share.
    id: &'static str,
    /// A later start that agrees in these fields takes the place of an earlier one, which then has no end of its own.
    replaced_by: &'static [&'static str],
    what: &'static str,
}

const PAIRS: [Pair; 2] = [
    Pair {
        start: "GateStarted",
        ends: &["GatePassed", "GateRefused", "GateOrphaned"],
        id: "run",
        replaced_by: &["task", "gate"],
        what: "gate run",
    },
    Pair {
        start: "CallStarted",
        ends: &["CallFinished", "CallFailed", "CallOrphaned"],
        id: "call",
        replaced_by: &[],
        what: "approved act",
    },
];

/// The sweeper writes an orphan's end a little after its time; where nothing runs, later.
const GRACE_SECONDS: u64 = 60;
/// For starts that name no time.
const UNTIL_SECONDS: u64 = 24 * 3600;

#[derive(Clone, Debug)]
struct Open {
    seq: u64,
    until: Time,
    task: Option<String>,
    place: Vec<String>,
}

/// Starts whose end has not been seen yet.
#[derive(Debug, Default)]
pub struct Unfinished {
    open: HashMap<(usize, String), Open>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    pub seq: u64,
    pub what: String,
}

impl Unfinished {
    pub fn see(&mut self, seq: u64, at: Time, kind: &str, body: &[u8]) {
        for (index, pair) in PAIRS.iter().enumerate() {
            if pair.start == kind {
                self.start(index, pair, seq, at, body);
            } else if pair.ends.contains(&kind) {
                let id = field(&event(body), pair.id);
                self.open.remove(&(index, id.unwrap_or_default()));
            }
        }
    }

    fn start(&mut self, index: usize, pair: &Pair, seq: u64, at: Time, body: &[u8]) {
        let event = event(body);
        let place: Vec<String> = pair.replaced_by.iter().filter_map(|name| field(&event, name)).collect();
        self.open.retain(|(known, _), open| *known != index || open.place != place || place.is_empty());
        let until = field(&event, "until").and_then(|until| until.parse().ok());
        let open = Open {
            seq,
            until: until.unwrap_or_else(|| at.plus_seconds(UNTIL_SECONDS)),
            task: field(&event, "task"),
            place,
        };
        self.open.insert((index, field(&event, pair.id).unwrap_or_default()), open);
    }

    /// An erased end can no longer be told by its id: it counts for whatever was open on its task.
    pub fn see_erased(&mut self, seq: u64, kind: &str, task: Option<&str>) {
        for (index, _) in PAIRS.iter().enumerate().filter(|(_, pair)| pair.ends.contains(&kind)) {
            self.open.retain(|(known, _), open| *known != index || open.seq > seq || open.task.as_deref() != task);
        }
    }

    pub fn lost(&self, now: Time) -> Vec<Lost> {
        let mut lost: Vec<Lost> = Vec::new();
        for ((index, id), open) in &self.open {
            let Some(pair) = PAIRS.get(*index).filter(|_| open.until.plus_seconds(GRACE_SECONDS) < now) else {
                continue;
            };
            lost.push(Lost { seq: open.seq, what: format!("{} {id}", pair.what) });
        }
        lost.sort_by_key(|lost| lost.seq);
        lost
    }
}

pub(super) fn event(body: &[u8]) -> serde_json::Value {
    let mut record: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    record.get_mut("event").map(serde_json::Value::take).unwrap_or_default()
}

pub(super) fn field(event: &serde_json::Value, name: &str) -> Option<String> {
    event.get(name).and_then(|value| value.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, run: &str, gate: &str) -> String {
        let until = "2026-11-20T10:00:00Z";
        format!(r#"{{"v":1,"event":{{"type":"{kind}","task":"T-1","gate":"{gate}","run":"{run}","until":"{until}"}}}}"#)
    }

    fn lost(records: &[(&str, &str, &str)], now: &str) -> Vec<u64> {
        let mut open = Unfinished::default();
        for (seq, (kind, run, gate)) in (1..).zip(records) {
            open.see(seq, Time(0), kind, record(kind, run, gate).as_bytes());
        }
        open.lost(now.parse().unwrap()).iter().map(|lost| lost.seq).collect()
    }

    #[test]
    fn a_start_without_an_end_is_seen_once_its_time_is_over() {
        const NONE: [u64; 0] = [];
        let (start, end) = ("GateStarted", "GatePassed");
        let late = "2026-11-20T11:00:00Z";
        assert_eq!(lost(&[(start, "G-1", "a")], late), [1]);
        assert_eq!(lost(&[(start, "G-1", "a")], "2026-11-20T10:00:30Z"), NONE);
        assert_eq!(lost(&[(start, "G-1", "a"), (end, "G-1", "a")], late), NONE);
        assert_eq!(lost(&[(start, "G-1", "a"), (end, "G-2", "a")], late), [1]);
        assert_eq!(lost(&[(start, "G-1", "a"), (start, "G-2", "a"), ("GateOrphaned", "G-2", "a")], late), NONE);
        assert_eq!(lost(&[(start, "G-1", "a"), (start, "G-2", "b"), ("GateRefused", "G-2", "b")], late), [1]);
    }

    #[test]
    fn a_header_is_read_without_the_rest_and_fields_may_stand_once_only() {
        let text =
            r#"{"v":1,"at":"x","agent":"a\nb","tool":"t","event":{"type":"K","task":"T-1","deep":{"type":"no"}}}"#;
        let header: Header<'_> = serde_json::from_str(text).unwrap();
        assert_eq!((header.agent.as_ref(), header.event.kind, header.event.task), ("a\nb", "K", Some("T-1")));
        assert!(serde_json::from_str::<Header<'_>>(&text.replacen("\"v\":1", "\"at\":\"y\"", 1)).is_err());
    }
}
