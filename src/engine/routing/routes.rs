//! Choosing a model for this workspace: the user's wishes and table of models, and what was learned here, put together. The
//! arithmetic is in `routing`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::domain::ids::AgentName;
use crate::domain::preference::Preferences;
use crate::domain::route::{Route, Routes, ToRoute, Work};
use crate::routing::catalogue::{Catalogue, Model};
use crate::routing::learned::Learned;
use crate::routing::routed::{Known, routed};

use super::learner::Learner;
use super::table::{self, Table};

/// Clients that have names of their own for models; an agent without a name is called after its client.
const CLIENTS: [&str; 5] = ["claude-code", "codex", "gemini", "opencode", "cursor"];

#[derive(Debug)]
pub struct OwnRoutes {
    state: PathBuf,
    pub preferences: Preferences,
    pub learner: Learner,
    /// The table of models, read when it is first asked for.
    models: OnceLock<Models>,
}

#[derive(Debug)]
struct Models {
    catalogue: Catalogue,
    /// Those on the user's own machine that the user's own table names.
    local: Vec<Model>,
}

impl OwnRoutes {
    pub fn new(state: &Path, preferences: Preferences) -> Self {
        let learner = Learner::new(preferences.assume_followed);
        Self { state: state.to_path_buf(), preferences, learner, models: OnceLock::new() }
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.models().catalogue
    }

    fn models(&self) -> &Models {
        self.models.get_or_init(|| {
            let table = table::read(&self.state);
            let local = table.own_local().cloned().collect();
            Models { local, catalogue: table.catalogue }
        })
    }
}

/// For a person who asks outside any task: by the same rules, without what was learned. Nothing is noted of it.
pub fn unlearned(work: &Work, preferences: &Preferences, table: &Table, client: &str) -> Option<Route> {
    let local: Vec<Model> = table.own_local().cloned().collect();
    let (learned, catalogue) = (&Learned::default(), &table.catalogue);
    let asked = ToRoute {
        id: String::new(),
        project: String::new(),
        work,
        phase: None,
        failed: &[],
        agent: &AgentName(client.to_owned()),
        left: None,
        taken_percent: 0,
        automatic: false,
    };
    routed(&asked, &Known { learned, preferences, catalogue, local: &local, client })
}

impl Routes for OwnRoutes {
    fn route(&self, asked: &ToRoute<'_>) -> Option<Route> {
        let client = CLIENTS.iter().find(|client| asked.agent.0.starts_with(**client)).copied().unwrap_or_default();
        let Models { catalogue, local } = self.models();
        let preferences = &self.preferences;
        self.learner.with(|learned| routed(asked, &Known { learned, preferences, catalogue, local, client }))
    }
}
