//! `list_tasks`: what there is, a page at a time.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::ids::TaskId;
use crate::domain::query::{TaskFilter, TaskPage};
use crate::domain::refusal::Refusal;
use crate::domain::task::Status;
use crate::domain::visible;

pub const TOOL: Tool = Tool {
    name: "list_tasks",
    title: "List tasks",
    description: "Tasks in order of id, filtered, a page at a time.",
    core: false,
    in_loop: true,
    read_only: true,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<TaskPage>,
    parse,
};

const LIMIT_DEFAULT: usize = 20;
/// More than a title has, so that none is cut here.
const TITLE_CHARS: usize = 4000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    status: Option<OneOrMore>,
    #[schemars(length(max = 20))]
    labels: Option<BTreeSet<String>>,
    parent: Option<TaskId>,
    #[serde(rename = "type")]
    kind: Option<String>,
    workflow: Option<String>,
    /// Who holds them.
    agent: Option<String>,
    /// From `next`.
    after: Option<TaskId>,
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMore {
    One(Status),
    More(BTreeSet<Status>),
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    Ok(Request::ListTasks(TaskFilter {
        status: match args.status {
            None => BTreeSet::new(),
            Some(OneOrMore::One(status)) => BTreeSet::from([status]),
            Some(OneOrMore::More(several)) => several,
        },
        labels: args.labels.unwrap_or_default(),
        parent: args.parent,
        kind: args.kind,
        workflow: args.workflow,
        agent: args.agent,
        after: args.after,
        limit: args.limit.unwrap_or(LIMIT_DEFAULT),
    }))
}

impl Output for TaskPage {
    const ROWS: &'static str = "tasks";

    fn keep(&mut self, rows: usize, whole: &Self) -> String {
        self.tasks.truncate(rows);
        self.next = self.tasks.last().map(|row| row.id);
        format!("the answer is full with {rows} of {} tasks; go on with `after`", whole.tasks.len())
    }

    fn elsewhere(&self) -> Option<String> {
        Some("the resource phasegate://task/ID has the texts of a task whole".to_owned())
    }

    fn text(&self) -> String {
        if self.tasks.is_empty() {
            return "No task fits.".to_owned();
        }
        let mut lines: Vec<String> = self
            .tasks
            .iter()
            .map(|row| {
                let mut line = format!(
                    "{} [{}] “{}” {} {}/{}",
                    row.id,
                    row.status.word(),
                    visible::line(&row.title, TITLE_CHARS),
                    word(row),
                    row.workflow,
                    row.phase
                );
                if let Some(agent) = &row.agent {
                    line.push_str(&format!(" held by {agent}"));
                }
                if !row.waiting_on.is_empty() {
                    let on: Vec<String> = row.waiting_on.iter().map(ToString::to_string).collect();
                    line.push_str(&format!(" waits for {}", on.join(" ")));
                }
                if !row.blocked_by.is_empty() {
                    line.push_str(&format!(
                        " blocked: {}",
                        visible::visible(&visible::one_line(&row.blocked_by.join("; ")))
                    ));
                }
                line
            })
            .collect();
        if let Some(next) = self.next {
            lines.push(format!("More: after {next}"));
        }
        lines.join("\n")
    }
}

fn word(row: &crate::domain::query::TaskRow) -> &'static str {
    use crate::domain::task::Priority;
    match row.priority {
        Priority::Low => "low",
        Priority::Medium => "medium",
        Priority::High => "high",
        Priority::Critical => "critical",
    }
}
