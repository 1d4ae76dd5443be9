//! That a cap is nearly used up, and who has been told so. When that is so is not here (`decide::warn`).

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::forecast::Slice;
use super::ids::{AgentName, TaskId, Time};
use super::spending::Unit;

/// Names that are kept of those who were told; an agent that is not among them any more is told again.
const TOLD_MAX: usize = 100;

/// A share of a cap, in percent, that people and agents are told of once.
pub const LEVELS: [u8; 2] = [80, 100];
/// From the first of them on a cap is in danger.
pub const DANGER: u64 = 80;

/// One cap that has passed a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    pub task: TaskId,
    pub unit: Unit,
    pub cap: u64,
    pub spent: u64,
    pub reserved: u64,
    pub percent: u64,
    pub level: u8,
}

impl Warning {
    pub fn event(&self) -> Event {
        let Self { task, unit, cap, spent, reserved, percent, level } = *self;
        Event::BudgetWarned { task, unit, cap, spent, reserved, percent, level }
    }
}

/// The same, as it is remembered until the cap is another or has room again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    pub unit: Unit,
    pub cap: u64,
    pub level: u8,
    pub at: Time,
    /// Of the cap, then.
    pub percent: u64,
    /// Agents who have been told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<AgentName>,
}

impl Warned {
    /// False where it has been told already.
    pub fn tell(&mut self, agent: &AgentName) -> bool {
        if self.told.contains(agent) {
            return false;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.remove(0);
        }
        self.told.push(agent.clone());
        true
    }
}

/// One warning of one cap: after it was forgotten, the next is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WarningKey {
    pub task: TaskId,
    pub unit: Unit,
    pub at: Time,
}

/// How one channel stands to one warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Rises with each lease.
    pub attempts: u32,
    /// When it may be tried again; nothing where it was sent, or given up.
    pub due: Option<Time>,
}

/// What is kept beside an account: what was warned of, and what was spent of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    pub warned: Vec<Warned>,
    pub recent: Vec<Slice>,
}
