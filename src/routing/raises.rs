//! PURE: what follows a failure here: whether it is seen and comes back for another try, and which raises to a stronger tier
//! have least hope. The estimate behind a hope is not made here.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Of the raises to come, the share with least hope that is not tried, where every failure is seen. A cascade with sure
/// checks does more than the strong tier alone, and what it does more pays for this.
const LEFT_OUT: f64 = 1.0 / 6.0;
/// Where this share of failures goes unseen, a cascade does not do more than the strong tier: then no raise is left out.
const UNSEEN_MAX: f64 = 0.1;
/// Before anything is known: so many of so many failures went unseen, enough that no raise is left out yet.
const UNSEEN_BEFORE: f64 = 0.5;
const FAILURES_BEFORE: f64 = 5.0;
/// Hopes of the last so many failures are kept, and with fewer than these no raise is left out.
const HOPES_MAX: usize = 256;
const HOPES_MIN: usize = 8;
/// A failure that was not tried again until so many others waited counts as one that went unseen.
const WAITING_MAX: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Raises {
    /// Failures that came back for another try.
    raised: f64,
    /// Failures that were told, and then the next piece of work came.
    unseen: f64,
    /// The piece of work that was routed last; whether its failure was told since.
    last: Option<u64>,
    last_failed: bool,
    /// Whether it came after a failure.
    again: bool,
    /// Failures with their place on record that nobody has tried again yet, the oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    waiting: VecDeque<u64>,
    /// Of each failure: by how much the strongest tier is expected to do better there than it does on the mean.
    hopes: VecDeque<f32>,
}

impl Raises {
    /// A piece of work asks for a tier; `again` where one failed at it.
    pub fn asked(&mut self, id: u64, again: bool) {
        if again {
            self.raised += 1.0;
        } else if self.last_failed && self.last != Some(id) {
            self.unseen += 1.0;
        }
        self.last = Some(id);
        self.last_failed = false;
        self.again = again;
    }

    /// Whether a try at this piece of work comes after a failure of a weaker tier: it is then a hard one, and says little
    /// about the tier.
    pub fn was_raised(&self, id: u64) -> bool {
        self.again && self.last == Some(id)
    }

    pub fn failed(&mut self, id: u64, hope: Option<f64>) {
        self.last_failed = self.last == Some(id);
        if let Some(hope) = hope {
            self.hopes.push_back(hope as f32);
        }
        if self.hopes.len() > HOPES_MAX {
            self.hopes.pop_front();
        }
    }

    /// A failure whose record says what came before it: whatever other work ends in between, it waits for its next try.
    pub fn waits(&mut self, id: u64, hope: Option<f64>) {
        let (last, last_failed) = (self.last, self.last_failed);
        self.failed(id, hope);
        (self.last, self.last_failed) = (last, last_failed);
        if !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
            self.unseen += 1.0;
        }
    }

    /// A try ended whose record says that one failed there before.
    pub fn came_back(&mut self, id: u64) {
        self.waiting.retain(|waiting| *waiting != id);
        self.raised += 1.0;
    }

    /// What had passed its check was found wrong later.
    pub fn slipped_through(&mut self) {
        self.unseen += 1.0;
    }

    /// Whether starting low is safe here: most failures come back.
    pub fn are_usual(&self) -> bool {
        self.raised > 0.0 && self.raised >= self.unseen
    }

    /// A raise with less hope than this is not worth its price.
    pub fn hopeless_below(&self) -> f64 {
        let failures = self.unseen + self.raised + FAILURES_BEFORE;
        let unseen = (self.unseen + UNSEEN_BEFORE) / failures;
        let share = LEFT_OUT * (1.0 - unseen / UNSEEN_MAX).max(0.0);
        let mut hopes: Vec<f32> = self.hopes.iter().copied().collect();
        if hopes.len() < HOPES_MIN {
            return f64::NEG_INFINITY;
        }
        hopes.sort_by(f32::total_cmp);
        let at = (share * hopes.len() as f64) as usize;
        hopes.get(at).map_or(f64::NEG_INFINITY, |hope| f64::from(*hope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(count: u64, comes_back: impl Fn(u64) -> bool) -> Raises {
        let mut raises = Raises::default();
        for id in 0..count {
            raises.asked(id, false);
            raises.failed(id, Some(id as f64 / count as f64));
            if comes_back(id) {
                raises.asked(id, true);
            }
        }
        raises
    }

    #[test]
    fn the_least_hopeful_raises_are_left_out_where_every_failure_is_seen() {
        let all = failures(70, |_| true);
        assert!(all.are_usual());
        assert!((all.hopeless_below() - 0.13).abs() < 0.02, "{}", all.hopeless_below());
        let few = failures(5, |_| true);
        assert_eq!(few.hopeless_below(), f64::NEG_INFINITY, "nothing is known yet");
    }

    #[test]
    fn tries_of_many_pieces_of_work_may_end_in_any_order() {
        let mut raises = Raises::default();
        (0..40).for_each(|id| raises.waits(id, Some(0.1)));
        (0..40).rev().for_each(|id| raises.came_back(id));
        assert!((raises.raised, raises.unseen) == (40.0, 0.0), "{raises:?}");
        (100..180).for_each(|id| raises.waits(id, None));
        assert!((raises.raised, raises.unseen) == (40.0, 16.0), "those that nobody tries again: {raises:?}");
        raises.slipped_through();
        assert!(raises.are_usual() && raises.unseen > 16.0, "{raises:?}");
    }

    #[test]
    fn where_failures_go_unseen_every_raise_is_worth_trying() {
        let leaking = failures(70, |id| id % 5 != 0);
        assert!(leaking.are_usual());
        assert!(leaking.hopeless_below() <= 0.0, "{}", leaking.hopeless_below());
        let never = failures(70, |_| false);
        assert!(!never.are_usual(), "failures do not come back here: starting low is not safe");
    }
}
