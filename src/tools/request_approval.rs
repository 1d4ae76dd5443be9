//! `request_approval`: ask a person, for a gate, a call or a free question. Answers at once; asking again finds the same
//! approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::command::{Question, RequestApproval};
use crate::domain::decide::CALL_BYTES;
use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::refusal::Refusal;

pub const TOOL: Tool = Tool {
    name: "request_approval",
    title: "Ask a person",
    description: "Ask a person: for this phase's approval gate (default), one exact `call`, to run once, or a `question`. \
                  Returns id and state at once; call again (or with `wait_seconds`) for the answer.",
    core: true,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<Answered>,
    parse,
};

const WITHIN_DEFAULT: u64 = 72 * 60 * 60;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(length(min = 1, max = 200))]
    gate: Option<String>,
    call: Option<ExactCall>,
    #[schemars(length(min = 1, max = 2000))]
    question: Option<String>,
    #[schemars(length(min = 2, max = 10), inner(length(min = 1, max = 200)))]
    choices: Option<Vec<String>>,
    /// Several, answered together.
    #[schemars(length(min = 2, max = 20))]
    batch: Option<Vec<serde_json::Map<String, Value>>>,
    /// Shown as your claim.
    #[schemars(length(max = 4000))]
    reason: Option<String>,
    #[schemars(range(min = 0, max = 300))]
    wait_seconds: Option<u64>,
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
}

// Only exactly this may run then, once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct ExactCall {
    #[schemars(length(min = 1, max = 200))]
    tool: String,
    arguments: serde_json::Map<String, Value>,
}

struct Item {
    gate: Option<String>,
    call: Option<ExactCall>,
    question: Option<String>,
    choices: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asking {
    pub approval: ApprovalId,
    pub state: String,
    pub digest: String,
    pub ask: String,
    /// The proof it takes that a person answers: 0 any, 1 away from the agent, 2 signed.
    pub level: u8,
    pub expires_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at_level: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// As the person changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    pub next: String,
}

/// The first, and what was asked together with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    #[serde(flatten)]
    pub first: Asking,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<Asking>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let one = Item { gate: args.gate, call: args.call, question: args.question, choices: args.choices };
    let single = one.gate.is_some() || one.call.is_some() || one.question.is_some() || one.choices.is_some();
    let what = match args.batch {
        Some(_) if single => {
            return Err(arguments::bad(TOOL.name, "`batch` holds everything that is asked; give nothing beside it"));
        }
        Some(items) => items.into_iter().map(member).collect::<Result<_, _>>()?,
        None => vec![question(one)?],
    };
    let target = arguments::target(args.task, args.claim.as_deref());
    let request = RequestApproval { target, what, reason: args.reason.unwrap_or_default() };
    Ok(Request::Approval { request, wait_seconds: args.wait_seconds.unwrap_or(0) })
}

/// A member of a batch has the same fields as a question by itself, and so the same schema.
fn member(fields: serde_json::Map<String, Value>) -> Result<Question, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    const KNOWN: [&str; 4] = ["gate", "call", "question", "choices"];
    if let Some(unknown) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(arguments::bad(TOOL.name, format!("`batch`: a member has no field `{unknown}`")));
    }
    if fields.is_empty() {
        return Err(arguments::bad(TOOL.name, "`batch`: a member asks for a `gate`, a `call` or a `question`"));
    }
    let Args { gate, call, question: asked, choices, .. } =
        arguments::read(TOOL.name, Value::Object(fields), &COMPILED, TOOL.input)?;
    if choices.is_some() {
        return Err(arguments::bad(
            TOOL.name,
            "`batch`: a question with `choices` is asked by itself, since each has its own answer",
        ));
    }
    question(Item { gate, call, question: asked, choices })
}

fn question(item: Item) -> Result<Question, Refusal> {
    match item {
        Item { gate, call: None, question: None, choices: None } => Ok(Question::Gate(gate)),
        Item { gate: None, call: Some(call), question: None, choices: None } => {
            let arguments = arguments::exact(&Value::Object(call.arguments));
            if arguments.to_string().len() > CALL_BYTES {
                return Err(arguments::bad(TOOL.name, "the call's arguments are too long for a person to judge"));
            }
            Ok(Question::Call { tool: call.tool, arguments })
        }
        Item { gate: None, call: None, question: Some(ask), choices } => {
            Ok(Question::Free { ask, choices: choices.unwrap_or_default(), within_seconds: WITHIN_DEFAULT })
        }
        Item { question: None, choices: Some(_), .. } => {
            Err(arguments::bad(TOOL.name, "`choices` goes with `question`"))
        }
        _ => Err(arguments::bad(TOOL.name, "`gate`, `call` and `question` exclude each other")),
    }
}

impl Output for Answered {
    fn elsewhere(&self) -> Option<String> {
        Some(format!("a person reads them whole with `phasegate approvals show {}`", self.first.approval))
    }

    fn text(&self) -> String {
        let all = std::iter::once(&self.first).chain(&self.batch);
        all.map(Asking::line).collect::<Vec<_>>().join("\n")
    }
}

impl Asking {
    fn line(&self) -> String {
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
        if let Some(arguments) = &self.arguments {
            text.push_str(&format!(", with the arguments {arguments}"));
        }
        text.push_str(&format!("; until {}; digest {}. {}", self.expires_at, self.digest, self.next));
        text
    }
}
