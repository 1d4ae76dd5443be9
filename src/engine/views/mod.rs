//! What people and resources are shown of the workspace, from one snapshot each.

pub mod board;
mod costs;
mod fleet;
mod graph;
mod savings;
mod task;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::workflow_text::explain::explain;
use crate::domain;
use crate::domain::approval::Approval;
use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::query::{ApprovalFilter, TaskFilter, TaskPage, WorkflowRow};
use crate::domain::session::SeenCall;
use crate::domain::task::{Status, Task};
use crate::domain::visible::visible;
use crate::domain::workflow::Workflow;
use crate::store::{StoreError, read, sessions};

use super::Engine;

impl Engine {
    pub fn tasks(&self, filter: &TaskFilter) -> Result<TaskPage, StoreError> {
        self.view(|tx| read::tasks(tx, filter))
    }

    pub fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        Ok(self.view(|tx| read::task(tx, id))?.map(|(task, _)| task))
    }

    pub fn status_counts(&self) -> Result<BTreeMap<Status, u64>, StoreError> {
        self.view(read::status_counts)
    }

    pub fn approvals(&self, filter: &ApprovalFilter) -> Result<Vec<Approval>, StoreError> {
        self.view(|tx| read::approvals(tx, filter))
    }

    pub fn approval(&self, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        self.view(|tx| read::approval(tx, id))
    }

    /// The act an approval was used up for, where it was one that takes time.
    pub fn call_of(&self, id: ApprovalId) -> Result<Option<domain::call::Call>, StoreError> {
        self.view(|tx| read::call_of(tx, id))
    }

    /// What a hook has told of a call that is on its way.
    pub fn seen_call(&self, call: &str) -> Result<Option<SeenCall>, StoreError> {
        self.glance(|tx| sessions::seen_call(tx, call))
    }

    pub(super) fn home(&self) -> Option<String> {
        let home = self.gate_environment.iter().find(|(name, _)| name == "HOME")?;
        Some(home.1.to_string_lossy().into_owned())
    }

    pub fn workflows(&self) -> Result<Vec<WorkflowRow>, StoreError> {
        self.view(read::workflows)
    }

    /// Content that a record or an artifact names by its digest.
    pub fn blob(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.view(|tx| read::blob(tx, sha256))
    }

    /// One task, whole, but for the claim's hash.
    pub fn task_view(&self, id: TaskId) -> Result<Option<Value>, StoreError> {
        let found = self.view(|tx| read::task(tx, id))?;
        Ok(found.map(|(task, lease)| task_value(&task, lease)))
    }

    /// The board for a terminal that only prints, and for agents.
    pub fn board_text(&self) -> Result<String, StoreError> {
        Ok(visible(&text::board(&self.board()?)))
    }

    /// The version in force under a name, else the default.
    pub fn workflow_named(&self, name: Option<&str>) -> Result<Option<(WorkflowRow, Workflow, String)>, StoreError> {
        let rows = self.view(read::workflows)?;
        let found = rows.into_iter().find(|row| match name {
            Some(name) => row.name == name || row.hash.0.starts_with(name) && name.len() >= 8,
            None => row.default && row.in_force,
        });
        let Some(row) = found else { return Ok(None) };
        let body = self.view(|tx| read::workflow_body(tx, &row.hash.0))?;
        let Some((body, source)) = body else { return Ok(None) };
        let workflow = serde_json::from_str(&body)
            .map_err(|error| StoreError::BadRow { table: "workflows", why: error.to_string() })?;
        Ok(Some((row, workflow, source)))
    }

    pub fn workflow_text(&self, name: Option<&str>) -> Result<String, StoreError> {
        Ok(match self.workflow_named(name)? {
            Some((row, workflow, _)) => format!("version {}\n\n{}", row.hash, explain(&workflow)),
            None => "no workflow is in force; a person runs `phasegate workflow trust`".to_owned(),
        })
    }
}

/// On one line, visible, and no longer than asked.
pub fn shortened(text: &str, most: usize) -> String {
    let text = &visible(&one_line(text));
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Text of an agent inside a line of ours.
pub use crate::domain::visible::one_line;

fn task_value(task: &Task, lease: Option<Time>) -> Value {
    let mut value = serde_json::to_value(task).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        if let Some(Value::Object(state)) = fields.get_mut("state") {
            state.shift_remove("handle");
        }
        fields.insert("status".to_owned(), Value::String(task.status().word().to_owned()));
        fields.insert("lease_until".to_owned(), serde_json::to_value(lease).unwrap_or(Value::Null));
    }
    value
}
