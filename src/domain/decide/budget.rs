//! What a cap keeps from going on. A task is held to its own cap and to that of every task it is a part of; the caps count what
//! is spent and what is set aside. Measuring is not here (`clients`, `engine`), neither are prices (`routing`).

use serde_json::{Value, json};

use crate::domain::command::ChangeBudget;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::{Account, Cap, Spent, Unit, exact};
use crate::domain::task::Task;
use crate::domain::workflow::{Budget, Workflow};

use super::{proof, require};

/// Tasks above a task that are looked at; a chain that is longer is taken for one that is used up.
pub const LINEAGE_MAX: usize = 1000;
/// The smallest amount that is counted.
const USD_MIN: f64 = 0.000_001;
const USD_MAX: f64 = 1e9;
const TOKENS_MAX: u64 = 1_000_000_000_000;
const MINUTES_MAX: u64 = 525_600;
const CALLS_MAX: u64 = 1_000_000_000;

/// The caps that count for a task: its own, and those of its workflow. Money, tokens and calls of a workflow are for a whole
/// tree of tasks, so they count for its root; minutes count for each task.
pub fn caps(task: &Task, workflow: &Workflow) -> Budget {
    let (own, default) = (task.budget(), workflow.budget);
    let root = task.spec.parent.is_none();
    Budget {
        usd: own.usd.or(default.usd.filter(|_| root)),
        tokens: own.tokens.or(default.tokens.filter(|_| root)),
        minutes: own.minutes.or(default.minutes),
        calls: own.calls.or(default.calls.filter(|_| root)),
    }
}

/// One cap that is used up, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose cap it is.
    pub task: TaskId,
    pub unit: Unit,
    cap: u64,
    spent: u64,
    reserved: u64,
    wish: u64,
    guessed: bool,
}

/// The option of `phasegate tasks budget` that doubles it.
fn option(unit: Unit, cap: u64) -> String {
    let more = cap.saturating_mul(2).max(1);
    match unit {
        Unit::MicroUsd => format!("--usd {}", exact(more).trim_start_matches('$')),
        Unit::Tokens => format!("--tokens {more}"),
        Unit::Calls => format!("--calls {more}"),
        Unit::Minutes => format!("--minutes {more}"),
    }
}

impl Exceeded {
    pub fn words(&self) -> String {
        let (cap, spent) = (self.unit.cap(self.cap), self.unit.against(self.spent, self.cap));
        let aside = match self.reserved {
            0 => String::new(),
            reserved => format!(", {} set aside", self.unit.amount(reserved)),
        };
        let wish = match self.wish {
            0 => String::new(),
            wish if self.guessed => format!(", and a first answer is taken to need {}", self.unit.amount(wish)),
            wish => format!(", and {} more is asked for", self.unit.amount(wish)),
        };
        format!("the budget of {} is {cap}: {spent} spent{aside}{wish}", self.task)
    }

    /// It would fit if nobody else had set anything aside.
    fn waits(&self) -> bool {
        let alone = self.spent < self.cap && (self.guessed || self.spent.saturating_add(self.wish) <= self.cap);
        alone && self.reserved > 0
    }
}

/// The task and those it is a part of, nearest first.
pub(super) fn lineage<'f>(facts: &'f Facts, task: &'f Task) -> impl Iterator<Item = &'f Task> {
    let above = |task: &&'f Task| task.spec.parent.and_then(|parent| facts.state.tasks.get(&parent));
    std::iter::successors(Some(task), above).take(LINEAGE_MAX)
}

/// Whether it is this task or a part of it.
fn is_within(facts: &Facts, part: TaskId, whole: TaskId) -> bool {
    let above = || facts.state.tasks.get(&part).is_some_and(|part| lineage(facts, part).any(|above| above.id == whole));
    part == whole || above()
}

fn less(all: Spent, (_, own): &(TaskId, Spent)) -> Spent {
    Spent {
        micro_usd: all.micro_usd.saturating_sub(own.micro_usd),
        tokens: all.tokens.saturating_sub(own.tokens),
        calls: all.calls.saturating_sub(own.calls),
    }
}

/// What is to be set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub amount: Spent,
    /// No answer is known that it could go by. Where nobody else has anything set aside, it is no reason to refuse.
    pub guessed: bool,
}

impl From<Spent> for Wish {
    fn from(amount: Spent) -> Self {
        Self { amount, guessed: false }
    }
}

/// How one cap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose cap it is.
    pub task: TaskId,
    pub unit: Unit,
    pub cap: u64,
    pub spent: u64,
    pub reserved: u64,
}

impl Standing {
    /// Nothing when it does not fit.
    fn taken(&self) -> Option<u64> {
        self.spent.checked_add(self.reserved)
    }

    /// Of the cap, rounded down; a sum that does not fit is all of it and more.
    pub fn percent(&self) -> u64 {
        let taken = self.taken().unwrap_or(u64::MAX);
        let percent = (u128::from(taken) * 100).checked_div(u128::from(self.cap)).unwrap_or(100);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }

    pub fn left(&self) -> u64 {
        self.taken().map_or(0, |taken| self.cap.saturating_sub(taken))
    }
}

/// Every cap of the task and of those above it, as they stand for the caller: what it set aside for its own next answer is
/// not taken from it. Minutes are each task's own.
pub fn standings(facts: &Facts, task: &Task, now: Time) -> Result<Vec<Standing>, Refusal> {
    let mut found = Vec::new();
    for part in lineage(facts, task) {
        let caps = caps(part, facts.workflow_of(part)?);
        let Account { spent, reserved } = facts.accounts.get(&part.id).copied().unwrap_or_default();
        let reserved = facts.aside.iter().filter(|(of, _)| is_within(facts, *of, part.id)).fold(reserved, less);
        let cap = Cap::of(&caps);
        let minutes = caps.minutes.filter(|_| part.id == task.id);
        let all = [
            (Unit::MicroUsd, cap.micro_usd, spent.micro_usd, reserved.micro_usd),
            (Unit::Tokens, cap.tokens, spent.tokens, reserved.tokens),
            (Unit::Calls, cap.calls, spent.calls, reserved.calls),
            (Unit::Minutes, minutes, part.worked_minutes(now), 0),
        ];
        let of = |(unit, cap, spent, reserved): (Unit, Option<u64>, u64, u64)| {
            cap.map(|cap| Standing { task: part.id, unit, cap, spent, reserved })
        };
        found.extend(all.into_iter().filter_map(of));
    }
    Ok(found)
}

/// Every cap of the task and of those above it that leaves nothing, or less than is wished for.
pub fn exceeded(facts: &Facts, task: &Task, wish: Wish, now: Time) -> Result<Vec<Exceeded>, Refusal> {
    let guessed = wish.guessed;
    let judge = |standing: Standing| {
        let Standing { task, unit, cap, spent, reserved } = standing;
        let wish = wish.amount.of(unit);
        let taken = standing.taken();
        let full = taken.is_none_or(|taken| taken >= cap);
        let over = taken.and_then(|taken| taken.checked_add(wish)).is_none_or(|all| all > cap);
        let refused = full || over && (!guessed || reserved > 0);
        refused.then_some(Exceeded { task, unit, cap, spent, reserved, wish, guessed })
    };
    Ok(standings(facts, task, now)?.into_iter().filter_map(judge).collect())
}

/// Whether work on the task may go on, and this much may be set aside for it; a wish for nothing asks only whether it may go on.
pub fn within(facts: &Facts, id: TaskId, wish: impl Into<Wish>, now: Time) -> Result<(), Refusal> {
    let task = facts.task(id)?;
    let found = exceeded(facts, task, wish.into(), now)?;
    let Some(first) = found.first() else { return Ok(()) };
    let words: Vec<String> = found.iter().map(Exceeded::words).collect();
    let raise: Vec<String> = found
        .iter()
        .map(|cap| format!("`phasegate tasks budget {} {} --reason …`", cap.task, option(cap.unit, cap.cap)))
        .collect();
    let part = if first.task == id { String::new() } else { format!(", which {id} is a part of") };
    let wait = if found.iter().all(Exceeded::waits) {
        "try again when what others have set aside for their next answers is counted; or "
    } else {
        ""
    };
    // Only a holder can end it, or ask, by an approval that is bound to its task.
    let first_way = if facts.held.contains(&id) {
        let ask = asking(&found);
        format!("end or hand over: transition_phase, or update_task with `release` or `fail`; {ask}")
    } else {
        "other work can be had: claim_task {\"new\":{\"title\":\"…\"}} makes some; ".to_owned()
    };
    let hint = format!("{wait}{first_way}a person raises it: {}", raise.join(" and "));
    let details = json!({
        "task": id,
        "exceeded": found.iter().map(|cap| {
            json!({ "task": cap.task, "unit": cap.unit, "cap": cap.cap, "spent": cap.spent, "reserved": cap.reserved })
        }).collect::<Vec<_>>(),
    });
    Err(Refusal::new(Code::BudgetExceeded, format!("{}{part}", words.join("; ")), hint).with(details))
}

/// How the holder asks a person for twice the first cap.
fn asking(found: &[Exceeded]) -> String {
    let Some(first) = found.first() else { return String::new() };
    let mut more = json!(first.unit.budget(first.cap.saturating_mul(2).max(1)));
    if let Value::Object(fields) = &mut more {
        fields.insert("task".to_owned(), json!(first.task));
    }
    let call = json!({ "call": { "tool": super::raise::RAISE, "arguments": more } });
    format!("ask for more: request_approval {call}; ")
}

/// What a gate asks: whether nothing is overspent. A budget that is used up to the last cent is kept.
pub fn overspent(facts: &Facts, task: &Task, now: Time) -> Result<Vec<Exceeded>, Refusal> {
    let over = |cap: &Exceeded| cap.spent > cap.cap;
    Ok(exceeded(facts, task, Wish::default(), now)?.into_iter().filter(over).collect())
}

/// The least that is left of each, over the task and all it is a part of.
pub fn left(facts: &Facts, task: &Task, now: Time) -> Result<Option<Budget>, Refusal> {
    Ok(least(&standings(facts, task, now)?))
}

/// The same, of caps that were looked up already.
pub fn least(standings: &[Standing]) -> Option<Budget> {
    let least = |unit| standings.iter().filter(|standing| standing.unit == unit).map(Standing::left).min();
    #[expect(clippy::cast_precision_loss, reason = "for reading; caps are compared in whole micro-dollars")]
    let usd = least(Unit::MicroUsd).map(|micro_usd| micro_usd as f64 / 1e6);
    let [tokens, calls, minutes] = [Unit::Tokens, Unit::Calls, Unit::Minutes].map(least);
    let least = Budget { usd, tokens, minutes, calls };
    (!least.is_none()).then_some(least)
}

/// What the next answer is likely to cost: as much as those before it did on average, by the nearest account under a cap that
/// knows; else what a `first` one is taken to. One answer, where a cap counts answers. Nothing where no cap counts.
pub fn next_answer(facts: &Facts, task: TaskId, first: Spent) -> Wish {
    let Ok(task) = facts.task(task) else { return Wish::default() };
    let parts = || lineage(facts, task);
    let capped: Vec<Budget> =
        parts().filter_map(|part| facts.workflow_of(part).map(|workflow| caps(part, workflow)).ok()).collect();
    if capped.iter().all(|caps| Cap::of(caps).is_none()) {
        return Wish::default();
    }
    let known = parts().filter_map(|part| facts.accounts.get(&part.id)).find(|account| account.spent.calls > 0);
    let calls = u64::from(capped.iter().any(|caps| caps.calls.is_some()));
    match known.map(|account| account.spent) {
        Some(spent) => {
            let each = |sum: u64| sum.checked_div(spent.calls).unwrap_or(0);
            Wish::from(Spent { micro_usd: each(spent.micro_usd), tokens: each(spent.tokens), calls })
        }
        None => Wish { amount: Spent { calls, ..first }, guessed: true },
    }
}

/// As much of it as is left: more could not be kept anyway, and would only look as if a cap were overdrawn.
pub fn fitting(facts: &Facts, task: TaskId, amount: Spent, now: Time) -> Spent {
    let standings = facts.task(task).and_then(|task| standings(facts, task, now)).unwrap_or_default();
    let least = |unit| {
        let left = standings.iter().filter(|standing| standing.unit == unit).map(Standing::left).min();
        amount.of(unit).min(left.unwrap_or(u64::MAX))
    };
    Spent { micro_usd: least(Unit::MicroUsd), tokens: least(Unit::Tokens), calls: least(Unit::Calls) }
}

/// What an approver signs to change one.
pub fn statement(workspace: &str, task: TaskId, budget: &Budget, reason: &str) -> Value {
    json!({ "act": "task.budget", "workspace": workspace, "task": task, "budget": budget, "reason": reason })
}

pub fn change(facts: &Facts, command: &ChangeBudget, context: &Context) -> Result<Vec<Event>, Refusal> {
    const WHAT: &str = "changing a budget";
    require(context, &[Role::Operator, Role::Approver], WHAT)?;
    let ChangeBudget { task: id, budget, reason, proof } = command;
    if budget.is_none() {
        let message = "a change of a budget names what it changes";
        return Err(Refusal::new(Code::BadArguments, message, "give one of `usd`, `tokens`, `minutes` and `calls`"));
    }
    sound(budget)?;
    let task = facts.task(*id)?;
    if !task.status().is_open() {
        let message = format!("{id} is {}, so nothing more is spent on it", task.status().word());
        return Err(Refusal::new(
            Code::WrongState,
            message,
            "`phasegate tasks reopen` gives a failed task another chance",
        ));
    }
    let level = proof::person(facts, proof, &statement(&facts.workspace, *id, budget, reason), context, WHAT)?;
    let after = budget.or(task.budget());
    let before = caps(task, facts.workflow_of(task)?);
    let (reason, signed) = (reason.clone(), proof.signed.clone());
    Ok(vec![Event::BudgetChanged { task: *id, before, budget: after, reason, level, signed, approval: None }])
}

pub(super) fn sound(budget: &Budget) -> Result<(), Refusal> {
    let usd = budget.usd.is_none_or(|usd| (USD_MIN..=USD_MAX).contains(&usd));
    let tokens = budget.tokens.is_none_or(|tokens| (1..=TOKENS_MAX).contains(&tokens));
    let minutes = budget.minutes.is_none_or(|minutes| (1..=MINUTES_MAX).contains(&minutes));
    let calls = budget.calls.is_none_or(|calls| (1..=CALLS_MAX).contains(&calls));
    if usd && tokens && minutes && calls {
        return Ok(());
    }
    let message = "a cap is above 0, in dollars at least 0.000001, and at most 1,000,000,000 dollars, \
                   1,000,000,000,000 tokens, 525,600 minutes or 1,000,000,000 calls";
    Err(Refusal::new(Code::BadArguments, message, "give an amount in that range"))
}
