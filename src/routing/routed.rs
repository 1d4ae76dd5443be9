//! PURE: the model for a piece of work, within what its phase, its context and its budget allow: by what was learned here, or by
//! the score where too little is known. Every choice says why, in numbers.

use std::fmt::Write;

use super::catalogue::{Catalogue, Model};
use super::choice::{Choice, Why};
use super::features::{self, Features};
use super::learned::{Estimate, Learned, Piece, index};
use super::router::{Circumstances, Decided, considered};
use super::{estimate, failed_before, none_fits, offers, raise, route};
use crate::domain::decide::route::is_verified;
use crate::domain::preference::Preferences;
use crate::domain::route::{Alternative, Route, ToRoute};
use crate::domain::spending::about;
use crate::domain::workflow::{ModelChoice, ModelTier};

/// With fewer outcomes in a workspace than this the score chooses.
pub const OUTCOMES_MIN: u64 = 20;
/// So many of the cheaper of two tiers must be known, before outcomes speak against the score.
const OUTCOMES_OF_A_TIER: u64 = 5;
/// Where no check is known to see failures, a tier is left for a dearer one that does so much more on the mean ...
const GAIN_UP: f64 = 0.15;
/// ... and for a cheaper one that does no less than so much under it.
const LOSS_MAX: f64 = 0.05;
/// From this share of a budget on, in hundredths, a dearer tier must be worth it ...
const NEAR_THE_END: u64 = 80;
/// ... by so much more expected success.
const GAIN_MIN: f64 = 0.1;

/// What a choice goes by, beside the work.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub learned: &'a Learned,
    pub preferences: &'a Preferences,
    pub catalogue: &'a Catalogue,
    /// Models on the user's own machine that the user's own table names.
    pub local: &'a [Model],
    pub client: &'a str,
}

/// Nothing where nobody asked and it is not wanted unasked.
pub fn routed(asked: &ToRoute<'_>, known: &Known<'_>) -> Option<Route> {
    if asked.automatic && !known.preferences.automatic {
        return None;
    }
    let fixed = asked.phase.and_then(|phase| phase.model);
    let route = route(asked.work, fixed, &known.preferences.scoring);
    let features = (known.learned.outcomes() >= OUTCOMES_MIN)
        .then(|| features::read(asked.work.description.as_deref().unwrap_or_default()));
    let place = Place::of(asked, known, features.as_ref(), route.complexity);
    let mut picked = match fixed {
        Some(choice) => place.fixed(choice, &route),
        None => place.free(&route),
    };
    let local = known.preferences.local_first.then(|| place.local(picked.tier, fixed.is_some())).flatten();
    let mut reason = match local {
        None => format!("{} tier: {}{}", picked.tier.word(), picked.why, place.numbers(picked.tier)),
        Some(local) => place.instead(local, &picked, route.complexity),
    };
    let own = local.map(|local| place.own(local, route.complexity));
    picked.tier = local.map_or(picked.tier, |local| local.tier);
    let model = local.map(|model| model.name_for(known.client));
    let model = model.or_else(|| place.offer(picked.tier).map(|offer| offer.model.clone()));
    if model.is_none() {
        let _ = write!(reason, "; {}", none_fits(asked.work, picked.tier, &place.offers));
    }
    let bound = route.bound.map(|_| format!("the phase sets {}", picked.tier.word()));
    Some(Route { tier: picked.tier, reason, bound, model, alternatives: place.alternatives(own), ..route })
}

/// A tier, and why.
struct Picked {
    tier: ModelTier,
    why: String,
}

/// A piece of work, and what there is for it.
struct Place<'a> {
    asked: &'a ToRoute<'a>,
    known: &'a Known<'a>,
    piece: Option<Piece<'a>>,
    /// Where enough is known.
    estimates: Option<[Estimate; 3]>,
    /// By tier, the weakest first.
    offers: Vec<Alternative>,
}

impl<'a> Place<'a> {
    fn of(asked: &'a ToRoute<'a>, known: &'a Known<'a>, features: Option<&'a Features>, complexity: f64) -> Self {
        let kind = asked.work.kind.as_deref();
        let piece = features.map(|features| Piece { id: &asked.id, project: &asked.project, kind, features });
        let offers = offers(asked.work, complexity, known.catalogue, known.client);
        let estimates = piece.as_ref().map(|piece| known.learned.estimates(piece));
        Self { asked, known, piece, estimates, offers }
    }

    fn offer(&self, tier: ModelTier) -> Option<&Alternative> {
        self.offers.iter().find(|offer| offer.tier == tier)
    }

    fn left_usd(&self) -> Option<f64> {
        self.asked.left.and_then(|left| left.usd)
    }

    /// The phase says which tier it is.
    fn fixed(&self, choice: ModelChoice, route: &Route) -> Picked {
        let failed = self.asked.failed.iter().max().filter(|failed| **failed >= choice.tier);
        let raised = failed.filter(|_| choice.raise_on_failure).map(|failed| raise(*failed).max(route.tier));
        let tier = raised.unwrap_or(route.tier);
        let mut why = match failed {
            Some(failed) if tier > *failed => format!("{} failed, and the phase raises it", failed.word()),
            _ => match (&route.bound, self.asked.work.failed_attempts.unwrap_or(0)) {
                (Some(bound), _) => bound.clone(),
                (None, 0) => "by complexity, as the phase sets it".to_owned(),
                (None, failed) => failed_before(failed),
            },
        };
        if let (Some(left), Some(offer)) = (self.left_usd(), self.offer(tier))
            && offer.usd > left
        {
            let _ = write!(why, "; {} of the budget are left", about(left));
        }
        Picked { tier, why }
    }

    fn free(&self, route: &Route) -> Picked {
        let cheapest = self.offers.iter().min_by(|a, b| a.usd.total_cmp(&b.usd));
        let Some(cheapest) = cheapest else {
            return Picked { tier: route.tier, why: "by complexity".to_owned() };
        };
        let fits = |offer: &&Alternative| self.left_usd().is_none_or(|left| offer.usd <= left);
        let fitting: Vec<&Alternative> = self.offers.iter().filter(fits).collect();
        if fitting.is_empty() {
            let left = about(self.left_usd().unwrap_or_default());
            let why = format!("the cheapest, since {left} of the budget are left and no try is likely to fit");
            return Picked { tier: cheapest.tier, why };
        }
        let picked = match self.asked.failed.iter().max() {
            Some(highest) => self.again(*highest, &fitting),
            None => self.first(route, &fitting),
        };
        self.sparing(picked, &fitting)
    }

    fn first(&self, route: &Route, fitting: &[&Alternative]) -> Picked {
        let scored = nearest(fitting, route.tier).map_or(route.tier, |offer| offer.tier);
        let complexity = match self.asked.work.failed_attempts.unwrap_or(0) {
            0 if scored == route.tier => "by complexity".to_owned(),
            0 => format!("by complexity it were {}, which does not fit", route.tier.word()),
            failed => failed_before(failed),
        };
        let by_score = |more: &str| Picked { tier: scored, why: format!("{complexity}{more}") };
        if self.asked.work.failed_attempts.unwrap_or(0) > 0 {
            return by_score("");
        }
        let Some(Decided { choice: Choice { tier: Some(tier), why, dropped, .. }, .. }) = self.considered(&[], fitting)
        else {
            return by_score("");
        };
        let chosen = |why: &str| Picked { tier, why: why.to_owned() };
        match why {
            Why::StartLow => chosen("failures are seen here and raise the tier, so it starts where a dollar does most"),
            Why::BestValue if self.is_known(tier.min(scored)) => {
                chosen("the most expected success for its price, by outcomes here")
            }
            Why::BestValue | Why::NotShown | Why::OnlyOne => {
                let worth: Vec<ModelTier> =
                    fitting.iter().map(|offer| offer.tier).filter(|tier| !dropped.contains(tier)).collect();
                match self.settled(scored, &worth) {
                    tier if tier > scored => {
                        Picked { tier, why: format!("by outcomes here, {} does such work too seldom", scored.word()) }
                    }
                    tier if tier < scored => Picked {
                        tier,
                        why: format!("by outcomes here, {} gains too little for its price", scored.word()),
                    },
                    _ => by_score(", and outcomes here say nothing else"),
                }
            }
            Why::Raised | Why::Hopeless | Why::NoneLeft => by_score(""),
        }
    }

    fn expected(&self, tier: ModelTier) -> Option<&Estimate> {
        self.estimates.as_ref()?.iter().find(|estimate| estimate.tier == tier)
    }

    fn is_known(&self, tier: ModelTier) -> bool {
        self.expected(tier).is_some_and(|estimate| estimate.outcomes >= OUTCOMES_OF_A_TIER)
    }

    /// Where nobody checks, a failure costs more than a try: from the tier of the score upwards while that gains much on the
    /// mean, else downwards while it loses next to nothing; never on the word of a few outcomes.
    fn settled(&self, scored: ModelTier, worth: &[ModelTier]) -> ModelTier {
        let mean = |tier| self.expected(tier).map_or(0.0, |estimate| estimate.mean);
        let above = |tier: ModelTier| worth.iter().copied().find(|other| *other > tier);
        let below = |tier: ModelTier| worth.iter().rev().copied().find(|other| *other < tier);
        let mut tier = scored;
        if !worth.contains(&tier) {
            match above(tier).or_else(|| below(tier)) {
                Some(near) if self.is_known(near.min(tier)) => tier = near,
                _ => return scored,
            }
        }
        while let Some(next) = above(tier).filter(|next| self.is_known(tier) && mean(*next) >= mean(tier) + GAIN_UP) {
            tier = next;
        }
        if tier == scored {
            while let Some(next) =
                below(tier).filter(|next| self.is_known(*next) && mean(*next) + LOSS_MAX >= mean(tier))
            {
                tier = next;
            }
        }
        tier
    }

    /// After tiers that failed at it.
    fn again(&self, highest: ModelTier, fitting: &[&Alternative]) -> Picked {
        let decided = self.considered(self.asked.failed, fitting);
        let next = fitting.iter().find(|offer| offer.tier > highest).map(|offer| offer.tier);
        let (tier, why) = match decided {
            Some(decided) => (decided.choice.tier, decided.choice.why),
            None => (next, next.map_or(Why::NoneLeft, |_| Why::Raised)),
        };
        let stays = self.offer(highest).or(self.offers.last()).map_or(highest, |offer| offer.tier);
        let better = "a person, or smaller tasks, will do better";
        match tier {
            Some(tier) => Picked { tier, why: format!("{} failed at it", highest.word()) },
            None if why == Why::Hopeless => {
                let above = next.map_or("a stronger one", ModelTier::word);
                Picked { tier: stays, why: format!("it failed, and {above} fails at such work too; {better}") }
            }
            None if self.offers.iter().any(|offer| offer.tier > highest) => {
                let left = about(self.left_usd().unwrap_or_default());
                Picked { tier: stays, why: format!("it failed, and a stronger one costs more than the {left} left") }
            }
            None => Picked { tier: stays, why: format!("no stronger tier is left; {better}") },
        }
    }

    /// The same, unless the budget is nearly used up and a cheaper tier is expected to do about as well.
    fn sparing(&self, picked: Picked, fitting: &[&Alternative]) -> Picked {
        let Some(now) = self.offer(picked.tier).filter(|_| self.estimates.is_some()) else { return picked };
        if self.asked.taken_percent < NEAR_THE_END {
            return picked;
        }
        let expected = |tier| self.expected(tier).map_or(0.0, |estimate| estimate.success);
        let above = self.asked.failed.iter().max();
        let cheaper = fitting.iter().filter(|offer| {
            let gain = expected(picked.tier) - expected(offer.tier);
            offer.usd < now.usd && gain + 1e-9 < GAIN_MIN && above.is_none_or(|failed| offer.tier > *failed)
        });
        match cheaper.min_by(|a, b| a.usd.total_cmp(&b.usd)) {
            None => picked,
            Some(offer) => {
                let (percent, tier) = (self.asked.taken_percent, offer.tier);
                let (less, more) = (expected(tier), expected(picked.tier));
                let dearer = picked.tier.word();
                let why = format!(
                    "{percent} % of the budget is taken, and {dearer} is expected to gain little ({more:.2} against {less:.2})"
                );
                Picked { tier, why }
            }
        }
    }

    /// By what was learned, where that is enough.
    fn considered(&self, failed: &[ModelTier], fitting: &[&Alternative]) -> Option<Decided> {
        let piece = self.piece.as_ref()?;
        let verified = self.asked.phase.is_some_and(is_verified);
        let explore = self.known.preferences.explore.filter(|_| verified);
        let around = Circumstances { costs: self.costs(fitting), failed, checked: verified, explore };
        Some(considered(self.known.learned, piece.id, self.estimates?, &around))
    }

    /// What tries cost, where only some tiers were tried: estimates of the others are as far off as those of the tried ones.
    fn costs(&self, fitting: &[&Alternative]) -> [Option<f64>; 3] {
        let seen = |tier| self.expected(tier)?.cost;
        let both: Vec<(f64, f64)> =
            self.offers.iter().filter_map(|offer| Some((seen(offer.tier)?, offer.usd))).collect();
        let (paid, guessed) = both.iter().fold((0.0, 0.0), |(a, b), (paid, guessed)| (a + paid, b + guessed));
        let off = if paid > 0.0 && guessed > 0.0 { paid / guessed } else { 1.0 };
        let mut costs = [None; 3];
        for offer in fitting {
            if let Some(cost) = costs.get_mut(index(offer.tier)) {
                *cost = Some(offer.usd * off);
            }
        }
        costs
    }

    /// A local model of this tier or below it, but not as weak as what failed.
    fn local(&self, tier: ModelTier, fixed: bool) -> Option<&'a Model> {
        let window = estimate::start(self.asked.work);
        let failed = self.asked.failed.iter().max();
        let fits = |model: &&Model| {
            let strong_enough = failed.is_none_or(|failed| model.tier > *failed);
            let allowed = if fixed { model.tier == tier } else { model.tier <= tier && strong_enough };
            allowed && model.window >= window && model.tools && model.runs_in(self.known.client)
        };
        // Of equal ones the first, as it stands in the table.
        self.known.local.iter().rev().filter(fits).max_by_key(|model| model.tier)
    }

    fn own(&self, local: &Model, complexity: f64) -> Alternative {
        let usd = estimate::dollars(self.asked.work, complexity, local);
        Alternative { tier: local.tier, model: local.name_for(self.known.client), usd, success: None }
    }

    /// Why the user's own model is taken, and in place of what.
    fn instead(&self, local: &Model, picked: &Picked, complexity: f64) -> String {
        let (own, tier) = (self.own(local, complexity), picked.tier.word());
        let mut told = format!("{} tier: {} runs on your own machine and comes first", local.tier.word(), local.name);
        let _ = write!(told, "; {tier} {}", picked.why);
        let _ = write!(told, "; one try about {}", about(own.usd));
        if let Some(offer) = self.offer(picked.tier) {
            let _ = write!(told, " against {} for {}", about(offer.usd), offer.model);
        }
        told
    }

    fn alternatives(&self, own: Option<Alternative>) -> Vec<Alternative> {
        let told = |success: f64| (success * 100.0).round() / 100.0;
        let expected = |tier| self.expected(tier).map(|estimate| told(estimate.success));
        let offers = own.into_iter().chain(self.offers.iter().cloned());
        let mut all: Vec<Alternative> =
            offers.map(|offer| Alternative { success: expected(offer.tier), ..offer }).collect();
        all.sort_by(|a, b| a.usd.total_cmp(&b.usd));
        all
    }

    /// How this tier and the next one did at such work, and what a try costs.
    fn numbers(&self, tier: ModelTier) -> String {
        let Some(at) = self.offers.iter().position(|offer| offer.tier == tier) else { return String::new() };
        let other = if at > 0 { self.offers.get(at - 1) } else { self.offers.get(1) };
        let (Some(own), Some(other)) = (self.offers.get(at), other) else { return String::new() };
        let mut told = String::new();
        if self.piece.is_some() {
            let (learned, kind) = (self.known.learned, self.asked.work.kind.as_deref());
            let of_kind = kind.filter(|kind| [own, other].iter().any(|one| learned.done(one.tier, Some(kind)).1 > 0.0));
            let such = if of_kind.is_some() { "such tasks" } else { "all tasks" };
            let (done, tries) = learned.done(own.tier, of_kind);
            let (other_done, other_tries) = learned.done(other.tier, of_kind);
            let name = other.tier.word();
            let _ = match (tries > 0.0, other_tries > 0.0) {
                (true, true) => {
                    write!(told, "; {done:.0} of {tries} {such} done by it, {other_done:.0} of {other_tries} by {name}")
                }
                (true, false) => write!(told, "; {done:.0} of {tries} {such} done by it"),
                (false, true) => write!(told, "; {other_done:.0} of {other_tries} {such} done by {name}"),
                (false, false) => Ok(()),
            };
        }
        let (usd, other_usd) = (about(own.usd), about(other.usd));
        let _ = write!(told, "; one try about {usd} against {other_usd} for {}", other.tier.word());
        told
    }
}

/// That of a tier; else the next above it, else the next below. A stronger one that costs less is better still.
fn nearest<'o>(fitting: &[&'o Alternative], tier: ModelTier) -> Option<&'o Alternative> {
    let at_or_above = fitting.iter().filter(|offer| offer.tier >= tier).min_by_key(|offer| offer.tier);
    let found = at_or_above.or_else(|| fitting.iter().max_by_key(|offer| offer.tier))?;
    let better = fitting.iter().filter(|offer| offer.tier > found.tier && offer.usd < found.usd);
    Some(better.min_by(|a, b| a.usd.total_cmp(&b.usd)).unwrap_or(found))
}

#[cfg(test)]
mod tests;
