//! `query_audit`: what happened, from the log.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::ids::{TaskId, Time};
use crate::domain::query::{Record, RecordFilter, RecordPage};
use crate::domain::refusal::Refusal;

pub const TOOL: Tool = Tool {
    name: "query_audit",
    title: "Query the audit log",
    description: "What happened, newest first: every change and every refusal, with who, when and by which call.",
    core: true,
    in_loop: true,
    read_only: true,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<RecordPage>,
    parse,
};

const LIMIT_DEFAULT: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    task: Option<TaskId>,
    agent: Option<String>,
    /// Such as `TaskClaimed`, `GateRefused`, `CommandRefused`.
    kind: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    /// Only records before this number; `next` of the page before.
    #[schemars(range(max = 1_000_000_000_000u64))]
    before: Option<u64>,
    /// Read upwards from this number.
    #[schemars(range(max = 1_000_000_000_000u64))]
    after: Option<u64>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    if args.after.is_some() && args.before.is_some() {
        return Err(arguments::bad(TOOL.name, "`after` reads upwards and `before` downwards; give one"));
    }
    Ok(Request::QueryAudit(RecordFilter {
        task: args.task,
        agent: args.agent,
        kind: args.kind,
        since: args.since,
        until: args.until,
        after: args.after,
        before: args.before,
        limit: args.limit.unwrap_or(LIMIT_DEFAULT),
    }))
}

/// Not worth a reader's time in a line: said already, or of no use to people.
const UNSAID: [&str; 4] = ["type", "task", "handle", "digest"];

/// A record in one line. Agent-written text keeps its JSON quotes, so that it cannot pass for ours.
pub fn line(record: &Record) -> String {
    let kind = record.event.get("type").and_then(Value::as_str).unwrap_or("?");
    let task = record.task.map(|task| format!(" {task}")).unwrap_or_default();
    let fields = record.event.as_object().into_iter().flatten();
    let said = fields.filter(|(key, value)| !UNSAID.contains(&key.as_str()) && !is_empty(value));
    let rest: Vec<String> = said.map(|(key, value)| format!("{key} {value}")).collect();
    let mut rest = rest.join(", ");
    if rest.len() > 400 {
        let end = (0..=400).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
        rest.truncate(end);
        rest.push('…');
    }
    format!("{} {} {kind}{task} by {} ({}): {rest}", record.seq, record.at, record.agent, record.tool)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Output for RecordPage {
    fn text(&self) -> String {
        if self.records.is_empty() {
            return "No record fits.".to_owned();
        }
        let mut lines: Vec<String> = self.records.iter().map(line).collect();
        if let Some(next) = self.next {
            lines.push(format!("More, from {next} on"));
        }
        lines.join("\n")
    }
}
