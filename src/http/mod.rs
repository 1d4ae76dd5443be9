//! The HTTP front door: MCP, REST, events, metrics and the pages, behind one guard. It translates and decides nothing; who may
//! do what is the engine's affair.

mod events;
mod exposition;
mod guard;
mod health;
pub mod identity;
mod inbox;
pub mod listen;
mod mcp;
pub mod metrics;
pub mod options;
mod pages;
pub mod problem;
mod rest;
mod sign_in;
mod well_known;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::engine::Engine;
use options::Options;

/// What every request may reach.
pub struct App {
    pub engine: Arc<Engine>,
    pub options: Options,
    pub meters: Arc<metrics::HttpMeters>,
    readiness: health::Readiness,
}

impl App {
    pub fn new(engine: Arc<Engine>, options: Options) -> Arc<Self> {
        if let Err(error) = engine.watch_log() {
            tracing::warn!(%error, "the log is not counted for figures");
        }
        Arc::new(Self { engine, options, meters: Arc::default(), readiness: health::Readiness::default() })
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
        .merge(pages::routes());
    known
        .merge(open)
        .fallback(problem::no_such_page)
        .layer(from_fn_with_state(Arc::clone(app), guard::checked))
        .layer(from_fn(problem::caught))
        .layer(from_fn_with_state(Arc::clone(app), metrics::measured))
        .with_state(Arc::clone(app))
}
