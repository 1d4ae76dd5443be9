//! Who stands behind a request: its `Authorization: Bearer`, or the cookie of a signed-in page. Tokens are never read from a URL.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::domain::credential::Principal;

use super::App;
use super::problem::Problem;

/// Lets through what a principal stands behind, and puts it (`Arc<Principal>`) among the request's extensions.
pub async fn required(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match principal(&app, &parts) {
        Ok(principal) => {
            parts.extensions.insert(Arc::new(principal));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who calls, or the answer that says what is missing.
pub fn principal(app: &App, parts: &Parts) -> Result<Principal, Problem> {
    let unknown =
        |detail: &str, hint: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail).hint(hint);
    let missing = || {
        let hint = "send `Authorization: Bearer TOKEN`; `phasegate token create` makes one";
        unknown("this needs a credential", hint)
    };
    if !parts.headers.contains_key(AUTHORIZATION)
        && let Some(principal) = super::sign_in::from_cookie(app, parts)?
    {
        return Ok(principal);
    }
    let header = parts.headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let secret = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(missing)?;
    app.engine.bearer(secret.trim())?.ok_or_else(|| {
        let hint = "it is unknown, expired or revoked; `phasegate token list` shows which count";
        unknown("this credential does not count", hint)
    })
}
