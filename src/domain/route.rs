//! A piece of work to be routed and the route chosen for it, as data. The arithmetic is in `routing`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflow::ModelTier;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Such as feature, bugfix, review, research, documentation.
    #[serde(rename = "type")]
    #[schemars(regex(pattern = "^[a-z][a-z0-9_-]{0,39}$"))]
    pub kind: Option<String>,
    #[schemars(length(max = 20000))]
    pub description: Option<String>,
    #[schemars(range(max = 100_000_000))]
    pub context_tokens: Option<u64>,
    #[schemars(range(max = 1_000_000))]
    pub files: Option<u64>,
    pub risk: Option<Risk>,
    /// Tries that failed before.
    #[schemars(range(max = 100))]
    pub failed_attempts: Option<u32>,
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
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    pub factor: String,
    pub points: f64,
    pub why: String,
}
