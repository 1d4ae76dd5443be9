//! PURE: how hard a piece of work is, the tier of model it deserves, and what models cost. Learning from outcomes has its
//! place here and is not built yet.

pub mod choice;
pub mod features;
pub mod foresight;
pub mod learned;
pub mod memory;
pub mod model;
pub mod prices;
pub mod raises;
pub mod router;

use crate::domain::route::{Part, Risk, Route, Work};
use crate::domain::workflow::{ModelChoice, ModelTier};

/// Points a task type starts from; `docs/routing.md` says why.
const BASE: [(&str, f64); 18] = [
    ("architecture", 5.5),
    ("security", 5.0),
    ("debugging", 4.5),
    ("performance", 4.5),
    ("migration", 4.5),
    ("planning", 4.0),
    ("feature", 4.0),
    ("refactor", 3.5),
    ("bugfix", 3.5),
    ("review", 3.5),
    ("infrastructure", 3.5),
    ("data", 3.0),
    ("research", 3.0),
    ("test", 2.5),
    ("configuration", 2.0),
    ("documentation", 1.5),
    ("summary", 1.5),
    ("chore", 1.0),
];
const BASE_UNKNOWN: f64 = 3.0;
const BASE_TIER_FROM: f64 = 3.5;
const STRONG_TIER_FROM: f64 = 6.5;

/// `phase` is what the phase of the caller's task says about models.
pub fn route(work: &Work, phase: Option<ModelChoice>) -> Route {
    let parts = vec![kind(work), size(work), breadth(work), history(work)];
    let complexity = parts.iter().map(|part| part.points).sum::<f64>().clamp(1.0, 10.0);
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
    Route { tier, complexity: (complexity * 10.0).round() / 10.0, parts, reason, bound }
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

fn part(factor: &str, points: f64, why: String) -> Part {
    Part { factor: factor.to_owned(), points, why }
}

fn kind(work: &Work) -> Part {
    let named = work.kind.as_deref().unwrap_or_default();
    match BASE.iter().find(|(kind, _)| *kind == named) {
        Some((kind, points)) => part("type", *points, (*kind).to_owned()),
        None if named.is_empty() => part("type", BASE_UNKNOWN, "no type given".to_owned()),
        None => part("type", BASE_UNKNOWN, format!("free type {named}")),
    }
}

fn size(work: &Work) -> Part {
    let tokens = work.context_tokens.unwrap_or_else(|| {
        let chars = work.description.as_ref().map_or(0, |text| text.chars().count());
        u64::try_from(chars / 4).unwrap_or(0)
    });
    let points = match tokens {
        0..2_000 => 0.0,
        2_000..10_000 => 0.5,
        10_000..50_000 => 1.0,
        50_000..150_000 => 1.5,
        _ => 2.0,
    };
    part("context", points, format!("about {tokens} tokens"))
}

fn breadth(work: &Work) -> Part {
    let files = work.files.unwrap_or(0);
    let points = match files {
        0..2 => 0.0,
        2..6 => 0.5,
        6..16 => 1.0,
        _ => 1.5,
    };
    part("files", points, format!("{files} files"))
}

fn history(work: &Work) -> Part {
    let risk = work.risk.unwrap_or(Risk::Low);
    let (points, said) = match risk {
        Risk::Low => (0.0, "low risk"),
        Risk::Medium => (0.75, "medium risk"),
        Risk::High => (1.5, "high risk"),
    };
    let failed = work.failed_attempts.unwrap_or(0);
    part("risk and history", points, format!("{said}, {failed} failed before"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(BASE.iter().any(|(known, _)| *known == kind), "{kind}");
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
