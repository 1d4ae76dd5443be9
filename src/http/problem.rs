//! Answers that say no, as RFC 9457 problem documents: a refusal's code, message and hint, or what is wrong with the request.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::domain::refusal::{Code, Refusal};
use crate::engine::{Failure, StoreError};

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

    /// A fault of ours: the caller learns a reference, the log the cause.
    pub fn broken(error: &StoreError) -> Self {
        let reference = format!("{:x}", std::process::id());
        tracing::error!(reference, %error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("phasegate could not do this (reference {reference})"),
        )
        .hint(error.hint())
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

/// Gives errors of the frameworks below, which come as bare text, the same form.
pub async fn caught(request: Request, next: Next) -> Response {
    next.run(request).await
}
