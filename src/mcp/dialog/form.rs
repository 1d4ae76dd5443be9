//! The form a client shows for an approval, rendered here from what is stored, and what the person's answer means.
//! Nothing is sent and nothing decided here.

use std::fmt::Write;

use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema};
use serde_json::{Value, json};

use crate::domain::approval::{About, Approval};
use crate::domain::command::Decision;
use crate::domain::decide::raise::RAISE;
use crate::domain::task::Task;
use crate::domain::visible::{quoted, visible};
use crate::engine::views::{one_line, shortened};

/// What an answer of this kind proves: that the client showed a dialog and passed an answer on.
pub const LEVEL: u8 = 0;

const REASON_CHARS_SHOWN: usize = 1000;
const ARTIFACTS_SHOWN: usize = 3;
const LINES_SHOWN: usize = 10;
const LINE_CHARS_SHOWN: usize = 160;
/// Longer words of a person are cut, not lost.
const ANSWER_CHARS_MAX: usize = 2000;

/// An artifact of the task, as it was handed in.
pub struct Artifact {
    pub name: String,
    pub version: u64,
    pub by: String,
    pub content: Vec<u8>,
}

/// Whether a dialog in the agent's own client can answer this. It cannot show who answers, so it does for nobody who is
/// named, and for nobody who must be someone else than the author.
pub fn is_answerable(approval: &Approval) -> bool {
    approval.level == LEVEL
        && approval.batch.is_none()
        && approval.from.is_empty()
        && !approval.not_by_author
        && options(approval).is_some()
}

/// The choices as the person sees them, in the order of the approval's own. `None` where two would look alike.
fn options(approval: &Approval) -> Option<Vec<String>> {
    let About::Question { choices } = &approval.about else { return Some(Vec::new()) };
    let shown: Vec<String> = choices.iter().map(|choice| visible(&one_line(choice))).collect();
    let distinct: std::collections::BTreeSet<&String> = shown.iter().collect();
    (distinct.len() == shown.len()).then_some(shown)
}

pub fn form(approval: &Approval, task: Option<&Task>, artifacts: &[Artifact]) -> Option<ElicitRequestParams> {
    let requested_schema = schema(approval)?;
    let message = message(approval, task, artifacts);
    Some(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema })
}

/// Flat and of plain types: clients show nothing else.
fn schema(approval: &Approval) -> Option<ElicitationSchema> {
    let reason = json!({
        "type": "string", "title": "Reason", "description": "The agent reads it.", "maxLength": ANSWER_CHARS_MAX,
    });
    let (properties, required) = match &approval.about {
        About::Gate { .. } | About::Call { .. } => {
            let approve = json!({
                "type": "boolean", "title": "Approve", "description": "Yes lets the agent go on; no sends it back.",
            });
            (json!({ "approve": approve, "reason": reason }), "approve")
        }
        About::Question { choices } if choices.is_empty() => {
            let answer =
                json!({ "type": "string", "title": "Your answer", "minLength": 1, "maxLength": ANSWER_CHARS_MAX });
            (json!({ "answer": answer }), "answer")
        }
        About::Question { .. } => {
            let choice = json!({ "type": "string", "title": "Your choice", "enum": options(approval)? });
            (json!({ "choice": choice, "reason": reason }), "choice")
        }
    };
    let schema = json!({ "type": "object", "properties": properties, "required": [required] });
    serde_json::from_value(schema).ok()
}

fn message(approval: &Approval, task: Option<&Task>, artifacts: &[Artifact]) -> String {
    let mut text = String::new();
    let agent = visible(&one_line(&approval.requested_by.0));
    let of = approval.task.map(|task| format!(" of {task}")).unwrap_or_default();
    let phase = approval.phase.as_deref().map(|phase| format!(" of phase {}", visible(phase))).unwrap_or_default();
    match &approval.about {
        About::Gate { gate } => {
            let _ = writeln!(text, "{}: {}", approval.id, quoted(&approval.ask, 0));
            let gate = visible(gate);
            let _ = writeln!(text, "Yes opens gate `{gate}`{phase}{of}, and agent `{agent}` may leave that phase.");
        }
        About::Call { tool, arguments, .. } => {
            let _ = writeln!(text, "{}: {}", approval.id, quoted(&approval.ask, 0));
            let _ = writeln!(text, "│ {} {}", visible(tool), visible(&cut(&arguments.to_string(), REASON_CHARS_SHOWN)));
            let _ = match tool.as_str() {
                RAISE => writeln!(text, "Yes raises the budget at once."),
                _ => writeln!(text, "Yes lets this call run once{phase}{of}, exactly like this."),
            };
        }
        About::Question { .. } => {
            let _ = writeln!(text, "{}: agent `{agent}` asks (its own words):", approval.id);
            let _ = writeln!(text, "│ {}", quoted(&approval.ask, 0));
            let _ = writeln!(text, "Your answer is given to it{}, and opens no gate.", of.replace(" of ", " for "));
        }
    }
    if let Some(task) = task {
        let title = visible(&shortened(&task.spec.title, LINE_CHARS_SHOWN));
        let _ = writeln!(text, "Task {}: “{title}”", task.id);
    }
    if !approval.reason.is_empty() {
        let _ = writeln!(text, "The agent claims:\n│ {}", quoted(&cut(&approval.reason, REASON_CHARS_SHOWN), 0));
    }
    for artifact in artifacts.iter().take(ARTIFACTS_SHOWN) {
        let (name, by) = (visible(&one_line(&artifact.name)), visible(&one_line(&artifact.by)));
        let _ = writeln!(text, "Artifact {name} v{}, handed in by `{by}` (claimed):", artifact.version);
        for line in folded(&artifact.content) {
            let _ = writeln!(text, "│ {}", visible(&line));
        }
    }
    if artifacts.len() > ARTIFACTS_SHOWN {
        let _ = writeln!(text, "… and {} more artifacts", artifacts.len() - ARTIFACTS_SHOWN);
    }
    let _ = writeln!(text, "Whole, and to answer elsewhere: phasegate approvals show {}", approval.id);
    let digest: String = approval.digest.chars().take(16).collect();
    let _ = write!(text, "Until {}; digest {digest}; recorded as level {LEVEL}.", approval.expires_at);
    text
}

/// Long text says how long it is.
fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    format!("{}… ({length} characters)", text.chars().take(most).collect::<String>())
}

fn folded(content: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let pretty = serde_json::from_str::<Value>(&text).ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = pretty.as_deref().unwrap_or(&text);
    let count = text.lines().count();
    let mut lines: Vec<String> = text.lines().take(LINES_SHOWN).map(|line| cut(line, LINE_CHARS_SHOWN)).collect();
    if count > LINES_SHOWN {
        lines.push(format!("… ({count} lines)"));
    }
    lines
}

/// What came back, in the words of an approval.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Answer(Decision),
    /// Closed without an answer.
    Nothing,
    /// Not what the form asked for; why.
    Unfit(&'static str),
}

pub fn said(approval: &Approval, result: &ElicitResult) -> Said {
    match &result.action {
        ElicitationAction::Accept => accepted(approval, result.content.as_ref()),
        ElicitationAction::Decline => {
            Said::Answer(Decision::Reject { reason: "declined in the client's dialog".to_owned() })
        }
        _ => Said::Nothing,
    }
}

/// Only a field that was filled in counts: a client that accepts without showing anything decides nothing.
fn accepted(approval: &Approval, content: Option<&Value>) -> Said {
    let text = |field: &str| {
        let text = content.and_then(|content| content.get(field)).and_then(Value::as_str).unwrap_or_default();
        text.trim().chars().take(ANSWER_CHARS_MAX).collect::<String>()
    };
    let reason = text("reason");
    match &approval.about {
        About::Gate { .. } | About::Call { .. } => {
            match content.and_then(|content| content.get("approve")).and_then(Value::as_bool) {
                Some(true) => Said::Answer(Decision::Approve { reason, choice: None }),
                Some(false) if reason.is_empty() => {
                    Said::Answer(Decision::Reject { reason: "answered no in the client's dialog".to_owned() })
                }
                Some(false) => Said::Answer(Decision::Reject { reason }),
                None => Said::Unfit("it has no `approve` that is true or false"),
            }
        }
        About::Question { choices } if choices.is_empty() => match text("answer") {
            answer if answer.is_empty() => Said::Unfit("it has no `answer`"),
            answer => Said::Answer(Decision::Approve { reason: String::new(), choice: Some(answer) }),
        },
        About::Question { choices } => {
            let choice = content.and_then(|content| content.get("choice")).and_then(Value::as_str);
            let shown = options(approval).unwrap_or_default();
            let at = choice.and_then(|choice| shown.iter().position(|known| known == choice));
            match at.and_then(|at| choices.get(at)) {
                Some(choice) => Said::Answer(Decision::Approve { reason, choice: Some(choice.clone()) }),
                None => Said::Unfit("its `choice` is none of those asked for"),
            }
        }
    }
}
