//! Where this server says how to get access to it (RFC 9728), and by what keys its phase tokens are checked. It gives out no
//! tokens: issuers do, and `phasegate token` does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HOST};
use http::request::Parts;
use serde_json::{Value, json};

use super::App;
use super::problem::Problem;

const METADATA: &str = "/.well-known/oauth-protected-resource";
const MCP: &str = "/mcp";
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(METADATA, get(of_server))
        .route("/.well-known/oauth-protected-resource/mcp", get(of_mcp))
        .route("/.well-known/jwks.json", get(keys))
}

/// Where the metadata of what was asked for lies.
pub fn metadata_address(app: &App, parts: &Parts) -> String {
    let of = if parts.uri.path() == MCP { MCP } else { "" };
    format!("{}{METADATA}{of}", base(app, parts))
}

async fn of_server(State(app): State<Arc<App>>, request: Request) -> Response {
    metadata(&app, &request.into_parts().0, "")
}

async fn of_mcp(State(app): State<Arc<App>>, request: Request) -> Response {
    metadata(&app, &request.into_parts().0, MCP)
}

fn metadata(app: &App, parts: &Parts, of: &str) -> Response {
    let base = base(app, parts);
    let mut document = json!({
        "resource": format!("{base}{of}"),
        "resource_name": "phasegate",
        "bearer_methods_supported": ["header"],
    });
    let issuers = app.engine.issuers();
    // A list that would be empty is left out.
    if let Value::Object(fields) = &mut document
        && !issuers.is_empty()
    {
        fields.insert("authorization_servers".to_owned(), json!(issuers));
    }
    cached(document)
}

async fn keys(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(cached(app.engine.phase_keys()?))
}

fn cached(document: Value) -> Response {
    let mut response = Json(document).into_response();
    response.headers_mut().insert(CACHE_CONTROL, CACHED);
    response
}

/// How the caller reached this server: the guard has let its `Host` through. A name that is not this machine's and that comes
/// without TLS has something before us that ends it.
fn base(app: &App, parts: &Parts) -> String {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = named.map_or_else(|| app.options.address.to_string(), str::to_owned);
    let plain = app.options.tls.is_none() && (host.parse::<SocketAddr>().is_ok() || is_here(&host));
    format!("{}://{host}", if plain { "http" } else { "https" })
}

fn is_here(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse::<IpAddr>().is_ok() || host.starts_with('[')
}
