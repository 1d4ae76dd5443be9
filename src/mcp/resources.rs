//! Resources: a task, the workflow in force, the board. Read on a snapshot; nothing outside `phasegate://` is ever opened.

use std::collections::BTreeSet;

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, ReadResourceResult, Reference, Resource, ResourceContents, ResourceTemplate};

use crate::domain::ids::TaskId;
use crate::domain::query::TaskFilter;
use crate::domain::task::Status;
use crate::engine::Engine;

use super::prompts;
use super::server::{internal, invalid};

const BOARD: &str = "phasegate://board";
const WORKFLOW: &str = "phasegate://workflow";
const TASK: &str = "phasegate://task/";

pub fn all() -> Vec<Resource> {
    vec![
        Resource::new(BOARD, "board")
            .with_title("Board")
            .with_description("What runs, what waits for whom")
            .with_mime_type("text/plain"),
        Resource::new(WORKFLOW, "workflow")
            .with_title("Workflow")
            .with_description("The default workflow in plain words")
            .with_mime_type("text/plain"),
    ]
}

pub fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("phasegate://task/{id}", "task")
            .with_title("Task")
            .with_description("One task, whole: state, evidence, artifacts, progress")
            .with_mime_type("application/json"),
    ]
}

pub fn read(engine: &Engine, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (text, kind) = if uri == BOARD {
        (engine.board_text().map_err(|error| internal(&error))?, "text/plain")
    } else if uri == WORKFLOW {
        (engine.workflow_text(None).map_err(|error| internal(&error))?, "text/plain")
    } else {
        let found = match task(uri) {
            Some(id) => engine.task_view(id).map_err(|error| internal(&error))?,
            None => None,
        };
        let shown: String = uri.chars().take(120).collect();
        let missing = || invalid(format!("there is no resource `{shown}`; resources/list shows what there is"));
        (found.ok_or_else(missing)?.to_string(), "application/json")
    };
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type(kind)]))
}

/// Whether it can be said when this changes. The workflow in force changes so seldom that its list time is enough.
pub fn is_watchable(uri: &str) -> bool {
    uri == BOARD || task(uri).is_some()
}

/// Whether this changed, where these tasks were touched; where they are not known, everything may have.
pub fn is_touched(uri: &str, touched: Option<&BTreeSet<TaskId>>) -> bool {
    let Some(touched) = touched else { return true };
    match task(uri) {
        Some(id) => touched.contains(&id),
        None => !touched.is_empty(),
    }
}

fn task(uri: &str) -> Option<TaskId> {
    uri.strip_prefix(TASK)?.parse().ok()
}

/// Task ids that begin as typed, the open ones of the newest page.
pub fn completions(engine: &Engine, request: &CompleteRequestParams) -> Result<Vec<String>, ErrorData> {
    let asks_for_task = match &request.r#ref {
        Reference::Resource(resource) => resource.uri.starts_with(TASK) && request.argument.name == "id",
        Reference::Prompt(_) => request.argument.name == "task",
        &_ => false,
    };
    if !is_known(&request.r#ref, &request.argument.name) {
        return Err(invalid("there is no such argument of a prompt or template; their lists show what there is"));
    }
    if !asks_for_task {
        return Ok(Vec::new());
    }
    let open = Status::ALL.into_iter().filter(|status| status.is_open()).collect();
    let filter = TaskFilter { status: open, limit: 1000, ..TaskFilter::default() };
    let page = engine.tasks(&filter).map_err(|error| internal(&error))?;
    let typed = request.argument.value.as_str();
    let open = page.tasks.iter().map(|row| row.id.to_string());
    Ok(open.filter(|id| id.starts_with(typed)).take(100).collect())
}

fn is_known(reference: &Reference, argument: &str) -> bool {
    match reference {
        Reference::Resource(resource) => resource.uri.starts_with(TASK) && argument == "id",
        Reference::Prompt(prompt) => {
            prompts::all().iter().any(|known| known.name == prompt.name && prompts::takes(known, argument))
        }
        &_ => false,
    }
}
