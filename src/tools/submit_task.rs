//! `submit_task`: hand in one task, or a whole graph in which tasks refer to each other by `ref`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::command::{NewTask, Reference, SubmitTasks};
use crate::domain::ids::TaskId;
use crate::domain::refusal::Refusal;
use crate::domain::task::{Priority, Status, TaskSpec};
use crate::domain::workflow::Budget;

pub const TOOL: Tool = Tool {
    name: "submit_task",
    title: "Submit tasks",
    description: "Hand in one task, or a graph of `tasks` (the same fields, and `ref`). `depends_on` and `parent` are ids or \
                  refs. Returns ids, and waves: what can run together.",
    core: false,
    in_loop: false,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Submitted>,
    parse,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[^\\x00-\\x1f\\x7f]+$"))]
    title: Option<String>,
    #[schemars(length(max = 4000))]
    goal: Option<String>,
    #[schemars(length(max = 20000))]
    description: Option<String>,
    #[serde(rename = "type")]
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]{0,39}$"))]
    kind: Option<String>,
    priority: Option<Priority>,
    #[schemars(length(max = 50), inner(length(min = 1, max = 1000)))]
    constraints: Option<Vec<String>>,
    context: Option<Value>,
    #[schemars(length(max = 50), inner(length(min = 1, max = 1000)))]
    acceptance_criteria: Option<Vec<String>>,
    #[schemars(length(max = 20), inner(regex(pattern = "^[^,\\s]{1,60}$")))]
    labels: Option<BTreeSet<String>>,
    /// Needed to claim it.
    #[schemars(length(max = 20), inner(regex(pattern = "^[^,\\s]{1,60}$")))]
    capabilities: Option<BTreeSet<String>>,
    #[schemars(length(max = 100), inner(length(min = 1, max = 60)))]
    depends_on: Option<Vec<String>>,
    #[schemars(length(min = 1, max = 60))]
    parent: Option<String>,
    budget: Option<Caps>,
    #[schemars(length(max = 64))]
    workflow: Option<String>,
    // Tries before a failure is final.
    #[schemars(range(min = 1, max = 20))]
    attempts: Option<u32>,
    metadata: Option<Value>,
    #[schemars(length(min = 1, max = 60))]
    r#ref: Option<String>,
    #[schemars(length(min = 1, max = 500), with = "Option<Vec<std::collections::BTreeMap<String, Value>>>")]
    tasks: Option<Vec<Value>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Caps {
    #[schemars(range(min = 0, max = 1000000))]
    usd: Option<f64>,
    #[schemars(range(max = 1_000_000_000_000u64))]
    tokens: Option<u64>,
    #[schemars(range(max = 1_000_000_000_000u64))]
    minutes: Option<u64>,
    #[schemars(range(max = 1_000_000_000u64))]
    calls: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    pub tasks: Vec<SubmittedTask>,
    /// Tasks that can run together, wave by wave. The first is empty where all wait for tasks that were there before.
    pub waves: Vec<Vec<TaskId>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubmittedTask {
    pub id: TaskId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    pub title: String,
    pub status: Status,
    pub workflow: String,
    pub wave: usize,
}

static COMPILED: Compiled = Compiled::new();

fn parse(arguments: Value) -> Result<Request, Refusal> {
    let beside = beside_tasks(&arguments);
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let Some(items) = args.tasks else {
        return Ok(Request::Submit(SubmitTasks { tasks: vec![new_task(args)?] }));
    };
    if !beside.is_empty() {
        let why = format!("beside `tasks` stands nothing; put `{}` into its items", beside.join("`, `"));
        return Err(arguments::bad(TOOL.name, why));
    }
    let mut tasks = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let place = |refusal: Refusal| Refusal { message: format!("`tasks.{index}`: {}", refusal.message), ..refusal };
        let item: Args = arguments::read(TOOL.name, item, &COMPILED, TOOL.input).map_err(place)?;
        if item.tasks.is_some() {
            return Err(place(arguments::bad(TOOL.name, "an item has no `tasks` of its own")));
        }
        tasks.push(new_task(item).map_err(place)?);
    }
    Ok(Request::Submit(SubmitTasks { tasks }))
}

/// What would count for none of them.
fn beside_tasks(arguments: &Value) -> Vec<String> {
    let given = arguments.as_object().into_iter().flatten();
    given.filter(|(name, value)| *name != "tasks" && !value.is_null()).map(|(name, _)| name.clone()).collect()
}

fn new_task(args: Args) -> Result<NewTask, Refusal> {
    let Some(title) = args.title else {
        return Err(arguments::bad(TOOL.name, "`title` is missing"));
    };
    arguments::seen_title(TOOL.name, &title)?;
    if let Some(name) = args.r#ref.as_deref().filter(|name| matches!(reference(name), Reference::Task(_))) {
        let why = format!("`ref`: {name} would be taken for the id of another task; give it a name that is no id");
        return Err(arguments::bad(TOOL.name, why));
    }
    let spec = TaskSpec {
        title,
        goal: args.goal.unwrap_or_default(),
        description: args.description.unwrap_or_default(),
        kind: args.kind.unwrap_or_default(),
        priority: args.priority.unwrap_or_default(),
        constraints: args.constraints.unwrap_or_default(),
        context: args.context,
        acceptance_criteria: args.acceptance_criteria.unwrap_or_default(),
        labels: args.labels.unwrap_or_default(),
        capabilities: args.capabilities.unwrap_or_default(),
        budget: args
            .budget
            .map(|caps| Budget { usd: caps.usd, tokens: caps.tokens, minutes: caps.minutes, calls: caps.calls })
            .unwrap_or_default(),
        metadata: args.metadata,
        ..TaskSpec::default()
    };
    Ok(NewTask {
        local: args.r#ref,
        spec,
        depends_on: args.depends_on.unwrap_or_default().iter().map(|text| reference(text)).collect(),
        parent: args.parent.as_deref().map(reference),
        workflow: args.workflow,
        attempts: args.attempts,
    })
}

/// `T-12` is a task that exists; any other word is a name within the submission.
fn reference(text: &str) -> Reference {
    match text.parse::<TaskId>() {
        Ok(id) if text.starts_with("T-") => Reference::Task(id),
        _ => Reference::Local(text.to_owned()),
    }
}

impl Output for Submitted {
    const ROWS: &'static str = "tasks";

    fn keep(&mut self, rows: usize, whole: &Self) -> String {
        self.tasks.truncate(rows);
        let after = self.tasks.last().map(|row| row.id.to_string()).unwrap_or_default();
        let rest: Vec<&SubmittedTask> = whole.tasks.iter().skip(rows).collect();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else { return String::new() };
        format!(
            "all {} tasks are handed in; the answer is full: {} to {} follow in the order you gave them, `waves` has each, and \
             list_tasks {{\"after\":\"{after}\"}} shows them",
            whole.tasks.len(),
            first.id,
            last.id
        )
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .tasks
            .iter()
            .map(|task| {
                format!("{} “{}” {} ({}), wave {}", task.id, task.title, task.status.word(), task.workflow, task.wave)
            })
            .collect();
        if self.waves.len() > 1 {
            let waves = self.waves.iter().enumerate().map(|(index, wave)| {
                let ids: Vec<String> = wave.iter().map(ToString::to_string).collect();
                let ids = if ids.is_empty() { "what they wait for".to_owned() } else { ids.join(" ") };
                format!("{}: {ids}", index + 1)
            });
            lines.push(format!("Waves — {}", waves.collect::<Vec<_>>().join("; ")));
        }
        lines.join("\n")
    }
}
