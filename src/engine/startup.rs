//! Opening a workspace: its store, its name, and the starters that are in force until a person trusts something.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;

use crate::config::settings::{self, Settings};
use crate::config::starters;
use crate::config::workflow_file;
use crate::config::workspace::{WORKFLOW_FILE, Workspace};
use crate::domain::approver::{Proof, Via};
use crate::domain::canonical;
use crate::domain::command::{Command, NewTrust};
use crate::domain::decide::trust_statement;
use crate::domain::event::Origin;
use crate::domain::facts::{self, Caller, Role};
use crate::domain::ids::WorkflowHash;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::workflow::Workflow;
use crate::store::{self, Around, Attachment, Backend, Scope, StoreError, moving};

use super::clock::Clock;
use super::credentials::Identity;
use super::gates::find;
use super::metrics::Measured;
use super::screening::Screening;
use super::{Engine, Failure, log_key};

const WORKFLOW_BYTES_MAX: u64 = 256 << 10;
const SCHEMA_BYTES_MAX: u64 = 64 << 10;
/// What a task gets in a workspace where nobody has trusted a workflow and none is named.
const DEFAULT_STARTER: &str = "feature";

fn around<'a>(settings: &'a Settings, workspace: &'a Workspace) -> Around<'a> {
    Around { state: &workspace.state, postgres: Some(&settings.postgres.0) }
}

pub fn open(workspace: Workspace, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
    is_not_lost(&workspace, settings)?;
    open_to_restore(workspace, settings, clock)
}

/// The same, also where the store is gone and only its keys are left.
pub fn open_to_restore(workspace: Workspace, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
    let backend = store::open(settings.store.as_deref(), around(settings, &workspace))?;
    // Failing to hide the state from git is no reason not to work.
    let _ = workspace.ignore_state();
    with_backend(backend, workspace, settings, clock)
}

/// The same for a process that does one thing and ends, which a reader and a writer of its own would only slow down.
pub fn open_for_one(workspace: Workspace, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
    is_not_lost(&workspace, settings)?;
    let backend = store::open_for_one(settings.store.as_deref(), around(settings, &workspace))?;
    let _ = workspace.ignore_state();
    with_backend(backend, workspace, settings, clock)
}

/// Whoever takes a store away must not get an empty one in its place, as if there had never been tasks, rules and a log.
fn is_not_lost(workspace: &Workspace, settings: &Settings) -> Result<(), StoreError> {
    let Ok(file) = store::file_of(settings.store.as_deref(), &workspace.state) else { return Ok(()) };
    let holds = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.len() > 0);
    let key = log_key::beside(&file, log_key::KEY_FILE);
    if holds(&file) || holds(&store::wal_of(&file)) || !key.exists() {
        return Ok(());
    }
    Err(StoreError::Unfit {
        said: format!("the store is gone: {} signs its log, and {} is missing or empty", key.display(), file.display()),
        hint: "`phasegate restore FILE` brings back a backup; to begin anew, move that key away first",
    })
}

/// The same, over a store that is open already.
pub fn with_backend(
    backend: Box<dyn Backend>,
    workspace: Workspace,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Engine, Failure> {
    let (name, starters_of, log_key) = store::snapshot(backend.as_ref(), |tx| {
        moving::check(tx)?;
        Ok((store::meta(tx, "workspace")?, store::meta(tx, "starters")?, store::meta(tx, log_key::META)?))
    })?;
    if name.is_none() {
        // Of two first openers the first names it.
        store::note_meta(backend.as_ref(), "workspace", clock.random_hex(16), false)?;
    }
    let screening = Screening::open(settings, &workspace, clock.as_ref())?;
    let file = store::file_of(settings.store.as_deref(), &workspace.state);
    let file = file.unwrap_or_else(|_| workspace.state.join("phasegate.db"));
    let key_file = log_key::beside(&file, log_key::KEY_FILE);
    let identity = Identity::new(settings.issuers.clone(), &file);
    let place = place_of(settings.store.as_deref(), around(settings, &workspace));
    let store_elsewhere = std::fs::canonicalize(&file).ok().filter(|file| !lies_in(file, &workspace.state));
    let first_approver = settings.keyring.as_ref().and_then(|ring| ring.first_approver(&place));
    let routes = Arc::new(super::routing::OwnRoutes::new(&workspace.state, settings.routing.clone()));
    let engine = Engine {
        backend,
        screening,
        workspace,
        settings: facts::Settings {
            workflow_for: settings.workflow_for.clone(),
            first_approver,
            issuers: settings.issuers.iter().map(|issuer| issuer.name.clone()).collect(),
            ..facts::Settings::default()
        },
        clock,
        gate_environment: find::clean_environment(settings::environment_variables(), find::PASSED_VARIABLES),
        schemas: Mutex::default(),
        renewals: Mutex::new(HashMap::new()),
        untold: super::warned::Untold::default(),
        capabilities: settings.capabilities.clone(),
        place,
        store_elsewhere,
        keyring: settings.keyring.clone(),
        log_key: key_file,
        last_head: Mutex::default(),
        measured: Measured::default(),
        tracer: OnceLock::new(),
        routes,
        identity,
        feed: super::feed::Feed::default(),
        swept: super::sweeper::Swept::default(),
        kept: super::hook::Kept::default(),
    };
    if log_key.is_none()
        && let Err(error) = engine.make_log_key()
    {
        tracing::warn!(%error, next = error.hint(), "the log has no key yet, so it is not sealed");
    }
    if starters_of.as_deref() != Some(env!("CARGO_PKG_VERSION")) {
        put_starters_in_force(&engine)?;
    }
    Ok(engine)
}

fn lies_in(file: &Path, folder: &Path) -> bool {
    std::fs::canonicalize(folder).is_ok_and(|folder| file.starts_with(folder))
}

/// Which store it is, whatever way leads to it.
pub(super) fn place_of(store: Option<&str>, around: Around<'_>) -> String {
    if let Some(url) = store.filter(|url| store::is_shared(url)) {
        return canonical::sha256(store::shown_url(url, around).as_bytes());
    }
    let file = store::file_of(store, around.state).unwrap_or_else(|_| around.state.join("phasegate.db"));
    canonical::sha256(std::fs::canonicalize(&file).unwrap_or(file).as_os_str().as_encoded_bytes())
}

impl Engine {
    /// Puts the workflow in a file in force on a person's word alone, where no approver is enrolled.
    pub fn trust_file(&self, caller: &Caller, file: &Path) -> Result<(Workflow, WorkflowHash, bool), Failure> {
        let (workflow, source) = read_workflow(file)?;
        let default = file.file_name().is_some_and(|name| name == WORKFLOW_FILE);
        let proof = Proof::unsigned(1, Via::CommandLine);
        let (hash, changed) = self.trust(caller, &workflow, source, default, proof)?;
        Ok((workflow, hash, changed))
    }

    /// What an approver signs to trust this version.
    pub fn trust_statement(&self, workflow: &Workflow, default: bool) -> Result<Value, Failure> {
        Ok(trust_statement(&self.workspace_id()?, &[new_trust(workflow, default)]))
    }

    /// True when it was not in force before.
    pub fn trust(
        &self,
        caller: &Caller,
        workflow: &Workflow,
        source: String,
        default: bool,
        proof: Proof,
    ) -> Result<(WorkflowHash, bool), Failure> {
        let hash = WorkflowHash(canonical::hash(workflow));
        let body = serde_json::to_string(workflow).unwrap_or_default();
        let attachment = Attachment::Workflow { hash: hash.0.clone(), name: workflow.name.clone(), body, source };
        let command = Command::TrustWorkflows { versions: vec![new_trust(workflow, default)], proof };
        let outcome = self.command(caller, "workflow trust", Scope::Trust, command, vec![attachment])?;
        Ok((hash, !outcome.events.is_empty()))
    }
}

fn new_trust(workflow: &Workflow, default: bool) -> NewTrust {
    let hash = WorkflowHash(canonical::hash(workflow));
    NewTrust { name: workflow.name.clone(), hash, origin: Origin::Person, default }
}

/// A workflow file and the schema files it names, which lie beside it.
pub fn read_workflow(file: &Path) -> Result<(Workflow, String), Refusal> {
    let shown = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let invalid = |message: String, hint: &str| Refusal::new(Code::WorkflowInvalid, message, hint);
    let unreadable = |error: std::io::Error| {
        invalid(
            format!("{}: {error}", file.display()),
            "name a workflow file that can be read; `phasegate init` makes one",
        )
    };
    // What it says of its own size is not asked: that of a device or a pipe is nothing.
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(WORKFLOW_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > WORKFLOW_BYTES_MAX {
        return Err(invalid(
            format!("{shown} is larger than {WORKFLOW_BYTES_MAX} bytes"),
            "a workflow is a page or two",
        ));
    }
    let source = String::from_utf8(bytes).map_err(|error| {
        let read = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = read.iter().filter(|byte| **byte == b'\n').count() + 1;
        invalid(
            format!("{shown}:{line}: here it is no UTF-8"),
            "save it as UTF-8, which editors call `UTF-8` or `Unicode`",
        )
    })?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
    let mut load = |name: &str| {
        let path = folder.join(name);
        let found = std::fs::metadata(&path).map_err(|error| error.to_string())?;
        if !found.is_file() || found.len() > SCHEMA_BYTES_MAX {
            return Err(format!("it is not a file of at most {SCHEMA_BYTES_MAX} bytes"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    match workflow_file::read(&source, &mut load) {
        Ok(workflow) => Ok((workflow, source)),
        Err(problems) => {
            let list: Vec<String> = problems.iter().map(|problem| problem.located_in(&shown)).collect();
            let details = serde_json::json!({ "problems": problems.iter().map(|problem| serde_json::json!({
                "line": problem.line, "column": problem.column, "path": problem.path,
                "message": problem.message, "hint": problem.hint,
            })).collect::<Vec<_>>() });
            Err(invalid(list.join("\n"), "mend these places; nothing was changed").with(details))
        }
    }
}

/// phasegate acting for itself.
pub fn system() -> Caller {
    Caller { claims: 0, ..Caller::new("phasegate", Role::System) }
}

fn put_starters_in_force(engine: &Engine) -> Result<(), Failure> {
    let mut versions = Vec::new();
    let mut attachments = Vec::new();
    let known = engine.view(store::read::workflows)?;
    for (name, source) in starters::STARTERS {
        // A workflow a person trusted under the same name stays.
        let theirs = known.iter().any(|row| row.name == name && row.origin == Origin::Person);
        let Some(Ok(workflow)) = starters::starter(name).filter(|_| !theirs) else { continue };
        let hash = canonical::hash(&workflow);
        let body = serde_json::to_string(&workflow).unwrap_or_default();
        attachments.push(Attachment::Workflow {
            hash: hash.clone(),
            name: name.to_owned(),
            body,
            source: source.to_owned(),
        });
        let default = name == DEFAULT_STARTER && !known.iter().any(|row| row.default && row.origin == Origin::Person);
        versions.push(NewTrust { name: name.to_owned(), hash: WorkflowHash(hash), origin: Origin::Builtin, default });
    }
    let proof = Proof::unsigned(0, Via::CommandLine);
    engine.command(&system(), "starters", Scope::Trust, Command::TrustWorkflows { versions, proof }, attachments)?;
    store::note_meta(engine.backend.as_ref(), "starters", env!("CARGO_PKG_VERSION").to_owned(), true)?;
    Ok(())
}
