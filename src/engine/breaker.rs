//! When an outside service is left alone: after failures in a row it is not asked for a while, then by one call at a time.
//! A pure state machine; time is an argument.

use crate::domain::ids::Time;

const FAILURES_MAX: u32 = 5;
const REST_SECONDS: u64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Time,
    },
    /// One call tries; a try that never ends counts until then.
    Trying {
        until: Time,
    },
}

impl Breaker {
    pub fn new() -> Self {
        Self::Closed { failures: 0 }
    }

    /// Whether a call may go out now, and the state after that answer.
    pub fn ask(self, now: Time) -> (bool, Self) {
        match self {
            Self::Closed { .. } => (true, self),
            Self::Open { until } | Self::Trying { until } if now >= until => {
                (true, Self::Trying { until: now.plus_seconds(REST_SECONDS) })
            }
            Self::Open { .. } | Self::Trying { .. } => (false, self),
        }
    }

    pub fn after(self, worked: bool, now: Time) -> Self {
        match self {
            _ if worked => Self::new(),
            Self::Closed { failures } if failures + 1 < FAILURES_MAX => Self::Closed { failures: failures + 1 },
            Self::Closed { .. } | Self::Open { .. } | Self::Trying { .. } => {
                Self::Open { until: now.plus_seconds(REST_SECONDS) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_each_other_as_the_table_says() {
        let at = |seconds: i64| Time(seconds * 1000);
        let (closed, open) = (|failures| Breaker::Closed { failures }, |until| Breaker::Open { until: at(until) });
        let trying = |until| Breaker::Trying { until: at(until) };
        for (state, now, goes, then) in [
            (closed(0), 0, true, closed(0)),
            (closed(4), 0, true, closed(4)),
            (open(30), 29, false, open(30)),
            (open(30), 30, true, trying(60)),
            (trying(60), 59, false, trying(60)),
            (trying(60), 60, true, trying(90)),
        ] {
            assert_eq!(state.ask(at(now)), (goes, then), "{state:?} at {now}");
        }
        for (state, worked, then) in [
            (closed(0), false, closed(1)),
            (closed(3), false, closed(4)),
            (closed(4), false, open(30)),
            (closed(4), true, closed(0)),
            (trying(60), false, open(30)),
            (trying(60), true, closed(0)),
            (open(60), true, closed(0)),
        ] {
            assert_eq!(state.after(worked, at(0)), then, "{state:?} {worked}");
        }
    }
}
