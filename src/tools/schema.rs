//! Schemas as they are published: generated from the types, then slimmed, since every model pays for each word of them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// What a tool takes, or the whole shape of what it answers.
pub fn of<T: JsonSchema>() -> Value {
    let mut schema = generate::<T>();
    tidy(&mut schema);
    schema
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The names of what a tool takes.
pub fn fields(input: &Value) -> Vec<&str> {
    let properties = input.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// Of the names of an answer, so many are told by `tools/list`; the rest is in the whole shape.
const OUTLINED: usize = 1;

/// An answer as `tools/list` tells it: the first field that is always there, or that of a refusal, since some clients
/// hold refusals against it too. Still true, only shorter than the whole shape.
pub fn outline(full: &Value) -> Value {
    let always = full.get("required").and_then(Value::as_array).into_iter().flatten();
    let required: Vec<&Value> = always.take(OUTLINED).collect();
    serde_json::json!({ "type": "object", "anyOf": [{ "required": required }, { "required": ["code"] }] })
}

/// What a tool takes, as `tools/list` tells it: the fields and their meaning. Bounds are left to the check of the call, whose
/// message names the field; a model that is shown every list pays for each word of it.
pub fn sketch(full: &Value) -> Value {
    let mut schema = full.clone();
    unbounded(&mut schema, true);
    schema
}

fn unbounded(value: &mut Value, top: bool) {
    let Value::Object(fields) = value else { return };
    several(fields);
    for bound in
        ["pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "format"]
    {
        fields.shift_remove(bound);
    }
    if !top {
        fields.shift_remove("additionalProperties");
    }
    for (key, field) in fields.iter_mut() {
        match (key.as_str(), field) {
            ("properties", Value::Object(named)) => named.values_mut().for_each(|schema| unbounded(schema, false)),
            ("anyOf", Value::Array(schemas)) => schemas.iter_mut().for_each(part),
            ("items", schema) => part(schema),
            _ => {}
        }
    }
}

/// What a field means is said of the field, not again of what it is made of.
fn part(schema: &mut Value) {
    unbounded(schema, false);
    if let Value::Object(fields) = schema {
        fields.shift_remove("description");
    }
}

/// Where one or several may be given, several can say all that one can.
fn several(fields: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = fields.get("anyOf") else { return };
    let [one, Value::Object(list)] = options.as_slice() else { return };
    let same = |key: &str| list.get("items").and_then(|items| items.get(key)) == one.get(key);
    if list.get("type").is_some_and(|kind| kind == "array") && same("type") && same("enum") {
        let list = list.clone();
        fields.shift_remove("anyOf");
        fields.extend(list);
    }
}

/// Takes out what says nothing to a caller: titles of Rust types, number formats, nulls for what may simply be left out.
fn tidy(value: &mut Value) {
    if *value == Value::Bool(true) {
        // "Anything", in the spelling that every client reads: some refuse the whole list for a schema that is no object.
        *value = Value::Object(Map::new());
    }
    let Value::Object(fields) = value else { return };
    fields.shift_remove("title");
    fields.shift_remove("default");
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| format != "date-time") {
        fields.shift_remove("format");
    }
    without_null(fields);
    for (key, field) in fields.iter_mut() {
        match (key.as_str(), field) {
            ("properties" | "$defs", Value::Object(named)) => named.values_mut().for_each(tidy),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(tidy),
            ("items", schema) | ("additionalProperties", schema @ Value::Object(_)) => tidy(schema),
            _ => {}
        }
    }
}

fn without_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = fields.get_mut("enum") {
        options.retain(|option| !option.is_null());
    }
    let Some(Value::Array(options)) = fields.get_mut("anyOf") else { return };
    options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = options.as_slice() {
        let only = only.clone();
        fields.shift_remove("anyOf");
        for (key, field) in only {
            fields.entry(key).or_insert(field);
        }
    }
}
