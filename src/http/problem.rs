//! Answers that say no, as RFC 9457 problem documents: a refusal's code, message and hint, or what is wrong with the request.

use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::domain::refusal::{Code, Refusal};
use crate::engine::{Failure, StoreError, failure};

use super::inside::Inside;

/// What is kept of the words of a framework.
const BARE_TEXT_BYTES_MAX: usize = 4096;

/// Where a session is not there.
pub const BEGIN_SESSION: &str = "send `initialize` without `Mcp-Session-Id` to begin a new one";

/// A database that starts anew takes about so long.
const STORE_RETRY_SECONDS: u32 = 5;

/// For clients that can ask their issuer for more (RFC 6750).
const INSUFFICIENT_SCOPE: HeaderValue = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");

#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

#[derive(Clone, Debug, Serialize)]
struct Document {
    #[serde(skip)]
    status_code: StatusCode,
    status: u16,
    title: String,
    /// What programs match on: a refusal's code, or one of HTTP's own in `docs/http.md`.
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            status_code: status,
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            code: code.to_owned(),
            detail: detail.into(),
            hint: String::new(),
            details: None,
            retry_after_seconds: None,
        }))
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// When it may be tried again, in seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    pub fn is_fault(&self) -> bool {
        self.0.status_code.is_server_error()
    }

    /// A fault of ours: the caller learns a reference, the log the cause. A database that is away is there again later.
    pub fn broken(error: &StoreError) -> Self {
        let reference = failure::reference();
        tracing::error!(reference, %error, "a request failed");
        if error.is_away() {
            let detail = format!("phasegate does not reach the database of its store now (reference {reference})");
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
                .hint("ask again in a few seconds; the log of the server has the cause under this reference")
                .retry_after(STORE_RETRY_SECONDS);
        }
        if error.is_full() {
            let detail = format!("the disk that holds phasegate's store is full (reference {reference})");
            let hint = "nothing was changed; whoever runs the server frees space, and then the same goes through";
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "store_full", detail).hint(hint);
        }
        internal(&reference).hint(error.hint())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let mut problem = Self::new(status(refusal.code), refusal.code.word(), refusal.message).hint(refusal.hint);
        problem.0.details = refusal.details.map(|details| *details);
        problem
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Broken(error) => Self::broken(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::broken(&error)
    }
}

/// A refusal is the caller's to mend: what is not there, what may not be, what stands otherwise by now.
fn status(code: Code) -> StatusCode {
    let word = code.word();
    if code == Code::BadArguments {
        StatusCode::BAD_REQUEST
    } else if word.starts_with("unknown_") {
        StatusCode::NOT_FOUND
    } else if matches!(code, Code::RoleRequired | Code::NotOpen | Code::NotHolder) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::CONFLICT
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status_code, Json(&self.0)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.0.code == Code::RoleRequired.word() {
            response.headers_mut().insert(WWW_AUTHENTICATE, INSUFFICIENT_SCOPE);
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub async fn no_such_page() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_page", "there is nothing at this address")
        .hint("`/api/openapi.json` lists what there is")
}

/// Gives errors of the frameworks below, which come as bare text or as nothing, the same form; and a fault that ended a
/// handler becomes an answer, and nothing more than this request ends.
pub async fn caught(request: Request, inside: impl Inside) -> Response {
    let (method, is_mcp) = (request.method().clone(), request.uri().path() == "/mcp");
    let Ok(response) = AssertUnwindSafe(inside.answer(request)).catch_unwind().await else {
        let reference = failure::reference();
        tracing::error!(reference, "a request ended in a fault of phasegate");
        return internal(&reference)
            .hint("try again; the log of the server has the cause under this reference")
            .into_response();
    };
    let status = response.status();
    let bare = response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !bare || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, BARE_TEXT_BYTES_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let (code, hint) = if is_mcp { of_mcp(status) } else { framework(status) };
    let detail = match said.trim() {
        // Which are taken is put into the header after this.
        "" if status == StatusCode::METHOD_NOT_ALLOWED => format!("`{method}` is not taken at this address"),
        "" => status.canonical_reason().unwrap_or(code).to_owned(),
        said => said.to_owned(),
    };
    let mut formed = Problem::new(status, code, detail).hint(hint).into_response();
    for (name, value) in &parts.headers {
        if *name != CONTENT_TYPE && *name != CONTENT_LENGTH {
            formed.headers_mut().append(name, value.clone());
        }
    }
    formed
}

fn framework(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("bad_request", "mind the query and the body; `/api/openapi.json` has their form"),
        StatusCode::NOT_FOUND => ("no_such_page", "`/api/openapi.json` lists what there is"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "the Allow header says which methods are taken"),
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_long", "send less at once"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("not_json", "send `Content-Type: application/json`"),
        StatusCode::UNPROCESSABLE_ENTITY => ("bad_request", "`/api/openapi.json` has the form of the body"),
        other if other.is_server_error() => ("internal", "try again; the log of the server has the cause"),
        _ => ("refused", "`/api/openapi.json` says what may be asked"),
    }
}

/// What the transport of MCP says in bare text.
fn of_mcp(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => (
            "bad_request",
            "a session is named in `Mcp-Session-Id`, as the answer to `initialize` had it; docs/mcp-over-http.md",
        ),
        StatusCode::NOT_FOUND => ("no_such_session", BEGIN_SESSION),
        StatusCode::NOT_ACCEPTABLE => ("refused", "send `Accept: application/json, text/event-stream`"),
        other => framework(other),
    }
}

fn internal(reference: &str) -> Problem {
    let detail = format!("phasegate could not do this (reference {reference})");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_no_fault_of_ours() {
        let away =
            StoreError::Unreached { said: "the database at db:5432 is not there".into(), hint: "", passing: true };
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        let full = StoreError::Sqlite { doing: "write", source: full };
        for (error, code, status, later) in [
            (away, "store_unavailable", 503, true),
            (full, "store_full", 507, false),
            (StoreError::Closed, "internal", 500, false),
        ] {
            let problem = Problem::broken(&error);
            assert_eq!((problem.0.code.as_str(), problem.0.status), (code, status));
            assert!(!problem.0.detail.contains("db:5432") && !problem.0.hint.is_empty());
            assert_eq!(problem.into_response().headers().contains_key(RETRY_AFTER), later);
        }
    }
}
