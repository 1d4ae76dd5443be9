//! Facts that happened, in the language of the work. A store keeps them and never looks inside.

mod kind;
mod origin;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::{About, Answer};
use super::approver::{PublicKey, Signed};
use super::credential::Grant;
use super::ids::{
    AgentName, ApprovalId, BypassId, CallId, CredentialHash, CredentialId, Fence, HandleHash, RouteId, RunId,
    SessionId, TaskId, Time, WorkflowHash,
};
use super::route::{Judge, RouteCause, Routed, Work};
use super::session::{Guard, Judged, Opened};
use super::spending::{Spent, Unit};
use super::task::{Outcome, TaskSpec};
use super::violation::{TreePath, Violation};
use super::workflow::{Budget, ModelTier};
use super::{facts::Role, flag::Flag, record::ErasedRecord, refusal::Code};

pub use kind::kinds;
pub use origin::Origin;

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
        /// The model it should be worked on with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Box<Routed>>,
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
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_person: bool,
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
        /// The end of what it printed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        printed: Option<String>,
        /// The client called it off: it says nothing about the work.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cancelled: bool,
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
        /// The first of those that are answered together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<ApprovalId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<String>,
        visit: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workflow: Option<WorkflowHash>,
        /// Digests of what was handed in by then.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        artifacts: BTreeMap<String, String>,
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        answer: Answer,
    },
    ApprovalRejected {
        approval: ApprovalId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        answer: Answer,
    },
    /// A yes to other arguments; the digest is of the call with these.
    ApprovalAdjusted {
        approval: ApprovalId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        answer: Answer,
        arguments: Value,
        digest: String,
    },
    ApprovalExpired {
        approval: ApprovalId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
    },
    ApprovalCancelled {
        approval: ApprovalId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        why: String,
    },
    /// Used up, in the transaction that records what it was used for: a gate, a call of a tool, or the start of one.
    ApprovalConsumed {
        approval: ApprovalId,
        task: TaskId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
    },
    WorkflowTrusted {
        name: String,
        hash: WorkflowHash,
        origin: Origin,
        default: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// Everything before this record came from a backup.
    StoreRestored {
        sha256: String,
        bytes: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// A call that the rules do not allow, let through because the workflow only warns or observes, or by a bypass.
    RuleWaived {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        phase: String,
        tool: String,
        message: String,
        /// The agent was told.
        shown: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bypass: Option<BypassId>,
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
    ApproverEnrolled {
        name: AgentName,
        key: PublicKey,
        groups: BTreeSet<String>,
        /// By an approver who stood already; the first has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    ApproverRevoked {
        name: AgentName,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    CredentialCreated {
        credential: CredentialId,
        name: AgentName,
        role: Role,
        /// Of the secret, which is shown once and kept nowhere.
        hash: CredentialHash,
        grant: Grant,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Time>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    CredentialRevoked {
        credential: CredentialId,
        reason: String,
    },
    BypassOpened {
        bypass: BypassId,
        rules: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        reason: String,
        level: u8,
        until: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    BypassClosed {
        bypass: BypassId,
        why: String,
    },
    /// A person gave a task other caps.
    BudgetChanged {
        task: TaskId,
        /// What counted until now.
        before: Budget,
        budget: Budget,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        level: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
        /// Where an agent asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<ApprovalId>,
    },
    /// So much of a cap is spent or set aside; told once for each level, and again after the cap was changed.
    BudgetWarned {
        task: TaskId,
        unit: Unit,
        cap: u64,
        spent: u64,
        #[serde(default, skip_serializing_if = "kind::is_zero")]
        reserved: u64,
        percent: u64,
        /// In percent: the one that was passed.
        level: u8,
    },
    /// A model was chosen, for a task as it goes on, or for whoever asked.
    ModelRouted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<RouteId>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        phase: String,
        because: RouteCause,
        route: Routed,
        /// What was asked about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<Box<Work>>,
    },
    /// How work on a tier went.
    OutcomeRecorded {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<RouteId>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        phase: String,
        /// As it was routed; what ran may be another, where a client's transcript says so.
        tier: ModelTier,
        /// By whoever tells it, or by the model that is named there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tier_told: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// From 0 to 1.
        success: f64,
        judge: Judge,
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        micro_usd: Option<u64>,
        /// Tiers that had failed at it before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<ModelTier>,
    },
    LearningReset {
        reason: String,
        generation: u64,
        forgotten: u64,
    },
    /// An approved act begins; its approval is used up in the same transaction.
    CallStarted {
        call: CallId,
        approval: ApprovalId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
        digest: String,
        until: Time,
    },
    CallFinished {
        call: CallId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
        summary: String,
        /// SHA-256 of what it printed, kept as a blob.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    CallFailed {
        call: CallId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<String>,
    },
    /// Started and never ended: whoever carried it out is gone, and what it did is not known. It is not done again.
    CallOrphaned {
        call: CallId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
    },
    /// A session of a client shows itself through its hooks.
    SessionStarted {
        session: SessionId,
        /// On its main thread.
        agent: AgentName,
        client: String,
        guard: Guard,
        /// What makes the guard worth that.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
        how: Opened,
        folder: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    SessionEnded {
        session: SessionId,
        why: String,
    },
    SubAgentStarted {
        session: SessionId,
        agent: AgentName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
    },
    SubAgentEnded {
        session: SessionId,
        agent: AgentName,
    },
    /// A call of one of the client's tools, or of another server's, and what was said about it before it ran.
    CallJudged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        session: SessionId,
        phase: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        tool: String,
        folder: String,
        input: Value,
        /// Of tool and input, whole.
        digest: String,
        verdict: Judged,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        reason: String,
        /// The verdict was no, and the workflow only warns or observes, or a person opened a bypass.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        waived: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bypass: Option<BypassId>,
        /// Set aside under the task's budget for the answer after it.
        #[serde(default, skip_serializing_if = "Spent::is_nothing")]
        aside: Spent,
        /// How the kernel holds it to its phase, where it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confined: Option<String>,
    },
    /// How such a call ended, as the client saw it.
    CallObserved {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        session: SessionId,
        call: String,
        tool: String,
        well: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// The model got less of a call's result than there was; the whole can be fetched by the handle for a while.
    ResultReduced {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        session: SessionId,
        call: String,
        tool: String,
        handle: String,
        tokens_before: u64,
        tokens_after: u64,
    },
    /// The hook saw the command of a gate run: evidence, but not phasegate's own.
    GateObserved {
        task: TaskId,
        gate: String,
        session: SessionId,
        well: bool,
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<String>,
    },
    /// A call changed what its phase may not change. No gate passes until that is undone or a person accepts it.
    ViolationFound {
        task: TaskId,
        session: SessionId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        violations: Vec<Violation>,
        /// Beyond those that are listed.
        #[serde(default, skip_serializing_if = "kind::is_zero")]
        more: u64,
    },
    /// What was there before is there again.
    ViolationUndone {
        task: TaskId,
        paths: Vec<TreePath>,
    },
    /// A person lets it stand.
    ViolationAccepted {
        task: TaskId,
        paths: Vec<TreePath>,
        reason: String,
        level: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// A change of the client's settings that would have taken the guard away did not count.
    GuardKept {
        session: SessionId,
        source: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// The model's service takes no more for now: the claim waits for it instead of running out.
    ClaimParked {
        task: TaskId,
        agent: AgentName,
        fence: Fence,
        until: Time,
        why: String,
    },
    /// A text that came in holds what looks like a secret, personal data or an attempt to steer. Never the value.
    TextFlagged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
        field: String,
        findings: Vec<Flag>,
    },
    /// A text that the outside service should have read and did not; the settings let it in.
    TextNotScreened {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        tool: String,
        field: String,
        why: String,
    },
    /// Heads from here on are signed with another key: the old one was lost, or is no longer to be used.
    LogKeyChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        new: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
    /// A person took content out of the log; numbers and hashes stay.
    RecordErased {
        records: Vec<ErasedRecord>,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Signed>,
    },
}
