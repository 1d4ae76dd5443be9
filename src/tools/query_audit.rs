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

/// A record in one line; agent-written text stays JSON, so that it cannot pass for ours.
pub fn line(record: &Record) -> String {
    let kind = record.event.get("type").and_then(Value::as_str).unwrap_or("?");
    let mut rest = record.event.clone();
    if let Value::Object(fields) = &mut rest {
        fields.shift_remove("type");
        fields.shift_remove("task");
    }
    let task = record.task.map(|task| format!(" {task}")).unwrap_or_default();
    let mut rest = rest.to_string();
    if rest.len() > 400 {
        let end = (0..=400).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
        rest.truncate(end);
        rest.push('…');
    }
    format!("{} {} {kind}{task} by {} ({}) {rest}", record.seq, record.at, record.agent, record.tool)
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
