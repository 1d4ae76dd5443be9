//! Facts that happened, in the language of the work. A store keeps them and never looks inside.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::{About, Answer};
use super::ids::{AgentName, ApprovalId, Fence, HandleHash, RunId, TaskId, Time, WorkflowHash};
use super::refusal::Code;
use super::task::{Outcome, TaskSpec};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Event {
    TaskSubmitted {
        task: TaskId,
        spec: Box<TaskSpec>,
        workflow: WorkflowHash,
        phase: String,
        waiting_on: BTreeSet<TaskId>,
        attempts: u32,
    },
    TaskReadied {
        task: TaskId,
        /// The task whose end made the difference.
        met: TaskId,
    },
    TaskClaimed {
        task: TaskId,
        agent: AgentName,
        fence: Fence,
        handle: HandleHash,
        lease_seconds: u64,
    },
    /// The holder asked again, or went on under a new name with its handle: a new handle, the same work.
    ClaimResumed {
        task: TaskId,
        agent: AgentName,
        fence: Fence,
        handle: HandleHash,
        lease_seconds: u64,
    },
    ClaimExpired {
        task: TaskId,
        agent: AgentName,
        fence: Fence,
    },
    ClaimReleased {
        task: TaskId,
        agent: AgentName,
        fence: Fence,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    ProgressNoted {
        task: TaskId,
        note: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
    },
    CheckpointSaved {
        task: TaskId,
        data: Value,
    },
    TaskBlocked {
        task: TaskId,
        blocker: u32,
        reason: String,
    },
    TaskUnblocked {
        task: TaskId,
        blockers: BTreeSet<u32>,
    },
    AttemptFailed {
        task: TaskId,
        reason: String,
        failed: u32,
    },
    TaskFailed {
        task: TaskId,
        reason: String,
    },
    TaskReopened {
        task: TaskId,
        reason: String,
    },
    TaskCancelled {
        task: TaskId,
        reason: String,
    },
    ArtifactSubmitted {
        task: TaskId,
        name: String,
        version: u32,
        sha256: String,
        bytes: u64,
        media_type: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    GateStarted {
        task: TaskId,
        gate: String,
        run: RunId,
        until: Time,
    },
    GatePassed {
        task: TaskId,
        gate: String,
        run: RunId,
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    GateRefused {
        task: TaskId,
        gate: String,
        run: RunId,
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<String>,
        /// SHA-256 of what the run printed, kept as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// Started and never ended: the process that ran it is gone.
    GateOrphaned {
        task: TaskId,
        gate: String,
        run: RunId,
    },
    PhaseEntered {
        task: TaskId,
        from: String,
        phase: String,
        visit: u32,
    },
    TaskCompleted {
        task: TaskId,
        phase: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
    },
    ApprovalRequested {
        approval: ApprovalId,
        digest: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<String>,
        visit: u32,
        #[serde(flatten)]
        about: About,
        ask: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        from: Vec<String>,
        not_by_author: bool,
        level: u8,
        expires_at: Time,
    },
    ApprovalApproved {
        approval: ApprovalId,
        answer: Answer,
    },
    ApprovalRejected {
        approval: ApprovalId,
        answer: Answer,
    },
    ApprovalExpired {
        approval: ApprovalId,
    },
    ApprovalCancelled {
        approval: ApprovalId,
        why: String,
    },
    ApprovalConsumed {
        approval: ApprovalId,
        task: TaskId,
        gate: String,
    },
    WorkflowTrusted {
        name: String,
        hash: WorkflowHash,
        origin: Origin,
        default: bool,
    },
    /// Everything before this record came from a backup.
    StoreRestored {
        sha256: String,
        bytes: u64,
    },
    /// A call that the rules do not allow, let through because the workflow only warns or observes.
    RuleWaived {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        phase: String,
        tool: String,
        message: String,
        /// The agent was told.
        shown: bool,
    },
    CommandRefused {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        code: Code,
        message: String,
    },
    /// The same refusal again within its window, counted instead of repeated.
    RefusalsRepeated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        code: Code,
        times: u64,
        since: Time,
    },
    /// Heads from here on are signed with another key: the old one was lost, or is no longer to be used.
    LogKeyChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        new: String,
        reason: String,
    },
    /// A person took content out of the log; numbers and hashes stay.
    RecordErased {
        records: Vec<ErasedRecord>,
        reason: String,
    },
}

/// What stays known of a record without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErasedRecord {
    pub seq: u64,
    pub kind: String,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// Where a trusted workflow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A starter inside the binary, in force only until a person trusts something.
    Builtin,
    /// A person trusted it.
    Person,
}

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
            Self::ApprovalApproved { .. } => ("ApprovalApproved", None),
            Self::ApprovalRejected { .. } => ("ApprovalRejected", None),
            Self::ApprovalExpired { .. } => ("ApprovalExpired", None),
            Self::ApprovalCancelled { .. } => ("ApprovalCancelled", None),
            Self::ApprovalConsumed { task, .. } => ("ApprovalConsumed", Some(*task)),
            Self::WorkflowTrusted { .. } => ("WorkflowTrusted", None),
            Self::StoreRestored { .. } => ("StoreRestored", None),
            Self::RuleWaived { task, .. } => ("RuleWaived", *task),
            Self::CommandRefused { task, .. } => ("CommandRefused", *task),
            Self::RefusalsRepeated { task, .. } => ("RefusalsRepeated", *task),
            Self::LogKeyChanged { .. } => ("LogKeyChanged", None),
            Self::RecordErased { .. } => ("RecordErased", None),
        }
    }
}
