//! Writing what a command changed: rows found by comparison, its events, and refusals (the first in full, repeats counted).

use serde::Serialize;

use crate::audit::hash;
use crate::domain::call::CallState;
use crate::domain::canonical;
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;
use crate::domain::task::Task;

use super::{Attachment, By, Param, Redaction, StoreError, Tx, tree};

/// Refusals alike within this time are counted, not repeated.
const REFUSAL_WINDOW_MS: i64 = 60_000;

pub fn json<T: Serialize>(table: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::BadRow { table, why: error.to_string() })
}

pub fn attachment(tx: &mut dyn Tx, attachment: &Attachment) -> Result<(), StoreError> {
    match attachment {
        Attachment::Blob { sha256, content } => tx.put(
            "INSERT INTO blobs(sha256, content) VALUES (?1, ?2) ON CONFLICT(sha256) DO NOTHING",
            &[Param::Text(sha256), Param::Blob(content)],
        )?,
        Attachment::Workflow { hash, name, body, source } => tx.put(
            "INSERT INTO workflows(hash, name, body, source) VALUES (?1, ?2, ?3, ?4) ON CONFLICT(hash) DO NOTHING",
            &[Param::Text(hash), Param::Text(name), Param::Text(body), Param::Text(source)],
        )?,
        Attachment::Erasure { records } => {
            return records.iter().try_for_each(|seq| erase(tx, *seq));
        }
        Attachment::Meta { key, value } => tx.put(
            "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            &[Param::Text(key), Param::Text(value)],
        )?,
    };
    Ok(())
}

/// Compared here once more: what was edited since a person looked at it must not go unseen.
fn erase(tx: &mut dyn Tx, seq: u64) -> Result<(), StoreError> {
    let body = tree::record(tx, seq)?.map(|(_, body)| body).unwrap_or_default();
    if tree::leaf(tx, seq)? != Some(hash::leaf(body.as_bytes())) {
        return Err(StoreError::NotAsSealed { seq });
    }
    tx.put("UPDATE events SET body = '', agent = '' WHERE seq = ?1", &[Param::id(seq)])
}

/// One record as it is stored, and as it will be hashed: these bytes and no others.
#[derive(Serialize)]
struct RecordBody<'a> {
    v: u8,
    at: Time,
    agent: &'a AgentName,
    role: &'a str,
    tool: &'a str,
    event: &'a Event,
}

pub fn event(tx: &mut dyn Tx, event: &Event, by: &By) -> Result<(), StoreError> {
    let body =
        json("events", &RecordBody { v: 1, at: by.at, agent: &by.agent, role: &by.role, tool: &by.tool, event })?;
    let body = by.redaction.of(body);
    tx.append(
        tx.dialect().put_event,
        &[
            Param::Int(by.at.0),
            Param::Text(event.kind()),
            Param::maybe_id(event.task().map(|id| id.0)),
            Param::Text(&by.agent.0),
            Param::Text(&body),
        ],
    )?;
    Ok(())
}

/// Writes the rows that differ from what was loaded.
pub fn changed(tx: &mut dyn Tx, before: &State, facts: &mut Facts, at: Time) -> Result<(), StoreError> {
    let mut highest_task = None;
    for (id, task) in &facts.state.tasks {
        let old = before.tasks.get(id);
        if old == Some(task) {
            continue;
        }
        put_task(tx, old, task, at)?;
        counted(tx, old, task)?;
        let (was, is) = (old.and_then(Task::claim), task.claim());
        if let Some(claim) = was.filter(|claim| is.map(|is| &is.handle) != Some(&claim.handle)) {
            end_claim(tx, task, claim)?;
            facts.leases.remove(id);
        }
        if let Some(claim) = is.filter(|claim| was.map(|was| &was.handle) != Some(&claim.handle)) {
            let until = claim.since.plus_seconds(claim.lease_seconds);
            put_claim(tx, *id, claim, until)?;
            facts.leases.insert(*id, until);
        } else if let Some((claim, until)) = is.filter(|claim| was != Some(claim)).and_then(parked) {
            let sql = "UPDATE leases SET expires_at = ?2 WHERE task = ?1 AND expires_at < ?2";
            tx.put(sql, &[Param::id(id.0), Param::Int(until.plus_seconds(claim.lease_seconds).0)])?;
        }
        if old.is_none() {
            highest_task = Some(id.0);
        }
    }
    let highest_approval = put_approvals(tx, before, facts)?;
    let (highest_call, highest_bypass) = put_acts(tx, before, facts)?;
    let highest_credential = put_entitlements(tx, before, facts)?;
    super::sessions::put(tx, before, facts, at)?;
    super::routing::put_rows(tx, before, facts, at)?;
    for (name, highest) in [
        ("task", highest_task),
        ("approval", highest_approval),
        ("call", highest_call),
        ("bypass", highest_bypass),
        ("credential", highest_credential),
    ] {
        if let Some(highest) = highest {
            let sql = "UPDATE counters SET value = ?2 WHERE name = ?1 AND value < ?2";
            if tx.execute(sql, &[Param::Text(name), Param::id(highest)])? == 0 {
                return Err(StoreError::Overtaken);
            }
        }
    }
    Ok(())
}

fn parked(claim: &Claim) -> Option<(&Claim, Time)> {
    claim.parked_until.map(|until| (claim, until))
}

/// Gives the highest new id.
fn put_approvals(tx: &mut dyn Tx, before: &State, facts: &Facts) -> Result<Option<u64>, StoreError> {
    let mut highest = None;
    for (id, approval) in &facts.state.approvals {
        let old = before.approvals.get(id);
        if old == Some(approval) {
            continue;
        }
        tx.put(
            "INSERT INTO approvals(id, task, batch, state, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT(id) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at, body = excluded.body",
            &[
                Param::id(id.0),
                Param::maybe_id(approval.task.map(|id| id.0)),
                Param::maybe_id(approval.batch.map(|id| id.0)),
                Param::Text(approval.state.word()),
                approval.runs_out_at().map_or(Param::Null, |at| Param::Int(at.0)),
                Param::Text(&json("approvals", approval)?),
            ],
        )?;
        if old.is_none() {
            highest = Some(id.0);
        }
    }
    Ok(highest)
}

/// Approved acts and bypasses; gives the highest new ids.
fn put_acts(tx: &mut dyn Tx, before: &State, facts: &Facts) -> Result<(Option<u64>, Option<u64>), StoreError> {
    let (mut highest_call, mut highest_bypass) = (None, None);
    for (id, call) in facts.state.calls.iter().filter(|(id, call)| before.calls.get(id) != Some(call)) {
        let running = (call.state == CallState::Running).then_some(call.until.0);
        tx.put(
            "INSERT INTO calls(id, approval, task, running_until, body) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT(id) DO UPDATE SET running_until = excluded.running_until, body = excluded.body",
            &[
                Param::id(id.0),
                Param::id(call.approval.0),
                Param::maybe_id(call.task.map(|id| id.0)),
                running.map_or(Param::Null, Param::Int),
                Param::Text(&json("calls", call)?),
            ],
        )?;
        highest_call = highest_call.max((!before.calls.contains_key(id)).then_some(id.0));
    }
    for (id, bypass) in facts.state.bypasses.iter().filter(|(id, bypass)| before.bypasses.get(id) != Some(bypass)) {
        let open = bypass.closed.is_none().then_some(bypass.until.0);
        tx.put(
            "INSERT INTO bypasses(id, open_until, body) VALUES (?1, ?2, ?3) \
             ON CONFLICT(id) DO UPDATE SET open_until = excluded.open_until, body = excluded.body",
            &[Param::id(id.0), open.map_or(Param::Null, Param::Int), Param::Text(&json("bypasses", bypass)?)],
        )?;
        highest_bypass = highest_bypass.max((!before.bypasses.contains_key(id)).then_some(id.0));
    }
    Ok((highest_call, highest_bypass))
}

/// Workflows in force, approvers and credentials; gives the highest new id of these.
fn put_entitlements(tx: &mut dyn Tx, before: &State, facts: &Facts) -> Result<Option<u64>, StoreError> {
    for (name, trust) in &facts.state.trusts {
        if before.trusts.get(name) != Some(trust) {
            tx.put(
                "INSERT INTO trusts(name, is_default, body) VALUES (?1, ?2, ?3) \
                 ON CONFLICT(name) DO UPDATE SET is_default = excluded.is_default, body = excluded.body",
                &[Param::Text(name), Param::Int(i64::from(trust.default)), Param::Text(&json("trusts", trust)?)],
            )?;
        }
    }
    for (name, approver) in
        facts.state.approvers.iter().filter(|(name, known)| before.approvers.get(name) != Some(known))
    {
        tx.put(
            "INSERT INTO approvers(name, body) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET body = excluded.body",
            &[Param::Text(&name.0), Param::Text(&json("approvers", approver)?)],
        )?;
    }
    let mut highest = None;
    for (id, known) in facts.state.credentials.iter().filter(|(id, known)| before.credentials.get(id) != Some(known)) {
        tx.put(
            "INSERT INTO credentials(id, name, hash, body) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT(id) DO UPDATE SET body = excluded.body",
            &[
                Param::id(id.0),
                Param::Text(&known.name.0),
                Param::Text(&known.hash.0),
                Param::Text(&json("credentials", known)?),
            ],
        )?;
        highest = highest.max((!before.credentials.contains_key(id)).then_some(id.0));
    }
    Ok(highest)
}

fn end_claim(tx: &mut dyn Tx, task: &Task, claim: &Claim) -> Result<(), StoreError> {
    tx.put("DELETE FROM leases WHERE task = ?1", &[Param::id(task.id.0)])?;
    tx.put(
        "INSERT INTO handles(hash, task, fence, agent) VALUES (?1, ?2, ?3, ?4) ON CONFLICT(hash) DO NOTHING",
        &[Param::Text(&claim.handle.0), Param::id(task.id.0), Param::id(claim.fence.0), Param::Text(&claim.agent.0)],
    )?;
    Ok(())
}

fn put_claim(tx: &mut dyn Tx, id: TaskId, claim: &Claim, until: Time) -> Result<(), StoreError> {
    tx.append(
        "INSERT INTO leases(task, agent, fence, handle, lease_ms, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            Param::id(id.0),
            Param::Text(&claim.agent.0),
            Param::id(claim.fence.0),
            Param::Text(&claim.handle.0),
            Param::id(claim.lease_seconds.saturating_mul(1000)),
            Param::Int(until.0),
        ],
    )?;
    Ok(())
}

fn put_task(tx: &mut dyn Tx, old: Option<&Task>, task: &Task, at: Time) -> Result<(), StoreError> {
    let body = json("tasks", task)?;
    let status = task.status().word();
    let agent = Param::maybe_text(task.claim().map(|claim| claim.agent.0.as_str()));
    let run_until = task.evidence.values().filter_map(|evidence| match evidence {
        Evidence::Running { until, .. } => Some(until.0),
        Evidence::Passed(_) | Evidence::Refused(_) => None,
    });
    let run_until = run_until.min().map_or(Param::Null, Param::Int);
    let (id, touched, phase) = (Param::id(task.id.0), Param::Int(at.0), Param::Text(&task.phase));
    if let Some(old) = old {
        let moved = old.visit != task.visit || old.status().is_open() != task.status().is_open();
        let entered = if moved { touched } else { Param::Null };
        // What else is searched by never changes after submission.
        tx.put(
            "UPDATE tasks SET status = ?2, agent = ?3, run_until = ?4, body = ?5, phase = ?6, \
             entered_at = coalesce(?7, entered_at), touched_at = ?8 WHERE id = ?1",
            &[id, Param::Text(status), agent, run_until, Param::Text(&body), phase, entered, touched],
        )?;
        return Ok(());
    }
    let needs: Vec<&str> = task.spec.capabilities.iter().map(String::as_str).collect();
    tx.put(
        "INSERT INTO tasks(id, status, urgency, needs, kind, workflow, version, parent, agent, run_until, body, \
         phase, entered_at, touched_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)",
        &[
            id,
            Param::Text(status),
            Param::Int(task.spec.priority.rank()),
            Param::Text(&needs.join(",")),
            Param::Text(&task.spec.kind),
            Param::Text(&task.spec.workflow),
            Param::Text(&task.workflow.0),
            Param::maybe_id(task.spec.parent.map(|id| id.0)),
            agent,
            run_until,
            Param::Text(&body),
            phase,
            touched,
        ],
    )?;
    for on in &task.spec.depends_on {
        let sql = "INSERT INTO task_links(task, needs) VALUES (?1, ?2)";
        tx.put(sql, &[Param::id(task.id.0), Param::id(on.0)])?;
    }
    for label in &task.spec.labels {
        let sql = "INSERT INTO task_labels(label, task) VALUES (?1, ?2)";
        tx.put(sql, &[Param::Text(label), Param::id(task.id.0)])?;
    }
    Ok(())
}

/// How many tasks stand in each place: one less where it stood, one more where it stands.
fn counted(tx: &mut dyn Tx, old: Option<&Task>, task: &Task) -> Result<(), StoreError> {
    let place = |task: &Task| (task.phase.clone(), task.status().word());
    if old.map(place) == Some(place(task)) {
        return Ok(());
    }
    let sql = tx.dialect().put_count;
    for (place, more) in old.map(place).into_iter().map(|place| (place, -1)).chain([(place(task), 1)]) {
        let (phase, status) = (Param::Text(&place.0), Param::Text(place.1));
        tx.append(sql, &[Param::Text(&task.spec.workflow), phase, status, Param::Int(more)])?;
    }
    Ok(())
}

/// Any activity renews the caller's leases. Written only once a third of a lease has gone by, since it costs a commit.
pub fn is_due(until: Time, lease_ms: i64, now: Time) -> bool {
    until.0.saturating_sub(now.0) < lease_ms.saturating_mul(2) / 3
}

pub fn renewed(tx: &mut dyn Tx, agent: &AgentName, now: Time) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE leases SET expires_at = ?2 + lease_ms WHERE agent = ?1 AND expires_at - ?2 < lease_ms * 2 / 3",
        &[Param::Text(&agent.0), Param::Int(now.0)],
    )?;
    Ok(changed > 0)
}

/// Two refusals are the same when they say the same but for numbers, so that counting up ids cannot fill the log.
fn alike(refusal: &Refusal) -> String {
    let said: Vec<u8> = refusal.message.bytes().filter(|byte| !byte.is_ascii_digit()).collect();
    format!("{}/{}", refusal.code.word(), canonical::sha256(&said))
}

/// Windows that have ended: their counts become events.
pub fn refusal_windows(tx: &mut dyn Tx, now: Time) -> Result<(), StoreError> {
    let before = Param::Int(now.0 - REFUSAL_WINDOW_MS);
    let mut ended: Vec<(String, String, String, i64, i64, i64, String)> = Vec::new();
    let sql = "SELECT agent, tool, code, task, since, repeats, role FROM refusals WHERE since <= ?1 LIMIT 64";
    tx.query(sql, &[before], &mut |row| {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        let int = |column| row.int(column).map(|int| int.unwrap_or(0));
        ended.push((text(0)?, text(1)?, text(2)?, int(3)?, int(4)?, int(5)?, text(6)?));
        Ok(())
    })?;
    for (agent, tool, code, task, since, repeats, role) in ended {
        let key = [Param::Text(&agent), Param::Text(&tool), Param::Text(&code), Param::Int(task)];
        tx.put("DELETE FROM refusals WHERE agent = ?1 AND tool = ?2 AND code = ?3 AND task = ?4", &key)?;
        let word = code.split('/').next().unwrap_or_default();
        let code = super::load::parse("refusals", &format!("\"{word}\""))?;
        let task = u64::try_from(task).ok().filter(|id| *id > 0).map(TaskId);
        // A count holds no text.
        let redaction = Redaction::default();
        let by =
            By { agent: AgentName(agent.clone()), role: role.into(), tool: tool.clone().into(), at: now, redaction };
        repeated(tx, code, task, since, repeats, &by)?;
    }
    Ok(())
}

/// The first of its kind in a window is an event; the others only count, and the count becomes an event when the window ends.
pub fn refusal(tx: &mut dyn Tx, refusal: &Refusal, subject: Option<TaskId>, by: &By) -> Result<(), StoreError> {
    let task = Param::id(subject.map_or(0, |id| id.0));
    let alike = alike(refusal);
    let key = [Param::Text(&by.agent.0), Param::Text(&by.tool), Param::Text(&alike), task];
    let mut open: Option<(i64, i64)> = None;
    let sql = "SELECT since, repeats FROM refusals WHERE agent = ?1 AND tool = ?2 AND code = ?3 AND task = ?4";
    tx.query(sql, &key, &mut |row| {
        open = row.int(0)?.zip(row.int(1)?);
        Ok(())
    })?;
    match open {
        Some((since, _)) if by.at.0 - since < REFUSAL_WINDOW_MS => {
            let sql =
                "UPDATE refusals SET repeats = repeats + 1 WHERE agent = ?1 AND tool = ?2 AND code = ?3 AND task = ?4";
            tx.put(sql, &key)?;
            return Ok(());
        }
        Some((since, repeats)) => repeated(tx, refusal.code, subject, since, repeats, by)?,
        None => {}
    }
    let [agent, tool, code, task] = key;
    tx.put(
        "INSERT INTO refusals(agent, tool, code, task, role, since, repeats) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) \
         ON CONFLICT(agent, tool, code, task) DO UPDATE SET since = excluded.since, repeats = 0",
        &[agent, tool, code, task, Param::Text(&by.role), Param::Int(by.at.0)],
    )?;
    let refused = Event::CommandRefused { task: subject, code: refusal.code, message: refusal.message.clone() };
    event(tx, &refused, by)
}

fn repeated(
    tx: &mut dyn Tx,
    code: crate::domain::refusal::Code,
    task: Option<TaskId>,
    since: i64,
    repeats: i64,
    by: &By,
) -> Result<(), StoreError> {
    if repeats == 0 {
        return Ok(());
    }
    let times = u64::try_from(repeats).unwrap_or(0);
    event(tx, &Event::RefusalsRepeated { task, code, times, since: Time(since) }, by)
}
