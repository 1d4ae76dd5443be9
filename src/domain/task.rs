//! A task: what is wanted, where it stands, what has been shown for it. Who may change it is not here (`decide`).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::Claim;
use super::evidence::{Artifact, Evidence};
use super::ids::{AgentName, Fence, TaskId, Time, WorkflowHash};
use super::route::TaskRoute;
use super::violation::Violation;
use super::workflow::Budget;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub spec: TaskSpec,
    pub workflow: WorkflowHash,
    pub phase: String,
    /// How many phases have been entered; evidence says in which visit it was made.
    pub visit: u32,
    pub state: TaskState,
    /// The highest fence ever given out for this task.
    pub fence: Fence,
    pub attempts: Attempts,
    pub submitted_by: AgentName,
    pub submitted_at: Time,
    /// Every agent that has held it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authors: BTreeSet<AgentName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, Artifact>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, Evidence>,
    /// What a hook saw of the commands of gates; a gate says whether that is enough for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observed: BTreeMap<String, Evidence>,
    /// Changes that a phase did not allow and that still stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Time under claims that have ended, for the budget.
    #[serde(default)]
    pub worked_ms: i64,
    /// In place of those it was submitted with, since a person changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Box<TaskRoute>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempts {
    /// Tries that ended in failure.
    pub failed: u32,
    /// With so many failures the task is failed for good.
    pub limit: u32,
}

/// What is wanted, as submitted. It does not change afterwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSpec {
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance_criteria: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub depends_on: BTreeSet<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    #[serde(default)]
    pub budget: Budget,
    /// The workflow's name at submission; the hash beside it on the task is what counts.
    pub workflow: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

impl Priority {
    /// Larger is more urgent; the number stores sort by.
    pub fn rank(self) -> i64 {
        match self {
            Self::Low => 0,
            Self::Medium => 1,
            Self::High => 2,
            Self::Critical => 3,
        }
    }
}

/// Where a task stands. Each transition consumes the state it starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum TaskState {
    /// For tasks it depends on.
    Waiting {
        on: BTreeSet<TaskId>,
    },
    Ready,
    Claimed(Claim),
    Blocked {
        blockers: Vec<Blocker>,
    },
    Done {
        at: Time,
    },
    Failed {
        at: Time,
        reason: String,
    },
    Cancelled {
        at: Time,
        reason: String,
        /// Then gates do not wait for it: an agent must not open one by giving up what it asks for.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_person: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    pub id: u32,
    pub reason: String,
    pub by: AgentName,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub note: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    pub at: Time,
}

/// What the holder wrote down for whoever goes on, itself after a crash included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    pub data: Value,
    pub by: AgentName,
    pub at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    pub summary: String,
    /// How sure the agent says it is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// The name of a state, for lists and filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Waiting,
    Ready,
    Claimed,
    Blocked,
    Done,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Ready, Self::Claimed, Self::Blocked, Self::Done, Self::Failed, Self::Cancelled];

    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Claimed => "claimed",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn is_open(self) -> bool {
        match self {
            Self::Waiting | Self::Ready | Self::Claimed | Self::Blocked => true,
            Self::Done | Self::Failed | Self::Cancelled => false,
        }
    }
}

/// A change that the state it met does not allow; `decide` asks first, so this is a fault of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {from} cannot {act}")]
pub struct WrongState {
    pub from: &'static str,
    pub act: &'static str,
}

impl TaskState {
    pub fn status(&self) -> Status {
        match self {
            Self::Waiting { .. } => Status::Waiting,
            Self::Ready => Status::Ready,
            Self::Claimed(_) => Status::Claimed,
            Self::Blocked { .. } => Status::Blocked,
            Self::Done { .. } => Status::Done,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// What a waiting task waits for.
    pub fn waits_for(&self) -> Option<&BTreeSet<TaskId>> {
        match self {
            Self::Waiting { on } => Some(on),
            Self::Ready
            | Self::Claimed(_)
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => None,
        }
    }

    pub fn at_submission(on: BTreeSet<TaskId>) -> Self {
        if on.is_empty() { Self::Ready } else { Self::Waiting { on } }
    }

    fn refuse<T>(&self, act: &'static str) -> Result<T, WrongState> {
        Err(WrongState { from: self.status().word(), act })
    }

    pub fn claim(self, claim: Claim) -> Result<Self, WrongState> {
        match self {
            Self::Ready | Self::Claimed(_) => Ok(Self::Claimed(claim)),
            Self::Waiting { .. }
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("be claimed"),
        }
    }

    /// The claim ends and the task is to be had again.
    pub fn free(self) -> Result<Self, WrongState> {
        match self {
            Self::Claimed(_) => Ok(Self::Ready),
            Self::Waiting { .. }
            | Self::Ready
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("be freed"),
        }
    }

    /// The holder cannot go on before then, and keeps it.
    pub fn park(self, until: Time) -> Result<Self, WrongState> {
        match self {
            Self::Claimed(claim) => Ok(Self::Claimed(Claim { parked_until: Some(until), ..claim })),
            Self::Waiting { .. }
            | Self::Ready
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("be parked"),
        }
    }

    /// One of the tasks it waited for has ended well.
    pub fn dependency_met(self, met: TaskId) -> Result<Self, WrongState> {
        match self {
            Self::Waiting { mut on } => {
                on.remove(&met);
                Ok(Self::at_submission(on))
            }
            Self::Ready
            | Self::Claimed(_)
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("stop waiting"),
        }
    }

    pub fn block(self, blocker: Blocker) -> Result<Self, WrongState> {
        match self {
            Self::Claimed(_) | Self::Ready => Ok(Self::Blocked { blockers: vec![blocker] }),
            Self::Blocked { mut blockers } => {
                blockers.push(blocker);
                Ok(Self::Blocked { blockers })
            }
            Self::Waiting { .. } | Self::Done { .. } | Self::Failed { .. } | Self::Cancelled { .. } => {
                self.refuse("be blocked")
            }
        }
    }

    pub fn unblock(self, cleared: &BTreeSet<u32>) -> Result<Self, WrongState> {
        match self {
            Self::Blocked { mut blockers } => {
                blockers.retain(|blocker| !cleared.contains(&blocker.id));
                Ok(if blockers.is_empty() { Self::Ready } else { Self::Blocked { blockers } })
            }
            Self::Waiting { .. }
            | Self::Ready
            | Self::Claimed(_)
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("be unblocked"),
        }
    }

    pub fn finish(self, at: Time) -> Result<Self, WrongState> {
        match self {
            Self::Claimed(_) => Ok(Self::Done { at }),
            Self::Waiting { .. }
            | Self::Ready
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("be completed"),
        }
    }

    pub fn fail(self, at: Time, reason: String) -> Result<Self, WrongState> {
        match self {
            Self::Claimed(_) => Ok(Self::Failed { at, reason }),
            Self::Waiting { .. }
            | Self::Ready
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => self.refuse("fail"),
        }
    }

    pub fn cancel(self, at: Time, reason: String, by_person: bool) -> Result<Self, WrongState> {
        match self {
            // A failed task can still be given up, so that what waits for it need not wait for ever.
            Self::Failed { .. } | Self::Waiting { .. } | Self::Ready | Self::Claimed(_) | Self::Blocked { .. } => {
                Ok(Self::Cancelled { at, reason, by_person })
            }
            // What an agent gave up, a person agrees to.
            Self::Cancelled { by_person: false, .. } if by_person => Ok(Self::Cancelled { at, reason, by_person }),
            Self::Done { .. } | Self::Cancelled { .. } => self.refuse("be cancelled"),
        }
    }

    /// A failed task is given another chance.
    pub fn reopen(self) -> Result<Self, WrongState> {
        match self {
            Self::Failed { .. } => Ok(Self::Ready),
            Self::Waiting { .. }
            | Self::Ready
            | Self::Claimed(_)
            | Self::Blocked { .. }
            | Self::Done { .. }
            | Self::Cancelled { .. } => self.refuse("be tried again"),
        }
    }
}

impl Task {
    pub fn claim(&self) -> Option<&Claim> {
        match &self.state {
            TaskState::Claimed(claim) => Some(claim),
            TaskState::Waiting { .. }
            | TaskState::Ready
            | TaskState::Blocked { .. }
            | TaskState::Done { .. }
            | TaskState::Failed { .. }
            | TaskState::Cancelled { .. } => None,
        }
    }

    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Its own caps; those of its workflow come on top (`decide::budget`).
    pub fn budget(&self) -> Budget {
        self.caps.unwrap_or(self.spec.budget)
    }

    /// Minutes under claim so far, the running one included.
    pub fn worked_minutes(&self, now: Time) -> u64 {
        let running = self.claim().map_or(0, |claim| now.0.saturating_sub(claim.since.0));
        u64::try_from(self.worked_ms.saturating_add(running) / 60_000).unwrap_or(0)
    }
}

/// The task types that routing knows; any other word is a free type.
pub const TASK_TYPES: [&str; 18] = [
    "planning",
    "architecture",
    "feature",
    "bugfix",
    "debugging",
    "refactor",
    "test",
    "review",
    "security",
    "performance",
    "migration",
    "infrastructure",
    "configuration",
    "data",
    "research",
    "documentation",
    "summary",
    "chore",
];
