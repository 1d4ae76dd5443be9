//! Values of a line: the paths, identifiers and numbers that a later step may need letter by letter. In a log or a session these
//! are what must not be lost, and a line without a new one says little.

use super::terms::hash;

/// What losing the only line with such a value costs. A path names a place that nothing else leads to; a word is in the model.
const PATH: f32 = 3.0;
const COMPOUND: f32 = 2.0;
const NUMBER: f32 = 1.5;
const NAME: f32 = 1.0;
const WORD: f32 = 0.2;

/// A value longer than this is data, not a name.
const VALUE_BYTES_MAX: usize = 200;

fn in_value(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '/' | '-' | '~' | '@' | '+')
}

/// Calls with a hash of each value and its weight.
pub fn each(line: &str, mut found: impl FnMut(u64, f32)) {
    let mut rest = line;
    while let Some(start) = rest.find(in_value) {
        let Some(from) = rest.get(start..) else { return };
        let end = from.find(|c| !in_value(c)).unwrap_or(from.len());
        let (raw, after) = from.split_at_checked(end).unwrap_or((from, ""));
        let before = rest.get(..start).and_then(|before| before.chars().next_back());
        let is_escape = rest
            .get(..start)
            .is_some_and(|before| before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1);
        rest = after;
        // The `n` of an escaped end of line is none of the value behind it.
        let raw = if is_escape { raw.strip_prefix(['n', 't', 'r']).unwrap_or(raw) } else { raw };
        let value = raw.trim_matches(['.', '-', '+', '@']);
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            continue;
        }
        let called = before.is_some_and(|c| "'\"`=(<[{:,$".contains(c))
            || after.starts_with(['(', '=', '\'', '"', '`', '[', ':', ')', ',', ';', '>']);
        let weight = weight(value, called);
        found(hash(value.as_bytes()), weight);
        if weight >= COMPOUND && value.contains(['/', '.', '-']) {
            for part in value.split(['/', '-', '.']).filter(|part| part.len() > 2) {
                found(hash(part.as_bytes()), weight_of_part(part));
            }
        }
    }
}

fn weight_of_part(part: &str) -> f32 {
    if is_compound(part) || part.bytes().all(|byte| byte.is_ascii_digit()) { NAME } else { WORD }
}

fn weight(value: &str, called: bool) -> f32 {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    if digits > 0 && letters <= 1 {
        return if digits >= 2 { NUMBER } else { WORD };
    }
    let has_slash = value.trim_matches('/').contains('/') || value.starts_with(['/', '~']) && value.len() > 2;
    if has_slash || is_file(value) {
        return PATH;
    }
    if is_compound(value) || value.contains('.') && letters > 2 || value.contains('-') && value.starts_with('-') {
        return COMPOUND;
    }
    if called && letters >= 2 { NAME } else { WORD }
}

fn is_file(value: &str) -> bool {
    value.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn is_compound(value: &str) -> bool {
    let inner = value.trim_matches('_');
    inner.contains('_')
        || value.bytes().any(|byte| byte.is_ascii_digit()) && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        || value
            .as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, [before, after] if before.is_ascii_lowercase() && after.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_end_of_line_is_no_part_of_a_value() {
        let seen = |line: &str| {
            let mut values = Vec::new();
            each(line, |value, _| values.push(value));
            values
        };
        for (line, value) in [
            (r#"{"out":"done\nsrc/main.rs\tok"}"#, "src/main.rs"),
            (r#"{"out":"\t4711\r\n"}"#, "4711"),
            (r#"{"dir":"C:\\new_part"}"#, "new_part"),
        ] {
            assert!(seen(line).contains(&hash(value.as_bytes())), "{line}");
        }
    }
}
