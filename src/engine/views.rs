//! What people and resources are shown of the workspace, from one snapshot each.

use std::fmt::Write;

use serde_json::Value;

use crate::config::workflow_text::explain::explain;
use crate::domain::brief::gate_words;
use crate::domain::ids::{TaskId, Time};
use crate::domain::query::{TaskFilter, WorkflowRow};
use crate::domain::task::{Status, Task};
use crate::domain::workflow::Workflow;
use crate::store::{StoreError, read};

use super::Engine;

const BOARD_ROWS: usize = 20;

impl Engine {
    /// One task, whole, but for the claim's hash.
    pub fn task_view(&self, id: TaskId) -> Result<Option<Value>, StoreError> {
        let found = self.view(|tx| read::task(tx, id))?;
        Ok(found.map(|(task, lease)| task_value(&task, lease)))
    }

    pub fn board_text(&self) -> Result<String, StoreError> {
        let now = self.now();
        self.view(|tx| {
            let mut text = String::new();
            let counts = read::status_counts(tx)?;
            let total: Vec<String> =
                counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
            let _ = writeln!(text, "{}", if total.is_empty() { "No tasks yet.".to_owned() } else { total.join(", ") });
            for status in [Status::Claimed, Status::Blocked, Status::Ready, Status::Waiting, Status::Failed] {
                let filter = TaskFilter { status: [status].into(), limit: BOARD_ROWS, ..TaskFilter::default() };
                let page = read::tasks(tx, &filter)?;
                if page.tasks.is_empty() {
                    continue;
                }
                let _ = writeln!(text, "\n{}", status.word().to_uppercase());
                for row in &page.tasks {
                    let _ = write!(
                        text,
                        "  {:<7} {:<44} {}/{}",
                        row.id.to_string(),
                        shortened(&row.title, 44),
                        row.workflow,
                        row.phase
                    );
                    if let Some(agent) = &row.agent {
                        let left = row.lease_until.map_or(0, |until| now.seconds_until(until));
                        let _ = write!(text, "  {agent}, lease {left} s");
                    }
                    if !row.waiting_on.is_empty() {
                        let _ = write!(text, "  waits for {}", crate::domain::decide::words(row.waiting_on.iter()));
                    }
                    if !row.blocked_by.is_empty() {
                        let _ = write!(text, "  {}", row.blocked_by.join("; "));
                    }
                    let _ = writeln!(text);
                }
                if page.next.is_some() {
                    let _ = writeln!(text, "  … and more");
                }
            }
            let waiting = read::approvals(
                tx,
                &crate::domain::query::ApprovalFilter { pending_only: true, id: None, limit: BOARD_ROWS },
            )?;
            if !waiting.is_empty() {
                let _ = writeln!(text, "\nWAITING FOR A PERSON");
            }
            for approval in waiting {
                let task = approval.task.map(|task| task.to_string()).unwrap_or_default();
                let _ = writeln!(text, "  {:<7} {:<7} {}", approval.id.to_string(), task, shortened(&approval.ask, 60));
            }
            Ok(text)
        })
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

pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn task_value(task: &Task, lease: Option<Time>) -> Value {
    let mut value = serde_json::to_value(task).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        if let Some(Value::Object(state)) = fields.get_mut("state") {
            state.remove("handle");
        }
        fields.insert("status".to_owned(), Value::String(task.status().word().to_owned()));
        fields.insert("lease_until".to_owned(), serde_json::to_value(lease).unwrap_or(Value::Null));
    }
    value
}

/// A phase's exit gates in plain words.
pub fn gate_list(workflow: &Workflow, phase: &str) -> Vec<String> {
    workflow.phase(phase).into_iter().flat_map(|phase| &phase.exit).map(gate_words).collect()
}
