//! Figures for Prometheus, in its own text form or as OpenMetrics, and what is counted of requests themselves. Open to
//! everybody where only this machine can reach us, to those with a credential elsewhere.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::{Frame, SizeHint};

use crate::engine::clock::Stopwatch;
use crate::engine::metrics::family::{CALL_SECONDS, Family, Figure, Kind, Of};
use crate::engine::metrics::meters::Meter;
use crate::telemetry::{self, TraceParent};

use super::guard::{self, REQUEST_ID};
use super::inside::Inside;
use super::problem::Problem;
use super::{App, exposition, identity};

static REQUESTS: Family = Family {
    name: "orchestrator_http_requests_total",
    kind: Kind::Counter,
    of: Of::Process,
    labels: &["method", "route", "status"],
    help: "Requests by route and class of status; none is the route of an address where there is nothing",
};
static SECONDS: Family = Family {
    name: "orchestrator_http_request_duration_seconds",
    kind: Kind::Histogram(CALL_SECONDS),
    of: Of::Process,
    labels: &["route"],
    help: "From a request's head to the head of its answer",
};
static IN_FLIGHT: Family = Family {
    name: "orchestrator_http_requests_active",
    kind: Kind::Gauge,
    of: Of::Process,
    labels: &[],
    help: "Requests whose answer has not ended, streams included",
};
static STREAMS: Family = Family {
    name: "orchestrator_http_streams_active",
    kind: Kind::Gauge,
    of: Of::Process,
    labels: &[],
    help: "Streams of events that are open",
};
static CONNECTIONS: Family = Family {
    name: "orchestrator_http_connections_active",
    kind: Kind::Gauge,
    of: Of::Process,
    labels: &[],
    help: "Connections that are open",
};
pub static FAMILIES: [&Family; 5] = [&REQUESTS, &SECONDS, &IN_FLIGHT, &STREAMS, &CONNECTIONS];

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const OTHER: &str = "other";
/// Of a request that no route fits.
const NO_ROUTE: &str = "none";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];
const EVENT_STREAM: &str = "text/event-stream";

/// What is counted of requests. Routes are those of the router, so there are only so many.
#[derive(Default)]
pub struct HttpMeters {
    routes: Mutex<BTreeMap<&'static str, Arc<OfRoute>>>,
    active: AtomicU64,
    streams: AtomicU64,
    connections: AtomicU64,
}

struct OfRoute {
    took: Meter,
    requests: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl HttpMeters {
    /// One connection, until it is dropped.
    pub fn connection(self: &Arc<Self>) -> Counted {
        Counted::of(self, |meters| &meters.connections)
    }

    fn request(&self, route: &str, method: &Method, status: u16, began: &Stopwatch) {
        let of_route = self.of_route(route);
        of_route.took.add(began.elapsed());
        let method = METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER);
        let class = CLASSES.get(usize::from(status / 100).saturating_sub(1)).copied().unwrap_or(OTHER);
        let mut requests = of_route.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((method, class)).or_default() += 1;
    }

    fn of_route(&self, route: &str) -> Arc<OfRoute> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(route) {
            return Arc::clone(known);
        }
        let new = Arc::new(OfRoute { took: Meter::new(CALL_SECONDS), requests: Mutex::default() });
        // Once for each route there is, for as long as the process lives.
        routes.insert(Box::leak(route.to_owned().into_boxed_str()), Arc::clone(&new));
        new
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        for (route, counted) in routes.iter() {
            for ((method, class), count) in counted.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                figures.push(Figure::whole(&REQUESTS, &[method, route, class], *count));
            }
            figures.push(Figure::spread(&SECONDS, &[route], counted.took.spread()));
        }
        for (family, gauge) in
            [(&IN_FLIGHT, &self.active), (&STREAMS, &self.streams), (&CONNECTIONS, &self.connections)]
        {
            figures.push(Figure::whole(family, &[], gauge.load(Ordering::Relaxed)));
        }
        figures
    }
}

/// One more of what there is now, until it is dropped.
pub struct Counted {
    meters: Arc<HttpMeters>,
    which: fn(&HttpMeters) -> &AtomicU64,
}

impl Counted {
    fn of(meters: &Arc<HttpMeters>, which: fn(&HttpMeters) -> &AtomicU64) -> Self {
        which(meters).fetch_add(1, Ordering::Relaxed);
        Self { meters: Arc::clone(meters), which }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(&self.meters).fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Problem> {
    // Behind a proxy everybody comes from this machine, by whatever name; other names are set where there is one.
    let from_here = app.options.hosts.is_empty()
        && parts.headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(guard::is_this_machine);
    if !(from_here && app.options.address.ip().is_loopback()) {
        identity::principal(&app, &parts)?;
    }
    let openmetrics = accepts_openmetrics(&parts.headers);
    let text = tokio::task::spawn_blocking(move || {
        let mut figures = app.engine.figures();
        figures.extend(app.meters.figures());
        exposition::text(figures, openmetrics)
    });
    let failed = |_| Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, "internal", "figures could not be made");
    let text = text.await.map_err(failed)?;
    let form = if openmetrics { exposition::OPENMETRICS } else { exposition::PROMETHEUS };
    Ok(([(CONTENT_TYPE, form)], text).into_response())
}

fn accepts_openmetrics(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|one| one.trim_start().starts_with("application/openmetrics-text"))
}

/// Around every request and its guard: counts it, tells the log of it, and makes its span, which the call inside is a child of.
pub async fn measured(app: &Arc<App>, route: &str, mut request: Request, inside: impl Inside) -> Response {
    let began = Stopwatch::start();
    let active = Counted::of(&app.meters, |meters| &meters.active);
    let method = request.method().clone();
    // Asked for every few seconds, and of no interest afterwards.
    let probe = PROBES.contains(&route);
    let mut span = app.engine.tracer().filter(|_| !probe).map(|tracer| {
        let mut span =
            tracer.begin(format!("{method} {route}"), telemetry::Kind::Server, said_parent(request.headers()));
        span.note("http.request.method", method.as_str());
        span.note("http.route", route);
        request.extensions_mut().insert(span.here());
        span
    });
    let response = guard::checked(app, request, inside).await;
    let status = response.status().as_u16();
    app.meters.request(route, &method, status, &began);
    if !probe {
        let request_id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::info!(request_id, %method, route, status, elapsed_us = began.elapsed().as_micros(), "answered");
    }
    if let Some(span) = &mut span {
        span.note("http.response.status_code", i64::from(status));
        if status >= 500 {
            span.fail();
        }
    }
    let is_stream =
        response.headers().get(CONTENT_TYPE).is_some_and(|form| form.as_bytes().starts_with(EVENT_STREAM.as_bytes()));
    let stream = is_stream.then(|| Counted::of(&app.meters, |meters| &meters.streams));
    response.map(|body| Body::new(Held { body, _counted: (active, stream) }))
}

/// `measured` as a layer of the router.
pub async fn routed(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    measured(&app, route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str), request, next).await
}

/// The span that a request says it is part of, where it says one.
fn said_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut said = headers.get_all("traceparent").iter();
    // Two of them are no parent.
    let first = said.next().filter(|_| said.next().is_none())?;
    TraceParent::parse(first.to_str().ok()?)
}

/// A body that counts as an answer under way until it has ended or nobody takes it any more.
struct Held {
    body: Body,
    _counted: (Counted, Option<Counted>),
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
