//! What people are shown of a workspace: the shapes of the board, a task, the fleet, costs. Filling them is not here (`engine`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::Tier;
use super::forecast::{Forecast, Usual};
use super::ids::{AgentName, ApprovalId, BypassId, CredentialId, SessionId, TaskId, Time};
use super::query::TaskRow;
use super::session::Guard;
use super::spending::{Account, Tokens};
use super::task::Status;
use super::violation::Violation;
use super::warning::DANGER;

/// One look at everything that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Board {
    pub at: Time,
    /// The newest record that this look includes: events after it are news.
    pub seq: u64,
    pub counts: BTreeMap<Status, u64>,
    /// Workflows by name, phases in the order of their file.
    pub columns: Vec<Column>,
    pub sessions: Vec<SessionCard>,
    /// Agents that hold a task while no hook of their client has shown itself.
    pub blind: Vec<AgentName>,
    pub bypasses: Vec<OpenBypassCard>,
    pub waiting: Waiting,
    pub micro_usd_today: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    pub workflow: String,
    pub phase: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// Tasks here are over; only the newest are shown.
    pub end: bool,
    pub cards: Vec<Card>,
    /// How many more there are than are shown.
    pub more: u64,
}

/// A task, as much of it as fits on a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    #[serde(flatten)]
    pub row: TaskRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Time>,
    /// Of the holder's client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    pub account: Account,
    pub cap: CapView,
    pub violations: u64,
    pub approvals: Vec<ApprovalId>,
    pub failed_attempts: u32,
}

impl Card {
    /// How much of a cap is used where it is nearly all, in percent; of an open task.
    pub fn near_its_end(&self) -> Option<u64> {
        let percent = self.cap.percent(&self.account).filter(|percent| *percent >= DANGER);
        percent.filter(|_| self.row.status.is_open())
    }
}

/// What a task may cost; absent parts have no cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CapView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_usd: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    pub minutes_used: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

impl CapView {
    /// Of the cap that is used up first, in percent: spent, or set aside.
    pub fn percent(&self, account: &Account) -> Option<u64> {
        let taken = account.taken().unwrap_or(account.spent);
        let shares = [
            (self.micro_usd, taken.micro_usd),
            (self.tokens, taken.tokens),
            (self.calls, taken.calls),
            (self.minutes, self.minutes_used),
        ];
        let percent = |(cap, taken): (Option<u64>, u64)| taken.saturating_mul(100).checked_div(cap?);
        shares.into_iter().filter_map(percent).max()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCard {
    pub id: SessionId,
    pub client: String,
    pub agent: AgentName,
    pub guard: Guard,
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub since: Time,
    pub seen: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    pub subagents: u64,
    pub tasks: Vec<TaskId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenBypassCard {
    pub id: BypassId,
    pub rules: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    pub by: AgentName,
    pub reason: String,
    pub until: Time,
}

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    pub approvals: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Time>,
    /// The oldest few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<WaitingTask>,
}

/// Dependencies of open tasks: who waits for whom, and what can run together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Graph {
    pub tasks: Vec<TaskRow>,
    /// `to` waits for `from`.
    pub edges: Vec<Edge>,
    pub waves: Vec<Vec<TaskId>>,
    /// There are more tasks than are shown.
    pub more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    pub from: TaskId,
    pub to: TaskId,
}

/// What surrounds one task; the task itself stands beside it, as `tasks show --json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Surroundings {
    pub card: Card,
    pub phases: Vec<PhaseStep>,
    /// Of the phase it stands in.
    pub gates: Vec<GateView>,
    pub violations: Vec<Violation>,
    pub waits_for_it: Vec<TaskRow>,
    pub children: Vec<TaskRow>,
    pub costs: Vec<CostRow>,
    /// How the caps that count for it stand; of an open task only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
    /// What done tasks of its type and workflow came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<Usual>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseStep {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    pub end: bool,
    pub current: bool,
    /// It has stood here before, or stands here.
    pub visited: bool,
    pub next: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateView {
    pub gate: String,
    /// What it asks for, in words.
    pub asks: String,
    pub met: bool,
    /// Why not, and how to meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Digest of the output that was kept; `/api/v1/blobs/{sha256}` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A sum over whatever the costs were asked for by; what they were not asked by is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CostRow {
    /// UTC, as `2026-11-20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub calls: u64,
    pub tokens: Tokens,
    pub micro_usd: u64,
    /// Of that, what was counted at the dearest known price, because the model has none.
    #[serde(default)]
    pub guessed_micro_usd: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CostBy {
    Day,
    Task,
    Phase,
    Agent,
    Model,
}

/// What is asked of costs; days count whole, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostFilter {
    pub by: Vec<CostBy>,
    pub since: Option<Time>,
    pub until: Option<Time>,
    /// With everything below it.
    pub task: Option<TaskId>,
    pub agent: Option<AgentName>,
}

/// UTC, as `2026-11-20`.
pub fn day(at: Time) -> String {
    at.to_string().chars().take(10).collect()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Costs {
    pub by: Vec<CostBy>,
    pub rows: Vec<CostRow>,
    pub total: CostRow,
    pub baseline: Option<Baseline>,
}

/// The same tokens at the price of a strong model: an upper bound of what routing saved, not a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    pub model: String,
    pub micro_usd: u64,
    pub method: String,
}

/// Who works, how fast it goes, and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    pub at: Time,
    pub agents: Vec<AgentRow>,
    /// The last 24 hours, oldest first.
    pub hours: Vec<Hour>,
    pub waiting: Vec<WaitingTask>,
    pub stalled: Vec<StalledTask>,
    /// Phases by how long open tasks have stood in them, longest first.
    pub bottlenecks: Vec<Bottleneck>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentRow {
    pub name: AgentName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    pub tasks: Vec<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    pub micro_usd: u64,
    /// In the last 24 hours.
    pub done: u64,
    pub refused: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hour {
    pub from: Time,
    pub claimed: u64,
    pub done: u64,
    pub failed: u64,
    pub refused: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingTask {
    pub approval: ApprovalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    pub ask: String,
    pub since: Time,
    pub expires_at: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StalledTask {
    pub task: TaskId,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Time>,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bottleneck {
    pub workflow: String,
    pub phase: String,
    pub tasks: u64,
    /// Of the task that has stood there longest.
    pub oldest_seconds: u64,
    pub median_seconds: u64,
}
