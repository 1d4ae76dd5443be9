//! `update_task`: what a holder reports while it works.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::command::{Change, Dependents};
use crate::domain::ids::{TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::task::{Blocker, Status};

pub const TOOL: Tool = Tool {
    name: "update_task",
    title: "Update a task",
    description: "Report on your task, one thing a call: `progress` (a `checkpoint` may go with it, for whoever claims it next), `blocker`, \
                  `unblock`, `release`, `fail` (this try, or `for_good`), `cancel`, or `reopen` a failed one.",
    core: false,
    in_loop: true,
    read_only: false,
    destructive: true,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Updated>,
    parse,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
    #[schemars(length(min = 1, max = 2000))]
    progress: Option<String>,
    #[schemars(range(min = 0, max = 100))]
    percent: Option<f64>,
    checkpoint: Option<Value>,
    #[schemars(length(min = 1, max = 2000))]
    blocker: Option<String>,
    /// The blocker's number, or true for all.
    unblock: Option<Which>,
    release: Option<Why>,
    #[schemars(length(min = 1, max = 2000))]
    fail: Option<String>,
    for_good: Option<bool>,
    #[schemars(length(min = 1, max = 2000))]
    cancel: Option<String>,
    /// With `cancel`: tasks that wait for it.
    dependents: Option<Rest>,
    #[schemars(length(min = 1, max = 2000))]
    reopen: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Which {
    One(#[schemars(range(min = 1, max = 1000000))] u32),
    All(bool),
}

// A reason, or just true.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Why {
    Reason(String),
    Plain(bool),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Rest {
    Cancel,
    Release,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Updated {
    pub task: TaskId,
    pub status: Status,
    pub phase: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Time>,
    /// Other tasks that changed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<TaskId>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    if args.percent.is_some() && args.progress.is_none() {
        return Err(arguments::bad(TOOL.name, "`percent` goes with `progress`"));
    }
    if args.for_good.is_some() && args.fail.is_none() {
        return Err(arguments::bad(TOOL.name, "`for_good` goes with `fail`"));
    }
    if args.dependents.is_some() && args.cancel.is_none() {
        return Err(arguments::bad(TOOL.name, "`dependents` goes with `cancel`"));
    }
    let dependents = args.dependents.map(|rest| match rest {
        Rest::Cancel => Dependents::Cancel,
        Rest::Release => Dependents::Release,
    });
    let (percent, for_good) = (args.percent, args.for_good.unwrap_or(false));
    let (progress, checkpoint) = match (args.progress, args.checkpoint) {
        (Some(note), checkpoint) => (Some(Change::Progress { note, percent, checkpoint }), None),
        (None, checkpoint) => (None, checkpoint.map(|data| Change::Checkpoint { data })),
    };
    let changes = [
        ("progress", progress),
        ("checkpoint", checkpoint),
        ("blocker", args.blocker.map(|reason| Change::Block { reason })),
        (
            "unblock",
            args.unblock.and_then(|which| match which {
                Which::One(id) => Some(Change::Unblock { blocker: Some(id) }),
                Which::All(true) => Some(Change::Unblock { blocker: None }),
                Which::All(false) => None,
            }),
        ),
        (
            "release",
            args.release.and_then(|why| match why {
                Why::Reason(reason) => Some(Change::Release { reason: reason.chars().take(2000).collect() }),
                Why::Plain(true) => Some(Change::Release { reason: String::new() }),
                Why::Plain(false) => None,
            }),
        ),
        ("fail", args.fail.map(|reason| Change::Fail { reason, for_good })),
        ("cancel", args.cancel.map(|reason| Change::Cancel { reason, dependents })),
        ("reopen", args.reopen.map(|reason| Change::Reopen { reason })),
    ];
    let mut given = changes.into_iter().filter_map(|(name, change)| change.map(|change| (name, change)));
    let one = given.next();
    let others: Vec<&str> = given.map(|(name, _)| name).collect();
    match one {
        Some((_, change)) if others.is_empty() => {
            Ok(Request::Update { target: arguments::target(args.task, args.claim.as_deref()), change })
        }
        Some((name, _)) => {
            let message = format!(
                "`{name}` and `{}` do not go together: one thing a call, so that each succeeds or fails by itself; only `checkpoint` goes with `progress`",
                others.join("`, `")
            );
            Err(arguments::bad(TOOL.name, &message))
        }
        None => Err(arguments::bad(
            TOOL.name,
            "say what to report: progress, checkpoint, blocker, unblock, release, fail, cancel or reopen",
        )),
    }
}

impl Output for Updated {
    fn elsewhere(&self) -> Option<String> {
        Some(format!("the resource phasegate://task/{} has them whole; list_tasks shows other tasks", self.task))
    }

    fn text(&self) -> String {
        let mut text = format!("{} is {} in phase {}", self.task, self.status.word(), self.phase);
        for blocker in &self.blockers {
            text.push_str(&format!("; blocker {}: {}", blocker.id, blocker.reason));
        }
        if !self.blockers.is_empty() {
            text.push_str(&format!("; clear with update_task {{\"task\":\"{}\",\"unblock\":true}}", self.task));
        }
        if let Some(left) = self.attempts_left {
            text.push_str(&format!("; {left} attempts left"));
        }
        if let Some(until) = self.lease_until {
            text.push_str(&format!("; lease until {until}"));
        }
        if !self.also.is_empty() {
            let ids: Vec<String> = self.also.iter().map(ToString::to_string).collect();
            text.push_str(&format!("; changed with it: {}", ids.join(" ")));
        }
        text
    }
}
