//! What must stand in the log before an approval is answered or used: the question, then a yes, and that used once.
//! Whether the yes was of the right person is not here.

use std::collections::HashMap;

use super::header::{Lost, event, field};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unknown,
    Asked,
    Yes,
    /// Rejected, run out or cancelled.
    Closed,
    Used,
}

struct Step {
    kind: &'static str,
    from: &'static [Stage],
    to: Stage,
}

const REQUESTED: [&str; 1] = ["ApprovalRequested"];
const SAID_YES: [&str; 2] = ["ApprovalApproved", "ApprovalAdjusted"];

const STEPS: [Step; 7] = [
    Step { kind: "ApprovalRequested", from: &[Stage::Unknown], to: Stage::Asked },
    Step { kind: "ApprovalApproved", from: &[Stage::Asked], to: Stage::Yes },
    Step { kind: "ApprovalAdjusted", from: &[Stage::Asked], to: Stage::Yes },
    Step { kind: "ApprovalRejected", from: &[Stage::Asked], to: Stage::Closed },
    Step { kind: "ApprovalExpired", from: &[Stage::Asked, Stage::Yes], to: Stage::Closed },
    Step { kind: "ApprovalCancelled", from: &[Stage::Asked, Stage::Yes], to: Stage::Closed },
    Step { kind: "ApprovalConsumed", from: &[Stage::Yes], to: Stage::Used },
];

/// A record that does not follow from those before it, as far as they can be read.
struct Odd {
    seq: u64,
    id: String,
    to: Stage,
    was: Stage,
}

/// How far each approval has come. A restored backup brings records and state of one moment, so `StoreRestored` changes
/// nothing here.
#[derive(Default)]
pub struct Approvals {
    stages: HashMap<String, Stage>,
    odd: Vec<Odd>,
}

impl Approvals {
    pub fn see(&mut self, seq: u64, kind: &str, body: &[u8]) {
        let Some(step) = STEPS.iter().find(|step| step.kind == kind) else { return };
        let id = field(&event(body), "approval").unwrap_or_default();
        let stage = self.stages.entry(id.clone()).or_insert(Stage::Unknown);
        let was = *stage;
        let fits = step.from.contains(&was);
        // What is over stays over: a second question or a second yes must not open it again.
        if fits || matches!(was, Stage::Unknown | Stage::Asked) {
            *stage = step.to;
        }
        if !fits {
            self.odd.push(Odd { seq, id, to: step.to, was });
        }
    }

    /// Of an erased record only the kind is known: each stands for one predecessor that cannot be found. `erased` rises.
    pub fn lost(self, erased: &[(u64, &str)]) -> Vec<Lost> {
        let of = |kinds: &[&str]| -> Vec<u64> {
            erased.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(seq, _)| *seq).rev().collect()
        };
        // The earliest stands last, to be taken first.
        let (mut requested, mut said_yes) = (of(&REQUESTED), of(&SAID_YES));
        let mut lost = Vec::new();
        for Odd { seq, id, to, was } in self.odd {
            let stands_for = |left: &mut Vec<u64>| left.pop_if(|erased| *erased < seq).is_some();
            let excused = match (to, was) {
                (Stage::Asked, _) | (_, Stage::Yes | Stage::Closed | Stage::Used) => false,
                (Stage::Used, Stage::Unknown) => stands_for(&mut requested) & stands_for(&mut said_yes),
                (Stage::Used, Stage::Asked) => stands_for(&mut said_yes),
                (_, Stage::Unknown) => stands_for(&mut requested),
                (_, Stage::Asked) => false,
            };
            if !excused {
                lost.push(Lost { seq, what: words(&id, to, was) });
            }
        }
        lost
    }
}

fn words(id: &str, to: Stage, was: Stage) -> String {
    let what = match (to, was) {
        (Stage::Used, Stage::Unknown) => "is used here, and nobody was asked for it before",
        (Stage::Used, Stage::Asked) => "is used here, and nobody said yes to it before",
        (Stage::Used, Stage::Used) => "is used here a second time; a yes counts once",
        (Stage::Used, _) => "is used here after it was rejected, ran out or was cancelled",
        (Stage::Asked, _) => "is asked for here a second time under the same number",
        (_, Stage::Unknown) => "is answered or closed here, and nobody was asked for it before",
        (_, _) => "is answered or closed here a second time",
    };
    format!("approval {id} {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(kinds: &str, erased: &[(u64, &str)]) -> Vec<u64> {
        let mut approvals = Approvals::default();
        for (seq, word) in (1..).zip(kinds.split(' ')) {
            let (kind, id) = word.split_once(':').unwrap_or((word, "A-1"));
            let kind = format!("Approval{kind}");
            let body = format!(r#"{{"v":1,"event":{{"type":"{kind}","approval":"{id}"}}}}"#);
            // Where nothing stands, something was erased.
            if word != "-" {
                approvals.see(seq, &kind, body.as_bytes());
            }
        }
        approvals.lost(erased).iter().map(|lost| lost.seq).collect()
    }

    #[test]
    fn a_use_needs_one_yes_of_its_own() {
        const NONE: &[u64] = &[];
        let (request, yes) = ("ApprovalRequested", "ApprovalApproved");
        type Row<'a> = (&'a str, &'a [(u64, &'a str)], &'a [u64]);
        let table: [Row<'_>; 22] = [
            ("Requested Approved Consumed", &[], NONE),
            ("Requested Adjusted Consumed", &[], NONE),
            ("Requested Requested:A-2 Approved Expired:A-2 Consumed", &[], NONE),
            ("Requested Approved Cancelled", &[], NONE),
            ("Requested Consumed", &[], &[2]),
            ("Consumed", &[], &[1]),
            ("Approved Consumed", &[], &[1]),
            ("Requested Approved Consumed Consumed", &[], &[4]),
            ("Requested Approved Consumed Requested Approved Consumed", &[], &[4, 5, 6]),
            ("Requested Approved Expired Consumed", &[], &[4]),
            ("Requested Approved Cancelled Consumed", &[], &[4]),
            ("Requested Rejected Consumed", &[], &[3]),
            ("Requested Rejected Approved", &[], &[3]),
            ("Requested Approved:A-2 Consumed", &[], &[2, 3]),
            ("- Approved Consumed", &[(1, request)], NONE),
            ("Requested - Consumed", &[(2, yes)], NONE),
            ("Requested - Consumed Consumed", &[(2, yes)], &[4]),
            ("Requested Consumed -", &[(3, yes)], &[2]),
            ("- - Consumed", &[(1, request), (2, yes)], NONE),
            ("- - Consumed", &[(1, request), (2, request)], &[3]),
            ("- Approved Consumed Approved:A-2 Consumed:A-2", &[(1, request)], &[4]),
            ("Requested - Rejected", &[(2, yes)], NONE),
        ];
        for (kinds, erased, wanted) in table {
            assert_eq!(odd(kinds, erased), wanted, "{kinds} {erased:?}");
        }
    }
}
