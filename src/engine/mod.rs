//! The only entry: every front door calls here. It binds a caller to a command, runs slow work between two commands, and
//! renders answers. It holds no rules; those are in `domain` and `policy`.

mod answers;
mod artifacts;
pub mod clock;
pub mod erase;
mod gate_runs;
pub mod gates;
mod log_key;
pub mod prove;
pub mod publish;
pub mod sealer;
mod startup;
pub mod sweeper;
pub mod verify;
pub mod views;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::config::workspace::Workspace;
use crate::domain::approval::Approval;
use crate::domain::canonical;
use crate::domain::command::{Change, ClaimTask, Command, Decision, Question, RequestApproval, Target, Want};
use crate::domain::decide::decide;
use crate::domain::event::Event;
use crate::domain::facts::{Caller, Context, Facts, Settings};
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::route::Work;
use crate::policy::permit::{Need, Permit, permit};
use crate::store::{self, Attachment, Backend, By, Decide, Outcome, Scope, With};
use crate::tools::request_approval::Asked;
use crate::tools::{Output, Reply, Request, Tool};
use clock::Clock;

pub use crate::store::StoreError;
pub use startup::{open, read_workflow, system, with_backend};

pub struct Engine {
    backend: Box<dyn Backend>,
    workspace: Workspace,
    settings: Settings,
    clock: Arc<dyn Clock>,
    gate_environment: Vec<(OsString, OsString)>,
    schemas: artifacts::Schemas,
    /// When an agent's leases were last looked at, so that a burst of reads costs one look.
    renewals: Mutex<HashMap<AgentName, Time>>,
    /// The file of the key that signs the log's heads.
    log_key: PathBuf,
}

/// What a long call reports, and how it learns that nobody waits for it any more.
pub trait Watch: Send + Sync {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _message: &str) {}
}

/// For calls that nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller learns the reference, the log the cause.
    #[error(transparent)]
    Broken(#[from] StoreError),
}

const RENEWAL_LOOK_MS: i64 = 1000;
const APPROVAL_POLL: std::time::Duration = std::time::Duration::from_millis(200);

impl Engine {
    pub fn call(
        &self,
        caller: &Caller,
        tool: &'static Tool,
        arguments: Value,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        let request = (tool.parse)(arguments)?;
        let call = Call { engine: self, caller, tool };
        match request {
            Request::Submit(submission) => {
                let refers_to = answers::refers_to(&submission.tasks);
                let outcome =
                    call.run(Scope::Submit { refers_to }, Command::SubmitTasks(submission.clone()), Vec::new())?;
                Ok(noted(answers::submitted(&submission, &outcome).reply(), &outcome))
            }
            Request::Claim(claim) => call.claim(claim),
            Request::Update { target, change } => call.update(target, change),
            Request::Artifact { target, name, content, media_type } => call.artifact(target, name, content, media_type),
            Request::Transition { target, to, outcome } => call.transition(target, to, outcome, watch),
            Request::Approval { target, what, reason, wait_seconds } => {
                call.approval(target, what, reason, wait_seconds, watch)
            }
            Request::Route(work) => call.read(|facts, _| {
                let task = facts.held.first().and_then(|id| facts.state.tasks.get(id));
                let phase = task.and_then(|task| facts.phase_of(task).ok());
                // What is on record counts, whatever the agent says of its tries.
                let failed = task.map_or(0, |task| task.attempts.failed).max(work.failed_attempts.unwrap_or(0));
                let work = Work { failed_attempts: Some(failed), ..work.clone() };
                Ok(crate::routing::route(&work, phase.and_then(|phase| phase.model)).reply())
            }),
            Request::ListTasks(filter) => call.read(|_, tx| Ok(store::read::tasks(tx, &filter)?.reply())),
            Request::QueryAudit(filter) => call.read(|_, tx| Ok(store::read::records(tx, &filter)?.reply())),
        }
    }

    /// A command of a person or of phasegate itself, outside the tools.
    pub fn command(
        &self,
        caller: &Caller,
        tool: &'static str,
        scope: Scope,
        command: Command,
        attachments: Vec<Attachment>,
    ) -> Result<Outcome, Failure> {
        let context = self.context(caller);
        let decide: Decide = Box::new(move |facts| decide(facts, &command, &context));
        self.transact(scope, self.by(caller, tool), attachments, decide)
    }

    fn transact(&self, scope: Scope, by: By, attachments: Vec<Attachment>, decide: Decide) -> Result<Outcome, Failure> {
        let outcome = store::execute(self.backend.as_ref(), scope, by, attachments, decide)?;
        match outcome.refusal {
            Some(refusal) => Err(refusal.into()),
            None => Ok(outcome),
        }
    }

    /// What a person may do to a task without holding it.
    pub fn tend(&self, caller: &Caller, id: TaskId, change: Change) -> Result<Outcome, Failure> {
        let target = Target { task: Some(id), ..Target::default() };
        let scope = Scope::Task { target: target.clone(), with: reach(&change) };
        self.command(caller, "tasks", scope, Command::UpdateTask { target, change }, Vec::new())
    }

    pub fn answer(
        &self,
        caller: &Caller,
        approval: ApprovalId,
        answer: Decision,
        level: u8,
    ) -> Result<Option<Approval>, Failure> {
        let command = Command::DecideApproval { approval, answer, level };
        let mut outcome = self.command(caller, "approvals", Scope::Approval(approval), command, Vec::new())?;
        Ok(outcome.facts.state.approvals.remove(&approval))
    }

    /// Puts a backup in place of the store, and says so in its log.
    pub fn restore(&self, caller: &Caller, file: &Path) -> Result<(), Failure> {
        let unreadable = |source| StoreError::File { path: file.to_path_buf(), source };
        let content = std::fs::read(file).map_err(unreadable)?;
        self.backend.restore(file)?;
        let sha256 = canonical::sha256(&content);
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let command = Command::NoteRestore { sha256, bytes };
        self.command(caller, "restore", Scope::Trust, command, Vec::new())?;
        Ok(())
    }

    /// Reads for people, on one snapshot.
    pub fn view<T>(&self, read: impl FnMut(&mut dyn store::Tx) -> Result<T, StoreError>) -> Result<T, StoreError> {
        store::snapshot(self.backend.as_ref(), read)
    }

    pub fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A name no other process has.
    pub fn unique_agent(&self, client: &str) -> AgentName {
        let client: String =
            client.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
        let client = if client.is_empty() { "agent".to_owned() } else { client.to_ascii_lowercase() };
        AgentName(format!("{client}-{}", self.clock.random_hex(4)))
    }

    fn by(&self, caller: &Caller, tool: &'static str) -> By {
        By { agent: caller.agent.clone(), role: caller.role.word().into(), tool: tool.into(), at: self.clock.now() }
    }

    fn context(&self, caller: &Caller) -> Context {
        let workflow_file = self.workspace.workflow_file().exists();
        Context {
            now: self.clock.now(),
            caller: caller.clone(),
            settings: Arc::new(Settings { workflow_file, ..self.settings.clone() }),
        }
    }

    /// Reading is activity too, and activity renews a lease.
    fn renew_after_read(&self, agent: &AgentName) -> Result<(), StoreError> {
        let now = self.clock.now();
        {
            let mut looked = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.get(agent).is_some_and(|last| now.0 - last.0 < RENEWAL_LOOK_MS) {
                return Ok(());
            }
            if looked.len() > 10_000 {
                looked.clear();
            }
            looked.insert(agent.clone(), now);
        }
        if store::snapshot(self.backend.as_ref(), |tx| store::read::lease_is_due(tx, &agent.0, now))? {
            store::renew(self.backend.as_ref(), agent.clone(), now);
        }
        Ok(())
    }
}

/// One call of one tool by one caller.
struct Call<'e> {
    engine: &'e Engine,
    caller: &'e Caller,
    tool: &'static Tool,
}

impl Call<'_> {
    fn need(&self) -> Need {
        if self.tool.in_loop { Need::Loop } else { Need::Grant }
    }

    /// Permission and decision in one transaction.
    fn run(&self, scope: Scope, command: Command, attachments: Vec<Attachment>) -> Result<Outcome, Failure> {
        self.permitted(scope, attachments, move |facts, context| decide(facts, &command, context).map(Some))
    }

    /// The same for a decision that may also be to do nothing yet, and to leave no trace of having asked.
    fn permitted(
        &self,
        scope: Scope,
        attachments: Vec<Attachment>,
        choose: impl Fn(&Facts, &Context) -> Result<Option<Vec<Event>>, Refusal> + Send + 'static,
    ) -> Result<Outcome, Failure> {
        let context = self.engine.context(self.caller);
        let (tool, need) = (self.tool.name, self.need());
        let decide: Decide = Box::new(move |facts| {
            let permit = permit(facts, tool, need)?;
            let Some(mut events) = choose(facts, &context)? else { return Ok(Vec::new()) };
            events.extend(waived(permit, facts, tool));
            Ok(events)
        });
        let by = self.engine.by(self.caller, self.tool.name);
        self.engine.transact(scope, by, attachments, decide)
    }

    /// Permission and reading on one snapshot.
    fn read(
        &self,
        mut read: impl FnMut(&Facts, &mut dyn store::Tx) -> Result<Reply, StoreError>,
    ) -> Result<Reply, Failure> {
        let by = self.engine.by(self.caller, self.tool.name);
        let scope = Scope::Task { target: Target::default(), with: With::Nothing };
        let (tool, need) = (self.tool.name, self.need());
        let (reply, on_record) = store::snapshot(self.engine.backend.as_ref(), |tx| {
            let facts = store::look(tx, &scope, &by)?;
            match permit(&facts, tool, need) {
                Ok(Permit::Allowed) => read(&facts, tx).map(|reply| (Some(reply), false)),
                Ok(Permit::Waived { .. }) => read(&facts, tx).map(|reply| (Some(reply), true)),
                Err(_) => Ok((None, true)),
            }
        })?;
        if !on_record {
            self.engine.renew_after_read(&self.caller.agent)?;
        } else {
            // Asked again as a command, so that it is recorded like any other.
            let decide: Decide = Box::new(move |facts| Ok(waived(permit(facts, tool, need)?, facts, tool).collect()));
            let outcome = self.engine.transact(scope, by, Vec::new(), decide)?;
            if let Some(reply) = reply {
                return Ok(noted(reply, &outcome));
            }
        }
        reply.ok_or_else(|| Refusal::new(Code::NotOpen, format!("`{tool}` was not open"), "try again").into())
    }

    /// A refusal found outside a transaction, recorded like any other.
    fn refuse(&self, target: &Target, refusal: Refusal) -> Failure {
        let scope = Scope::Task { target: target.clone(), with: With::Nothing };
        let (by, said) = (self.engine.by(self.caller, self.tool.name), refusal.clone());
        let decide: Decide = Box::new(move |_| Err(said.clone()));
        match self.engine.transact(scope, by, Vec::new(), decide) {
            Ok(_) => refusal.into(),
            Err(failure) => failure,
        }
    }

    /// Facts for a look before a command, on a snapshot.
    fn look(&self, target: &Target, with: With) -> Result<Facts, Failure> {
        let by = self.engine.by(self.caller, self.tool.name);
        let scope = Scope::Task { target: target.clone(), with };
        Ok(store::snapshot(self.engine.backend.as_ref(), |tx| store::look(tx, &scope, &by))?)
    }

    fn claim(&self, mut claim: ClaimTask) -> Result<Reply, Failure> {
        let secret = format!("pgc_{}", self.engine.clock.random_hex(16));
        claim.handle = crate::tools::handle_hash(&secret);
        let scope = Scope::Claim {
            id: match &claim.want {
                Want::One(id) => Some(*id),
                Want::Next(_) | Want::New(_) => None,
            },
            handle: claim.resume.clone(),
            next: match &claim.want {
                Want::Next(filter) if claim.resume.is_none() => Some(filter.clone()),
                Want::Next(_) | Want::One(_) | Want::New(_) => None,
            },
            refers_to: match &claim.want {
                Want::New(new) => Some(answers::refers_to(std::slice::from_ref(new.as_ref()))),
                Want::Next(_) | Want::One(_) => None,
            },
            capabilities: self.caller.capabilities.clone(),
        };
        let outcome = self.run(scope, Command::ClaimTask(claim), Vec::new())?;
        let brief = answers::claimed(&outcome, secret, self.engine.clock.now())?;
        Ok(noted(brief.reply(), &outcome))
    }

    fn update(&self, target: Target, change: Change) -> Result<Reply, Failure> {
        let scope = Scope::Task { target: target.clone(), with: reach(&change) };
        let outcome = self.run(scope, Command::UpdateTask { target, change }, Vec::new())?;
        Ok(noted(answers::updated(&outcome)?.reply(), &outcome))
    }

    fn approval(
        &self,
        target: Target,
        what: Asked,
        reason: String,
        wait_seconds: u64,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        let what = match what {
            Asked::Gate(gate) => Question::Gate(gate),
            Asked::Question { ask, choices, within_seconds } => Question::Free { ask, choices, within_seconds },
        };
        let scope = Scope::Task { target: target.clone(), with: With::Gates };
        let command = RequestApproval { target, what, reason };
        let outcome = self.run(scope, Command::RequestApproval(command.clone()), Vec::new())?;
        let id = answers::asked(&outcome, &command, &self.engine.context(self.caller))?;
        let until = self.engine.clock.now().plus_seconds(wait_seconds);
        loop {
            let approval = self.engine.view(|tx| store::read::approval(tx, id))?;
            let now = self.engine.clock.now();
            let open =
                approval.as_ref().is_some_and(|approval| approval.state.is_pending() && approval.expires_at > now);
            if !open || now >= until || watch.cancelled() {
                let approval = approval.ok_or_else(|| {
                    Refusal::new(Code::UnknownApproval, format!("{id} is gone"), "ask again with request_approval")
                })?;
                return Ok(noted(answers::asking(&approval, now).reply(), &outcome));
            }
            self.engine.renew_after_read(&self.caller.agent)?;
            watch.progress("waiting for a person");
            std::thread::sleep(APPROVAL_POLL);
        }
    }
}

/// The answer, with a word on every rule that was let pass and is to be shown.
fn noted(mut reply: Reply, outcome: &Outcome) -> Reply {
    for event in &outcome.events {
        if let Event::RuleWaived { message, shown: true, .. } = event {
            reply.text.push_str(&format!("\nNote: {message}; recorded"));
            if let Value::Object(fields) = &mut reply.structured {
                fields.insert("note".to_owned(), Value::String(message.clone()));
            }
        }
    }
    reply
}

/// The record of a call that was let through although the rules do not allow it.
fn waived(permit: Permit, facts: &Facts, tool: &str) -> impl Iterator<Item = Event> {
    let event = match permit {
        Permit::Allowed => None,
        Permit::Waived { phase, message, shown } => {
            let task = facts.subject.or_else(|| facts.held.first().copied());
            Some(Event::RuleWaived { task, phase, tool: tool.to_owned(), message, shown })
        }
    };
    event.into_iter()
}

/// How far a change reaches beyond its task.
fn reach(change: &Change) -> With {
    match change {
        Change::Cancel { .. } | Change::Fail { .. } => With::AllDependents,
        Change::Progress { .. }
        | Change::Checkpoint { .. }
        | Change::Block { .. }
        | Change::Unblock { .. }
        | Change::Release { .. }
        | Change::Reopen { .. } => With::Nothing,
    }
}

/// The task a command was about, as it is afterwards.
fn subject(outcome: &Outcome) -> Option<TaskId> {
    outcome.facts.subject.or_else(|| outcome.events.iter().find_map(Event::task))
}
