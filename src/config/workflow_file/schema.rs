//! The JSON Schema of an artifact: written in place or in a file beside the workflow, complete in itself.
//! Judging an artifact by it is not here.

use super::compile::outside;
use super::fields::{Reader, join};
use super::problem::At;
use super::tree::{Node, Plain, Value};
use crate::config::json_schema::{self, Unusable};
use serde_json::Value as Json;

const MAX_BYTES: usize = 64 * 1024;
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

pub fn inline(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<Json> {
    let schema = json(reader, node, path)?;
    check(reader, schema, node.at, path)
}

pub fn from_file(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<Json> {
    let file = reader.words(node, path)?.to_owned();
    let remote = file.contains("://").then_some("is an address, and schemas are not fetched");
    if let Some(why) = remote.or_else(|| outside(&file)) {
        reader.refuse(
            node.at,
            path,
            format!("`{file}` {why}"),
            "write a path below the workflow file's folder, such as `schemas/plan.json`",
        );
        return None;
    }
    match (reader.load_schema)(&file) {
        Ok(schema) => check(reader, schema, node.at, path),
        Err(reason) => {
            reader.refuse(
                node.at,
                path,
                format!("the schema `{file}` cannot be read: {reason}"),
                "make the file, or write the schema in place with `schema`",
            );
            None
        }
    }
}

fn json(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<Json> {
    Some(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => Json::Number(number.clone()),
        Value::Text(_, Plain::Text) => Json::String(reader.prose(node, path)?.to_owned()),
        Value::Text(text, Plain::Flag | Plain::Figure) => {
            let message = format!("`{text}` is text here and something else for other readers of yaml");
            reader.refuse(
                node.at,
                path,
                message,
                format!("put it in quotes (`\"{text}\"`), or write `true`, `false` or a decimal number"),
            );
            return None;
        }
        Value::List(items) => {
            let values: Vec<_> =
                items.iter().enumerate().map(|(index, item)| json(reader, item, &format!("{path}[{index}]"))).collect();
            Json::Array(values.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(entries) => {
            let values: Vec<_> = entries
                .iter()
                .map(|(key, item)| json(reader, item, &join(path, &key.name)).map(|value| (key.name.clone(), value)))
                .collect();
            Json::Object(values.into_iter().collect::<Option<_>>()?)
        }
    })
}

fn check(reader: &mut Reader<'_, '_>, schema: Json, at: At, path: &str) -> Option<Json> {
    if !matches!(schema, Json::Object(_) | Json::Bool(_)) {
        reader.refuse(
            at,
            path,
            "a schema is a map, such as `{ type: object, required: [summary] }`",
            "write one, or leave it out to take any document",
        );
        return None;
    }
    if schema == Json::Bool(false) {
        reader.refuse(
            at,
            path,
            "the schema `false` fits no document, so this gate could never pass",
            "write what the document must hold",
        );
        return None;
    }
    if schema.to_string().len() > MAX_BYTES {
        reader.refuse(at, path, format!("the schema is longer than {MAX_BYTES} bytes"), "shorten it");
        return None;
    }
    if let Some(draft) =
        schema.get("$schema").filter(|draft| draft.as_str().map(|text| text.trim_end_matches('#')) != Some(DRAFT))
    {
        reader.refuse(
            at,
            path,
            format!("the schema says it is of the draft `{draft}`"),
            format!("use `{DRAFT}`, or remove `$schema`"),
        );
        return None;
    }
    if let Some(reference) = foreign_reference(&schema) {
        let message = format!("the schema refers to `{reference}`, outside itself, and nothing is fetched");
        reader.refuse(at, path, message, "copy that part under `$defs` and refer to it as `#/$defs/NAME`");
        return None;
    }
    // Lest a gate be trusted that no document can ever pass.
    match json_schema::compile(&schema) {
        Ok(_) => Some(schema),
        Err(Unusable { message, hint }) => {
            reader.refuse(at, path, message, hint);
            None
        }
    }
}

/// The first reference that leaves the schema. Data inside `const`, `enum` and the like is not looked at.
fn foreign_reference(schema: &Json) -> Option<&str> {
    match schema {
        Json::Array(items) => items.iter().find_map(foreign_reference),
        Json::Object(members) => members.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Json::String(reference)) => {
                (!reference.starts_with('#')).then_some(reference.as_str())
            }
            ("const" | "enum" | "default" | "examples", _) => None,
            _ => foreign_reference(value),
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}
