//! Answers short enough for every client: long texts are cut and say how long they are, lists stop early, and what an agent
//! must have to go on comes through. Both forms of an answer count.

use serde_json::Value;

use super::{Output, Reply};
use crate::domain::refusal::Refusal;

/// Characters of a whole result, both forms and what goes around them; clients cut or refuse longer ones.
pub const RESULT_CHARS_MAX: usize = 50_000;
/// Of both forms before anything is added: notes, and what the protocol puts around them, have the rest.
const ROOM: usize = 44_000;
/// What is no longer than this is never cut: ids, handles, digests and times are shorter.
const SHORT: usize = 120;
/// `T-` and all digits that an id can have.
const LONGEST_ID: usize = 22;
/// Of one row of a list, where not all of them fit.
const ROW: usize = 2500;
/// Anything below is one text.
const DEPTH_MAX: usize = 8;
/// Smaller than this nothing is made for the sake of what should stay whole.
const LEAST: usize = 1500;

/// Without these nobody can go on.
const KEPT: [&str; 12] =
    ["claim", "handle", "code", "digest", "sha256", "open", "writes", "next", "how", "hint", "waves", "arguments"];
/// What the last holder wrote down is promised to the next one.
const PROMISED: [&str; 1] = ["checkpoint"];
/// Any JSON, so that a text may stand in its place.
const FREE: [&str; 6] = ["context", "checkpoint", "arguments", "details", "event", "data"];

/// What is left as it is in one try.
#[derive(Clone, Copy)]
enum Spares {
    Promised,
    Kept,
    Nothing,
}

impl Spares {
    fn is_spared(self, name: &str) -> bool {
        match self {
            Self::Promised => PROMISED.contains(&name) || KEPT.contains(&name),
            Self::Kept => KEPT.contains(&name),
            Self::Nothing => false,
        }
    }
}

/// Both forms of an answer, no longer than an answer may be.
pub fn reply<T: Output>(answer: &T) -> Reply {
    let whole = answer.whole_reply();
    if fits(&whole) {
        return whole;
    }
    let list = whole.structured.get(T::ROWS).and_then(Value::as_array).map_or(0, Vec::len);
    if list > 1
        && let Some(reply) = fewer_rows(answer, &whole.structured, list)
    {
        return reply;
    }
    let told = match answer.elsewhere() {
        Some(place) => format!("long texts are cut and say how long they are; {place}"),
        None => "long texts are cut and say how long they are".to_owned(),
    };
    let mut reply = shorter::<T>(&whole.structured).unwrap_or_else(|| {
        let text = shortened(&whole.text, ROOM / 2);
        Reply { structured: serde_json::json!({ "cut": shortened(&text, ROOM / 4) }), text }
    });
    reply.note(&told);
    reply
}

/// The same for what says no.
pub fn refusal(refusal: Refusal) -> Refusal {
    let whole = refusal.whole_reply();
    if fits(&whole) {
        return refusal;
    }
    let cut = shorter::<Refusal>(&whole.structured).and_then(|reply| serde_json::from_value(reply.structured).ok());
    cut.unwrap_or_else(|| Refusal::new(refusal.code, shortened(&refusal.message, ROW), shortened(&refusal.hint, ROW)))
}

fn fits(reply: &Reply) -> bool {
    room_of(reply) <= ROOM
}

fn room_of(reply: &Reply) -> usize {
    chars(&reply.structured) + serde_json::to_string(&reply.text).map_or(ROOM, |text| text.chars().count())
}

/// As the answer would be, were this its structured form.
fn rendered<T: Output>(structured: Value) -> Option<Reply> {
    serde_json::from_value::<T>(structured).ok().map(|typed| typed.whole_reply())
}

/// As many rows as there is room for, at least one of them; the answer says how the others are come by.
fn fewer_rows<T: Output>(answer: &T, structured: &Value, list: usize) -> Option<Reply> {
    let mut folded = structured.clone();
    for row in folded.get_mut(T::ROWS).and_then(Value::as_array_mut).into_iter().flatten() {
        shrink(row, ROW, false, 0, Spares::Kept);
    }
    let with = |rows: usize| {
        let mut typed: T = serde_json::from_value(folded.clone()).ok()?;
        let told = if rows < list { typed.keep(rows, answer) } else { String::new() };
        let mut reply = typed.whole_reply();
        let cut = (folded != *structured).then(|| answer.elsewhere()).flatten();
        let told: Vec<String> = [told, cut.unwrap_or_default()].into_iter().filter(|told| !told.is_empty()).collect();
        reply.note(&told.join("; "));
        fits(&reply).then_some(reply)
    };
    if let Some(all) = with(list) {
        return Some(all);
    }
    let (mut best, mut low, mut high) = (None, 1, list - 1);
    while low <= high {
        let rows = low.midpoint(high);
        match with(rows) {
            Some(reply) => {
                best = Some(reply);
                low = rows + 1;
            }
            None => high = rows - 1,
        }
    }
    best
}

/// Less and less, until it fits: first of what matters least.
fn shorter<T: Output>(structured: &Value) -> Option<Reply> {
    for spares in [Spares::Promised, Spares::Kept, Spares::Nothing] {
        let mut room = ROOM;
        while room > LEAST {
            let mut folded = structured.clone();
            shrink(&mut folded, room, false, 0, spares);
            if let Some(reply) = rendered::<T>(folded).filter(fits) {
                return Some(reply);
            }
            room -= room / 8;
        }
    }
    // Lists of many small things.
    let mut folded = structured.clone();
    shrink(&mut folded, LEAST, false, 0, Spares::Nothing);
    [400, 100, 20, 4].into_iter().find_map(|most| {
        let mut few = folded.clone();
        first_of_each(&mut few, most, 0);
        rendered::<T>(few).filter(fits)
    })
}

fn first_of_each(value: &mut Value, most: usize, depth: usize) {
    match value {
        Value::Array(items) => {
            items.truncate(most);
            items.iter_mut().filter(|_| depth < DEPTH_MAX).for_each(|item| first_of_each(item, most, depth + 1));
        }
        Value::Object(fields) if depth < DEPTH_MAX => {
            fields.values_mut().for_each(|field| first_of_each(field, most, depth + 1));
        }
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn chars(value: &Value) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.chars().count())
}

/// Takes from the longest first, down to about `most` characters of JSON. Where only short parts are left it stays longer.
fn shrink(value: &mut Value, most: usize, free: bool, depth: usize, spares: Spares) {
    if chars(value) <= most {
        return;
    }
    match value {
        Value::String(text) => {
            *text = shortened(text, most);
            return;
        }
        Value::Array(items) if !free => fewer_texts(items, most),
        _ => {}
    }
    let size = chars(value);
    let mut parts: Vec<(&mut Value, usize, bool)> = match value {
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| free || !spares.is_spared(name))
            .map(|(name, field)| {
                let size = chars(field);
                (field, size, free || FREE.contains(&name.as_str()))
            })
            .collect(),
        Value::Array(items) => {
            items.iter_mut().map(|item| (chars(item), item)).map(|(n, item)| (item, n, free)).collect()
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => return,
    };
    let left = most.saturating_sub(size.saturating_sub(parts.iter().map(|(_, size, _)| size).sum()));
    let least: usize = parts.iter().map(|(_, size, _)| (*size).min(SHORT)).sum();
    if free && (least > left || depth >= DEPTH_MAX) {
        *value = Value::String(shortened(&value.to_string(), most));
        return;
    }
    let level = level(parts.iter().map(|(_, size, _)| *size).collect(), left).max(SHORT);
    for (part, _, free) in &mut parts {
        shrink(part, level, *free, depth + 1, spares);
    }
}

/// Of texts, as many as have room for a line each; ids are no texts, and all of them stay.
fn fewer_texts(items: &mut Vec<Value>, most: usize) {
    let is_text = |item: &Value| item.as_str().is_some_and(|text| text.len() > LONGEST_ID);
    if !(items.iter().all(Value::is_string) && items.iter().any(is_text)) {
        return;
    }
    let mut room = most;
    let has_room = |item: &&Value| {
        let left = room.checked_sub(chars(item).min(SHORT));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let (count, kept) = (items.len(), items.iter().take_while(has_room).count().max(1));
    if kept < count {
        items.truncate(kept);
        items.push(Value::String(format!("… ({count} in all)")));
    }
}

/// The most that each may have, so that all together have no more than `room`.
fn level(mut sizes: Vec<usize>, room: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut count) = (room, sizes.len());
    for size in sizes {
        let share = left.checked_div(count).unwrap_or(0);
        if size > share {
            return share;
        }
        left -= size;
        count -= 1;
    }
    room
}

/// The beginning, and how long the whole is. What is short stays.
fn shortened(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= SHORT || length <= most {
        return text.to_owned();
    }
    let mark = format!("… ({length} characters)");
    let kept: String = text.chars().take(most.saturating_sub(mark.chars().count()).max(SHORT / 2)).collect();
    kept + &mark
}
