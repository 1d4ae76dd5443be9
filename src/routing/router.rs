//! PURE: one router: what it learned, the tiers it may choose from, and the two things it is told: an outcome, or a piece of
//! work that needs a tier. Where the state is kept, and in what form it is asked, is not here.

use super::choice::{Choice, Question, choose};
use super::learned::{Estimate, Learned, Piece, hash, index};
use crate::domain::workflow::ModelTier;

#[derive(Clone, Debug, Default)]
pub struct Router {
    pub learned: Learned,
    /// What a try costs on each tier, in dollars; a tier without a cost is not there.
    pub costs: [Option<f64>; 3],
    /// Thompson sampling: each estimate is drawn from what is still possible, by this seed. Nothing: no exploration.
    pub explore: Option<u64>,
}

#[derive(Clone, Debug)]
pub struct Decided {
    pub choice: Choice,
    pub estimates: [Estimate; 3],
}

impl Router {
    pub fn new(costs: [Option<f64>; 3]) -> Self {
        Self { learned: Learned::default(), costs, explore: None }
    }

    pub fn outcome(&mut self, piece: &Piece<'_>, tier: ModelTier, success: f64, cost: Option<f64>) {
        self.learned.add(piece, tier, success, cost);
    }

    pub fn route(&mut self, piece: &Piece<'_>, failed: &[ModelTier]) -> Decided {
        self.learned.raises.asked(hash(piece.id), !failed.is_empty());
        let usual = Circumstances { costs: self.costs, failed, checked: false, explore: self.explore };
        considered(&self.learned, piece.id, self.learned.estimates(piece), &usual)
    }
}

/// What bounds a choice, beside what was learned.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// As of a router.
    pub costs: [Option<f64>; 3],
    pub failed: &'a [ModelTier],
    /// A failure will be seen, whatever is known of those before.
    pub checked: bool,
    pub explore: Option<u64>,
}

/// The choice by what was learned, from the estimates for a piece of work; nothing is noted of having been asked.
pub fn considered(learned: &Learned, id: &str, mut estimates: [Estimate; 3], around: &Circumstances<'_>) -> Decided {
    if let Some(seed) = around.explore {
        estimates.iter_mut().for_each(|estimate| draw(estimate, seed ^ hash(id)));
    }
    let mut costs = around.costs;
    for estimate in &estimates {
        if let (Some(Some(cost)), Some(seen)) = (costs.get_mut(index(estimate.tier)), estimate.cost) {
            *cost = seen;
        }
    }
    let question = Question {
        estimates: &estimates,
        costs,
        failed: around.failed,
        checked: around.checked || learned.raises.are_usual(),
        shown: learned.foresight.is_shown(),
        hopeless_below: learned.raises.hopeless_below(),
    };
    Decided { choice: choose(&question), estimates }
}

/// One draw from the spread that the outcomes behind an estimate leave; the same seed and work give the same draw.
fn draw(estimate: &mut Estimate, seed: u64) {
    let outcomes = estimate.outcomes as f64 + 2.0;
    let spread = (estimate.success * (1.0 - estimate.success) / outcomes).sqrt();
    // The sum of four uniform numbers is near enough to a normal one.
    let place = seed.wrapping_add(index(estimate.tier) as u64);
    let uniform = |n: u64| (mixed(place.wrapping_mul(4).wrapping_add(n)) >> 11) as f64 / (1_u64 << 53) as f64;
    let normal = ((0..4).map(uniform).sum::<f64>() - 2.0) * 3.0_f64.sqrt();
    estimate.success = (estimate.success + spread * normal).clamp(0.0, 1.0);
}

/// The finish of splitmix64.
fn mixed(number: u64) -> u64 {
    let a = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    c ^ (c >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::features;
    use super::*;

    #[test]
    fn exploration_tries_what_little_is_known_of_and_repeats_itself_by_seed() {
        let features = features::read("mend the parser");
        let tiers = |seed: Option<u64>| -> Vec<Option<ModelTier>> {
            let mut router = Router { explore: seed, ..Router::new([Some(0.1), Some(0.4), Some(1.0)]) };
            let ids: Vec<String> = (0..40).map(|n| format!("T-{n}")).collect();
            let piece = |id| Piece { id, project: "p", kind: None, features: &features };
            ids.iter().map(|id| router.route(&piece(id), &[ModelTier::Weak]).choice.tier).collect()
        };
        assert_eq!(tiers(Some(7)), tiers(Some(7)));
        let explored: std::collections::BTreeSet<_> = tiers(Some(7)).into_iter().collect();
        let fixed: std::collections::BTreeSet<_> = tiers(None).into_iter().collect();
        assert_eq!(fixed.len(), 1, "{fixed:?}");
        assert!(explored.len() > 1, "{explored:?}");
    }

    #[test]
    fn a_failure_that_comes_back_is_raised_and_then_work_starts_low() {
        let features = features::read("mend the parser");
        let mut router = Router::new([Some(0.1), None, Some(1.0)]);
        for n in 0..20 {
            let id = format!("T-{n}");
            let piece = Piece { id: &id, project: "p", kind: None, features: &features };
            let first = router.route(&piece, &[]).choice.tier;
            assert_eq!(first, Some(ModelTier::Weak), "{n}");
            router.outcome(&piece, ModelTier::Weak, 0.0, Some(0.1));
            assert_eq!(router.route(&piece, &[ModelTier::Weak]).choice.tier, Some(ModelTier::Strong), "{n}");
            router.outcome(&piece, ModelTier::Strong, 1.0, Some(1.0));
        }
        assert!(router.learned.raises.are_usual());
    }
}
