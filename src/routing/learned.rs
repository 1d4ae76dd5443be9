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
    /// The gain of the strong tier over the weak that was expected before any try.
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
        let [.., strong] = self.estimates(piece);
        let hope = (tier < strong.tier).then_some(strong.success - strong.mean);
        self.raises.failed(id, hope);
    }

    /// Whether the piece of work is new here.
    fn remember(&mut self, piece: &Piece<'_>, id: u64, tier: ModelTier, success: f64) -> bool {
        let known = self.recent.iter().rposition(|recent| recent.id == id);
        if known.is_none() {
            let [weak, _, strong] = self.estimates(piece);
            self.recent.push_back(Recent { id, tried: [None; 3], gain: (strong.success - weak.success) as f32 });
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

    pub fn estimates(&self, piece: &Piece<'_>) -> [Estimate; 3] {
        let weights = self.spread.weights(&piece.features.places);
        TIERS.map(|tier| self.estimate(tier, piece, &weights))
    }

    fn estimate(&self, tier: ModelTier, piece: &Piece<'_>, weights: &[f32]) -> Estimate {
        let at = index(tier);
        let before = BEFORE.get(at).copied().unwrap_or_default();
        let loss = LENGTH_LOSS.get(at).copied().unwrap_or_default() * piece.features.length;
        let Some(record) = self.tiers.get(at) else {
            return Estimate { tier, success: before, mean: before, outcomes: 0, cost: None };
        };
        let plain = record.successes / record.tries.max(1.0);
        let mean = (record.successes + BEFORE_OUTCOMES * before) / (record.tries + BEFORE_OUTCOMES);
        let words = record.words.offset(&piece.features.places, weights, plain);
        let project = record.projects.offset(piece.project, &record.project_sums);
        let kind = piece.kind.map_or(0.0, |kind| record.kinds.offset(kind, &record.kind_sums));
        let success = mean + words + GROUP_SHARE * (project + kind) - loss;
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
const SAVED_VERSION: u32 = 1;

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
        let mut other = learned.saved();
        other.version = 9;
        assert!(Learned::of(other).is_none());
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
    fn an_outcome_that_is_no_number_counts_as_a_failure() {
        let mut learned = Learned::default();
        let features = features::read("x");
        let piece = Piece { id: "a", project: "p", kind: None, features: &features };
        learned.add(&piece, ModelTier::Weak, f64::NAN, Some(f64::INFINITY));
        let [weak, ..] = learned.estimates(&piece);
        assert!(weak.success.is_finite() && weak.success < 0.5 && weak.cost.is_none(), "{weak:?}");
    }
}
