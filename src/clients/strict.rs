//! JSON from a client, read once and strictly: bounded, no key twice. What it means is not here.

use serde_json::{Map, Value};

use crate::domain::strict_json;

/// One event. The input of a call that writes a file holds the file, and what is told after it may hold it three times.
pub const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Levels of objects and arrays.
const DEPTH_MAX: usize = 64;

/// The one JSON object that the bytes are.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.len() > EVENT_BYTES_MAX {
        let limit = EVENT_BYTES_MAX / 1024 / 1024;
        return Err(format!("the event is larger than {limit} MB; split the call into smaller ones"));
    }
    strict_json::object(bytes, DEPTH_MAX).map_err(|why| format!("the event {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_sound_object_is_read() {
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        let cases = [
            (r#"{"a":1,"b":{"a":2}}"#.to_owned(), ""),
            (nested(DEPTH_MAX), ""),
            (nested(DEPTH_MAX + 1), "nested too deep"),
            (r#"{"a":1,"a":1}"#.to_owned(), "`a` stands twice"),
            (r#"{"a":{"b":1,"\u0062":2}}"#.to_owned(), "`b` stands twice"),
            (r#"{"a":[{"b":1,"b":2}]}"#.to_owned(), "`b` stands twice"),
            ("{} {}".to_owned(), "trailing"),
            ("[1]".to_owned(), "not an object"),
            (r#"{"a":"\ud800"}"#.to_owned(), "not sound JSON"),
            (r#"{"a":1e999}"#.to_owned(), "not sound JSON"),
        ];
        for (text, wanted) in cases {
            let error = object(text.as_bytes()).err().unwrap_or_default();
            assert!(if wanted.is_empty() { error.is_empty() } else { error.contains(wanted) }, "{text}: {error}");
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let text =
            r#"{"n":null,"t":true,"i":-3,"u":18446744073709551615,"f":1.5,"s":"x\u00e9\n","a":[1,[2]],"o":{"k":{}}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), value);
    }

    #[test]
    fn an_event_beyond_the_limit_is_not_read() {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(EVENT_BYTES_MAX));
        assert!(object(text.as_bytes()).unwrap_err().contains("larger than 32 MB"));
    }
}
