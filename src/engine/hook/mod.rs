//! What a client's hook is answered: its session is noted, a call is judged and recorded, and what came of it is looked at.
//! Reading and writing the client's own JSON is not here (`clients`).

mod after;
mod around;
mod before;
mod confined;
mod effects;
mod looks;
mod results;
mod session;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use crate::clients::hooked::{HookAnswer, HookEvent, Hooked, ToolCall};
use crate::clients::transcript::Format;
use crate::domain::canonical;
use crate::domain::decide::session::{self as domain_session, Shown};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{AgentName, SessionId};
use crate::domain::session::{Guard, Session};
use crate::sandbox::{Blank, Rung};
use crate::store::spending::Thread;
use crate::store::{Scope, moving};

use super::{Engine, Failure};

const TOOL: &str = "hook";
/// A client's own id, or it is nothing that could be looked up again.
const SESSION_CHARS_MAX: usize = 128;
const NAMED_BY_CHARS: usize = 8;

/// What hooks keep from one call to the next, where one process answers several.
#[derive(Default)]
pub struct Kept {
    /// What the kernel can hold, once a hook has asked: no machine starts anew under a process.
    kernel: OnceLock<Rung>,
    /// Whether the file system takes other letters for the same name.
    folds_case: OnceLock<bool>,
    looks: looks::Looks,
    /// For the next command that is confined.
    blank: Mutex<Option<Blank>>,
}

/// One event, with what the client can do about an answer.
pub struct Told {
    pub client: &'static str,
    pub guard: Guard,
    /// What makes it worth that, in words.
    pub guard_why: String,
    /// By the client's settings, as they are about to count, it is less than it could be.
    pub guard_lost: bool,
    pub hooked: Hooked,
    /// The name of the environment for agents, which a session's main thread goes by.
    pub agent: Option<AgentName>,
    /// The server sees the ids of calls that the hook sees.
    pub call_ids: bool,
    /// The client can ask a person who sits in front of it.
    pub asks: bool,
    /// Puts another command line into a shell call, in the client's own form; nothing where it cannot.
    pub rewrite: Option<fn(&serde_json::Value, &str) -> serde_json::Value>,
    /// The client may run commands in a sandbox of its own, in which less can be held than this hook finds.
    pub own_sandbox: bool,
    /// Puts another model into the start of a subagent.
    pub route: Option<fn(&serde_json::Value, crate::domain::workflow::ModelTier) -> Option<serde_json::Value>>,
    /// Where the text of a result stands that may be another; nothing where the client takes none.
    pub text_of_result: Option<crate::clients::TextAt>,
    /// The person's own deny and ask rules for this client.
    pub theirs: TheirRules,
    /// This very program, for a command that it holds to its phase.
    pub binary: PathBuf,
    pub home: Option<PathBuf>,
    /// Folders and files of ours outside the workspace.
    pub own_paths: Vec<PathBuf>,
}

impl Told {
    /// The transcript, of a client whose answers are counted.
    fn measured(&self) -> Option<&Path> {
        self.hooked.transcript.as_deref().filter(|_| Format::of_client(self.client).is_some())
    }

    /// Under what a call is noted until it has ended.
    fn noted(&self, call: &ToolCall) -> Option<String> {
        match call.tool.strip_prefix(before::OWN) {
            Some(own) if !self.call_ids => Some(domain_session::unnamed(own, &call.input)),
            Some(_) | None => call.id.clone(),
        }
    }
}

/// As written in the client's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TheirRules {
    pub deny: Vec<String>,
    pub ask: Vec<String>,
}

/// Who acts in an event.
struct Actor {
    /// On the main thread.
    main: AgentName,
    /// The same, or a subagent.
    acting: AgentName,
    shown: Shown,
}

impl Engine {
    pub fn hook(&self, told: &Told) -> Result<HookAnswer, Failure> {
        let actor = self.actor(told);
        match &told.hooked.event {
            HookEvent::Before(call) => self.before(told, &actor, call),
            HookEvent::After { call, result } => self.after(told, &actor, call, result),
            HookEvent::SessionStarted { how } => self.session_started(told, &actor, *how),
            HookEvent::PromptSubmitted => self.prompted(told, &actor),
            HookEvent::SubAgentStarted => self.subagent_started(told, &actor),
            HookEvent::SubAgentStopped => self.subagent_stopped(told, &actor),
            HookEvent::BeforeCompaction => self.before_compaction(told, &actor),
            HookEvent::SettingsChanged { source, file } => self.settings_changed(told, &actor, source, file.as_deref()),
            HookEvent::Stopping { again } => self.stopping(told, &actor, *again),
            HookEvent::StoppedByFailure { message } => self.stopped_by_failure(told, &actor, message),
            HookEvent::SessionEnded { why } => self.session_ended(told, &actor, why),
            // What was judged before it ran is not judged twice.
            HookEvent::PermissionAsked(_) | HookEvent::Other { .. } => Ok(HookAnswer::Nothing),
        }
    }

    /// What can be done once the client has its answer, and has to be done before the process ends.
    pub fn after_hook(&self) {
        self.kept.looks.save();
    }

    fn actor(&self, told: &Told) -> Actor {
        let hooked = &told.hooked;
        let session: String = hooked.session.chars().take(SESSION_CHARS_MAX).collect();
        // The front of an id may be the time of day, which sessions share; its digest is of the whole.
        let digest = canonical::sha256(hooked.session.as_bytes());
        let short = digest.get(..NAMED_BY_CHARS).unwrap_or(&digest);
        let main = told.agent.clone().unwrap_or_else(|| AgentName(format!("{}-{short}", told.client)));
        let subagent = hooked.agent.as_ref().map(|sub| (Session::subagent(&main, &sub.id), sub.kind.clone()));
        let acting = subagent.as_ref().map_or_else(|| main.clone(), |(name, _)| name.clone());
        let shown = Shown {
            session: SessionId(session),
            client: told.client.to_owned(),
            guard: told.guard,
            why: told.guard_why.clone(),
            folder: hooked.cwd.display().to_string(),
            model: hooked.model.clone(),
            agent: main.clone(),
            subagent,
        };
        Actor { main, acting, shown }
    }

    /// The store that was opened is still the one that is there, and takes work: what a hook that opens it finds out.
    pub fn is_as_opened(&self) -> bool {
        self.backend.is_as_opened().unwrap_or(false) && self.view(moving::check).is_ok()
    }

    fn hook_caller(&self, actor: &Actor) -> Caller {
        Caller::new(actor.acting.0.as_str(), Role::Agent)
    }
}

impl Actor {
    fn thread(&self) -> Thread {
        Thread { agent: self.acting.clone(), session: self.shown.session.clone() }
    }

    fn scope(&self, call: Option<&str>, gates: bool) -> Scope {
        let parent = (self.main != self.acting).then(|| self.main.clone());
        Scope::Hook { session: self.shown.session.clone(), parent, call: call.map(str::to_owned), gates }
    }
}
