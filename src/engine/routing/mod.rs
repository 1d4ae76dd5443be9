//! The way of front doors to the router and its table of models: what they may ask of them. Keeping what was learned in the
//! store is not there yet.

pub mod table;

pub use crate::routing::catalogue;
pub use crate::routing::learned::{Piece, index};
pub use crate::routing::router::Router;
pub use crate::routing::{complexity, estimate, features, route, with_models, word};

use crate::domain::facts::Caller;
use crate::domain::route::{Route, Work};
use crate::engine::Engine;

/// Clients that have names of their own for models; an agent without a name is called after its client.
const CLIENTS: [&str; 5] = ["claude-code", "codex", "gemini", "opencode", "cursor"];

impl Engine {
    pub(super) fn with_models(&self, route: Route, work: &Work, caller: &Caller) -> Route {
        let client = CLIENTS.iter().find(|client| caller.agent.0.starts_with(**client)).copied().unwrap_or_default();
        let table = self.models.get_or_init(|| table::read(&self.workspace.state).catalogue);
        crate::routing::with_models(route, work, table, client)
    }
}
