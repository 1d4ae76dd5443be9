//! What may be read, and the shapes of the answers. Reading changes nothing and leaves no event.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AgentName, ApprovalId, TaskId, Time, WorkflowHash};
use super::task::{Priority, Status};

/// Lists come in pages; the cursor of the last row leads to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    pub status: BTreeSet<Status>,
    pub labels: BTreeSet<String>,
    pub parent: Option<TaskId>,
    pub kind: Option<String>,
    pub workflow: Option<String>,
    pub agent: Option<String>,
    pub after: Option<TaskId>,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRow {
    pub id: TaskId,
    pub title: String,
    pub status: Status,
    pub priority: Priority,
    pub workflow: String,
    pub phase: String,
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Time>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waiting_on: BTreeSet<TaskId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPage {
    pub tasks: Vec<TaskRow>,
    /// Pass it as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TaskId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRow {
    pub name: String,
    pub hash: WorkflowHash,
    pub origin: super::event::Origin,
    pub default: bool,
    pub in_force: bool,
    pub trusted_by: AgentName,
    pub trusted_at: Time,
    /// Tasks of this version that are still open.
    pub open_tasks: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    pub pending_only: bool,
    pub id: Option<ApprovalId>,
    pub limit: usize,
}
