//! `phasegate tasks cost` and `tasks budget`: what a task has cost and by what, and other caps for it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::domain::command::ChangeBudget;
use crate::domain::decide::budget::statement;
use crate::domain::forecast::{Forecast, WINDOW_MINUTES};
use crate::domain::ids::TaskId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::{Cost, Unit, caps_words, dollars, exact, micro};
use crate::domain::warning::DANGER;
use crate::domain::workflow::Budget;
use crate::engine::Engine;
use crate::engine::spending::TaskCost;

use super::output::visible;
use super::signing::SignArgs;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct BudgetArgs {
    /// The task.
    id: TaskId,
    /// US dollars, for the task and everything below it.
    #[arg(long)]
    usd: Option<f64>,
    /// Tokens, but for those that come out of a cache; for the task and everything below it.
    #[arg(long)]
    tokens: Option<u64>,
    /// Minutes under a claim.
    #[arg(long)]
    minutes: Option<u64>,
    /// Answers of a model, for the task and everything below it.
    #[arg(long)]
    calls: Option<u64>,
    /// Why; it stays on record.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Do not ask first.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn budget(engine: &Engine, place: &Place, args: &BudgetArgs, out: &Out) -> Result<(), Ended> {
    let BudgetArgs { id, usd, tokens, minutes, calls, reason, yes, signing } = args;
    let budget = Budget { usd: *usd, tokens: *tokens, minutes: *minutes, calls: *calls };
    let before = engine.cost(*id)?.ok_or_else(|| unknown(*id))?;
    if !yes {
        out.aside(&format!("{id} has {}; it gets {}", caps_words(&before.caps), caps_words(&budget)));
        if !out.asks("Change the budget? It is on record.")? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let signer = signing.signer(place, engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(engine, &statement(&engine.workspace_id()?, *id, &budget, reason));
    let change = ChangeBudget { task: *id, budget, reason: reason.clone(), proof };
    engine.change_budget(&signer.caller, change)?;
    let after = engine.cost(*id)?.ok_or_else(|| unknown(*id))?;
    out.answer(&json!({ "task": id, "before": before.caps, "budget": after.caps, "left": after.left }), &said(&after));
    Ok(())
}

pub fn cost(engine: &Engine, id: TaskId, out: &Out) -> Result<(), Ended> {
    let cost = engine.cost(id)?.ok_or_else(|| unknown(id))?;
    out.answer(&value(&cost), &visible(&page(&cost)));
    Ok(())
}

pub fn unknown(id: TaskId) -> Ended {
    let message = format!("there is no task {id} in this workspace");
    Ended::Refused(Refusal::new(Code::UnknownTask, message, "`phasegate tasks list` shows what there is"))
}

/// For programs: the sums, and each by what it was spent on.
pub fn value(cost: &TaskCost) -> Value {
    let mut value = serde_json::to_value(cost).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        let by = sides(&cost.costs).into_iter().map(|(side, sums)| {
            let rows: serde_json::Map<String, Value> = sums
                .into_iter()
                .map(|(name, sum)| {
                    (name, json!({ "micro_usd": sum.micro_usd, "tokens": sum.tokens, "calls": sum.calls }))
                })
                .collect();
            (side.to_owned(), Value::Object(rows))
        });
        fields.insert("by".to_owned(), Value::Object(by.collect()));
    }
    value
}

#[derive(Clone, Copy, Default)]
struct Sum {
    micro_usd: u64,
    tokens: u64,
    calls: u64,
}

/// What a cost is listed under.
type Name<'n> = &'n dyn Fn(&Cost) -> String;

/// The same money five times over: by task, phase, agent, model and session.
fn sides(costs: &[Cost]) -> Vec<(&'static str, BTreeMap<String, Sum>)> {
    let task = |cost: &Cost| cost.on.task.map(|task| task.to_string()).unwrap_or_default();
    let names: [(&str, Name<'_>); 5] = [
        ("task", &task),
        ("phase", &|cost| cost.on.phase.clone()),
        ("agent", &|cost| cost.on.agent.clone()),
        ("model", &|cost| cost.on.model.clone()),
        ("session", &|cost| cost.on.session.clone()),
    ];
    let sums = |name: Name<'_>| {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        for cost in costs {
            let sum = sums.entry(name(cost)).or_default();
            sum.micro_usd = sum.micro_usd.saturating_add(cost.micro_usd);
            sum.tokens = sum.tokens.saturating_add(cost.tokens.counted());
            sum.calls = sum.calls.saturating_add(cost.calls);
        }
        sums
    };
    names.into_iter().map(|(side, name)| (side, sums(name))).collect()
}

fn page(cost: &TaskCost) -> String {
    let mut text = said(cost);
    text.push('\n');
    foreseen(&mut text, cost);
    for (side, sums) in sides(&cost.costs).into_iter().filter(|(_, sums)| !sums.is_empty()) {
        let _ = writeln!(text, "\nby {side}");
        for (name, sum) in sums {
            let name = if name.is_empty() { "-" } else { &name };
            let (usd, answers) = (dollars(sum.micro_usd), sum.calls);
            let _ = writeln!(text, "  {name:<40} {usd:>10} {:>12} tokens {answers:>6} answers", sum.tokens);
        }
    }
    let guessed: u64 = cost.costs.iter().map(|cost| cost.guessed_micro_usd).sum();
    if guessed > 0 {
        let unknown: Vec<&str> =
            cost.costs.iter().filter(|cost| cost.guessed_micro_usd > 0).map(|cost| cost.on.model.as_str()).collect();
        let (usd, models, date) = (dollars(guessed), unknown.join(", "), &cost.prices);
        let _ = writeln!(text, "\n{usd} of it is counted at the dearest price of {date}: none is known for {models}");
    }
    text
}

/// When caps are reached, and what such a task usually comes to, with how that is reckoned.
fn foreseen(text: &mut String, cost: &TaskCost) {
    // What stands in the first line already is not said again.
    let says_more = |cap: &&Forecast| cap.minutes_left.is_some() || cap.task != cost.task || cap.percent >= DANGER;
    for cap in cost.forecasts.iter().filter(says_more) {
        let _ = writeln!(text, "  {}", cap.words());
    }
    if cost.forecasts.iter().any(|cap| cap.minutes_left.is_some() && cap.unit != Unit::Minutes) {
        let _ = writeln!(
            text,
            "  (by the pace of the last {WINDOW_MINUTES} minutes, or since the claim where that is newer)"
        );
    }
    let Some(usual) = cost.usual else { return };
    let kind = if cost.kind.is_empty() { "without a type".to_owned() } else { format!("of type {}", cost.kind) };
    let (usd, tokens, calls, minutes) = (dollars(usual.micro_usd), usual.tokens, usual.calls, usual.minutes);
    let _ = writeln!(
        text,
        "  usual for tasks {kind} in workflow {}: {usd}, {tokens} tokens, {calls} answers, {minutes} minutes \
         (each the median of {} done ones)",
        cost.workflow, usual.tasks
    );
}

/// In one line: spent, of what, and what is set aside.
pub fn said(cost: &TaskCost) -> String {
    let of = |cap: Option<String>| cap.map(|cap| format!(" of {cap}")).unwrap_or_default();
    let spent = &cost.account.spent;
    let mut parts = vec![
        format!("{}{}", dollars(spent.micro_usd), of(cost.caps.usd.map(|usd| exact(micro(usd))))),
        format!("{}{} tokens", spent.tokens, of(cost.caps.tokens.map(|tokens| tokens.to_string()))),
        format!("{}{} minutes", cost.minutes, of(cost.caps.minutes.map(|minutes| minutes.to_string()))),
        format!("{}{} answers", spent.calls, of(cost.caps.calls.map(|calls| calls.to_string()))),
    ];
    let reserved = &cost.account.reserved;
    if !reserved.is_nothing() {
        let calls = if reserved.calls > 0 { format!(" and {} answers", reserved.calls) } else { String::new() };
        parts.push(format!("{} and {} tokens{calls} set aside", dollars(reserved.micro_usd), reserved.tokens));
    }
    format!("{} {}", cost.task, parts.join(", "))
}
