//! When a cap will be reached, by what was spent of late, and what a task like this one usually comes to. Reckoned from
//! figures alone; loading them is not here (`store`), neither is what follows from them (`decide`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{TaskId, Time};
use super::spending::{Spent, Unit};

/// The pace is that of so many minutes.
pub const WINDOW_MINUTES: u64 = 30;
/// What is spent within so long is kept as one sum.
const SLICE_MS: i64 = 2 * 60_000;
/// A pace is told of no less: the first answer of a task says little about the next.
const ANSWERS_LEAST: u64 = 3;
const PACE_MS_LEAST: i64 = 2 * 60_000;
/// What is usual is told from so many done tasks on.
pub const DONE_LEAST: usize = 5;
/// And reckoned from at most so many, the newest.
pub const DONE_MAX: usize = 200;
/// A forecast that is further off is none.
const MINUTES_MAX: u64 = 30 * 24 * 60;

/// What was spent within two minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Of the first of it.
    pub at: Time,
    #[serde(flatten)]
    pub spent: Spent,
}

impl Slice {
    fn end(&self) -> Time {
        Time(self.at.0.saturating_add(SLICE_MS))
    }
}

/// The last half hour with this on top; what is older goes.
pub fn add(recent: &mut Vec<Slice>, grown: Spent, now: Time) {
    recent.retain(|slice| slice.end() > start(now) && slice.at <= now);
    match recent.last_mut().filter(|last| last.end() > now) {
        Some(last) => last.spent = last.spent.plus(grown).unwrap_or(last.spent),
        None => recent.push(Slice { at: now, spent: grown }),
    }
}

fn start(now: Time) -> Time {
    Time(now.0.saturating_sub(i64::try_from(WINDOW_MINUTES).unwrap_or(0).saturating_mul(60_000)))
}

/// What was spent within how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub spent: Spent,
    pub ms: u64,
}

/// Of the last half hour, or since the claim where that is newer. Where nobody holds the task itself, those below it spend, and
/// the time begins with the first of it.
pub fn pace(recent: &[Slice], claimed: Option<Time>, now: Time) -> Option<Pace> {
    let from = claimed.unwrap_or_else(|| recent.first().map_or(now, |first| first.at)).max(start(now));
    let within = recent.iter().filter(|slice| slice.end() > from && slice.at <= now);
    let spent = within.fold(Spent::default(), |sum, slice| sum.plus(slice.spent).unwrap_or(sum));
    let ms = now.0.saturating_sub(from.0);
    let enough = ms >= PACE_MS_LEAST && spent.calls >= ANSWERS_LEAST;
    enough.then(|| Pace { spent, ms: u64::try_from(ms).unwrap_or(0) })
}

impl Pace {
    /// Minutes until this much more is spent; nothing at a standstill, or where that is more than a month off.
    pub fn minutes_to(&self, left: u64, unit: Unit) -> Option<u64> {
        let spent = match unit {
            Unit::MicroUsd => self.spent.micro_usd,
            Unit::Tokens => self.spent.tokens,
            Unit::Calls => self.spent.calls,
            Unit::Minutes => return None,
        };
        let ms = (u128::from(left) * u128::from(self.ms)).checked_div(u128::from(spent))?;
        u64::try_from(ms / 60_000).ok().filter(|minutes| *minutes <= MINUTES_MAX)
    }
}

/// How a cap stands, and when it will be used up at the pace of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// Whose cap it is.
    pub task: TaskId,
    pub unit: Unit,
    pub cap: u64,
    pub spent: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reserved: u64,
    /// Of the cap, spent or set aside.
    pub percent: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes_left: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Forecast {
    pub fn words(&self) -> String {
        let amount = |amount| self.unit.amount(amount);
        let aside = if self.reserved > 0 { format!(", {} set aside", amount(self.reserved)) } else { String::new() };
        let when = match self.minutes_left.filter(|_| self.percent < 100) {
            None if self.percent >= 100 => ", used up".to_owned(),
            Some(0) => ", at this pace used up within a minute".to_owned(),
            Some(1) => ", at this pace used up in about 1 minute".to_owned(),
            Some(minutes) if minutes >= 120 => format!(", at this pace used up in about {} hours", minutes / 60),
            Some(minutes) => format!(", at this pace used up in about {minutes} minutes"),
            None => String::new(),
        };
        let (spent, cap) = (self.unit.against(self.spent, self.cap), self.unit.cap(self.cap));
        format!("budget of {}: {spent} of {cap} spent{aside}{when}", self.task)
    }
}

/// What one done task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    pub spent: Spent,
    pub minutes: u64,
}

/// What done tasks of the same type and workflow came to: of each figure the median by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usual {
    /// How many it is reckoned from.
    pub tasks: u64,
    pub micro_usd: u64,
    pub tokens: u64,
    pub calls: u64,
    pub minutes: u64,
}

/// Nothing from fewer than five.
pub fn usual(done: &[Done]) -> Option<Usual> {
    if done.len() < DONE_LEAST {
        return None;
    }
    let of = |figure: &dyn Fn(&Done) -> u64| median(done.iter().map(figure).collect());
    Some(Usual {
        tasks: u64::try_from(done.len()).unwrap_or(u64::MAX),
        micro_usd: of(&|done| done.spent.micro_usd),
        tokens: of(&|done| done.spent.tokens),
        calls: of(&|done| done.spent.calls),
        minutes: of(&|done| done.minutes),
    })
}

/// The lower of the two in the middle where their number is even.
fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn cents(cents: u64) -> Spent {
        Spent { micro_usd: cents * 10_000, tokens: cents, calls: 1 }
    }

    fn at(minutes: i64) -> Time {
        Time(1_000_000_000 + minutes * MINUTE)
    }

    #[test]
    fn the_pace_is_that_of_the_last_half_hour_or_of_the_claim() {
        let mut recent = Vec::new();
        for minute in 0..60 {
            add(&mut recent, cents(2), at(minute));
        }
        assert!(recent.len() <= 17, "{}", recent.len());
        // Claimed long ago: thirty minutes, and what a slice reaches over their edge.
        let long = pace(&recent, Some(at(0)), at(60)).unwrap();
        assert_eq!((long.ms, long.spent.calls), (30 * 60_000, 30));
        assert_eq!(long.minutes_to(600_000, Unit::MicroUsd), Some(30), "two cents a minute");
        assert_eq!(long.minutes_to(10, Unit::Calls), Some(10));
        let young = pace(&recent, Some(at(50)), at(60)).unwrap();
        assert_eq!((young.ms, young.spent.calls), (10 * 60_000, 10));
        // Nobody holds it: from the first that is known.
        assert_eq!(pace(&recent, None, at(60)).unwrap().ms, 30 * 60_000);
    }

    #[test]
    fn little_says_nothing() {
        let mut recent = Vec::new();
        assert_eq!(pace(&recent, Some(at(0)), at(10)), None);
        add(&mut recent, cents(5), at(0));
        add(&mut recent, cents(5), at(1));
        assert_eq!(pace(&recent, Some(at(0)), at(10)), None, "two answers");
        add(&mut recent, cents(5), at(1));
        assert_eq!(pace(&recent, Some(at(0)), at(1)), None, "within a minute");
        assert!(pace(&recent, Some(at(0)), at(2)).is_some());
        assert_eq!(pace(&recent, Some(at(0)), at(40)), None, "at a standstill");
        let slow = Pace { spent: Spent { micro_usd: 0, tokens: 1, calls: 3 }, ms: 60_000 };
        assert_eq!((slow.minutes_to(5, Unit::MicroUsd), slow.minutes_to(u64::MAX, Unit::Tokens)), (None, None));
    }

    #[test]
    fn what_is_usual_is_the_median_of_five_or_more() {
        let done = |minutes: u64| Done { spent: cents(minutes * 10), minutes };
        let four: Vec<Done> = [9, 1, 3, 100].map(done).to_vec();
        assert_eq!(usual(&four), None);
        let five: Vec<Done> = four.iter().copied().chain([done(2)]).collect();
        let found = usual(&five).unwrap();
        assert_eq!((found.tasks, found.minutes, found.micro_usd, found.calls), (5, 3, 300_000, 1));
    }

    #[test]
    fn a_forecast_in_words() {
        let cap = Forecast {
            task: TaskId(3),
            unit: Unit::MicroUsd,
            cap: 5_000_000,
            spent: 4_100_000,
            reserved: 0,
            percent: 82,
            minutes_left: Some(12),
        };
        for (cap, words) in [
            (cap, "budget of T-3: $4.10 of $5.00 spent, at this pace used up in about 12 minutes"),
            (Forecast { minutes_left: None, ..cap }, "budget of T-3: $4.10 of $5.00 spent"),
            (
                Forecast { reserved: 100_000, minutes_left: Some(300), ..cap },
                "budget of T-3: $4.10 of $5.00 spent, $0.10 set aside, at this pace used up in about 5 hours",
            ),
            (Forecast { percent: 100, ..cap }, "budget of T-3: $4.10 of $5.00 spent, used up"),
        ] {
            assert_eq!(cap.words(), words);
        }
    }
}
