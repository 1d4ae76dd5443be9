//! The only entry: every front door calls here. It binds a caller to a command, runs slow work between two commands, and
//! renders answers. It holds no rules; those are in `domain` and `policy`.

mod acts;
mod answers;
mod approvals;
mod artifacts;
pub mod backtest;
mod breaker;
pub mod clock;
mod contexts;
pub mod credentials;
mod deferred;
mod each_second;
pub mod erase;
pub mod failure;
mod feed;
mod gate_runs;
pub mod gates;
pub mod hook;
pub mod idempotency;
pub mod inbox;
mod issuers;
pub mod links;
pub mod log;
mod log_key;
pub mod metrics;
pub mod migrate;
pub mod notices;
mod outcomes;
mod persons;
mod phase_tokens;
pub mod ports;
pub mod prove;
pub mod publish;
mod reads;
pub mod ready;
pub mod routing;
mod screening;
pub mod sealer;
pub mod secret_file;
mod service;
pub mod session_views;
pub mod spending;
mod startup;
pub mod sweeper;
mod token_counts;
mod touched;
pub mod traces;
pub mod verify;
pub mod views;
mod warned;
pub mod worktree;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::audit::check::StoredHead;
use crate::config::keyring::Keyring;
use crate::config::workspace::Workspace;
use crate::domain::approval::Approval;
use crate::domain::approver::Proof;
use crate::domain::canonical;
use crate::domain::command::{Change, ClaimTask, Command, Target, Want};
use crate::domain::decide::{after_leave, consume, decide, log as log_decisions};
use crate::domain::event::Event;
use crate::domain::facts::{Caller, Context, Facts, Settings};
use crate::domain::flag::Looked;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::record::Sight;
use crate::domain::refusal::{Code, Refusal};
use crate::policy::permit::{Need, Permit, of_role, permit};
use crate::policy::screening::{screened, words};
use crate::store::{self, Attachment, Backend, By, Decide, Missing, Outcome, Scope, Stop, With};
use crate::telemetry::{TraceParent, Tracer};
use crate::tools::{self, Output, Reply, Request, Tool};
use clock::{Clock, Stopwatch};

pub use crate::store::{Server, StoreError};
pub use failure::Failure;
pub use reads::is_open_to;
pub use startup::{open, open_for_one, open_to_restore, read_workflow, system, with_backend};

pub struct Engine {
    backend: Box<dyn Backend>,
    workspace: Workspace,
    settings: Settings,
    clock: Arc<dyn Clock>,
    gate_environment: Vec<(OsString, OsString)>,
    schemas: artifacts::Schemas,
    screening: screening::Screening,
    /// When an agent's leases were last looked at, so that a burst of reads costs one look.
    renewals: Mutex<HashMap<AgentName, Time>>,
    /// What agents on this machine can do, as its settings say.
    capabilities: BTreeSet<String>,
    /// Where the store lies, as this machine remembers it.
    place: String,
    /// The file of the store, where that is not in the state folder.
    store_elsewhere: Option<PathBuf>,
    /// Where this machine remembers first approvers.
    keyring: Option<Keyring>,
    /// The file of the key that signs the log's heads.
    log_key: PathBuf,
    /// The last head that this process signed.
    last_head: Mutex<Option<StoredHead>>,
    measured: metrics::Measured,
    tracer: OnceLock<Tracer>,
    routes: Arc<routing::OwnRoutes>,
    identity: credentials::Identity,
    feed: feed::Feed,
    swept: sweeper::Swept,
    untold: warned::Untold,
    kept: hook::Kept,
}

/// What a long call reports, and how it learns that nobody waits for it any more.
pub trait Watch: Send + Sync {
    fn cancelled(&self) -> bool {
        false
    }

    fn progress(&self, _message: &str) {}

    /// The span that the call is a part of, where whoever calls said one.
    fn trace(&self) -> Option<TraceParent> {
        None
    }

    /// A call is about to wait for this approval. A front door that can ask a person itself does so here, without
    /// waiting for the answer, and says until when the call should wait.
    fn waiting(&self, _approval: &Approval, until: Time) -> Time {
        until
    }
}

/// For calls that nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}

const RENEWAL_LOOK_MS: i64 = 1000;

impl Engine {
    pub fn call(
        &self,
        caller: &Caller,
        tool: &'static Tool,
        arguments: Value,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        let watched = traces::Watched::begin(self, caller, tool, watch.trace());
        let answer = {
            let _inside = watched.enter();
            self.answer_call(caller, tool, arguments, watch)
        };
        watched.end(&answer);
        answer
            .map(|reply| self.with_budget(caller, reply))
            .map_err(|failure| self.screening.clean_failure(failure).bounded())
    }

    fn answer_call(
        &self,
        caller: &Caller,
        tool: &'static Tool,
        arguments: Value,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        if let Err(refusal) = of_role(caller, tool.name) {
            return Err(self.refuse(caller, tool, refusal));
        }
        let exact = Arc::new(tools::exact(&arguments));
        let request = phase_tokens::passed((tool.parse)(arguments)?, caller.pass.as_ref())?;
        let (texts, target) = screening::texts(&request);
        let call = Call { engine: self, caller, tool, exact, looked: Arc::default() }.looked(&texts, target)?;
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
            Request::Approval { request, wait_seconds } => call.approval(request, wait_seconds, watch),
            Request::Route(work) => call.route(work),
            Request::Outcome(told) => call.outcome(told),
            Request::Shorten(asked) => call.shorten(&asked),
            Request::ListTasks(filter) => call.read(|_, tx| Ok(store::read::tasks(tx, &filter)?.reply())),
            Request::QueryAudit(filter) => call.read(|facts, tx| {
                let page = store::records::page(tx, &self.below_root(&filter), &Sight::of(caller, &facts.held))?;
                Ok(crate::tools::query_audit::bounded(page, filter.after.is_some()).reply())
            }),
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
        let decide: Decide = Box::new(move |facts| Ok(decide(facts, &command, &context)?));
        self.transact(scope, self.by(caller, tool), attachments, decide)
    }

    fn transact(&self, scope: Scope, by: By, attachments: Vec<Attachment>, decide: Decide) -> Result<Outcome, Failure> {
        self.learn_first(&scope);
        let outcome =
            self.measured(decide, |decide| store::execute(self.backend.as_ref(), scope, by, attachments, decide))?;
        match outcome.refusal {
            Some(refusal) => Err(refusal.into()),
            None => {
                self.learn_from(&outcome.events);
                Ok(outcome)
            }
        }
    }

    /// What a person may do to a task without holding it.
    pub fn tend(&self, caller: &Caller, id: TaskId, change: Change) -> Result<Outcome, Failure> {
        let target = Target { task: Some(id), ..Target::default() };
        let scope = Scope::Task { target: target.clone(), with: reach(&change) };
        self.command(caller, "tasks", scope, Command::UpdateTask { target, change }, Vec::new())
    }

    /// What `request_approval` answers about an approval as it is now.
    pub fn asking(&self, id: ApprovalId) -> Result<Reply, Failure> {
        let approval = self.approval(id)?.ok_or_else(|| gone(id))?;
        let first = answers::asking(&approval, self.now());
        Ok(tools::request_approval::Answered { first, batch: Vec::new() }.reply())
    }

    /// Records a refusal that a front door found, and gives it back.
    pub fn refuse(&self, caller: &Caller, tool: &'static Tool, refusal: Refusal) -> Failure {
        Call { engine: self, caller, tool, exact: Arc::default(), looked: Arc::default() }
            .refuse(&Target::default(), refusal)
    }

    /// Puts a backup in place of the store, and says so in its log.
    pub fn restore(&self, caller: &Caller, file: &Path, proof: Proof) -> Result<(), Failure> {
        // A copy of our own, so that what is signed, decided and brought back is one and the same.
        let copy = self.private_copy(file)?;
        let (sha256, bytes) = backup_digest(copy.path())?;
        // Decided by what is there now: what comes back may not know the approvers of today.
        let note = self.would_take(caller, &Command::NoteRestore { sha256, bytes, proof })?;
        let by = self.by(caller, "restore");
        let before = store::snapshot(self.backend.as_ref(), |tx| store::look(tx, &Scope::Restored, &by))?.state;
        let decide: Decide =
            Box::new(move |facts| Ok(note.iter().cloned().chain(log_decisions::outdated(facts, &before)).collect()));
        let restored = store::restore(self.backend.as_ref(), copy.path(), by, decide);
        Ok(restored.map_err(|error| match error {
            StoreError::NotABackup { .. } => StoreError::NotABackup { path: file.to_path_buf() },
            error => error,
        })?)
    }

    fn private_copy(&self, file: &Path) -> Result<PrivateCopy, StoreError> {
        let path = self.workspace.state.join(format!("restore-{}.db", self.clock.random_hex(8)));
        PrivateCopy::of(file, path.clone()).map_err(|source| StoreError::File { path, source })
    }

    /// What a person signs to bring this file back.
    pub fn restore_statement(&self, file: &Path) -> Result<Value, StoreError> {
        Ok(log_decisions::restore_statement(&self.workspace_id()?, &backup_digest(file)?.0))
    }

    /// A decision before anything is done that no transaction could take back; what it refuses is on record.
    fn would_take(&self, caller: &Caller, command: &Command) -> Result<Vec<Event>, Failure> {
        let (by, context) = (self.by(caller, "check"), self.context(caller));
        let facts = store::snapshot(self.backend.as_ref(), |tx| store::look(tx, &Scope::Trust, &by))?;
        match decide(&facts, command, &context) {
            Ok(events) => Ok(events),
            Err(refusal) => {
                let said = refusal.clone();
                let decide: Decide = Box::new(move |_| Err(said.clone().into()));
                self.transact(Scope::Trust, by, Vec::new(), decide)?;
                Err(refusal.into())
            }
        }
    }

    /// Reads for people, on one snapshot.
    pub fn view<T>(&self, read: impl FnMut(&mut dyn store::Tx) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let began = Stopwatch::start();
        let found = store::snapshot(self.backend.as_ref(), read);
        self.measured.meters.read.add(began.elapsed());
        found
    }

    /// The same for what one statement reads.
    fn glance<T>(&self, read: impl FnMut(&mut dyn store::Tx) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let began = Stopwatch::start();
        let found = store::glance(self.backend.as_ref(), read);
        self.measured.meters.read.add(began.elapsed());
        found
    }

    pub fn backend(&self) -> &dyn Backend {
        self.backend.as_ref()
    }

    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// By what the first approver of this store is remembered: by where the store lies, which no change in it alters.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn now(&self) -> Time {
        self.clock.now_in(self.backend.time())
    }

    /// Random bytes, for keys that a person makes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut random = [0; N];
        self.clock.fill(&mut random);
        random
    }

    /// A secret of this process: 256 random bits, in hex.
    pub fn secret(&self) -> String {
        self.clock.random_hex(32)
    }

    /// A name no other process has.
    pub fn unique_agent(&self, client: &str) -> AgentName {
        let client: String =
            client.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
        let client = if client.is_empty() { "agent".to_owned() } else { client.to_ascii_lowercase() };
        AgentName(format!("{client}-{}", self.clock.random_hex(4)))
    }

    fn by(&self, caller: &Caller, tool: &'static str) -> By {
        let (role, at, redaction) = (caller.role.word().into(), self.now(), self.screening.redaction());
        By { agent: caller.agent.clone(), role, tool: tool.into(), at, redaction }
    }

    fn context(&self, caller: &Caller) -> Context {
        let workflow_file = self.workspace.workflow_file().exists();
        Context {
            now: self.now(),
            caller: caller.clone(),
            settings: Arc::new(Settings { workflow_file, ..self.settings.clone() }),
            routes: Arc::<routing::OwnRoutes>::clone(&self.routes),
        }
    }

    /// Reading is activity too, and activity renews a lease.
    fn renew_after_read(&self, agent: &AgentName) -> Result<(), StoreError> {
        let now = self.now();
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
    /// Its arguments, as an approval of it would have them.
    exact: Arc<Value>,
    /// What its texts hold.
    looked: Arc<Looked>,
}

impl Call<'_> {
    fn asked(&self) -> Asked {
        let need = if self.tool.in_loop { Need::Loop } else { Need::Grant };
        Asked { tool: self.tool.name, need, exact: Arc::clone(&self.exact) }
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
        let (asked, looked) = (self.asked(), Arc::clone(&self.looked));
        let decide: Decide = Box::new(move |facts| {
            let leave = asked.permitted(facts, &context)?;
            let chosen = choose(facts, &context)?;
            let said = screened(facts, chosen.as_deref().unwrap_or_default(), &looked, asked.tool)?;
            let Some(chosen) = chosen else { return Ok(Vec::new()) };
            // What changes nothing, such as a question asked again, brings nothing in.
            let said = if chosen.is_empty() { Vec::new() } else { said };
            Ok(after_leave(leave, chosen.into_iter().chain(said).collect()))
        });
        let by = self.engine.by(self.caller, self.tool.name);
        let outcome = self.engine.transact(scope, by, attachments, decide)?;
        self.engine.look_for_caps(&self.caller.agent, &outcome.facts);
        Ok(outcome)
    }

    /// Permission and reading on one snapshot.
    fn read(
        &self,
        mut read: impl FnMut(&Facts, &mut dyn store::Tx) -> Result<Reply, StoreError>,
    ) -> Result<Reply, Failure> {
        let by = self.engine.by(self.caller, self.tool.name);
        let scope = Scope::Standing;
        let (asked, context) = (self.asked(), self.engine.context(self.caller));
        let reply = self.engine.view(|tx| {
            let facts = store::look(tx, &scope, &by)?;
            self.engine.look_for_caps(&self.caller.agent, &facts);
            match permit(&facts, asked.tool, asked.need, context.now) {
                Ok(Permit::Allowed) => read(&facts, tx).map(Some),
                _ => Ok(None),
            }
        })?;
        if let Some(reply) = reply {
            self.engine.renew_after_read(&self.caller.agent)?;
            return Ok(reply);
        }
        // Anything else leaves a record, so it is asked again as a command, and read only then.
        let decide: Decide = Box::new(move |facts| asked.permitted(facts, &context));
        let outcome = self.engine.transact(scope.clone(), by.clone(), Vec::new(), decide)?;
        let reply = store::snapshot(self.engine.backend.as_ref(), |tx| read(&store::look(tx, &scope, &by)?, tx))?;
        Ok(noted(reply, &outcome))
    }

    /// A refusal found outside a transaction, recorded like any other.
    fn refuse(&self, target: &Target, refusal: Refusal) -> Failure {
        let scope = Scope::Task { target: target.clone(), with: With::Nothing };
        let (by, said) = (self.engine.by(self.caller, self.tool.name), refusal.clone());
        let decide: Decide = Box::new(move |_| Err(said.clone().into()));
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
            workflows: self.caller.workflows.clone(),
        };
        let outcome = self.run(scope, Command::ClaimTask(claim), Vec::new())?;
        let brief = answers::claimed(&outcome, secret, &self.engine.context(self.caller))?;
        Ok(noted(brief.reply(), &outcome))
    }

    fn update(&self, target: Target, change: Change) -> Result<Reply, Failure> {
        let scope = Scope::Task { target: target.clone(), with: reach(&change) };
        let outcome = self.run(scope, Command::UpdateTask { target, change }, Vec::new())?;
        Ok(noted(answers::updated(&outcome)?.reply(), &outcome))
    }
}

/// A file that only we read and that goes when this goes.
struct PrivateCopy(PathBuf);

impl PrivateCopy {
    fn of(file: &Path, path: PathBuf) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut from = std::fs::File::open(file)?;
        let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let copy = Self(path);
        std::io::copy(&mut from, &mut to)?;
        Ok(copy)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn backup_digest(file: &Path) -> Result<(String, u64), StoreError> {
    let unreadable = |source| StoreError::File { path: file.to_path_buf(), source };
    let content = std::fs::read(file).map_err(unreadable)?;
    Ok((canonical::sha256(&content), u64::try_from(content.len()).unwrap_or(u64::MAX)))
}

fn gone(id: ApprovalId) -> Refusal {
    Refusal::new(Code::UnknownApproval, format!("{id} is gone"), "ask again with request_approval")
}

/// The answer, with a word on every rule that was let pass and is to be shown, and on what its texts hold.
fn noted(mut reply: Reply, outcome: &Outcome) -> Reply {
    for event in &outcome.events {
        let message = match event {
            Event::RuleWaived { message, shown: true, .. } => message.clone(),
            Event::TextFlagged { field, findings, .. } => format!("`{field}` holds {}", words(findings)),
            Event::TextNotScreened { field, why, .. } => format!("`{field}` was not screened: {why}"),
            _ => continue,
        };
        reply.note_and(&message, "; recorded");
    }
    reply
}

/// A call as the rules judge it.
struct Asked {
    tool: &'static str,
    need: Need,
    exact: Arc<Value>,
}

impl Asked {
    /// What is on record before the call itself: an approval used up, a rule waived.
    fn permitted(&self, facts: &Facts, context: &Context) -> Result<Vec<Event>, Stop> {
        match permit(facts, self.tool, self.need, context.now)? {
            Permit::Allowed => Ok(Vec::new()),
            Permit::Waived { phase, message, shown, bypass } => {
                let task = facts.subject.or_else(|| facts.held.first().copied());
                Ok(vec![Event::RuleWaived { task, phase, tool: self.tool.to_owned(), message, shown, bypass }])
            }
            Permit::Asks { task, .. } if !facts.approvals_of.contains(&task) => {
                Err(Stop::Missing(Missing::Approvals(task)))
            }
            Permit::Asks { task, why } => {
                Ok(vec![consume(facts, facts.task(task)?, self.tool, &self.exact, &why, context)?])
            }
            Permit::Bypasses => Err(Stop::Missing(Missing::Bypasses)),
        }
    }
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
