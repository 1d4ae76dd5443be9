//! An approved act that takes time: started once, ended once, or found to have no end. Carrying it out is not here.

use serde::{Deserialize, Serialize};

use super::ids::{AgentName, ApprovalId, CallId, TaskId, Time};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub id: CallId,
    pub approval: ApprovalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    pub tool: String,
    /// Of the call exactly as it was approved.
    pub digest: String,
    pub by: AgentName,
    pub started_at: Time,
    /// Later than this, nobody will report its end any more.
    pub until: Time,
    pub state: CallState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum CallState {
    Running,
    Finished {
        at: Time,
        summary: String,
    },
    Failed {
        at: Time,
        summary: String,
    },
    /// Whoever carried it out is gone. What it did is not known, and it is not done again.
    Orphaned {
        at: Time,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call that is {from} cannot be {act}")]
pub struct WrongCallState {
    pub from: &'static str,
    pub act: &'static str,
}

impl CallState {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
            Self::Orphaned { .. } => "orphaned",
        }
    }

    fn ended(self, act: &'static str, next: Self) -> Result<Self, WrongCallState> {
        if self == Self::Running { Ok(next) } else { Err(WrongCallState { from: self.word(), act }) }
    }

    pub fn finish(self, at: Time, summary: String) -> Result<Self, WrongCallState> {
        self.ended("finished", Self::Finished { at, summary })
    }

    pub fn fail(self, at: Time, summary: String) -> Result<Self, WrongCallState> {
        self.ended("failed", Self::Failed { at, summary })
    }

    pub fn orphan(self, at: Time) -> Result<Self, WrongCallState> {
        self.ended("orphaned", Self::Orphaned { at })
    }
}
