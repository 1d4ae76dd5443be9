//! Tasks: a page of them, one with what surrounds it, its story, and content by digest.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::ids::TaskId;
use crate::domain::query::{TaskFilter, TaskPage};
use crate::domain::record::{RecordFilter, RecordPage};
use crate::domain::task::Status;
use crate::domain::view::Surroundings;
use crate::tools::schema;

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape, WHOLE, bad, missing};
use super::shape;

const TASKS_DEFAULT: usize = 100;
const RECORDS_DEFAULT: usize = 200;
const DIGEST_CHARS: usize = 64;

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "tasks",
            "/api/v1/tasks",
            "Tasks in order of id, filtered, a page at a time",
            Shape::Json(shape::<TaskPage>()),
            Run::Read(tasks),
        )
        .query(schema::of::<Tasks>()),
        Operation::new(
            "task",
            "/api/v1/tasks/{id}",
            "One task, whole, with what surrounds it",
            Shape::Json(shape::<Shown>()),
            Run::Read(task),
        )
        .segment("id", schema::of::<TaskId>()),
        Operation::new(
            "timeline",
            "/api/v1/tasks/{id}/timeline",
            "What happened to a task, the oldest first, as far as the caller is shown it",
            Shape::Json(shape::<RecordPage>()),
            Run::Read(timeline),
        )
        .segment("id", schema::of::<TaskId>())
        .query(schema::of::<Timeline>()),
        Operation::new(
            "blob",
            "/api/v1/blobs/{sha256}",
            "Content that a record, a gate or an artifact names by its digest; text, whatever is in it, and never run",
            Shape::Bytes(&["text/plain; charset=utf-8", "application/octet-stream"]),
            Run::Read(blob),
        )
        .segment("sha256", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }))
        .roles(WHOLE),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tasks {
    /// Any of these; may be given several times.
    status: Option<BTreeSet<Status>>,
    /// All of these; may be given several times.
    #[schemars(length(max = 20))]
    label: Option<BTreeSet<String>>,
    parent: Option<TaskId>,
    #[serde(rename = "type")]
    kind: Option<String>,
    workflow: Option<String>,
    /// Who holds them.
    agent: Option<String>,
    /// `next` of the page before.
    after: Option<TaskId>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

fn tasks(asked: &Asked) -> Result<Found, Problem> {
    let Tasks { status, label, parent, kind, workflow, agent, after, limit } = asked.query()?;
    let page = asked.engine().tasks(&TaskFilter {
        status: status.unwrap_or_default(),
        labels: label.unwrap_or_default(),
        parent,
        kind,
        workflow,
        agent,
        after,
        limit: limit.unwrap_or(TASKS_DEFAULT),
    })?;
    Ok(Found::json(&page)?.next("after", page.next))
}

pub fn unknown(id: TaskId) -> Problem {
    missing(
        "unknown_task",
        format!("there is no task {id} in this workspace"),
        "`GET /api/v1/tasks` lists what there is",
    )
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    /// As `phasegate tasks show --json` has it.
    #[schemars(schema_with = "whole_task")]
    task: Value,
    #[serde(flatten)]
    around: Surroundings,
}

fn whole_task(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "required": ["id", "spec", "phase", "state", "status"] })
}

fn task(asked: &Asked) -> Result<Found, Problem> {
    let id: TaskId = asked.segment("id")?;
    let task = asked.engine().task_view(id)?.ok_or_else(|| unknown(id))?;
    let around = asked.engine().surroundings(id)?.ok_or_else(|| unknown(id))?;
    Found::json(&Shown { task, around })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Timeline {
    /// `next` of the page before.
    #[schemars(range(max = 1_000_000_000_000u64))]
    after: Option<u64>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

fn timeline(asked: &Asked) -> Result<Found, Problem> {
    let Timeline { after, limit } = asked.query()?;
    let id: TaskId = asked.segment("id")?;
    if asked.engine().task(id)?.is_none() {
        return Err(unknown(id));
    }
    let (after, limit) = (Some(after.unwrap_or(0)), limit.unwrap_or(RECORDS_DEFAULT));
    let filter = RecordFilter { task: Some(id), after, limit, ..RecordFilter::default() };
    let page = asked.engine().records_seen(asked.caller(), &filter)?;
    Ok(Found::json(&page)?.next("after", page.next))
}

fn blob(asked: &Asked) -> Result<Found, Problem> {
    let digest = asked.text("sha256");
    if digest.len() != DIGEST_CHARS || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(bad("`sha256` in the path is no digest", "give 64 hex digits in lower case"));
    }
    let found = asked.engine().blob_seen(asked.caller(), digest)?;
    let hint = "it was never kept, or was erased";
    let body = found.ok_or_else(|| missing("unknown_content", format!("there is no content `{digest}`"), hint))?;
    // Always inert: what agents handed in must not run as a page of ours.
    let kind =
        if std::str::from_utf8(&body).is_ok() { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    Ok(Found { body, kind, tag: Some(format!("\"{digest}\"")), next: None })
}
