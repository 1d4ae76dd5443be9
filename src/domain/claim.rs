//! A claim: one agent's exclusive right to a task. Its lease is not here: it is renewed without an event, in a table of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AgentName, Fence, HandleHash, TaskId, Time};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub agent: AgentName,
    pub fence: Fence,
    pub handle: HandleHash,
    pub since: Time,
    pub lease_seconds: u64,
    /// The model's service takes no more until then; the lease counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Time>,
}

/// The end of a session may itself renew the claim, just after it.
const END_SECONDS: u64 = 1;

impl Claim {
    /// Its holder's last session has ended, and nothing has renewed the claim since: whoever names the task need not wait for
    /// the lease to run out.
    pub fn was_left(&self, leased_until: Time, ended: Time) -> bool {
        self.parked_until.is_none() && leased_until <= ended.plus_seconds(self.lease_seconds + END_SECONDS)
    }
}

/// What a phase token says: under which claim its bearer acts, and in which visit of which phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub task: TaskId,
    pub fence: Fence,
    pub phase: String,
    pub visit: u32,
}

/// Limits of a lease, in seconds.
pub const LEASE_SECONDS_MIN: u64 = 5;
pub const LEASE_SECONDS_MAX: u64 = 24 * 60 * 60;
pub const LEASE_SECONDS_DEFAULT: u64 = 15 * 60;
