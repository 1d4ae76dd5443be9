//! Opening a workspace: its store, its name, and the starters that are in force until a person trusts something.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use crate::config::settings::{self, Settings};
use crate::config::starters;
use crate::config::workspace::Workspace;
use crate::domain::canonical;
use crate::domain::command::{Command, NewTrust};
use crate::domain::event::Origin;
use crate::domain::facts::{self, Caller, Role};
use crate::domain::ids::{AgentName, WorkflowHash};
use crate::store::{self, Attachment, Scope};

use super::clock::Clock;
use super::gates::find;
use super::{Engine, Failure};

/// What a task gets in a workspace where nobody has trusted a workflow and none is named.
const DEFAULT_STARTER: &str = "feature";

pub fn open(workspace: Workspace, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Engine, Failure> {
    let backend = store::open(settings.store.as_deref(), &workspace.state)?;
    // Failing to hide the state from git is no reason not to work.
    let _ = workspace.ignore_state();
    let (name, starters_of) = store::snapshot(backend.as_ref(), |tx| {
        Ok((store::meta(tx, "workspace")?, store::meta(tx, "starters")?))
    })?;
    let name = match name {
        Some(name) => name,
        None => {
            store::note_meta(backend.as_ref(), "workspace", clock.random_hex(16), false)?;
            store::snapshot(backend.as_ref(), |tx| store::meta(tx, "workspace"))?.unwrap_or_default()
        }
    };
    let engine = Engine {
        backend,
        workspace,
        name: name.into(),
        settings: facts::Settings { workflow_for: settings.workflow_for.clone(), ..facts::Settings::default() },
        clock,
        gate_environment: find::clean_environment(settings::environment_variables(), find::PASSED_VARIABLES),
        schemas: Mutex::default(),
        renewals: Mutex::new(HashMap::new()),
    };
    if starters_of.as_deref() != Some(env!("CARGO_PKG_VERSION")) {
        put_starters_in_force(&engine)?;
    }
    Ok(engine)
}

/// phasegate acting for itself.
pub fn system() -> Caller {
    Caller {
        agent: AgentName("phasegate".to_owned()),
        role: Role::System,
        capabilities: BTreeSet::new(),
        claims: 0,
    }
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
        attachments.push(Attachment::Workflow { hash: hash.clone(), name: name.to_owned(), body, source: source.to_owned() });
        let default = name == DEFAULT_STARTER && !known.iter().any(|row| row.default && row.origin == Origin::Person);
        versions.push(NewTrust { name: name.to_owned(), hash: WorkflowHash(hash), origin: Origin::Builtin, default });
    }
    engine.command(&system(), "starters", Scope::Trust, Command::TrustWorkflows { versions }, attachments)?;
    store::note_meta(engine.backend.as_ref(), "starters", env!("CARGO_PKG_VERSION").to_owned(), true)?;
    Ok(())
}
