//! Whether the process lives and whether it can work.

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
