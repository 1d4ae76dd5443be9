//! PURE: whether what was expected came true: expected gains of the strong tier against those that were seen, each expected
//! before its outcome was known. Without it a choice by the work would be a claim.

use serde::{Deserialize, Serialize};

/// How far above chance expected and seen gains must agree, in standard deviations.
const SHOWN_FROM: f64 = 0.7;
/// The first pieces of work are not counted: nothing was learned yet that could be right or wrong.
const LEARNING: u32 = 30;
/// With fewer counted than this nothing is shown.
const PIECES_MIN: f64 = 30.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    learning: u32,
    pieces: f64,
    expected: f64,
    seen: f64,
    expected_squared: f64,
    seen_squared: f64,
    product: f64,
}

impl Foresight {
    pub fn add(&mut self, expected: f64, seen: f64) {
        if self.learning < LEARNING {
            self.learning += 1;
            return;
        }
        self.pieces += 1.0;
        self.expected += expected;
        self.seen += seen;
        self.expected_squared += expected * expected;
        self.seen_squared += seen * seen;
        self.product += expected * seen;
    }

    /// Correlation times the root of the count: about normal where there is nothing to it.
    pub fn score(&self) -> f64 {
        let n = self.pieces.max(1.0);
        let spread = |squared: f64, sum: f64| (squared / n - (sum / n) * (sum / n)).max(0.0);
        let both = spread(self.expected_squared, self.expected) * spread(self.seen_squared, self.seen);
        if both < 1e-12 {
            return 0.0;
        }
        (self.product / n - self.expected * self.seen / (n * n)) / both.sqrt() * n.sqrt()
    }

    pub fn is_shown(&self) -> bool {
        self.pieces >= PIECES_MIN && self.score() >= SHOWN_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_shown_by_many_pieces_only() {
        let filled = |rounds: u32, seen: [f64; 4]| {
            let mut foresight = Foresight::default();
            for _ in 0..rounds {
                for (expected, seen) in [0.1, 0.1, 0.3, 0.3].into_iter().zip(seen) {
                    foresight.add(expected, seen);
                }
            }
            foresight.is_shown()
        };
        assert!(filled(20, [0.0, 0.0, 1.0, 0.0]));
        assert!(!filled(14, [0.0, 0.0, 1.0, 0.0]), "too few");
        assert!(!filled(20, [1.0, 0.0, 1.0, 0.0]), "no agreement");
        assert!(!filled(20, [1.0, 1.0, 0.0, 0.0]), "the contrary");
    }
}
