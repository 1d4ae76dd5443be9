//! A credential: who may call over HTTP, in what role, and with what grants. Its secret is never here, only the hash.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{Caller, Role};
use super::ids::{AgentName, CredentialHash, CredentialId, Time};

/// A person at the command line whose name the system does not tell, as far as the log knows.
pub const SOMEBODY: &str = "operator";
/// Of the sweeper and its like.
pub const OWN_NAME: &str = "phasegate";
/// Whoever presses the button of a link goes by its channel, behind this.
pub const OF_CHANNEL: &str = "channel:";
/// Whoever answers in the dialog of an agent's client goes by the agent, behind this.
pub const OF_CLIENT: &str = "client-of:";

/// Whether a name is one of those that persons go by who answer on such a way.
pub fn answers_elsewhere(name: &str) -> bool {
    [OF_CHANNEL, OF_CLIENT].iter().any(|begins| name.starts_with(begins))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    pub id: CredentialId,
    /// Under which its bearer works.
    pub name: AgentName,
    pub role: Role,
    pub hash: CredentialHash,
    pub grant: Grant,
    pub created_by: AgentName,
    pub created_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Time>,
}

/// What a role alone does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub capabilities: BTreeSet<String>,
    /// Only tasks of these workflows; empty: any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub workflows: BTreeSet<String>,
    /// How many tasks it may hold at once.
    pub claims: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<u32>,
}

impl Default for Grant {
    fn default() -> Self {
        Self { capabilities: BTreeSet::new(), workflows: BTreeSet::new(), claims: 1, calls_per_minute: None }
    }
}

impl Credential {
    pub fn counts(&self, now: Time) -> bool {
        self.revoked.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    pub fn caller(&self) -> Caller {
        Caller {
            capabilities: self.grant.capabilities.clone(),
            workflows: self.grant.workflows.clone(),
            claims: self.grant.claims,
            ..Caller::new(self.name.0.as_str(), self.role)
        }
    }
}

/// Who stands behind a request, whatever showed it: a credential of ours, or a token of an issuer that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub caller: Caller,
    /// Absent for tokens of an issuer.
    pub credential: Option<CredentialId>,
    pub calls_per_minute: Option<u32>,
}
