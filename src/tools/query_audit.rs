//! `query_audit`: what happened, from the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arguments::{self, Compiled};
use super::{Output, Request, Tool, schema};
use crate::domain::ids::{TaskId, Time};
use crate::domain::record::{
    CallVerdict, Count, CountBy, JUDGED_KIND, OBSERVED_KIND, Record, RecordFilter, RecordPage, good_pattern,
    parse_kinds, parse_role,
};
use crate::domain::refusal::Refusal;
use crate::domain::visible;

pub const TOOL: Tool = Tool {
    name: "query_audit",
    title: "Audit log",
    description: "What was done and refused, newest first; or counts of it (`day,kind`).",
    core: true,
    in_loop: true,
    read_only: true,
    destructive: false,
    idempotent: true,
    input: schema::of::<Args>,
    output: schema::of::<RecordPage>,
    parse,
};

const LIMIT_DEFAULT: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    task: Option<TaskId>,
    agent: Option<String>,
    role: Option<String>,
    /// Several: `A,B`
    #[schemars(length(max = 1000))]
    kind: Option<String>,
    verdict: Option<String>,
    tool: Option<String>,
    code: Option<String>,
    phase: Option<String>,
    #[schemars(length(max = 500))]
    path: Option<String>,
    #[schemars(length(min = 1, max = 200))]
    text: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    #[schemars(range(max = 1_000_000_000_000u64))]
    before: Option<u64>,
    #[schemars(range(max = 1_000_000_000_000u64))]
    after: Option<u64>,
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
    count_by: Option<String>,
}

fn parse(arguments: Value) -> Result<Request, Refusal> {
    static COMPILED: Compiled = Compiled::new();
    let args: Args = arguments::read(TOOL.name, arguments, &COMPILED, TOOL.input)?;
    if args.after.is_some() && args.before.is_some() {
        return Err(arguments::bad(TOOL.name, "`after` reads upwards and `before` downwards; give one"));
    }
    let wrong = |field: &'static str| move |why: String| arguments::bad(TOOL.name, format!("`{field}`: {why}"));
    args.path.as_deref().map(good_pattern).transpose().map_err(wrong("path"))?;
    Ok(Request::QueryAudit(RecordFilter {
        task: args.task,
        agent: args.agent,
        role: args.role.as_deref().map(parse_role).transpose().map_err(wrong("role"))?,
        kinds: args.kind.as_deref().map(parse_kinds).transpose().map_err(wrong("kind"))?.unwrap_or_default(),
        verdict: args.verdict.as_deref().map(CallVerdict::parse).transpose().map_err(wrong("verdict"))?,
        tool: args.tool,
        code: args.code,
        phase: args.phase,
        path: args.path,
        root: None,
        text: args.text,
        since: args.since,
        until: args.until,
        after: args.after,
        before: args.before,
        limit: args.limit.unwrap_or(LIMIT_DEFAULT),
        count_by: args
            .count_by
            .as_deref()
            .map(CountBy::parse_list)
            .transpose()
            .map_err(wrong("count_by"))?
            .unwrap_or_default(),
    }))
}

/// Characters of a whole answer, both its structured part and its text; clients cut or refuse what has more than 50,000.
pub const ANSWER_MAX: usize = 45_000;
/// Of one text inside a record.
const TEXT_SHOWN: usize = 400;
/// Of one record after its long texts were folded.
const RECORD_SHOWN: usize = 4000;
/// Groups of an answer with counts.
const COUNTS_SHOWN: usize = 200;

/// The page as far as an answer may be long: long texts folded, and the records that are then too many left for the next.
pub fn bounded(mut page: RecordPage, upward: bool) -> RecordPage {
    let (mut used, mut kept, mut folded) = (1000, 0, false);
    for record in &mut page.records {
        folded |= fold(record);
        let size = json_size(record) + line(record).len() + 2;
        if used + size > ANSWER_MAX {
            break;
        }
        used += size;
        kept += 1;
    }
    let mut told: Vec<String> = page.truncated.take().into_iter().collect();
    if kept < page.records.len() {
        page.records.truncate(kept);
        page.next = page.records.last().map(|record| record.seq);
        let (way, next) = (if upward { "after" } else { "before" }, page.next.unwrap_or(0));
        told = vec![format!("the answer is full; go on with `{way}`: {next}")];
    }
    if folded {
        told.push("long values are cut and say how long they are".to_owned());
    }
    if let Some(counts) = &mut page.counts {
        // A name that an agent chose can be long too.
        for value in counts.iter_mut().flat_map(|count| count.by.values_mut()) {
            folded_text(value, TEXT_SHOWN / 4);
        }
        if counts.len() > COUNTS_SHOWN {
            told.push(format!("{} groups, of which the {COUNTS_SHOWN} largest are shown", counts.len()));
            counts.truncate(COUNTS_SHOWN);
        }
    }
    page.truncated = (!told.is_empty()).then(|| told.join("; "));
    page
}

fn json_size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(ANSWER_MAX, |text| text.len())
}

/// True where something was cut.
fn fold(record: &mut Record) -> bool {
    let mut cut = false;
    for text in [&mut record.agent.0, &mut record.role, &mut record.tool] {
        cut |= folded_text(text, TEXT_SHOWN);
    }
    let mut open = vec![&mut record.event];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => cut |= folded_text(text, TEXT_SHOWN),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values_mut()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    if json_size(&record.event) <= RECORD_SHOWN {
        return cut;
    }
    // Many small values, or long names of fields: each field of the event by itself, the large ones by their size alone.
    if let Value::Object(fields) = &mut record.event {
        for (_, field) in fields.iter_mut() {
            let size = json_size(field);
            if size > TEXT_SHOWN {
                *field = Value::String(format!("… ({size} characters)"));
            }
        }
    }
    if json_size(&record.event) > RECORD_SHOWN {
        let kind = record.event.get("type").cloned().unwrap_or(Value::Null);
        record.event =
            serde_json::json!({ "type": kind, "cut": format!("… ({} characters)", json_size(&record.event)) });
    }
    true
}

fn folded_text(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    let end = (0..=most / 2).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let length = text.chars().count();
    text.truncate(end);
    text.push_str(&format!("… ({length} characters)"));
    true
}

/// Not worth a reader's time in a line: said already, or of no use to people.
const UNSAID: [&str; 8] = ["type", "task", "handle", "digest", "workflow", "artifacts", "signed", "printed"];

const LINE_CHARS: usize = 400;
const SUBJECT_CHARS: usize = 120;
const NAME_CHARS: usize = 120;

/// A record in one line. Agent-written text keeps its JSON quotes, so that it cannot pass for ours.
pub fn line(record: &Record) -> String {
    if record.event.get("erased").is_some_and(|erased| *erased == Value::Bool(true)) && record.tool.is_empty() {
        let kind = record.event.get("type").and_then(Value::as_str).unwrap_or("?");
        let task = record.task.map(|task| format!(" {task}")).unwrap_or_default();
        return format!("{} {} {kind}{task} (erased)", record.seq, record.at);
    }
    let kind = record.event.get("type").and_then(Value::as_str).unwrap_or("?");
    let task = record.task.map(|task| format!(" {task}")).unwrap_or_default();
    let rest = cut(&call_words(kind, &record.event).unwrap_or_else(|| field_words(&record.event)), LINE_CHARS);
    format!(
        "{} {} {kind}{task} by {} ({}): {rest}",
        record.seq,
        record.at,
        visible::line(&record.agent.0, NAME_CHARS),
        record.tool
    )
}

fn field_words(event: &Value) -> String {
    let fields = event.as_object().into_iter().flatten();
    let said = fields.filter(|(key, value)| !UNSAID.contains(&key.as_str()) && !is_empty(value));
    said.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// What a call of a client is about, of all that its input can hold.
const SUBJECTS: [&str; 8] =
    ["command", "file_path", "notebook_path", "path", "url", "pattern", "subagent_type", "query"];

/// A judged call: the verdict, the tool and what it is about, never the whole input.
fn call_words(kind: &str, event: &Value) -> Option<String> {
    let text = |field: &str| event.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let is = |field: &str| event.get(field).and_then(Value::as_bool).unwrap_or_default();
    let tool = text("tool").unwrap_or("?");
    if kind == OBSERVED_KIND {
        let code = event.get("exit_code").map(|code| format!(", exit code {code}")).unwrap_or_default();
        return Some(format!("{tool} ended {}{code}", if is("well") { "well" } else { "badly" }));
    }
    if kind != JUDGED_KIND {
        return None;
    }
    let mut words = format!("{} {tool}", text("verdict").unwrap_or("?"));
    let subject = SUBJECTS.iter().find_map(|field| event.pointer(&format!("/input/{field}")));
    if let Some(subject) = subject {
        words.push_str(&format!(" {}", cut(&subject.to_string(), SUBJECT_CHARS)));
    }
    for (name, value) in [("phase", text("phase")), ("rule", text("rule")), ("confined", text("confined"))] {
        if let Some(value) = value {
            words.push_str(&format!(", {name} {}", Value::from(value)));
        }
    }
    if is("waived") {
        words.push_str(", waived");
        words.push_str(&text("bypass").map(|bypass| format!(" by {bypass}")).unwrap_or_default());
    }
    // The rest of a reason says what else is open: for the agent then, not for a reader now.
    let reason = text("reason").and_then(|reason| reason.lines().next()).map(|first| Value::from(first).to_string());
    words.push_str(&reason.map(|reason| format!(", reason {reason}")).unwrap_or_default());
    Some(words)
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", text.get(..text.floor_char_boundary(most)).unwrap_or_default())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A group in one line.
pub fn count_line(count: &Count) -> String {
    let shown = |name: &String| if name.is_empty() { "-".to_owned() } else { visible::line(name, NAME_CHARS) };
    let names: Vec<String> = count.by.values().map(shown).collect();
    let mut line = format!("{} {}", count.records, names.join(" "));
    if let Some(usd) = count.usd {
        line.push_str(&format!(", {usd:.4} US dollars"));
    }
    if let Some(tokens) = count.tokens {
        line.push_str(&format!(", {tokens} tokens"));
    }
    line
}

impl Output for RecordPage {
    fn text(&self) -> String {
        let mut lines: Vec<String> = match &self.counts {
            Some(counts) => counts.iter().map(count_line).collect(),
            None => self.records.iter().map(line).collect(),
        };
        if lines.is_empty() {
            lines.push("No record fits.".to_owned());
        }
        if let Some(next) = self.next {
            lines.push(format!("More, from {next} on"));
        }
        for note in [&self.truncated, &self.limited_to].into_iter().flatten() {
            lines.push(format!("Note: {note}"));
        }
        lines.join("\n")
    }
}
