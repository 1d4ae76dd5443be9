//! What choosing models saved, as data: tries that have ended, and what they cost against always taking a strong model. The
//! arithmetic is in `routing::savings`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Time;
use super::spending::Tokens;
use super::workflow::ModelTier;

/// What one model used in one try.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub model: String,
    pub tokens: Tokens,
    pub micro_usd: u64,
    /// Of it, at a price that was not known.
    #[serde(default)]
    pub guessed_micro_usd: u64,
}

impl Used {
    pub fn less(&self, other: &Self) -> Self {
        let (mine, theirs) = (self.tokens, other.tokens);
        Self {
            model: self.model.clone(),
            tokens: Tokens {
                input: mine.input.saturating_sub(theirs.input),
                cache_write: mine.cache_write.saturating_sub(theirs.cache_write),
                cache_write_long: mine.cache_write_long.saturating_sub(theirs.cache_write_long),
                cache_read: mine.cache_read.saturating_sub(theirs.cache_read),
                output: mine.output.saturating_sub(theirs.output),
            },
            micro_usd: self.micro_usd.saturating_sub(other.micro_usd),
            guessed_micro_usd: self.guessed_micro_usd.saturating_sub(other.guessed_micro_usd),
        }
    }
}

/// A try that has ended, at a piece of work that may have taken several.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub piece: String,
    pub kind: String,
    pub project: String,
    /// As it was routed or told.
    pub tier: ModelTier,
    pub model: Option<String>,
    pub success: f64,
    /// No tier had failed at it before.
    pub fresh: bool,
    /// The piece goes on: the next try is under way, or may come.
    pub open: bool,
    pub at: Time,
    pub micro_usd: Option<u64>,
    /// Where a transcript says so.
    pub used: Vec<Used>,
}

/// Pieces of work of one kind, tier or project. Amounts are in micro-dollars.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedRow {
    pub name: String,
    pub pieces: u64,
    pub solved: u64,
    pub tries: u64,
    pub failed_tries: u64,
    /// Of all tries.
    pub micro_usd: u64,
    /// Always strong: what that would have cost.
    pub baseline_micro_usd: u64,
    /// Below 0 where it cost more than always strong.
    pub saved_micro_usd: i64,
    /// Where a strong model needs half the tokens, and the means are as unlucky as they may be.
    pub low_micro_usd: i64,
    pub high_micro_usd: i64,
    /// Pieces by what always strong is reckoned from: strong tries at that very piece; the mean of others of its type; the
    /// tokens of the try that succeeded.
    pub by_strong_tries: u64,
    pub by_mean: u64,
    pub by_tokens: u64,
    /// Not done, and no strong model tried: their cost counts, and nothing is set against it.
    pub given_up: u64,
    /// Pieces at which a strong model failed too.
    pub strong_failed: u64,
    /// Pieces of types for which it is known how often a strong model is successful, and how many of them it would have done.
    pub strong_known: u64,
    pub strong_solves: f64,
}

/// What is known of strong models at work of one type, from tries that no failure came before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StrongRow {
    #[serde(rename = "type")]
    pub kind: String,
    pub tries: u64,
    pub solved: u64,
    pub mean_micro_usd: u64,
}

/// Pieces of work that have no part in the sums, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    pub going_on: u64,
    pub without_cost: u64,
    pub without_price: u64,
    /// The models that have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Their cost was told, but neither their tokens nor a mean is known to set against it.
    pub without_baseline: u64,
    /// Tries before these were not looked at: there are too many.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub older: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Savings {
    /// A day in UTC; nothing: from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The date of the prices.
    pub prices: String,
    pub all: SavedRow,
    pub by_type: Vec<SavedRow>,
    /// By the tier of the last try.
    pub by_tier: Vec<SavedRow>,
    pub by_project: Vec<SavedRow>,
    pub strong: Vec<StrongRow>,
    pub left_out: LeftOut,
    /// Everything that was spent in this time, as it was counted then; what is not in `all` was spent on other work.
    pub spent_micro_usd: u64,
    pub method: String,
}
