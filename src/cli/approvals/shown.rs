//! What a person sees of an approval: rendered from the stored content, with what agents wrote marked as their claim.

use std::fmt::Write;

use serde_json::Value;

use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::call::CallState;
use crate::domain::ids::Time;
use crate::domain::notice::NoticeState;
use crate::domain::visible::ends;
use crate::engine::Engine;
use crate::engine::inbox::shown::{self as inbox, ShownCall, level_words};

use super::super::board::draw::parts::width;
use super::super::output::{Tone, quoted, visible};
use super::super::{Ended, Out};

const LINES_SHOWN: usize = 40;
/// Of a call more: what a person says yes to is not to be found out later.
const CALL_LINES_SHOWN: usize = 120;
const CALL_CHARS_SHOWN: usize = 4000;
const CHARS_SHOWN: usize = 200;

pub use crate::engine::inbox::shown::{headline, yes_means};

/// Its state, as time has made it by now.
pub fn state(approval: &Approval, now: Time) -> &'static str {
    if approval.has_run_out(now) { "expired" } else { approval.state.word() }
}

/// How much of long texts is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Beginning and end, with what is left out between them.
    Folded,
    /// Whole what a yes would be about; the rest, folded, does not bury it.
    Asked,
    Whole,
}

/// Whether somebody who looks at it without more has seen only parts of what would run.
pub fn is_cut(approval: &Approval) -> bool {
    let mut fold = Fold { full: false, folded: false };
    let call = inbox::call(approval);
    call.iter().for_each(|call| drop(call_lines(call, &mut fold)));
    fold.folded
}

pub fn described(engine: &Engine, approval: &Approval, extent: Extent, out: &Out) -> Result<String, Ended> {
    let (mut text, mut fold) = (String::new(), Fold { full: extent != Extent::Folded, folded: false });
    let asked = match approval.about {
        About::Gate { .. } | About::Call { .. } => quoted(&approval.ask, 0),
        About::Question { .. } => format!("the agent asks: {}", quoted(&approval.ask, 2)),
    };
    let tone = match approval.state {
        ApprovalState::Pending => Tone::Asking,
        ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } | ApprovalState::Consumed { .. } => Tone::Good,
        ApprovalState::Rejected(_) | ApprovalState::Expired { .. } | ApprovalState::Cancelled { .. } => Tone::Bad,
    };
    let _ = writeln!(text, "{} is {}: {asked}", approval.id, out.toned(tone, state(approval, engine.now())));
    for (name, value) in facts(engine, approval)? {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12}{}", quoted(&value, 14));
        }
    }
    if let Some(call) = inbox::call(approval) {
        text.push_str("\n  the call, exactly as it would run:\n");
        text.push_str(&call_text(&call, &mut fold, out));
        if let (About::Call { arguments: asked, .. }, true) = (&approval.about, approval.state.answer().is_some())
            && *asked != call.arguments
        {
            text.push_str(&changes(approval, &call.arguments));
        }
    }
    match engine.void(approval.id)? {
        Some(why) if approval.state.is_unused() => {
            let _ = writeln!(
                text,
                "\n  {:<12}{}",
                "void",
                quoted(&format!("{why}; it cannot be answered or used any more"), 14)
            );
        }
        _ if approval.state.is_pending() && !approval.has_run_out(engine.now()) => {
            let _ = writeln!(text, "\n  {:<12}{}", "after a yes", quoted(&yes_means(approval), 14));
            let _ = writeln!(text, "  {:<12}{}", "answer", how_to_answer(approval));
        }
        _ => {}
    }
    fold.full = match approval.about {
        About::Gate { .. } | About::Question { .. } => fold.full,
        About::Call { .. } => extent == Extent::Whole,
    };
    text.push_str(&claimed(engine, approval, &mut fold, out)?);
    if fold.folded {
        let _ = writeln!(text, "\n  not all of it is shown: phasegate approvals show {} --full", approval.id);
    }
    Ok(text)
}

/// What agents say about it and have handed in.
fn claimed(engine: &Engine, approval: &Approval, fold: &mut Fold, out: &Out) -> Result<String, Ended> {
    let mut text = String::new();
    if !approval.reason.is_empty() {
        let said = out.toned(Tone::Claimed, &quoted(&approval.reason, 14));
        let _ = writeln!(text, "  {:<12}the agent says: {said}", "claimed");
    }
    let task = match approval.task {
        Some(id) => engine.task(id)?,
        None => None,
    };
    if let Some(task) = task {
        let _ = writeln!(text, "  {:<12}{} “{}”", "task", task.id, quoted(&task.spec.title, 14));
        for (name, artifact) in &task.artifacts {
            let _ =
                writeln!(text, "\n  artifact {name} v{}, handed in by {} (claimed):", artifact.version, artifact.by);
            let content = engine.blob(&artifact.sha256)?.unwrap_or_default();
            for shown in fold.text(&pretty(&String::from_utf8_lossy(&content)), LINES_SHOWN, CHARS_SHOWN) {
                let _ = writeln!(text, "    │ {}", visible(&shown));
            }
        }
    }
    Ok(text)
}

/// The others of its batch.
fn together(engine: &Engine, approval: &Approval) -> Result<String, Ended> {
    if approval.batch.is_none() {
        return Ok(String::new());
    }
    let all = engine.batch_of(approval.id)?;
    let others = all.iter().filter(|known| known.id != approval.id).map(|known| known.id);
    Ok(format!("answered together with {}", crate::domain::decide::words(others)))
}

/// What is known of it, a line each.
fn facts(engine: &Engine, approval: &Approval) -> Result<Vec<(&'static str, String)>, Ended> {
    let mut facts = vec![
        ("asked by", approval.requested_by.0.clone()),
        ("asked at", approval.requested_at.to_string()),
        ("until", approval.expires_at.to_string()),
        ("together", together(engine, approval)?),
        ("from", approval.from.join(", ")),
        ("level", format!("{}: {}", approval.level, level_words(approval.level))),
        ("digest", approval.effective_digest().to_owned()),
    ];
    match &approval.about {
        About::Gate { gate } => {
            facts.push(("opens", format!("gate `{gate}` of phase {}", approval.phase.clone().unwrap_or_default())));
        }
        About::Question { choices } => facts.push(("choices", choices.join(" | "))),
        About::Call { pin, .. } => facts.push(("tool pin", pin.clone().unwrap_or_default())),
    }
    if let Some(answer) = approval.state.answer() {
        let choice = answer.choice.clone().map(|choice| format!(", {choice}")).unwrap_or_default();
        let signed = if answer.signed.is_some() { ", signed" } else { "" };
        let how = format!("{} at level {}{signed}", answer.via.words(), answer.level);
        facts.push(("answered", format!("by {} {how}{choice}", answer.by)));
        facts.push(("reason", answer.reason.clone()));
    }
    if let ApprovalState::Cancelled { why, .. } = &approval.state {
        facts.push(("void", why.clone()));
    }
    for notice in engine.notices(approval.id)? {
        let error = notice.error.map(|error| format!(": {error}")).unwrap_or_default();
        let state = match notice.state {
            NoticeState::Failed { .. } if approval.state.is_pending() => "not sent yet, tried again",
            _ => notice.state.word(),
        };
        facts.push(("told", format!("{} ({}) {state}{error}", notice.channel, notice.what.word())));
    }
    if let Some(call) = engine.call_of(approval.id)? {
        let end = match &call.state {
            CallState::Running => format!("runs since {}", call.started_at),
            CallState::Finished { summary, .. } | CallState::Failed { summary, .. } => summary.clone(),
            CallState::Orphaned { .. } => "whoever ran it is gone; what it did is not known".to_owned(),
        };
        facts.push(("carried out", format!("{} {}: {end}", call.id, call.state.word())));
    }
    Ok(facts)
}

fn how_to_answer(approval: &Approval) -> String {
    let id = approval.id;
    let signed = if approval.level >= 2 { " --as NAME" } else { "" };
    match (&approval.about, approval.batch) {
        (_, Some(first)) => {
            format!("phasegate approvals batch approve {first}{signed}  |  batch reject {first} --reason …")
        }
        (About::Question { choices }, _) if !choices.is_empty() => {
            format!("phasegate approvals approve {id}{signed} --choice …  |  reject {id} --reason …")
        }
        (About::Call { .. }, _) => {
            format!("phasegate approvals approve {id}{signed}  |  adjust {id} '{{…}}'  |  reject {id} --reason …")
        }
        _ => format!("phasegate approvals approve {id}{signed}  |  reject {id} --reason …"),
    }
}

/// All that would run, in a frame, with what to look out for below it.
fn call_text(call: &ShownCall, fold: &mut Fold, out: &Out) -> String {
    let mut text = String::new();
    let (lines, starts) = call_lines(call, fold);
    let _ = writeln!(text, "    │ {}", out.toned(Tone::Asking, &call.tool));
    for line in lines {
        let _ = writeln!(text, "    │ {line}");
    }
    if let Some(all) = &call.starts {
        let doubt = all.doubt.as_ref().map(|why| format!(", and maybe more, since {why}")).unwrap_or_default();
        let _ = writeln!(text, "\n  what it starts, one a line{doubt}:");
        for line in starts {
            let _ = writeln!(text, "    │ {line}");
        }
    }
    for warning in &call.warnings {
        let _ = writeln!(text, "\n  {}", out.toned(Tone::Bad, &format!("warning: {warning}")));
    }
    text
}

/// The arguments, and what a shell command starts.
fn call_lines(call: &ShownCall, fold: &mut Fold) -> (Vec<String>, Vec<String>) {
    let starts = call.starts.as_ref().map(|starts| starts.commands.as_slice()).unwrap_or_default();
    let mut folded = |lines: &[String]| fold.lines(lines, CALL_LINES_SHOWN, CALL_CHARS_SHOWN);
    (folded(&call.lines), folded(starts))
}

/// What a person changed, line by line.
pub fn changes(approval: &Approval, arguments: &Value) -> String {
    let About::Call { arguments: asked, .. } = &approval.about else { return String::new() };
    let mut text = "\n  changed from what the agent asked for:\n".to_owned();
    for line in inbox::changes(asked, arguments) {
        let _ = writeln!(text, "    {} {}", line.sign, line.text);
    }
    text
}

/// JSON laid out, where it is JSON; only for documents, since of a call the very text counts.
fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}

/// Lines broken where the terminal would break them by itself: words of an agent must not stand where a line of ours would
/// begin. Nothing is left out, not even a blank.
pub fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let mut broken = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let margin: String = line.chars().take_while(|c| *c == ' ' || *c == '│').collect();
        let on = if margin.contains('│') { format!("{margin}↳ ") } else { "    ↳ ".to_owned() };
        // What colours a word has no width; of agents no such character is left.
        let (mut used, mut colours) = (0, false);
        for c in line.chars() {
            colours |= c == '\u{1b}';
            let wide = if colours || c == '\n' { 0 } else { width(c.encode_utf8(&mut [0; 4])) };
            colours &= c != 'm';
            if used + wide > columns {
                broken.push('\n');
                broken.push_str(&on);
                used = width(&on);
            }
            used += wide;
            broken.push(c);
        }
    }
    broken
}

/// Long content as its beginning and its end, unless all of it is wanted.
struct Fold {
    full: bool,
    /// Something was left out.
    folded: bool,
}

impl Fold {
    fn text(&mut self, text: &str, most_lines: usize, most_chars: usize) -> Vec<String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.lines(&lines, most_lines, most_chars)
    }

    /// What matters may stand last, so both ends are kept.
    fn lines(&mut self, lines: &[String], most_lines: usize, most_chars: usize) -> Vec<String> {
        if self.full {
            return lines.to_vec();
        }
        let (count, tail) = (lines.len(), most_lines / 3);
        let (head, last) = if count > most_lines { (most_lines - tail, count - tail) } else { (count, count) };
        let mut kept: Vec<String> = lines.iter().take(head).map(|line| self.line(line, most_chars)).collect();
        if count > most_lines {
            self.folded = true;
            kept.push(format!("… ({count} lines, {} left out) …", count - most_lines));
        }
        kept.extend(lines.iter().skip(last).map(|line| self.line(line, most_chars)));
        kept
    }

    fn line(&mut self, line: &str, most: usize) -> String {
        self.folded |= line.chars().count() > most;
        ends(line, most)
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn no_terminal_breaks_a_line_of_an_agent_out_of_its_frame() {
        let text =
            "  level       1\n    │ command: echo  a  after a yes\n  claimed     \u{1b}[33mab cd\u{1b}[0m efghijk\n";
        let expected = "  level       1\n    │ command: echo  a\n    │ ↳   after a yes\n  claimed     \u{1b}[33mab cd\u{1b}[0m ef\n    ↳ ghijk\n";
        assert_eq!(wrapped(text, Some(22)), expected);
        assert_eq!(wrapped(text, None), text);
        assert_eq!(wrapped("    │ 漢字漢字漢字", Some(15)), "    │ 漢字漢字\n    │ ↳ 漢字");
    }
}
