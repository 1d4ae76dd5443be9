//! What every request must pass before anything reads it: which server it says it calls, from which page, in what form, how
//! much of it. And what every answer carries. Who calls is not asked here (`identity`).

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL,
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName,
    ORIGIN, REFERRER_POLICY, TRANSFER_ENCODING, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::{Frame, SizeHint};
use tracing::Instrument;

use super::App;
use super::inside::Inside;
use super::limits::HeldBody;
use super::listen::Peer;
use super::problem::Problem;
use super::rate;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;
/// Of a body of which nobody yet knows who sends it: room for signing in.
const UNKNOWN_BODY_BYTES: usize = 64 << 10;
const BODY_RETRY_SECONDS: u32 = 2;
/// Words of a query that would put a secret into logs, histories and referrers.
const SECRETS_IN_QUERY: [&str; 2] = ["access_token", "token"];
/// What a page of an allowed origin may send and read.
const CORS_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const CORS_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id, \
     idempotency-key, if-none-match, phase-token, traceparent, tracestate",
);
const CORS_EXPOSED: HeaderValue =
    HeaderValue::from_static("mcp-session-id, www-authenticate, x-request-id, retry-after, etag, phase-token");
const CORS_SECONDS: HeaderValue = HeaderValue::from_static("600");
/// For whatever is not a page; pages bring a policy of their own.
const NOTHING_LOADS: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// By what a request is found in the log: its own `X-Request-Id` where that is fit, else one of ours.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

pub async fn checked(app: &Arc<App>, mut request: Request, inside: impl Inside) -> Response {
    let id = request_id(app, request.headers());
    let path_is_answered_with_data = is_data(request.uri().path());
    let origin = allowed_cross_origin(app, request.headers());
    let span = tracing::error_span!("request", id = %id.0);
    request.extensions_mut().insert(id.clone());
    let answer = async {
        if let Err(problem) = passes(app, &request) {
            return problem.into_response();
        }
        if origin.is_some() && request.method() == Method::OPTIONS && asks_before(request.headers()) {
            return preflight();
        }
        within_bounds(app, request, inside).await
    };
    let mut response = answer.instrument(span).await;
    dress(response.headers_mut(), path_is_answered_with_data, &id, origin);
    response
}

const SAID_ONCE: [HeaderName; 4] = [ORIGIN, CONTENT_TYPE, TRANSFER_ENCODING, HeaderName::from_static("mcp-session-id")];

fn passes(app: &App, request: &Request) -> Result<(), Problem> {
    length_is_one(request)?;
    is_said_once(request.headers())?;
    let host = host(request)?;
    host_is_ours(app, request, &host)?;
    origin_is_ours(app, request, &host)?;
    query_is_plain(request)?;
    form_is_json(request)
}

fn refused(status: StatusCode, code: &str, detail: impl Into<String>, hint: &str) -> Problem {
    Problem::new(status, code, detail).hint(hint)
}

/// A proxy before us may have read a request with two lengths in the other way, and taken its end for another request.
fn length_is_one(request: &Request) -> Result<(), Problem> {
    if request.extensions().get::<Peer>().is_none_or(|peer| !peer.two_lengths) {
        return Ok(());
    }
    let detail = "the request says its length both by Content-Length and by Transfer-Encoding";
    Err(refused(StatusCode::BAD_REQUEST, "two_lengths", detail, "send one of the two"))
}

/// Of two that differ, a reader before us may have judged the other one.
fn is_said_once(headers: &HeaderMap) -> Result<(), Problem> {
    for name in &SAID_ONCE {
        if headers.get_all(name).iter().nth(1).is_some() {
            let detail = format!("the header `{name}` stands twice");
            return Err(refused(StatusCode::BAD_REQUEST, "said_twice", detail, "send it once"));
        }
    }
    let plain =
        |coding: &HeaderValue| coding.to_str().is_ok_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
    if headers.get(TRANSFER_ENCODING).is_some_and(|coding| !plain(coding)) {
        let detail = "of transfer codings only `chunked` is understood";
        return Err(refused(StatusCode::NOT_IMPLEMENTED, "transfer_coding", detail, "send the body as it is"));
    }
    Ok(())
}

/// Who the request says it calls, in lower case: from its target where that is absolute, else from its one `Host`.
fn host(request: &Request) -> Result<String, Problem> {
    let wrong = |detail| refused(StatusCode::BAD_REQUEST, "bad_host", detail, "send one Host header");
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = hosts.next().map(|host| host.to_str().map(str::to_ascii_lowercase)).transpose();
    let named = named.map_err(|_| wrong("the Host header is not text"))?;
    if hosts.next().is_some() {
        return Err(wrong("there is more than one Host header"));
    }
    let target = request.uri().authority().map(|authority| authority.as_str().to_ascii_lowercase());
    match (target, named) {
        (Some(target), Some(named)) if target != named => Err(wrong("the Host header is not the one of the target")),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(wrong("there is no Host header")),
    }
}

/// A page of another site can have its own name lead to this machine (DNS rebinding), and then is not told apart from a
/// page of ours but by the name it uses.
fn host_is_ours(app: &App, request: &Request, host: &str) -> Result<(), Problem> {
    let (name, port) = parted(host);
    let own_port = own_port(app, request);
    let port_fits = |port: Option<u16>| port.unwrap_or(if app.options.tls.is_some() { 443 } else { 80 }) == own_port;
    let listed = app.options.hosts.iter().any(|allowed| {
        let allowed = allowed.to_ascii_lowercase();
        allowed == host || allowed == name
    });
    let ours = is_loopback(name) || address(name).is_some_and(|address| own_addresses(app, request).contains(&address));
    if listed || ours && port_fits(port) {
        return Ok(());
    }
    let detail = format!("this server is not called `{}`", cut(host));
    Err(refused(StatusCode::FORBIDDEN, "foreign_host", detail, "start it with `--host NAME` if that is its name"))
}

fn own_port(app: &App, request: &Request) -> u16 {
    request.extensions().get::<Peer>().map_or(app.options.address, |peer| peer.local).port()
}

fn own_addresses(app: &App, request: &Request) -> [IpAddr; 2] {
    let bound = app.options.address.ip();
    [bound, request.extensions().get::<Peer>().map_or(bound, |peer| peer.local.ip().to_canonical())]
}

/// Absent (not a browser, or a page's own simple read), a page of ours, or one that was allowed by name.
fn origin_is_ours(app: &App, request: &Request, host: &str) -> Result<(), Problem> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let own = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).is_some_and(|page| {
        let (name, port) = parted(page);
        page == host || is_loopback(name) && port == Some(own_port(app, request))
    });
    if own || app.options.origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(&text)) {
        return Ok(());
    }
    let detail = format!("pages of `{}` may not call this server", cut(&text));
    Err(refused(StatusCode::FORBIDDEN, "foreign_origin", detail, "start it with `--origin ORIGIN` if they may"))
}

/// The allowed origin of a page that is not ours, which needs to be told that it may read the answer.
fn allowed_cross_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let listed = |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(text);
    app.options.origins.iter().any(listed).then(|| origin.clone())
}

fn query_is_plain(request: &Request) -> Result<(), Problem> {
    let Some(query) = request.uri().query() else { return Ok(()) };
    let mut words = url::form_urlencoded::parse(query.as_bytes());
    match words.find(|(word, _)| SECRETS_IN_QUERY.contains(&word.as_ref())) {
        None => Ok(()),
        Some(_) => Err(refused(
            StatusCode::BAD_REQUEST,
            "secret_in_query",
            "a credential in an address ends up in logs and histories, so it is not read there",
            "send `Authorization: Bearer TOKEN`, and revoke the token if others may have seen the address",
        )),
    }
}

/// A page of any site can make a browser send forms and plain text, but not JSON.
fn form_is_json(request: &Request) -> Result<(), Problem> {
    let brings = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    if !brings || !is_data(request.uri().path()) {
        return Ok(());
    }
    let packed = |value: &HeaderValue| !value.to_str().is_ok_and(|name| name.trim().eq_ignore_ascii_case("identity"));
    if request.headers().get_all(CONTENT_ENCODING).iter().any(packed) {
        return Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "what is sent here is not unpacked",
            "send it without `Content-Encoding`",
        ));
    }
    let named = request.headers().get(CONTENT_TYPE);
    let is_json = named.and_then(|named| named.to_str().ok()).is_some_and(is_json);
    if is_json || named.is_none() && is_empty(request.headers()) {
        return Ok(());
    }
    Err(refused(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_json",
        "what is sent here is JSON and says so",
        "send `Content-Type: application/json`",
    ))
}

/// JSON, in the one encoding that it has.
fn is_json(named: &str) -> bool {
    let mut parts = named.split(';').map(str::trim);
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) && parts.all(is_utf8)
}

fn is_empty(headers: &HeaderMap) -> bool {
    !headers.contains_key(TRANSFER_ENCODING)
        && headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
}

fn is_data(path: &str) -> bool {
    path == "/mcp" || path.starts_with("/mcp/") || path.starts_with("/api/")
}

/// Runs the rest with a body that ends where the limit is; whoever reads it, the answer to a longer one is ours.
async fn within_bounds(app: &Arc<App>, request: Request, inside: impl Inside) -> Response {
    let headers = request.headers();
    let limit = if headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE) {
        app.options.limits.body_bytes
    } else {
        app.options.limits.body_bytes.min(UNKNOWN_BODY_BYTES)
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limit as u64) {
        return too_long(limit);
    }
    if http_body::Body::is_end_stream(request.body()) {
        return rate::guessing(app, request, inside).await;
    }
    let read = Arc::new(Read { held: app.limits.body(), ended: OnceLock::new() });
    let request = request.map(|body| Body::new(Counted { body, limit, taken: 0, read: Arc::clone(&read) }));
    let response = rate::guessing(app, request, inside).await;
    match read.ended.get() {
        None => response,
        Some(Ended::TooLong) => too_long(limit),
        Some(Ended::NoRoom) => {
            let detail = "the server holds as many bodies of requests as it may";
            refused(StatusCode::SERVICE_UNAVAILABLE, "no_room_for_body", detail, "send it again soon")
                .retry_after(BODY_RETRY_SECONDS)
                .into_response()
        }
    }
}

fn too_long(limit: usize) -> Response {
    let detail = format!("a request here has at most {limit} bytes");
    let hint = "send less at once; whoever runs the server can allow more with `--body-bytes`";
    let mut response = refused(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail, hint).into_response();
    // What is still to come is not read.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What is held of a body until its request is over, and why it was not read to its end.
struct Read {
    held: HeldBody,
    ended: OnceLock<Ended>,
}

#[derive(Clone, Copy)]
enum Ended {
    TooLong,
    NoRoom,
}

/// A body that fails where it becomes too long.
struct Counted {
    body: Body,
    limit: usize,
    taken: usize,
    read: Arc<Read>,
}

impl Counted {
    fn takes(&mut self, bytes: usize) -> Result<(), Ended> {
        let before = self.taken;
        self.taken = self.taken.saturating_add(bytes);
        if self.taken > self.limit {
            return Err(Ended::TooLong);
        }
        // Small bodies are bounded by the number of connections.
        let counts = self.taken.saturating_sub(before.max(UNKNOWN_BODY_BYTES));
        if self.read.held.more(counts) { Ok(()) } else { Err(Ended::NoRoom) }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(piece) = frame.data_ref()
        {
            let bytes = piece.remaining();
            if let Err(ended) = self.takes(bytes) {
                let _ = self.read.ended.set(ended);
                return Poll::Ready(Some(Err(axum::Error::new("the body is not read further"))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn request_id(app: &App, headers: &HeaderMap) -> RequestId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let fit = |id: &&str| {
        !id.is_empty()
            && id.len() <= REQUEST_ID_CHARS_MAX
            && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(fit) {
        Some(id) => RequestId(id.into()),
        None => RequestId(format!("{}-{:x}", app.name, COUNT.fetch_add(1, Ordering::Relaxed)).into()),
    }
}

/// A browser asks whether a page may send what follows.
fn asks_before(headers: &HeaderMap) -> bool {
    headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, CORS_METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, CORS_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, CORS_SECONDS);
    response
}

/// What every answer carries. What the answer itself has said stays.
fn dress(headers: &mut HeaderMap, data: bool, id: &RequestId, origin: Option<HeaderValue>) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING_LOADS);
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, id);
    }
    if data {
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    match origin {
        None => {
            headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
        }
        Some(origin) => {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, CORS_EXPOSED);
        }
    }
    headers.append(VARY, HeaderValue::from_static("origin"));
}

/// Name and port of `name:port`, `[::1]:port` or a bare name.
fn parted(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            // Nothing is called so.
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// Whether a `Host` names this machine.
pub fn is_this_machine(host: &str) -> bool {
    is_loopback(parted(&host.to_ascii_lowercase()).0)
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || address(name).is_some_and(|address| address.is_loopback())
}

fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(six) => six.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_parted_into_name_and_port() {
        let table: [(&str, &str, Option<u16>); 6] = [
            ("localhost:8808", "localhost", Some(8808)),
            ("localhost", "localhost", None),
            ("[::1]:8808", "[::1]", Some(8808)),
            ("[::1]", "[::1]", None),
            ("localhost:80808", "localhost:80808", None),
            ("localhost:8808.evil.test", "localhost:8808.evil.test", None),
        ];
        for (authority, name, port) in table {
            assert_eq!(parted(authority), (name, port), "{authority}");
        }
    }

    #[test]
    fn json_has_one_encoding() {
        for (named, expected) in [
            ("application/json", true),
            ("Application/JSON ; Charset=\"UTF-8\"", true),
            ("application/json; charset=utf-8; v=1", true),
            ("application/json; charset=utf-16", false),
            ("application/json; charset=latin1", false),
            ("text/plain; charset=utf-8", false),
        ] {
            assert_eq!(is_json(named), expected, "{named}");
        }
    }

    #[test]
    fn only_loopback_counts_as_loopback() {
        let table = [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("[::1]", true),
            ("localhost.evil.test", false),
            ("evil.localhost", false),
            ("127.0.0.1.evil.test", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("0x7f000001", false),
            ("", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_loopback(name), expected, "{name}");
        }
    }
}
