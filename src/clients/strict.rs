//! JSON from a client, read once and strictly: bounded, no key twice. What it means is not here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// One event. The input of a call that writes a file holds the file, and what is told after it may hold it three times.
pub const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Levels of objects and arrays.
const DEPTH_MAX: usize = 64;

/// The one JSON object that the bytes are. A key that stands twice is refused: which of the two the client takes is
/// not known, and the other one would be judged.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.len() > EVENT_BYTES_MAX {
        let limit = EVENT_BYTES_MAX / 1024 / 1024;
        return Err(format!("the event is larger than {limit} MB; split the call into smaller ones"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { left: DEPTH_MAX }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("the event is JSON, but not an object".to_owned()),
        Err(error) => Err(format!("the event is not sound JSON: {error}")),
    }
}

/// Recursion is bounded by `left`.
#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut found = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            found.push(item);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut found = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if found.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice")));
            }
            let value = entries.next_value_seed(inner)?;
            found.insert(key, value);
        }
        Ok(Value::Object(found))
    }
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
