//! `POST /api/v1/tools/{name}`: the tools as plain HTTP, each once where a request carries an `Idempotency-Key`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::domain::canonical;
use crate::domain::credential::Principal;
use crate::domain::refusal::Code;
use crate::engine::idempotency::{Kept, Once};
use crate::engine::{Engine, Failure, Watch};
use crate::telemetry::TraceParent;
use crate::tools::{self, Reply, Tool};

use super::super::identity::PHASE_TOKEN;
use super::super::problem::Problem;
use super::super::{App, apart};
use super::operation::{bad, read_json, wants_text};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_CHARS_MAX: usize = 255;
/// Of a problem document: what it says is bounded where it is made.
const PROBLEM_BYTES_MAX: usize = 1 << 20;

/// A caller that hung up does not wait any more, and what runs for it is ended.
struct Gone(Arc<AtomicBool>, Option<TraceParent>);

impl Watch for Gone {
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn trace(&self) -> Option<TraceParent> {
        self.1
    }
}

struct HangsUp(Arc<AtomicBool>);

impl Drop for HangsUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One call, whole.
struct Asked {
    principal: Arc<Principal>,
    tool: &'static Tool,
    arguments: Value,
    key: Option<String>,
    gone: Gone,
}

pub async fn call(
    State(app): State<Arc<App>>,
    Extension(principal): Extension<Arc<Principal>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let tool = tools::find(&name)?;
    let (parts, body) = request.into_parts();
    let arguments = read_json(&app, &parts.headers, body).await?;
    let key = if tool.read_only { None } else { key(&parts.headers)? };
    let gone = Arc::new(AtomicBool::new(false));
    // Whoever calls under a key asks again for the answer, so it is worked out to its end.
    let _hangs_up = key.is_none().then(|| HangsUp(Arc::clone(&gone)));
    // What waits for a person keeps a thread meanwhile.
    let waits = arguments.get("wait_seconds").is_some_and(|wait| wait.as_f64().is_some_and(|wait| wait > 0.0));
    let _permit = waits.then(|| app.limits.stream(&principal)).transpose()?;
    let asked = Asked { principal, tool, arguments, key, gone: Gone(gone, parts.extensions.get().copied()) };
    let engine = Arc::clone(&app.engine);
    let done = apart(move || {
        let (kept, replayed) = asked.answer(&engine)?;
        let token = asked.phase_token(&engine, &kept);
        Ok::<_, Problem>((kept, replayed, token))
    });
    let (kept, replayed, token) = done.await??;
    let mut response = response(kept, replayed, wants_text(&parts.headers));
    if let Some(token) = token.and_then(|token| HeaderValue::from_str(&token).ok()) {
        response.headers_mut().insert(PHASE_TOKEN, token);
    }
    Ok(response)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > KEY_CHARS_MAX || headers.get_all(KEY).iter().count() > 1 {
        let detail =
            format!("an `Idempotency-Key` has 1 to {KEY_CHARS_MAX} characters of ASCII, and there is one of them");
        return Err(bad(&detail, "nothing was done; a random UUID for each call does well"));
    }
    Ok(Some(key.to_owned()))
}

impl Asked {
    /// The answer, and whether it was given before.
    fn answer(&self, engine: &Engine) -> Result<(Kept, bool), Problem> {
        let Some(key) = &self.key else { return Ok((self.call(engine).0, false)) };
        let digest = canonical::digest(&json!({ "tool": self.tool.name, "arguments": self.arguments }));
        let ticket = match engine.begin_once(&self.principal, key, digest)? {
            Once::First(ticket) => ticket,
            Once::Again(kept) => return Ok((kept, true)),
            Once::Open => return Err(open()),
            Once::Other => return Err(other()),
        };
        let (kept, end) = self.call(engine);
        let ended = match end {
            End::Answer => engine.end_once(ticket, Some(&kept)),
            End::Nothing => engine.end_once(ticket, None),
            End::Unknown => Ok(()),
        };
        // The caller has its answer even where it cannot be kept; a second request is then told that the first is open.
        if let Err(error) = ended {
            tracing::error!(%error, "the answer under an idempotency key could not be kept");
        }
        Ok((kept, false))
    }

    /// Where the caller stands now, as a signed token. It is made for each answer, and kept with none.
    fn phase_token(&self, engine: &Engine, kept: &Kept) -> Option<String> {
        if kept.status != StatusCode::OK.as_u16() || self.tool.read_only {
            return None;
        }
        engine.phase_token_after(&self.principal.caller, self.tool, &serde_json::from_str(&kept.json).ok()?)
    }

    fn call(&self, engine: &Engine) -> (Kept, End) {
        match engine.call(&self.principal.caller, self.tool, self.arguments.clone(), &self.gone) {
            Ok(Reply { structured, text }) => {
                (Kept { status: StatusCode::OK.as_u16(), json: structured.to_string(), text }, End::Answer)
            }
            Err(failure) => {
                let end = End::of(&failure);
                (written(failure.into()), end)
            }
        }
    }
}

/// How a call under a key ended.
#[derive(Clone, Copy)]
enum End {
    /// The key has this answer from now on.
    Answer,
    /// Nothing was done, or what was begun goes on where it stands: the key is free.
    Nothing,
    /// The key stays taken and has no answer.
    Unknown,
}

impl End {
    fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(refusal) if refusal.code == Code::BadArguments => Self::Nothing,
            Failure::Refused(_) => Self::Answer,
            Failure::Broken(error) if error.asks_again() => Self::Nothing,
            Failure::Broken(_) => Self::Unknown,
        }
    }
}

/// A problem as it is sent.
fn written(problem: Problem) -> Kept {
    let (parts, body) = problem.into_response().into_parts();
    let bytes = axum::body::to_bytes(body, PROBLEM_BYTES_MAX).now_or_never().and_then(Result::ok).unwrap_or_default();
    Kept { status: parts.status.as_u16(), json: String::from_utf8_lossy(&bytes).into_owned(), text: String::new() }
}

fn response(kept: Kept, replayed: bool, wants_text: bool) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (kind, body) = match (status.is_success(), wants_text) {
        (false, _) => ("application/problem+json", kept.json),
        (true, true) => ("text/plain; charset=utf-8", kept.text),
        (true, false) => ("application/json", kept.json),
    };
    let mut response = (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], body).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn open() -> Problem {
    let detail = "a request under this idempotency key was begun and has no answer yet; if the server that ran it has ended \
                  since, it will never have one, and whether it changed anything is not known here";
    Problem::new(StatusCode::CONFLICT, "idempotency_open", detail).hint(
        "ask again a little later; if it stays so, look what was done (`GET /api/v1/audit`) and call under another key",
    )
}

fn other() -> Problem {
    let detail = "another request was made under this idempotency key";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", detail)
        .hint("nothing was done; a key belongs to one tool and one body, so take a new one")
}
