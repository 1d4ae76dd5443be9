//! The HTTP front door: MCP, REST, events, metrics and the pages, behind one guard. It translates and decides nothing; who may
//! do what is the engine's affair.

mod events;
mod guard;
mod health;
pub mod identity;
mod inbox;
pub mod limits;
mod links;
pub mod listen;
mod mcp;
mod metrics;
pub mod options;
mod pages;
pub mod problem;
mod rest;
mod sign_in;
mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use limits::InUse;
use options::Options;

/// What every request may reach.
pub struct App {
    pub engine: Arc<Engine>,
    pub options: Options,
    pub limits: InUse,
    /// Over once the server is told to stop: whatever streams without end watches it.
    pub stopping: CancellationToken,
}

impl App {
    pub fn new(engine: Arc<Engine>, options: Options) -> Arc<Self> {
        let limits = InUse::new(&options.limits);
        Arc::new(Self { engine, options, limits, stopping: CancellationToken::new() })
    }
}

/// Everything that is served, guards included.
pub fn router(app: &Arc<App>) -> Router {
    let known = Router::new()
        .merge(mcp::routes(app))
        .merge(rest::routes())
        .merge(events::routes())
        .merge(inbox::routes())
        .route_layer(from_fn_with_state(Arc::clone(app), identity::required));
    let open = Router::new()
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(well_known::routes())
        .merge(sign_in::routes())
        .merge(links::routes())
        .merge(pages::routes());
    known
        .merge(open)
        .fallback(problem::no_such_page)
        .layer(from_fn_with_state(Arc::clone(app), guard::checked))
        .layer(from_fn(problem::caught))
        .with_state(Arc::clone(app))
}
