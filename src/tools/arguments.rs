//! From untrusted JSON to typed arguments: the published schema first, then the type it was made from. Errors name the field.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::canonical;
use crate::domain::command::Target;
use crate::domain::ids::{HandleHash, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::visible;

const ERRORS_SHOWN: usize = 5;
const MESSAGE_CHARS_MAX: usize = 400;
const PLACE_CHARS: usize = 200;
/// Of what does not fit, so that there is room for what would.
const INSTANCE_CHARS_MAX: usize = 80;

/// What the patterns of the schemas ask for, in words.
const FORMS: [(&str, &str); 10] = [
    (r"^[^\x00-\x1f\x7f]+$", "is no single line: it has a line end or another control character"),
    (
        r"^[a-z][a-z0-9_-]{0,39}$",
        "is no name of a type: small letters, digits, `_` and `-`, at most 40, a letter first",
    ),
    (r"^[^,\s]{1,60}$", "is no single word of at most 60 characters without a comma"),
    (r"^pgc_[0-9a-f]{32}$", "is no handle of a claim: `pgc_` and 32 hexadecimal digits, as `claim_task` gave it"),
    (r"^ctx_[0-9a-f]{16}$", "is no handle of what was left out: `ctx_` and 16 hexadecimal digits, as a marker has it"),
    (r"^[0-9]{1,9}(-[0-9]{1,9})?$", "is neither the number of a line nor two of them, such as `10-20`"),
    (r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", "is no name: letters, digits, `.`, `_` and `-`, at most 80, no sign first"),
    (r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,99}$", "is no name of a model: letters, digits and `._:/@[]-`, at most 100"),
    (r"^[0-9a-fA-F]{64}$", "is no SHA-256: 64 hexadecimal digits"),
    (r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$", "is no media type, such as `text/markdown`"),
];

/// A compiled schema and its source, made on first use and kept.
pub type Compiled = std::sync::OnceLock<Option<(jsonschema::Validator, Value)>>;

pub fn read<T: DeserializeOwned>(
    tool: &str,
    mut arguments: Value,
    compiled: &Compiled,
    schema: fn() -> Value,
) -> Result<T, Refusal> {
    if arguments.is_null() {
        arguments = Value::Object(Default::default());
    }
    let compiled = compiled.get_or_init(|| {
        let schema = schema();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).ok()?;
        Some((validator, schema))
    });
    if let Some((validator, schema)) = compiled {
        // A name that is not known stays, and is told.
        let known = schema.get("properties");
        drop_nulls(&mut arguments, |name| known.is_some_and(|known| known.get(name).is_some()));
        let found: Vec<_> = validator.iter_errors(&arguments).take(ERRORS_SHOWN).collect();
        // What is too short has no form either, which then says nothing more.
        let too_short = |error: &ValidationError<'_>| {
            let place = error.instance_path();
            matches!(error.kind(), ValidationErrorKind::Pattern { .. })
                && found.iter().any(|other| {
                    matches!(other.kind(), ValidationErrorKind::MinLength { .. }) && other.instance_path() == place
                })
        };
        let errors: Vec<String> =
            found.iter().filter(|error| !too_short(error)).map(|error| words(error, schema)).collect();
        if !errors.is_empty() {
            return Err(bad(tool, errors.join("; ")));
        }
        whole_numbers(&mut arguments, schema);
    }
    serde_json::from_value(arguments).map_err(|error| bad(tool, error.to_string()))
}

pub fn bad(tool: &str, why: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        Code::BadArguments,
        format!("the arguments of `{tool}` do not fit: {why}"),
        format!("nothing was done; `phasegate schema {tool}` shows what it takes"),
    )
}

/// A title that nobody can see names nothing.
pub fn seen_title(tool: &str, title: &str) -> Result<(), Refusal> {
    match title.chars().any(|c| !(c.is_whitespace() || visible::is_hidden(c))) {
        true => Ok(()),
        false => Err(bad(tool, "`title`: it has only blanks or characters that cannot be seen")),
    }
}

/// What a pattern asks for.
fn asked_for(pattern: &str) -> Option<String> {
    let id = pattern.strip_prefix("^(").and_then(|rest| rest.strip_suffix(")?[1-9][0-9]{0,17}$"));
    let form = || FORMS.iter().find(|(known, _)| *known == pattern).map(|(_, words)| (*words).to_owned());
    id.map(|start| format!("is no id; write it like `{start}12`")).or_else(form)
}

fn words(error: &ValidationError<'_>, schema: &Value) -> String {
    let place = error.instance_path().to_string();
    let place = place.trim_start_matches('/').replace('/', ".");
    // What the caller sent stands in it, and is one line of a list here.
    let message = visible::line(&said(error, schema), usize::MAX);
    let place = visible::line(&place, PLACE_CHARS);
    if place.is_empty() { message } else { format!("`{place}`: {message}") }
}

/// What is wrong, with every word or form that would do.
pub fn said(error: &ValidationError<'_>, schema: &Value) -> String {
    let whole = error.instance().to_string();
    let instance: String = whole.chars().take(INSTANCE_CHARS_MAX).collect();
    // A long value would push out what is wrong with it.
    let plainly = || {
        if instance.len() < whole.len() {
            error.masked_with(format!("{instance}…")).to_string()
        } else {
            error.to_string()
        }
    };
    let none_of = |options: &[String]| format!("{instance} is none of {}", options.join(", "));
    let message = match error.kind() {
        ValidationErrorKind::Enum { options } => {
            none_of(&options.as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>())
        }
        ValidationErrorKind::AnyOf { context } => {
            let forms = schema.pointer(error.schema_path().as_str()).and_then(Value::as_array).into_iter().flatten();
            let titles: Vec<String> = forms.filter_map(|form| form.get("title")?.as_str()).map(str::to_owned).collect();
            // That it may be left out as null is an alternative of its own, and was not meant.
            let is_null = |error: &&ValidationError<'_>| {
                matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) })
            };
            let meant: Vec<_> =
                context.iter().filter_map(|errors| errors.first()).filter(|error| !is_null(error)).collect();
            match meant.as_slice() {
                _ if !titles.is_empty() => none_of(&titles),
                [] => plainly(),
                all => {
                    let mut each: Vec<String> = all.iter().map(|error| said(error, schema)).collect();
                    each.dedup();
                    each.join("; or: ")
                }
            }
        }
        ValidationErrorKind::Pattern { pattern } => match asked_for(pattern) {
            Some(words) => format!("{instance} {words}"),
            None => plainly(),
        },
        _ => plainly(),
    };
    message.chars().take(MESSAGE_CHARS_MAX).collect::<String>().replace('"', "`")
}

/// Models often send null for what they leave out.
fn drop_nulls(value: &mut Value, known: impl Fn(&str) -> bool) {
    if let Value::Object(fields) = value {
        fields.retain(|name, field| !field.is_null() || !known(name));
        for key in ["new", "filter"] {
            if let Some(Value::Object(inner)) = fields.get_mut(key) {
                inner.retain(|_, field| !field.is_null());
            }
        }
    }
}

/// Where the schema asks for a whole number, 60.0 is 60: JSON Schema says so, and some clients write every number that way.
fn whole_numbers(value: &mut Value, schema: &Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() && is_whole(schema) => {
            if let Some(whole) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT) {
                *number = (whole as i64).into();
            }
        }
        Value::Object(fields) => {
            let Some(known) = schema.get("properties") else { return };
            for (name, field) in fields.iter_mut() {
                if let Some(schema) = known.get(name) {
                    whole_numbers(field, schema);
                }
            }
        }
        _ => {}
    }
}

fn is_whole(schema: &Value) -> bool {
    let options = schema.get("anyOf").and_then(Value::as_array);
    schema.get("type").is_some_and(|kind| kind == "integer")
        || options.is_some_and(|options| options.iter().any(is_whole))
}

/// Arguments as an approval of the call has them: without the claim's handle, which says who calls and not what for.
pub fn exact(arguments: &Value) -> Value {
    let mut exact = arguments.clone();
    drop_nulls(&mut exact, |_| true);
    if let Value::Object(fields) = &mut exact {
        fields.shift_remove("claim");
    }
    exact
}

/// The stored form of a claim handle.
pub fn handle_hash(handle: &str) -> HandleHash {
    HandleHash(canonical::sha256(handle.as_bytes()))
}

pub fn target(task: Option<TaskId>, claim: Option<&str>) -> Target {
    Target { task, handle: claim.map(handle_hash), ..Target::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                found.extend(fields.get("pattern").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| patterns(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_a_tool_is_told_in_words() {
        let mut found = Vec::new();
        for tool in &crate::tools::TOOLS {
            patterns(&(tool.input)(), &mut found);
        }
        assert!(found.len() > 10, "{found:?}");
        for pattern in found {
            assert!(asked_for(&pattern).is_some(), "{pattern}");
        }
    }
}
