//! One spelling for one JSON value (RFC 8785) and its digest, so that layout never changes a hash and meaning always does.
//! What is digested, and why, is decided elsewhere.

use crate::domain::workflow::Workflow;
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The canonical text. Integers beyond 2^53 keep all their digits: rounding them, as the letter of
/// RFC 8785 has it, would give two different values one digest.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// Lower-case hex SHA-256 of the canonical text.
pub fn digest(value: &Value) -> String {
    sha256(canonical_json(value).as_bytes())
}

/// Lower-case hex SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Exactly so many bytes, in hex of either case.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |character: char| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.chars().map(digit).collect::<Option<_>>()?;
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |high, low| (high << 4) | low);
    }
    Some(bytes)
}

/// The version of a workflow: the same for every file that means the same.
pub fn hash(workflow: &Workflow) -> String {
    // A workflow is plain data with text keys, which always has a JSON form.
    digest(&serde_json::to_value(workflow).unwrap_or(Value::Null))
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            text.push('{');
            for (index, (key, item)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(text, key);
                text.push(':');
                write_value(text, item);
            }
            text.push('}');
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

fn write_number(text: &mut String, number: &Number) {
    if number.is_i64() || number.is_u64() {
        text.push_str(&number.to_string());
    } else {
        text.push_str(&ecmascript(number.as_f64().unwrap_or(0.0)));
    }
}

/// `Number::toString` of ECMAScript, from Rust's shortest digits that read back as the same number.
fn ecmascript(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|character| *character != '.').collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after this many digits.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let sign = if value < 0.0 { "-" } else { "" };
    let body = if count <= point && point <= 21 {
        format!("{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{part}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let plus = if point > 0 { "+" } else { "-" };
        format!("{first}{dot}{rest}e{plus}{}", (point - 1).abs())
    };
    format!("{sign}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_as_in_ecmascript() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5.0, "5"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-9, "1.25e-9"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (333_333_333.333_333_3, "333333333.3333333"),
        ] {
            assert_eq!(ecmascript(value), text);
        }
    }

    #[test]
    fn integers_keep_their_digits() {
        assert_eq!(
            canonical_json(&json!([9_007_199_254_740_993_u64, -3, u64::MAX])),
            "[9007199254740993,-3,18446744073709551615]"
        );
    }

    #[test]
    fn keys_are_sorted_by_utf_16_units() {
        // U+1F600 is the pair D83D DE00 and so comes before U+FB01, though its code point is greater.
        let value = json!({"\u{fb01}": 1, "\u{1f600}": 2, "b": {"z": 1, "a": 2}, "": 3, "B": 4});
        assert_eq!(canonical_json(&value), "{\"\":3,\"B\":4,\"b\":{\"a\":2,\"z\":1},\"\u{1f600}\":2,\"\u{fb01}\":1}");
    }

    #[test]
    fn text_is_escaped_as_little_as_possible() {
        let value = json!("\u{1}\u{8}\t\n\u{c}\r\u{1f}\"\\/\u{7f}é\u{2028}");
        assert_eq!(canonical_json(&value), "\"\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\/\u{7f}é\u{2028}\"");
    }

    #[test]
    fn a_digest_is_that_of_the_text() {
        assert_eq!(digest(&json!({})), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_eq!(digest(&json!({"a": 1.0, "b": 2})), digest(&json!({"b": 2, "a": 1})));
    }

    proptest::proptest! {
        #[test]
        fn the_number_reads_back(value in proptest::num::f64::NORMAL) {
            proptest::prop_assert_eq!(ecmascript(value).parse::<f64>(), Ok(value));
        }
    }
}
