//! Where this server says how to get access to it, and by what keys its tokens are checked.

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
