//! MCP over Streamable HTTP, both eras, at `/mcp`.

use std::sync::Arc;

use axum::Router;

use super::App;

pub fn routes(_app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
}
