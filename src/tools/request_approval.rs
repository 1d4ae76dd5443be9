//! `request_approval`: ask a person, for a gate or a free question. Answers at once; asking again finds the same approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::refusal::Refusal;

pub const TOOL: Tool = Tool {
    name: "request_approval",
    title: "Ask a person",
    description: "Ask a person for leave: for this phase's approval gate (default), or a `question` with `choices`. Returns the \
                  approval's id and state at once; call again (or with `wait_seconds`) to see the answer.",
    core: true,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<Asking>,
    parse,
};

const WITHIN_DEFAULT: u64 = 72 * 60 * 60;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(length(min = 1, max = 200))]
    gate: Option<String>,
    #[schemars(length(min = 1, max = 2000))]
    question: Option<String>,
    #[schemars(length(min = 2, max = 10), inner(length(min = 1, max = 200)))]
    choices: Option<Vec<String>>,
    /// Why; the person reads it as your claim.
    #[schemars(length(max = 4000))]
    reason: Option<String>,
    #[schemars(range(min = 0, max = 300))]
    wait_seconds: Option<u64>,
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Gate(Option<String>),
    Question { ask: String, choices: Vec<String>, within_seconds: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asking {
    pub approval: ApprovalId,
    pub state: String,
    pub digest: String,
    pub ask: String,
    pub expires_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    pub next: String,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let what = match (args.gate, args.question) {
        (Some(_), Some(_)) => return Err(arguments::bad(TOOL.name, "`gate` and `question` exclude each other")),
        (gate, None) if args.choices.is_none() => Asked::Gate(gate),
        (_, None) => return Err(arguments::bad(TOOL.name, "`choices` goes with `question`")),
        (None, Some(ask)) => {
            Asked::Question { ask, choices: args.choices.unwrap_or_default(), within_seconds: WITHIN_DEFAULT }
        }
    };
    Ok(Request::Approval {
        target: arguments::target(args.task, args.claim.as_deref()),
        what,
        reason: args.reason.unwrap_or_default(),
        wait_seconds: args.wait_seconds.unwrap_or(0),
    })
}

impl Output for Asking {
    fn text(&self) -> String {
        let mut text = format!("{} “{}” is {}", self.approval, self.ask, self.state);
        if let Some(by) = &self.answered_by {
            text.push_str(&format!(" by {by}"));
        }
        if let Some(choice) = &self.choice {
            text.push_str(&format!(": {choice}"));
        }
        if let Some(reason) = &self.reason {
            text.push_str(&format!(" ({reason})"));
        }
        text.push_str(&format!("; until {}; digest {}. {}", self.expires_at, self.digest, self.next));
        text
    }
}
