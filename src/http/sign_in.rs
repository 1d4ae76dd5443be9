//! Signing in to the pages with a credential: a cookie that no script reads, and what a request that carries it must show so
//! that no other page can have sent it. What the cookie holds is not here (`identity::cookie`).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::domain::credential::Principal;
use crate::identity::cookie::LIFE_SECONDS;

use super::problem::Problem;
use super::rate::SIGN_IN;
use super::{App, apart};

const COOKIE_NAME: &str = "phasegate";
/// What a page of another origin cannot send without asking us first.
const OWN_HEADER: &str = "x-phasegate";
const FETCH_SITE: &str = "sec-fetch-site";

pub fn routes() -> Router<Arc<App>> {
    Router::new().route(SIGN_IN, post(sign_in)).route("/api/v1/sign-out", post(sign_out))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

async fn sign_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    from_our_page(&app, &headers)?;
    let Json(SignIn { token }) = body.map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_arguments", "this is not `{\"token\": \"pgt_…\"}` as JSON")
            .hint("send it with `Content-Type: application/json`")
    })?;
    let engine = Arc::clone(&app.engine);
    let Some((principal, cookie)) = apart(move || engine.signed_in(token.trim())).await?? else {
        let hint = "it is unknown, expired or revoked; `phasegate token create --role approver` makes one";
        return Err(
            Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "this credential does not count").hint(hint)
        );
    };
    let caller = &principal.caller;
    let body = json!({ "name": caller.agent, "role": caller.role, "credential": principal.credential });
    Ok(with_cookie(&app, &headers, &cookie, LIFE_SECONDS, Json(body).into_response()))
}

async fn sign_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    from_our_page(&app, &headers)?;
    Ok(with_cookie(&app, &headers, "", 0, StatusCode::NO_CONTENT.into_response()))
}

fn with_cookie(app: &App, headers: &HeaderMap, value: &str, seconds: u64, mut response: Response) -> Response {
    // Where something in front of us ends TLS, the page's own address tells.
    let over_tls =
        app.options.tls.is_some() || text(headers, ORIGIN.as_str()).is_some_and(|it| it.starts_with("https:"));
    let secure = if over_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Who signed in on the page that sends this; nothing where it brings no cookie of ours. A cookie comes along by itself, so
/// what changes something must also show that our own page sent it.
pub fn from_cookie(app: &App, parts: &Parts) -> Result<Option<Principal>, Problem> {
    let Some(cookie) = cookie(&parts.headers) else { return Ok(None) };
    let Some(principal) = app.engine.cookie(cookie)? else { return Ok(None) };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        from_our_page(app, &parts.headers)?;
    }
    Ok(Some(principal))
}

/// Ours among the cookies; where several claim to be, none is.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    let mut ours = all.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == COOKIE_NAME);
    match (ours.next(), ours.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

fn from_our_page(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    if is_from_our_page(headers, &app.options.origins) {
        return Ok(());
    }
    let hint = "send `X-Phasegate: 1` from a page of this server; programs send `Authorization: Bearer TOKEN` instead";
    Err(Problem::new(StatusCode::FORBIDDEN, "another_page", "this does not come from a page of this server").hint(hint))
}

fn is_from_our_page(headers: &HeaderMap, origins: &[String]) -> bool {
    if text(headers, OWN_HEADER) != Some("1") {
        return false;
    }
    // Browsers say at least one of the two; what says neither is no browser, and has no cookie by accident.
    if text(headers, FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    let own = host.zip(text(headers, HOST.as_str())).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host));
    own || origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(lines: &str) -> HeaderMap {
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        lines.lines().map(pair).collect()
    }

    #[test]
    fn only_a_page_of_this_server_counts_as_ours() {
        for (lines, ours) in [
            ("x-phasegate: 1\nhost: a:1\norigin: http://a:1\nsec-fetch-site: same-origin", true),
            ("x-phasegate: 1\nhost: a:1\norigin: https://A:1", true),
            ("x-phasegate: 1\nhost: a:1\norigin: https://board.example", true),
            ("x-phasegate: 1\nhost: a:1", true),
            ("host: a:1\norigin: http://a:1\nsec-fetch-site: same-origin", false),
            ("x-phasegate: 2\nhost: a:1\norigin: http://a:1", false),
            ("x-phasegate: 1\nhost: a:1\norigin: http://a:2", false),
            ("x-phasegate: 1\nhost: a:1\norigin: http://evil.a:1", false),
            ("x-phasegate: 1\nhost: a:1\norigin: null", false),
            ("x-phasegate: 1\norigin: http://a:1", false),
            ("x-phasegate: 1\nhost: a:1\norigin: http://a:1\nsec-fetch-site: same-site", false),
            ("x-phasegate: 1\nhost: a:1\norigin: http://a:1\nsec-fetch-site: cross-site", false),
            ("x-phasegate: 1\nhost: a:1\nsec-fetch-site: none", false),
        ] {
            assert_eq!(is_from_our_page(&headers(lines), &["https://board.example".to_owned()]), ours, "{lines}");
        }
    }

    #[test]
    fn of_the_cookies_ours_is_read_and_two_of_ours_are_none() {
        for (lines, found) in [
            ("cookie: a=b; phasegate=x.y; c=d", Some("x.y")),
            ("cookie: phasegate=x", Some("x")),
            ("cookie: xphasegate=x", None),
            ("cookie: phasegate=x; phasegate=y", None),
            ("host: a", None),
        ] {
            assert_eq!(cookie(&headers(lines)), found, "{lines}");
        }
    }
}
