//! `transition_phase`: leave a phase. Runs its gates, and says everything that is missing, with how to meet it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::brief::Brief;
use crate::domain::ids::TaskId;
use crate::domain::refusal::Refusal;
use crate::domain::task::{self, Status};

pub const TOOL: Tool = Tool {
    name: "transition_phase",
    title: "Go to another phase",
    description: "Leave the phase (`to` the next by default). Runs its gates, and says how to meet each that is unmet. \
                  Entering the last phase completes the task: give `summary` and `confidence`.",
    core: true,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Entered>,
    parse,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(length(min = 1, max = 64))]
    to: Option<String>,
    #[schemars(length(max = 4000))]
    summary: Option<String>,
    #[schemars(range(min = 0, max = 1))]
    confidence: Option<f64>,
    // Structured, for others.
    result: Option<Value>,
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entered {
    pub task: TaskId,
    pub from: String,
    pub phase: String,
    pub status: Status,
    /// Gates that were run or read, and passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// Tasks that can be claimed now that this one is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readied: Vec<TaskId>,
    /// The new phase, unless the task is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Box<Brief>>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let given = args.summary.is_some() || args.confidence.is_some() || args.result.is_some();
    let outcome = given.then(|| task::Outcome {
        summary: args.summary.unwrap_or_default(),
        confidence: args.confidence,
        data: args.result,
    });
    Ok(Request::Transition { target: arguments::target(args.task, args.claim.as_deref()), to: args.to, outcome })
}

impl Output for Entered {
    fn elsewhere(&self) -> Option<String> {
        self.brief.as_ref().and_then(|brief| brief.elsewhere())
    }

    fn text(&self) -> String {
        let mut text = format!("{} went from {} to {}", self.task, self.from, self.phase);
        if !self.passed.is_empty() {
            text.push_str(&format!(" ({})", self.passed.join("; ")));
        }
        match &self.brief {
            Some(brief) => text.push_str(&format!(".\n{}", brief.text())),
            None => text.push_str(". The task is done."),
        }
        if !self.readied.is_empty() {
            let ids: Vec<String> = self.readied.iter().map(ToString::to_string).collect();
            text.push_str(&format!("\nReady now: {}", ids.join(" ")));
        }
        text
    }
}
