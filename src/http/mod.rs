//! The HTTP front door: MCP, REST, events, metrics and the pages, behind one guard. It translates and decides nothing; who may
//! do what is the engine's affair.

mod connection;
mod events;
mod exposition;
mod guard;
mod health;
pub mod identity;
mod inside;
pub mod limits;
mod links;
pub mod listen;
mod mcp;
pub mod metrics;
pub mod openapi;
pub mod options;
mod pace;
mod pages;
pub mod problem;
mod rate;
mod rest;
mod sign_in;
pub mod tls;
mod well_known;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::{Extension, Router};
use http::StatusCode;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use rmcp::ServerHandler;
use tokio_util::sync::CancellationToken;

use crate::domain::canonical;
use crate::domain::credential::Principal;
use crate::engine::Engine;
use limits::InUse;
use options::Options;
use problem::Problem;
use rate::Rates;

/// What every request may reach.
pub struct App {
    pub engine: Arc<Engine>,
    pub options: Options,
    pub meters: Arc<metrics::HttpMeters>,
    readiness: health::Readiness,
    pub limits: InUse,
    rates: Rates,
    /// Of this process, in the ids it gives to requests.
    name: String,
    /// Over once the server is told to stop: whatever streams without end watches it.
    pub stopping: CancellationToken,
}

impl App {
    pub fn new(engine: Arc<Engine>, options: Options) -> Arc<Self> {
        if let Err(error) = engine.watch_log() {
            tracing::warn!(%error, "the log is not counted for figures");
        }
        let limits = InUse::new(&options.limits);
        let name = canonical::hex(&engine.random::<4>());
        Arc::new(Self {
            engine,
            options,
            limits,
            rates: Rates::default(),
            name,
            stopping: CancellationToken::new(),
            meters: Arc::default(),
            readiness: health::Readiness::default(),
        })
    }
}

/// On a thread that may wait for the store, of which a request of a page needs several looks and a commit.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|ended| match ended.try_into_panic() {
        // What stands around all routes answers it.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping").hint("ask again"),
    })
}

/// Everything that is served, guards included.
pub struct Routes {
    others: TowerToHyperService<Router>,
    /// What most requests are for.
    mcp: Option<mcp::Lane>,
}

impl Routes {
    /// Of this workspace.
    pub fn new(app: &Arc<App>) -> Self {
        identity::read_keys_ahead(app);
        let known =
            Router::new().merge(rest::routes()).route_layer(from_fn_with_state(Arc::clone(app), identity::required));
        let open = Router::new()
            .merge(health::routes())
            .merge(metrics::routes())
            .merge(well_known::routes())
            .merge(sign_in::routes())
            .merge(links::routes())
            .merge(openapi::routes())
            .merge(pages::routes());
        let others = guarded(app, known.merge(open));
        Self { mcp: Some(mcp::Lane::new(app)), ..Self::from(others) }
    }

    pub async fn answer(&self, request: Request) -> Response {
        match self.mcp.as_ref().filter(|_| request.uri().path() == mcp::PATH) {
            // On the heap, so that other requests do not carry its state.
            Some(lane) => Box::pin(lane.answer(request)).await,
            None => self.others.call(request).await.unwrap_or_else(|never| match never {}),
        }
    }
}

/// Routes of one's own.
impl From<Router> for Routes {
    fn from(others: Router) -> Self {
        Self { others: TowerToHyperService::new(others), mcp: None }
    }
}

/// Another MCP service behind the same guards, where nobody shows a credential and everybody is this principal: for suites of
/// tests, whose clients have none.
pub fn router_around<H: ServerHandler>(app: &Arc<App>, handler: H, everybody: Principal) -> Router {
    guarded(app, mcp::around(app, handler).layer(Extension(Arc::new(everybody))))
}

fn guarded(app: &Arc<App>, inside: Router<Arc<App>>) -> Router {
    inside
        .fallback(pages::nothing_here)
        // The guard counts bodies itself.
        .layer(DefaultBodyLimit::disable())
        // And the guard inside of it: each layer is a service that every request clones.
        .layer(from_fn_with_state(Arc::clone(app), metrics::routed))
        .with_state(Arc::clone(app))
}
