//! A piece of work to be routed, the route chosen for it, and where a task stands with models, as data. The arithmetic is in
//! `routing`, when a route is chosen or comes true in `decide`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{AgentName, RouteId, TaskId, Time};
use super::task::TaskSpec;
use super::workflow::{Budget, ModelTier, Phase};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Such as bugfix.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]{0,39}$"))]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20000))]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000_000))]
    pub context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    // Tries that failed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub failed_attempts: Option<u32>,
}

impl Work {
    /// A task, as far as choosing a model goes.
    pub fn of(spec: &TaskSpec, failed: u32) -> Self {
        let kind = Some(spec.kind.clone()).filter(|kind| !kind.is_empty());
        let criteria = spec.acceptance_criteria.iter().chain(&spec.constraints);
        let texts = [&spec.title, &spec.goal, &spec.description].into_iter().chain(criteria);
        let description: Vec<&str> = texts.filter(|text| !text.is_empty()).map(String::as_str).collect();
        let number = |name: &str| spec.metadata.as_ref().and_then(|data| data.get(name)).and_then(Value::as_u64);
        let risk = spec.metadata.as_ref().and_then(|data| data.get("risk")).and_then(Value::as_str);
        Self {
            kind,
            description: Some(description.join("\n")),
            context_tokens: number("context_tokens"),
            files: number("files"),
            risk: [(Risk::Low, "low"), (Risk::Medium, "medium"), (Risk::High, "high")]
                .into_iter()
                .find_map(|(known, word)| (risk == Some(word)).then_some(known)),
            failed_attempts: Some(failed),
        }
    }
}

/// What is asked of whoever knows models: the work, and what bounds the choice.
#[derive(Clone, Debug)]
pub struct ToRoute<'a> {
    /// The same for every try at the same work.
    pub id: String,
    /// Several may share a workspace; outcomes of one say more about it than about others.
    pub project: String,
    pub work: &'a Work,
    pub phase: Option<&'a Phase>,
    /// Tiers that failed at it.
    pub failed: &'a [ModelTier],
    pub agent: &'a AgentName,
    /// The least that is left of its budgets, and the largest share of one that is taken, in hundredths.
    pub left: Option<Budget>,
    pub taken_percent: u64,
    /// Nobody asked: chosen because something happened.
    pub automatic: bool,
}

/// Chooses models. It is told nothing but what it is asked, and changes nothing.
pub trait Routes: std::fmt::Debug + Send + Sync {
    /// Nothing where nobody asked and it is not wanted unasked.
    fn route(&self, asked: &ToRoute<'_>) -> Option<Route>;
}

/// Where nothing is routed.
#[derive(Clone, Copy, Debug)]
pub struct NoRoutes;

impl Routes for NoRoutes {
    fn route(&self, _: &ToRoute<'_>) -> Option<Route> {
        None
    }
}

/// What was chosen, as it stands on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Routed {
    pub tier: ModelTier,
    /// By the name the client has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub reason: String,
}

impl Routed {
    pub fn of(route: &Route) -> Self {
        Self { tier: route.tier, model: route.model.clone(), reason: route.reason.clone() }
    }
}

/// Where a task stands with models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRoute {
    #[serde(flatten)]
    pub now: Routed,
    /// Times that leaving was refused by checks since this was chosen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub refused: u32,
    #[serde(default, skip_serializing_if = "Checks::is_none")]
    pub checks: Checks,
    /// Tiers that failed at the phase it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<ModelTier>,
    /// By phase, the tier that got it through its gates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub passed: BTreeMap<String, ModelTier>,
}

/// Of one try to leave a phase: several checks that say no to it are one no.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    started: BTreeSet<String>,
    refused: bool,
}

impl Checks {
    /// One that starts again is of the next try.
    pub fn start(&mut self, gate: &str) {
        if !self.started.insert(gate.to_owned()) {
            *self = Self { started: BTreeSet::from([gate.to_owned()]), refused: false };
        }
    }

    /// True for the first no of this try.
    pub fn refuse(&mut self) -> bool {
        !std::mem::replace(&mut self.refused, true)
    }

    pub fn have_refused(&self) -> bool {
        self.refused
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// Why a model was chosen just then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteCause {
    /// `route_model`.
    Asked,
    /// The task came into another phase.
    Phase,
    /// A tier failed at it.
    Failure,
    /// A subagent starts.
    Subagent,
}

/// From here on an outcome counts as done.
pub const SOLVED_FROM: f64 = 0.5;

/// Who says how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Judge {
    /// Gates, by commands, checks or persons: verified.
    Gates,
    /// The agent said so.
    Agent,
    Person,
}

/// An answer of `route_model`, kept for its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub id: RouteId,
    pub agent: AgentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    pub work: Work,
    pub route: Routed,
    pub at: Time,
    /// Once it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<f64>,
}

/// A try that has ended: what learning goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    pub task: Option<TaskId>,
    pub phase: String,
    pub decision: Option<RouteId>,
    /// As routed, or as whoever told it says.
    pub tier: ModelTier,
    /// What did it, in the words of whoever told it: the name of a model, or the word of a tier.
    pub told: Option<String>,
    pub success: f64,
    pub judge: Judge,
    pub micro_usd: Option<u64>,
    /// Tiers that had failed at it before.
    pub after: Vec<ModelTier>,
    pub at: Time,
}

/// Where learning begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learning {
    /// Rises when everything is forgotten.
    pub generation: u64,
    /// Tries up to here no longer count.
    pub forgotten: u64,
}

/// What work of this task counts as, beside the work of others in the workspace: `project` of its metadata, else a label such
/// as `project:shop`.
pub fn project(spec: &TaskSpec) -> String {
    let named = spec.metadata.as_ref().and_then(|data| data.get("project")).and_then(Value::as_str);
    let label = || spec.labels.iter().find_map(|label| label.strip_prefix("project:"));
    named.or_else(label).unwrap_or_default().to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    Medium,
    High,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Pass it to record_outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RouteId>,
    pub tier: ModelTier,
    /// 1 to 10.
    pub complexity: f64,
    pub parts: Vec<Part>,
    pub reason: String,
    /// The bound that the phase sets, where it changed the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// By the name your client has for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Every tier, with a rough cost of one try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    pub tier: ModelTier,
    pub model: String,
    pub usd: f64,
    /// The chance that it does this work, by outcomes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    pub factor: String,
    pub points: f64,
    pub why: String,
}
