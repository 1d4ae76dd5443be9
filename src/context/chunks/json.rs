//! Where a long line of JSON may be cut: between the elements of its large objects and arrays, never inside a small one. It is
//! for lines that are JSON, or a part of it: elsewhere brackets and commas mean something else.

use super::super::terms::Keyed;

/// JSON by itself, a comma behind it or not.
pub fn is_sound(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text.trim().trim_end_matches(',')).is_ok()
}

/// Plain elements (no objects, no arrays) stay together up to so many bytes.
const PLAIN_BYTES_MAX: usize = 100;

/// The ends of pieces, each behind a byte of ASCII. What has at most so many bytes in brackets is one element.
pub fn ends(line: &str, element_max: usize) -> Vec<usize> {
    let bytes = line.as_bytes();
    let closes = closes(bytes);
    let mut ends = Vec::new();
    let (mut at, mut last, mut in_text, mut after_element) = (0, 0, false, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            _ if in_text => {
                at += usize::from(*byte == b'\\');
                in_text = *byte != b'"';
            }
            b'"' => in_text = true,
            b'{' | b'[' => match closes.get(&(at as u64)) {
                Some(close) if close - at < element_max => {
                    at = *close;
                    after_element = true;
                }
                _ => {
                    last = at + 1;
                    ends.push(last);
                    after_element = false;
                }
            },
            b',' if after_element || at - last >= PLAIN_BYTES_MAX => {
                let blanks = bytes.iter().skip(at + 1).take_while(|byte| **byte == b' ').count();
                at += blanks;
                last = at + 1;
                ends.push(last);
                after_element = false;
            }
            b'}' | b']' => {
                if last < at {
                    ends.push(at);
                }
                last = at;
                after_element = true;
            }
            _ => {}
        }
        at += 1;
    }
    ends
}

/// By its opening bracket, where each object or array is closed.
fn closes(bytes: &[u8]) -> Keyed<u64, usize> {
    let mut closes = Keyed::default();
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => open.push(at as u64),
            b'}' | b']' if !in_text => {
                if let Some(from) = open.pop() {
                    closes.insert(from, at);
                }
            }
            _ => {}
        }
    }
    closes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_whole_however_deep_they_stand() {
        for (line, pieces) in [
            (
                r#"[{"a":"b,c"}, {"a":"]}"},{"a":"\""}]"#,
                vec!["[", r#"{"a":"b,c"}, "#, r#"{"a":"]}"},"#, r#"{"a":"\""}"#, "]"],
            ),
            (
                r#"{"n":1,"list":[{"x":[1,2]},{"x":[3]}]}"#,
                vec!["{", r#""n":1,"list":["#, r#"{"x":[1,2]},"#, r#"{"x":[3]}"#, "]", "}"],
            ),
            ("no JSON at all", vec!["no JSON at all"]),
            ("]]}{{[", vec!["]", "]", "}{", "{", "["]),
        ] {
            let mut cuts = ends(line, 16);
            cuts.push(line.len());
            let mut from = 0;
            let mut cut: Vec<&str> = Vec::new();
            for to in cuts {
                cut.push(&line[std::mem::replace(&mut from, to)..to]);
            }
            assert_eq!(cut.into_iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>(), pieces);
        }
    }
}
