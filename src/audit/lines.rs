//! Reading records back: the head of a line of an export, or of a body as it is stored, without building a tree.
//! Our own order of fields is read byte by byte; whatever else is valid JSON goes the long way, through serde.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::ids::{TaskId, Time};

/// What can be asked of a record without looking into its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    pub at: Time,
    pub agent: Cow<'a, str>,
    pub role: Cow<'a, str>,
    pub tool: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    pub task: Option<TaskId>,
    /// The event as it stands there.
    pub event: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Record {
        seq: u64,
        head: Head<'a>,
        /// The stored bytes, unchanged: what the log's hashes are over.
        body: &'a str,
    },
    /// Its content is gone; the hash of its leaf is still known.
    Erased { seq: u64, leaf: Cow<'a, str> },
}

/// One line of `audit export --format jsonl`, without its newline.
pub fn read(line: &[u8]) -> Result<Line<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    match quick_line(text) {
        Some(line) => Ok(line),
        None => slow_line(text),
    }
}

/// The stored form of a record.
pub fn read_body(body: &str) -> Result<Head<'_>, String> {
    match quick_body(body) {
        Some(head) => Ok(head),
        None => slow_body(body),
    }
}

fn slow_line(text: &str) -> Result<Line<'_>, String> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        seq: u64,
        #[serde(borrow)]
        body: Option<&'a RawValue>,
        #[serde(borrow)]
        erased: Option<Cow<'a, str>>,
    }
    let whole: Whole<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match (whole.body, whole.erased) {
        (Some(body), None) => Ok(Line::Record { seq: whole.seq, head: slow_body(body.get())?, body: body.get() }),
        (None, Some(leaf)) => Ok(Line::Erased { seq: whole.seq, leaf }),
        (Some(_), Some(_)) | (None, None) => Err("it needs either `body` or `erased`".to_owned()),
    }
}

fn slow_body(body: &str) -> Result<Head<'_>, String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        at: Time,
        #[serde(borrow)]
        agent: Cow<'a, str>,
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow)]
        tool: Cow<'a, str>,
        #[serde(borrow)]
        event: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        task: Option<&'a RawValue>,
    }
    let Body { at, agent, role, tool, event } = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let event = event.get();
    let Event { kind, task } = serde_json::from_str(event).map_err(|error| error.to_string())?;
    // An event that calls something else its task is about no task of ours.
    let task = task.and_then(|task| serde_json::from_str(task.get()).ok());
    Ok(Head { at, agent, role, tool, kind, task, event })
}

/// Only our own form; nothing where anything is unexpected.
fn quick_line(text: &str) -> Option<Line<'_>> {
    let (seq, rest) = number(text.strip_prefix("{\"seq\":")?)?;
    let body = rest.strip_prefix(",\"body\":")?.strip_suffix('}')?;
    Some(Line::Record { seq, head: quick_body(body)?, body })
}

fn quick_body(body: &str) -> Option<Head<'_>> {
    let rest = body.strip_prefix("{\"v\":1,\"at\":\"")?;
    let (at, rest) = (moment(rest.as_bytes().get(..24)?)?, rest.get(24..)?);
    let (agent, rest) = plain(rest.strip_prefix("\",\"agent\":\"")?)?;
    let (role, rest) = plain(rest.strip_prefix(",\"role\":\"")?)?;
    let (tool, rest) = plain(rest.strip_prefix(",\"tool\":\"")?)?;
    let rest = rest.strip_prefix(",\"event\":")?;
    let event = rest.strip_suffix('}')?;
    let (kind, mut rest) = plain(rest.strip_prefix("{\"type\":\"")?)?;
    let mut task = None;
    if let Some(found) = rest.strip_prefix(",\"task\":\"T-") {
        let (id, after) = number(found).filter(|(id, _)| (1..1_000_000_000_000_000_000).contains(id))?;
        task = Some(TaskId(id));
        rest = after.strip_prefix('"')?;
    }
    rest_is_sound(rest.as_bytes()).then_some(())?;
    let [agent, role, tool, kind] = [agent, role, tool, kind].map(Cow::Borrowed);
    Some(Head { at, agent, role, tool, kind, task, event })
}

/// Digits without a leading zero, and what follows.
fn number(text: &str) -> Option<(u64, &str)> {
    let mut value = 0u64;
    let mut digits = 0;
    for byte in text.bytes().take_while(u8::is_ascii_digit) {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        digits += 1;
    }
    let zero_led = digits > 1 && text.starts_with('0');
    (digits > 0 && !zero_led).then_some(())?;
    Some((value, text.get(digits..)?))
}

/// A string without escapes, from behind its opening quote to behind its closing one.
fn plain(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let end = string_end(bytes)?;
    (bytes.get(end) == Some(&b'"')).then_some(())?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Where the first quote, backslash or control character is.
fn string_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // A byte of `word ^ pattern` is zero where it is the byte looked for; a byte below 0x20 borrows from its high bit.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
        let word = u64::from_le_bytes(eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let hit = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control;
        if hit != 0 {
            return Some(at + (hit.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let tail = bytes.get(at..)?;
    tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).map(|found| at + found)
}

/// `2026-11-20T14:00:00.123Z`, the only form in which we write a time of these centuries.
fn moment(text: &[u8]) -> Option<Time> {
    let &[y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3, b'Z'] =
        text
    else {
        return None;
    };
    let read = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (read(&[y1, y2, y3, y4])?, read(&[o1, o2])?, read(&[d1, d2])?);
    let (hour, minute, second) = (read(&[h1, h2])?, read(&[m1, m2])?, read(&[s1, s2])?);
    let milli = read(&[f1, f2, f3])?;
    // Days that only some months have go the long way, unless the month surely has them.
    let sound = (1970..=9998).contains(&year) && (1..=12).contains(&month) && (1..=28).contains(&day);
    let sound = sound || ((1970..=9998).contains(&year) && (29..=30).contains(&day) && matches!(month, 1 | 3..=12));
    (sound && hour < 24 && minute < 60 && second < 60).then_some(())?;
    // Days since 1970 by years that begin in March, so that the leap day is the last of a year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(Time((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Was {
    String,
    Scalar,
    Open,
    Close,
    Comma,
    Colon,
}

/// How deep an event may be for the short way: the kinds of its brackets are kept in one word.
const DEPTH_MAX: u32 = 60;

/// The fields after the head of an event, up to the end of event and body: brackets in pairs, strings closed, separators
/// where they belong, and no further `type` or `task`. The inside of numbers and words is not looked at.
fn rest_is_sound(bytes: &[u8]) -> bool {
    // Two objects are open; a one is an object, a zero an array.
    let (mut kinds, mut depth) = (0b11u64, 2u32);
    let mut was = Was::String;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let is = match byte {
            b'"' => {
                let Some((end, escaped)) = string(bytes, at) else { return false };
                let is_key = bytes.get(end) == Some(&b':');
                if is_key && depth == 2 {
                    let name = bytes.get(at..end.saturating_sub(1)).unwrap_or_default();
                    if escaped || name == b"task" || name == b"type" {
                        return false;
                    }
                }
                at = end;
                Was::String
            }
            b',' => Was::Comma,
            b':' => Was::Colon,
            b'{' | b'[' => {
                if depth == DEPTH_MAX {
                    return false;
                }
                kinds = kinds << 1 | u64::from(byte == b'{');
                depth += 1;
                Was::Open
            }
            b'}' | b']' => {
                if depth == 0 || (kinds & 1 == 1) != (byte == b'}') {
                    return false;
                }
                kinds >>= 1;
                depth -= 1;
                Was::Close
            }
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E' => Was::Scalar,
            _ => return false,
        };
        let fits = match was {
            Was::String => matches!(is, Was::Comma | Was::Colon | Was::Close),
            Was::Scalar => matches!(is, Was::Scalar | Was::Comma | Was::Close),
            Was::Open => !matches!(is, Was::Comma | Was::Colon),
            Was::Close => matches!(is, Was::Comma | Was::Close),
            Was::Comma | Was::Colon => matches!(is, Was::String | Was::Scalar | Was::Open),
        };
        // Behind the event there is the end of the body, and behind that nothing.
        if !fits || (depth == 1 && bytes.get(at..) != Some(b"}")) || (depth == 0 && at < bytes.len()) {
            return false;
        }
        was = is;
    }
    depth == 0
}

/// From behind the opening quote: where the string ends, its closing quote included, and whether it holds an escape.
fn string(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at += string_end(bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some((at + 1, escaped)),
            b'\\' => {
                matches!(bytes.get(at + 1)?, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u')
                    .then_some(())?;
                escaped = true;
                at += 2;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
