//! What a person sees of an approval: made from what is stored and approved, with what agents wrote marked as theirs and
//! made safe to look at. How it is laid out is not here (`cli`, `web`).

use serde::Serialize;
use serde_json::Value;

use crate::domain::approval::{About, Approval};
use crate::domain::call_text;
use crate::domain::decide::raise::RAISE;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::visible::{ends, exact, one_line, visible};
use crate::tools;

use super::started;
pub use super::started::Starts;

const ARTIFACT_LINES: usize = 40;
const ARTIFACT_LINE_CHARS: usize = 400;
const HEADLINE_CHARS: usize = 120;

/// One approval, ready to be looked at. All texts are visible: control characters and hidden Unicode stand as codes.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub id: ApprovalId,
    /// What an answer is about: it is sent back with it.
    pub digest: String,
    pub state: &'static str,
    pub about: &'static str,
    pub headline: String,
    pub ask: String,
    /// The question is the agent's own text, not made from a gate or a call.
    pub ask_by_agent: bool,
    pub task: Option<TaskId>,
    pub title: String,
    pub workflow: String,
    pub phase: String,
    pub gate: String,
    pub requested_by: AgentName,
    pub requested_at: Time,
    pub expires_at: Time,
    /// What happens on yes, and nothing else.
    pub on_yes: String,
    pub call: Option<ShownCall>,
    /// Of the phase, about the tool of the call.
    pub rules: Vec<String>,
    pub choices: Vec<String>,
    /// What the agent says about it.
    pub claim: String,
    pub artifacts: Vec<ShownArtifact>,
    /// Those asked together with it, itself included: they are answered together.
    pub together: Vec<ApprovalId>,
    pub level: u8,
    pub level_words: &'static str,
    pub from: Vec<String>,
    pub not_by_author: bool,
    pub answered: Option<ShownAnswer>,
    /// Why it cannot be answered or used any more, where what it was asked about has changed.
    pub void: Option<String>,
    pub you: May,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownCall {
    pub tool: String,
    /// Exactly as they would be used.
    pub arguments: Value,
    /// The same to look at, a line each; what the tool does not take stands behind.
    pub lines: Vec<String>,
    /// In a line: its beginning and its end where it is long.
    pub short: String,
    /// What is not what it looks like.
    pub warnings: Vec<String>,
    /// Of a shell command that is more than one.
    pub starts: Option<Starts>,
    /// Where the call replaces a text by another, or a person changed what was asked: line by line.
    pub changes: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `+`, `-` or a space.
    pub sign: &'static str,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownArtifact {
    pub name: String,
    pub version: u64,
    pub by: AgentName,
    pub sha256: String,
    pub bytes: u64,
    pub lines: Vec<String>,
    /// Not all of it is among the lines.
    pub cut: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownAnswer {
    pub by: AgentName,
    pub at: Time,
    pub level: u8,
    pub how: &'static str,
    pub reason: String,
    pub choice: Option<String>,
    pub signed: bool,
}

/// Whether whoever looks may answer, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct May {
    pub answer: bool,
    /// The level of the signature it takes: 0 for none.
    pub sign: u8,
    /// Why not, or why a signature.
    pub why: String,
    pub hint: String,
}

/// The question in a line; a long call shows its beginning and its end.
pub fn headline(approval: &Approval) -> String {
    match approval.call() {
        Some((tool, arguments)) => format!("run {}: {}", call_text::name(tool), short(tool, arguments)),
        None => approval.ask.clone(),
    }
}

fn short(tool: &str, arguments: &Value) -> String {
    ends(&one_line(&call_text::essence(tool, arguments)), HEADLINE_CHARS)
}

pub fn level_words(level: u8) -> &'static str {
    match level {
        0 => "any answer",
        1 => "an answer from where the agent is kept away",
        2 => "an answer signed with an approver's key",
        _ => "an answer signed by a passkey",
    }
}

/// What happens when a person says yes, and that nothing else does.
pub fn yes_means(approval: &Approval) -> String {
    let until = approval.expires_at;
    match &approval.about {
        About::Gate { gate } => {
            let phase = approval.phase.clone().unwrap_or_default();
            format!(
                "gate `{gate}` is open once, for leaving phase {phase} with what was handed in by now; until {until}"
            )
        }
        About::Call { tool, .. } if tools::find(tool).is_ok() => {
            format!("the agent may call `{tool}` once, with exactly these arguments, in this phase; until {until}")
        }
        About::Call { tool, .. } if tool == RAISE => "the budget is raised at once, to just that".to_owned(),
        About::Call { tool, .. } if tool == "Bash" => {
            format!(
                "this command runs once, in the work tree, when `phasegate exec {}` is called; until {until}",
                approval.id
            )
        }
        About::Call { tool, .. } => {
            let tool = call_text::name(tool);
            format!(
                "the agent is told yes. phasegate does not run `{tool}` itself, and cannot see whether it runs like this"
            )
        }
        About::Question { .. } => "the agent reads the answer; nothing else happens".to_owned(),
    }
}

pub fn call(approval: &Approval) -> Option<ShownCall> {
    let (tool, arguments) = approval.call()?;
    let About::Call { arguments: asked, .. } = &approval.about else { return None };
    let changes = if asked == arguments { replaced(arguments) } else { changes(asked, arguments) };
    Some(ShownCall {
        tool: call_text::name(tool).into_owned(),
        arguments: arguments.clone(),
        lines: call_text::lines(tool, arguments),
        short: short(tool, arguments),
        warnings: started::warnings(tool, arguments),
        starts: started::starts(tool, arguments),
        changes,
    })
}

/// An edit of a file shows what goes and what comes.
fn replaced(arguments: &Value) -> Vec<Line> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    text("old_string").zip(text("new_string")).map(|(old, new)| compared(old, new)).unwrap_or_default()
}

/// What a person changed of what was asked, line by line.
pub fn changes(asked: &Value, changed: &Value) -> Vec<Line> {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    compared(&pretty(asked), &pretty(changed))
}

fn compared(before: &str, after: &str) -> Vec<Line> {
    let all = similar::TextDiff::from_lines(before, after);
    let lines = all.iter_all_changes().map(|change| {
        let sign = match change.tag() {
            similar::ChangeTag::Insert => "+",
            similar::ChangeTag::Delete => "-",
            similar::ChangeTag::Equal => " ",
        };
        Line { sign, text: exact(change.value().trim_end_matches('\n')) }
    });
    lines.collect()
}

/// The beginning of an artifact, JSON laid out; and whether that is not all.
pub fn artifact_lines(content: &[u8]) -> (Vec<String>, bool) {
    let text = String::from_utf8_lossy(content);
    let pretty = serde_json::from_str::<Value>(&text).ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = pretty.as_deref().unwrap_or(&text);
    let long = text.lines().take(ARTIFACT_LINES).any(|line| line.chars().count() > ARTIFACT_LINE_CHARS);
    let lines = text.lines().take(ARTIFACT_LINES).map(|line| {
        let kept: String = line.chars().take(ARTIFACT_LINE_CHARS).collect();
        visible(&kept)
    });
    (lines.collect(), long || text.lines().count() > ARTIFACT_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_edit_shows_what_goes_and_what_comes() {
        let edit = json!({"file_path": "a", "old_string": "one\ntwo\n", "new_string": "one\nthree\u{200b}\n"});
        let shown: Vec<String> = replaced(&edit).iter().map(|line| format!("{}{}", line.sign, line.text)).collect();
        assert_eq!(shown, [" one", "-two", "+three\\u{200b}"]);
        assert!(replaced(&json!({"command": "ls"})).is_empty());
    }

    #[test]
    fn long_artifacts_say_that_they_are_cut() {
        let long = vec!["x"; ARTIFACT_LINES + 1].join("\n");
        for (content, count, cut) in
            [("a\nb", 2, false), ("{\"a\":1}", 3, false), (long.as_str(), ARTIFACT_LINES, true)]
        {
            let (lines, is_cut) = artifact_lines(content.as_bytes());
            assert_eq!((lines.len(), is_cut), (count, cut), "{content}");
        }
    }
}
