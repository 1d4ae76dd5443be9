//! PURE: how hard a piece of work is (`complexity`), which tier of model it deserves by what was recorded (`router`), and
//! what models there are and cost (`catalogue`, `prices`). No store, no client, no clock.

pub mod catalogue;
pub mod choice;
pub mod complexity;
pub mod estimate;
pub mod features;
pub mod foresight;
pub mod learned;
pub mod litellm;
pub mod memory;
pub mod model;
pub mod prices;
pub mod raises;
pub mod routed;
pub mod router;
pub mod savings;

use crate::domain::preference::Scoring;
use crate::domain::route::{Alternative, Route, Work};
use crate::domain::workflow::{ModelChoice, ModelTier};
use catalogue::Catalogue;

/// By the score alone. `phase` is what the phase of the caller's task says about models.
pub fn route(work: &Work, phase: Option<ModelChoice>, scoring: &Scoring) -> Route {
    let parts = complexity::parts(work, scoring);
    let complexity = complexity::score(&parts);
    let by_score = if complexity >= scoring.strong_from {
        ModelTier::Strong
    } else if complexity >= scoring.base_from {
        ModelTier::Base
    } else {
        ModelTier::Weak
    };
    let failed = work.failed_attempts.unwrap_or(0);
    let raised = if failed > 0 { raise(by_score) } else { by_score };
    let (tier, bound) = match phase {
        None => (raised, None),
        Some(choice) => {
            let bounded = if choice.raise_on_failure && failed > 0 { raise(choice.tier) } else { choice.tier };
            let bound = (bounded != raised).then(|| format!("the phase sets {}", bounded.word()));
            (bounded, bound)
        }
    };
    let reason = match (&bound, failed) {
        (Some(bound), _) => format!("{} tier: {bound}", tier.word()),
        (None, 0) => format!("{} tier by complexity", tier.word()),
        (None, failed) => format!("{} tier: {}", tier.word(), failed_before(failed)),
    };
    let complexity = (complexity * 10.0).round() / 10.0;
    Route { decision: None, tier, complexity, parts, reason, bound, model: None, alternatives: Vec::new() }
}

fn failed_before(tries: u32) -> String {
    format!("{tries} {} failed before", if tries == 1 { "try" } else { "tries" })
}

/// Why a tier has no model, and what to do.
fn none_fits(work: &Work, tier: ModelTier, others: &[Alternative]) -> String {
    let which = if others.is_empty() { String::new() } else { format!("{} ", tier.word()) };
    match work.context_tokens.unwrap_or(0) {
        0 => format!("no {which}model in the table runs in this client: `phasegate models list` shows them"),
        tokens => {
            let tokens = grouped(tokens);
            format!(
                "no {which}model keeps {tokens} tokens and what its client adds in view: reduce them with optimize_context, or split the work"
            )
        }
    }
}

fn grouped(number: u64) -> String {
    match number / 1000 {
        0 => number.to_string(),
        more => format!("{},{:03}", grouped(more), number % 1000),
    }
}

/// What each tier has for this work, the weakest first: the model of a client, and one try by the estimate.
fn offers(work: &Work, complexity: f64, catalogue: &Catalogue, client: &str) -> Vec<Alternative> {
    let window = estimate::start(work);
    let offer = |tier| {
        let model = catalogue.fitting(tier, client, window)?;
        let usd = estimate::dollars(work, complexity, model);
        Some(Alternative { tier, model: model.name_for(client), usd, success: None })
    };
    learned::TIERS.into_iter().filter_map(offer).collect()
}

fn raise(tier: ModelTier) -> ModelTier {
    match tier {
        ModelTier::Weak => ModelTier::Base,
        ModelTier::Base | ModelTier::Strong => ModelTier::Strong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::Risk;

    fn work(kind: &str) -> Work {
        Work { kind: Some(kind.to_owned()), ..Work::default() }
    }

    #[test]
    fn plain_work_goes_low_and_hard_work_high() {
        assert_eq!(route(&work("documentation"), None, &Scoring::default()).tier, ModelTier::Weak);
        assert_eq!(route(&work("feature"), None, &Scoring::default()).tier, ModelTier::Base);
        let hard = Work { files: Some(20), risk: Some(Risk::High), ..work("architecture") };
        assert_eq!(route(&hard, None, &Scoring::default()).tier, ModelTier::Strong);
    }

    #[test]
    fn every_known_type_has_a_base_and_no_other_has() {
        for kind in crate::domain::task::TASK_TYPES {
            assert!(complexity::knows(kind), "{kind}");
        }
    }

    #[test]
    fn a_phase_bounds_the_choice_and_a_failure_raises_it_where_the_phase_says_so() {
        let phase = ModelChoice { tier: ModelTier::Weak, raise_on_failure: true };
        assert_eq!(route(&work("architecture"), Some(phase), &Scoring::default()).tier, ModelTier::Weak);
        let again = Work { failed_attempts: Some(1), ..work("architecture") };
        assert_eq!(route(&again, Some(phase), &Scoring::default()).tier, ModelTier::Base);
        let fixed = ModelChoice { tier: ModelTier::Weak, raise_on_failure: false };
        assert_eq!(route(&again, Some(fixed), &Scoring::default()).tier, ModelTier::Weak);
    }

    #[test]
    fn the_parts_add_up_to_the_score() {
        let work = Work { context_tokens: Some(60_000), files: Some(3), risk: Some(Risk::Medium), ..work("bugfix") };
        let route = route(&work, None, &Scoring::default());
        let sum: f64 = route.parts.iter().map(|part| part.points).sum();
        assert!((route.complexity - sum).abs() < 0.05, "{route:?}");
    }
}
