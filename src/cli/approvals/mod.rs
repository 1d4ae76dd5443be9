//! `phasegate approvals`: what agents ask a person, and the person's answer. What a person is shown is in `shown`.

pub mod shown;

use serde_json::Value;

use crate::domain::approval::Approval;
use crate::domain::approver::Via;
use crate::domain::command::{DecideApprovals, Decision};
use crate::domain::decide::{answer_statement, changed, still_open};
use crate::domain::ids::ApprovalId;
use crate::domain::query::ApprovalFilter;
use crate::domain::refusal::{Code, Refusal};
use crate::engine::Engine;
use crate::engine::views::one_line;

use super::output::visible;
use super::signing::{SignArgs, Signer};
use super::{Ended, Out, Place};
use shown::Extent;

const SIGNED: u8 = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// What waits for an answer.
    List {
        /// Answered ones too, and those whose time ran out.
        #[arg(long)]
        all: bool,
    },
    /// One approval: what it is about, and what happens after a yes.
    Show {
        id: ApprovalId,
        /// Long values whole, instead of their beginning and their end.
        #[arg(long)]
        full: bool,
    },
    /// Say yes.
    Approve {
        id: ApprovalId,
        #[command(flatten)]
        answer: AnswerArgs,
        /// For a question with choices.
        #[arg(long)]
        choice: Option<String>,
    },
    /// Say no; the agent reads the reason.
    Reject {
        id: ApprovalId,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    /// Say yes to a call with other arguments.
    Adjust {
        id: ApprovalId,
        /// The whole object of arguments, as JSON.
        arguments: String,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    /// Answer several in one go: all of them, or none. An approval stands for all that was asked together with it.
    Batch {
        #[command(subcommand)]
        act: BatchAct,
    },
}

#[derive(Debug, clap::Subcommand)]
enum BatchAct {
    Approve {
        #[arg(required = true)]
        ids: Vec<ApprovalId>,
        #[command(flatten)]
        answer: AnswerArgs,
    },
    Reject {
        #[arg(required = true)]
        ids: Vec<ApprovalId>,
        #[command(flatten)]
        answer: AnswerArgs,
    },
}

#[derive(Clone, Debug, clap::Args)]
struct AnswerArgs {
    /// Answers without asking. What is too long for a page is only approved with `--full` besides.
    #[arg(long)]
    yes: bool,
    /// Shows all of it before the answer, however long it is.
    #[arg(long)]
    full: bool,
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    match &args.act {
        Act::List { all } => list(&engine, *all, out),
        Act::Show { id, full } => {
            let approval = find(&engine, *id)?;
            let extent = if *full { Extent::Whole } else { Extent::Folded };
            let text = shown::described(&engine, &approval, extent, out)?;
            out.answer(&value(&approval), &shown::wrapped(&text, out.columns(false)));
            Ok(())
        }
        Act::Approve { id, answer, choice } => {
            let decision = Decision::Approve { reason: answer.reason.clone(), choice: choice.clone() };
            decide(&engine, place, &[find(&engine, *id)?], decision, answer, out)
        }
        Act::Reject { id, answer } => {
            let decision = Decision::Reject { reason: answer.reason.clone() };
            decide(&engine, place, &[find(&engine, *id)?], decision, answer, out)
        }
        Act::Adjust { id, arguments, answer } => {
            let wrong = |error| {
                Ended::usage(
                    format!("these arguments are not JSON: {error}"),
                    "give an object such as '{\"command\":\"ls\"}'",
                )
            };
            let arguments: Value = serde_json::from_str(arguments).map_err(wrong)?;
            let decision = Decision::Adjust { reason: answer.reason.clone(), arguments };
            decide(&engine, place, &[find(&engine, *id)?], decision, answer, out)
        }
        Act::Batch { act: BatchAct::Approve { ids, answer } } => {
            let decision = Decision::Approve { reason: answer.reason.clone(), choice: None };
            decide(&engine, place, &all_of(&engine, ids)?, decision, answer, out)
        }
        Act::Batch { act: BatchAct::Reject { ids, answer } } => {
            let decision = Decision::Reject { reason: answer.reason.clone() };
            decide(&engine, place, &all_of(&engine, ids)?, decision, answer, out)
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

/// The named ones and those that were asked together with them, each once.
pub fn all_of(engine: &Engine, ids: &[ApprovalId]) -> Result<Vec<Approval>, Ended> {
    let mut all: Vec<Approval> = Vec::new();
    for id in ids {
        find(engine, *id)?;
        for approval in engine.batch_of(*id)? {
            if !all.iter().any(|known| known.id == approval.id) {
                all.push(approval);
            }
        }
    }
    Ok(all)
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
    let mut found = engine.approvals(&filter)?;
    let now = engine.now();
    // What has run out is pending in the store until somebody looks at it again, and waits for nobody.
    found.retain(|approval| all || !approval.has_run_out(now));
    if out.is_json() {
        out.value(&Value::Array(found.iter().map(value).collect()));
        return Ok(());
    }
    if found.is_empty() {
        out.text("Nothing waits for an answer.");
    }
    let mut oldest = None;
    for approval in found.iter().rev() {
        let task = approval.task.map(|task| task.to_string()).unwrap_or_default();
        let waits = approval.state.is_pending() && !approval.has_run_out(now);
        let void = waits && engine.void(approval.id)?.is_some();
        let when = if waits && !void { left(now.seconds_until(approval.expires_at)) } else { String::new() };
        let state = if void { "void" } else { shown::state(approval, now) };
        let id = approval.id.to_string();
        let together = approval.batch.map(|first| format!(" [with {first}]")).unwrap_or_default();
        let line =
            format!("{id:<6} {task:<7} {state:<9} {when:<10} {}{together}", one_line(&shown::headline(approval)));
        out.text(&visible(&line));
        oldest = oldest.or((waits && !void).then_some(approval.id));
    }
    if let Some(oldest) = oldest {
        out.text(&format!("Look and answer: phasegate approvals show {oldest}"));
    }
    Ok(())
}

/// How long there is, rounded to what a person would say.
fn left(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s left"),
        120..7200 => format!("{} min left", (seconds + 30) / 60),
        7200..172_800 => format!("{} h left", (seconds + 1800) / 3600),
        _ => format!("{} d left", (seconds + 43_200) / 86_400),
    }
}

/// One answer to all of them, or to none.
fn decide(
    engine: &Engine,
    place: &Place,
    approvals: &[Approval],
    decision: Decision,
    args: &AnswerArgs,
    out: &Out,
) -> Result<(), Ended> {
    let list = crate::domain::decide::words(approvals.iter().map(|approval| approval.id));
    let approves = matches!(decision, Decision::Approve { .. });
    // Nobody reads, answers and signs what cannot be answered any more.
    for approval in approvals {
        still_open(approval, engine.now())?;
        if let Some(why) = engine.void(approval.id)? {
            return Err(changed(approval.id, &why).into());
        }
    }
    if args.yes && approves && !args.full {
        seen_whole(approvals)?;
    }
    if args.full || !args.yes {
        // A yes takes what is before the eyes, so nothing of it is folded.
        let extent = if args.full {
            Extent::Whole
        } else if approves {
            Extent::Asked
        } else {
            Extent::Folded
        };
        for approval in approvals {
            let text = shown::described(engine, approval, extent, out)?;
            out.aside(&shown::wrapped(&text, out.columns(true)));
        }
    }
    if !args.yes {
        let verb = match &decision {
            Decision::Approve { .. } => "Approve",
            Decision::Reject { .. } => "Reject",
            Decision::Adjust { arguments, .. } => {
                for approval in approvals {
                    out.aside(&shown::wrapped(&shown::changes(approval, arguments), out.columns(true)));
                }
                "Approve with these arguments"
            }
        };
        if !out.asks(&format!("{verb}: {list}?"))? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let signer = args.signing.signer(place, engine, needs_key(engine, approvals)?, out)?;
    let after = answered(engine, approvals, decision, &signer)?;
    let lines: Vec<String> = after.iter().map(told).collect();
    let value = match after.as_slice() {
        [one] => value(one),
        several => Value::Array(several.iter().map(value).collect()),
    };
    out.answer(&value, &lines.join("\n"));
    Ok(())
}

/// A yes without a look is taken for what a page shows whole, and for nothing longer.
fn seen_whole(approvals: &[Approval]) -> Result<(), Ended> {
    match approvals.iter().find(|approval| shown::is_cut(approval)) {
        None => Ok(()),
        Some(Approval { id, .. }) => Err(Ended::usage(
            format!("{id} is too long for `approvals show` to show whole, and `--yes` would approve it unseen"),
            "leave `--yes` out and it is shown whole before the question; `--yes --full` shows it whole and asks nothing",
        )),
    }
}

/// A key is opened where the question asks for one: by its level, or by naming who may answer.
pub fn needs_key(engine: &Engine, approvals: &[Approval]) -> Result<bool, Ended> {
    let named = approvals.iter().any(|approval| !approval.from.is_empty()) && engine.has_approvers()?;
    Ok(named || approvals.iter().any(|approval| approval.level >= SIGNED))
}

/// Gives the answer, signed where there is a key; the approvals as they are afterwards.
pub fn answered(
    engine: &Engine,
    approvals: &[Approval],
    decision: Decision,
    signer: &Signer,
) -> Result<Vec<Approval>, Ended> {
    let workspace = engine.workspace_id()?;
    let signed = approvals
        .iter()
        .map(|approval| (approval.id, signer.signed(engine, &answer_statement(&workspace, approval, &decision))));
    let signed = signed.collect();
    let answers = DecideApprovals { approvals: signed, answer: decision, level: signer.level(), via: Via::CommandLine };
    Ok(engine.answer(&signer.caller, answers)?)
}

pub fn told(after: &Approval) -> String {
    let answer = after.state.answer();
    let choice = answer.and_then(|answer| answer.choice.clone());
    let with = choice.map(|choice| format!(" with `{}`", one_line(&choice))).unwrap_or_default();
    let level = answer.map_or(0, |answer| answer.level);
    let by = answer.filter(|answer| answer.signed.is_some()).map(|answer| format!(", signed by {}", answer.by));
    visible(&format!("{} is {}{with} (level {level}{})", after.id, after.state.word(), by.unwrap_or_default()))
}
