//! A value that a name for secrets is given, as in `password=…`, `"api_key": "…"` or `Authorization: …`. Most such places
//! in source code hold no secret, so a value must look like one.

use std::ops::Range;

use super::entropy::bits_per_char;
use super::{byte, is_word};

/// Whether the name is also an ordinary word of programs, such as `token`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strict {
    Yes,
    No,
}

const VALUE_BYTES_MAX: usize = 512;
const SPACES_MAX: usize = 3;

/// Words that stand where a secret would.
const PLACEHOLDERS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "changeme",
    "example",
    "redacted",
    "required",
    "undefined",
    "optional",
    "string",
    "hidden",
    "masked",
    "unknown",
    "default",
    "nullptr",
];
const BEGINNINGS: [&str; 9] =
    ["your", "process.env", "os.environ", "os.getenv", "std::", "self.", "this.", "config.", "settings."];

fn skip(bytes: &[u8], from: usize, what: impl Fn(u8) -> bool, most: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take(most).take_while(|byte| what(**byte)).count()
}

fn quote(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match (byte(bytes, at), byte(bytes, at + 1)) {
        (mark @ (b'"' | b'\'' | b'`'), _) => Some((mark, at + 1)),
        (b'\\', mark @ (b'"' | b'\'')) => Some((mark, at + 2)),
        _ => None,
    }
}

/// Behind the name: `=`, `:`, `:=`, `=>`; for an option of a command line also a space.
fn separated(bytes: &[u8], name: &Range<usize>) -> Option<usize> {
    let option = byte(bytes, name.end) == b' ' && is_option(bytes, name.start);
    let end = quote(bytes, name.end).map_or(name.end, |(_, end)| end);
    let end = skip(bytes, end, |byte| byte == b' ' || byte == b'\t', SPACES_MAX);
    let end = match (byte(bytes, end), byte(bytes, end + 1)) {
        (b'=', b'=') | (b':', b':') => return None,
        (b'=', b'>') | (b':', b'=') => end + 2,
        (b'=' | b':', _) => end + 1,
        _ if option => end,
        _ => return None,
    };
    Some(skip(bytes, end, |byte| byte == b' ' || byte == b'\t', SPACES_MAX))
}

fn is_option(bytes: &[u8], name: usize) -> bool {
    let back = bytes.get(..name).unwrap_or_default().iter().rev().take(40);
    let word = back.take_while(|byte| is_word(**byte) || **byte == b'-').count();
    bytes.get(name - word..).is_some_and(|word| word.starts_with(b"--"))
}

/// The value given to a name, if it can be a secret.
pub(super) fn given(bytes: &[u8], name: Range<usize>, strict: Strict) -> Option<Range<usize>> {
    let follows = byte(bytes, name.end);
    if is_word(follows) || (follows == b'-' && is_word(byte(bytes, name.end + 1))) {
        return None;
    }
    let from = separated(bytes, &name)?;
    let (quoted, from) = quote(bytes, from).map_or((None, from), |(mark, from)| (Some(mark), from));
    let ends = |byte: u8| match quoted {
        Some(mark) => byte == mark || byte == b'\n' || byte == b'\\',
        None => matches!(
            byte,
            0..=b' ' | b',' | b';' | b'&' | b')' | b'}' | b']' | b'<' | b'>' | b'"' | b'\'' | b'`' | b'|' | b'\\'
        ),
    };
    let end = skip(bytes, from, |byte| !ends(byte), VALUE_BYTES_MAX + 1);
    let value = bytes.get(from..end).and_then(|value| std::str::from_utf8(value).ok())?;
    can_be_secret(value, strict, quoted.is_some()).then_some(from..end)
}

/// The credentials of an `Authorization` header, without the word for their scheme.
pub(super) fn authorization(bytes: &[u8], name: usize) -> Option<Range<usize>> {
    let mut from = separated(bytes, &(name..name))?;
    from = quote(bytes, from).map_or(from, |(_, from)| from);
    let says = |scheme: &&str| {
        bytes.get(from..from + scheme.len()).is_some_and(|said| said.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let scheme = ["bearer ", "basic ", "token "].into_iter().find(says);
    from += scheme.map_or(0, str::len);
    let sign = |byte: u8| is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'+' | b'/' | b'=');
    let end = skip(bytes, from, sign, VALUE_BYTES_MAX);
    let value = bytes.get(from..end).and_then(|value| std::str::from_utf8(value).ok())?;
    let named = scheme.is_some() && value.len() >= 8 && !is_placeholder(value);
    (named || can_be_secret(value, Strict::Yes, false)).then_some(from..end)
}

/// Whether the key of a JSON member names a secret.
pub(super) fn names_a_secret(key: &str) -> Option<Strict> {
    let plain: String = key.chars().filter(|c| *c != '_' && *c != '-').collect::<String>().to_ascii_lowercase();
    let ends = |words: &[&str]| words.iter().any(|word| plain.ends_with(word));
    if ends(&["password", "passwd", "passphrase", "pwd"]) {
        Some(Strict::No)
    } else if ends(&["secret", "secretkey", "token", "apikey", "accesskey", "privatekey", "authkey"]) {
        Some(Strict::Yes)
    } else {
        None
    }
}

pub(super) fn can_be_secret(value: &str, strict: Strict, quoted: bool) -> bool {
    let least = if strict == Strict::Yes { 8 } else { 6 };
    if value.len() < least || value.len() > VALUE_BYTES_MAX || is_placeholder(value) {
        return false;
    }
    if value.bytes().any(|byte| byte.is_ascii_whitespace() || byte == b'(') || value.contains("::") {
        return false;
    }
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let signs = value.bytes().any(|byte| b"!#$%^*+~?@=".contains(&byte));
    if !quoted && is_path_of_names(value) {
        return false;
    }
    match strict {
        Strict::Yes => letters && digits && !is_counted_name(value),
        // Lower case alone is a password where it stands in quotes, and a word of prose where it does not.
        Strict::No => digits || signs || (quoted && value.bytes().all(|byte| byte.is_ascii_lowercase())),
    }
}

fn is_placeholder(value: &str) -> bool {
    let first = value.bytes().next().unwrap_or(0);
    let lower = value.to_ascii_lowercase();
    // `[` begins our own mark for what was taken out.
    b"${<%[".contains(&first)
        || value.bytes().all(|byte| byte == first)
        || PLACEHOLDERS.contains(&lower.as_str())
        || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
        || value.contains("${")
        || value.contains("{{")
        || value.contains("...")
}

/// `request.form.field`: a place where a value comes from, not the value.
fn is_path_of_names(value: &str) -> bool {
    let names = value.split('.').all(|part| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && part.bytes().all(is_word)
    });
    names && value.contains('.') && (value.len() < 20 || bits_per_char(value.as_bytes()) < 3.7)
}

/// `parsed_token2`: a name with a number behind it.
fn is_counted_name(value: &str) -> bool {
    let name = value.trim_end_matches(|c: char| c.is_ascii_digit());
    value.len() - name.len() <= 3 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-')
}
