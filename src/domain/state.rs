//! The rows a command may change, and how an event changes them. `apply` decides nothing: it carries out what has happened.

mod routes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::{Approval, ApprovalState, WrongApprovalState};
use super::approver::{Approver, Approvers, Signed};
use super::bypass::Bypass;
use super::call::{Call, CallState, WrongCallState};
use super::claim::Claim;
use super::credential::Credential;
use super::event::{Event, Origin};
use super::evidence::{Artifact, Evidence, Tier, Verdict};
use super::ids::{
    AgentName, ApprovalId, BypassId, CallId, CredentialId, RouteId, RunId, SessionId, TaskId, Time, WorkflowHash,
};
use super::route::{Checks, Decision, Learning, Tried};
use super::session::{Judged, SeenCall, Session, SubAgent};
use super::task::{Attempts, Blocker, Checkpoint, Progress, Task, TaskState, WrongState};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub tasks: BTreeMap<TaskId, Task>,
    pub approvals: BTreeMap<ApprovalId, Approval>,
    /// The versions in force, by workflow name.
    pub trusts: BTreeMap<String, Trust>,
    pub approvers: Approvers,
    pub credentials: BTreeMap<CredentialId, Credential>,
    pub calls: BTreeMap<CallId, Call>,
    pub bypasses: BTreeMap<BypassId, Bypass>,
    pub sessions: BTreeMap<SessionId, Session>,
    pub decisions: BTreeMap<RouteId, Decision>,
    /// Ended in this command; none is ever loaded.
    pub tries: Vec<Tried>,
    /// Where learning begins, in a command that changes it.
    pub learning: Learning,
    /// By the client's own id.
    pub seen_calls: BTreeMap<String, SeenCall>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    pub hash: WorkflowHash,
    pub origin: Origin,
    /// It is what a task gets that names no workflow.
    pub default: bool,
    pub by: AgentName,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

impl Trust {
    pub fn by_person(&self) -> bool {
        self.origin == Origin::Person
    }

    /// While persons have trusted nothing, the starters count; afterwards only what persons trusted.
    pub fn in_force(&self, persons_have_trusted: bool) -> bool {
        !persons_have_trusted || self.by_person()
    }
}

/// The record and the rows disagree: a fault of ours, and the transaction is rolled back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("{0} is not among the loaded rows")]
    NotLoaded(String),
    #[error(transparent)]
    Task(#[from] WrongState),
    #[error(transparent)]
    Approval(#[from] WrongApprovalState),
    #[error(transparent)]
    Call(#[from] WrongCallState),
}

/// Who made it happen and when; the same for every event of one command.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    pub by: &'a AgentName,
    pub at: Time,
}

pub fn apply(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    match event {
        Event::TaskSubmitted { .. } => submit(state, event, stamp),
        Event::ApprovalRequested { .. }
        | Event::ApprovalApproved { .. }
        | Event::ApprovalRejected { .. }
        | Event::ApprovalAdjusted { .. }
        | Event::ApprovalExpired { .. }
        | Event::ApprovalCancelled { .. }
        | Event::ApprovalConsumed { .. } => ask(state, event, stamp),
        Event::ApproverEnrolled { .. }
        | Event::ApproverRevoked { .. }
        | Event::CredentialCreated { .. }
        | Event::CredentialRevoked { .. }
        | Event::BypassOpened { .. }
        | Event::BypassClosed { .. }
        | Event::WorkflowTrusted { .. } => entitle(state, event, stamp),
        Event::CallStarted { .. }
        | Event::CallFinished { .. }
        | Event::CallFailed { .. }
        | Event::CallOrphaned { .. } => act(state, event, stamp),
        Event::SessionStarted { .. }
        | Event::SessionEnded { .. }
        | Event::SubAgentStarted { .. }
        | Event::SubAgentEnded { .. } => run(state, event, stamp),
        Event::CallJudged { .. } | Event::CallObserved { .. } => {
            see(state, event, stamp);
            Ok(())
        }
        Event::StoreRestored { .. }
        | Event::RuleWaived { .. }
        | Event::BudgetWarned { .. }
        | Event::CommandRefused { .. }
        | Event::RefusalsRepeated { .. }
        | Event::GuardKept { .. }
        | Event::ResultReduced { .. }
        | Event::TextFlagged { .. }
        | Event::TextNotScreened { .. }
        | Event::LogKeyChanged { .. }
        | Event::RecordErased { .. } => Ok(()),
        Event::ArtifactSubmitted { .. }
        | Event::GateStarted { .. }
        | Event::GatePassed { .. }
        | Event::GateRefused { .. }
        | Event::GateObserved { .. }
        | Event::GateOrphaned { .. } => {
            routes::checked(state, event);
            show(state, event, stamp)
        }
        Event::ModelRouted { .. } | Event::OutcomeRecorded { .. } => {
            routes::change(state, event, stamp);
            Ok(())
        }
        Event::LearningReset { generation, forgotten, .. } => {
            state.learning = Learning { generation: *generation, forgotten: *forgotten };
            Ok(())
        }
        Event::TaskReadied { .. }
        | Event::TaskClaimed { .. }
        | Event::ClaimResumed { .. }
        | Event::ClaimExpired { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimParked { .. }
        | Event::ViolationFound { .. }
        | Event::ViolationUndone { .. }
        | Event::ViolationAccepted { .. }
        | Event::ProgressNoted { .. }
        | Event::CheckpointSaved { .. }
        | Event::TaskBlocked { .. }
        | Event::TaskUnblocked { .. }
        | Event::AttemptFailed { .. }
        | Event::TaskFailed { .. }
        | Event::TaskReopened { .. }
        | Event::TaskCancelled { .. }
        | Event::BudgetChanged { .. }
        | Event::PhaseEntered { .. }
        | Event::TaskCompleted { .. } => work(state, event, stamp),
    }
}

fn task_of<'s>(state: &'s mut State, event: &Event) -> Result<&'s mut Task, ApplyError> {
    let id = event.task().ok_or_else(|| ApplyError::NotLoaded(format!("the task of {}", event.kind())))?;
    state.tasks.get_mut(&id).ok_or_else(|| ApplyError::NotLoaded(id.to_string()))
}

fn change_approval(
    state: &mut State,
    id: ApprovalId,
    change: impl FnOnce(ApprovalState) -> Result<ApprovalState, WrongApprovalState>,
) -> Result<(), ApplyError> {
    let approval = state.approvals.get_mut(&id).ok_or_else(|| ApplyError::NotLoaded(id.to_string()))?;
    approval.state = change(approval.state.clone())?;
    Ok(())
}

/// Moves the state out, through a transition that consumes it, and back.
fn change_state(
    task: &mut Task,
    change: impl FnOnce(TaskState) -> Result<TaskState, WrongState>,
) -> Result<(), ApplyError> {
    task.state = change(std::mem::replace(&mut task.state, TaskState::Ready))?;
    Ok(())
}

fn submit(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    if let Event::TaskSubmitted { task, spec, workflow, phase, waiting_on, attempts } = event {
        let new = Task {
            id: *task,
            spec: (**spec).clone(),
            workflow: workflow.clone(),
            phase: phase.clone(),
            visit: 1,
            state: TaskState::at_submission(waiting_on.clone()),
            fence: Default::default(),
            attempts: Attempts { failed: 0, limit: *attempts },
            submitted_by: stamp.by.clone(),
            submitted_at: stamp.at,
            authors: Default::default(),
            artifacts: Default::default(),
            evidence: Default::default(),
            observed: Default::default(),
            violations: Vec::new(),
            progress: None,
            checkpoint: None,
            outcome: None,
            worked_ms: 0,
            caps: None,
            route: None,
        };
        state.tasks.insert(*task, new);
    }
    Ok(())
}

/// Events of approvals.
fn ask(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    if let Event::ApprovalApproved { approval, answer, .. } = event {
        change_approval(state, *approval, |now| now.approve(answer.clone()))
    } else if let Event::ApprovalRejected { approval, answer, .. } = event {
        change_approval(state, *approval, |now| now.reject(answer.clone()))
    } else if let Event::ApprovalAdjusted { approval, answer, arguments, digest, .. } = event {
        change_approval(state, *approval, |now| now.adjust(answer.clone(), arguments.clone(), digest.clone()))
    } else if let Event::ApprovalExpired { approval, .. } = event {
        change_approval(state, *approval, |now| now.expire(stamp.at))
    } else if let Event::ApprovalCancelled { approval, why, .. } = event {
        change_approval(state, *approval, |now| now.cancel(stamp.at, why.clone()))
    } else if let Event::ApprovalConsumed { approval, .. } = event {
        change_approval(state, *approval, |now| now.consume(stamp.at))
    } else {
        request(state, event, stamp);
        Ok(())
    }
}

fn request(state: &mut State, event: &Event, stamp: Stamp<'_>) {
    if let Event::ApprovalRequested {
        approval,
        digest,
        batch,
        task,
        phase,
        visit,
        workflow,
        artifacts,
        about,
        ask,
        reason,
        from,
        not_by_author,
        level,
        expires_at,
    } = event
    {
        let new = Approval {
            id: *approval,
            digest: digest.clone(),
            batch: *batch,
            task: *task,
            phase: phase.clone(),
            visit: *visit,
            workflow: workflow.clone(),
            artifacts: artifacts.clone(),
            about: about.clone(),
            ask: ask.clone(),
            reason: reason.clone(),
            from: from.clone(),
            not_by_author: *not_by_author,
            level: *level,
            requested_by: stamp.by.clone(),
            requested_at: stamp.at,
            expires_at: *expires_at,
            state: ApprovalState::Pending,
        };
        state.approvals.insert(*approval, new);
    }
}

/// Events that say who may do what: workflows in force, approvers, credentials, bypasses.
fn entitle(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    let (by, at) = (stamp.by.clone(), stamp.at);
    let missing = |what: &dyn std::fmt::Display| ApplyError::NotLoaded(what.to_string());
    if let Event::WorkflowTrusted { name, hash, origin, default, signed } = event {
        if *default {
            state.trusts.values_mut().for_each(|trust| trust.default = false);
        }
        let (hash, signed) = (hash.clone(), signed.clone());
        let trust = Trust { hash, origin: *origin, default: *default, by, at, signed };
        state.trusts.insert(name.clone(), trust);
    } else if let Event::ApproverEnrolled { name, key, groups, signed } = event {
        let (name, key, groups, signed) = (name.clone(), key.clone(), groups.clone(), signed.clone());
        let new = Approver { name: name.clone(), key, groups, enrolled_by: by, enrolled_at: at, signed, revoked: None };
        state.approvers.insert(name, new);
    } else if let Event::ApproverRevoked { name, .. } = event {
        state.approvers.get_mut(name).ok_or_else(|| missing(name))?.revoked = Some(at);
    } else if let Event::CredentialCreated { credential, name, role, hash, grant, expires_at, .. } = event {
        let new = Credential {
            id: *credential,
            name: name.clone(),
            role: *role,
            hash: hash.clone(),
            grant: grant.clone(),
            created_by: by,
            created_at: at,
            expires_at: *expires_at,
            revoked: None,
        };
        state.credentials.insert(*credential, new);
    } else if let Event::CredentialRevoked { credential, .. } = event {
        state.credentials.get_mut(credential).ok_or_else(|| missing(credential))?.revoked = Some(at);
    } else if let Event::BypassOpened { bypass, rules, task, reason, level, until, .. } = event {
        let (id, rules, reason) = (*bypass, rules.clone(), reason.clone());
        let new = Bypass { id, rules, task: *task, reason, by, level: *level, since: at, until: *until, closed: None };
        state.bypasses.insert(id, new);
    } else if let Event::BypassClosed { bypass, .. } = event {
        state.bypasses.get_mut(bypass).ok_or_else(|| missing(bypass))?.closed = Some(at);
    }
    Ok(())
}

/// Events of approved acts that take time.
fn act(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    let at = stamp.at;
    let mut change = |id: &CallId, change: &dyn Fn(CallState) -> Result<CallState, WrongCallState>| {
        let call = state.calls.get_mut(id).ok_or_else(|| ApplyError::NotLoaded(id.to_string()))?;
        call.state = change(call.state.clone())?;
        Ok(())
    };
    if let Event::CallFinished { call, summary, .. } = event {
        change(call, &|now| now.finish(at, summary.clone()))
    } else if let Event::CallFailed { call, summary, .. } = event {
        change(call, &|now| now.fail(at, summary.clone()))
    } else if let Event::CallOrphaned { call, .. } = event {
        change(call, &|now| now.orphan(at))
    } else if let Event::CallStarted { call, approval, task, tool, digest, until } = event {
        let new = Call {
            id: *call,
            approval: *approval,
            task: *task,
            tool: tool.clone(),
            digest: digest.clone(),
            by: stamp.by.clone(),
            started_at: at,
            until: *until,
            state: CallState::Running,
        };
        state.calls.insert(*call, new);
        Ok(())
    } else {
        Ok(())
    }
}

/// Events of sessions of clients.
fn run(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    if let Event::SessionStarted { session, agent, client, guard, why, folder, model, .. } = event {
        let fresh = || Session {
            id: session.clone(),
            client: client.clone(),
            agent: agent.clone(),
            guard: *guard,
            why: why.clone(),
            folder: folder.clone(),
            model: None,
            since: stamp.at,
            subagents: BTreeMap::new(),
            ended: None,
        };
        let known = state.sessions.entry(session.clone()).or_insert_with(fresh);
        (known.guard, known.ended) = (*guard, None);
        known.why.clone_from(why);
        known.folder.clone_from(folder);
        if model.is_some() {
            known.model.clone_from(model);
        }
        return Ok(());
    }
    let (Event::SessionEnded { session, .. }
    | Event::SubAgentStarted { session, .. }
    | Event::SubAgentEnded { session, .. }) = event
    else {
        return Ok(());
    };
    let known = state.sessions.get_mut(session).ok_or_else(|| ApplyError::NotLoaded(session.to_string()))?;
    if let Event::SubAgentStarted { agent, kind, .. } = event {
        known.add_subagent(agent.clone(), SubAgent { kind: kind.clone(), since: stamp.at, ended: None });
    } else if let Event::SubAgentEnded { agent, .. } = event {
        if let Some(subagent) = known.subagents.get_mut(agent) {
            subagent.ended = Some(stamp.at);
        }
    } else {
        known.ended = Some(stamp.at);
        known.subagents.values_mut().for_each(|subagent| subagent.ended = subagent.ended.or(Some(stamp.at)));
    }
    Ok(())
}

/// A call that may run is remembered until its end is told.
fn see(state: &mut State, event: &Event, stamp: Stamp<'_>) {
    if let Event::CallObserved { call, .. } = event {
        state.seen_calls.remove(call);
    }
    if let Event::CallJudged {
        session,
        task,
        call: Some(call),
        tool,
        input,
        digest,
        verdict,
        waived,
        confined,
        aside,
        ..
    } = event
        && (*waived || *verdict != Judged::Deny)
    {
        let command = input.get("command").and_then(Value::as_str).map(str::to_owned);
        let seen = SeenCall {
            call: call.clone(),
            session: session.clone(),
            agent: stamp.by.clone(),
            tool: tool.clone(),
            task: *task,
            digest: digest.clone(),
            command,
            confined: confined.clone(),
            aside: *aside,
            verdict: if *waived && *verdict != Judged::Allow { Judged::Left } else { *verdict },
        };
        state.seen_calls.insert(call.clone(), seen);
    }
}

/// Events that add to what has been shown for a task.
fn show(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    let task = task_of(state, event)?;
    let verdict = |run: &RunId, summary: &str, tree: &Option<String>, visit: u32| Verdict {
        run: Some(*run),
        at: stamp.at,
        visit,
        tier: Tier::Executed,
        summary: summary.to_owned(),
        tree: tree.clone(),
        printed: None,
    };
    if let Event::ArtifactSubmitted { name, version, sha256, bytes, media_type, path, .. } = event {
        let artifact = Artifact {
            version: *version,
            sha256: sha256.clone(),
            bytes: *bytes,
            media_type: media_type.clone(),
            path: path.clone(),
            tier: if path.is_some() { Tier::Executed } else { Tier::Claimed },
            by: stamp.by.clone(),
            at: stamp.at,
            phase: task.phase.clone(),
        };
        task.artifacts.insert(name.clone(), artifact);
    } else if let Event::GateStarted { gate, run, until, .. } = event {
        let running = Evidence::Running { run: *run, since: stamp.at, until: *until };
        task.evidence.insert(evidence_key(&task.phase, gate), running);
    } else if let Event::GatePassed { gate, run, summary, tree, .. } = event {
        let passed = Evidence::Passed(verdict(run, summary, tree, task.visit));
        task.evidence.insert(evidence_key(&task.phase, gate), passed);
    } else if let Event::GateRefused { gate, run, summary, tree, printed, .. } = event {
        let printed = printed.clone();
        let refused = Evidence::Refused(Verdict { printed, ..verdict(run, summary, tree, task.visit) });
        task.evidence.insert(evidence_key(&task.phase, gate), refused);
    } else if let Event::GateObserved { gate, well, summary, tree, .. } = event {
        let (summary, tree) = (summary.clone(), tree.clone());
        let (at, visit, tier) = (stamp.at, task.visit, Tier::Observed);
        let seen = Verdict { run: None, at, visit, tier, summary, tree, printed: None };
        let seen = if *well { Evidence::Passed(seen) } else { Evidence::Refused(seen) };
        task.observed.insert(evidence_key(&task.phase, gate), seen);
    } else if let Event::GateOrphaned { run, .. } = event {
        task.evidence.retain(|_, evidence| !matches!(evidence, Evidence::Running { run: known, .. } if known == run));
    }
    Ok(())
}

/// Evidence is kept by phase and gate, so that a gate of the same name elsewhere proves nothing here.
pub fn evidence_key(phase: &str, gate: &str) -> String {
    format!("{phase}/{gate}")
}

/// Events that move a task along.
fn work(state: &mut State, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    let task = task_of(state, event)?;
    let held_since = task.claim().map(|claim| claim.since);
    carry_out(task, event, stamp)?;
    let held_still = task.claim().map(|claim| claim.since);
    if let Some(since) = held_since.filter(|_| held_still != held_since) {
        task.worked_ms = task.worked_ms.saturating_add(stamp.at.0.saturating_sub(since.0).max(0));
    }
    Ok(())
}

fn carry_out(task: &mut Task, event: &Event, stamp: Stamp<'_>) -> Result<(), ApplyError> {
    if let Event::TaskClaimed { agent, fence, handle, lease_seconds, .. }
    | Event::ClaimResumed { agent, fence, handle, lease_seconds, .. } = event
    {
        let claim = Claim {
            agent: agent.clone(),
            fence: *fence,
            handle: handle.clone(),
            since: stamp.at,
            lease_seconds: *lease_seconds,
            parked_until: None,
        };
        task.authors.insert(agent.clone());
        task.fence = *fence;
        if let Event::TaskClaimed { route: Some(route), .. } = event {
            routes::take(task, route);
        }
        change_state(task, |now| now.claim(claim))
    } else if let Event::ClaimExpired { .. } | Event::ClaimReleased { .. } = event {
        change_state(task, TaskState::free)
    } else if let Event::ViolationFound { violations, .. } = event {
        task.violations.extend(violations.iter().cloned());
        Ok(())
    } else if let Event::ViolationUndone { paths, .. } | Event::ViolationAccepted { paths, .. } = event {
        task.violations.retain(|known| !paths.contains(&known.path));
        Ok(())
    } else if let Event::ClaimParked { until, .. } = event {
        change_state(task, |now| now.park(*until))
    } else if let Event::TaskReadied { met, .. } = event {
        change_state(task, |now| now.dependency_met(*met))
    } else if let Event::BudgetChanged { budget, .. } = event {
        task.caps = Some(*budget);
        Ok(())
    } else if let Event::ProgressNoted { note, percent, .. } = event {
        task.progress = Some(Progress { note: note.clone(), percent: *percent, at: stamp.at });
        Ok(())
    } else if let Event::CheckpointSaved { data, .. } = event {
        task.checkpoint = Some(Checkpoint { data: data.clone(), by: stamp.by.clone(), at: stamp.at });
        Ok(())
    } else if let Event::TaskBlocked { blocker, reason, .. } = event {
        let blocker = Blocker { id: *blocker, reason: reason.clone(), by: stamp.by.clone(), at: stamp.at };
        change_state(task, |now| now.block(blocker))
    } else if let Event::TaskUnblocked { blockers, .. } = event {
        change_state(task, |now| now.unblock(blockers))
    } else if let Event::AttemptFailed { failed, .. } = event {
        task.attempts.failed = *failed;
        change_state(task, TaskState::free)
    } else if let Event::TaskFailed { reason, .. } = event {
        task.attempts.failed = task.attempts.failed.saturating_add(1);
        change_state(task, |now| now.fail(stamp.at, reason.clone()))
    } else if let Event::TaskReopened { .. } = event {
        task.attempts.failed = 0;
        change_state(task, TaskState::reopen)
    } else if let Event::TaskCancelled { reason, by_person, .. } = event {
        change_state(task, |now| now.cancel(stamp.at, reason.clone(), *by_person))
    } else if let Event::PhaseEntered { phase, visit, .. } = event {
        task.phase.clone_from(phase);
        task.visit = *visit;
        if let Some(route) = &mut task.route {
            (route.refused, route.checks, route.failed) = (0, Checks::default(), Vec::new());
        }
        Ok(())
    } else if let Event::TaskCompleted { phase, outcome, .. } = event {
        task.phase.clone_from(phase);
        task.outcome.clone_from(outcome);
        change_state(task, |now| now.finish(stamp.at))
    } else {
        Ok(())
    }
}
