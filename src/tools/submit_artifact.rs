//! `submit_artifact`: hand in what a gate asks for, inline or as a file of the work tree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Content, Output, Request, Tool, schema};
use crate::domain::decide::gates::Unmet;
use crate::domain::ids::TaskId;
use crate::domain::refusal::Refusal;

pub const TOOL: Tool = Tool {
    name: "submit_artifact",
    title: "Submit an artifact",
    description: "Hand in what a gate asks for, by its schema: `content` (JSON or text), or `path` of a file in the work tree.",
    core: false,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<Submitted>,
    parse,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"))]
    name: String,
    content: Option<Value>,
    #[schemars(length(min = 1, max = 1000))]
    path: Option<String>,
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    sha256: Option<String>,
    #[schemars(regex(pattern = "^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$"), length(max = 100))]
    media_type: Option<String>,
    task: Option<TaskId>,
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    pub task: TaskId,
    pub name: String,
    pub version: u32,
    pub sha256: String,
    pub bytes: u64,
    pub media_type: String,
    /// What is still missing to leave the phase.
    pub unmet: Vec<Unmet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    // A null content would be dropped with the other nulls: nobody hands in nothing.
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let content = match (args.content, args.path) {
        (Some(content), None) if args.sha256.is_none() => Content::Inline(content),
        (None, Some(path)) => Content::Path { path, sha256: args.sha256.map(|digest| digest.to_ascii_lowercase()) },
        (Some(_), None) => return Err(arguments::bad(TOOL.name, "`sha256` goes with `path`")),
        _ => return Err(arguments::bad(TOOL.name, "give either `content` or `path`")),
    };
    Ok(Request::Artifact {
        target: arguments::target(args.task, args.claim.as_deref()),
        name: args.name,
        content,
        media_type: args.media_type,
    })
}

impl Output for Submitted {
    fn text(&self) -> String {
        let mut text = format!(
            "{} version {} of {} is in ({} bytes, sha256 {})",
            self.name, self.version, self.task, self.bytes, self.sha256
        );
        if self.unmet.is_empty() {
            text.push_str("; nothing is missing to leave the phase: transition_phase");
        }
        for gate in &self.unmet {
            text.push_str(&format!("; still missing: {} → {}", gate.missing, gate.how));
        }
        text
    }
}
