//! What the board in a terminal has before it: a look at the workspace, and what a person wants to see of it. Loading is in
//! `look`, drawing in `draw`.

use serde_json::Value;

use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::savings::Savings;
use crate::domain::view::{Board, CostBy, Costs, Fleet, Surroundings};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    #[default]
    Board,
    Inbox,
    Fleet,
    Costs,
}

impl Tab {
    pub const ALL: [Self; 4] = [Self::Board, Self::Inbox, Self::Fleet, Self::Costs];

    pub fn word(self) -> &'static str {
        match self {
            Self::Board => "Board",
            Self::Inbox => "Inbox",
            Self::Fleet => "Fleet",
            Self::Costs => "Costs",
        }
    }
}

/// What has to be loaded for what is on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub tab: Tab,
    pub task: Option<TaskId>,
    pub approval: Option<ApprovalId>,
    pub by: Vec<CostBy>,
}

/// Everything that is on the screen, from the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub board: Board,
    pub inbox: Vec<Asked>,
    /// The approval that is open for reading, as `approvals show` has it.
    pub shown: Option<(ApprovalId, String)>,
    pub fleet: Option<Fleet>,
    pub costs: Option<Costs>,
    pub savings: Option<Savings>,
    pub task: Option<TaskLook>,
}

/// An approval that waits, in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub id: ApprovalId,
    pub task: Option<TaskId>,
    pub by: AgentName,
    pub headline: String,
    pub expires_at: Time,
    pub level: u8,
    pub batch: Option<ApprovalId>,
    pub choices: Vec<String>,
    /// Of a call, which can be approved with others.
    pub arguments: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TaskLook {
    pub id: TaskId,
    /// As it was handed in: goal, criteria, outcome.
    pub said: Vec<(String, String)>,
    pub around: Surroundings,
    /// Its records, oldest first.
    pub story: Vec<String>,
}

/// An answer on its way: to whom, what, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Answering {
    pub ids: Vec<ApprovalId>,
    pub what: What,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Approve { choice: Option<String> },
    Reject,
    Adjust { arguments: Value },
}

impl Answering {
    pub fn new(ids: Vec<ApprovalId>, what: What) -> Self {
        Self { ids, what, reason: String::new() }
    }

    /// The question to the person.
    pub fn question(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        let verb = match &self.what {
            What::Approve { choice: None } => "Approve",
            What::Approve { choice: Some(choice) } => &format!("Answer `{choice}` to"),
            What::Reject => "Reject",
            What::Adjust { .. } => "Approve with these arguments",
        };
        let why = if self.reason.is_empty() { String::new() } else { format!(" because “{}”", self.reason) };
        format!("{verb} {}{why}?", ids.join(", "))
    }
}
