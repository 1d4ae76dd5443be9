//! The board: everything that is open, from one snapshot, bounded however many tasks there are. How it is drawn is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::decide::budget::caps;
use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::session::{Guard, Session};
use crate::domain::spending::Cap;
use crate::domain::task::Status;
use crate::domain::view::{Board, CapView, Card, Column, OpenBypassCard, SessionCard, Waiting, day};
use crate::domain::workflow::{Phase, Workflow};
use crate::engine::Engine;
use crate::store::views::{self, Count, Standing};
use crate::store::{StoreError, Tx, load_workflows, read, records, sessions, spending};

/// In a column of open tasks.
const CARDS: usize = 30;
/// Of those that are over.
const ENDED: usize = 10;
const SESSIONS: u32 = 200;
const HOLDERS: usize = 2000;
const WAITING: usize = 2000;
/// Of those that wait for a person, shown with what is asked.
const ASKS: usize = 20;

impl Engine {
    pub fn board(&self) -> Result<Board, StoreError> {
        let now = self.now();
        self.view(|tx| board(tx, now))
    }

    /// The number of the newest record: while it stays, nothing has happened.
    pub fn newest(&self) -> Result<u64, StoreError> {
        self.view(records::last)
    }
}

fn board(tx: &mut dyn Tx, now: Time) -> Result<Board, StoreError> {
    let around = Around::look(tx)?;
    let places = views::counts(tx)?;
    let mut counts = BTreeMap::new();
    for place in &places {
        *counts.entry(place.status).or_insert(0) += place.tasks;
    }
    let asks = super::fleet::waiting(tx, ASKS)?;
    Ok(Board {
        at: now,
        seq: records::last(tx)?,
        counts,
        columns: columns(tx, &around, &places, now)?,
        sessions: around.sessions.iter().map(|(session, seen)| session_card(session, *seen, &around)).collect(),
        blind: around.blind(),
        bypasses: read::open_bypasses(tx, now)?
            .into_iter()
            .map(|open| OpenBypassCard {
                id: open.id,
                rules: open.rules,
                task: open.task,
                by: open.by,
                reason: open.reason,
                until: open.until,
            })
            .collect(),
        waiting: Waiting {
            approvals: u64::try_from(around.waiting).unwrap_or(u64::MAX),
            oldest: asks.first().map(|ask| ask.since),
            asks,
        },
        micro_usd_today: spending::on_day(tx, &day(now))?,
    })
}

/// What stands around tasks: who is in a session, who holds what, what waits for a person.
pub struct Around {
    pub sessions: Vec<(Session, Time)>,
    guards: BTreeMap<AgentName, Guard>,
    /// Of those whose sessions have ended, what the last one was worth.
    left: BTreeMap<AgentName, Guard>,
    pub held: BTreeMap<AgentName, Vec<TaskId>>,
    approvals: BTreeMap<TaskId, Vec<ApprovalId>>,
    waiting: usize,
}

impl Around {
    pub fn look(tx: &mut dyn Tx) -> Result<Self, StoreError> {
        let sessions = sessions::open(tx, SESSIONS)?;
        let mut guards = BTreeMap::new();
        // The one seen last counts, and the list begins with it.
        for (session, _) in sessions.iter().rev() {
            let subagents = session.subagents.iter().filter(|(_, known)| known.ended.is_none()).map(|(name, _)| name);
            guards.extend(std::iter::once(&session.agent).chain(subagents).map(|name| (name.clone(), session.guard)));
        }
        let mut held: BTreeMap<AgentName, Vec<TaskId>> = BTreeMap::new();
        for (agent, task) in views::holders(tx, HOLDERS)? {
            held.entry(agent).or_default().push(task);
        }
        // Whoever has left a task behind was guarded to the end, and does nothing now.
        let mut left = BTreeMap::new();
        if held.keys().any(|agent| !guards.contains_key(agent)) {
            for (session, _) in sessions::latest(tx, SESSIONS)? {
                left.entry(session.agent).or_insert(session.guard);
            }
        }
        let mut approvals: BTreeMap<TaskId, Vec<ApprovalId>> = BTreeMap::new();
        let waiting = views::waiting(tx, WAITING)?;
        for (approval, task) in &waiting {
            if let Some(task) = task {
                approvals.entry(*task).or_default().push(*approval);
            }
        }
        Ok(Self { sessions, guards, left, held, approvals, waiting: waiting.len() })
    }

    pub fn guard(&self, agent: &AgentName) -> Option<Guard> {
        self.guards.get(agent).or_else(|| self.left.get(agent)).copied()
    }

    /// Who holds a task and has never shown a session that it works in.
    fn blind(&self) -> Vec<AgentName> {
        let seen = |agent: &AgentName| self.guards.contains_key(agent) || self.left.contains_key(agent);
        self.held.keys().filter(|agent| !seen(agent)).cloned().collect()
    }

    pub fn card(&self, standing: &Standing, workflow: Option<&Arc<Workflow>>, now: Time) -> Card {
        let task = &standing.task;
        let caps = workflow.map(|workflow| caps(task, workflow)).unwrap_or_default();
        let cap = Cap::of(&caps);
        Card {
            row: standing.row(),
            last_activity: Some(standing.active),
            guard: task.claim().map(|claim| self.guard(&claim.agent).unwrap_or(Guard::Blind)),
            account: standing.account,
            cap: CapView {
                micro_usd: cap.micro_usd,
                tokens: cap.tokens,
                minutes: caps.minutes,
                calls: caps.calls,
                minutes_used: task.worked_minutes(now),
            },
            violations: u64::try_from(task.violations.len()).unwrap_or(u64::MAX),
            approvals: self.approvals.get(&task.id).cloned().unwrap_or_default(),
            failed_attempts: task.attempts.failed,
        }
    }
}

pub fn session_card(session: &Session, seen: Time, around: &Around) -> SessionCard {
    let working = || session.subagents.iter().filter(|(_, known)| known.ended.is_none()).map(|(name, _)| name);
    let who = std::iter::once(&session.agent).chain(working());
    let tasks: BTreeSet<TaskId> = who.filter_map(|name| around.held.get(name)).flatten().copied().collect();
    SessionCard {
        id: session.id.clone(),
        client: session.client.clone(),
        agent: session.agent.clone(),
        guard: session.guard,
        why: session.why.clone(),
        model: session.model.clone(),
        since: session.since,
        seen,
        ended: session.ended,
        subagents: u64::try_from(working().count()).unwrap_or(u64::MAX),
        tasks: tasks.into_iter().collect(),
    }
}

/// A workflow's phases in the order of its version in force; phases that only an older version has come before its ends.
fn columns(tx: &mut dyn Tx, around: &Around, places: &[Count], now: Time) -> Result<Vec<Column>, StoreError> {
    let known = in_force(tx)?;
    let mut names: BTreeSet<&str> = places.iter().map(|place| place.workflow.as_str()).collect();
    names.extend(known.iter().filter(|(_, (default, _))| *default).map(|(name, _)| name.as_str()));
    // The default first, then by name.
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| !known.get(*name).is_some_and(|(default, _)| *default));
    let mut columns = Vec::new();
    for name in names {
        let here: Vec<&Count> = places.iter().filter(|place| place.workflow == name).collect();
        let phases: &[Phase] = known.get(name).map_or(&[], |(_, workflow)| &workflow.phases);
        let of_old: BTreeSet<&str> =
            here.iter().filter(|place| place.status != Status::Cancelled).map(|place| place.phase.as_str()).collect();
        let unknown = of_old.into_iter().filter(|phase| !phases.iter().any(|known| known.name == *phase));
        let (ends, working): (Vec<&Phase>, Vec<&Phase>) = phases.iter().partition(|phase| phase.end);
        let shown = |phase: &&Phase| (phase.name.clone(), phase.goal.clone(), phase.end);
        let only_done =
            |name: &str| here.iter().filter(|place| place.phase == name).all(|place| place.status == Status::Done);
        let old = unknown.map(|phase| (phase.to_owned(), String::new(), only_done(phase)));
        let all: Vec<_> = working.iter().map(shown).chain(old).chain(ends.iter().map(shown)).collect();
        for (phase, goal, end) in all {
            let (cards, more) = cards(tx, around, &here, &phase, end, now)?;
            columns.push(Column { workflow: name.to_owned(), phase, goal, end, cards, more });
        }
    }
    Ok(columns)
}

/// Versions in force by name, and whether each is the default.
fn in_force(tx: &mut dyn Tx) -> Result<BTreeMap<String, (bool, Arc<Workflow>)>, StoreError> {
    let mut facts = Facts::default();
    load_workflows(tx, &mut facts, true)?;
    let persons = facts.state.trusts.values().any(crate::domain::state::Trust::by_person);
    let found = facts.state.trusts.iter().filter_map(|(name, trust)| {
        let workflow = facts.workflows.get(&trust.hash)?;
        Some((name.clone(), (trust.default && trust.in_force(persons), Arc::clone(workflow))))
    });
    Ok(found.collect())
}

/// The tasks of a phase that are shown, newest activity first, and how many more there are. What is held or blocked is shown
/// before what only waits.
fn cards(
    tx: &mut dyn Tx,
    around: &Around,
    here: &[&Count],
    phase: &str,
    end: bool,
    now: Time,
) -> Result<(Vec<Card>, u64), StoreError> {
    let mut found: Vec<Standing> = Vec::new();
    let mut total: u64 = 0;
    for place in here.iter().filter(|place| place.phase == phase) {
        let limit = match place.status {
            Status::Claimed | Status::Blocked | Status::Ready | Status::Waiting => CARDS,
            Status::Failed | Status::Done => ENDED,
            Status::Cancelled => continue,
        };
        total = total.saturating_add(place.tasks);
        found.extend(views::standing_in(tx, &place.workflow, phase, place.status, limit)?);
    }
    let newest = |standing: &Standing| std::cmp::Reverse((standing.active, standing.task.id));
    let attended = |status: Status| matches!(status, Status::Claimed | Status::Blocked);
    found.sort_by_key(|standing| (!attended(standing.task.status()), newest(standing)));
    found.truncate(if end { ENDED } else { CARDS });
    found.sort_by_key(newest);
    let workflows = workflows_of(tx, &found)?;
    let more = total.saturating_sub(u64::try_from(found.len()).unwrap_or(u64::MAX));
    let card = |standing: &Standing| around.card(standing, workflows.workflows.get(&standing.task.workflow), now);
    Ok((found.iter().map(card).collect(), more))
}

/// The versions that these tasks stand under.
pub fn workflows_of(tx: &mut dyn Tx, tasks: &[Standing]) -> Result<Facts, StoreError> {
    let mut facts = Facts::default();
    let versions: BTreeMap<_, _> = tasks.iter().map(|standing| (&standing.task.workflow, &standing.task)).collect();
    facts.state.tasks = versions.into_values().map(|task| (task.id, task.clone())).collect();
    load_workflows(tx, &mut facts, false)?;
    Ok(facts)
}
