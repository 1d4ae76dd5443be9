//! Choosing a model for this workspace: the score, what phases and budgets allow, and what was learned here. The arithmetic is
//! in `routing`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::domain::route::{Route, Routes, ToRoute, Work};
use crate::domain::workflow::ModelTier;
use crate::routing::catalogue::Catalogue;

use super::table;

/// Clients that have names of their own for models; an agent without a name is called after its client.
const CLIENTS: [&str; 5] = ["claude-code", "codex", "gemini", "opencode", "cursor"];

#[derive(Debug)]
pub struct OwnRoutes {
    state: PathBuf,
    /// The table of models, read when it is first asked for.
    models: OnceLock<Catalogue>,
}

impl OwnRoutes {
    pub fn new(state: &Path) -> Self {
        Self { state: state.to_path_buf(), models: OnceLock::new() }
    }

    pub fn catalogue(&self) -> &Catalogue {
        self.models.get_or_init(|| table::read(&self.state).catalogue)
    }
}

impl Routes for OwnRoutes {
    fn route(&self, asked: &ToRoute<'_>) -> Option<Route> {
        let client = CLIENTS.iter().find(|client| asked.agent.0.starts_with(**client)).copied().unwrap_or_default();
        let tries = u32::try_from(asked.failed.len()).unwrap_or(u32::MAX);
        let work = Work { failed_attempts: asked.work.failed_attempts.max(Some(tries)), ..asked.work.clone() };
        let mut route = crate::routing::route(&work, asked.phase.and_then(|phase| phase.model));
        let highest = asked.failed.iter().max().copied().filter(|_| route.bound.is_none());
        if let Some(failed) = highest.filter(|failed| route.tier <= *failed && *failed < ModelTier::Strong) {
            route.tier = if failed == ModelTier::Weak { ModelTier::Base } else { ModelTier::Strong };
            route.reason = format!("{} tier: {} failed at it", super::word(route.tier), super::word(failed));
        }
        Some(crate::routing::with_models(route, asked.work, self.catalogue(), client))
    }
}
