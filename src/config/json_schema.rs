//! Can a JSON Schema be used? Nothing is fetched, patterns take linear time, and a schema that could run in circles is refused.
//! Asked where a workflow is read, and again where an artifact is judged.

use std::collections::HashMap;
use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use crate::domain::visible;

/// Also of a document that is judged.
pub const DEPTH_MAX: usize = 64;
const SHOWN_CHARS: usize = 80;
const REASON_CHARS: usize = 200;
const SCHEMA_NODES_MAX: usize = 20_000;
const PATTERN_BYTES: usize = 1024 * 1024;
/// How many subschemas may look at one value, counted through every reference.
const WORK_MAX: u64 = 10_000;
const CHAIN_MAX: usize = 128;

/// Why a schema cannot be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub message: String,
    pub hint: &'static str,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

fn unusable(message: impl Into<String>, hint: &'static str) -> Unusable {
    Unusable { message: message.into(), hint }
}

pub fn compile(schema: &Value) -> Result<Validator, Unusable> {
    if !within_depth(schema, DEPTH_MAX) {
        let message = format!("the schema is nested more than {DEPTH_MAX} levels deep");
        return Err(unusable(message, "flatten it with `$defs`"));
    }
    if count(schema) > SCHEMA_NODES_MAX {
        return Err(unusable(format!("the schema has more than {SCHEMA_NODES_MAX} values"), "make it smaller"));
    }
    Circles::new(schema).check()?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let options = jsonschema::options().with_retriever(Nowhere).with_pattern_options(patterns);
    options.build(schema).map_err(|error| not_valid(&error))
}

fn not_valid(error: &ValidationError<'_>) -> Unusable {
    let pointer = visible::line(error.instance_path().as_str(), SHOWN_CHARS);
    let place = if pointer.is_empty() { String::new() } else { format!(" at `{pointer}`") };
    let message = format!("the schema is not a valid json schema{place}: ");
    let is_pattern = matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex");
    if is_pattern {
        let pattern = visible::line(&error.instance().to_string(), SHOWN_CHARS);
        let hint = "write one that takes linear time: without look-around and back-references";
        return unusable(format!("{message}the pattern `{pattern}` is not valid here"), hint);
    }
    let reason = visible::line(&error.to_string(), REASON_CHARS);
    unusable(message + &reason, "mend it after the 2020-12 draft of json schema")
}

/// A schema is complete in itself: the workflow file has inlined what it names.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`{uri}` is not part of the schema, and nothing is fetched; put it under `$defs`").into())
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(fields) => Box::new(fields.values()),
        Value::Array(items) => Box::new(items.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

pub fn within_depth(value: &Value, levels: usize) -> bool {
    levels > 0 && children(value).all(|child| within_depth(child, levels - 1))
}

fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

/// Follows what a schema applies to one and the same value: a circle there never ends, and doubling there is
/// exponential. Recursion through properties and items is fine: a document is finite.
struct Circles<'s> {
    root: &'s Value,
    /// `None` while on the way down.
    work: HashMap<*const Value, Option<u64>>,
    names: HashMap<&'s str, &'s Value>,
    nested: bool,
}

impl<'s> Circles<'s> {
    fn new(root: &'s Value) -> Self {
        let mut circles = Self { root, work: HashMap::new(), names: HashMap::new(), nested: false };
        circles.collect_names(root);
        circles
    }

    fn collect_names(&mut self, node: &'s Value) {
        // A nested `$id` starts a resource of its own, where `#/…` means another place.
        if node.get("$id").is_some_and(Value::is_string) && !std::ptr::eq(node, self.root) {
            self.nested = true;
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = node.get(key).and_then(Value::as_str) {
                self.names.entry(name).or_insert(node);
            }
        }
        for child in subschemas(node) {
            self.collect_names(child);
        }
    }

    fn check(mut self) -> Result<(), Unusable> {
        if self.nested {
            return Err(unusable("a part of the schema has an `$id` of its own", "remove it and refer by `#/$defs/…`"));
        }
        let mut nodes = vec![self.root];
        while let Some(node) = nodes.pop() {
            self.work_of(node, 0)?;
            nodes.extend(subschemas(node));
        }
        Ok(())
    }

    fn work_of(&mut self, node: &'s Value, depth: usize) -> Result<u64, Unusable> {
        if depth > CHAIN_MAX {
            let message = format!("the schema follows more than {CHAIN_MAX} references for one value");
            return Err(unusable(message, "make it simpler"));
        }
        let key = std::ptr::from_ref(node);
        match self.work.get(&key) {
            Some(Some(work)) => return Ok(*work),
            Some(None) => {
                return Err(unusable("the schema refers to itself without end", "let it recurse through fields"));
            }
            None => {}
        }
        self.work.insert(key, None);
        let mut work: u64 = 1;
        for next in self.applied(node)? {
            work = work.saturating_add(self.work_of(next, depth + 1)?);
        }
        if work > WORK_MAX {
            let message = format!("the schema applies more than {WORK_MAX} rules to one value");
            return Err(unusable(message, "make it simpler"));
        }
        self.work.insert(key, Some(work));
        Ok(work)
    }

    fn applied(&self, node: &'s Value) -> Result<Vec<&'s Value>, Unusable> {
        let Value::Object(fields) = node else { return Ok(Vec::new()) };
        let mut next = Vec::new();
        for (key, value) in fields {
            match key.as_str() {
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    if let Some(to) = value.as_str() {
                        next.push(self.target(to)?);
                    }
                }
                "allOf" | "anyOf" | "oneOf" => next.extend(value.as_array().into_iter().flatten()),
                "not" | "if" | "then" | "else" => next.push(value),
                "dependentSchemas" | "dependencies" => {
                    next.extend(value.as_object().into_iter().flat_map(|map| map.values()));
                }
                _ => {}
            }
        }
        Ok(next)
    }

    fn target(&self, to: &str) -> Result<&'s Value, Unusable> {
        let (base, fragment) = to.split_once('#').unwrap_or((to, ""));
        let own = self.root.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let found = match fragment {
            _ if !base.is_empty() && own != Some(base) => None,
            "" => Some(self.root),
            pointer if pointer.starts_with('/') => self.root.pointer(&unescaped(pointer)),
            name => self.names.get(name).copied(),
        };
        found.ok_or_else(|| {
            let to = visible::line(to, SHOWN_CHARS);
            unusable(format!("`{to}` is not part of the schema, and nothing is fetched"), "put it under `$defs`")
        })
    }
}

/// Without what is data and only looks like a schema.
fn subschemas(node: &Value) -> Vec<&Value> {
    match node {
        Value::Object(fields) => {
            let data = |key: &str| matches!(key, "const" | "enum" | "default" | "examples");
            fields.iter().filter(|(key, _)| !data(key)).map(|(_, value)| value).collect()
        }
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn unescaped(pointer: &str) -> String {
    pointer.replace("%25", "%").replace("%24", "$").replace("%20", " ").replace("%22", "\"")
}
