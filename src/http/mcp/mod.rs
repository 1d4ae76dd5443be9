//! MCP over Streamable HTTP, both eras, at `/mcp`: the frames of the protocol are rmcp's, and here is what surrounds them: who
//! calls, whose session it is, and how much of it there may be. What a call does is in `mcp`.

mod accept;
mod body;
mod replay;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use futures::StreamExt;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::domain::credential::Principal;
use crate::mcp::frame::{Frame, Id};
use crate::mcp::guarded::Guarded;
use crate::mcp::methods::{self, Revision};
use crate::mcp::server::Server;
use crate::mcp::straight::Plain;
use crate::mcp::{typed, versions};

use super::inside::Inside;
use super::limits::Permit;
use super::problem::{BEGIN_SESSION, Problem};
use super::{App, apart, identity, metrics};
use sessions::{Owner, Sessions, Visit};

pub const PATH: &str = "/mcp";
const SESSION: &str = "mcp-session-id";
const NEWEST: &str = "2026-07-28";
const SESSION_RETRY_SECONDS: u32 = 30;
/// How often it is asked whether the credential behind a stream still counts.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The MCP service of this workspace, with every check before it.
pub struct Lane {
    app: Arc<App>,
    door: Door<Server>,
}

impl Lane {
    pub fn new(app: &Arc<App>) -> Self {
        let handler = Arc::new(Guarded::new(Server::for_principals(&app.engine)));
        Self { app: Arc::clone(app), door: Door::new(app, Arc::clone(&handler), Some(handler)) }
    }

    pub async fn answer(&self, request: Request) -> Response {
        metrics::measured(&self.app, PATH, request, Checked(self)).await
    }
}

/// Behind the guard.
struct Checked<'l>(&'l Lane);

impl Inside for Checked<'_> {
    async fn answer(self, request: Request) -> Response {
        identity::only_known(&self.0.app, request, Known(&self.0.door)).await
    }
}

/// Once it is known who calls, which is an extension of the request: an `Arc<Principal>`.
struct Known<'d>(&'d Door<Server>);

impl Inside for Known<'_> {
    async fn answer(self, request: Request) -> Response {
        match request.extensions().get::<Arc<Principal>>().cloned() {
            Some(principal) => self.0.answer(&principal, request).await,
            None => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
}

/// The same transport around any service. Who calls is that extension as well.
pub fn around<H: ServerHandler>(app: &Arc<App>, handler: H) -> Router<Arc<App>> {
    let door = Arc::new(Door::new(app, Arc::new(Guarded::new(handler)), None));
    let handle = move |Extension(principal): Extension<Arc<Principal>>, request: Request| async move {
        door.answer(&principal, request).await
    };
    Router::new().route(PATH, any(handle))
}

struct Door<H> {
    app: Arc<App>,
    /// Answers plain calls itself.
    straight: Option<Arc<Guarded<Server>>>,
    sessions: Arc<Sessions>,
    service: StreamableHttpService<Arc<Guarded<H>>, Sessions>,
}

impl<H: ServerHandler> Door<H> {
    fn new(app: &Arc<App>, handler: Arc<Guarded<H>>, straight: Option<Arc<Guarded<Server>>>) -> Self {
        let limits = app.options.limits;
        let sessions = Arc::new(Sessions::new(&limits));
        // Who may call, and from where, is asked before this: rmcp's own checks of hosts are off.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_json_response(true)
            .with_max_request_body_bytes(limits.body_bytes);
        let factory = move || Ok(Arc::clone(&handler));
        let service = StreamableHttpService::new(factory, Arc::clone(&sessions), config);
        Self { app: Arc::clone(app), straight, sessions, service }
    }

    async fn answer(&self, principal: &Principal, mut request: Request) -> Response {
        let owner = Owner::of(principal);
        if let Some(response) = self.of_no_session(&owner, &request) {
            return response;
        }
        accept::say_in_full(request.headers_mut());
        let (request, listens) = if request.method() == Method::POST {
            match self.read(principal, &owner, request).await {
                Read::Answered(response) => return response,
                Read::Left { request, listens } => (request, listens),
            }
        } else {
            (request, false)
        };
        let permit = if listens || request.method() == Method::GET {
            match self.app.limits.stream(principal) {
                Ok(permit) => Some(permit),
                Err(problem) => return problem.into_response(),
            }
        } else {
            None
        };
        let (parts, body) = request.into_parts();
        let shown = permit.is_some().then(|| parts.clone());
        let request = Request::from_parts(parts, body);
        let ends_session = request.method() == Method::DELETE;
        let visit = Visit::new(owner);
        // On the heap, so that what rmcp keeps of a call is not copied for those that it never sees.
        let mut response = Box::pin(visit.during(self.service.handle(request))).await;
        if visit.found_no_room() {
            return no_room().into_response();
        }
        // There is nothing left to be done about it, and clients take rmcp's 202 for a failure.
        if ends_session && response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        let response = response.map(Body::new);
        match permit.zip(shown) {
            Some((permit, shown)) => {
                // Of another service nobody shows a credential.
                let shown = self.straight.as_ref().map(|_| (shown, principal.clone()));
                let over = until_over(Arc::clone(&self.app), shown);
                response.map(|body| endless(body, permit, over))
            }
            None => response,
        }
    }

    /// The answer to who takes up or ends what only a session has, without one. One that is not the caller's does not exist
    /// for it.
    fn of_no_session(&self, owner: &Owner, request: &Request) -> Option<Response> {
        let method = request.method();
        if method != Method::GET && method != Method::DELETE {
            return None;
        }
        match session_named(request.headers()) {
            Some(id) if !self.sessions.is_of(id, owner) => Some(no_session().into_response()),
            Some(_) if !is_newest(request.headers()) => None,
            _ => Some(only_posted(method)),
        }
    }

    /// The answer to a method that no older revision has, in a session. rmcp would tell no more than its name.
    fn of_older(
        &self,
        headers: &HeaderMap,
        owner: &Owner,
        id: &Id<'_>,
        method: &str,
        params: Option<&str>,
    ) -> Option<Response> {
        // Another service has methods of its own.
        let session = self.straight.as_ref().and_then(|_| session_named(headers))?;
        let why = methods::missing(method, Revision::Older)?;
        let is_older = !is_newest(headers) && versions::named(params).is_none();
        (is_older && self.sessions.is_of(session, owner)).then(|| body::no_method_of_session(why, id))
    }

    /// Reads a message, and answers what needs nothing of rmcp.
    async fn read(&self, principal: &Principal, owner: &Owner, request: Request) -> Read {
        let (mut parts, bytes) = match body::whole(request, self.app.options.limits.body_bytes).await {
            Ok(whole) => whole,
            Err(response) => return Read::Answered(*response),
        };
        let is_newest = is_newest(&parts.headers);
        let frame = match body::sound(&bytes, is_newest) {
            Ok(frame) => frame,
            Err(response) => return Read::Answered(*response),
        };
        if let Some(response) = body::said_twice(&parts.headers, &frame) {
            return Read::Answered(response);
        }
        let mut listens = false;
        if let Frame::Request { id, method, params } = frame {
            // Those whose versions, method and parameters are known to fit.
            if let Some(straight) = &self.straight
                && let Some(call) = Plain::read(&parts.headers, id.clone(), &method, params)
                && let Some(_open) = self.sessions.open(call.session, owner, &call.id)
                && let Some(answer) = straight.straight(principal, &parts, call).await
            {
                return Read::Answered(([(CONTENT_TYPE, JSON)], answer).into_response());
            }
            if method != "initialize"
                && let Some(response) = body::of_no_version(&parts.headers, &id, params)
            {
                return Read::Answered(response);
            }
            // Whoever says both is answered by rmcp, which knows what they can agree on.
            let is_one = is_newest && method != "initialize";
            if is_one && let Some(why) = methods::missing(&method, Revision::Newest) {
                return Read::Answered(body::no_method(why, &id));
            }
            // rmcp takes one whose parameters do not fit for another request, which needs a session.
            if method == "initialize"
                && let Err(why) = typed::request(&method, params)
            {
                // The newest revision has no beginning to fit.
                let gone = methods::missing(&method, Revision::Newest).filter(|_| is_newest);
                return Read::Answered(gone.map_or_else(|| body::misfit(why, &id), |gone| body::no_method(gone, &id)));
            }
            if let Some(response) = self.of_older(&parts.headers, owner, &id, &method, params) {
                return Read::Answered(response);
            }
            if let Some(misfit) = typed::misfit(&method, params) {
                parts.extensions.insert(misfit);
            }
            listens = method == "subscriptions/listen";
        }
        Read::Left { request: Request::from_parts(parts, Body::from(bytes)), listens }
    }
}

/// A body that ends then, and counts as a stream for as long as it lives. Calls in flight are not ended: they have the time to
/// finish.
fn endless(body: Body, permit: Permit, over: impl Future<Output = ()> + Send + 'static) -> Body {
    let pieces = body.into_data_stream().take_until(Box::pin(over));
    Body::from_stream(pieces.map(move |piece| {
        let _held = &permit;
        piece
    }))
}

/// Until the server stops, or the credential does not count any more.
async fn until_over(app: Arc<App>, shown: Option<(Parts, Principal)>) {
    let stopping = app.stopping.clone();
    let Some((shown, began)) = shown else { return stopping.cancelled().await };
    let (shown, began) = (Arc::new(shown), Arc::new(began));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
        let (app, shown, began) = (Arc::clone(&app), Arc::clone(&shown), Arc::clone(&began));
        if !apart(move || identity::still_counts(&app, &shown, &began)).await.unwrap_or_default() {
            return;
        }
    }
}

/// What became of a message.
enum Read {
    Answered(Response),
    /// To rmcp.
    Left {
        request: Request,
        /// It asks for a stream that has no end of its own.
        listens: bool,
    },
}

fn is_newest(headers: &HeaderMap) -> bool {
    headers.get(body::VERSION).is_some_and(|version| version == NEWEST)
}

fn session_named(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION).and_then(|value| value.to_str().ok())
}

fn no_session() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_session", "there is no such session of yours").hint(BEGIN_SESSION)
}

fn only_posted(method: &Method) -> Response {
    let detail = format!("`{method}` is for sessions, and this request names none");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).hint(
        "name one of before 2026-07-28 in `Mcp-Session-Id`, as the answer to `initialize` had it; messages go by POST",
    );
    ([(ALLOW, HeaderValue::from_static("POST"))], problem).into_response()
}

fn no_room() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_sessions", "no further session can be opened now")
        .hint("end one with DELETE, or call in the way of 2026-07-28, which has no sessions")
        .retry_after(SESSION_RETRY_SECONDS)
}
