//! What is measured, by name: the one table that the exposition and `docs/operations.md` are made from. Labels are words
//! of ours; no name, id, title or path of anybody's work is ever one.

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Whose doings a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Only what this process did.
    Process,
    /// Of all processes on the store, since this one started, by the log.
    Log,
    /// What the store holds now.
    Store,
}

impl Of {
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "this process",
            Self::Log => "all processes, since this one started",
            Self::Store => "the store, now",
        }
    }
}

#[derive(Debug)]
pub struct Family {
    /// As it is exposed: counters end in `_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub of: Of,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    Whole(u64),
    Real(f64),
    Spread(Spread),
}

/// How often each bucket was hit, those beyond the last bound included at the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    pub hits: Vec<u64>,
    pub sum: f64,
}

#[derive(Clone, Debug)]
pub struct Figure {
    pub family: &'static Family,
    /// In the order of the family's labels.
    pub labels: Vec<&'static str>,
    pub amount: Amount,
}

impl Figure {
    pub fn whole(family: &'static Family, labels: &[&'static str], amount: u64) -> Self {
        Self { family, labels: labels.to_vec(), amount: Amount::Whole(amount) }
    }

    pub fn real(family: &'static Family, labels: &[&'static str], amount: f64) -> Self {
        Self { family, labels: labels.to_vec(), amount: Amount::Real(amount) }
    }

    pub fn spread(family: &'static Family, labels: &[&'static str], spread: Spread) -> Self {
        Self { family, labels: labels.to_vec(), amount: Amount::Spread(spread) }
    }
}

/// From a read that is answered from memory to a call that waited for a person.
pub const CALL_SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];
/// From a linter to a long test run.
pub const GATE_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// From a minute to a week.
pub const TASK_SECONDS: &[f64] =
    &[60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];

macro_rules! families {
    ($($constant:ident = $name:literal $kind:expr, $of:ident, [$($label:literal),*], $help:literal;)+) => {
        $(pub static $constant: Family =
            Family { name: $name, kind: $kind, of: Of::$of, labels: &[$($label),*], help: $help };)+

        pub static ALL: &[&Family] = &[$(&$constant),+];
    };
}

families! {
    TOOLS = "orchestrator_tools_total" Kind::Counter, Process, ["tool", "outcome"],
        "Tool calls by how they ended: ok, refused, or failed by a fault of phasegate or the machine";
    TOOL_SECONDS = "orchestrator_tools_duration_seconds" Kind::Histogram(CALL_SECONDS), Process, ["tool"],
        "How long tool calls took, gate runs and waiting for a person included";
    TOOL_ERRORS = "orchestrator_tools_errors_total" Kind::Counter, Process, ["tool", "code"],
        "Tool calls that were refused or failed, by the code of the refusal; internal is a fault";
    WRITE_SECONDS = "orchestrator_store_write_duration_seconds" Kind::Histogram(CALL_SECONDS), Process, [],
        "How long commands took from being handed to the store to being durable";
    WAIT_SECONDS = "orchestrator_store_wait_duration_seconds" Kind::Histogram(CALL_SECONDS), Process, [],
        "The part of that before the decision was made: the queue, the lock and loading";
    READ_SECONDS = "orchestrator_store_read_duration_seconds" Kind::Histogram(CALL_SECONDS), Process, [],
        "How long reads on a snapshot took";
    GATE_SECONDS_OF = "orchestrator_gates_duration_seconds" Kind::Histogram(GATE_SECONDS), Process, ["gate"],
        "How long gate runs took, by the kind of gate";
    SPANS = "orchestrator_trace_spans_total" Kind::Counter, Process, ["outcome"],
        "Spans of traces that were sent, and that were dropped since nobody took them";
    BUILD = "orchestrator_build_info" Kind::Gauge, Process, ["version"],
        "1; the version of phasegate that runs";

    TASKS = "orchestrator_tasks_total" Kind::Counter, Log, ["status"],
        "How often tasks came to a status: submitted, claimed, blocked, attempt_failed, done, failed, cancelled, reopened";
    TASK_SECONDS_OF = "orchestrator_tasks_duration_seconds" Kind::Histogram(TASK_SECONDS), Log, ["status"],
        "From a task's submission to its end";
    CLAIMS = "orchestrator_claims_total" Kind::Counter, Log, ["event"],
        "What became of claims";
    GATES = "orchestrator_gates_total" Kind::Counter, Log, ["outcome"],
        "Gate runs by how they ended; orphaned ones lost their process";
    SESSIONS = "orchestrator_sessions_total" Kind::Counter, Log, ["event"],
        "Runs of clients that hooks saw start and end";
    VERDICTS = "orchestrator_verdicts_total" Kind::Counter, Log, ["verdict"],
        "Calls of the clients' own tools as they were judged; waived ones would have been denied";
    APPROVALS = "orchestrator_approvals_total" Kind::Counter, Log, ["event"],
        "What became of approvals";
    REFUSALS = "orchestrator_refusals_total" Kind::Counter, Log, ["code"],
        "Refusals on record, repeats included; budget_exceeded counts budgets that stopped work";
    VIOLATIONS = "orchestrator_violations_total" Kind::Counter, Log, ["event"],
        "Changes of files that a phase did not allow, and what became of them";
    BYPASSES_TOTAL = "orchestrator_bypasses_total" Kind::Counter, Log, ["event"],
        "Bypasses that were opened and closed";
    FLAGS = "orchestrator_screening_total" Kind::Counter, Log, ["event"],
        "Texts that came in with what looks like a secret, personal data or an attempt to steer";

    UP = "orchestrator_store_up" Kind::Gauge, Store, [],
        "1 where the store could be read for this scrape; where it is 0, what comes from the store is missing";
    TASKS_OPEN = "orchestrator_tasks_open" Kind::Gauge, Store, ["status"],
        "Tasks that are not over";
    CLAIMS_ACTIVE = "orchestrator_claims_active" Kind::Gauge, Store, [],
        "Claims whose lease runs";
    LEASES_EXPIRING = "orchestrator_leases_expiring" Kind::Gauge, Store, [],
        "Leases that run out within a minute unless their holder shows itself";
    LEASES_EXPIRED = "orchestrator_leases_expired" Kind::Gauge, Store, [],
        "Leases that have run out and that the sweeper has not ended yet";
    SESSIONS_ACTIVE = "orchestrator_sessions_active" Kind::Gauge, Store, ["guard"],
        "Runs of clients that have not ended and were seen within half an hour";
    APPROVALS_WAITING = "orchestrator_approvals_waiting" Kind::Gauge, Store, [],
        "Approvals that wait for a person";
    APPROVALS_AGE = "orchestrator_approvals_oldest_age_seconds" Kind::Gauge, Store, [],
        "How long the oldest of them has waited";
    BYPASSES = "orchestrator_bypasses_open" Kind::Gauge, Store, [],
        "Bypasses that are open";
    CHANNELS = "orchestrator_channels_resting" Kind::Gauge, Store, [],
        "Ways to reach people that failed and are left alone for now";
    SPENT = "orchestrator_budget_spent_usd_total" Kind::Counter, Store, [],
        "What models cost, in dollars, as far as transcripts tell";
    TOKENS = "orchestrator_budget_tokens_total" Kind::Counter, Store, ["tokens"],
        "Tokens of models, by kind";
    RESERVED = "orchestrator_budget_reserved_usd" Kind::Gauge, Store, [],
        "Dollars set aside for work that is going on";
    RECORDS = "orchestrator_log_records_total" Kind::Counter, Store, [],
        "Records of the log";
    UNSEALED = "orchestrator_log_unsealed_records" Kind::Gauge, Store, [],
        "Records that no signed head covers yet";
    UNSEALED_AGE = "orchestrator_log_unsealed_age_seconds" Kind::Gauge, Store, [],
        "How long the oldest of them has waited: the lag of the sealer";
    HEAD_AGE = "orchestrator_log_head_age_seconds" Kind::Gauge, Store, [],
        "The age of the newest signed head";
    WAL_BYTES = "orchestrator_store_wal_bytes" Kind::Gauge, Store, [],
        "Size of the write-ahead log";
    STORE_BYTES = "orchestrator_store_bytes" Kind::Gauge, Store, [],
        "Size of the database without its write-ahead log";
    FREE_BYTES = "orchestrator_store_free_bytes" Kind::Gauge, Store, [],
        "What is free on the disk of the store";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let mut names = std::collections::BTreeSet::new();
        for family in ALL {
            assert!(names.insert(family.name), "{} twice", family.name);
            assert!(family.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", family.name);
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert!(!family.help.contains(['\n', '\\', '"']), "{}", family.help);
            if let Kind::Histogram(bounds) = family.kind {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{}", family.name);
            }
        }
    }
}
