//! Does a record fit a filter? First by what a store keeps in columns, then by the body, which is read no further than
//! the filter asks. No order, no pages, no I/O.

use std::borrow::Cow;
use std::cell::Cell;

use memchr::{memchr2_iter, memmem};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::ids::{TaskId, Time};
use crate::domain::record::{CallVerdict, JUDGED_KIND, JUDGED_WRITE, RecordFilter, good_pattern};

use super::judged::{Judged, tool_of, verdict_of};
use super::lines::Head;

/// A filter made ready.
pub struct Sieve<'f> {
    filter: &'f RecordFilter,
    text: Option<Needle>,
    phase: Option<String>,
    code: Option<String>,
    /// Steps of matching paths since they were last asked for.
    steps: Cell<usize>,
}

/// What a store knows of a record without its body.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    pub at: Time,
    pub agent: &'a str,
    pub kind: &'a str,
    pub task: Option<TaskId>,
}

impl<'f> Sieve<'f> {
    pub fn new(filter: &'f RecordFilter) -> Self {
        let quoted = |text: &String| serde_json::to_string(text).unwrap_or_default();
        Self {
            filter,
            text: filter.text.as_deref().map(Needle::new),
            phase: filter.phase.as_ref().map(quoted),
            code: filter.code.as_ref().map(quoted),
            steps: Cell::new(0),
        }
    }

    /// The work that matching paths took since the last time this was asked, in steps that cost about as much as a byte.
    pub fn take_steps(&self) -> usize {
        self.steps.take()
    }

    pub fn fits_columns(&self, columns: &Columns<'_>) -> bool {
        let filter = self.filter;
        filter.since.is_none_or(|since| columns.at >= since)
            && filter.until.is_none_or(|until| columns.at < until)
            && filter.task.is_none_or(|task| columns.task == Some(task))
            && filter.agent.as_ref().is_none_or(|agent| agent == columns.agent)
            && (filter.kinds.is_empty() || filter.kinds.contains(columns.kind) || self.only_writes(columns.kind))
            && filter
                .verdict
                .is_none_or(|verdict| CallVerdict::by_kind(columns.kind).is_none_or(|known| known == verdict))
    }

    /// Of this kind, which columns let through.
    pub fn needs_body(&self, kind: &str) -> bool {
        let RecordFilter { role, tool, code, phase, path, text, .. } = self.filter;
        [role, tool, code, phase, path, text].into_iter().any(Option::is_some) || self.asks_judged(kind)
    }

    /// Calls of clients are wanted, and only those that write.
    fn only_writes(&self, kind: &str) -> bool {
        kind == JUDGED_KIND && self.filter.kinds.contains(JUDGED_WRITE) && !self.filter.kinds.contains(JUDGED_KIND)
    }

    /// Something is wanted that a client's call says itself.
    fn asks_judged(&self, kind: &str) -> bool {
        kind == JUDGED_KIND && (self.filter.verdict.is_some() || self.only_writes(kind))
    }

    /// Of a record whose columns fit. An erased one fits nothing that its body would have to say.
    pub fn fits_body(&self, head: &Head<'_>, body: &str) -> bool {
        let filter = self.filter;
        filter.role.as_ref().is_none_or(|role| *role == head.role)
            && self.text.as_ref().is_none_or(|needle| needle.is_in(body))
            && self.names(head.event)
            && filter.tool.as_ref().is_none_or(|tool| *tool == tool_of(head))
            && (!self.asks_judged(&head.kind) || self.fits_judged(head))
            && filter.path.as_ref().is_none_or(|pattern| self.names_path(pattern, head))
    }

    fn fits_judged(&self, head: &Head<'_>) -> bool {
        let Some(judged) = Judged::read(&head.kind, head.event) else { return false };
        (!self.only_writes(&head.kind) || judged.writes())
            && self.filter.verdict.is_none_or(|wanted| verdict_of(&head.kind, head.event) == Some(wanted))
    }

    /// Whether any path in the event, however deep, fits the pattern.
    fn names_path(&self, pattern: &str, head: &Head<'_>) -> bool {
        let event = head.event.as_bytes();
        if memmem::find(event, b"path").is_none() || memmem::find(event, literal_of(pattern).as_bytes()).is_none() {
            return false;
        }
        let Ok(event) = serde_json::from_str::<Value>(head.event) else { return false };
        let folder = event.get("folder").and_then(Value::as_str).filter(|_| head.kind == JUDGED_KIND);
        let roots: Vec<&str> = self.filter.root.as_deref().into_iter().chain(folder).collect();
        // A client names files whole; people ask for them as they lie in the work tree.
        let below = |path: &'_ str| -> Vec<String> {
            let rest = roots.iter().filter_map(|root| path.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/'));
            rest.map(str::to_owned).collect()
        };
        paths(&event).iter().any(|path| {
            path_fits_within(pattern, path, &self.steps)
                || below(path).iter().any(|path| path_fits_within(pattern, path, &self.steps))
        })
    }

    /// The code and the phase, where they are asked for.
    fn names(&self, event: &str) -> bool {
        // Most events do not hold the word at all.
        let mut wanted = [&self.code, &self.phase].into_iter().flatten();
        if !wanted.all(|quoted| memmem::find(event.as_bytes(), quoted.as_bytes()).is_some()) {
            return false;
        }
        if self.code.is_none() && self.phase.is_none() {
            return true;
        }
        let Ok(named) = serde_json::from_str::<Named<'_>>(event) else { return false };
        let is = |found: Option<&RawValue>, wanted: &Option<String>| found.map(RawValue::get) == wanted.as_deref();
        (self.code.is_none() || is(named.code, &self.code))
            && (self.phase.is_none() || is(named.phase, &self.phase) || is(named.from, &self.phase))
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    phase: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
}

/// The phase that an event names as its own.
pub fn phase_of(event: &str) -> Option<String> {
    memmem::find(event.as_bytes(), b"\"phase\"")?;
    let named: Named<'_> = serde_json::from_str(event).ok()?;
    serde_json::from_str(named.phase?.get()).ok()
}

/// The approval that an event is about, as a number.
pub fn approval_of(event: &str) -> Option<crate::domain::ids::ApprovalId> {
    #[derive(Deserialize)]
    struct About<'a> {
        #[serde(borrow)]
        approval: Option<Cow<'a, str>>,
    }
    let about: About<'_> = serde_json::from_str(event).ok()?;
    about.approval?.parse().ok()
}

/// What records are full of, the most frequent first; a search begins at the byte of its text that they hold least.
const COMMON: &[u8] = b"\",:etaoinsr lhdcu-_";

/// A text to be found in a record as it is stored, in any case of letters.
enum Needle {
    Ascii { text: Vec<u8>, rare: [u8; 2], rare_at: usize },
    Other(String),
}

impl Needle {
    fn new(text: &str) -> Self {
        // As JSON writes it, so that what was said with a quote or a newline is found too.
        let quoted = serde_json::to_string(text).unwrap_or_default();
        let text = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        if text.is_ascii() {
            let commonness = |byte: u8| COMMON.iter().position(|common| *common == byte.to_ascii_lowercase());
            let rarest = text.bytes().enumerate().max_by_key(|(_, byte)| commonness(*byte).unwrap_or(COMMON.len()));
            let (rare_at, rare) = rarest.unwrap_or_default();
            let rare = [rare.to_ascii_lowercase(), rare.to_ascii_uppercase()];
            return Self::Ascii { text: text.as_bytes().to_vec(), rare, rare_at };
        }
        Self::Other(text.to_lowercase())
    }

    fn is_in(&self, body: &str) -> bool {
        match self {
            Self::Ascii { text, .. } if text.is_empty() => true,
            Self::Ascii { text, rare: [lower, upper], rare_at } => {
                let bytes = body.as_bytes();
                let starts = memchr2_iter(*lower, *upper, bytes).filter_map(|at| at.checked_sub(*rare_at));
                starts.filter_map(|at| bytes.get(at..at + text.len())).any(|found| found.eq_ignore_ascii_case(text))
            }
            Self::Other(text) => body.to_lowercase().contains(text),
        }
    }
}

/// Fields of events that hold the path of a file.
const PATH_FIELDS: [&str; 4] = ["path", "paths", "file_path", "notebook_path"];

/// Longer ones are no paths, and fit nothing.
const PATH_BYTES_MAX: usize = 4096;

/// Every path that the event names, however deep.
fn paths(event: &Value) -> Vec<&str> {
    let (mut open, mut found) = (vec![event], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    if PATH_FIELDS.contains(&key.as_str()) {
                        found.extend(said(field));
                    }
                    open.push(field);
                }
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

/// The longest run of a pattern that each path it fits holds, and that JSON writes as it is.
fn literal_of(pattern: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let runs = pattern.split(|c: char| !plain(c)).filter(|run| *run != ".");
    runs.max_by_key(|run| run.len()).unwrap_or_default()
}

/// One text, or the texts of a list.
fn said(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().into_iter().flatten();
    value.as_str().into_iter().chain(items.filter_map(Value::as_str))
}

/// `**` stands for any number of folders, `*` for anything within a name, `?` for one character of it.
pub fn path_fits(pattern: &str, path: &str) -> bool {
    path_fits_within(pattern, path, &Cell::new(0))
}

fn path_fits_within(pattern: &str, path: &str, steps: &Cell<usize>) -> bool {
    if path.len() > PATH_BYTES_MAX || good_pattern(pattern).is_err() {
        return false;
    }
    let parts = |text: &'_ str| -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    steps.set(steps.get() + path.len());
    let (pattern, path) = (parts(pattern), parts(path));
    let is_any = |part: &String| part == "**";
    wild(&pattern, &path, steps, is_any, |pattern, part| {
        let (pattern, part): (Vec<char>, Vec<char>) = (pattern.chars().collect(), part.chars().collect());
        wild(&pattern, &part, steps, |c| *c == '*', |wanted, found| *wanted == '?' || wanted == found)
    })
}

/// A pattern with parts that stand for any run, and going back only to the last of them: never slower than both multiplied.
fn wild<T>(
    pattern: &[T],
    text: &[T],
    steps: &Cell<usize>,
    is_any: impl Fn(&T) -> bool,
    fits: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut at, mut to) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(found) = text.get(to) {
        steps.set(steps.get() + 1);
        match pattern.get(at) {
            Some(wanted) if is_any(wanted) => {
                back = Some((at, to));
                at += 1;
                continue;
            }
            Some(wanted) if fits(wanted, found) => {
                at += 1;
                to += 1;
                continue;
            }
            Some(_) | None => {}
        }
        let Some((any, taken)) = back else { return false };
        back = Some((any, taken + 1));
        at = any + 1;
        to = taken + 1;
    }
    pattern.get(at..).is_some_and(|left| left.iter().all(is_any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns() {
        for (pattern, path, fits) in [
            ("billing/**", "billing/a.rs", true),
            ("billing/**", "billing/deep/er/a.rs", true),
            ("billing/**", "./billing/a.rs", true),
            ("billing/**", "src/billing/a.rs", false),
            ("billing/**", "billings/a.rs", false),
            ("**/billing/**", "src/billing/a.rs", true),
            ("**/*.rs", "a.rs", true),
            ("*.rs", "src/a.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/?.rs", "src/ab.rs", false),
            ("src/**/b/**/c", "src/b/x/b/y/c", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("plan.md", "plan.md", true),
            ("", "plan.md", false),
        ] {
            assert_eq!(path_fits(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn long_patterns_and_long_paths_fit_nothing_and_work_is_counted() {
        let long = "a".repeat(PATH_BYTES_MAX + 1);
        for (pattern, path, fits) in [
            ("*".repeat(16), "a".to_owned(), true),
            ("*".repeat(17), "a".to_owned(), false),
            ("a".repeat(512), "a".repeat(512), true),
            ("a".repeat(513), "a".repeat(513), false),
            ("*".to_owned(), long[1..].to_owned(), true),
            ("*".to_owned(), long, false),
        ] {
            assert_eq!(path_fits(&pattern, &path), fits, "{} {}", pattern.len(), path.len());
        }
        let filter = RecordFilter { path: Some(format!("*{}b", "a".repeat(500))), ..RecordFilter::default() };
        let sieve = Sieve::new(&filter);
        let path = "a".repeat(PATH_BYTES_MAX);
        let body = format!(
            r#"{{"v":1,"at":"2026-11-21T03:01:14.000Z","agent":"a","role":"r","tool":"t","event":{{"type":"ArtifactSubmitted","name":"{long}b","path":"{path}"}}}}"#,
            long = "a".repeat(500)
        );
        assert!(!sieve.fits_body(&super::super::lines::read_body(&body).unwrap(), &body));
        assert!(sieve.take_steps() > 100 * body.len(), "matching cost much more than reading");
        assert_eq!(sieve.take_steps(), 0);
    }

    #[test]
    fn a_text_is_found_in_any_case_and_as_it_was_said() {
        let body = r#"{"note":"Grüße, the \"Key\" was\nlost"}"#;
        for (text, found) in [
            ("KEY", true),
            ("the \"key\"", true),
            ("was\nLOST", true),
            ("GRÜSSE", false),
            ("grÜße", true),
            ("kez", false),
            ("lost\"}", false),
            ("{\"N", false),
            ("T", true),
            ("tt", false),
        ] {
            assert_eq!(Needle::new(text).is_in(body), found, "{text}");
        }
    }
}
