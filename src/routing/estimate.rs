//! PURE: roughly what a piece of work costs on a model, from its score and its context. Hand-made numbers, said in
//! `docs/routing.md`; what tasks really cost is in the record of spending.

use super::catalogue::{Model, Price};
use crate::domain::route::Work;
use crate::domain::spending::{Spent, Tokens};

/// Calls to the model for each point of the score: easy work takes a few, hard work some forty.
const CALLS_A_POINT: f64 = 4.0;
/// Instructions and tools that a client sends with every call.
const SYSTEM_TOKENS: u64 = 15_000;
/// What a call adds to the conversation (a tool's answer), and what the model writes in it.
const NEW_TOKENS: u64 = 1_500;
const WRITTEN_TOKENS: u64 = 500;

/// What a conversation starts with, and a model has to keep in view from the first call on.
pub fn start(work: &Work) -> u64 {
    work.context_tokens.unwrap_or(0).saturating_add(SYSTEM_TOKENS)
}

/// In all calls together: the conversation is read from the cache, what is new is written to it.
pub fn tokens(work: &Work, complexity: f64) -> Tokens {
    let calls = (complexity * CALLS_A_POINT).round().max(1.0) as u64;
    let start = start(work);
    // The conversation grows with each call, so that half of what is added is read in the mean.
    let read = start.saturating_add(calls.saturating_mul(NEW_TOKENS + WRITTEN_TOKENS) / 2);
    Tokens {
        input: 0,
        cache_write: start.saturating_add(calls.saturating_mul(NEW_TOKENS)),
        cache_write_long: 0,
        cache_read: read.saturating_mul(calls),
        output: calls.saturating_mul(WRITTEN_TOKENS),
    }
}

/// The first answer of a conversation, where no answer of it is known: all that it starts with is written to the cache.
pub fn first_answer(work: &Work, price: &Price) -> Spent {
    let tokens = Tokens { cache_write: start(work), output: WRITTEN_TOKENS, ..Tokens::default() };
    Spent { micro_usd: price.of(&tokens), tokens: tokens.counted(), calls: 1 }
}

/// In dollars, to a tenth of a cent.
pub fn dollars(work: &Work, complexity: f64, model: &Model) -> f64 {
    let micro = model.price().of(&tokens(work, complexity));
    (micro as f64 / 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::catalogue::Catalogue;

    #[test]
    fn harder_work_on_dearer_models_costs_more() {
        let table = Catalogue::built_in();
        let cost = |complexity, model: &str| dollars(&Work::default(), complexity, table.find(model).unwrap());
        assert!(cost(2.0, "claude-haiku-5-5") < cost(8.0, "claude-haiku-5-5"));
        assert!(cost(5.0, "claude-haiku-5-5") * 15.0 < cost(5.0, "claude-opus-5-5"));
        assert_eq!(cost(5.0, "gpt-oss:20b"), 0.0);
    }
}
