//! Where a command works: workspace, settings, who calls; and opening the engine there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::keyring::Keyring;
use crate::config::settings::{self, Environment, Settings};
use crate::config::workspace::Workspace;
use crate::domain::credential::{OWN_NAME, SOMEBODY, answers_elsewhere};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::AgentName;
use crate::domain::visible;
use crate::engine::{self, Engine, Failure, clock};
use crate::sandbox;

use super::{Ended, Global};

pub struct Place {
    pub workspace: Workspace,
    pub settings: Settings,
    person: String,
    inside_agent: bool,
    confined: bool,
    home: Option<PathBuf>,
    /// The person wants no colours.
    pub plain: bool,
    /// The workspace was named to this command, and not found from where it was started.
    pub workspace_named: bool,
    /// The store was named to this command, on its line or in its environment, and in no file.
    pub store_named: bool,
}

fn out_of_reach() -> Ended {
    Ended::usage(
        "phasegate's store is out of reach of a confined command",
        "an agent asks by its tools (`list_tasks`, `query_audit`); a person runs this in a shell of their own",
    )
}

impl Place {
    pub(super) fn of(global: &Global) -> Result<Self, Ended> {
        let here = std::env::current_dir().map_err(|error| Ended::internal(&error, "go to a folder that exists"))?;
        Self::from(global, &here, Environment::read())
    }

    pub(super) fn from(global: &Global, here: &Path, environment: Environment) -> Result<Self, Ended> {
        let workspace = Workspace::find(global.workspace.as_deref(), here).map_err(|error| {
            let shown = global.workspace.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            Ended::usage(format!("{shown}: {error}"), "name a folder that exists with `--workspace`")
        })?;
        let mut settings = settings::load(&workspace.root, &environment)?;
        if global.store.is_some() {
            settings.store.clone_from(&global.store);
        }
        if global.agent.is_some() {
            settings.agent.clone_from(&global.agent);
        }
        let workspace_named = global.workspace.is_some();
        let store_named = global.store.is_some() || environment.store.is_some();
        let person = environment.user.unwrap_or_else(|| SOMEBODY.to_owned());
        if let Some(agent) = &settings.agent {
            agent_name(agent)?;
            is_free(agent, &person)?;
        }
        let Environment { inside_agent, home, no_colour: plain, .. } = environment;
        let confined = settings::environment_variables().any(|(name, _)| name == sandbox::MARK);
        Ok(Self { workspace, settings, person, inside_agent, confined, home, plain, workspace_named, store_named })
    }

    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Makes the workspace's state where there is none yet.
    pub fn open(&self) -> Result<Arc<Engine>, Ended> {
        self.opened(engine::open(self.workspace.clone(), &self.settings, Arc::new(clock::System)))
    }

    /// The same, also where the store is gone.
    pub fn open_to_restore(&self) -> Result<Arc<Engine>, Ended> {
        self.opened(engine::open_to_restore(self.workspace.clone(), &self.settings, Arc::new(clock::System)))
    }

    fn opened(&self, opened: Result<Engine, Failure>) -> Result<Arc<Engine>, Ended> {
        if self.confined && opened.is_err() {
            return Err(out_of_reach());
        }
        Ok(Arc::new(opened?))
    }

    pub fn has_store(&self) -> bool {
        self.settings.store.is_some() || self.workspace.state.is_dir()
    }

    /// For commands that only look: a folder without a workspace stays one.
    pub fn open_existing(&self) -> Result<Arc<Engine>, Ended> {
        let file = self.settings.store.as_deref().and_then(|url| url.strip_prefix("sqlite:"));
        if let Some(file) = file.filter(|file| !std::path::Path::new(file).exists()) {
            return Err(Ended::usage(
                format!("there is no store at {file}"),
                "mind the path; `phasegate serve` makes a new one",
            ));
        }
        if !self.has_store() && self.confined {
            return Err(out_of_reach());
        }
        if !self.has_store() {
            return Err(Ended::usage(
                format!("there is no phasegate workspace in {}", self.workspace.root.display()),
                "`phasegate init` sets this repository and its clients up; `phasegate demo` shows how it works",
            ));
        }
        self.open()
    }

    /// The person at the command line.
    pub fn person(&self) -> Caller {
        Caller {
            capabilities: self.settings.capabilities.clone(),
            claims: self.settings.claims_per_agent,
            ..Caller::new(self.person.as_str(), Role::Operator)
        }
    }

    /// How well an answer given here is proved to be a person's: 1 where only the rules keep agents away from this command
    /// line, 0 in a shell that a coding agent has started.
    pub fn level(&self) -> u8 {
        u8::from(!self.inside_agent)
    }

    /// Where this person's keys lie.
    pub fn keyring(&self) -> Result<&Keyring, Ended> {
        let homeless = || Ended::usage("there is no home folder to keep keys in", "set HOME or XDG_CONFIG_HOME");
        self.settings.keyring.as_ref().ok_or_else(homeless)
    }

    /// For `call`: an agent that somebody plays.
    pub fn agent(&self) -> Caller {
        let name = self.settings.agent.clone().unwrap_or_else(|| "cli".to_owned());
        Caller { agent: AgentName(name), role: Role::Agent, ..self.person() }
    }
}

/// A name in the log stands for one actor: an agent that bears a person's would ask and answer in one, and neither could go on.
fn is_free(agent: &str, person: &str) -> Result<(), Ended> {
    let whose = match agent {
        _ if agent == person => "your own name",
        SOMEBODY => "the name of a person who has none",
        OWN_NAME => "phasegate's own name",
        _ if answers_elsewhere(agent) => "how persons who answer elsewhere go by",
        _ => return Ok(()),
    };
    let message = format!("the agent cannot be called `{agent}`: that is {whose} in the log");
    Err(Ended::usage(message, "give it another with `--agent`, PHASEGATE_AGENT or `agent` in config.toml"))
}

/// Of a name that is none.
const NAME_SHOWN_CHARS: usize = 100;

pub(super) fn agent_name(name: &str) -> Result<(), Ended> {
    if AgentName(name.to_owned()).is_fit() {
        return Ok(());
    }
    let name = visible::line(name, NAME_SHOWN_CHARS);
    Err(Ended::usage(format!("`{name}` cannot be an agent's name"), "up to 100 letters, digits and `-_.:@/`"))
}
