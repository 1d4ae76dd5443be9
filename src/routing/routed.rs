//! PURE: the model for a piece of work, within what its phase, its context and its budget allow: by what was learned here, or by
//! the score where too little is known. Every choice says why, in numbers.

use std::fmt::Write;

use super::catalogue::{Catalogue, Model};
use super::choice::{Choice, Why};
use super::features::{self, Features};
use super::learned::{Estimate, Learned, Piece, TIERS, index};
use super::router::{Circumstances, Decided, considered};
use super::{estimate, raise, route, word};
use crate::domain::decide::route::is_verified;
use crate::domain::preference::Preferences;
use crate::domain::route::{Alternative, Route, ToRoute};
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
    if let Some(local) = local {
        picked.tier = local.tier;
    }
    let mut reason = format!("{} tier: {}{}", word(picked.tier), picked.why, place.numbers(picked.tier));
    if let Some(local) = local {
        let _ = write!(reason, "; {} runs on your own machine", local.name);
    }
    let model = local.map(|model| model.name_for(known.client));
    let model = model.or_else(|| place.offer(picked.tier).map(|offer| offer.name.clone()));
    let bound = route.bound.map(|_| format!("the phase sets {}", word(picked.tier)));
    Some(Route { tier: picked.tier, reason, bound, model, alternatives: place.alternatives(), ..route })
}

/// A tier, and why.
struct Picked {
    tier: ModelTier,
    why: String,
}

/// What a tier has for this work.
#[derive(Clone, Debug)]
struct Offer {
    tier: ModelTier,
    name: String,
    /// One try, by the estimate.
    usd: f64,
}

/// A piece of work, and what there is for it.
struct Place<'a> {
    asked: &'a ToRoute<'a>,
    known: &'a Known<'a>,
    piece: Option<Piece<'a>>,
    /// Where enough is known.
    estimates: Option<[Estimate; 3]>,
    /// By tier, the weakest first.
    offers: Vec<Offer>,
}

impl<'a> Place<'a> {
    fn of(asked: &'a ToRoute<'a>, known: &'a Known<'a>, features: Option<&'a Features>, complexity: f64) -> Self {
        let kind = asked.work.kind.as_deref();
        let piece = features.map(|features| Piece { id: &asked.id, project: &asked.project, kind, features });
        let window = asked.work.context_tokens.unwrap_or(0);
        let offers = TIERS.into_iter().filter_map(|tier| {
            let model = known.catalogue.fitting(tier, known.client, window)?;
            let usd = estimate::dollars(asked.work, complexity, model);
            Some(Offer { tier, name: model.name_for(known.client), usd })
        });
        let estimates = piece.as_ref().map(|piece| known.learned.estimates(piece));
        Self { asked, known, piece, estimates, offers: offers.collect() }
    }

    fn offer(&self, tier: ModelTier) -> Option<&Offer> {
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
            Some(failed) if tier > *failed => format!("{} failed, and the phase raises it", word(*failed)),
            _ => route
                .reason
                .split_once(": ")
                .map_or_else(|| "by complexity, as the phase sets it".to_owned(), |(_, why)| why.to_owned()),
        };
        if let (Some(left), Some(offer)) = (self.left_usd(), self.offer(tier))
            && offer.usd > left
        {
            let _ = write!(why, "; ${left:.2} of the budget are left");
        }
        Picked { tier, why }
    }

    fn free(&self, route: &Route) -> Picked {
        let cheapest = self.offers.iter().min_by(|a, b| a.usd.total_cmp(&b.usd));
        let Some(cheapest) = cheapest else {
            let why = "no model in the table takes so much context".to_owned();
            return Picked { tier: route.tier, why };
        };
        let fits = |offer: &&Offer| self.left_usd().is_none_or(|left| offer.usd <= left);
        let fitting: Vec<&Offer> = self.offers.iter().filter(fits).collect();
        if fitting.is_empty() {
            let left = self.left_usd().unwrap_or_default();
            let why = format!("the cheapest, since ${left:.2} of the budget are left and no try is likely to fit");
            return Picked { tier: cheapest.tier, why };
        }
        let picked = match self.asked.failed.iter().max() {
            Some(highest) => self.again(*highest, &fitting),
            None => self.first(route, &fitting),
        };
        self.sparing(picked, &fitting)
    }

    fn first(&self, route: &Route, fitting: &[&Offer]) -> Picked {
        let scored = nearest(fitting, route.tier).map_or(route.tier, |offer| offer.tier);
        let complexity = match self.asked.work.failed_attempts.unwrap_or(0) {
            0 if scored == route.tier => "by complexity".to_owned(),
            0 => format!("by complexity it were {}, which does not fit", word(route.tier)),
            failed => format!("{failed} tries failed before"),
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
                        Picked { tier, why: format!("by outcomes here, {} does such work too seldom", word(scored)) }
                    }
                    tier if tier < scored => Picked {
                        tier,
                        why: format!("by outcomes here, {} gains too little for its price", word(scored)),
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
    fn again(&self, highest: ModelTier, fitting: &[&Offer]) -> Picked {
        let decided = self.considered(self.asked.failed, fitting);
        let next = fitting.iter().find(|offer| offer.tier > highest).map(|offer| offer.tier);
        let (tier, why) = match decided {
            Some(decided) => (decided.choice.tier, decided.choice.why),
            None => (next, next.map_or(Why::NoneLeft, |_| Why::Raised)),
        };
        let stays = self.offer(highest).or(self.offers.last()).map_or(highest, |offer| offer.tier);
        let better = "a person, or smaller tasks, will do better";
        match tier {
            Some(tier) => Picked { tier, why: format!("{} failed at it", word(highest)) },
            None if why == Why::Hopeless => {
                let above = next.map_or("a stronger one", word);
                Picked { tier: stays, why: format!("it failed, and {above} fails at such work too; {better}") }
            }
            None if self.offers.iter().any(|offer| offer.tier > highest) => {
                let left = self.left_usd().unwrap_or_default();
                Picked {
                    tier: stays,
                    why: format!("it failed, and a stronger one costs more than the ${left:.2} left"),
                }
            }
            None => Picked { tier: stays, why: format!("no stronger tier is left; {better}") },
        }
    }

    /// The same, unless the budget is nearly used up and a cheaper tier is expected to do about as well.
    fn sparing(&self, picked: Picked, fitting: &[&Offer]) -> Picked {
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
                let dearer = word(picked.tier);
                let why = format!(
                    "{percent} % of the budget is taken, and {dearer} is expected to gain little ({more:.2} against {less:.2})"
                );
                Picked { tier, why }
            }
        }
    }

    /// By what was learned, where that is enough.
    fn considered(&self, failed: &[ModelTier], fitting: &[&Offer]) -> Option<Decided> {
        let piece = self.piece.as_ref()?;
        let verified = self.asked.phase.is_some_and(is_verified);
        let explore = self.known.preferences.explore.filter(|_| verified);
        let around = Circumstances { costs: self.costs(fitting), failed, checked: verified, explore };
        Some(considered(self.known.learned, piece, &around))
    }

    /// What tries cost, where only some tiers were tried: estimates of the others are as far off as those of the tried ones.
    fn costs(&self, fitting: &[&Offer]) -> [Option<f64>; 3] {
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
        let window = self.asked.work.context_tokens.unwrap_or(0);
        let failed = self.asked.failed.iter().max();
        let fits = |model: &&Model| {
            let strong_enough = failed.is_none_or(|failed| model.tier > *failed);
            let allowed = if fixed { model.tier == tier } else { model.tier <= tier && strong_enough };
            allowed && model.window >= window && model.tools && model.runs_in(self.known.client)
        };
        // Of equal ones the first, as it stands in the table.
        self.known.local.iter().rev().filter(fits).max_by_key(|model| model.tier)
    }

    fn alternatives(&self) -> Vec<Alternative> {
        let told = |success: f64| (success * 100.0).round() / 100.0;
        let mut all: Vec<Alternative> = self
            .offers
            .iter()
            .map(|offer| Alternative {
                tier: offer.tier,
                model: offer.name.clone(),
                usd: offer.usd,
                success: self.expected(offer.tier).map(|estimate| told(estimate.success)),
            })
            .collect();
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
            let of_kind = kind.filter(|kind| [own, other].iter().all(|one| learned.done(one.tier, Some(kind)).1 > 0.0));
            let such = if of_kind.is_some() { "such tasks" } else { "all tasks" };
            let (done, tries) = learned.done(own.tier, of_kind);
            let (other_done, other_tries) = learned.done(other.tier, of_kind);
            let name = word(other.tier);
            let _ = match (tries > 0.0, other_tries > 0.0) {
                (true, true) => {
                    write!(told, "; {done:.0} of {tries} {such} done by it, {other_done:.0} of {other_tries} by {name}")
                }
                (true, false) => write!(told, "; {done:.0} of {tries} {such} done by it"),
                (false, true) => write!(told, "; {other_done:.0} of {other_tries} {such} done by {name}"),
                (false, false) => Ok(()),
            };
        }
        let _ = write!(told, "; one try about ${:.2} against ${:.2} for {}", own.usd, other.usd, word(other.tier));
        told
    }
}

/// That of a tier; else the next above it, else the next below. A stronger one that costs less is better still.
fn nearest<'o>(fitting: &[&'o Offer], tier: ModelTier) -> Option<&'o Offer> {
    let at_or_above = fitting.iter().filter(|offer| offer.tier >= tier).min_by_key(|offer| offer.tier);
    let found = at_or_above.or_else(|| fitting.iter().max_by_key(|offer| offer.tier))?;
    let better = fitting.iter().filter(|offer| offer.tier > found.tier && offer.usd < found.usd);
    Some(better.min_by(|a, b| a.usd.total_cmp(&b.usd)).unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use ModelTier::{Base, Strong, Weak};

    use super::*;
    use crate::domain::ids::AgentName;
    use crate::domain::route::Work;
    use crate::domain::workflow::{Budget, Gate, GateKind, Phase};

    fn taught(rows: [(u32, u32); 3]) -> Learned {
        let mut learned = Learned::default();
        let features = features::read("mend the parser");
        for (tier, (done, tries)) in TIERS.into_iter().zip(rows) {
            for n in 0..tries {
                let id = format!("{tier:?}-{n}");
                let piece = Piece { id: &id, project: "", kind: Some("feature"), features: &features };
                learned.tell(&piece, tier, f64::from(u8::from(n < done)), None, false);
            }
        }
        learned
    }

    fn phase(verified: bool, model: Option<ModelChoice>) -> Phase {
        let kind =
            GateKind::Command { argv: vec!["true".to_owned()], within_seconds: 60, fresh: false, observed: false };
        let exit = verified.then(|| Gate { id: "test".to_owned(), kind }).into_iter().collect();
        Phase { name: "build".to_owned(), model, exit, ..Phase::default() }
    }

    struct Case {
        learned: Learned,
        preferences: Preferences,
        phase: Phase,
        failed: Vec<ModelTier>,
        left: Option<f64>,
        taken: u64,
        work: Work,
        client: &'static str,
        local: Vec<Model>,
    }

    impl Case {
        fn new(rows: [(u32, u32); 3]) -> Self {
            let work = Work {
                kind: Some("feature".to_owned()),
                description: Some("mend the parser".to_owned()),
                ..Work::default()
            };
            Self {
                learned: taught(rows),
                preferences: Preferences::default(),
                phase: phase(false, None),
                failed: Vec::new(),
                left: None,
                taken: 0,
                work,
                client: "claude-code",
                local: Vec::new(),
            }
        }

        fn routed(&self) -> Option<Route> {
            let catalogue = Catalogue::built_in();
            let asked = ToRoute {
                id: "T-1/build".to_owned(),
                project: String::new(),
                work: &self.work,
                phase: Some(&self.phase),
                failed: &self.failed,
                agent: &AgentName("a".to_owned()),
                left: self.left.map(|usd| Budget { usd: Some(usd), ..Budget::default() }),
                taken_percent: self.taken,
                automatic: true,
            };
            routed(
                &asked,
                &Known {
                    learned: &self.learned,
                    preferences: &self.preferences,
                    catalogue: &catalogue,
                    local: &self.local,
                    client: self.client,
                },
            )
        }

        #[track_caller]
        fn gives(&self, tier: ModelTier, says: &str) {
            let route = self.routed().unwrap();
            assert_eq!(route.tier, tier, "{}", route.reason);
            assert!(route.reason.contains(says), "{} says not {says}", route.reason);
        }
    }

    const NONE: [(u32, u32); 3] = [(0, 0); 3];

    #[test]
    fn without_outcomes_the_score_chooses_and_nothing_is_claimed() {
        let case = Case::new(NONE);
        case.gives(Base, "by complexity; one try about $");
        assert!(case.routed().unwrap().alternatives.iter().all(|one| one.success.is_none()));
        Case::new([(3, 3), (3, 3), (3, 3)]).gives(Base, "by complexity; one try");
        let verified = Case { phase: phase(true, None), ..Case::new(NONE) };
        verified.gives(Base, "by complexity");
        for (failed, tier, says) in [
            (vec![Weak], Base, "weak failed at it"),
            (vec![Weak, Base], Strong, "base failed at it"),
            (vec![Strong], Strong, "no stronger tier is left; a person"),
        ] {
            Case { failed, ..Case::new(NONE) }.gives(tier, says);
        }
    }

    #[test]
    fn outcomes_speak_where_enough_are_known_of_the_cheaper_tier() {
        for (rows, verified, tier, says) in [
            ([(1, 12), (11, 12), (3, 3)], false, Base, "outcomes here say nothing else"),
            ([(12, 12), (12, 12), (3, 3)], false, Weak, "12 of 12 such tasks done by it, 12 of 12 by base"),
            ([(0, 12), (1, 12), (12, 12)], false, Strong, "base does such work too seldom"),
            ([(3, 3), (18, 18), (2, 2)], false, Base, "outcomes here say nothing else"),
            ([(20, 22), (0, 0), (0, 0)], false, Weak, "base gains too little for its price"),
            ([(5, 12), (8, 12), (3, 3)], true, Weak, "failures are seen here"),
        ] {
            Case { phase: phase(verified, None), ..Case::new(rows) }.gives(tier, says);
        }
        let known = Case::new([(1, 12), (11, 12), (3, 3)]).routed().unwrap();
        assert!(known.alternatives.iter().all(|one| one.success.is_some()), "{known:?}");
    }

    #[test]
    fn the_phase_comes_first() {
        let model = |raise_on_failure| Some(ModelChoice { tier: Weak, raise_on_failure });
        let rows = [(0, 30), (30, 30), (30, 30)];
        for (raises, failed, tier, says) in [
            (true, vec![], Weak, "the phase sets weak"),
            (true, vec![Weak], Base, "weak failed, and the phase raises it"),
            (true, vec![Weak, Base], Strong, "base failed, and the phase raises it"),
            (false, vec![Weak], Weak, "the phase sets weak"),
        ] {
            Case { phase: phase(true, model(raises)), failed, left: Some(0.0), ..Case::new(rows) }.gives(tier, says);
        }
    }

    #[test]
    fn a_tier_that_the_budget_cannot_pay_is_out() {
        let usd = |tier| {
            let route = Case::new(NONE).routed().unwrap();
            route.alternatives.iter().find(|one| one.tier == tier).map(|one| one.usd).unwrap()
        };
        let (weak, base) = (usd(Weak), usd(Base));
        let case = |left: f64| Case { left: Some(left), ..Case::new(NONE) };
        case(base * 1.1).gives(Base, "by complexity");
        case(base * 0.9).gives(Weak, "by complexity it were base, which does not fit");
        case(weak * 0.5).gives(Weak, "the cheapest, since $0.0");
        Case { failed: vec![Weak], ..case(base * 0.9) }.gives(Weak, "a stronger one costs more than the $");
    }

    #[test]
    fn near_the_end_of_a_budget_a_dearer_tier_must_gain_something() {
        let even = [(0, 12), (11, 12), (12, 12)];
        for (rows, taken, failed, tier) in [
            (even, 79, vec![Weak], Strong),
            ([(0, 12), (9, 12), (12, 12)], 80, vec![Weak], Strong),
            ([(11, 12), (12, 12), (12, 12)], 95, vec![], Weak),
        ] {
            let case = Case { taken, failed, ..Case::new(rows) };
            let route = case.routed().unwrap();
            if taken >= 80 && tier == Weak {
                case.gives(Weak, "of the budget is taken");
            } else {
                assert!(route.tier >= Base, "{}", route.reason);
            }
        }
    }

    #[test]
    fn a_raise_without_hope_is_left_out_and_said() {
        let mut case = Case { phase: phase(true, None), failed: vec![Weak], ..Case::new(NONE) };
        // The strong tier does what is plain, and fails at deadlocks; every failure came back.
        for n in 0..80_u32 {
            let hard = n % 4 == 0;
            let features =
                features::read(if hard { "a deadlock of the scheduler" } else { "rename a field of a form" });
            let id = format!("T-{n}");
            let piece = Piece { id: &id, project: "", kind: Some("feature"), features: &features };
            case.learned.tell(&piece, Weak, f64::from(u8::from(n % 4 > 1)), Some(0.03), false);
            if n % 4 <= 1 {
                case.learned.tell(&piece, Strong, f64::from(u8::from(!hard)), Some(0.9), true);
            }
            let alone = format!("S-{n}");
            case.learned.tell(&Piece { id: &alone, ..piece }, Strong, f64::from(u8::from(!hard)), Some(0.9), false);
        }
        case.work.description = Some("another deadlock of the scheduler".to_owned());
        case.gives(Weak, "fails at such work too; a person, or smaller tasks");
        case.work.description = Some("rename one more field of a form".to_owned());
        assert!(case.routed().unwrap().tier > Weak);
    }

    #[test]
    fn a_local_model_comes_first_only_where_that_is_wished_and_it_can_run() {
        let own = |name: &str, tier, window| Model {
            name: name.to_owned(),
            maker: "own".to_owned(),
            tier,
            window,
            local: true,
            ..Catalogue::built_in().find("gpt-oss:20b").cloned().unwrap()
        };
        let local = vec![own("small", Weak, 32_000), own("middle", Base, 64_000), own("middle-2", Base, 64_000)];
        let first = Preferences { local_first: true, ..Preferences::default() };
        let case = || Case { local: local.clone(), client: "cursor", preferences: first.clone(), ..Case::new(NONE) };
        let model = |case: &Case| case.routed().unwrap().model.unwrap();
        assert_eq!(model(&case()), "middle");
        assert_eq!(model(&Case { client: "claude-code", ..case() }), "sonnet", "it runs no others");
        assert_eq!(model(&Case { preferences: Preferences::default(), ..case() }), "claude-sonnet-5-5");
        let large = Work { context_tokens: Some(50_000), ..case().work };
        assert_eq!(model(&Case { work: large, ..case() }), "middle");
        let failed = Case { failed: vec![Base], ..case() };
        assert_eq!(failed.routed().unwrap().tier, Strong, "what failed is not tried again");
    }

    #[test]
    fn what_no_model_can_hold_is_said_and_nobody_is_routed_against_the_settings() {
        let huge = Work { context_tokens: Some(90_000_000), ..Case::new(NONE).work };
        let case = Case { work: huge, ..Case::new(NONE) };
        assert!(case.routed().unwrap().model.is_none());
        case.gives(case.routed().unwrap().tier, "no model in the table takes so much context");
        let off = Preferences { automatic: false, ..Preferences::default() };
        assert_eq!(Case { preferences: off, ..Case::new(NONE) }.routed(), None);
    }

    #[test]
    fn exploration_repeats_itself_by_seed_and_needs_checks() {
        let tiers = |seed: u64, verified| {
            let preferences = Preferences { explore: Some(seed), ..Preferences::default() };
            let case = Case { preferences, phase: phase(verified, None), ..Case::new([(0, 30), (5, 6), (2, 3)]) };
            case.routed().unwrap().tier
        };
        let seen: std::collections::BTreeSet<ModelTier> = (0..200).map(|seed| tiers(seed, true)).collect();
        assert!(seen.len() > 1, "{seen:?}");
        assert!((0..50).all(|seed| tiers(seed, true) == tiers(seed, true)));
        let unchecked: std::collections::BTreeSet<ModelTier> = (0..200).map(|seed| tiers(seed, false)).collect();
        assert_eq!(unchecked.len(), 1);
    }
}
