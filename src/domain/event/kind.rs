//! What a fact is called and which task it is about.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use super::Event;
use crate::domain::ids::TaskId;

impl Event {
    /// The name of the fact, as it stands in its JSON.
    pub fn kind(&self) -> &'static str {
        self.describe().0
    }

    /// The task it is about, if it is about one.
    pub fn task(&self) -> Option<TaskId> {
        self.describe().1
    }

    fn describe(&self) -> (&'static str, Option<TaskId>) {
        match self {
            Self::TaskSubmitted { task, .. } => ("TaskSubmitted", Some(*task)),
            Self::TaskReadied { task, .. } => ("TaskReadied", Some(*task)),
            Self::TaskClaimed { task, .. } => ("TaskClaimed", Some(*task)),
            Self::ClaimResumed { task, .. } => ("ClaimResumed", Some(*task)),
            Self::ClaimExpired { task, .. } => ("ClaimExpired", Some(*task)),
            Self::ClaimReleased { task, .. } => ("ClaimReleased", Some(*task)),
            Self::ProgressNoted { task, .. } => ("ProgressNoted", Some(*task)),
            Self::CheckpointSaved { task, .. } => ("CheckpointSaved", Some(*task)),
            Self::TaskBlocked { task, .. } => ("TaskBlocked", Some(*task)),
            Self::TaskUnblocked { task, .. } => ("TaskUnblocked", Some(*task)),
            Self::AttemptFailed { task, .. } => ("AttemptFailed", Some(*task)),
            Self::TaskFailed { task, .. } => ("TaskFailed", Some(*task)),
            Self::TaskReopened { task, .. } => ("TaskReopened", Some(*task)),
            Self::TaskCancelled { task, .. } => ("TaskCancelled", Some(*task)),
            Self::ArtifactSubmitted { task, .. } => ("ArtifactSubmitted", Some(*task)),
            Self::GateStarted { task, .. } => ("GateStarted", Some(*task)),
            Self::GatePassed { task, .. } => ("GatePassed", Some(*task)),
            Self::GateRefused { task, .. } => ("GateRefused", Some(*task)),
            Self::GateOrphaned { task, .. } => ("GateOrphaned", Some(*task)),
            Self::PhaseEntered { task, .. } => ("PhaseEntered", Some(*task)),
            Self::TaskCompleted { task, .. } => ("TaskCompleted", Some(*task)),
            Self::ApprovalRequested { task, .. } => ("ApprovalRequested", *task),
            Self::ApprovalApproved { task, .. } => ("ApprovalApproved", *task),
            Self::ApprovalRejected { task, .. } => ("ApprovalRejected", *task),
            Self::ApprovalExpired { task, .. } => ("ApprovalExpired", *task),
            Self::ApprovalCancelled { task, .. } => ("ApprovalCancelled", *task),
            Self::ApprovalConsumed { task, .. } => ("ApprovalConsumed", Some(*task)),
            Self::WorkflowTrusted { .. } => ("WorkflowTrusted", None),
            Self::StoreRestored { .. } => ("StoreRestored", None),
            Self::RuleWaived { task, .. } => ("RuleWaived", *task),
            Self::CommandRefused { task, .. } => ("CommandRefused", *task),
            Self::RefusalsRepeated { task, .. } => ("RefusalsRepeated", *task),
            Self::ApprovalAdjusted { task, .. } => ("ApprovalAdjusted", *task),
            Self::ApproverEnrolled { .. } => ("ApproverEnrolled", None),
            Self::ApproverRevoked { .. } => ("ApproverRevoked", None),
            Self::CredentialCreated { .. } => ("CredentialCreated", None),
            Self::CredentialRevoked { .. } => ("CredentialRevoked", None),
            Self::BypassOpened { task, .. } => ("BypassOpened", *task),
            Self::BypassClosed { .. } => ("BypassClosed", None),
            Self::BudgetChanged { task, .. } => ("BudgetChanged", Some(*task)),
            Self::ModelRouted { task, .. } => ("ModelRouted", *task),
            Self::OutcomeRecorded { task, .. } => ("OutcomeRecorded", *task),
            Self::LearningReset { .. } => ("LearningReset", None),
            Self::BudgetWarned { task, .. } => ("BudgetWarned", Some(*task)),
            Self::CallStarted { task, .. } => ("CallStarted", *task),
            Self::CallFinished { task, .. } => ("CallFinished", *task),
            Self::CallFailed { task, .. } => ("CallFailed", *task),
            Self::CallOrphaned { task, .. } => ("CallOrphaned", *task),
            Self::SessionStarted { .. } => ("SessionStarted", None),
            Self::SessionEnded { .. } => ("SessionEnded", None),
            Self::SubAgentStarted { .. } => ("SubAgentStarted", None),
            Self::SubAgentEnded { .. } => ("SubAgentEnded", None),
            Self::CallJudged { task, .. } => ("CallJudged", *task),
            Self::CallObserved { task, .. } => ("CallObserved", *task),
            Self::ResultReduced { task, .. } => ("ResultReduced", *task),
            Self::GateObserved { task, .. } => ("GateObserved", Some(*task)),
            Self::ViolationFound { task, .. } => ("ViolationFound", Some(*task)),
            Self::ViolationUndone { task, .. } => ("ViolationUndone", Some(*task)),
            Self::ViolationAccepted { task, .. } => ("ViolationAccepted", Some(*task)),
            Self::GuardKept { .. } => ("GuardKept", None),
            Self::ClaimParked { task, .. } => ("ClaimParked", Some(*task)),
            Self::TextFlagged { task, .. } => ("TextFlagged", *task),
            Self::TextNotScreened { task, .. } => ("TextNotScreened", *task),
            Self::LogKeyChanged { .. } => ("LogKeyChanged", None),
            Self::RecordErased { .. } => ("RecordErased", None),
        }
    }
}

/// The names of all facts, as they stand in their JSON.
pub fn kinds() -> &'static BTreeSet<String> {
    static KINDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let schema = schemars::schema_for!(Event).to_value();
        let all = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let name = |kind: &Value| kind.pointer("/properties/type/const").and_then(Value::as_str).map(str::to_owned);
        all.filter_map(name).collect()
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}
