//! What work has cost: tokens by kind, money in whole micro-dollars, and the caps on it. Prices are not here (`routing`),
//! neither is what a cap keeps an agent from (`decide`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workflow::Budget;

pub const MICRO: u64 = 1_000_000;

/// Tokens of one answer of a model, each counted in one field only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Read by the model and in no cache.
    pub input: u64,
    /// Written to a cache that is kept for minutes.
    pub cache_write: u64,
    /// Written to a cache that is kept for an hour.
    pub cache_write_long: u64,
    pub cache_read: u64,
    pub output: u64,
}

impl Tokens {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a cap on tokens counts: all but what came out of a cache, which each turn reads again for little money.
    pub fn counted(&self) -> u64 {
        [self.input, self.cache_write, self.cache_write_long, self.output].into_iter().fold(0, u64::saturating_add)
    }

    /// Of two reports of one answer, the larger of each: an answer is reported again while it grows.
    pub fn most(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_long: self.cache_write_long.max(other.cache_write_long),
            cache_read: self.cache_read.max(other.cache_read),
            output: self.output.max(other.output),
        }
    }
}

/// An amount; as a wish, what is to be set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spent {
    pub micro_usd: u64,
    /// As a cap counts them.
    pub tokens: u64,
    /// Answers of a model.
    #[serde(default)]
    pub calls: u64,
}

impl Spent {
    /// Nothing when it does not fit: a sum that is too large is not a small one.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            micro_usd: self.micro_usd.checked_add(other.micro_usd)?,
            tokens: self.tokens.checked_add(other.tokens)?,
            calls: self.calls.checked_add(other.calls)?,
        })
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::MicroUsd => self.micro_usd,
            Unit::Tokens => self.tokens,
            Unit::Calls => self.calls,
            Unit::Minutes => 0,
        }
    }
}

/// What a task and everything below it has cost, and what is set aside for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    pub spent: Spent,
    pub reserved: Spent,
}

impl Account {
    /// Nothing when it does not fit.
    pub fn taken(&self) -> Option<Spent> {
        self.spent.plus(self.reserved)
    }
}

/// Caps of one task, in whole numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    pub micro_usd: Option<u64>,
    pub tokens: Option<u64>,
    pub calls: Option<u64>,
}

impl Cap {
    pub fn of(budget: &Budget) -> Self {
        Self { micro_usd: budget.usd.map(micro), tokens: budget.tokens, calls: budget.calls }
    }

    pub fn is_none(&self) -> bool {
        self.micro_usd.is_none() && self.tokens.is_none() && self.calls.is_none()
    }
}

/// What a cap is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    MicroUsd,
    Tokens,
    /// Answers of a model.
    Calls,
    /// Under a claim.
    Minutes,
}

impl Unit {
    pub fn word(self) -> &'static str {
        match self {
            Self::MicroUsd => "micro_usd",
            Self::Tokens => "tokens",
            Self::Calls => "calls",
            Self::Minutes => "minutes",
        }
    }

    pub fn amount(self, amount: u64) -> String {
        match self {
            Self::MicroUsd => dollars(amount),
            Self::Tokens => counted(amount, "token"),
            Self::Calls => counted(amount, "answer"),
            Self::Minutes => counted(amount, "minute"),
        }
    }

    /// A cap, to its last digit.
    pub fn cap(self, amount: u64) -> String {
        if self == Self::MicroUsd { exact(amount) } else { self.amount(amount) }
    }

    /// What counts against a cap: so that it does not read like the cap where it is another sum.
    pub fn against(self, amount: u64, cap: u64) -> String {
        let short = self.amount(amount);
        if amount != cap && short == self.cap(cap) { self.cap(amount) } else { short }
    }

    /// A cap of this much and nothing else.
    pub fn budget(self, amount: u64) -> Budget {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "rounded to whole micro-dollars where it is compared")]
            Self::MicroUsd => Budget { usd: Some(amount as f64 / 1e6), ..Budget::default() },
            Self::Tokens => Budget { tokens: Some(amount), ..Budget::default() },
            Self::Calls => Budget { calls: Some(amount), ..Budget::default() },
            Self::Minutes => Budget { minutes: Some(amount), ..Budget::default() },
        }
    }
}

fn counted(amount: u64, one: &str) -> String {
    if amount == 1 { format!("1 {one}") } else { format!("{amount} {one}s") }
}

/// Caps in words; "no cap" where there is none.
pub fn caps_words(budget: &Budget) -> String {
    let usd = budget.usd.map(|usd| exact(micro(usd)));
    let whole = [
        budget.tokens.map(|tokens| Unit::Tokens.amount(tokens)),
        budget.minutes.map(|minutes| Unit::Minutes.amount(minutes)),
        budget.calls.map(|calls| Unit::Calls.amount(calls)),
    ];
    let parts: Vec<String> = usd.into_iter().chain(whole.into_iter().flatten()).collect();
    if parts.is_empty() { "no cap".to_owned() } else { parts.join(", ") }
}

/// Whole micro-dollars, to the nearest; what is no amount is none at all, which caps everything.
pub fn micro(usd: f64) -> u64 {
    let most = 9.0e18;
    let exact = (usd * 1e6).round();
    if exact.is_nan() {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    let whole = exact.clamp(0.0, most) as u64;
    whole
}

/// Dollars, for people: cents where that is exact enough, more digits for small sums, all of them below a cent.
pub fn dollars(micro_usd: u64) -> String {
    let (whole, rest) = (micro_usd / MICRO, micro_usd % MICRO);
    if micro_usd < MICRO / 100 {
        exact(micro_usd)
    } else if rest.is_multiple_of(10_000) || whole >= 10 {
        // Never less than it was.
        let cents = rest.div_ceil(10_000);
        let (whole, cents) = if cents == 100 { (whole + 1, 0) } else { (whole, cents) };
        format!("${whole}.{cents:02}")
    } else {
        format!("${whole}.{:04}", rest.div_ceil(100).min(9999))
    }
}

/// To the last digit, so that no two sums read alike: what somebody has set, or decides about.
pub fn exact(micro_usd: u64) -> String {
    let digits = format!("{:06}", micro_usd % MICRO);
    let cents = digits.get(..2).unwrap_or_default();
    let more = digits.get(2..).unwrap_or_default().trim_end_matches('0');
    format!("${}.{cents}{more}", micro_usd / MICRO)
}

/// An estimate, for people: cents, and tenths of a cent below one. What costs something is never shown as nothing.
pub fn about(usd: f64) -> String {
    if usd > 0.0 && usd < 0.01 { format!("${:.3}", usd.max(0.001)) } else { format!("${usd:.2}") }
}

/// Who spent it, and on what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct On {
    /// Nothing for work outside any task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<super::ids::TaskId>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    pub agent: String,
    pub session: String,
    pub model: String,
}

/// The cost of one model for one agent in one session, task and phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    #[serde(flatten)]
    pub on: On,
    pub calls: u64,
    pub tokens: Tokens,
    pub micro_usd: u64,
    /// Of that, what was counted at the dearest known price, because the model has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub guessed_micro_usd: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One answer of a model, as its client wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The same for every report of this answer, in whatever file or session it is repeated.
    pub id: String,
    pub model: String,
    pub tokens: Tokens,
    /// The client's id of the subagent; nothing for the main thread.
    pub agent: Option<String>,
}

/// The model's service would not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub kind: LimitKind,
    /// Seconds since 1970, where the service said it exactly.
    pub resets_at: Option<i64>,
    /// What it said, in full.
    pub said: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// The plan or the account is used up until it resets.
    UsedUp,
    /// Too many requests at once.
    TooFast,
    /// The service itself is overloaded.
    Overloaded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_whole_micro_dollars_and_never_wraps() {
        for (usd, whole) in [
            (5.0, 5_000_000),
            (0.000_001, 1),
            (0.1 + 0.2, 300_000),
            (-3.0, 0),
            (f64::NAN, 0),
            (1e300, 9_000_000_000_000_000_000),
        ] {
            assert_eq!(micro(usd), whole, "{usd}");
        }
    }

    #[test]
    fn dollars_are_shown_with_cents_and_small_sums_with_more() {
        for (micro_usd, words) in [
            (0, "$0.00"),
            (5_000_000, "$5.00"),
            (1_230_000, "$1.23"),
            (12_345, "$0.0124"),
            (1, "$0.000001"),
            (4_000, "$0.004"),
            (9_999, "$0.009999"),
            (12_345_678, "$12.35"),
            (10_999_999, "$11.00"),
        ] {
            assert_eq!(dollars(micro_usd), words, "{micro_usd}");
        }
    }

    #[test]
    fn a_cap_is_told_to_its_last_digit() {
        for (usd, words) in [
            (1.0, "$1.00"),
            (1.004, "$1.004"),
            (1.0049, "$1.0049"),
            (0.004, "$0.004"),
            (0.000_001, "$0.000001"),
            (12_345.678_9, "$12345.6789"),
        ] {
            assert_eq!(caps_words(&Budget { usd: Some(usd), ..Budget::default() }), words);
        }
    }

    #[test]
    fn an_estimate_below_a_cent_is_not_shown_as_nothing() {
        for (usd, words) in [(0.0, "$0.00"), (0.000_1, "$0.001"), (0.004, "$0.004"), (0.01, "$0.01"), (1.234, "$1.23")]
        {
            assert_eq!(about(usd), words, "{usd}");
        }
    }

    #[test]
    fn a_sum_that_does_not_fit_is_nothing() {
        let much = Spent { micro_usd: u64::MAX, ..Spent::default() };
        assert_eq!(much.plus(Spent { micro_usd: 1, ..Spent::default() }), None);
        assert_eq!(much.plus(Spent::default()), Some(much));
    }

    #[test]
    fn what_came_out_of_a_cache_does_not_count_as_tokens() {
        let tokens = Tokens { input: 1, cache_write: 2, cache_write_long: 4, cache_read: 8, output: 16 };
        assert_eq!(tokens.counted(), 23);
    }
}
