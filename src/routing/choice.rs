//! PURE: which tier a piece of work gets, from what is expected of each tier at its price. Nothing here learns: estimates
//! come from `learned`, bounds from the phase and the budget.

use super::learned::{Estimate, index};
use crate::domain::workflow::ModelTier;

/// By how much a tier must do better than a mixture of its neighbours at the same price: less than that is chance.
const MIDDLE_MARGIN: f64 = 0.03;

/// What is known when a tier is to be chosen.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub estimates: &'a [Estimate; 3],
    /// What a try costs on each tier; a tier without a cost is not there.
    pub costs: [Option<f64>; 3],
    /// Tiers that failed at this piece of work before.
    pub failed: &'a [ModelTier],
    /// Failures are seen here and come back for another try, so that starting low is safe.
    pub checked: bool,
    /// What was recorded shows that estimates of the strong tier's gain come true.
    pub shown: bool,
    /// A raise whose estimate is further below its tier's mean than this is not worth its price.
    pub hopeless_below: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Nothing: no tier is left that is likely to do it.
    pub tier: Option<ModelTier>,
    /// How much the strong tier is worth here, from 0 to 1; 0.5 is as much as a weak one.
    pub need: f64,
    pub why: Why,
    pub dropped: Vec<ModelTier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The most expected success for its price.
    BestValue,
    /// Nothing recorded shows yet that choosing by the work helps: the tier with most success before success gets dear.
    NotShown,
    /// The cheapest for each success, because a failure will be seen and raised.
    StartLow,
    /// A weaker tier failed.
    Raised,
    /// The stronger tier fails at such work too.
    Hopeless,
    /// There is no stronger tier.
    NoneLeft,
    /// Only one tier is there, or only one is worth its price.
    OnlyOne,
}

impl Why {
    pub fn words(self) -> &'static str {
        match self {
            Self::BestValue => "the most expected success for its price, by recorded outcomes",
            Self::NotShown => "recorded outcomes do not show yet where another tier would gain",
            Self::StartLow => "starts low: failures are seen here and raise the tier",
            Self::Raised => "raised: a weaker tier failed",
            Self::Hopeless => "stop: the stronger tier is expected to fail too",
            Self::NoneLeft => "stop: no stronger tier is left",
            Self::OnlyOne => "no other tier is worth its price",
        }
    }
}

pub fn choose(question: &Question<'_>) -> Choice {
    let need = need(question);
    let (worth, dropped) = worth_their_price(question);
    let told = |tier, why| Choice { tier, need, why, dropped: dropped.clone() };
    if let Some(highest) = question.failed.iter().max() {
        return match raise(question, &worth, *highest) {
            None => told(None, Why::NoneLeft),
            Some(point) if point.success - point.mean < question.hopeless_below => told(None, Why::Hopeless),
            Some(point) => told(Some(point.tier), Why::Raised),
        };
    }
    match worth.as_slice() {
        [] => told(None, Why::NoneLeft),
        [only] => told(Some(only.tier), Why::OnlyOne),
        several if question.checked => {
            let low = several.iter().max_by(|a, b| a.rate().total_cmp(&b.rate()).then(b.tier.cmp(&a.tier)));
            told(low.map(|point| point.tier), Why::StartLow)
        }
        several if question.shown => told(Some(best_value(several)), Why::BestValue),
        several => told(knee(several), Why::NotShown),
    }
}

/// The last tier before the next dollar buys little: all but the dearest, where there is more than one. The dearest is taken
/// where it does more for a dollar: it then costs hardly more.
fn knee(hull: &[Point]) -> Option<ModelTier> {
    let for_a_dollar = |point: &Point| point.mean / point.cost.max(1e-9);
    match hull {
        [.., before, last] if for_a_dollar(last) > for_a_dollar(before) => Some(last.tier),
        [.., before, _] => Some(before.tier),
        [only] => Some(only.tier),
        [] => None,
    }
}

fn need(question: &Question<'_>) -> f64 {
    let there = |estimate: &&Estimate| question.costs.get(index(estimate.tier)).is_some_and(Option::is_some);
    let first = question.estimates.iter().find(there);
    let last = question.estimates.iter().rev().find(there);
    match (first, last) {
        (Some(low), Some(high)) => (0.5 + (high.success - low.success) / 2.0).clamp(0.0, 1.0),
        _ => 0.5,
    }
}

#[derive(Clone, Copy, Debug)]
struct Point {
    tier: ModelTier,
    cost: f64,
    mean: f64,
    success: f64,
}

impl Point {
    fn rate(&self) -> f64 {
        self.success / self.cost.max(1e-9)
    }
}

/// The tiers that no other tier, and no mixture of two others, beats at its price: the upper hull of mean success over
/// cost. The rest is dropped.
fn worth_their_price(question: &Question<'_>) -> (Vec<Point>, Vec<ModelTier>) {
    let mut points: Vec<Point> = question
        .estimates
        .iter()
        .filter_map(|estimate| {
            let cost = question.costs.get(index(estimate.tier)).copied().flatten()?;
            Some(Point { tier: estimate.tier, cost, mean: estimate.mean, success: estimate.success })
        })
        .collect();
    points.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.mean.total_cmp(&a.mean)));
    let mut hull: Vec<Point> = Vec::new();
    let mut dropped = Vec::new();
    for point in points {
        if hull.last().is_some_and(|last| point.mean <= last.mean) {
            dropped.push(point.tier);
            continue;
        }
        while let [.., before, last] = hull.as_slice()
            && last.mean < between(before, &point, last.cost) + MIDDLE_MARGIN
        {
            dropped.push(last.tier);
            hull.pop();
        }
        hull.push(point);
    }
    (hull, dropped)
}

/// Success of a mixture of two tiers at a cost between theirs.
fn between(low: &Point, high: &Point, cost: f64) -> f64 {
    low.mean + slope(low, high) * (cost - low.cost)
}

/// Success gained for a dollar more.
fn slope(from: &Point, to: &Point) -> f64 {
    (to.mean - from.mean) / (to.cost - from.cost).max(1e-9)
}

/// Value = expected success less the price, at the rate at which the tiers themselves trade price for success. At that
/// rate all are worth the same on average, so that what is special about this piece of work decides.
fn best_value(hull: &[Point]) -> ModelTier {
    let rate = match hull {
        [.., before, last] => slope(before, last),
        _ => 0.0,
    };
    let value = |point: &Point| point.success - rate * point.cost;
    let best = hull.iter().max_by(|a, b| value(a).total_cmp(&value(b)).then(b.tier.cmp(&a.tier)));
    best.map_or(ModelTier::Base, |point| point.tier)
}

/// The next of the tiers worth their price above the one that failed; where none is, the strongest there is.
fn raise(question: &Question<'_>, worth: &[Point], failed: ModelTier) -> Option<Point> {
    let above = worth.iter().filter(|point| point.tier > failed);
    above.max_by(|a, b| a.rate().total_cmp(&b.rate())).copied().or_else(|| {
        question.estimates.iter().rev().find_map(|estimate| {
            let cost = question.costs.get(index(estimate.tier)).copied().flatten()?;
            let point = Point { tier: estimate.tier, cost, mean: estimate.mean, success: estimate.success };
            (estimate.tier > failed).then_some(point)
        })
    })
}

#[cfg(test)]
mod tests {
    use ModelTier::{Base, Strong, Weak};

    use super::*;
    use crate::routing::learned::TIERS;

    /// Mean and, for the work at hand, expected success of each tier.
    fn ask(rows: [(f64, f64); 3], costs: [Option<f64>; 3], failed: &[ModelTier], known: &str) -> Choice {
        let mut rows = rows.into_iter();
        let estimates = TIERS.map(|tier| {
            let (mean, success) = rows.next().unwrap();
            Estimate { tier, success, mean, outcomes: 50, cost: None }
        });
        choose(&Question {
            estimates: &estimates,
            costs,
            failed,
            checked: known == "checked",
            shown: known == "shown",
            hopeless_below: -0.2,
        })
    }

    const ALL: [Option<f64>; 3] = [Some(0.03), Some(0.3), Some(0.7)];

    #[test]
    fn the_tier_is_chosen_by_what_it_gains_at_its_price() {
        let usual = [(0.4, 0.4), (0.62, 0.62), (0.75, 0.75)];
        let hard = [(0.4, 0.1), (0.62, 0.3), (0.75, 0.74)];
        let easy = [(0.4, 0.7), (0.62, 0.7), (0.75, 0.75)];
        for (rows, failed, known, expected) in [
            (usual, &[][..], "nothing", (Some(Base), Why::NotShown)),
            (hard, &[], "shown", (Some(Strong), Why::BestValue)),
            (easy, &[], "shown", (Some(Weak), Why::BestValue)),
            (usual, &[], "checked", (Some(Weak), Why::StartLow)),
            (usual, &[Weak], "checked", (Some(Base), Why::Raised)),
            (usual, &[Weak, Base], "nothing", (Some(Strong), Why::Raised)),
            (usual, &[Weak, Base, Strong], "nothing", (None, Why::NoneLeft)),
            ([(0.4, 0.1), (0.62, 0.1), (0.75, 0.1)], &[Weak], "checked", (None, Why::Hopeless)),
        ] {
            let choice = ask(rows, ALL, failed, known);
            assert_eq!((choice.tier, choice.why), expected, "{rows:?} {failed:?} {known}");
        }
        // The weak one costs a little less and does much less, and the strong one shows no gain.
        let rows = [(0.35, 0.35), (0.6, 0.6), (0.59, 0.59)];
        assert_eq!(ask(rows, [Some(0.036), Some(0.038), Some(0.28)], &[], "nothing").tier, Some(Base));
    }

    #[test]
    fn a_tier_that_others_beat_at_its_price_is_never_picked() {
        for (rows, costs, dropped) in [
            // The weak one costs more and does less.
            ([(0.35, 0.9), (0.6, 0.6), (0.65, 0.65)], [Some(0.04), Some(0.03), Some(0.28)], vec![Weak]),
            // The middle one does less than a mixture of the others at its price.
            ([(0.6, 0.6), (0.62, 0.9), (0.75, 0.75)], [Some(0.03), Some(0.5), Some(0.7)], vec![Base]),
            // The strong one does nothing more.
            ([(0.5, 0.5), (0.7, 0.7), (0.7, 0.99)], ALL, vec![Strong]),
        ] {
            for known in ["shown", "checked", "nothing"] {
                let choice = ask(rows, costs, &[], known);
                assert_eq!(choice.dropped, dropped, "{rows:?}");
                assert!(!choice.tier.is_some_and(|tier| dropped.contains(&tier)), "{choice:?}");
            }
        }
    }

    #[test]
    fn a_tier_that_is_not_there_is_not_chosen() {
        let rows = [(0.4, 0.4), (0.9, 0.9), (0.75, 0.75)];
        let choice = ask(rows, [Some(0.01), None, Some(1.0)], &[Weak], "nothing");
        assert_eq!(choice.tier, Some(Strong));
        assert_eq!(ask(rows, [None, Some(1.0), None], &[], "shown").why, Why::OnlyOne);
        assert_eq!(ask(rows, [None; 3], &[], "shown").why, Why::NoneLeft);
    }

    #[test]
    fn need_is_the_gain_of_the_strongest_over_the_weakest_there_is() {
        let rows = [(0.4, 0.2), (0.6, 0.6), (0.75, 0.8)];
        assert!((ask(rows, ALL, &[], "shown").need - 0.8).abs() < 1e-9);
        assert!((ask(rows, [None, None, Some(1.0)], &[], "shown").need - 0.5).abs() < 1e-9);
    }
}
