//! Taking secrets and personal data out of text and of serialized JSON. Each value becomes a mark with a keyed digest, so
//! that equal values stay equal and nobody without the key can try values against a record.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{FlagKind, Screen, values};
use crate::domain::canonical::hex;

const DIGEST_BYTES: usize = 6;
/// Shorter values are taken out where they were found, and left where they stand as ordinary words.
const EVERYWHERE_BYTES_MIN: usize = 8;
/// Taking something out can bring what is left beside each other.
const ROUNDS_MAX: usize = 4;

/// Members of a record that phasegate fills itself, or a client with ids and words of its own: digests, ids, times, names
/// from the workflow. What an agent can write (input, reason, folder) is not among them.
const OURS: [&str; 38] = [
    "v",
    "at",
    "agent",
    "role",
    "tool",
    "type",
    "task",
    "workflow",
    "digest",
    "sha256",
    "handle",
    "hash",
    "tree",
    "output",
    "run",
    "until",
    "expires_at",
    "since",
    "phase",
    "from",
    "gate",
    "fence",
    "approval",
    "met",
    "key",
    "signed",
    "call",
    "batch",
    "bypass",
    "old",
    "new",
    "session",
    "client",
    "guard",
    "how",
    "verdict",
    "rule",
    "confined",
];
const OURS_OF_ANSWER: [&str; 3] = ["by", "at", "signed"];
/// Of the records of who may approve: names that a person chose for the record.
const OURS_OF_ENROLMENT: [&str; 2] = ["name", "groups"];
const OURS_OF_REVOCATION: [&str; 1] = ["name"];
const OURS_OF_SPEC: [&str; 3] = ["workflow", "parent", "depends_on"];

/// Removes; it never adds a word of its own but the mark.
pub struct Redactor {
    screen: std::sync::Arc<Screen>,
    key: Hmac<Sha256>,
}

/// Values that were found, with the mark each becomes.
type Marks = BTreeMap<String, String>;

impl Redactor {
    pub fn new(screen: std::sync::Arc<Screen>, key: &[u8; 32]) -> Self {
        // A short key is padded with zeros by the rule of HMAC itself.
        let mut block = [0u8; 64];
        block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
        Self { screen, key: Hmac::new(&block.into()) }
    }

    /// The text without its secrets, or nothing when it has none.
    pub fn text(&self, text: &str) -> Option<String> {
        if !self.screen.may_hold_sensitive(text) {
            return None;
        }
        let mut done: Option<String> = None;
        for _ in 0..ROUNDS_MAX {
            let now = done.as_deref().unwrap_or(text);
            let found = self.found(now);
            if found.is_empty() {
                break;
            }
            let mut marks = Marks::new();
            self.note(now, &found, &mut marks);
            done = Some(self.cut(now, &found, &Known::new(&marks)));
        }
        done
    }

    /// The same for serialized JSON: its strings are read, its keys and our own members are left alone.
    pub fn json(&self, text: &str) -> Option<String> {
        if !self.screen.may_hold_sensitive(text) {
            return None;
        }
        let mut value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            // What is no JSON is still text, and must not be kept because of that.
            Err(_) => return self.text(text),
        };
        self.value(&mut value, true).then(|| value.to_string())
    }

    /// Strings of a value in place; true when one changed. `record`: our own members stay.
    pub fn value(&self, value: &mut Value, record: bool) -> bool {
        let mut changed = false;
        for _ in 0..ROUNDS_MAX {
            let mut marks = Marks::new();
            strings(value, record, &mut |key, text| self.note(text, &self.found_under(key, text), &mut marks));
            if marks.is_empty() {
                break;
            }
            changed = true;
            let known = Known::new(&marks);
            strings_mut(value, record, &mut |key, text| {
                let found = self.found_under(key, text);
                if !found.is_empty() || known.is_in(text) {
                    *text = self.cut(text, &found, &known);
                }
            });
        }
        changed
    }

    fn found_under(&self, key: &str, text: &str) -> Vec<(Range<usize>, FlagKind)> {
        let named = values::names_a_secret(key);
        if named.is_some_and(|strict| values::can_be_secret(text, strict, true)) {
            return vec![(0..text.len(), FlagKind::Secret)];
        }
        self.found(text)
    }

    /// Places to cut, those that overlap as one.
    fn found(&self, text: &str) -> Vec<(Range<usize>, FlagKind)> {
        let mut places: Vec<(Range<usize>, FlagKind)> = Vec::new();
        for finding in self.screen.sensitive(text) {
            match places.last_mut() {
                Some((last, kind)) if finding.at.start < last.end => {
                    last.end = last.end.max(finding.at.end);
                    *kind = (*kind).min(finding.kind);
                }
                _ => places.push((finding.at, finding.kind)),
            }
        }
        places
    }

    fn note(&self, text: &str, found: &[(Range<usize>, FlagKind)], marks: &mut Marks) {
        for (at, kind) in found {
            let value = text.get(at.clone()).unwrap_or_default();
            if !marks.contains_key(value) {
                marks.insert(value.to_owned(), self.mark(*kind, value));
            }
        }
    }

    fn mark(&self, kind: FlagKind, value: &str) -> String {
        let mut mac = self.key.clone();
        mac.update(value.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("[{}:{}]", kind.word(), hex(digest.get(..DIGEST_BYTES).unwrap_or_default()))
    }

    /// What was found here becomes its mark, and so does every other place where the same value stands.
    fn cut(&self, text: &str, found: &[(Range<usize>, FlagKind)], known: &Known<'_>) -> String {
        let mut out = String::with_capacity(text.len());
        let rest = |from: usize, to: usize, out: &mut String| {
            let part = text.get(from..to).unwrap_or_default();
            let mut at = 0;
            for hit in known.matcher.iter().flat_map(|matcher| matcher.find_iter(part)) {
                let mark = known.long.get(hit.pattern().as_usize()).map(|(_, mark)| *mark);
                out.push_str(part.get(at..hit.start()).unwrap_or_default());
                out.push_str(mark.unwrap_or_default());
                at = hit.end();
            }
            out.push_str(part.get(at..).unwrap_or_default());
        };
        let mut at = 0;
        for (place, kind) in found {
            rest(at, place.start, &mut out);
            let value = text.get(place.clone()).unwrap_or_default();
            match known.marks.get(value) {
                Some(mark) => out.push_str(mark),
                None => out.push_str(&self.mark(*kind, value)),
            }
            at = place.end;
        }
        rest(at, text.len(), &mut out);
        out
    }
}

/// The values of a round, made ready once for all its strings: making it costs as much as all of them together.
struct Known<'m> {
    marks: &'m Marks,
    /// Those that are taken out wherever they stand, with their marks.
    long: Vec<(&'m str, &'m str)>,
    matcher: Option<AhoCorasick>,
}

impl<'m> Known<'m> {
    fn new(marks: &'m Marks) -> Self {
        let each = marks.iter().map(|(value, mark)| (value.as_str(), mark.as_str()));
        let long: Vec<(&str, &str)> = each.filter(|(value, _)| value.len() >= EVERYWHERE_BYTES_MIN).collect();
        let values = long.iter().map(|(value, _)| *value);
        #[cfg(test)]
        PREPARED.with(|prepared| {
            let (rounds, bytes) = prepared.get();
            prepared.set((rounds + 1, bytes + values.clone().map(str::len).sum::<usize>()));
        });
        let matcher = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(values).ok();
        Self { marks, long, matcher }
    }

    fn is_in(&self, text: &str) -> bool {
        self.matcher.as_ref().is_some_and(|matcher| matcher.is_match(text))
    }
}

#[cfg(test)]
thread_local! {
    /// How often values were made ready on this thread, and how many bytes of them.
    pub(super) static PREPARED: std::cell::Cell<(usize, usize)> = const { std::cell::Cell::new((0, 0)) };
}

/// Whether a place lies in, or only around, marks that stand in the text already.
pub(super) fn is_marked(text: &str, at: &Range<usize>) -> bool {
    const HEX: usize = DIGEST_BYTES * 2;
    let from = text.floor_char_boundary(at.start.saturating_sub(HEX + "[personal:".len()));
    let to = text.ceil_char_boundary((at.end + 1).min(text.len()));
    let near = text.get(from..to).unwrap_or_default();
    ["[secret:", "[personal:"].iter().any(|begin| {
        near.match_indices(begin).any(|(place, _)| {
            let start = from + place;
            let digest = start + begin.len();
            let end = digest + HEX;
            let whole = text.get(digest..end).is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
                && text.get(end..=end) == Some("]");
            whole && start < at.end && at.start <= end
        })
    })
}

/// Where in a record a value stands: enough to know whose member it is.
#[derive(Clone, Copy)]
struct Place<'v> {
    depth: usize,
    parent: &'v str,
}

/// What is ours only in records of one kind.
fn ours_of_kind(place: Place<'_>, members: &serde_json::Map<String, Value>) -> &'static [&'static str] {
    let kind = members.get("type").filter(|_| place.depth == 1 && place.parent == "event").and_then(Value::as_str);
    match kind {
        Some("ApproverEnrolled") => &OURS_OF_ENROLMENT,
        Some("ApproverRevoked") => &OURS_OF_REVOCATION,
        Some(_) | None => &[],
    }
}

fn is_ours(place: Place<'_>, of_kind: &[&str], key: &str) -> bool {
    if of_kind.contains(&key) {
        return true;
    }
    match (place.depth, place.parent) {
        (0, _) => OURS.contains(&key),
        (1, "event") => OURS.contains(&key),
        (2, "answer") => OURS_OF_ANSWER.contains(&key),
        (2, "spec") => OURS_OF_SPEC.contains(&key),
        _ => false,
    }
}

pub(super) fn strings(value: &Value, record: bool, each: &mut dyn FnMut(&str, &str)) {
    let mut open = vec![(value, Place { depth: 0, parent: "" }, "")];
    while let Some((value, place, key)) = open.pop() {
        match value {
            Value::String(text) => each(key, text),
            Value::Array(items) => open.extend(items.iter().map(|item| (item, place, key))),
            Value::Object(members) => {
                let kind = ours_of_kind(place, members);
                for (name, member) in members.iter().filter(|(name, _)| !(record && is_ours(place, kind, name))) {
                    open.push((member, Place { depth: place.depth + 1, parent: name }, name));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn strings_mut(value: &mut Value, record: bool, each: &mut dyn FnMut(&str, &mut String)) {
    let mut open = vec![(value, Place { depth: 0, parent: "" }, "")];
    while let Some((value, place, key)) = open.pop() {
        match value {
            Value::String(text) => each(key, text),
            Value::Array(items) => open.extend(items.iter_mut().map(|item| (item, place, key))),
            Value::Object(members) => {
                let kind = ours_of_kind(place, members);
                for (name, member) in members.iter_mut().filter(|(name, _)| !(record && is_ours(place, kind, name))) {
                    open.push((member, Place { depth: place.depth + 1, parent: name }, name));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
