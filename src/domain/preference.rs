//! How a user wants models to be chosen, as data. Reading it is in `config`, choosing in `routing`.

use std::collections::BTreeMap;

/// Scores from here on go to the base tier, and to the strong one.
pub const BASE_FROM: f64 = 3.5;
pub const STRONG_FROM: f64 = 6.5;

#[derive(Clone, Debug, PartialEq)]
pub struct Preferences {
    /// Tasks get models without anybody asking.
    pub automatic: bool,
    /// Models on the user's own machine before others.
    pub local_first: bool,
    /// Now and then another tier is tried, by this seed.
    pub explore: Option<u64>,
    /// Whoever is told a model is taken to have used it, though nothing shows it.
    pub assume_followed: bool,
    pub scoring: Scoring,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { automatic: true, local_first: false, explore: None, assume_followed: false, scoring: Scoring::default() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scoring {
    pub base_from: f64,
    pub strong_from: f64,
    /// Of task types, in place of those that are built in.
    pub points: BTreeMap<String, f64>,
    pub weights: Weights,
}

impl Default for Scoring {
    fn default() -> Self {
        Self {
            base_from: BASE_FROM,
            strong_from: STRONG_FROM,
            points: BTreeMap::new(),
            weights: Weights { context: 1.0, files: 1.0, risk: 1.0 },
        }
    }
}

/// What the points of each factor are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// And of the text that stands in for it.
    pub context: f64,
    pub files: f64,
    pub risk: f64,
}
