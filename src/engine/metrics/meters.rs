//! What this process counts of its own calls: atomics that nobody waits for, added to where a call ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::refusal::Code;
use crate::tools::{TOOLS, Tool};

use super::family::{self, CALL_SECONDS, Figure, GATE_SECONDS, Spread};

/// Of a fault, which has no code of a refusal.
const INTERNAL: &str = "internal";
const TOOLS_COUNT: usize = TOOLS.len();
const CODES_COUNT: usize = Code::ALL.len();

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Ok,
    Refused(Code),
    Failed,
}

impl Ending {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A histogram that threads share without a lock.
pub struct Meter {
    bounds: &'static [f64],
    hits: Vec<AtomicU64>,
    sum_ns: AtomicU64,
}

impl Meter {
    pub fn new(bounds: &'static [f64]) -> Self {
        let hits = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self { bounds, hits, sum_ns: AtomicU64::new(0) }
    }

    pub fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        if let Some(hits) = self.hits.get(bucket) {
            hits.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub fn spread(&self) -> Spread {
        let hits = self.hits.iter().map(|hits| hits.load(Ordering::Relaxed)).collect();
        Spread { hits, sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64() }
    }

    pub fn count(&self) -> u64 {
        self.hits.iter().map(|hits| hits.load(Ordering::Relaxed)).sum()
    }
}

struct OfTool {
    ok: AtomicU64,
    failed: AtomicU64,
    refused: [AtomicU64; CODES_COUNT],
    took: Meter,
}

impl OfTool {
    fn new() -> Self {
        Self {
            ok: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            took: Meter::new(CALL_SECONDS),
        }
    }
}

/// Kinds of gates that are run.
pub const GATES: [&str; 3] = ["command", "syntax", "hook"];

pub struct Meters {
    tools: [OfTool; TOOLS_COUNT],
    gates: [Meter; GATES.len()],
    pub write: Meter,
    pub wait: Meter,
    pub read: Meter,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            tools: std::array::from_fn(|_| OfTool::new()),
            gates: std::array::from_fn(|_| Meter::new(GATE_SECONDS)),
            write: Meter::new(CALL_SECONDS),
            wait: Meter::new(CALL_SECONDS),
            read: Meter::new(CALL_SECONDS),
        }
    }
}

impl Meters {
    pub fn call(&self, tool: &Tool, ending: Ending, took: Duration) {
        let at = TOOLS.iter().position(|known| known.name == tool.name);
        let Some(of_tool) = at.and_then(|at| self.tools.get(at)) else { return };
        of_tool.took.add(took);
        let counter = match ending {
            Ending::Ok => Some(&of_tool.ok),
            Ending::Failed => Some(&of_tool.failed),
            Ending::Refused(code) => {
                Code::ALL.iter().position(|known| *known == code).and_then(|at| of_tool.refused.get(at))
            }
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn gate(&self, kind: &str, took: Duration) {
        let at = GATES.iter().position(|known| *known == kind);
        if let Some(meter) = at.and_then(|at| self.gates.get(at)) {
            meter.add(took);
        }
    }

    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for (tool, counted) in TOOLS.iter().zip(&self.tools) {
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let refused: u64 = counted.refused.iter().map(count).sum();
            let (ok, failed) = (count(&counted.ok), count(&counted.failed));
            for (outcome, amount) in [("ok", ok), ("refused", refused), ("failed", failed)] {
                figures.push(Figure::whole(&family::TOOLS, &[tool.name, outcome], amount));
            }
            // Most codes never come up for most tools, so only those that did are told.
            let codes = Code::ALL.iter().map(|code| code.word()).zip(counted.refused.iter().map(count));
            for (code, amount) in codes.chain([(INTERNAL, failed)]).filter(|(code, n)| *n > 0 || *code == INTERNAL) {
                figures.push(Figure::whole(&family::TOOL_ERRORS, &[tool.name, code], amount));
            }
            figures.push(Figure::spread(&family::TOOL_SECONDS, &[tool.name], counted.took.spread()));
        }
        for (kind, meter) in GATES.into_iter().zip(&self.gates) {
            figures.push(Figure::spread(&family::GATE_SECONDS_OF, &[kind], meter.spread()));
        }
        for (family, meter) in [
            (&family::WRITE_SECONDS, &self.write),
            (&family::WAIT_SECONDS, &self.wait),
            (&family::READ_SECONDS, &self.read),
        ] {
            figures.push(Figure::spread(family, &[], meter.spread()));
        }
        figures.push(Figure::whole(&family::BUILD, &[env!("CARGO_PKG_VERSION")], 1));
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_just_a_bound_is_within_it() {
        let meter = Meter::new(&[0.1, 1.0]);
        for millis in [100, 101, 1000, 1001, 90_000] {
            meter.add(Duration::from_millis(millis));
        }
        assert_eq!(meter.spread(), Spread { hits: vec![1, 2, 2], sum: 92.202 });
    }

    #[test]
    fn an_ending_is_counted_once_under_its_tool_and_code() {
        let meters = Meters::default();
        let tool = &TOOLS[0];
        for ending in [Ending::Ok, Ending::Ok, Ending::Refused(Code::NothingReady), Ending::Failed] {
            meters.call(tool, ending, Duration::ZERO);
        }
        let figures = meters.figures();
        let found = |family: &family::Family, labels: &[&str]| {
            let same = |figure: &&Figure| figure.family.name == family.name && figure.labels == labels;
            figures.iter().find(same).map(|figure| figure.amount.clone())
        };
        for (labels, wanted) in [(["ok"], 2), (["refused"], 1), (["failed"], 1)] {
            let labels = [tool.name, labels[0]];
            assert_eq!(found(&family::TOOLS, &labels), Some(family::Amount::Whole(wanted)), "{labels:?}");
        }
        assert_eq!(found(&family::TOOL_ERRORS, &[tool.name, "nothing_ready"]), Some(family::Amount::Whole(1)));
        assert_eq!(found(&family::TOOL_ERRORS, &[tool.name, "internal"]), Some(family::Amount::Whole(1)));
        assert_eq!(found(&family::TOOL_ERRORS, &[TOOLS[1].name, "nothing_ready"]), None);
    }
}
