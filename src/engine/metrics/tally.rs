//! Counts the records of the log as they come, whichever process made them: hooks and servers over stdio live too short to
//! be asked for figures themselves. It begins where the log stood when this process began.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::audit::lines;
use crate::domain::ids::Time;
use crate::domain::refusal::Code;
use crate::store::{StoreError, Tx, figures};

use super::family::{self, Family, Figure, TASK_SECONDS};
use super::meters::Meter;

/// Records that one reading catches up with; the next goes on from there.
const RECORDS_MAX: usize = 50_000;
const DENIED: &str = "deny";
const WAIVED: &str = "waived";
const VERDICTS: [&str; 4] = ["allow", "ask", DENIED, "left"];
const REFUSED: &str = "CommandRefused";
const REPEATED: &str = "RefusalsRepeated";
const JUDGED: &str = "CallJudged";

/// Kinds that are counted under a word of a family.
static WORDS: [(&str, &Family, &str); 32] = [
    ("TaskSubmitted", &family::TASKS, "submitted"),
    ("TaskClaimed", &family::TASKS, "claimed"),
    ("TaskCompleted", &family::TASKS, "done"),
    ("TaskFailed", &family::TASKS, "failed"),
    ("TaskCancelled", &family::TASKS, "cancelled"),
    ("TaskReopened", &family::TASKS, "reopened"),
    ("TaskBlocked", &family::TASKS, "blocked"),
    ("AttemptFailed", &family::TASKS, "attempt_failed"),
    ("ClaimResumed", &family::CLAIMS, "resumed"),
    ("ClaimReleased", &family::CLAIMS, "released"),
    ("ClaimExpired", &family::CLAIMS, "expired"),
    ("ClaimParked", &family::CLAIMS, "parked"),
    ("GateStarted", &family::GATES, "started"),
    ("GatePassed", &family::GATES, "passed"),
    ("GateRefused", &family::GATES, "refused"),
    ("GateOrphaned", &family::GATES, "orphaned"),
    ("GateObserved", &family::GATES, "observed"),
    ("SessionStarted", &family::SESSIONS, "started"),
    ("SessionEnded", &family::SESSIONS, "ended"),
    ("ApprovalRequested", &family::APPROVALS, "requested"),
    ("ApprovalApproved", &family::APPROVALS, "approved"),
    ("ApprovalAdjusted", &family::APPROVALS, "adjusted"),
    ("ApprovalRejected", &family::APPROVALS, "rejected"),
    ("ApprovalExpired", &family::APPROVALS, "expired"),
    ("ApprovalCancelled", &family::APPROVALS, "cancelled"),
    ("ApprovalConsumed", &family::APPROVALS, "used"),
    ("ViolationFound", &family::VIOLATIONS, "found"),
    ("ViolationUndone", &family::VIOLATIONS, "undone"),
    ("ViolationAccepted", &family::VIOLATIONS, "accepted"),
    ("BypassOpened", &family::BYPASSES_TOTAL, "opened"),
    ("BypassClosed", &family::BYPASSES_TOTAL, "closed"),
    ("TextFlagged", &family::FLAGS, "flagged"),
];
/// Kinds that end a task, by the word of the end.
const ENDS: [(&str, &str); 3] = [("TaskCompleted", "done"), ("TaskFailed", "failed"), ("TaskCancelled", "cancelled")];

pub struct Tally {
    after: u64,
    words: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<&'static str, u64>,
    refusals: BTreeMap<&'static str, u64>,
    lived: [Meter; ENDS.len()],
}

impl Tally {
    pub fn from(after: u64) -> Self {
        Self {
            after,
            words: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            refusals: BTreeMap::new(),
            lived: std::array::from_fn(|_| Meter::new(TASK_SECONDS)),
        }
    }

    /// Counts what is new. A reading that fails half-way is not begun again: it has counted what it has passed.
    pub fn catch_up(&mut self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        let mut ended: Vec<(usize, u64, Time)> = Vec::new();
        let after = self.after;
        figures::records(tx, after, RECORDS_MAX, &mut |seq, at, kind, body| {
            self.after = seq;
            self.count(kind, body);
            if let Some(end) = ENDS.iter().position(|(known, _)| *known == kind)
                && let Some(task) = lines::read_body(body).ok().and_then(|head| head.task)
            {
                ended.push((end, task.0, at));
            }
        })?;
        for (end, task, at) in ended {
            let since = figures::submitted(tx, task)?.unwrap_or(at);
            let lived = Duration::from_millis(u64::try_from(at.0 - since.0).unwrap_or(0));
            if let Some(meter) = self.lived.get(end) {
                meter.add(lived);
            }
        }
        Ok(())
    }

    fn count(&mut self, kind: &str, body: &str) {
        if let Some((kind, ..)) = WORDS.iter().find(|(known, ..)| *known == kind) {
            *self.words.entry(kind).or_default() += 1;
        }
        let event = || lines::read_body(body).map(|head| head.event).unwrap_or_default();
        match kind {
            JUDGED => {
                let judged: Judged = serde_json::from_str(event()).unwrap_or_default();
                let word = VERDICTS.into_iter().find(|word| *word == judged.verdict);
                let word = if judged.waived { Some(WAIVED) } else { word };
                if let Some(word) = word {
                    *self.verdicts.entry(word).or_default() += 1;
                }
            }
            REFUSED | REPEATED => {
                let refused: Refused = serde_json::from_str(event()).unwrap_or_default();
                if let Some(code) = refused.code {
                    *self.refusals.entry(code.word()).or_default() += refused.times.unwrap_or(1);
                }
            }
            _ => {}
        }
    }

    pub fn figures(&self) -> Vec<Figure> {
        let word = |(kind, family, word): &(&'static str, &'static Family, &'static str)| {
            Figure::whole(family, &[word], self.words.get(kind).copied().unwrap_or(0))
        };
        let verdicts = VERDICTS.into_iter().chain([WAIVED]).map(|verdict| {
            Figure::whole(&family::VERDICTS, &[verdict], self.verdicts.get(verdict).copied().unwrap_or(0))
        });
        let refusals = self.refusals.iter().map(|(code, count)| Figure::whole(&family::REFUSALS, &[code], *count));
        // One is always told, so that an alert on it has a series to look at.
        let spent = Code::BudgetExceeded.word();
        let none = (!self.refusals.contains_key(spent)).then(|| Figure::whole(&family::REFUSALS, &[spent], 0));
        let lived = ENDS.iter().zip(&self.lived);
        let lived = lived.map(|((_, word), meter)| Figure::spread(&family::TASK_SECONDS_OF, &[word], meter.spread()));
        WORDS.iter().map(word).chain(verdicts).chain(refusals).chain(none).chain(lived).collect()
    }
}

/// What is read of a judged call; its input can be long and is passed over.
#[derive(Default, Deserialize)]
struct Judged {
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    waived: bool,
}

#[derive(Default, Deserialize)]
struct Refused {
    code: Option<Code>,
    times: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::family::Amount;

    fn body(event: &str) -> String {
        format!(r#"{{"v":1,"at":"2026-01-02T03:04:05.006Z","agent":"a","role":"agent","tool":"hook","event":{event}}}"#)
    }

    #[test]
    fn a_record_is_counted_by_its_own_words_and_not_by_what_a_call_says() {
        let mut tally = Tally::from(0);
        for (kind, event) in [
            (JUDGED, r#"{"type":"CallJudged","input":{"verdict":"allow"},"verdict":"deny"}"#),
            (JUDGED, r#"{"type":"CallJudged","input":{"waived":true},"verdict":"deny","waived":true}"#),
            (JUDGED, r#"{"type":"CallJudged","verdict":"ask"}"#),
            (JUDGED, r#"{"type":"CallJudged","verdict":"a word nobody knows"}"#),
            (JUDGED, ""),
            (REFUSED, r#"{"type":"CommandRefused","code":"gates_unmet"}"#),
            (REPEATED, r#"{"type":"RefusalsRepeated","code":"gates_unmet","times":4}"#),
            (REFUSED, r#"{"type":"CommandRefused","code":"a code nobody knows"}"#),
            ("GatePassed", r#"{"type":"GatePassed"}"#),
            ("SomethingNew", "{}"),
        ] {
            tally.count(kind, &body(event));
        }
        let figures = tally.figures();
        let found = |family: &Family, label: &str| {
            let same = |figure: &&Figure| figure.family.name == family.name && figure.labels == [label];
            match figures.iter().find(same).map(|figure| &figure.amount) {
                Some(Amount::Whole(amount)) => Some(*amount),
                _ => None,
            }
        };
        for (family, label, wanted) in [
            (&family::VERDICTS, "allow", Some(0)),
            (&family::VERDICTS, "deny", Some(1)),
            (&family::VERDICTS, WAIVED, Some(1)),
            (&family::VERDICTS, "ask", Some(1)),
            (&family::REFUSALS, "gates_unmet", Some(5)),
            (&family::REFUSALS, "budget_exceeded", Some(0)),
            (&family::REFUSALS, "not_holder", None),
            (&family::GATES, "passed", Some(1)),
            (&family::GATES, "refused", Some(0)),
        ] {
            assert_eq!(found(family, label), wanted, "{} {label}", family.name);
        }
    }
}
