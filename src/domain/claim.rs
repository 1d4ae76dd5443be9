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
