//! One run of a client, as its hooks show it: who works in it, and how well it is guarded. What it may do is not here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::canonical;
use super::ids::{AgentName, SessionId, TaskId, Time};
use super::spending::Spent;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    /// Such as `claude-code`.
    pub client: String,
    /// Who works on its main thread.
    pub agent: AgentName,
    pub guard: Guard,
    /// What makes the guard worth that, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    pub folder: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub since: Time,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subagents: BTreeMap<AgentName, SubAgent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAgent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub since: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

/// What stands between the client's own tools and the work tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Phasegate does not see its calls.
    Blind,
    /// It sees and refuses, and a hook that fails lets the call pass.
    Advisory,
    /// A hook that fails blocks the call.
    Enforced,
}

impl Guard {
    pub fn word(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Advisory => "advisory",
            Self::Enforced => "enforced",
        }
    }
}

/// How a session came to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Opened {
    Fresh,
    Resumed,
    Cleared,
    Compacted,
    /// By a call: its hooks were not there when it began.
    Midway,
}

/// What was said about a call before it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    Allow,
    /// Left to a person in front of the client.
    Ask,
    Deny,
    /// No rule decided, and no task is held: the client's own rules count.
    Left,
}

/// A call that a hook let through and whose end is awaited: what joins it to the server's view of it, and to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCall {
    /// The client's own id of it.
    pub call: String,
    pub session: SessionId,
    pub agent: AgentName,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Of tool and input, so that the same call told twice is known again.
    #[serde(default)]
    pub digest: String,
    /// The command line of a shell call as the agent wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confined: Option<String>,
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub aside: Spent,
    /// What its client was told; of a no that does not count, that it is left to the client's own rules.
    pub verdict: Judged,
}

const SUBAGENT_CHARS: usize = 12;
/// Subagents that are remembered; older ones that have ended go first.
const SUBAGENTS_MAX: usize = 200;

impl Session {
    /// The name of a subagent: its parent's, and what the client calls it; where that is long, its digest, since the front
    /// of an id may be the time of day, which subagents share.
    pub fn subagent(parent: &AgentName, id: &str) -> AgentName {
        let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if plain && (1..=SUBAGENT_CHARS).contains(&id.len()) {
            return AgentName(format!("{parent}/{id}"));
        }
        let digest = canonical::sha256(id.as_bytes());
        AgentName(format!("{parent}/{}", digest.get(..SUBAGENT_CHARS).unwrap_or(&digest)))
    }

    pub fn add_subagent(&mut self, name: AgentName, subagent: SubAgent) {
        self.subagents.insert(name, subagent);
        while self.subagents.len() > SUBAGENTS_MAX {
            let oldest = self.subagents.iter().min_by_key(|(_, known)| (known.ended.is_none(), known.since));
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            self.subagents.remove(&name);
        }
    }
}
