//! Deferred calls: kept before their handle is given out, looked after while somebody works on them, fetched by whose they
//! are. The handle is a secret of which only the hash is stored.

use serde_json::Value;

use crate::domain::canonical;
use crate::domain::deferred::{Deferred, DeferredState};
use crate::domain::ids::{AgentName, ApprovalId, Time};
use crate::store::{StoreError, deferred};

use super::{Engine, Failure};

/// Of one agent; whoever has so many waits for the next ones in the call.
const KEPT_PER_AGENT_MAX: usize = 256;
/// How long a result is kept.
const KEPT_SECONDS: u64 = 24 * 60 * 60;

/// What a call that was deferred has come to.
pub struct Fetched {
    pub call: Deferred,
    pub state: DeferredState,
    /// Of a call that waits for a person, once there is an answer.
    pub answered: Option<ApprovalId>,
}

impl Engine {
    /// Keeps a call and gives its handle. `None`: this agent has too many.
    pub fn defer(
        &self,
        agent: &AgentName,
        tool: &str,
        approval: Option<(ApprovalId, Time)>,
    ) -> Result<Option<(String, Deferred)>, StoreError> {
        let now = self.now();
        if self.view(|tx| deferred::count(tx, agent, now))? >= KEPT_PER_AGENT_MAX {
            return Ok(None);
        }
        let until = approval.map_or(now, |(_, expires)| expires.max(now)).plus_seconds(KEPT_SECONDS);
        let call = Deferred {
            agent: agent.clone(),
            tool: tool.to_owned(),
            process: std::process::id().to_string(),
            approval: approval.map(|(id, _)| id),
            created_at: now,
            updated_at: now,
            until,
            cancelled: false,
            state: DeferredState::Working,
        };
        let handle = format!("pgd_{}", self.clock.random_hex(32));
        deferred::put(self.backend(), hash(&handle), call.clone())?;
        Ok(Some((handle, call)))
    }

    /// A call by its handle, for whose it is; for others it is not there.
    pub fn deferred(&self, agent: &AgentName, handle: &str) -> Result<Option<Fetched>, StoreError> {
        let (now, hash) = (self.now(), hash(handle));
        let found = self.view(|tx| deferred::get(tx, &hash, now))?;
        let Some(mut call) = found.filter(|call| call.agent == *agent) else { return Ok(None) };
        let state = call.now(now);
        let mut answered = None;
        if let (DeferredState::Working, Some(id)) = (&state, call.approval) {
            // One that is not there any more has no time of its own.
            let settled = self.approval(id)?.map_or(Some(call.updated_at), |known| known.settled_at(now));
            answered = settled.map(|_| id);
            call.updated_at = settled.map_or(call.updated_at, |at| at.max(call.updated_at));
        }
        if let DeferredState::Lost { .. } = &state {
            call.updated_at = call.lost_at();
        }
        Ok(Some(Fetched { call, state, answered }))
    }

    /// Says that a call is still worked on. True where it is to be cancelled.
    pub fn beat_deferred(&self, handle: &str) -> Result<bool, StoreError> {
        let (now, hash) = (self.now(), hash(handle));
        deferred::beat(self.backend(), hash.clone(), now)?;
        Ok(self.view(|tx| deferred::get(tx, &hash, now))?.is_none_or(|call| call.cancelled))
    }

    pub fn end_deferred(&self, handle: &str, result: Value, cancelled: bool) -> Result<(), StoreError> {
        let state = if cancelled { DeferredState::Cancelled } else { DeferredState::Ended { result } };
        deferred::end(self.backend(), hash(handle), state, self.now())
    }

    /// Asks for the end of a call. Whoever works on it sees that soon; one that has ended stays as it is.
    pub fn cancel_deferred(&self, agent: &AgentName, handle: &str) -> Result<bool, Failure> {
        let Some(found) = self.deferred(agent, handle)? else { return Ok(false) };
        if found.state == DeferredState::Working {
            deferred::cancel(self.backend(), hash(handle), self.now())?;
        }
        Ok(true)
    }
}

fn hash(handle: &str) -> String {
    canonical::sha256(handle.as_bytes())
}
