//! One operation of the API: what stands in its row of the table, from which both the router and the OpenAPI document are made,
//! and how a request of it is read and answered. What operations do is in the files of their resources.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::canonical;
use crate::domain::credential::Principal;
use crate::domain::facts::{Caller, Role};
use crate::domain::strict_json;
use crate::engine::Engine;
use crate::tools::arguments;

use super::super::problem::Problem;
use super::super::{App, apart};

pub const ALL: &[Role] = &[Role::Agent, Role::Approver, Role::Operator, Role::Auditor];
/// Those who are shown everything.
pub const WHOLE: &[Role] = &[Role::Approver, Role::Operator, Role::Auditor];

/// How deep a body may nest is the reader's own bound; how long a query may be is this.
/// As deep as a message to the MCP endpoint may go.
const DEPTH_MAX: usize = 64;
const QUERY_BYTES_MAX: usize = 8 << 10;

/// Below this each whole number is a float of its own.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

pub struct Operation {
    /// `operationId`.
    pub name: &'static str,
    pub path: &'static str,
    pub group: &'static str,
    pub summary: &'static str,
    /// Who gets an answer. The engine decides it; here it is only told.
    pub roles: &'static [Role],
    /// Of each `{name}` in the path.
    pub segments: Vec<(&'static str, Value)>,
    /// An object's schema: its properties are the parameters that there are.
    pub query: Value,
    /// Beside those that every operation takes.
    pub headers: Vec<(&'static str, &'static str)>,
    check: Option<jsonschema::Validator>,
    check_body: OnceLock<Option<jsonschema::Validator>>,
    pub answer: Shape,
    pub run: Run,
}

/// What an answer looks like.
pub enum Shape {
    Json(Value),
    /// The same with a body that is asked by.
    Posted {
        body: Value,
        json: Value,
    },
    /// Of these types.
    Bytes(&'static [&'static str]),
}

pub enum Run {
    /// On a thread that may wait for the store.
    Read(fn(&Asked) -> Result<Found, Problem>),
    Post(fn(&Asked) -> Result<Found, Problem>),
    /// Answers with a body that goes on.
    Stream(fn(Asked) -> Result<Response, Problem>),
}

/// A request, read.
pub struct Asked {
    pub app: Arc<App>,
    pub principal: Arc<Principal>,
    pub parts: Parts,
    segments: Vec<(String, String)>,
    query: Value,
    pub body: Value,
}

pub struct Found {
    pub body: Vec<u8>,
    pub kind: &'static str,
    pub tag: Option<String>,
    /// The parameters that lead on from here.
    pub next: Option<(&'static str, String)>,
}

impl Operation {
    pub fn new(name: &'static str, path: &'static str, summary: &'static str, answer: Shape, run: Run) -> Self {
        let group = path.split('/').nth(3).unwrap_or(name);
        let nothing = serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false });
        let (segments, roles) = (Vec::new(), ALL);
        Self {
            name,
            path,
            group,
            summary,
            roles,
            segments,
            query: Value::Null,
            headers: Vec::new(),
            check: None,
            check_body: OnceLock::new(),
            answer,
            run,
        }
        .query(nothing)
    }

    pub fn roles(mut self, roles: &'static [Role]) -> Self {
        self.roles = roles;
        self
    }

    pub fn segment(mut self, name: &'static str, schema: Value) -> Self {
        self.segments.push((name, schema));
        self
    }

    pub fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.headers.push((name, about));
        self
    }

    pub fn query(mut self, schema: Value) -> Self {
        self.check = jsonschema::options().should_validate_formats(true).build(&schema).ok();
        self.query = schema;
        self
    }

    pub fn is_post(&self) -> bool {
        matches!(self.answer, Shape::Posted { .. })
    }

    pub async fn answer(&'static self, app: Arc<App>, request: Request) -> Response {
        self.answered(app, request).await.unwrap_or_else(IntoResponse::into_response)
    }

    async fn answered(&'static self, app: Arc<App>, request: Request) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        let principal = parts.extensions.get::<Arc<Principal>>().cloned().ok_or_else(unknown_caller)?;
        let path = RawPathParams::from_request_parts(&mut parts, &app).await;
        let path = path.map_err(|_| bad("the path is not UTF-8", "encode what stands in it as UTF-8"))?;
        let segments = path.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let query = self.read_query(parts.uri.query().unwrap_or_default())?;
        let body = match &self.run {
            Run::Post(_) => read_json(&app, &parts.headers, body).await?,
            Run::Read(_) | Run::Stream(_) => Value::Null,
        };
        self.takes(&body)?;
        let asked = Asked { app, principal, parts, segments, query, body };
        let run = match self.run {
            Run::Read(run) | Run::Post(run) => run,
            Run::Stream(run) => return run(asked),
        };
        let (found, asked) = apart(move || run(&asked).map(|found| (found, asked))).await??;
        Ok(found.response(&asked))
    }

    /// A body that fits what the document says of it.
    fn takes(&self, body: &Value) -> Result<(), Problem> {
        match &self.answer {
            Shape::Posted { body: schema, .. } => fits(&self.check_body, schema, body),
            Shape::Json(_) | Shape::Bytes(_) => Ok(()),
        }
    }

    /// The parameters as an object that fits the schema.
    fn read_query(&self, text: &str) -> Result<Value, Problem> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(bad(&format!("the query is longer than {QUERY_BYTES_MAX} bytes"), "ask for less at once"));
        }
        let known = self.query.get("properties").and_then(Value::as_object);
        let mut found = Map::new();
        for (name, text) in url::form_urlencoded::parse(text.as_bytes()) {
            let schema = known.and_then(|known| known.get(name.as_ref())).ok_or_else(|| self.no_parameter(&name))?;
            let kind = schema.get("type").and_then(Value::as_str).unwrap_or("string");
            match found.get_mut(name.as_ref()) {
                Some(Value::Array(several)) => several.push(Value::from(text.as_ref())),
                Some(_) => {
                    return Err(bad(&format!("`{name}` is given twice"), "give it once"));
                }
                None if kind == "array" => drop(found.insert(name.into_owned(), Value::from(vec![text.as_ref()]))),
                None => drop(found.insert(name.into_owned(), typed(kind, &text))),
            }
        }
        let found = Value::Object(found);
        said(self.check.as_ref(), &self.query, &found)?;
        Ok(found)
    }

    fn no_parameter(&self, name: &str) -> Problem {
        let known = self.query.get("properties").and_then(Value::as_object).into_iter().flatten();
        let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
        let known = if known.is_empty() { "it takes none".to_owned() } else { format!("known: {}", known.join(", ")) };
        let name: String = name.chars().take(60).collect();
        bad(&format!("`{}` takes no parameter `{name}`", self.path), &known)
    }
}

/// Numbers and truths are written as words in a query.
fn typed(kind: &str, text: &str) -> Value {
    match kind {
        "integer" if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
        }
        "boolean" if text == "true" || text == "false" => Value::from(text == "true"),
        _ => Value::from(text),
    }
}

fn fits(check: &OnceLock<Option<jsonschema::Validator>>, schema: &Value, body: &Value) -> Result<(), Problem> {
    let check = check.get_or_init(|| jsonschema::options().should_validate_formats(true).build(schema).ok());
    said(check.as_ref(), schema, body)
}

/// Tells everything that is wrong, up to a few. What cannot be checked is not taken.
fn said(check: Option<&jsonschema::Validator>, schema: &Value, value: &Value) -> Result<(), Problem> {
    let Some(check) = check else {
        tracing::error!(%schema, "a schema of ours cannot be read");
        return Err(internal("phasegate could not check this request"));
    };
    let wrong: Vec<String> = check.iter_errors(value).take(5).map(|error| words(&error, schema)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(bad(&wrong.join("; "), "`/api/openapi.json` says what each takes")) }
}

fn words(error: &jsonschema::ValidationError<'_>, schema: &Value) -> String {
    let place = error.instance_path().to_string();
    let message = arguments::said(error, schema);
    match place.trim_start_matches('/').split('/').next() {
        Some(field) if !field.is_empty() => format!("`{field}`: {message}"),
        _ => message,
    }
}

pub fn bad(detail: &str, hint: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_arguments", detail).hint(hint)
}

pub fn missing(code: &str, detail: impl Into<String>, hint: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, code, detail).hint(hint)
}

fn unknown_caller() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", "this needs a credential")
        .hint("send `Authorization: Bearer TOKEN`; `phasegate token create` makes one")
}

/// A body of JSON; nothing at all is an empty object.
pub async fn read_json(app: &App, headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    let most = app.options.limits.body_bytes;
    let bytes = axum::body::to_bytes(body, most).await.map_err(|_| {
        let detail = format!("the body is longer than {most} bytes, or ended early");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail).hint("send less at once")
    })?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        let detail = "a body is taken as `application/json` only";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
            .hint("send it with `Content-Type: application/json`"));
    }
    let body = strict_json::object(&bytes, DEPTH_MAX);
    body.map(Value::Object).map_err(|why| bad(&format!("the body {why}"), "send one JSON object"))
}

impl Asked {
    pub fn engine(&self) -> &Engine {
        &self.app.engine
    }

    pub fn caller(&self) -> &Caller {
        &self.principal.caller
    }

    pub fn text(&self, name: &str) -> &str {
        self.segments.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str()).unwrap_or_default()
    }

    pub fn segment<T: std::str::FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<T, Problem> {
        self.text(name)
            .parse()
            .map_err(|why: T::Err| bad(&format!("`{name}` in the path: {why}"), "write it as it was given"))
    }

    /// What was asked, which fits the schema by now.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let wrong = |why: serde_json::Error| bad(&why.to_string(), "`/api/openapi.json` says what each takes");
        serde_json::from_value(self.query.clone()).map_err(wrong)
    }

    pub fn raw_query(&self) -> Value {
        self.query.clone()
    }

    pub fn posted<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let wrong = |why: serde_json::Error| bad(&format!("the body: {why}"), "`/api/openapi.json` says what it takes");
        let mut body = self.body.clone();
        // Where JSON Schema asks for a whole number, 60.0 is one.
        for field in body.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            if let Some(whole) = field.as_f64().filter(|it| field.is_f64() && it.fract() == 0.0 && it.abs() < WHOLE_MAX)
            {
                *field = Value::from(whole as i64);
            }
        }
        serde_json::from_value(body).map_err(wrong)
    }
}

/// Whether the first type in `Accept` that we have is plain text.
pub fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let mut ours = kinds.filter(|kind| matches!(*kind, "text/plain" | "text/*" | "application/json" | "*/*"));
    ours.next().is_some_and(|first| first.starts_with("text/"))
}

impl Found {
    /// Of a moment's look, so tagged by what it says; when it looked (`at`) says nothing of that.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, Problem> {
        let mut value = serde_json::to_value(value).map_err(|error| unwritable(&error))?;
        let body = value.to_string().into_bytes();
        let tag = match &mut value {
            Value::Object(fields) if fields.contains_key("at") => {
                fields.shift_remove("at");
                tag(value.to_string().as_bytes())
            }
            _ => tag(&body),
        };
        Ok(Self { body, kind: "application/json", tag: Some(tag), next: None })
    }

    pub fn next(mut self, name: &'static str, value: Option<impl std::fmt::Display>) -> Self {
        self.next = value.map(|value| (name, value.to_string()));
        self
    }

    fn response(self, asked: &Asked) -> Response {
        let mut headers = HeaderMap::new();
        let mut put = |name, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(CACHE_CONTROL, "private, no-cache");
        put(VARY, "authorization, cookie, accept");
        if let Some(tag) = &self.tag {
            put(ETAG, tag);
        }
        if let Some((name, value)) = &self.next {
            put(LINK, &format!("<{}>; rel=\"next\"", lead(asked, name, value)));
        }
        let known = asked.parts.headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
        if let (Some(known), Some(tag)) = (known, &self.tag)
            && asked.parts.method != http::Method::POST
            && is_known(known, tag)
        {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        (headers, self.body).into_response()
    }
}

fn unwritable(error: &serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer cannot be written");
    internal("phasegate could not write this answer")
}

fn internal(detail: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        .hint("`phasegate doctor` checks the whole set-up")
}

pub fn tag(body: &[u8]) -> String {
    let digest = canonical::sha256(body);
    format!("W/\"{}\"", digest.get(..32).unwrap_or(&digest))
}

/// Whether a tag is among those that the asker has; weakly, as reads are compared.
pub fn is_known(known: &str, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|one| one.trim() == "*" || bare(one) == bare(tag))
}

/// The same request, going on from here.
fn lead(asked: &Asked, name: &str, value: &str) -> String {
    let uri = &asked.parts.uri;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (known, text) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if known != name {
            query.append_pair(&known, &text);
        }
    }
    query.append_pair(name, value);
    format!("{}?{}", uri.path(), query.finish())
}
