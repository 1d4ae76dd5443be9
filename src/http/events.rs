//! Events as they happen, as server-sent events. What an event means is not here (`domain`).

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
