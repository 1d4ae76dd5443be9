//! What persons do on the pages: answering approvals, enrolling approvers, tending tasks.

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new()
}
