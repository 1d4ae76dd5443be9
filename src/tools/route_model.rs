//! `route_model`: which tier of model a piece of work deserves. The arithmetic is in `routing`.

use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::refusal::Refusal;
use crate::domain::route::{Route, Work};
use crate::domain::spending::about;

pub const TOOL: Tool = Tool {
    name: "route_model",
    title: "Choose a model tier",
    description: "Which model a piece of work deserves, why, and what tries cost. Ask before you hand work to a subagent.",
    core: true,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Work>,
    output: schema::of::<Route>,
    parse,
};

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    Ok(Request::Route(arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?))
}

impl Output for Route {
    fn text(&self) -> String {
        let parts: Vec<String> =
            self.parts.iter().map(|part| format!("{} {:+.1} ({})", part.factor, part.points, part.why)).collect();
        let model = self.model.as_ref().map(|model| format!(" Model: {model}.")).unwrap_or_default();
        let costs: Vec<String> =
            self.alternatives.iter().map(|one| format!("{} about {}", one.model, about(one.usd))).collect();
        let costs = if costs.is_empty() { String::new() } else { format!(". One try: {}", costs.join(", ")) };
        let decision = self
            .decision
            .as_ref()
            .map(|id| format!(". Then: record_outcome with decision {}", id.0))
            .unwrap_or_default();
        format!(
            "{}.{model} Complexity {:.1} of 10: {}{costs}{decision}",
            self.reason,
            self.complexity,
            parts.join(", ")
        )
    }
}
