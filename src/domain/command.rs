//! What may be asked for: one variant a change. Reading arguments is not here (`tools`), answering is (`decide`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::approver::{Proof, PublicKey, Signed, Via};
use super::claim::Pass;
use super::credential::Grant;
use super::event::Origin;
use super::facts::Role;
use super::ids::{
    AgentName, ApprovalId, BypassId, CallId, CredentialHash, CredentialId, Fence, HandleHash, RouteId, RunId,
    SessionId, TaskId, Time, WorkflowHash,
};
use super::record::ErasedRecord;
use super::task::{Outcome, Priority, TaskSpec};
use super::violation::{TreePath, Violation};
use super::workflow::{Budget, ModelTier};

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    SubmitTasks(SubmitTasks),
    ClaimTask(ClaimTask),
    UpdateTask {
        target: Target,
        change: Change,
    },
    SubmitArtifact(SubmitArtifact),
    StartGate {
        target: Target,
        gate: String,
        limit_seconds: u64,
    },
    FinishGate(FinishGate),
    TransitionPhase(TransitionPhase),
    RequestApproval(RequestApproval),
    DecideApprovals(DecideApprovals),
    EnrolApprover {
        name: AgentName,
        key: PublicKey,
        groups: BTreeSet<String>,
        proof: Proof,
    },
    CreateCredential(NewCredential),
    RevokeCredential {
        credential: CredentialId,
        reason: String,
    },
    RevokeApprover {
        name: AgentName,
        reason: String,
        proof: Proof,
    },
    OpenBypass(OpenBypass),
    CloseBypass {
        bypass: BypassId,
        reason: String,
    },
    StartCall {
        approval: ApprovalId,
        limit_seconds: u64,
    },
    FinishCall(FinishCall),
    ChangeBudget(ChangeBudget),
    /// Of a call that a hook has told the end of.
    NoteViolations {
        task: TaskId,
        session: SessionId,
        call: Option<String>,
        found: Vec<Violation>,
    },
    /// What was looked at again and is as it was.
    NoteUndone {
        task: TaskId,
        paths: Vec<TreePath>,
    },
    AcceptViolations(AcceptViolations),
    TrustWorkflows {
        versions: Vec<NewTrust>,
        proof: Proof,
    },
    /// Written into the log of a store that has just been put back.
    NoteRestore {
        sha256: String,
        bytes: u64,
        proof: Proof,
    },
    Sweep,
    RecordOutcome(RecordOutcome),
    /// Tries up to this one teach nothing any more.
    ResetLearning {
        upto: u64,
        reason: String,
    },
    ChangeLogKey {
        old: Option<String>,
        new: String,
        reason: String,
        proof: Proof,
    },
    EraseRecords {
        records: Vec<ErasedRecord>,
        reason: String,
        proof: Proof,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecordOutcome {
    /// Of `route_model`; nothing for the task that is held.
    pub decision: Option<RouteId>,
    pub target: Target,
    /// From 0 to 1.
    pub success: f64,
    /// What it was done with, where that is not what was routed.
    pub tier: Option<ModelTier>,
    pub model: Option<String>,
    pub micro_usd: Option<u64>,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AcceptViolations {
    pub task: TaskId,
    /// Empty: all that stand.
    pub paths: Vec<TreePath>,
    pub reason: String,
    pub proof: Proof,
}

/// Which task a holder means: by id, by the handle of its claim, or (neither) the only one it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub task: Option<TaskId>,
    pub handle: Option<HandleHash>,
    /// Given by calls that go on with earlier work: the fence they started under.
    pub fence: Option<Fence>,
    /// Of the phase token that came with the call.
    pub pass: Option<Pass>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewCredential {
    pub name: AgentName,
    pub role: Role,
    pub hash: CredentialHash,
    pub grant: Grant,
    pub expires_at: Option<Time>,
    pub proof: Proof,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitTasks {
    pub tasks: Vec<NewTask>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTask {
    /// A name inside this submission, for others to refer to.
    pub local: Option<String>,
    /// `depends_on`, `parent` and `workflow` in here are filled in by `decide`.
    pub spec: TaskSpec,
    pub depends_on: Vec<Reference>,
    pub parent: Option<Reference>,
    pub workflow: Option<String>,
    pub attempts: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    Task(TaskId),
    Local(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClaimTask {
    pub want: Want,
    /// The handle of a claim to go on with.
    pub resume: Option<HandleHash>,
    pub handle: HandleHash,
    pub lease_seconds: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    Next(Filter),
    One(TaskId),
    New(Box<NewTask>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub labels: BTreeSet<String>,
    pub kind: Option<String>,
    pub workflow: Option<String>,
    pub priority: Option<Priority>,
    pub parent: Option<TaskId>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Progress { note: String, percent: Option<f64>, checkpoint: Option<Value> },
    Checkpoint { data: Value },
    Block { reason: String },
    Unblock { blocker: Option<u32> },
    Release { reason: String },
    Fail { reason: String, for_good: bool },
    Cancel { reason: String, dependents: Option<Dependents> },
    Reopen { reason: String },
}

/// What becomes of open tasks that depend on a cancelled one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependents {
    Cancel,
    Release,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubmitArtifact {
    pub target: Target,
    pub name: String,
    pub sha256: String,
    pub bytes: u64,
    pub media_type: String,
    pub path: Option<String>,
    /// The workflow version under whose schema the content was found valid.
    pub checked_under: WorkflowHash,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FinishGate {
    pub target: Target,
    pub gate: String,
    pub run: RunId,
    pub passed: bool,
    pub summary: String,
    pub tree: Option<String>,
    pub output: Option<String>,
    /// The end of what it printed, where it did not pass.
    pub printed: Option<String>,
    pub cancelled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TransitionPhase {
    pub target: Target,
    pub to: Option<String>,
    pub outcome: Option<Outcome>,
    /// Fingerprint of the work tree now, for evidence that must be fresh.
    pub tree: Option<String>,
}

/// What is asked together is answered together.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestApproval {
    pub target: Target,
    pub what: Vec<Question>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Leave for an approval gate of the present phase; without a name: the only one.
    Gate(Option<String>),
    /// Leave for one call, with exactly these arguments.
    Call {
        tool: String,
        arguments: Value,
    },
    Free {
        ask: String,
        choices: Vec<String>,
        within_seconds: u64,
    },
}

/// All of them, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct DecideApprovals {
    /// Each with the signature under its own answer, where an approver's key was at hand.
    pub approvals: Vec<(ApprovalId, Option<Signed>)>,
    pub answer: Decision,
    pub level: u8,
    pub via: Via,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    Approve {
        reason: String,
        choice: Option<String>,
    },
    Reject {
        reason: String,
    },
    /// Yes, with these arguments instead.
    Adjust {
        reason: String,
        arguments: Value,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBypass {
    pub rules: Vec<String>,
    pub task: Option<TaskId>,
    pub seconds: u64,
    pub reason: String,
    pub proof: Proof,
}

/// Caps of a task in place of those it had; what is absent stays.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeBudget {
    pub task: TaskId,
    pub budget: Budget,
    pub reason: String,
    pub proof: Proof,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishCall {
    pub call: CallId,
    pub well: bool,
    pub summary: String,
    pub output: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTrust {
    pub name: String,
    pub hash: WorkflowHash,
    pub origin: Origin,
    pub default: bool,
}
