//! A person's answer about one exact thing. How people are reached is not here (`notify`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{AgentName, ApprovalId, TaskId, Time};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    /// SHA-256 over the canonical JSON of everything that was asked.
    pub digest: String,
    pub task: Option<TaskId>,
    pub phase: Option<String>,
    /// The phase visit it was asked in; it opens that visit's gate and no later one.
    pub visit: u32,
    pub about: About,
    pub ask: String,
    /// What the agent says about it; shown as its claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    #[serde(default)]
    pub not_by_author: bool,
    #[serde(default)]
    pub level: u8,
    pub requested_by: AgentName,
    pub requested_at: Time,
    pub expires_at: Time,
    pub state: ApprovalState,
}

/// What is asked: leave for a gate, or an answer to a free question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "about")]
pub enum About {
    Gate { gate: String },
    Question { choices: Vec<String> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum ApprovalState {
    Pending,
    Approved(Answer),
    Rejected(Answer),
    /// The person changed what will be done; `arguments` are the changed ones.
    Adjusted {
        #[serde(flatten)]
        answer: Answer,
        arguments: Value,
    },
    Expired {
        at: Time,
    },
    Cancelled {
        at: Time,
        why: String,
    },
    Consumed {
        #[serde(flatten)]
        answer: Answer,
        consumed_at: Time,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    pub by: AgentName,
    pub at: Time,
    /// How well it is proved that a person answered: 0 recorded only, 1 kept from the agent, 2 signed by key, 3 by passkey.
    pub level: u8,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
}

/// A change that the state it met does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an approval that is {from} cannot be {act}")]
pub struct WrongApprovalState {
    pub from: &'static str,
    pub act: &'static str,
}

impl ApprovalState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Rejected(_) => "rejected",
            Self::Adjusted { .. } => "adjusted",
            Self::Expired { .. } => "expired",
            Self::Cancelled { .. } => "cancelled",
            Self::Consumed { .. } => "consumed",
        }
    }

    pub fn is_pending(&self) -> bool {
        *self == Self::Pending
    }

    /// Waiting for an answer, or holding a yes that nothing has used.
    pub fn is_unused(&self) -> bool {
        match self {
            Self::Pending | Self::Approved(_) | Self::Adjusted { .. } => true,
            Self::Rejected(_) | Self::Expired { .. } | Self::Cancelled { .. } | Self::Consumed { .. } => false,
        }
    }

    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Approved(answer)
            | Self::Rejected(answer)
            | Self::Adjusted { answer, .. }
            | Self::Consumed { answer, .. } => Some(answer),
            Self::Pending | Self::Expired { .. } | Self::Cancelled { .. } => None,
        }
    }

    fn pending(self, act: &'static str, next: Self) -> Result<Self, WrongApprovalState> {
        if self.is_pending() { Ok(next) } else { Err(WrongApprovalState { from: self.word(), act }) }
    }

    pub fn approve(self, answer: Answer) -> Result<Self, WrongApprovalState> {
        self.pending("approved", Self::Approved(answer))
    }

    pub fn reject(self, answer: Answer) -> Result<Self, WrongApprovalState> {
        self.pending("rejected", Self::Rejected(answer))
    }

    pub fn adjust(self, answer: Answer, arguments: Value) -> Result<Self, WrongApprovalState> {
        self.pending("adjusted", Self::Adjusted { answer, arguments })
    }

    pub fn expire(self, at: Time) -> Result<Self, WrongApprovalState> {
        self.pending("expired", Self::Expired { at })
    }

    /// Void: what it was asked for has changed or is gone. An unused yes can be voided too.
    pub fn cancel(self, at: Time, why: String) -> Result<Self, WrongApprovalState> {
        match self {
            Self::Pending | Self::Approved(_) | Self::Adjusted { .. } => Ok(Self::Cancelled { at, why }),
            Self::Rejected(_) | Self::Expired { .. } | Self::Cancelled { .. } | Self::Consumed { .. } => {
                Err(WrongApprovalState { from: self.word(), act: "cancelled" })
            }
        }
    }

    pub fn consume(self, at: Time) -> Result<Self, WrongApprovalState> {
        match self {
            Self::Approved(answer) | Self::Adjusted { answer, .. } => Ok(Self::Consumed { answer, consumed_at: at }),
            Self::Pending
            | Self::Rejected(_)
            | Self::Expired { .. }
            | Self::Cancelled { .. }
            | Self::Consumed { .. } => Err(WrongApprovalState { from: self.word(), act: "used" }),
        }
    }
}
