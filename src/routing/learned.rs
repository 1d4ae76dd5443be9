//! PURE: what the outcomes recorded in one workspace teach: success by tier, project, task type and words, and what tries
//! cost. Small, kept as JSON, never mixed between workspaces; nothing in it was trained anywhere else.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::features::Features;
use super::foresight::Foresight;
use super::memory::{Memory, Sums};
use super::model::{Spread, TextModel};
use super::raises::Raises;
use crate::domain::route::SOLVED_FROM;
use crate::domain::workflow::ModelTier;

pub const TIERS: [ModelTier; 3] = [ModelTier::Weak, ModelTier::Base, ModelTier::Strong];

/// Success believed of a tier before anything is recorded, and how many outcomes that belief weighs.
const BEFORE: [f64; 3] = [0.5, 0.6, 0.7];
const BEFORE_OUTCOMES: f64 = 2.0;
/// How far a project's and a task type's own record count beside the words, which know much of it too.
const GROUP_SHARE: f64 = 0.3;
/// Weak tiers lose so much success, for each e-fold of a short question's length: longer questions take more steps.
const LENGTH_LOSS: [f64; 3] = [0.05, 0.025, 0.0];
/// Estimates never claim certainty.
const SURE: f64 = 0.02;
/// Tries of the last so many pieces of work are remembered by id, to know what follows a failure.
const RECENT_MAX: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct Learned {
    tiers: [TierRecord; 3],
    spread: Spread,
    recent: VecDeque<Recent>,
    pub raises: Raises,
    pub foresight: Foresight,
}

#[derive(Clone, Debug, Default)]
struct TierRecord {
    tries: f64,
    successes: f64,
    cost: f64,
    costed: f64,
    words: TextModel,
    projects: Memory,
    project_sums: Sums,
    kinds: Memory,
    kind_sums: Sums,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Recent {
    id: u64,
    /// Thousandths of success, by tier.
    tried: [Option<u16>; 3],
    /// How much more than on the mean the strong tier was expected to gain over the weak, before any try. What tiers do on
    /// the mean changes with every outcome and is no foresight.
    gain: f32,
}

/// One piece of work, as far as learning sees it.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    pub id: &'a str,
    pub project: &'a str,
    pub kind: Option<&'a str>,
    pub features: &'a Features,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub tier: ModelTier,
    /// The chance that this tier does this piece of work.
    pub success: f64,
    /// What it does on all work, and how many outcomes say so.
    pub mean: f64,
    pub outcomes: u64,
    /// What a try costs here in dollars, where tries were costed.
    pub cost: Option<f64>,
}

impl Estimate {
    /// By how much it is expected to do better here than on all work.
    pub fn over_mean(&self) -> f64 {
        self.success - self.mean
    }
}

pub fn index(tier: ModelTier) -> usize {
    match tier {
        ModelTier::Weak => 0,
        ModelTier::Base => 1,
        ModelTier::Strong => 2,
    }
}

impl Learned {
    /// `success` from 0 to 1; `cost` in dollars.
    pub fn add(&mut self, piece: &Piece<'_>, tier: ModelTier, success: f64, cost: Option<f64>) {
        let success = if success.is_finite() { success.clamp(0.0, 1.0) } else { 0.0 };
        let id = hash(piece.id);
        if success < SOLVED_FROM {
            self.failed(piece, id, tier);
        }
        if self.raises.was_raised(id) {
            return;
        }
        self.count(piece, id, tier, success, cost);
    }

    /// A try whose record says whether one failed at this piece of work before; others may have ended in between. Of two
    /// words about the same try the later one holds, such as that of a review about work that its check let pass.
    pub fn tell(&mut self, piece: &Piece<'_>, tier: ModelTier, success: f64, cost: Option<f64>, again: bool) {
        let success = if success.is_finite() { success.clamp(0.0, 1.0) } else { 0.0 };
        let id = hash(piece.id);
        if again {
            self.raises.came_back(id);
        }
        if success < SOLVED_FROM {
            let hope = self.hope(piece, tier);
            self.raises.waits(id, hope);
        }
        if again {
            return;
        }
        let recent = self.recent.iter().rev().find(|recent| recent.id == id);
        let before = recent.and_then(|recent| recent.tried.get(index(tier)).copied().flatten());
        match before.map(|thousandths| f64::from(thousandths) / 1000.0) {
            None => self.count(piece, id, tier, success, cost),
            Some(before) => {
                if before >= SOLVED_FROM && success < SOLVED_FROM {
                    self.raises.slipped_through();
                }
                self.amend(piece, tier, success - before);
                self.remember(piece, id, tier, success);
            }
        }
    }

    fn amend(&mut self, piece: &Piece<'_>, tier: ModelTier, by: f64) {
        if let Some(record) = self.tiers.get_mut(index(tier)) {
            record.successes = (record.successes + by).clamp(0.0, record.tries);
            record.words.amend(&piece.features.places, by);
            record.projects.amend(piece.project, by, &mut record.project_sums);
            if let Some(kind) = piece.kind {
                record.kinds.amend(kind, by, &mut record.kind_sums);
            }
        }
    }

    fn count(&mut self, piece: &Piece<'_>, id: u64, tier: ModelTier, success: f64, cost: Option<f64>) {
        if self.remember(piece, id, tier, success) {
            self.spread.add(&piece.features.places);
        }
        if let Some(record) = self.tiers.get_mut(index(tier)) {
            record.tries += 1.0;
            record.successes += success;
            if let Some(cost) = cost.filter(|cost| cost.is_finite() && *cost >= 0.0) {
                record.cost += cost;
                record.costed += 1.0;
            }
            record.words.add(&piece.features.places, success);
            record.projects.add(piece.project, success, &mut record.project_sums);
            if let Some(kind) = piece.kind {
                record.kinds.add(kind, success, &mut record.kind_sums);
            }
        }
    }

    fn failed(&mut self, piece: &Piece<'_>, id: u64, tier: ModelTier) {
        let hope = self.hope(piece, tier);
        self.raises.failed(id, hope);
    }

    /// By how much the strongest tier is expected to do better at this than it does on the mean.
    fn hope(&self, piece: &Piece<'_>, tier: ModelTier) -> Option<f64> {
        let [.., strong] = self.estimates(piece);
        (tier < strong.tier).then(|| strong.over_mean())
    }

    /// Whether the piece of work is new here.
    fn remember(&mut self, piece: &Piece<'_>, id: u64, tier: ModelTier, success: f64) -> bool {
        let known = self.recent.iter().rposition(|recent| recent.id == id);
        if known.is_none() {
            let [weak, _, strong] = self.estimates(piece);
            let gain = strong.over_mean() - weak.over_mean();
            self.recent.push_back(Recent { id, tried: [None; 3], gain: gain as f32 });
            if self.recent.len() > RECENT_MAX {
                self.recent.pop_front();
            }
        }
        let at = known.unwrap_or(self.recent.len().saturating_sub(1));
        if let Some(recent) = self.recent.get_mut(at) {
            let before = recent.tried;
            if let Some(tried) = recent.tried.get_mut(index(tier)) {
                *tried = Some((success * 1000.0).round() as u16);
            }
            if let ([Some(weak), _, Some(strong)], true) =
                (recent.tried, before != recent.tried && tier != ModelTier::Base)
            {
                let gain = (f64::from(strong) - f64::from(weak)) / 1000.0;
                self.foresight.add(f64::from(recent.gain), gain);
            }
        }
        known.is_none()
    }

    pub fn outcomes(&self) -> u64 {
        self.tiers.iter().map(|record| record.tries as u64).sum()
    }

    /// How much of the work of a type (of all work, where none is said) a tier did, of how much.
    pub fn done(&self, tier: ModelTier, kind: Option<&str>) -> (f64, f64) {
        self.tiers.get(index(tier)).map_or((0.0, 0.0), |record| match kind {
            None => (record.successes, record.tries),
            Some(kind) => {
                let of_kind = record.kinds.record(kind);
                (of_kind.successes, of_kind.tries)
            }
        })
    }

    pub fn estimates(&self, piece: &Piece<'_>) -> [Estimate; 3] {
        let weights = self.spread.weights(&piece.features.places);
        let projects = self.of_group(|record| record.projects.offset(piece.project, &record.project_sums));
        let kinds = self.of_group(|record| record.kinds.offset(piece.kind?, &record.kind_sums));
        TIERS.map(|tier| {
            let groups = [projects, kinds].iter().filter_map(|group| group.get(index(tier))).sum();
            self.estimate(tier, piece, &weights, groups)
        })
    }

    /// How much better or worse each tier does in a group: by its own record there, and by those of all tiers together. What
    /// is hard for one tier is hard for the others, as far as each of them is neither sure to do it nor sure to fail.
    fn of_group(&self, offset: impl Fn(&TierRecord) -> Option<f64>) -> [f64; 3] {
        let own = self.tiers.each_ref().map(offset);
        // How much a tier's chance moves when work gets easier: most where it is one half, not at all where it is 0 or 1.
        let moves = TIERS.map(|tier| self.mean(tier) * (1.0 - self.mean(tier)));
        let known = own.iter().zip(moves).filter_map(|(own, moves)| own.map(|own| (own, moves)));
        let (all, of) = known.fold((0.0, 0.0), |(all, of), (own, moves)| (all + own, of + moves));
        let easier = if of > 0.0 { all / of } else { 0.0 };
        let mut groups = moves.map(|moves| moves * easier);
        groups.iter_mut().zip(own).for_each(|(group, own)| *group += own.unwrap_or_default());
        groups
    }

    /// What a tier does on all work.
    fn mean(&self, tier: ModelTier) -> f64 {
        let before = BEFORE.get(index(tier)).copied().unwrap_or_default();
        let (successes, tries) = self.done(tier, None);
        (successes + BEFORE_OUTCOMES * before) / (tries + BEFORE_OUTCOMES)
    }

    fn estimate(&self, tier: ModelTier, piece: &Piece<'_>, weights: &[f32], groups: f64) -> Estimate {
        let mean = self.mean(tier);
        let Some(record) = self.tiers.get(index(tier)) else {
            return Estimate { tier, success: mean, mean, outcomes: 0, cost: None };
        };
        let plain = record.successes / record.tries.max(1.0);
        let words = record.words.offset(&piece.features.places, weights, plain);
        let loss = LENGTH_LOSS.get(index(tier)).copied().unwrap_or_default() * piece.features.length;
        let success = mean + words + GROUP_SHARE * groups - loss;
        Estimate {
            tier,
            success: success.clamp(SURE, 1.0 - SURE),
            mean,
            outcomes: record.tries as u64,
            cost: (record.costed > 0.0).then(|| record.cost / record.costed),
        }
    }
}

/// FNV-1a, 64 bits: the same in every process and version.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The form in which it is kept and exported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    tiers: Vec<SavedTier>,
    spread: Vec<(u16, f32)>,
    recent: VecDeque<Recent>,
    raises: Raises,
    foresight: Foresight,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTier {
    tier: ModelTier,
    tries: f64,
    successes: f64,
    cost: f64,
    costed: f64,
    projects: Memory,
    kinds: Memory,
    words: Vec<(u16, f32, f32)>,
}

/// Of the saved form; another one is not read, since its sums would mean something else.
const SAVED_VERSION: u32 = 2;

impl Learned {
    pub fn saved(&self) -> Saved {
        let tiers = TIERS.iter().zip(&self.tiers).map(|(tier, record)| SavedTier {
            tier: *tier,
            tries: record.tries,
            successes: record.successes,
            cost: record.cost,
            costed: record.costed,
            projects: record.projects.clone(),
            kinds: record.kinds.clone(),
            words: record.words.saved(),
        });
        Saved {
            version: SAVED_VERSION,
            tiers: tiers.collect(),
            spread: self.spread.saved(),
            recent: self.recent.clone(),
            raises: self.raises.clone(),
            foresight: self.foresight,
        }
    }

    /// Nothing where it is of another version.
    pub fn of(saved: Saved) -> Option<Self> {
        if saved.version != SAVED_VERSION {
            return None;
        }
        let mut learned = Self {
            spread: Spread::of(&saved.spread),
            recent: saved.recent,
            raises: saved.raises,
            foresight: saved.foresight,
            ..Self::default()
        };
        learned.recent.truncate(RECENT_MAX);
        for tier in saved.tiers {
            if let Some(record) = learned.tiers.get_mut(index(tier.tier)) {
                let tries = tier.tries.max(0.0);
                *record = TierRecord {
                    tries,
                    successes: tier.successes.clamp(0.0, tries),
                    cost: tier.cost.max(0.0),
                    costed: tier.costed.max(0.0),
                    words: TextModel::of(&tier.words),
                    project_sums: tier.projects.sums(),
                    projects: tier.projects,
                    kind_sums: tier.kinds.sums(),
                    kinds: tier.kinds,
                };
            }
        }
        Some(learned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::features;
    use super::*;

    fn taught() -> Learned {
        let mut learned = Learned::default();
        for n in 0..60_u32 {
            let id = format!("T-{n}");
            let hard = n % 2 == 0;
            let features = features::read(if hard { "proof of a deadlock" } else { "rename a field" });
            let project = if n % 3 == 0 { "core" } else { "docs" };
            let piece = Piece { id: &id, project, kind: Some("bugfix"), features: &features };
            learned.add(&piece, ModelTier::Weak, f64::from(u8::from(!hard)), Some(0.01));
            learned.add(&piece, ModelTier::Strong, 1.0, Some(1.0));
        }
        learned
    }

    fn gain(learned: &Learned, text: &str) -> f64 {
        let features = features::read(text);
        let [weak, _, strong] = learned.estimates(&Piece { id: "x", project: "new", kind: None, features: &features });
        strong.success - weak.success
    }

    #[test]
    fn words_tell_where_the_strong_tier_gains() {
        let learned = taught();
        let (hard, easy) = (gain(&learned, "a deadlock, proof wanted"), gain(&learned, "rename this field"));
        assert!(hard > easy + 0.3, "{hard} {easy}");
        assert!(learned.foresight.is_shown(), "{:?}", learned.foresight);
        assert!(!Learned::default().foresight.is_shown());
    }

    #[test]
    fn what_was_saved_decides_the_same() {
        let learned = taught();
        let json = serde_json::to_string(&learned.saved()).unwrap();
        let back = Learned::of(serde_json::from_str(&json).unwrap()).unwrap();
        for text in ["a deadlock", "rename", "something else"] {
            assert!((gain(&learned, text) - gain(&back, text)).abs() < 1e-6, "{text}");
        }
        assert_eq!(back.outcomes(), 120);
        for version in [1, 9] {
            assert!(Learned::of(Saved { version, ..learned.saved() }).is_none(), "{version}");
        }
    }

    #[test]
    fn a_project_that_is_hard_for_one_tier_is_hard_for_the_others() {
        let mut learned = taught();
        let features = features::read("mend the parser");
        let piece = |id, project| Piece { id, project, kind: None, features: &features };
        let ids: Vec<String> = (0..40).map(|n| format!("P-{n}")).collect();
        for (n, id) in ids.iter().enumerate() {
            let (project, success) = if n % 2 == 0 { ("hard", 0.0) } else { ("core", 1.0) };
            learned.add(&piece(id, project), ModelTier::Base, success, None);
        }
        let expected = |project| learned.estimates(&piece("x", project)).map(|tier| tier.success);
        let ([weak, base, strong], [new_weak, new_base, new_strong]) = (expected("hard"), expected("new"));
        assert!(base < new_base - 0.1, "its own record: {base} {new_base}");
        assert!(weak < new_weak - 0.03, "that of another: {weak} {new_weak}");
        assert!(strong <= new_strong && new_strong - strong < 0.03, "always does it: {strong} {new_strong}");
    }

    #[test]
    fn what_tiers_do_on_the_mean_is_no_foresight() {
        let mut learned = Learned::default();
        for n in 0..40 {
            let (id, features) = (format!("T-{n}"), features::read(""));
            let piece = Piece { id: &id, project: "p", kind: None, features: &features };
            learned.add(&piece, ModelTier::Weak, 0.0, None);
            learned.add(&piece, ModelTier::Strong, 1.0, None);
        }
        let gains: Vec<f32> = learned.recent.iter().map(|recent| recent.gain).collect();
        assert!(gains.iter().all(|gain| gain.abs() < 0.2), "on the mean it goes from 0.2 to nearly 1: {gains:?}");
    }

    #[test]
    fn a_try_after_a_failure_says_nothing_about_the_tier_on_all_work() {
        let mut learned = taught();
        let features = features::read("rename a field");
        let before = gain(&learned, "rename a field");
        for n in 0..20_u32 {
            let id = format!("again-{n}");
            let piece = Piece { id: &id, project: "core", kind: None, features: &features };
            learned.raises.asked(hash(&id), true);
            learned.add(&piece, ModelTier::Strong, 0.0, None);
        }
        assert!((gain(&learned, "rename a field") - before).abs() < 1e-9);
    }

    #[test]
    fn tries_that_are_told_with_what_came_before_them_teach_in_any_order() {
        let mut learned = Learned::default();
        let features = features::read("mend the parser");
        let ids: Vec<String> = (0..30).map(|n| format!("T-{n}/build")).collect();
        let piece = |id| Piece { id, project: "p", kind: Some("bugfix"), features: &features };
        ids.iter().for_each(|id| learned.tell(&piece(id), ModelTier::Weak, 0.0, Some(0.1), false));
        ids.iter().for_each(|id| learned.tell(&piece(id), ModelTier::Strong, 1.0, Some(1.0), true));
        assert_eq!(learned.done(ModelTier::Weak, Some("bugfix")), (0.0, 30.0));
        assert_eq!(learned.done(ModelTier::Strong, None), (0.0, 0.0), "after a failure it says little about the tier");
        assert!(learned.raises.are_usual());
    }

    #[test]
    fn work_that_was_sent_back_was_not_done() {
        let mut learned = Learned::default();
        let features = features::read("mend the parser");
        let piece = Piece { id: "T-1/build", project: "p", kind: Some("bugfix"), features: &features };
        learned.tell(&piece, ModelTier::Weak, 1.0, Some(0.1), false);
        assert_eq!(learned.done(ModelTier::Weak, None), (1.0, 1.0));
        learned.tell(&piece, ModelTier::Weak, 0.0, None, false);
        assert_eq!(learned.done(ModelTier::Weak, Some("bugfix")), (0.0, 1.0), "one try, and its last word");
        assert_eq!(learned.outcomes(), 1);
        assert!(!learned.raises.are_usual(), "its check let it pass");
    }

    #[test]
    fn an_outcome_that_is_no_number_counts_as_a_failure() {
        let mut learned = Learned::default();
        let features = features::read("x");
        let piece = Piece { id: "a", project: "p", kind: None, features: &features };
        learned.add(&piece, ModelTier::Weak, f64::NAN, Some(f64::INFINITY));
        let [weak, ..] = learned.estimates(&piece);
        assert!(weak.success.is_finite() && weak.success < 0.5 && weak.cost.is_none(), "{weak:?}");
    }
}
