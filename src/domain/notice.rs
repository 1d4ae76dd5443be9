//! What was told to whom about an approval, and how well a channel works. Rows without an event of their own: an approval
//! does not change by being told. When to tell is not here (`notify::plan`).

use serde::Serialize;

use super::ids::{ApprovalId, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// That something waits for an answer.
    Asked,
    /// That it still waits, shortly before its time is over.
    Reminder,
    /// That it was answered, expired, or is void.
    Outcome,
    /// Of no approval: that a cap is nearly used up.
    Warning,
}

impl What {
    pub const ALL: [Self; 4] = [Self::Asked, Self::Reminder, Self::Outcome, Self::Warning];

    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Reminder => "reminder",
            Self::Outcome => "outcome",
            Self::Warning => "warning",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum NoticeState {
    /// Some process is sending it; after that time another may.
    Leased {
        until: Time,
    },
    Sent,
    /// Tried again at `again`, or given up.
    Failed {
        again: Option<Time>,
    },
}

impl NoticeState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Leased { .. } => "leased",
            Self::Sent => "sent",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One approval told to one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    pub approval: ApprovalId,
    pub channel: String,
    pub what: What,
    pub state: NoticeState,
    /// Rises with each lease; a result counts only for the newest.
    pub attempts: u32,
    /// Of the last change.
    pub at: Time,
    /// What the medium calls the message that was sent.
    pub reference: Option<String>,
    pub error: Option<String>,
}

impl Notice {
    pub fn is_due(&self, now: Time) -> bool {
        match self.state {
            NoticeState::Leased { until } => until <= now,
            NoticeState::Sent => false,
            NoticeState::Failed { again } => again.is_some_and(|again| again <= now),
        }
    }
}

/// Failures in a row at which a channel is left alone for a while.
pub const BREAKER_FAILURES: u32 = 5;
const COOL_SECONDS: u64 = 60;
const COOL_SECONDS_MAX: u64 = 15 * 60;

/// How a channel did of late, shared by all processes on a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breaker {
    /// In a row, the last ones.
    pub failures: u32,
    pub open_until: Option<Time>,
    pub error: Option<String>,
    /// Of the last result.
    pub at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// Nothing is sent until then.
    Open(Time),
    /// One message may try.
    HalfOpen,
}

impl Breaker {
    pub fn state(&self, now: Time) -> BreakerState {
        match self.open_until {
            Some(until) if until > now => BreakerState::Open(until),
            Some(_) => BreakerState::HalfOpen,
            None => BreakerState::Closed,
        }
    }

    /// After a message that was sent, or that failed.
    pub fn after(&self, failed: Option<&str>, now: Time) -> Self {
        let Some(error) = failed else { return Self { at: now, ..Self::default() } };
        let failures = self.failures.saturating_add(1);
        let open_until = failures.checked_sub(BREAKER_FAILURES).map(|beyond| {
            let seconds = COOL_SECONDS.saturating_mul(1 << beyond.min(10)).min(COOL_SECONDS_MAX);
            now.plus_seconds(seconds)
        });
        Self { failures, open_until, error: Some(error.to_owned()), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_half_opens_and_closes_by_one_success() {
        let mut breaker = Breaker::default();
        let mut now = Time(0);
        for _ in 1..BREAKER_FAILURES {
            breaker = breaker.after(Some("no"), now);
            assert_eq!(breaker.state(now), BreakerState::Closed);
        }
        breaker = breaker.after(Some("no"), now);
        assert_eq!(breaker.state(now), BreakerState::Open(Time(60_000)));
        now = Time(60_000);
        assert_eq!(breaker.state(now), BreakerState::HalfOpen);
        breaker = breaker.after(Some("no"), now);
        assert_eq!(breaker.state(now), BreakerState::Open(Time(180_000)), "twice as long after a failed try");
        for _ in 0..20 {
            breaker = breaker.after(Some("no"), now);
        }
        assert_eq!(
            breaker.state(now),
            BreakerState::Open(now.plus_seconds(COOL_SECONDS_MAX)),
            "and no longer than this"
        );
        assert_eq!(breaker.after(None, now).state(now), BreakerState::Closed);
    }
}
