//! `phasegate approvals`: what agents ask a person, shown from the stored content, and the person's answer.

use std::fmt::Write;

use serde_json::Value;

use crate::domain::approval::{About, Approval};
use crate::domain::command::Decision;
use crate::domain::ids::ApprovalId;
use crate::domain::query::ApprovalFilter;
use crate::domain::refusal::{Code, Refusal};
use crate::engine::Engine;
use crate::engine::views::one_line;

use super::output::{quoted, visible};
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// What waits for an answer.
    List {
        /// Answered ones too.
        #[arg(long)]
        all: bool,
    },
    /// One approval, with what it is about.
    Show { id: ApprovalId },
    /// Say yes.
    Approve {
        id: ApprovalId,
        #[arg(long)]
        yes: bool,
        #[arg(long, default_value = "")]
        reason: String,
        /// For a question with choices.
        #[arg(long)]
        choice: Option<String>,
    },
    /// Say no; the agent reads the reason.
    Reject {
        id: ApprovalId,
        #[arg(long)]
        yes: bool,
        #[arg(long, default_value = "")]
        reason: String,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    match &args.act {
        Act::List { all } => list(&engine, *all, out),
        Act::Show { id } => {
            let approval = find(&engine, *id)?;
            out.answer(&value(&approval), &described(&engine, &approval)?);
            Ok(())
        }
        Act::Approve { id, yes, reason, choice } => {
            let decision = Decision::Approve { reason: reason.clone(), choice: choice.clone() };
            answer(&engine, place, *id, decision, *yes, out)
        }
        Act::Reject { id, yes, reason } => {
            answer(&engine, place, *id, Decision::Reject { reason: reason.clone() }, *yes, out)
        }
    }
}

fn find(engine: &Engine, id: ApprovalId) -> Result<Approval, Ended> {
    let missing = || {
        Refusal::new(
            Code::UnknownApproval,
            format!("there is no approval {id}"),
            "`phasegate approvals list` shows them",
        )
    };
    Ok(engine.approval(id)?.ok_or_else(missing)?)
}

fn value(approval: &Approval) -> Value {
    let mut value = serde_json::to_value(approval).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut value {
        fields.insert("status".to_owned(), Value::String(approval.state.word().to_owned()));
    }
    value
}

fn list(engine: &Engine, all: bool, out: &Out) -> Result<(), Ended> {
    let filter = ApprovalFilter { pending_only: !all, id: None, limit: 500 };
    let found = engine.approvals(&filter)?;
    if out.is_json() {
        out.value(&Value::Array(found.iter().map(value).collect()));
        return Ok(());
    }
    if found.is_empty() {
        out.text("Nothing waits for an answer.");
    }
    let now = engine.now();
    for approval in found.iter().rev() {
        let task = approval.task.map(|task| task.to_string()).unwrap_or_default();
        let left = now.seconds_until(approval.expires_at);
        let when = if approval.state.is_pending() { format!("{} h left", left / 3600) } else { String::new() };
        let (id, state) = (approval.id.to_string(), approval.state.word());
        out.text(&visible(&format!("{id:<6} {task:<7} {state:<9} {when:<10} {}", one_line(&approval.ask))));
    }
    if let Some(oldest) = found.iter().rev().find(|approval| approval.state.is_pending()) {
        out.text(&format!("Look and answer: phasegate approvals show {}", oldest.id));
    }
    Ok(())
}

fn described(engine: &Engine, approval: &Approval) -> Result<String, Ended> {
    let mut text = String::new();
    let asked = match approval.about {
        About::Gate { .. } => quoted(&approval.ask, 0),
        About::Question { .. } => format!("the agent asks: {}", quoted(&approval.ask, 2)),
    };
    let _ = writeln!(text, "{} is {}: {asked}", approval.id, approval.state.word());
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12}{}", quoted(value, 14));
        }
    };
    line("asked by", &approval.requested_by.0);
    line("asked at", &approval.requested_at.to_string());
    line("until", &approval.expires_at.to_string());
    line("from", &approval.from.join(", "));
    line("level", &approval.level.to_string());
    match &approval.about {
        About::Gate { gate } => {
            line("opens", &format!("gate `{gate}` of phase {}", approval.phase.clone().unwrap_or_default()))
        }
        About::Question { choices } => line("choices", &choices.join(" | ")),
    }
    line("digest", &approval.digest);
    if let Some(answer) = approval.state.answer() {
        let choice = answer.choice.clone().map(|choice| format!(", {choice}")).unwrap_or_default();
        line("answered", &format!("by {} at level {}{choice} {}", answer.by, answer.level, answer.reason));
    }
    for notice in engine.notices(approval.id)? {
        let error = notice.error.map(|error| format!(": {error}")).unwrap_or_default();
        line("told", &format!("{} ({}) {}{error}", notice.channel, notice.what.word(), notice.state.word()));
    }
    if !approval.reason.is_empty() {
        line("claimed", &format!("the agent says: {}", approval.reason));
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
            for shown in folded(&String::from_utf8_lossy(&content)) {
                let _ = writeln!(text, "    │ {}", visible(&shown));
            }
        }
    }
    Ok(text)
}

const LINES_SHOWN: usize = 40;
const WIDTH_SHOWN: usize = 200;

/// Long content with its length instead of its tail.
fn folded(text: &str) -> Vec<String> {
    let pretty = serde_json::from_str::<Value>(text).ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = pretty.as_deref().unwrap_or(text);
    let count = text.lines().count();
    let mut lines: Vec<String> = text
        .lines()
        .take(LINES_SHOWN)
        .map(|line| {
            let length = line.chars().count();
            if length <= WIDTH_SHOWN {
                return line.to_owned();
            }
            let kept: String = line.chars().take(WIDTH_SHOWN).collect();
            format!("{kept}… ({length} characters)")
        })
        .collect();
    if count > LINES_SHOWN {
        lines.push(format!("… ({count} lines)"));
    }
    lines
}

fn answer(
    engine: &Engine,
    place: &Place,
    id: ApprovalId,
    decision: Decision,
    yes: bool,
    out: &Out,
) -> Result<(), Ended> {
    let approval = find(engine, id)?;
    if !yes {
        out.aside(&described(engine, &approval)?);
        let verb = match decision {
            Decision::Approve { .. } => "Approve",
            Decision::Reject { .. } => "Reject",
        };
        if !out.asks(&format!("{verb} {id}?"))? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let after = engine.answer(&place.person(), id, decision, place.level())?.unwrap_or(approval);
    let choice = after.state.answer().and_then(|answer| answer.choice.clone());
    let with = choice.map(|choice| format!(" with `{}`", one_line(&choice))).unwrap_or_default();
    out.answer(&value(&after), &format!("{id} is {}{with} (level {})", after.state.word(), place.level()));
    Ok(())
}
