//! Whether the process lives (`/health`) and whether it can work (`/ready`). Both are open to everybody, so they name no
//! file, no task and nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::engine::Engine;
use crate::engine::clock::Stopwatch;
use crate::engine::ready::Check;

use super::App;

/// However many ask, the store is asked once in so long.
const KEPT: Duration = Duration::from_secs(1);
/// A store that has not answered by then is one that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/health", get(health)).route("/ready", get(ready))
}

async fn health() -> Response {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response()
}

/// What was found last, and whether somebody is looking.
#[derive(Default)]
pub struct Readiness(Arc<Mutex<Looked>>);

#[derive(Default)]
struct Looked {
    looking: bool,
    last: Option<(Stopwatch, Vec<Check>)>,
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    let checks = app.readiness.checks(&app.engine).await;
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ok { "ready" } else { "not_ready" };
    (status, Json(json!({ "status": word, "checks": checks }))).into_response()
}

impl Readiness {
    async fn checks(&self, engine: &Arc<Engine>) -> Vec<Check> {
        let silent = || vec![Check::of("store_read", Some("the store does not answer"))];
        {
            let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, checks)) = looked.last.as_ref().filter(|(since, _)| since.elapsed() < KEPT) {
                return checks.clone();
            }
            // One look at a time: a store that hangs must not take a thread for each who asks.
            if looked.looking {
                return looked
                    .last
                    .as_ref()
                    .filter(|(at, _)| at.elapsed() < PATIENCE)
                    .map_or_else(silent, |(_, c)| c.clone());
            }
            looked.looking = true;
        }
        let (engine, slot) = (Arc::clone(engine), Arc::clone(&self.0));
        let look = tokio::task::spawn_blocking(move || {
            let checks = engine.ready();
            let mut looked = slot.lock().unwrap_or_else(PoisonError::into_inner);
            *looked = Looked { looking: false, last: Some((Stopwatch::start(), checks.clone())) };
            checks
        });
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(checks)) => checks,
            // A look that panicked looks no more.
            Ok(Err(_)) => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).looking = false;
                silent()
            }
            Err(_) => silent(),
        }
    }
}
