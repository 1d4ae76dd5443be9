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
pub mod router;

use crate::domain::route::{Alternative, Route, Work};
use crate::domain::workflow::{ModelChoice, ModelTier};
use catalogue::Catalogue;

const BASE_TIER_FROM: f64 = 3.5;
const STRONG_TIER_FROM: f64 = 6.5;

/// `phase` is what the phase of the caller's task says about models.
pub fn route(work: &Work, phase: Option<ModelChoice>) -> Route {
    let parts = complexity::parts(work);
    let complexity = complexity::score(&parts);
    let by_score = if complexity >= STRONG_TIER_FROM {
        ModelTier::Strong
    } else if complexity >= BASE_TIER_FROM {
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
            let bound = (bounded != raised).then(|| format!("the phase sets {}", word(bounded)));
            (bounded, bound)
        }
    };
    let reason = match (&bound, failed) {
        (Some(bound), _) => format!("{} tier: {bound}", word(tier)),
        (None, 0) => format!("{} tier by complexity", word(tier)),
        (None, failed) => format!("{} tier: {failed} tries failed before", word(tier)),
    };
    let complexity = (complexity * 10.0).round() / 10.0;
    Route { decision: None, tier, complexity, parts, reason, bound, model: None, alternatives: Vec::new() }
}

/// The same, with the models that a client can run and what a try costs on each tier, the cheapest first.
pub fn with_models(route: Route, work: &Work, catalogue: &Catalogue, client: &str) -> Route {
    let window = work.context_tokens.unwrap_or(0);
    let mut alternatives: Vec<Alternative> = learned::TIERS
        .into_iter()
        .filter_map(|tier| {
            let model = catalogue.of_tier(tier, client, false).filter(|model| model.window >= window)?;
            let usd = estimate::dollars(work, route.complexity, model);
            Some(Alternative { tier, model: model.name_for(client), usd })
        })
        .collect();
    alternatives.sort_by(|a, b| a.usd.total_cmp(&b.usd));
    let model = alternatives.iter().find(|one| one.tier == route.tier).map(|one| one.model.clone());
    Route { model, alternatives, ..route }
}

fn raise(tier: ModelTier) -> ModelTier {
    match tier {
        ModelTier::Weak => ModelTier::Base,
        ModelTier::Base | ModelTier::Strong => ModelTier::Strong,
    }
}

pub fn word(tier: ModelTier) -> &'static str {
    match tier {
        ModelTier::Weak => "weak",
        ModelTier::Base => "base",
        ModelTier::Strong => "strong",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::Risk;

    #[test]
    fn a_route_names_the_model_of_the_callers_client_and_what_each_tier_costs() {
        let work = Work { context_tokens: Some(20_000), ..work("feature") };
        let table = Catalogue::built_in();
        let route = with_models(route(&work, None), &work, &table, "claude-code");
        assert_eq!(route.model.as_deref(), Some("sonnet"));
        let names: Vec<&str> = route.alternatives.iter().map(|one| one.model.as_str()).collect();
        assert_eq!(names, ["haiku", "sonnet", "opus"]);
        let too_much = Work { context_tokens: Some(5_000_000), ..work };
        let none = with_models(route, &too_much, &table, "claude-code");
        assert_eq!((none.model, none.alternatives.len()), (None, 0), "no window takes so much");
    }

    fn work(kind: &str) -> Work {
        Work { kind: Some(kind.to_owned()), ..Work::default() }
    }

    #[test]
    fn plain_work_goes_low_and_hard_work_high() {
        assert_eq!(route(&work("documentation"), None).tier, ModelTier::Weak);
        assert_eq!(route(&work("feature"), None).tier, ModelTier::Base);
        let hard = Work { files: Some(20), risk: Some(Risk::High), ..work("architecture") };
        assert_eq!(route(&hard, None).tier, ModelTier::Strong);
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
        assert_eq!(route(&work("architecture"), Some(phase)).tier, ModelTier::Weak);
        let again = Work { failed_attempts: Some(1), ..work("architecture") };
        assert_eq!(route(&again, Some(phase)).tier, ModelTier::Base);
        let fixed = ModelChoice { tier: ModelTier::Weak, raise_on_failure: false };
        assert_eq!(route(&again, Some(fixed)).tier, ModelTier::Weak);
    }

    #[test]
    fn the_parts_add_up_to_the_score() {
        let work = Work { context_tokens: Some(60_000), files: Some(3), risk: Some(Risk::Medium), ..work("bugfix") };
        let route = route(&work, None);
        let sum: f64 = route.parts.iter().map(|part| part.points).sum();
        assert!((route.complexity - sum).abs() < 0.05, "{route:?}");
    }
}
