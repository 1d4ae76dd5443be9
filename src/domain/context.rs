//! What an agent asks for when it has a text made shorter, and what that came to. How a text is made shorter is in `context`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AgentName, Time};

#[derive(Clone, Debug, PartialEq)]
pub struct Reduction {
    pub source: Source,
    pub query: String,
    pub budget: TokenBudget,
    pub append_only: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Text(String),
    /// One that was given in before.
    Handle(String),
    /// Lines of one, first and last from 1, as they are.
    Lines {
        handle: String,
        first: usize,
        last: usize,
    },
    /// Bytes of one, alike.
    Bytes {
        handle: String,
        first: usize,
        last: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenBudget {
    /// Of the tokens there are, 0 to 1.
    Share(f64),
    Tokens(u64),
}

/// What becomes of the results of a client's own tools before the model gets them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Results {
    /// They stay as they are.
    Whole,
    Reduced(ReducedResults),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReducedResults {
    /// In tokens: what costs no more stays as it is.
    pub above: u64,
    pub keep: TokenBudget,
    /// Names, or the front of names of servers' tools with `*` behind; empty: the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// What real counts of a model's tokens say of estimated ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFactor {
    pub model: String,
    pub pairs: u64,
    /// Sums over the pairs, the old ones worth less.
    pub estimated: u64,
    pub counted: u64,
    pub at: Time,
}

/// What reductions of one agent came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextSum {
    pub agent: AgentName,
    pub calls: u64,
    /// So many of them were results of tools that the hook made shorter.
    pub results: u64,
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// Parts that were left out because the agent had them from earlier calls.
    pub repeats: u64,
}
