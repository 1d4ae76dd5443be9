//! A deferred call: one that was answered with a handle, since it takes long, and whose result is fetched later. It is the
//! protocol's record of a call, not of the work; what the call does is on record by itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{AgentName, ApprovalId, Time};

#[derive(Clone, Debug, PartialEq)]
pub struct Deferred {
    pub agent: AgentName,
    pub tool: String,
    /// Which process works on it; a call that only waits for a person needs none.
    pub process: String,
    pub approval: Option<ApprovalId>,
    pub created_at: Time,
    pub updated_at: Time,
    /// It is forgotten then.
    pub until: Time,
    pub cancelled: bool,
    pub state: DeferredState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum DeferredState {
    Working,
    /// It ended, well or with a refusal; both are results of the tool.
    Ended {
        result: Value,
    },
    /// Nobody will say how it ended.
    Lost {
        why: String,
    },
    Cancelled,
}

/// A process shows itself so often while it works on deferred calls.
pub const BEAT_SECONDS: u64 = 2;
/// One that has not for so long is gone, and what it worked on with it.
const GONE_SECONDS: u64 = 30;

impl Deferred {
    /// From when on it counts as lost, if nobody shows a sign of life.
    pub fn lost_at(&self) -> Time {
        self.updated_at.plus_seconds(GONE_SECONDS)
    }

    /// As it stands now, where no process says anything any more.
    pub fn now(&self, now: Time) -> DeferredState {
        let silent = self.lost_at() < now;
        match &self.state {
            DeferredState::Working if self.approval.is_some() && self.cancelled => DeferredState::Cancelled,
            DeferredState::Working if self.approval.is_none() && silent => DeferredState::Lost {
                why: "the server that worked on this call has ended; call the tool again".to_owned(),
            },
            state @ (DeferredState::Working
            | DeferredState::Ended { .. }
            | DeferredState::Lost { .. }
            | DeferredState::Cancelled) => state.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_works_on_any_more_is_lost_and_what_waits_for_a_person_is_not() {
        let at = Time(1_795_000_000_000);
        let call = |approval, cancelled| Deferred {
            agent: AgentName("ana".into()),
            tool: "transition_phase".into(),
            process: "p".into(),
            approval,
            created_at: at,
            updated_at: at,
            until: at.plus_seconds(1000),
            cancelled,
            state: DeferredState::Working,
        };
        let (run, waits) = (call(None, false), call(Some(ApprovalId(1)), false));
        assert_eq!(run.now(at.plus_seconds(GONE_SECONDS)), DeferredState::Working);
        assert!(matches!(run.now(at.plus_seconds(GONE_SECONDS + 1)), DeferredState::Lost { .. }));
        assert_eq!(waits.now(at.plus_seconds(900)), DeferredState::Working);
        assert_eq!(call(Some(ApprovalId(1)), true).now(at), DeferredState::Cancelled);
    }
}
