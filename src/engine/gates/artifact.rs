//! Is a document what a JSON Schema asks for? Nothing is fetched, patterns take linear time, and a schema that could
//! run in circles is refused before it is used.

use std::collections::HashMap;
use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use super::output::one_line;

const ERRORS_MAX: usize = 10;
const SHOWN_CHARS: usize = 80;
const DEPTH_MAX: usize = 64;
const SCHEMA_NODES_MAX: usize = 20_000;
const PATTERN_BYTES: usize = 1024 * 1024;
/// How many subschemas may look at one value, counted through every reference.
const WORK_MAX: u64 = 10_000;
const CHAIN_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// Such as `findings.files[2]`; empty for the whole document.
    pub path: String,
    pub message: String,
}

/// Made once for a workflow version, used for every document; `Send` and `Sync`.
pub struct CompiledSchema {
    validator: Validator,
}

impl fmt::Debug for CompiledSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompiledSchema")
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the document" } else { &self.path };
        write!(f, "{place}: {}", self.message)
    }
}

pub fn validate(schema: &Value, content: &Value) -> Result<(), Vec<SchemaError>> {
    let whole = |message| vec![SchemaError { path: String::new(), message }];
    compile(schema).map_err(whole)?.validate(content)
}

pub fn compile(schema: &Value) -> Result<CompiledSchema, String> {
    if !within_depth(schema, DEPTH_MAX) {
        return Err(format!("the schema is nested more than {DEPTH_MAX} levels deep; flatten it with `$defs`"));
    }
    if count(schema) > SCHEMA_NODES_MAX {
        return Err(format!("the schema has more than {SCHEMA_NODES_MAX} values; make it smaller"));
    }
    Circles::new(schema).check()?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let options = jsonschema::options().with_retriever(Nowhere).with_pattern_options(patterns);
    let validator = options.build(schema).map_err(|error| {
        let place = one_line(error.instance_path().as_str(), SHOWN_CHARS);
        format!("the schema itself is not valid at `{place}`: {}", one_line(&error.to_string(), 200))
    })?;
    Ok(CompiledSchema { validator })
}

impl CompiledSchema {
    /// At most 10 errors, each with its place.
    pub fn validate(&self, content: &Value) -> Result<(), Vec<SchemaError>> {
        if !within_depth(content, DEPTH_MAX) {
            let message = format!("it is nested more than {DEPTH_MAX} levels deep; flatten it");
            return Err(vec![SchemaError { path: String::new(), message }]);
        }
        let errors: Vec<_> =
            self.validator.iter_errors(content).take(ERRORS_MAX).map(|error| explained(&error, content)).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// A schema is complete in itself: the workflow file has inlined what it names.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`{uri}` is not part of the schema, and nothing is fetched; put it under `$defs`").into())
    }
}

fn explained(error: &ValidationError, content: &Value) -> SchemaError {
    SchemaError { path: place(error.instance_path().as_str(), content), message: message(error) }
}

/// A JSON pointer as one would write the access: `findings.files[2]`.
fn place(pointer: &str, content: &Value) -> String {
    let mut path = String::new();
    let mut node = Some(content);
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Array(items)) = node {
            path.push_str(&format!("[{name}]"));
            node = name.parse::<usize>().ok().and_then(|index| items.get(index));
        } else {
            node = node.and_then(|node| node.get(&name));
            let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
            match (plain, path.is_empty()) {
                (true, true) => path.push_str(&name),
                (true, false) => path.push_str(&format!(".{name}")),
                (false, _) => path.push_str(&format!("[{}]", Value::from(one_line(&name, SHOWN_CHARS)))),
            }
        }
    }
    path
}

fn message(error: &ValidationError) -> String {
    let found = || short(error.instance());
    let size = || sized(error.instance());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("`{}` is missing; add it", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::Type { kind } => format!("expected {}, found {}", types(kind), found()),
        ValidationErrorKind::Enum { options } => format!("expected one of {}, found {}", short(options), found()),
        ValidationErrorKind::Constant { expected_value } => {
            format!("expected {}, found {}", short(expected_value), found())
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            format!("`{}` is not known here; remove it or mend its name", one_line(&unexpected.join("`, `"), 200))
        }
        ValidationErrorKind::MinItems { limit } => format!("expected at least {limit} items, found {}", size()),
        ValidationErrorKind::MaxItems { limit } => format!("expected at most {limit} items, found {}", size()),
        ValidationErrorKind::AdditionalItems { limit } => format!("expected at most {limit} items, found {}", size()),
        ValidationErrorKind::MinProperties { limit } => format!("expected at least {limit} fields, found {}", size()),
        ValidationErrorKind::MaxProperties { limit } => format!("expected at most {limit} fields, found {}", size()),
        ValidationErrorKind::MinLength { limit } => {
            format!("expected at least {limit} characters, found {}: {}", size(), found())
        }
        ValidationErrorKind::MaxLength { limit } => format!("expected at most {limit} characters, found {}", size()),
        ValidationErrorKind::Minimum { limit } => format!("expected {limit} or more, found {}", found()),
        ValidationErrorKind::Maximum { limit } => format!("expected {limit} or less, found {}", found()),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("expected more than {limit}, found {}", found()),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("expected less than {limit}, found {}", found()),
        ValidationErrorKind::MultipleOf { multiple_of } => {
            format!("expected a multiple of {multiple_of}, found {}", found())
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!("expected text that matches `{}`, found {}", one_line(pattern, SHOWN_CHARS), found())
        }
        ValidationErrorKind::Format { format } => format!("expected the format `{format}`, found {}", found()),
        ValidationErrorKind::UniqueItems => "expected no item twice".into(),
        ValidationErrorKind::Contains => "none of its items is what the schema asks for".into(),
        ValidationErrorKind::FalseSchema => "nothing is allowed here; remove it".into(),
        ValidationErrorKind::Not { .. } => format!("{} is what the schema excludes", found()),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            format!("{} is none of the {} allowed forms{}", found(), context.len(), closest(context))
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            format!("{} is more than one of the allowed forms; it must be one only", found())
        }
        ValidationErrorKind::PropertyNames { error } => format!("a field's name is not allowed: {}", message(error)),
        ValidationErrorKind::UnevaluatedItems { .. } => "it has items the schema does not know; remove them".into(),
        ValidationErrorKind::ContentEncoding { .. }
        | ValidationErrorKind::ContentMediaType { .. }
        | ValidationErrorKind::FromUtf8 { .. }
        | ValidationErrorKind::BacktrackLimitExceeded { .. }
        | ValidationErrorKind::RegexEngineFailure { .. }
        | ValidationErrorKind::Custom { .. }
        | ValidationErrorKind::Referencing(_) => one_line(&error.to_string(), 200),
    }
}

/// Of several forms, the one that fails in the fewest places is most likely the one that was meant.
fn closest(forms: &[Vec<ValidationError>]) -> String {
    let nearest = forms.iter().filter(|errors| !errors.is_empty()).min_by_key(|errors| errors.len());
    match nearest.and_then(|errors| errors.first()) {
        Some(first) => format!("; the nearest fails with: {}", one_line(&message(first), 160)),
        None => String::new(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
        Value::Array(items) if items.len() > 12 => format!("an array of {} items", items.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            format!("`{}`", one_line(&value.to_string(), SHOWN_CHARS))
        }
    }
}

fn sized(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        Value::String(text) => text.chars().count(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Object(fields) => Box::new(fields.values()),
        Value::Array(items) => Box::new(items.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

fn within_depth(value: &Value, levels: usize) -> bool {
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

    fn check(mut self) -> Result<(), String> {
        if self.nested {
            return Err("a part of the schema has an `$id` of its own; remove it and refer by `#/$defs/…`".into());
        }
        let mut nodes = vec![self.root];
        while let Some(node) = nodes.pop() {
            self.work_of(node, 0)?;
            nodes.extend(subschemas(node));
        }
        Ok(())
    }

    fn work_of(&mut self, node: &'s Value, depth: usize) -> Result<u64, String> {
        if depth > CHAIN_MAX {
            return Err(format!("the schema follows more than {CHAIN_MAX} references for one value; make it simpler"));
        }
        let key = std::ptr::from_ref(node);
        match self.work.get(&key) {
            Some(Some(work)) => return Ok(*work),
            Some(None) => return Err("the schema refers to itself without end; let it recurse through fields".into()),
            None => {}
        }
        self.work.insert(key, None);
        let mut work: u64 = 1;
        for next in self.applied(node)? {
            work = work.saturating_add(self.work_of(next, depth + 1)?);
        }
        if work > WORK_MAX {
            return Err(format!("the schema applies more than {WORK_MAX} rules to one value; make it simpler"));
        }
        self.work.insert(key, Some(work));
        Ok(work)
    }

    fn applied(&self, node: &'s Value) -> Result<Vec<&'s Value>, String> {
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

    fn target(&self, to: &str) -> Result<&'s Value, String> {
        let (base, fragment) = to.split_once('#').unwrap_or((to, ""));
        let own = self.root.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let found = match fragment {
            _ if !base.is_empty() && own != Some(base) => None,
            "" => Some(self.root),
            pointer if pointer.starts_with('/') => self.root.pointer(&unescaped(pointer)),
            name => self.names.get(name).copied(),
        };
        let to = one_line(to, SHOWN_CHARS);
        found.ok_or_else(|| format!("`{to}` is not part of the schema, and nothing is fetched; put it under `$defs`"))
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
