//! What the escapes in a JSON string stand for. Which of them are sound is said by who reads the string.

/// The UTF-16 unit of a `\uXXXX` at the start of `bytes`.
pub fn code_unit(bytes: &[u8]) -> Option<u32> {
    let hex = bytes.strip_prefix(b"\\u")?.get(..4)?;
    hex.iter().try_fold(0, |unit, byte| Some(unit * 16 + char::from(*byte).to_digit(16)?))
}

/// Resolves the escapes of a string that a reader has accepted. Half a pair becomes U+FFFD; the line it
/// stands in is refused anyway.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('\\') {
        out.push_str(plain);
        let (c, used) = match tail.as_bytes().first() {
            Some(b'u') => unescape_unit(rest.get(plain.len()..).unwrap_or_default()),
            Some(b'b') => ('\u{8}', 1),
            Some(b'f') => ('\u{c}', 1),
            Some(b'n') => ('\n', 1),
            Some(b'r') => ('\r', 1),
            Some(b't') => ('\t', 1),
            Some(other) => (char::from(*other), 1),
            None => break,
        };
        out.push(c);
        rest = tail.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character at a `\uXXXX`, and how many bytes after the backslash it took.
fn unescape_unit(text: &str) -> (char, usize) {
    let bytes = text.as_bytes();
    let first = code_unit(bytes).unwrap_or(0xFFFD);
    let second = bytes.get(6..).and_then(code_unit);
    match (first, second) {
        (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
            let point = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(point).unwrap_or('\u{fffd}'), 11)
        }
        _ => (char::from_u32(first).unwrap_or('\u{fffd}'), 5),
    }
}
