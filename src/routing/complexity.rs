//! PURE: the score of a piece of work from 1 to 10, with the share of each factor. `docs/routing.md` says why each number is
//! what it is. The score explains and sets budgets; where outcomes are recorded, they choose the tier.

use crate::domain::preference::Scoring;
use crate::domain::route::{Part, Risk, Work};

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
/// Where no context is declared, each doubling of the description beyond so many tokens adds so many points.
const TEXT_TOKENS: f64 = 50.0;
const TEXT_POINTS: f64 = 0.25;
const TEXT_POINTS_MAX: f64 = 1.5;
const CHARS_A_TOKEN: usize = 4;

fn part(factor: &str, points: f64, why: String) -> Part {
    Part { factor: factor.to_owned(), points, why }
}

/// Of all factors, in the order in which they are told.
pub fn parts(work: &Work, scoring: &Scoring) -> Vec<Part> {
    let weighed = |part: Part, by: f64| Part { points: part.points * by, ..part };
    let weights = scoring.weights;
    vec![
        kind(work, scoring),
        weighed(size(work), weights.context),
        weighed(breadth(work), weights.files),
        weighed(history(work), weights.risk),
    ]
}

pub fn score(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.points).sum::<f64>().clamp(1.0, 10.0)
}

pub fn knows(kind: &str) -> bool {
    BASE.iter().any(|(known, _)| *known == kind)
}

fn kind(work: &Work, scoring: &Scoring) -> Part {
    let named = work.kind.as_deref().unwrap_or_default();
    if let Some(points) = scoring.points.get(named) {
        return part("type", *points, format!("{named}, by your settings"));
    }
    match BASE.iter().find(|(kind, _)| *kind == named) {
        Some((kind, points)) => part("type", *points, (*kind).to_owned()),
        None if named.is_empty() => part("type", BASE_UNKNOWN, "no type given".to_owned()),
        None => part("type", BASE_UNKNOWN, format!("free type {named}")),
    }
}

fn size(work: &Work) -> Part {
    let Some(tokens) = work.context_tokens else {
        let chars = work.description.as_ref().map_or(0, |text| text.chars().count());
        let tokens = chars / CHARS_A_TOKEN;
        let points = (1.0 + tokens as f64 / TEXT_TOKENS).log2() * TEXT_POINTS;
        let points = (points.min(TEXT_POINTS_MAX) * 100.0).round() / 100.0;
        return part(
            "text",
            points,
            format!("about {tokens} {} of description", if tokens == 1 { "token" } else { "tokens" }),
        );
    };
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
