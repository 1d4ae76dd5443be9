//! The tools and the reads as plain HTTP.

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::domain::credential::Principal;

use super::App;

pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/v1/me", get(me))
}

/// Who the credential says the caller is.
async fn me(Extension(principal): Extension<Arc<Principal>>) -> Json<Value> {
    let caller = &principal.caller;
    Json(json!({ "name": caller.agent, "role": caller.role, "credential": principal.credential }))
}
