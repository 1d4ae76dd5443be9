//! A hole that a person makes in the rules: named rules, a time, a reason. It is on record and shown while it lasts.

use serde::{Deserialize, Serialize};

use super::ids::{AgentName, BypassId, TaskId, Time};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bypass {
    pub id: BypassId,
    /// As they are written in the workflow.
    pub rules: Vec<String>,
    /// For this task only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    pub reason: String,
    pub by: AgentName,
    pub level: u8,
    pub since: Time,
    pub until: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Time>,
}

impl Bypass {
    pub fn is_open(&self, now: Time) -> bool {
        self.closed.is_none() && now < self.until
    }

    pub fn covers(&self, rule: &str, task: Option<TaskId>, now: Time) -> bool {
        self.is_open(now)
            && self.task.is_none_or(|only| Some(only) == task)
            && self.rules.iter().any(|known| known == rule)
    }
}
