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

/// The outline of an answer for `tools/list`: its required fields and their types. Still true, only shorter.
pub fn outline(full: &Value) -> Value {
    let required: Vec<&str> =
        full.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut properties = Map::new();
    for name in &required {
        let kind = full.pointer(&format!("/properties/{name}/type")).cloned();
        let schema = kind.map_or_else(|| Value::Object(Map::new()), |kind| serde_json::json!({ "type": kind }));
        properties.insert((*name).to_owned(), schema);
    }
    serde_json::json!({ "type": "object", "properties": properties, "required": required })
}

/// Takes out what says nothing to a caller: titles of Rust types, number formats, nulls for what may simply be left out.
fn tidy(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    fields.remove("title");
    fields.remove("default");
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| format != "date-time") {
        fields.remove("format");
    }
    without_null(fields);
    for (key, field) in fields.iter_mut() {
        match (key.as_str(), field) {
            ("properties" | "$defs", Value::Object(named)) => named.values_mut().for_each(tidy),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(tidy),
            ("items" | "additionalProperties", schema) => tidy(schema),
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
        fields.remove("anyOf");
        for (key, field) in only {
            fields.entry(key).or_insert(field);
        }
    }
}
