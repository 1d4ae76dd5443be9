//! A higher cap by approval: an agent asks for a call of `raise_budget`, and a person's yes to it sets the cap in the same
//! transaction. No tool has that name: nobody but a person carries it out. Asking and answering are in `ask` and `approve`.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::approval::{Answer, Approval, ApprovalState};
use crate::domain::approver::LEVEL_SIGNED;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::TaskId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::{Cap, caps_words};
use crate::domain::task::Task;
use crate::domain::workflow::Budget;

use super::budget::{caps, lineage, sound};

/// Stands where the name of a tool would.
pub const RAISE: &str = "raise_budget";

/// Whose caps, and how high they shall be; nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raise {
    task: Option<TaskId>,
    usd: Option<f64>,
    tokens: Option<u64>,
    minutes: Option<u64>,
    calls: Option<u64>,
}

impl Raise {
    fn budget(&self) -> Budget {
        Budget { usd: self.usd, tokens: self.tokens, minutes: self.minutes, calls: self.calls }
    }
}

pub fn is_raise(approval: &Approval) -> bool {
    approval.call().is_some_and(|(tool, _)| tool == RAISE)
}

/// Whether the arguments can be read at all: what could not be done is not worth a person's time.
pub fn readable(arguments: &Value) -> Result<(), Refusal> {
    read(arguments).map(drop)
}

fn read(arguments: &Value) -> Result<Raise, Refusal> {
    let bad = |why: String| {
        let hint = "such as {\"tool\":\"raise_budget\",\"arguments\":{\"task\":\"T-1\",\"usd\":10}}; also `tokens`, `minutes` \
                    and `calls`, each the whole new cap";
        Refusal::new(Code::BadArguments, format!("`{RAISE}` asks for a higher cap: {why}"), hint)
    };
    let raise = Raise::deserialize(arguments).map_err(|error| bad(error.to_string()))?;
    if raise.budget().is_none() {
        return Err(bad("none is given".to_owned()));
    }
    sound(&raise.budget())?;
    Ok(raise)
}

/// The task whose caps are meant, which must be the holder's own or one that it is a part of.
fn meant<'f>(facts: &'f Facts, own: &'f Task, raise: &Raise) -> Result<&'f Task, Refusal> {
    let id = raise.task.unwrap_or(own.id);
    let refuse = || {
        let message = format!("{} is no part of {id}, so nothing of its budget is for it", own.id);
        Refusal::new(Code::BadArguments, message, format!("name {} or a task that it is a part of", own.id))
    };
    lineage(facts, own).find(|part| part.id == id).ok_or_else(refuse)
}

/// What a person is asked, made of figures alone.
pub fn asked(facts: &Facts, own: &Task, arguments: &Value) -> Result<String, Refusal> {
    let raise = read(arguments)?;
    let task = meant(facts, own, &raise)?;
    let now = caps(task, facts.workflow_of(task)?);
    let wanted = raise.budget();
    let named = Budget {
        usd: now.usd.filter(|_| wanted.usd.is_some()),
        tokens: now.tokens.filter(|_| wanted.tokens.is_some()),
        minutes: now.minutes.filter(|_| wanted.minutes.is_some()),
        calls: now.calls.filter(|_| wanted.calls.is_some()),
    };
    Ok(format!("May the budget of {} be {}? It is {} now.", task.id, caps_words(&wanted), caps_words(&named)))
}

fn is_above(now: &Budget, wanted: &Budget) -> bool {
    let (cap, more) = (Cap::of(now), Cap::of(wanted));
    let pairs = [
        (cap.micro_usd, more.micro_usd),
        (cap.tokens, more.tokens),
        (now.minutes, wanted.minutes),
        (cap.calls, more.calls),
    ];
    let is_raise = |(cap, more): (Option<u64>, Option<u64>)| match (cap, more) {
        (_, None) => true,
        (Some(cap), Some(more)) => more > cap,
        // Nothing is raised where nothing is capped.
        (None, Some(_)) => false,
    };
    pairs.into_iter().all(is_raise)
}

/// Refuses what is not a raise: where a cap is as high already, or there is none.
pub fn is_higher(facts: &Facts, own: &Task, arguments: &Value) -> Result<(), Refusal> {
    let raise = read(arguments)?;
    let task = meant(facts, own, &raise)?;
    let (now, wanted) = (caps(task, facts.workflow_of(task)?), raise.budget());
    if is_above(&now, &wanted) {
        return Ok(());
    }
    let (caps, asked) = (caps_words(&now), caps_words(&wanted));
    let message = format!("the budget of {} is {caps}, and {asked} is not above it", task.id);
    Err(Refusal::new(Code::BadArguments, message, "ask for the whole new cap, of what is capped; a person lowers one"))
}

/// Why there is nothing left to say yes to: the cap has come to be as high meanwhile.
pub fn overtaken(facts: &Facts, own: &Task, approval: &Approval) -> Option<String> {
    let (_, arguments) = approval.call().filter(|(tool, _)| *tool == RAISE && approval.state.is_pending())?;
    let raise = read(arguments).ok()?;
    let task = meant(facts, own, &raise).ok()?;
    let now = caps(task, facts.workflow_of(task).ok()?);
    (!is_above(&now, &raise.budget())).then(|| format!("the budget of {} is {} now", task.id, caps_words(&now)))
}

/// The level of proof that a yes takes: that of `phasegate tasks budget`.
pub fn level(facts: &Facts, context: &Context) -> u8 {
    if facts.has_approvers(context) { LEVEL_SIGNED } else { 1 }
}

/// What a yes to a raise brings about, where it is about one: the cap, and that the approval is used up. `before` holds what the
/// same answer has set already.
pub fn granted(
    facts: &Facts,
    approval: &Approval,
    answer: &Answer,
    adjusted: Option<&Value>,
    before: &[Event],
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let Some((RAISE, asked)) = approval.call() else { return Ok(Vec::new()) };
    let own = approval.task.ok_or_else(|| super::approve::unknown(approval.id)).and_then(|id| facts.task(id))?;
    // As a person left it: a raise that came to be none in between would lower the cap.
    let arguments = adjusted.unwrap_or(asked);
    is_higher(facts, own, arguments).map_err(|refusal| match adjusted {
        Some(_) => refusal,
        // Another answer has given as much; nobody wrote a wrong word here.
        None => Refusal::new(Code::WrongState, refusal.message, "reject it, or adjust it to a higher cap"),
    })?;
    if answer.signed.is_none() && facts.has_approvers(context) {
        let message = "a higher budget takes the signature of an approver, because this workspace has approvers";
        return Err(Refusal::new(Code::SignatureRequired, message, "say whose key to use: `--as NAME`"));
    }
    let raise = read(arguments)?;
    let task = meant(facts, own, &raise)?;
    if !task.status().is_open() {
        let message = format!("{} is {}, so nothing more is spent on it", task.id, task.status().word());
        return Err(Refusal::new(Code::WrongState, message, "reject it"));
    }
    let set_to = |event: &Event| {
        if let Event::BudgetChanged { task: known, budget, .. } = event {
            return (*known == task.id).then_some(*budget);
        }
        None
    };
    let set = before.iter().rev().find_map(set_to);
    let own_caps = set.unwrap_or_else(|| task.budget());
    Ok(vec![
        Event::BudgetChanged {
            task: task.id,
            before: set.unwrap_or(caps(task, facts.workflow_of(task)?)),
            budget: raise.budget().or(own_caps),
            reason: answer.reason.clone(),
            level: answer.level,
            // Under the answer, in the record before.
            signed: None,
            approval: Some(approval.id),
        },
        Event::ApprovalConsumed {
            approval: approval.id,
            task: own.id,
            gate: None,
            tool: Some(RAISE.to_owned()),
            call: None,
        },
    ])
}

/// An answered raise that still says what is so: whoever asks again hears of it, and no person is asked twice.
pub fn is_done(facts: &Facts, own: &Task, approval: &Approval) -> bool {
    let consumed = matches!(approval.state, ApprovalState::Consumed { .. });
    let same = |(tool, arguments): (&str, &Value)| tool == RAISE && is_higher(facts, own, arguments).is_err();
    consumed && approval.call().is_some_and(same)
}
