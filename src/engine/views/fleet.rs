//! Who works, how fast it goes, and what it waits for. What counts as stalled is said here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::facts::Role;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::session::Guard;
use crate::domain::task::{Status, TaskState};
use crate::domain::view::{AgentRow, Bottleneck, Fleet, Hour, StalledTask, WaitingTask};
use crate::engine::Engine;
use crate::store::views::{self, Standing, Turns};
use crate::store::{StoreError, Tx, read, spending};

use super::board::Around;

const AGENTS_MAX: usize = 500;
const WAITING_MAX: usize = 100;
const STALLED_MAX: usize = 100;
/// Tasks of one status that are looked at.
const LOOKED_AT: usize = 500;
/// Sets of capabilities that are looked at.
const NEEDS_MAX: usize = 100;
/// In one place, before the middle is found among the oldest only.
const ENTERED_MAX: usize = 20_000;
const HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;
/// Nobody is silent for so long, whatever the lease.
const SILENT_SECONDS: i64 = 600;

impl Engine {
    pub fn fleet(&self) -> Result<Fleet, StoreError> {
        let now = self.now();
        self.view(|tx| {
            let around = Around::look(tx)?;
            let turns = views::turns(tx, Time(first_hour(now)))?;
            Ok(Fleet {
                at: now,
                agents: agents(tx, &around, &turns, now)?,
                hours: hours(&turns, now),
                waiting: waiting(tx, WAITING_MAX)?,
                stalled: self.stalled(tx, now)?,
                bottlenecks: bottlenecks(tx, now)?,
            })
        })
    }

    pub fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        let now = self.now();
        self.view(|tx| {
            let turns = views::turns(tx, Time(first_hour(now)))?;
            let around = Around::look(tx)?;
            agents(tx, &around, &turns, now)
        })
    }

    fn stalled(&self, tx: &mut dyn Tx, now: Time) -> Result<Vec<StalledTask>, StoreError> {
        let mut found = Vec::new();
        for status in [Status::Claimed, Status::Blocked, Status::Ready] {
            let tasks = views::standing_with(tx, status, LOOKED_AT)?;
            found.extend(tasks.iter().filter_map(|standing| Some(stalled(standing, why_stalled(standing, now)?))));
        }
        let able = self.abilities(tx, now)?;
        for needs in views::needs_of_ready(tx, NEEDS_MAX)? {
            let lacking: Vec<&str> = needs.split(',').filter(|need| !able.iter().any(|known| known == need)).collect();
            if lacking.is_empty() {
                continue;
            }
            let why = format!("no agent here can do {}", lacking.join(", "));
            found.extend(views::ready_with(tx, &needs, WAITING_MAX)?.iter().map(|task| stalled(task, why.clone())));
        }
        found.truncate(STALLED_MAX);
        Ok(found)
    }

    /// What some agent can do: by a credential that counts, or by this machine's settings.
    fn abilities(&self, tx: &mut dyn Tx, now: Time) -> Result<BTreeSet<String>, StoreError> {
        let credentials = read::credentials(tx)?.into_iter().filter(|known| known.counts(now));
        Ok(credentials.flat_map(|known| known.grant.capabilities).chain(self.capabilities.iter().cloned()).collect())
    }
}

fn first_hour(now: Time) -> i64 {
    (now.0 / HOUR_MS - HOURS + 1) * HOUR_MS
}

fn stalled(standing: &Standing, why: String) -> StalledTask {
    StalledTask {
        task: standing.task.id,
        title: standing.task.spec.title.clone(),
        agent: standing.task.claim().map(|claim| claim.agent.clone()),
        last_activity: Some(standing.active),
        why,
    }
}

fn why_stalled(standing: &Standing, now: Time) -> Option<String> {
    let task = &standing.task;
    match &task.state {
        TaskState::Blocked { blockers } => {
            let reasons: Vec<&str> = blockers.iter().map(|blocker| blocker.reason.as_str()).collect();
            return Some(format!("blocked: {}", reasons.join("; ")));
        }
        TaskState::Claimed(claim) if claim.parked_until.is_none() => {
            let silent = standing.active.seconds_until(now);
            let lease = i64::try_from(claim.lease_seconds).unwrap_or(i64::MAX);
            // A lease is renewed once a third of it has gone by, so less than that says nothing.
            if silent > (lease / 2).min(SILENT_SECONDS).max(lease / 3 + 60) {
                return Some(format!("nothing was heard of its holder for {} min", silent / 60));
            }
        }
        TaskState::Waiting { .. }
        | TaskState::Ready
        | TaskState::Claimed(_)
        | TaskState::Done { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => {}
    }
    let (failed, limit) = (task.attempts.failed, task.attempts.limit);
    (failed > 0 && failed + 1 >= limit).then(|| format!("{failed} of {limit} tries have failed; the next is the last"))
}

fn agents(tx: &mut dyn Tx, around: &Around, turns: &[Turns], now: Time) -> Result<Vec<AgentRow>, StoreError> {
    let mut rows: BTreeMap<AgentName, AgentRow> = BTreeMap::new();
    for known in read::credentials(tx)?.into_iter().filter(|known| known.role == Role::Agent && known.counts(now)) {
        row(&mut rows, &known.name).credential = Some(known.id);
    }
    // Of several sessions of one agent the one seen last counts, which comes first.
    for (session, seen) in around.sessions.iter().rev() {
        let working = session.subagents.iter().filter(|(_, known)| known.ended.is_none()).map(|(name, _)| name);
        for name in working {
            let row = row(&mut rows, name);
            (row.parent, row.client) = (Some(session.agent.clone()), Some(session.client.clone()));
        }
        let row = row(&mut rows, &session.agent);
        (row.client, row.seen) = (Some(session.client.clone()), Some(*seen));
    }
    for (agent, tasks) in &around.held {
        let row = row(&mut rows, agent);
        row.tasks.clone_from(tasks);
        let newest = newest_of(tx, tasks)?;
        row.seen = row.seen.max(newest);
    }
    for turn in turns.iter().filter(|turn| !turn.agent.0.is_empty()) {
        match turn.kind {
            "TaskCompleted" => row(&mut rows, &turn.agent).done += turn.count,
            // A person at the command line is refused things too, and is no agent.
            "CommandRefused" => {
                if let Some(row) = rows.get_mut(&turn.agent) {
                    row.refused += turn.count;
                }
            }
            _ => {}
        }
    }
    let mut rows: Vec<AgentRow> = rows.into_values().collect();
    rows.sort_by_key(|row| (row.tasks.is_empty(), std::cmp::Reverse(row.seen), row.name.clone()));
    rows.truncate(AGENTS_MAX);
    for row in &mut rows {
        row.guard = around.guard(&row.name).or_else(|| (!row.tasks.is_empty()).then_some(Guard::Blind));
        row.micro_usd = spending::of_agent(tx, &row.name)?;
    }
    Ok(rows)
}

/// Of the first few that an agent holds.
fn newest_of(tx: &mut dyn Tx, tasks: &[TaskId]) -> Result<Option<Time>, StoreError> {
    let mut newest = None;
    for id in tasks.iter().take(5) {
        newest = newest.max(views::standing_one(tx, *id)?.map(|standing| standing.active));
    }
    Ok(newest)
}

fn row<'r>(rows: &'r mut BTreeMap<AgentName, AgentRow>, name: &AgentName) -> &'r mut AgentRow {
    rows.entry(name.clone()).or_insert_with(|| AgentRow {
        name: name.clone(),
        parent: None,
        credential: None,
        client: None,
        guard: None,
        tasks: Vec::new(),
        seen: None,
        micro_usd: 0,
        done: 0,
        refused: 0,
    })
}

fn hours(turns: &[Turns], now: Time) -> Vec<Hour> {
    let first = first_hour(now);
    let mut hours: Vec<Hour> =
        (0..HOURS).map(|hour| Hour { from: Time(first + hour * HOUR_MS), ..Hour::default() }).collect();
    for turn in turns {
        let Some(hour) = hours.iter_mut().find(|hour| hour.from == turn.hour) else { continue };
        match turn.kind {
            "TaskClaimed" => hour.claimed += turn.count,
            "TaskCompleted" => hour.done += turn.count,
            "TaskFailed" => hour.failed += turn.count,
            "CommandRefused" => hour.refused += turn.count,
            _ => {}
        }
    }
    hours
}

/// What waits for a person, the oldest first.
pub fn waiting(tx: &mut dyn Tx, limit: usize) -> Result<Vec<WaitingTask>, StoreError> {
    let found = views::oldest_waiting(tx, limit)?.into_iter().map(|approval| WaitingTask {
        approval: approval.id,
        task: approval.task,
        ask: approval.ask,
        since: approval.requested_at,
        expires_at: approval.expires_at,
    });
    Ok(found.collect())
}

/// Tasks that wait for others are not held up by their phase and do not count.
fn bottlenecks(tx: &mut dyn Tx, now: Time) -> Result<Vec<Bottleneck>, StoreError> {
    let mut places: BTreeMap<(String, String), (u64, Vec<Time>)> = BTreeMap::new();
    for count in views::counts(tx)? {
        if matches!(count.status, Status::Ready | Status::Claimed | Status::Blocked) {
            let since = views::entered(tx, &count.workflow, &count.phase, count.status, ENTERED_MAX)?;
            let place = places.entry((count.workflow, count.phase)).or_default();
            place.0 += count.tasks;
            place.1.extend(since);
        }
    }
    let seconds = |since: Option<&Time>| since.map_or(0, |since| since.seconds_until(now).max(0)).unsigned_abs();
    let mut found: Vec<Bottleneck> = places
        .into_iter()
        .map(|((workflow, phase), (tasks, mut since))| {
            since.sort_unstable();
            let (oldest_seconds, median_seconds) = (seconds(since.first()), seconds(since.get(since.len() / 2)));
            Bottleneck { workflow, phase, tasks, oldest_seconds, median_seconds }
        })
        .collect();
    found.sort_by_key(|place| std::cmp::Reverse((place.median_seconds, place.oldest_seconds)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_24_hours_and_the_last_is_now() {
        let now = Time(1_795_000_000_000);
        let turn = |hour: i64, kind: &'static str| Turns {
            kind,
            hour: Time(first_hour(now) + hour * HOUR_MS),
            agent: AgentName("ana".to_owned()),
            count: 2,
        };
        let found = hours(&[turn(23, "TaskClaimed"), turn(0, "TaskCompleted"), turn(24, "TaskFailed")], now);
        assert_eq!(found.len(), 24);
        assert_eq!((found[23].claimed, found[0].done), (2, 2));
        assert!(found[23].from <= now && now.0 < found[23].from.0 + HOUR_MS);
        assert_eq!(found.iter().map(|hour| hour.failed).sum::<u64>(), 0);
    }
}
