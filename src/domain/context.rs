//! What an agent asks for when it has a text made shorter, and what that came to. How a text is made shorter is in `context`.

use serde::{Deserialize, Serialize};

use super::ids::AgentName;

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
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenBudget {
    /// Of the tokens there are, 0 to 1.
    Share(f64),
    Tokens(u64),
}

/// What reductions of one agent came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextSum {
    pub agent: AgentName,
    pub calls: u64,
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// Parts that were left out because the agent had them from earlier calls.
    pub repeats: u64,
}
