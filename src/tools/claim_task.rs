//! `claim_task`: get work. The next task that fits, one by id, or a new one; the answer is a brief.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::brief::Brief;
use crate::domain::claim::LEASE_SECONDS_DEFAULT;
use crate::domain::command::{ClaimTask, Filter, NewTask, Want};
use crate::domain::ids::{HandleHash, TaskId};
use crate::domain::refusal::Refusal;
use crate::domain::route::Routed;
use crate::domain::spending::caps_words;
use crate::domain::task::{Priority, TaskSpec};

pub const TOOL: Tool = Tool {
    name: "claim_task",
    title: "Claim a task",
    description: "Start here: claim the next ready task, one by `id`, or a `new` one. Returns its brief, and again if asked \
                  again: goal, phase, what is open, what must be shown to go on, model, last checkpoint.",
    core: true,
    in_loop: true,
    read_only: false,
    destructive: false,
    idempotent: false,
    input: schema::of::<Args>,
    output: schema::of::<Brief>,
    parse,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    id: Option<TaskId>,
    new: Option<New>,
    filter: Option<Narrow>,
    /// Handle of a claim to go on with.
    #[schemars(regex(pattern = "^pgc_[0-9a-f]{32}$"))]
    claim: Option<String>,
    #[schemars(range(min = 5, max = 86400))]
    lease_seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct New {
    #[schemars(length(min = 1, max = 200), regex(pattern = "^[^\\x00-\\x1f\\x7f]+$"))]
    title: String,
    #[schemars(length(max = 4000))]
    goal: Option<String>,
    #[schemars(length(max = 20000))]
    description: Option<String>,
    #[serde(rename = "type")]
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]{0,39}$"))]
    kind: Option<String>,
    priority: Option<Priority>,
    #[schemars(length(max = 64))]
    workflow: Option<String>,
    #[schemars(length(max = 50), inner(length(min = 1, max = 1000)))]
    acceptance_criteria: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Narrow {
    #[schemars(length(max = 20))]
    labels: Option<BTreeSet<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    workflow: Option<String>,
    /// At least this urgent.
    priority: Option<Priority>,
    parent: Option<TaskId>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    let given = [args.id.is_some(), args.new.is_some(), args.filter.is_some(), args.claim.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(arguments::bad(TOOL.name, "`id`, `new`, `filter` and `claim` exclude each other"));
    }
    args.new.as_ref().map_or(Ok(()), |new| arguments::seen_title(TOOL.name, &new.title))?;
    let want = match (args.id, args.new, args.filter) {
        (Some(id), _, _) => Want::One(id),
        (_, Some(new), _) => Want::New(Box::new(new.into())),
        (_, _, filter) => Want::Next(filter.map(Filter::from).unwrap_or_default()),
    };
    Ok(Request::Claim(ClaimTask {
        want,
        resume: args.claim.as_deref().map(arguments::handle_hash),
        // The engine makes the handle, since making one takes randomness.
        handle: HandleHash(String::new()),
        lease_seconds: args.lease_seconds.unwrap_or(LEASE_SECONDS_DEFAULT),
    }))
}

impl From<New> for NewTask {
    fn from(new: New) -> Self {
        let spec = TaskSpec {
            title: new.title,
            goal: new.goal.unwrap_or_default(),
            description: new.description.unwrap_or_default(),
            kind: new.kind.unwrap_or_default(),
            priority: new.priority.unwrap_or_default(),
            acceptance_criteria: new.acceptance_criteria.unwrap_or_default(),
            ..TaskSpec::default()
        };
        Self { spec, workflow: new.workflow, ..Self::default() }
    }
}

impl From<Narrow> for Filter {
    fn from(narrow: Narrow) -> Self {
        Self {
            labels: narrow.labels.unwrap_or_default(),
            kind: narrow.kind,
            workflow: narrow.workflow,
            priority: narrow.priority,
            parent: narrow.parent,
        }
    }
}

impl Output for Brief {
    fn elsewhere(&self) -> Option<String> {
        Some(format!("the resource phasegate://task/{} has them whole, the checkpoint too", self.task))
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("{} “{}” — phase {} of {}", self.task, self.title, self.phase, self.workflow)];
        let mut line = |name: &str, text: &str| {
            if !text.is_empty() {
                lines.push(format!("{name}: {text}"));
            }
        };
        line("Goal", &self.goal);
        line("Description", &self.description);
        line("Constraints", &self.constraints.join("; "));
        line("Accepted when", &self.acceptance_criteria.join("; "));
        line("Context", &self.context.as_ref().map(Value::to_string).unwrap_or_default());
        line("This phase", &self.phase_goal);
        let named = |route: &Routed| route.model.as_ref().map(|model| format!("{model}, ")).unwrap_or_default();
        let model = self.route.as_ref().map(|route| format!("{}{}", named(route), route.reason));
        line("Model", &model.unwrap_or_default());
        let open =
            if self.open.is_empty() { "nothing but phasegate's own loop".to_owned() } else { self.open.join(", ") };
        line("Open now", &open);
        line("Write only in", &self.writes.as_ref().map(|writes| writes.join(", ")).unwrap_or_default());
        let unmet: Vec<String> = self.unmet.iter().map(|gate| format!("{} → {}", gate.missing, gate.how)).collect();
        let to_leave = if unmet.is_empty() { "nothing is missing".to_owned() } else { unmet.join("; ") };
        line(&format!("To leave for {}", self.next.join(" or ")), &to_leave);
        line("Last progress", self.last_progress.as_deref().unwrap_or_default());
        line("Checkpoint", &self.checkpoint.as_ref().map(Value::to_string).unwrap_or_default());
        if self.failed_attempts > 0 {
            line("Failed before", &format!("{} times", self.failed_attempts));
        }
        line("Note", self.note.as_deref().unwrap_or_default());
        let budget = self.budget_left.map(|left| caps_words(&left));
        line("Budget left", &budget.unwrap_or_default());
        line("Budget warning", self.budget_warning.as_deref().unwrap_or_default());
        let claim = self.claim.as_ref().map(|claim| format!("{claim} (pass it as `claim` if you hold several)"));
        line("Claim", &claim.unwrap_or_default());
        line("Lease", &format!("{} s, renewed by any activity", self.lease_seconds));
        lines.join("\n")
    }
}
