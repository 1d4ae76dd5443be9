//! What a command is decided on: rows loaded for it, and who asks. Loading is not here (`store`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approver::{Approver, PublicKey, standing};
use super::claim::Pass;
use super::ids::{AgentName, Fence, HandleHash, TaskId, Time, WorkflowHash};
use super::refusal::{Code, Refusal};
use super::route::Routes;
use super::spending::{Account, Spent};
use super::state::{State, Trust};
use super::task::Task;
use super::warning::Watch;
use super::workflow::{Phase, Workflow};

/// Who calls. Roles come from the credential, never from arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub agent: AgentName,
    pub role: Role,
    pub capabilities: BTreeSet<String>,
    /// Only tasks of these workflows; empty: any.
    pub workflows: BTreeSet<String>,
    /// How many tasks it may hold at once.
    pub claims: u32,
    pub sighting: Sighting,
    /// What the phase token says that came with the call.
    pub pass: Option<Pass>,
}

impl Caller {
    /// Without capabilities, for one task at a time.
    pub fn new(agent: impl Into<String>, role: Role) -> Self {
        let agent = AgentName(agent.into());
        let (capabilities, workflows) = (BTreeSet::new(), BTreeSet::new());
        Self { agent, role, capabilities, workflows, claims: 1, sighting: Sighting::Unknown, pass: None }
    }

    pub fn may_work_in(&self, workflow: &str) -> bool {
        self.workflows.is_empty() || self.workflows.contains(workflow)
    }
}

/// Whether a hook has seen the call that a caller makes of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sighting {
    /// Nothing joins the call to a hook: the client has no such thing, or it is no client.
    #[default]
    Unknown,
    Seen,
    /// The client names its calls, and no hook has told of this one: its own tools are not guarded.
    Unseen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Agent,
    Approver,
    Operator,
    Auditor,
    /// phasegate itself: the sweeper.
    System,
}

impl Role {
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::System => "system",
        }
    }

    /// What it is for beside work on tasks, in words that pages go by. Each decision says for itself who may.
    pub fn can(self) -> &'static [&'static str] {
        match self {
            Self::Agent | Self::System => &[],
            Self::Auditor => &["read_all"],
            Self::Approver => &["read_all", "answer", "enrol", "budget", "accept"],
            Self::Operator => &["read_all", "answer", "enrol", "budget", "accept", "tend"],
        }
    }
}

/// What a decision may know beside the rows.
#[derive(Clone, Debug)]
pub struct Context {
    pub now: Time,
    pub caller: Caller,
    pub settings: Arc<Settings>,
    pub routes: Arc<dyn Routes>,
}

/// What the configuration says that decisions depend on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Which workflow a task type takes.
    pub workflow_for: BTreeMap<String, String>,
    /// A `phasegate.yaml` lies in the work tree; until a person trusts something, nothing is in force beside it.
    pub workflow_file: bool,
    /// Names of issuers: what begins with one and a colon is a name of its subjects.
    pub issuers: BTreeSet<String>,
    /// The first approver's key, where this machine remembers it.
    pub first_approver: Option<PublicKey>,
    pub limits: Limits,
}

/// Bounds on what one workspace takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub graph_tasks: usize,
    pub artifact_bytes: usize,
    pub checkpoint_bytes: usize,
    pub artifacts_per_task: usize,
    /// Questions of one task that wait at the same time: more would only wear people out.
    pub approvals_waiting: usize,
    pub bypass_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            graph_tasks: 500,
            artifact_bytes: 1 << 20,
            checkpoint_bytes: 64 << 10,
            artifacts_per_task: 100,
            approvals_waiting: 50,
            bypass_seconds: 24 * 60 * 60,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub state: State,
    pub workflows: BTreeMap<WorkflowHash, Arc<Workflow>>,
    /// The task that the command is about, where it names one or the caller holds exactly one.
    pub subject: Option<TaskId>,
    /// Tasks the caller holds.
    pub held: Vec<TaskId>,
    /// Tasks that the agent holds in whose name a subagent works.
    pub lent: Vec<TaskId>,
    /// Whose the given claim handle was when it was given out.
    pub handle: Option<HandleRecord>,
    /// Of a caller that holds nothing and names nothing: the task it last claimed, of late.
    pub last: Option<TaskId>,
    /// Until when claims are safe from being taken over.
    pub leases: BTreeMap<TaskId, Time>,
    /// Tasks under a lease that has run out.
    pub expired: Vec<TaskId>,
    /// Holders whose clients have ended every session, and when the last one ended.
    pub left: BTreeMap<AgentName, Time>,
    /// The most urgent ready task that fits the caller and its filter.
    pub candidate: Option<TaskId>,
    /// Tasks with an edge to the subject.
    pub dependents: Vec<TaskId>,
    /// Of loaded tasks whose gates speak of children.
    pub children: BTreeMap<TaskId, Awaited>,
    /// Per task and label of its `tasks` gate: the other tasks that carry it.
    pub labelled: BTreeMap<(TaskId, String), Awaited>,
    /// Tasks of which everything is loaded that their gates speak of.
    pub gates_of: BTreeSet<TaskId>,
    /// Tasks whose approvals are loaded, with the approvers.
    pub approvals_of: BTreeSet<TaskId>,
    pub bypasses_loaded: bool,
    /// Of tasks under a cap, and of those they are a part of.
    pub accounts: BTreeMap<TaskId, Account>,
    /// Of the same: what was warned of, and what was spent of late.
    pub watches: BTreeMap<TaskId, Watch>,
    /// What the caller has set aside there for its own next answer, which takes nothing from itself.
    pub aside: Vec<(TaskId, Spent)>,
    /// Ready tasks that were passed over because a budget is used up.
    pub over_budget: Vec<TaskId>,
    /// The store's own name, where approvals are loaded: part of what is approved.
    pub workspace: String,
    /// Where nothing is ready: tasks that failed, and that others wait for.
    pub stuck: Vec<TaskId>,
    pub next: NextIds,
    pub counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandleRecord {
    pub hash: HandleHash,
    pub task: TaskId,
    pub fence: Fence,
    pub agent: AgentName,
}

/// What a gate still waits for of some tasks. One that a person cancelled is not waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awaited {
    pub open: u64,
    pub failed: u64,
    /// By agents.
    pub cancelled: u64,
    /// The first few of all.
    pub first: Vec<TaskId>,
}

impl Awaited {
    pub fn count(&self) -> u64 {
        self.open + self.failed + self.cancelled
    }
}

/// Ids that the command may give out, reserved for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextIds {
    pub task: u64,
    pub approval: u64,
    pub run: u64,
    pub call: u64,
    pub bypass: u64,
    pub credential: u64,
}

/// How much work there is, for the words of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ready: u64,
    pub waiting: u64,
    pub claimed: u64,
    pub blocked: u64,
}

impl Facts {
    pub fn task(&self, id: TaskId) -> Result<&Task, Refusal> {
        self.state.tasks.get(&id).ok_or_else(|| {
            Refusal::new(
                Code::UnknownTask,
                format!("there is no task {id} in this workspace"),
                "list_tasks shows what there is",
            )
        })
    }

    pub fn workflow(&self, hash: &WorkflowHash) -> Result<&Arc<Workflow>, Refusal> {
        self.workflows.get(hash).ok_or_else(|| {
            Refusal::new(
                Code::UnknownWorkflow,
                format!("the workflow version {hash} is not in this workspace"),
                "`phasegate doctor` checks the store; `phasegate workflow list` shows the versions",
            )
        })
    }

    pub fn workflow_of(&self, task: &Task) -> Result<&Arc<Workflow>, Refusal> {
        self.workflow(&task.workflow)
    }

    pub fn phase_of(&self, task: &Task) -> Result<&Phase, Refusal> {
        self.workflow_of(task)?.phase(&task.phase).ok_or_else(|| {
            Refusal::new(
                Code::UnknownWorkflow,
                format!("workflow `{}` has no phase `{}`", task.spec.workflow, task.phase),
                "the store and the workflow disagree; `phasegate doctor` says more",
            )
        })
    }

    /// Approvers whose enrolment can be traced and who have not been revoked.
    pub fn approvers(&self, context: &Context) -> Vec<&Approver> {
        let standing = standing(&self.state.approvers, &self.workspace, context.settings.first_approver.as_ref());
        standing.into_values().filter(|known| known.revoked.is_none()).collect()
    }

    /// Whether anybody was ever enrolled here, as the store has it or as this machine remembers: rows that are gone, or that
    /// nobody can trace any more, do not make an unsigned word count again.
    pub fn has_approvers(&self, context: &Context) -> bool {
        !self.state.approvers.is_empty() || context.settings.first_approver.is_some()
    }

    /// The versions in force: what persons trusted; while they trusted nothing, the starters.
    pub fn in_force(&self) -> impl Iterator<Item = (&String, &Trust)> {
        let persons = self.state.trusts.values().any(Trust::by_person);
        self.state.trusts.iter().filter(move |(_, trust)| trust.in_force(persons))
    }

    /// The one that decides where no task does.
    pub fn default_workflow(&self) -> Option<&Workflow> {
        let (_, trust) = self.in_force().find(|(_, trust)| trust.default)?;
        self.workflows.get(&trust.hash).map(AsRef::as_ref)
    }
}
