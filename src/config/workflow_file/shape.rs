//! The workflow file as a JSON Schema, for editors: what may stand where. The reader checks far more, and says where.

use serde_json::{Value, json};

pub fn shape() -> Value {
    let rules =
        json!({ "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 1000 }, "maxItems": 256 });
    let argv = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
    let duration = json!({ "type": "string", "pattern": "^([0-9]+[smhd])+$", "examples": ["30s", "10m", "72h"] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "phasegate workflow file",
        "type": "object",
        "required": ["version", "name", "phases"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1 },
            "name": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" },
            "enforcement": { "enum": ["strict", "warn", "observe"], "default": "strict" },
            "uninspectable": { "enum": ["ask", "deny"], "default": "ask" },
            "screen": { "enum": ["off", "flag", "refuse"], "default": "flag", "description": "A text that holds a secret or personal data, or tries to steer a model." },
            "protect": { "$ref": "#/$defs/lists", "description": "Holds in every phase, whatever else is allowed." },
            "unclaimed": { "$ref": "#/$defs/lists", "description": "For an agent without a task." },
            "budget": { "$ref": "#/$defs/budget" },
            "retry": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "attempts": { "type": "integer", "minimum": 1, "maximum": 20 } },
            },
            "context": { "$ref": "#/$defs/context" },
            "phases": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 64,
                "propertyNames": { "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$" },
                "additionalProperties": { "$ref": "#/$defs/phase" },
                "description": "In order; the first is where a task starts.",
            },
        },
        "$defs": {
            "lists": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "deny": rules, "ask": rules, "allow": rules },
            },
            "budget": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "usd": { "type": "number", "exclusiveMinimum": 0 },
                    "tokens": { "type": "integer", "minimum": 1 },
                    "minutes": { "type": "integer", "minimum": 1 },
                    "calls": { "type": "integer", "minimum": 1 },
                },
            },
            "context": context(),
            "phase": phase(&rules),
            "gate": gate(&argv, &duration),
        },
    })
}

fn phase(rules: &Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "goal": { "type": "string", "maxLength": 4000 },
            "allow": rules,
            "ask": rules,
            "deny": rules,
            "writes": { "type": "array", "items": { "type": "string" }, "description": "Where files may be written." },
            "sandbox": {
                "type": "object",
                "additionalProperties": false,
                "description": "For shell commands, by the kernel's means.",
                "properties": {
                    "network": { "enum": ["allow", "deny"] },
                    "confine": { "enum": ["auto", "full", "writes", "off"] },
                    "sockets": { "enum": ["allow", "mask", "none"] },
                    "grants": { "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": 256 },
                },
            },
            "require_approval": rules,
            "model": {
                "type": "object",
                "required": ["tier"],
                "additionalProperties": false,
                "properties": {
                    "tier": { "enum": ["weak", "base", "strong"] },
                    "raise_on_failure": { "type": "boolean" },
                },
            },
            "context": { "$ref": "#/$defs/context" },
            "exit": { "type": "array", "items": { "$ref": "#/$defs/gate" }, "maxItems": 32 },
            "next": { "type": "array", "items": { "type": "string" } },
            "end": { "type": "boolean", "description": "Entering it completes the task." },
        },
    })
}

fn context() -> Value {
    json!({ "description": "Results of the client's own tools that are made shorter.", "anyOf": [
        { "const": "off" },
        {
            "type": "object",
            "required": ["reduce_above"],
            "additionalProperties": false,
            "properties": {
                "reduce_above": { "type": "integer", "minimum": 200, "maximum": 1_000_000, "description": "Tokens." },
                "keep": { "type": "number", "exclusiveMinimum": 0, "default": 0.5, "description": "A share below 1, tokens above." },
                "tools": { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 64 },
            },
        },
    ] })
}

/// Each entry is one kind of gate with that kind's options.
fn gate(argv: &Value, duration: &Value) -> Value {
    let one = |kind: &str, value: Value, options: Value| {
        let mut properties = options;
        if let Value::Object(fields) = &mut properties {
            fields.insert(kind.to_owned(), value);
        }
        json!({ "type": "object", "required": [kind], "additionalProperties": false, "properties": properties })
    };
    let run = || json!({ "within": duration, "fresh": { "type": "boolean" } });
    let names = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    let approval = json!({
        "type": "object",
        "required": ["ask"],
        "additionalProperties": false,
        "properties": {
            "ask": { "type": "string", "minLength": 1 },
            "from": names,
            "not_by": { "const": "author" },
            "within": duration,
            "level": { "type": "integer", "minimum": 0, "maximum": 3 },
        },
    });
    let changed =
        json!({ "anyOf": [{ "const": "changed" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] });
    let schema = json!({ "schema": { "type": ["object", "boolean"] }, "schema_file": { "type": "string" } });
    json!({ "oneOf": [
        one("artifact", json!({ "type": "string" }), schema),
        one("command", argv.clone(), run()),
        one("syntax", changed, json!({})),
        one("approval", approval, json!({})),
        one("children", json!({ "const": "done" }), json!({})),
        one("tasks", json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }), json!({})),
        one("budget", json!({ "const": "within" }), json!({})),
        one("hook", argv.clone(), run()),
    ] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::starters::STARTERS;

    #[test]
    fn the_shape_fits_every_starter_and_refuses_what_the_reader_refuses() {
        let validator = jsonschema::validator_for(&shape()).unwrap();
        let value = |source: &str| serde_saphyr::from_str::<Value>(source).unwrap();
        for (name, source) in STARTERS {
            let errors: Vec<String> = validator.iter_errors(&value(source)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
        for wrong in [
            "version: 2\nname: a\nphases: { a: { end: true } }",
            "version: 1\nnmae: a\nphases: { a: { end: true } }",
            "version: 1\nname: a\nphases: { a: { exit: [ { command: [] } ] } }",
            "version: 1\nname: a\nphases: { a: { exit: [ { artifact: x, within: 3s } ] } }",
        ] {
            assert!(!validator.is_valid(&value(wrong)), "{wrong}");
        }
    }
}
