//! Fields of an event, taken with their types and bounds. Which fields an event has is each client's own.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// Characters of an id or a name.
const NAME_CHARS_MAX: usize = 256;

/// Bytes of output of a call that are kept.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

pub fn text<'a>(event: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    event.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub fn flag(event: &Map<String, Value>, key: &str) -> bool {
    event.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// A name that must be there.
pub fn name(event: &Map<String, Value>, key: &str) -> Result<String, String> {
    let found = text(event, key).ok_or_else(|| format!("the event has no `{key}`"))?;
    if found.chars().count() > NAME_CHARS_MAX || found.chars().any(char::is_control) {
        return Err(format!("`{key}` is longer than {NAME_CHARS_MAX} characters or holds control characters"));
    }
    Ok(found.to_owned())
}

/// A name that may be missing; what is there must be sound.
pub fn name_if_any(event: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    if text(event, key).is_none() { Ok(None) } else { name(event, key).map(Some) }
}

/// Where the agent stands: every relative path of the call is read from here.
pub fn folder(event: &Map<String, Value>, key: &str) -> Result<PathBuf, String> {
    let found = text(event, key).ok_or_else(|| format!("the event has no `{key}`"))?;
    let path = PathBuf::from(found);
    if path.is_absolute() && !found.contains('\0') { Ok(path) } else { Err(format!("`{key}` is not an absolute path")) }
}

/// The input of a call: an object, or nothing where the tool takes none.
pub fn input(event: &Map<String, Value>, key: &str) -> Result<Value, String> {
    match event.get(key) {
        Some(Value::Object(map)) => Ok(Value::Object(map.clone())),
        None | Some(Value::Null) => Err(format!("the event has no `{key}`")),
        Some(_) => Err(format!("`{key}` is not an object")),
    }
}

/// The same input with one field set.
pub fn with(input: &Value, key: &str, value: &str) -> Value {
    let mut found = input.as_object().cloned().unwrap_or_default();
    found.insert(key.to_owned(), Value::from(value));
    Value::Object(found)
}

/// What a call printed, cut in the middle: its first and its last words say most.
pub fn cut(text: &str) -> String {
    if text.len() <= OUTPUT_BYTES_MAX {
        return text.to_owned();
    }
    let half = OUTPUT_BYTES_MAX / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}\n…\n{}", text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

/// The words in a result of any shape: a string, or the texts of a list of content.
pub fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cut(text),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            cut(&texts.join("\n"))
        }
        Some(other) => cut(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_keeps_its_head_and_its_tail() {
        let text = format!("begin{}end", "é".repeat(OUTPUT_BYTES_MAX));
        let kept = cut(&text);
        assert!(kept.starts_with("begin") && kept.ends_with("end") && kept.len() <= OUTPUT_BYTES_MAX + 8);
        assert_eq!(cut("short"), "short");
    }
}
