//! Is a document what a JSON Schema asks for? Whether the schema can be used at all is asked in `config::json_schema`.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::config::json_schema::{self, DEPTH_MAX, within_depth};

use super::output::one_line;

const ERRORS_MAX: usize = 10;
const SHOWN_CHARS: usize = 80;

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
    let validator = json_schema::compile(schema).map_err(|why| why.to_string())?;
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
