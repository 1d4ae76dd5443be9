//! Signing in to the pages with a credential: a cookie that only this server reads.

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
