//! `record_outcome`: how work went that no gate judges, so that later work is routed by it. Who may tell it is decided in `decide`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::command::RecordOutcome;
use crate::domain::ids::{RouteId, TaskId};
use crate::domain::refusal::Refusal;
use crate::domain::route::{Judge, SOLVED_FROM};
use crate::domain::workflow::ModelTier;

pub const TOOL: Tool = Tool {
    name: "record_outcome",
    title: "Say how work went",
    description: "How work went that no gate judges, for later choices: of a `decision` of route_model, else of your task.",
    core: false,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Told>,
    parse,
};

const MICRO: f64 = 1e6;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// Or 0 to 1.
    // Bounds are told by `decide`, in words.
    success: Success,
    #[schemars(length(min = 1, max = 60))]
    decision: Option<String>,
    /// What did it, if not as routed.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._:/@\\[\\]-]{0,99}$"))]
    model: Option<String>,
    tier: Option<ModelTier>,
    #[schemars(range(min = 0, max = 1_000_000))]
    usd: Option<f64>,
    #[schemars(length(max = 2000))]
    note: Option<String>,
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Success {
    Whole(bool),
    Part(f64),
}

/// What is on record now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    pub tier: ModelTier,
    /// From 0 to 1.
    pub success: f64,
    pub judge: Judge,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RouteId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// It was on record before.
    pub known: bool,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    if args.decision.is_some() && (args.task.is_some() || args.claim.is_some()) {
        return Err(arguments::bad(
            TOOL.name,
            "`decision` says which work it was; give no `task` or `claim` beside it",
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the schema bounds it, and it is never below 0"
    )]
    let micro = |usd: f64| (usd * MICRO).round() as u64;
    Ok(Request::Outcome(RecordOutcome {
        decision: args.decision.map(RouteId),
        target: arguments::target(args.task, args.claim.as_deref()),
        success: match args.success {
            Success::Whole(whole) => f64::from(u8::from(whole)),
            Success::Part(part) => part,
        },
        tier: args.tier,
        model: args.model,
        micro_usd: args.usd.map(micro),
        why: args.note.unwrap_or_default(),
    }))
}

impl Output for Told {
    fn text(&self) -> String {
        let task = self.task.map(|task| task.to_string());
        let of = self.decision.as_ref().map(|id| id.0.clone()).or(task).unwrap_or_default();
        let phase = if self.phase.is_empty() { String::new() } else { format!(" in phase {}", self.phase) };
        let how = if self.success >= SOLVED_FROM { "done" } else { "failed" };
        let known = if self.known { ", as is on record already" } else { ", on record" };
        format!("{of}{phase} on the {} tier: {how} ({}){known}", self.tier.word(), self.success)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn success_is_a_yes_or_no_or_a_share() {
        let success = |given: Value| match parse(json!({ "success": given, "usd": 0.25 })) {
            Ok(Request::Outcome(told)) => Some((told.success, told.micro_usd)),
            _ => None,
        };
        for (given, expected) in [
            (json!(true), Some((1.0, Some(250_000)))),
            (json!(false), Some((0.0, Some(250_000)))),
            (json!(0.7), Some((0.7, Some(250_000)))),
            (json!(1), Some((1.0, Some(250_000)))),
        ] {
            assert_eq!(success(given.clone()), expected, "{given}");
        }
    }

    #[test]
    fn one_call_is_about_one_thing() {
        for arguments in [
            json!({ "decision": "R-1" }),
            json!({ "success": true, "decision": "R-1", "task": "T-1" }),
            json!({ "success": true, "tier": "huge" }),
            json!({ "success": "yes" }),
            json!({ "success": true, "usd": -1 }),
            json!({ "success": true, "model": "a b" }),
        ] {
            assert!(parse(arguments.clone()).is_err(), "{arguments}");
        }
    }
}
