//! A person's answer about one exact thing. How people are reached is not here (`notify`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approver::{Signed, Via};
use super::facts::{Caller, Role};
use super::ids::{AgentName, ApprovalId, TaskId, Time, WorkflowHash};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    /// SHA-256 over the canonical JSON of everything that was asked.
    pub digest: String,
    /// The first of those that were asked together and are answered together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<ApprovalId>,
    pub task: Option<TaskId>,
    pub phase: Option<String>,
    /// The phase visit it was asked in; it opens that visit's gate and no later one.
    pub visit: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowHash>,
    /// What was handed in by then, by digest; the answer is about this.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, String>,
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

/// What is asked: leave for a gate, leave for one exact call, or an answer to a free question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "about")]
pub enum About {
    Gate {
        gate: String,
    },
    Call {
        tool: String,
        arguments: Value,
        /// Digest of the tool's definition at a downstream server, so that a changed tool needs a new answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
    },
    Question {
        choices: Vec<String>,
    },
}

impl About {
    /// In the words of the record and the digest.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gate { .. } => "gate",
            Self::Call { .. } => "call",
            Self::Question { .. } => "question",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum ApprovalState {
    Pending,
    Approved(Answer),
    Rejected(Answer),
    /// The person changed what will be done; arguments and digest are the changed ones.
    Adjusted {
        #[serde(flatten)]
        answer: Answer,
        arguments: Value,
        digest: String,
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
        /// Where the person had changed them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
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
    #[serde(default)]
    pub via: Via,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

impl Approval {
    /// An agent is shown what it or one of its subagents asked for.
    pub fn is_shown_to(&self, caller: &Caller) -> bool {
        match caller.role {
            Role::Agent => self.requested_by.is_or_works_for(&caller.agent),
            Role::Approver | Role::Operator | Role::Auditor | Role::System => true,
        }
    }

    /// What a call must have to be the approved one: changed by the person, where the person changed it.
    pub fn effective_digest(&self) -> &str {
        match &self.state {
            ApprovalState::Adjusted { digest, .. } => digest,
            ApprovalState::Pending
            | ApprovalState::Approved(_)
            | ApprovalState::Rejected(_)
            | ApprovalState::Expired { .. }
            | ApprovalState::Cancelled { .. }
            | ApprovalState::Consumed { .. } => &self.digest,
        }
    }

    /// The call as it may run, for approvals of calls: with the arguments that a person changed, where one did.
    pub fn call(&self) -> Option<(&str, &Value)> {
        let About::Call { tool, arguments, .. } = &self.about else { return None };
        match &self.state {
            ApprovalState::Adjusted { arguments, .. } | ApprovalState::Consumed { arguments: Some(arguments), .. } => {
                Some((tool, arguments))
            }
            ApprovalState::Pending
            | ApprovalState::Approved(_)
            | ApprovalState::Rejected(_)
            | ApprovalState::Expired { .. }
            | ApprovalState::Cancelled { .. }
            | ApprovalState::Consumed { .. } => Some((tool, arguments)),
        }
    }

    /// When time alone ends it: while it waits, and while a yes for an act is unused. An answer to a question just stands.
    pub fn runs_out_at(&self) -> Option<Time> {
        let open = match (&self.about, &self.state) {
            (_, ApprovalState::Pending) => true,
            (About::Question { .. }, _) => false,
            (About::Gate { .. } | About::Call { .. }, state) => state.is_unused(),
        };
        open.then_some(self.expires_at)
    }

    /// Since when nobody is waited for any more.
    pub fn settled_at(&self, now: Time) -> Option<Time> {
        match &self.state {
            ApprovalState::Pending => self.runs_out_at().filter(|at| *at <= now),
            ApprovalState::Expired { at } | ApprovalState::Cancelled { at, .. } => Some(*at),
            state @ (ApprovalState::Approved(_)
            | ApprovalState::Rejected(_)
            | ApprovalState::Adjusted { .. }
            | ApprovalState::Consumed { .. }) => state.answer().map(|answer| answer.at),
        }
    }

    pub fn has_run_out(&self, now: Time) -> bool {
        self.runs_out_at().is_some_and(|at| at <= now)
    }
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

    /// For showing it to others: what is stored is never changed in place.
    pub fn answer_mut(&mut self) -> Option<&mut Answer> {
        match self {
            Self::Approved(answer)
            | Self::Rejected(answer)
            | Self::Adjusted { answer, .. }
            | Self::Consumed { answer, .. } => Some(answer),
            Self::Pending | Self::Expired { .. } | Self::Cancelled { .. } => None,
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

    pub fn adjust(self, answer: Answer, arguments: Value, digest: String) -> Result<Self, WrongApprovalState> {
        self.pending("adjusted", Self::Adjusted { answer, arguments, digest })
    }

    /// Its time is up: nobody answered, or nothing used the yes.
    pub fn expire(self, at: Time) -> Result<Self, WrongApprovalState> {
        if self.is_unused() {
            Ok(Self::Expired { at })
        } else {
            Err(WrongApprovalState { from: self.word(), act: "expired" })
        }
    }

    /// Void: what it was asked for has changed or is gone. An unused yes can be voided too.
    pub fn cancel(self, at: Time, why: String) -> Result<Self, WrongApprovalState> {
        if self.is_unused() {
            Ok(Self::Cancelled { at, why })
        } else {
            Err(WrongApprovalState { from: self.word(), act: "cancelled" })
        }
    }

    pub fn consume(self, at: Time) -> Result<Self, WrongApprovalState> {
        match self {
            Self::Approved(answer) => Ok(Self::Consumed { answer, consumed_at: at, arguments: None }),
            Self::Adjusted { answer, arguments, .. } => {
                Ok(Self::Consumed { answer, consumed_at: at, arguments: Some(arguments) })
            }
            Self::Pending
            | Self::Rejected(_)
            | Self::Expired { .. }
            | Self::Cancelled { .. }
            | Self::Consumed { .. } => Err(WrongApprovalState { from: self.word(), act: "used" }),
        }
    }
}
