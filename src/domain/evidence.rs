//! What satisfies a gate: artifacts handed in and the results of runs, each with the tier of whoever saw it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AgentName, RunId, Time};
use super::workflow::GateKind;

/// Who saw it: the agent says so, a hook saw it, phasegate did it, a person signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Claimed,
    Observed,
    Executed,
    Signed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    pub version: u32,
    pub sha256: String,
    pub bytes: u64,
    pub media_type: String,
    /// In the work tree, when it was handed in by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub tier: Tier,
    pub by: AgentName,
    pub at: Time,
    /// The phase in which it was handed in.
    pub phase: String,
}

/// The latest result of a gate that has to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum Evidence {
    Running { run: RunId, since: Time, until: Time },
    Passed(Verdict),
    Refused(Verdict),
}

impl Evidence {
    /// True when a run's yes counts now: for this very work tree, or (where it need not be fresh) made in this visit.
    pub fn holds(&self, gate: &GateKind, tree: Option<&str>, visit: u32) -> bool {
        let Self::Passed(verdict) = self else { return false };
        let same_tree = verdict.tree.is_some() && verdict.tree.as_deref() == tree;
        let fresh = match gate {
            GateKind::Command { fresh, .. } | GateKind::Hook { fresh, .. } => *fresh,
            GateKind::Syntax { .. }
            | GateKind::Artifact { .. }
            | GateKind::Approval(_)
            | GateKind::Children
            | GateKind::Tasks { .. }
            | GateKind::Budget => true,
        };
        same_tree || (!fresh && verdict.visit == visit)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Nothing for a run that a hook saw: it was the agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    pub at: Time,
    /// The phase visit it was made in.
    pub visit: u32,
    pub tier: Tier,
    pub summary: String,
    /// Fingerprint of the work tree the run began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// The end of what a run that did not pass printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed: Option<String>,
}
