//! The OpenAPI document of the REST surface, made from the tables that the router is made from. It is committed as
//! `schemas/openapi.json` and served to everybody: it tells nothing that the source does not.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::domain::facts::Role;
use crate::tools::{TOOLS, Tool};

use super::App;
use super::rest::OPERATIONS;
use super::rest::operation::{ALL, Operation, Run, Shape, is_known, tag};

pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/openapi.json", get(served))
}

async fn served(headers: HeaderMap) -> Response {
    static TEXT: LazyLock<(String, String)> = LazyLock::new(|| {
        let text = document().to_string();
        let tag = tag(text.as_bytes());
        (text, tag)
    });
    let (text, tag) = &*TEXT;
    let cached = [(ETAG, tag.as_str()), (CACHE_CONTROL, "public, max-age=300")];
    let known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| is_known(known, tag)) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

pub fn document() -> Value {
    let mut paths = Map::new();
    for tool in &TOOLS {
        paths.insert(format!("/api/v1/tools/{}", tool.name), json!({ "post": of_tool(tool) }));
    }
    for operation in OPERATIONS.iter() {
        let verb = if operation.is_post() { "post" } else { "get" };
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(verbs) = path {
            verbs.insert(verb.to_owned(), of_operation(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Phasegate",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The control point for coding agents",
            "description": "The tools and the reads as plain HTTP. `phasegate token create` makes a credential. A page that \
                            signed in sends its cookie instead, and `X-Phasegate: 1` with whatever changes something.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Problem": problem() },
            "responses": { "Problem": {
                "description": "It says no: what is so, and what to do next",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            } },
        },
    })
}

/// RFC 9457, with the code and the hint of a refusal.
fn problem() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["status", "title", "code", "detail"],
        "properties": {
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "title": text(),
            "code": { "type": "string", "description": "What programs match on: docs/errors has a page for each of a refusal" },
            "detail": text(),
            "hint": { "type": "string", "description": "What to do next" },
            "details": { "description": "Of a refusal, where it has more to say" },
        },
    })
}

fn words(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.word()).collect()
}

/// The answers that say no, beside the one that is asked for.
fn responses(ok: Value, more: &[&str]) -> Value {
    let mut all = Map::from_iter([("200".to_owned(), ok)]);
    for status in ["400", "401", "403", "404", "429"].iter().chain(more).chain(&["500", "default"]) {
        all.insert((*status).to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(all)
}

/// What a tool takes, with the nulls that it takes for what is left out.
fn taken(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
    for (name, field) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        // The two objects whose fields are looked at as well (`tools::arguments`).
        if matches!(name.as_str(), "new" | "filter") {
            *field = taken(field);
        }
        if !is_required(name) {
            let about = field.as_object_mut().and_then(|field| field.shift_remove("description"));
            *field = json!({ "anyOf": [field.take(), { "type": "null" }] });
            if let (Value::Object(field), Some(about)) = (field, about) {
                field.insert("description".to_owned(), about);
            }
        }
    }
    schema
}

fn of_tool(tool: &Tool) -> Value {
    let (mut parameters, mut more) = (Vec::new(), vec!["409", "413", "415"]);
    if !tool.read_only {
        more.push("422");
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Sent again with the same body within 24 hours, the first answer comes again and nothing is done",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    let replayed =
        json!({ "description": "The answer was given before", "schema": { "type": "string", "enum": ["true"] } });
    let mut ok = json!({
        "description": "What the tool answers",
        "content": {
            "application/json": { "schema": (tool.output)() },
            "text/plain": { "schema": { "type": "string" } },
        },
    });
    if let (Value::Object(fields), false) = (&mut ok, tool.read_only) {
        fields.insert("headers".to_owned(), json!({ "Idempotency-Replayed": replayed }));
    }
    json!({
        "operationId": tool.name,
        "tags": ["tools"],
        "summary": tool.title,
        "description": tool.description,
        "x-role": words(ALL),
        "x-changes-state": !tool.read_only,
        "parameters": parameters,
        "requestBody": { "content": { "application/json": { "schema": taken(&(tool.input)()) } } },
        "responses": responses(ok, &more),
    })
}

fn of_operation(operation: &Operation) -> Value {
    let segments = operation
        .segments
        .iter()
        .map(|(name, schema)| json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    let known = |name: &&str| {
        json!({ "name": name, "in": "header", "schema": { "type": "string" },
        "description": "The `ETag` of an answer that is at hand: 304 where it still holds" })
    };
    let is_read = matches!(operation.run, Run::Read(_));
    let headers = operation.headers.iter().map(|(name, about)| {
        json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string", "pattern": "^[0-9]{1,12}$" } })
    });
    let parameters: Vec<Value> = segments
        .chain(query(&operation.query))
        .chain(["If-None-Match"].iter().filter(|_| is_read).map(known))
        .chain(headers)
        .collect();
    let (content, body) = match &operation.answer {
        Shape::Json(schema) => (json!({ "application/json": { "schema": schema } }), None),
        Shape::Posted { body, json } => (json!({ "application/json": { "schema": json } }), Some(body)),
        Shape::Bytes(kinds) => {
            let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": { "type": "string" } })));
            (Value::Object(kinds.collect()), None)
        }
    };
    let mut ok = json!({ "description": "As asked", "content": content });
    if let (Value::Object(fields), true) = (&mut ok, is_read) {
        let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
        let headers =
            json!({ "ETag": text("Of what the answer says"), "Link": text("`rel=\"next\"` leads to the next page") });
        fields.insert("headers".to_owned(), headers);
    }
    let mut all = responses(ok, if body.is_some() { &["413", "415"] } else { &[] });
    if let (Value::Object(all), true) = (&mut all, is_read) {
        all.insert("304".to_owned(), json!({ "description": "The answer at hand still holds" }));
    }
    let mut told = json!({
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        "x-role": words(operation.roles),
        "parameters": parameters,
        "responses": all,
    });
    if let (Value::Object(told), Some(body)) = (&mut told, body) {
        let required = body.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
        let body = json!({ "required": required, "content": { "application/json": { "schema": body } } });
        told.insert("requestBody".to_owned(), body);
    }
    told
}

/// A parameter for each property of an object's schema.
fn query(schema: &Value) -> impl Iterator<Item = Value> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.map(move |(name, schema)| {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.shift_remove("description"));
        let required = required.contains(&name.as_str());
        let mut told = json!({ "name": name, "in": "query", "required": required, "schema": schema });
        if let (Value::Object(told), Some(about)) = (&mut told, about) {
            told.insert("description".to_owned(), about);
        }
        told
    })
}
