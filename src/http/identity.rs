//! Who stands behind a request: its `Authorization: Bearer` (a credential, or a token of an issuer), or the cookie of a
//! signed-in page. Tokens are never read from a URL, never passed on, and never written to the log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::domain::credential::Principal;
use crate::engine::Engine;
use crate::engine::credentials::Stranger;

use super::App;
use super::inside::Inside;
use super::problem::Problem;
use super::rate;
use super::well_known;

/// Brings the claim that a call is under, and the newest one back, as `_meta["phasegate/phase_token"]` does over MCP.
pub const PHASE_TOKEN: &str = "phase-token";
const SCHEME: &str = "bearer";
const AGAIN_SECONDS: u32 = 5;

/// `only_known` as a layer of the router.
pub async fn required(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    only_known(&app, request, next).await
}

/// Lets through what a principal stands behind and may call so often, and puts it (`Arc<Principal>`) among the request's
/// extensions.
pub async fn only_known(app: &Arc<App>, request: Request, inside: impl Inside) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut found = known(app, &parts, Engine::authenticate);
    if let Err(Denied { wanted: Some(index), .. }) = found {
        let engine = Arc::clone(&app.engine);
        // Reading an issuer's keys waits for the network; where it fails, the second look says so.
        let _ = tokio::task::spawn_blocking(move || engine.read_issuer_keys(index)).await;
        found = known(app, &parts, Engine::authenticate);
    }
    match found.and_then(|principal| under_phase(app, &parts, principal)) {
        Ok(principal) => {
            let principal = Arc::new(principal);
            if let Err(problem) = rate::metered(app, &principal) {
                return problem.into_response();
            }
            parts.extensions.insert(principal);
            inside.answer(Request::from_parts(parts, body)).await
        }
        Err(denied) => denied.response(app, &parts),
    }
}

/// Who calls, or the answer that says what is missing. It waits for nobody: where an issuer's keys are not known yet, the
/// answer is to try again.
pub fn principal(app: &App, parts: &Parts) -> Result<Principal, Problem> {
    known(app, parts, Engine::authenticate_now).map_err(|denied| denied.problem)
}

/// Whether who began a stream may still have it. A fault of ours takes it from nobody.
pub fn still_counts(app: &App, parts: &Parts, began: &Principal) -> bool {
    match principal(app, parts) {
        Ok(found) => found.caller.agent == began.caller.agent,
        Err(problem) => problem.is_fault(),
    }
}

/// Reads the keys of issuers before anybody needs them.
pub fn read_keys_ahead(app: &Arc<App>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let engine = Arc::clone(&app.engine);
        runtime.spawn_blocking(move || engine.read_all_issuer_keys());
    }
}

/// An answer that lets nobody in.
struct Denied {
    problem: Problem,
    /// For `WWW-Authenticate`: an error of RFC 6750 where something was shown that does not count.
    error: Option<&'static str>,
    /// The issuer whose keys have to be read before anything can be said.
    wanted: Option<usize>,
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self { problem, error: None, wanted: None }
    }
}

impl Denied {
    fn response(self, app: &App, parts: &Parts) -> Response {
        let mut response = self.problem.into_response();
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED || self.error.is_some() {
            let error = self.error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
            let challenge = format!("Bearer resource_metadata=\"{}\"{error}", well_known::metadata_address(app, parts));
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

fn known(
    app: &App,
    parts: &Parts,
    authenticate: fn(&Engine, &str) -> Result<Principal, Stranger>,
) -> Result<Principal, Denied> {
    if !parts.headers.contains_key(AUTHORIZATION)
        && let Some(principal) = super::sign_in::from_cookie(app, parts)?
    {
        return Ok(principal);
    }
    let token = bearer(parts).ok_or_else(|| {
        let hint = "send `Authorization: Bearer TOKEN`; `phasegate token create` makes one";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "this needs a credential").hint(hint)
    })?;
    authenticate(&app.engine, token).map_err(|stranger| denied(&stranger))
}

/// The one token of the request; where it has several, none is taken.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut all = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

fn denied(stranger: &Stranger) -> Denied {
    let unavailable = || {
        let hint = "try again soon; the log of the server says what is wrong";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "issuer_unavailable", stranger.to_string())
            .hint(hint)
            .retry_after(AGAIN_SECONDS)
    };
    match stranger {
        Stranger::Unknown { message, hint } => Denied {
            problem: Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", message.as_str()).hint(*hint),
            error: Some("invalid_token"),
            wanted: None,
        },
        Stranger::NoRole { .. } => {
            let hint = "ask for one of the roles that the issuer's entry in config.toml names";
            Denied {
                problem: Problem::new(StatusCode::FORBIDDEN, "role_required", stranger.to_string()).hint(hint),
                error: Some("insufficient_scope"),
                wanted: None,
            }
        }
        Stranger::KeysWanted(index) => Denied { wanted: Some(*index), ..unavailable().into() },
        Stranger::NoKeys { .. } => unavailable().into(),
        Stranger::Broken(error) => Problem::broken(error).into(),
    }
}

/// The principal with the claim that its phase token shows, where it sends one.
fn under_phase(app: &App, parts: &Parts, principal: Principal) -> Result<Principal, Denied> {
    let Some(token) = parts.headers.get(PHASE_TOKEN) else { return Ok(principal) };
    let token = token.to_str().unwrap_or_default();
    let caller = app.engine.under_phase_token(&principal.caller, token).map_err(Problem::from)?;
    Ok(Principal { caller, ..principal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_one_token_is_taken_and_nothing_else() {
        for (lines, token) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&["Basic abc"], None),
            (&["abc"], None),
            (&["Bearer"], None),
            (&["Bearer  "], None),
            (&["Bearer abc", "Bearer abc"], None),
            (&[], None),
        ] {
            let mut request = http::Request::builder().uri("/mcp?access_token=abc");
            for line in lines {
                request = request.header(AUTHORIZATION, *line);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(bearer(&parts), token, "{lines:?}");
        }
    }
}
