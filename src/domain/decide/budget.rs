//! What a cap keeps from going on. A task is held to its own cap and to that of every task it is a part of; the caps count what
//! is spent and what is set aside. Measuring is not here (`clients`, `engine`), neither are prices (`routing`).

use serde_json::{Value, json};

use crate::domain::command::ChangeBudget;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::{Account, Cap, Spent, dollars};
use crate::domain::task::Task;
use crate::domain::workflow::{Budget, Workflow};

use super::{proof, require};

/// Tasks above a task that are looked at; a chain that is longer is taken for one that is used up.
pub const LINEAGE_MAX: usize = 1000;
const USD_MAX: f64 = 1e9;
const TOKENS_MAX: u64 = 1_000_000_000_000;
const MINUTES_MAX: u64 = 525_600;

/// The caps that count for a task: its own, and those of its workflow. Money and tokens of a workflow are for a whole tree of
/// tasks, so they count for its root; minutes count for each task.
pub fn caps(task: &Task, workflow: &Workflow) -> Budget {
    let (own, default) = (task.budget(), workflow.budget);
    let root = task.spec.parent.is_none();
    Budget {
        usd: own.usd.or(default.usd.filter(|_| root)),
        tokens: own.tokens.or(default.tokens.filter(|_| root)),
        minutes: own.minutes.or(default.minutes),
    }
}

/// One cap that is used up, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose cap it is.
    pub task: TaskId,
    what: What,
    cap: u64,
    spent: u64,
    reserved: u64,
    wish: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    MicroUsd,
    Tokens,
    Minutes,
}

impl What {
    fn words(self, amount: u64) -> String {
        match self {
            Self::MicroUsd => dollars(amount),
            Self::Tokens => format!("{amount} tokens"),
            Self::Minutes => format!("{amount} minutes"),
        }
    }

    fn option(self, cap: u64) -> String {
        let more = cap.saturating_mul(2).max(1);
        match self {
            Self::MicroUsd => format!("--usd {}", dollars(more).trim_start_matches('$')),
            Self::Tokens => format!("--tokens {more}"),
            Self::Minutes => format!("--minutes {more}"),
        }
    }
}

impl Exceeded {
    pub fn words(&self) -> String {
        let (cap, spent) = (self.what.words(self.cap), self.what.words(self.spent));
        let aside = match self.reserved {
            0 => String::new(),
            reserved => format!(", {} set aside", self.what.words(reserved)),
        };
        let wish = match self.wish {
            0 => String::new(),
            wish => format!(", and {} more is asked for", self.what.words(wish)),
        };
        format!("the budget of {} is {cap}: {spent} spent{aside}{wish}", self.task)
    }
}

/// The task and those it is a part of, nearest first.
fn lineage<'f>(facts: &'f Facts, task: &'f Task) -> impl Iterator<Item = &'f Task> {
    let above = |task: &&'f Task| task.spec.parent.and_then(|parent| facts.state.tasks.get(&parent));
    std::iter::successors(Some(task), above).take(LINEAGE_MAX)
}

/// Every cap of the task and of those above it that leaves nothing, or less than is wished for.
pub fn exceeded(facts: &Facts, task: &Task, wish: Spent, now: Time) -> Result<Vec<Exceeded>, Refusal> {
    let mut found = Vec::new();
    for part in lineage(facts, task) {
        let caps = caps(part, facts.workflow_of(part)?);
        let account = facts.accounts.get(&part.id).copied().unwrap_or_default();
        let cap = Cap::of(&caps);
        let mut judge = |what, cap: Option<u64>, spent: u64, reserved: u64, wish: u64| {
            let Some(cap) = cap else { return };
            let taken = spent.checked_add(reserved);
            let full = taken.is_none_or(|taken| taken >= cap);
            if full || taken.and_then(|taken| taken.checked_add(wish)).is_none_or(|all| all > cap) {
                found.push(Exceeded { task: part.id, what, cap, spent, reserved, wish });
            }
        };
        let Account { spent, reserved } = account;
        judge(What::MicroUsd, cap.micro_usd, spent.micro_usd, reserved.micro_usd, wish.micro_usd);
        judge(What::Tokens, cap.tokens, spent.tokens, reserved.tokens, wish.tokens);
        if part.id == task.id {
            judge(What::Minutes, caps.minutes, part.worked_minutes(now), 0, 0);
        }
    }
    Ok(found)
}

/// Whether work on the task may go on, and this much may be set aside for it; a wish for nothing asks only whether it may go on.
pub fn within(facts: &Facts, id: TaskId, wish: Spent, now: Time) -> Result<(), Refusal> {
    let task = facts.task(id)?;
    let found = exceeded(facts, task, wish, now)?;
    let Some(first) = found.first() else { return Ok(()) };
    let words: Vec<String> = found.iter().map(Exceeded::words).collect();
    let raise: Vec<String> = found
        .iter()
        .map(|cap| format!("`phasegate tasks budget {} {} --reason …`", cap.task, cap.what.option(cap.cap)))
        .collect();
    let part = if first.task == id { String::new() } else { format!(", which {id} is a part of") };
    let hint = format!(
        "end or hand over: transition_phase, or update_task with `release` or `fail`; a person raises it: {}",
        raise.join(" and ")
    );
    let details = json!({
        "task": id,
        "exceeded": found.iter().map(|cap| {
            let unit = match cap.what {
                What::MicroUsd => "micro_usd",
                What::Tokens => "tokens",
                What::Minutes => "minutes",
            };
            json!({ "task": cap.task, "unit": unit, "cap": cap.cap, "spent": cap.spent, "reserved": cap.reserved })
        }).collect::<Vec<_>>(),
    });
    Err(Refusal::new(Code::BudgetExceeded, format!("{}{part}", words.join("; ")), hint).with(details))
}

/// What a gate asks: whether nothing is overspent. A budget that is used up to the last cent is kept.
pub fn overspent(facts: &Facts, task: &Task, now: Time) -> Result<Vec<Exceeded>, Refusal> {
    let over = |cap: &Exceeded| cap.spent > cap.cap;
    Ok(exceeded(facts, task, Spent::default(), now)?.into_iter().filter(over).collect())
}

/// The least that is left of each, over the task and all it is a part of.
pub fn left(facts: &Facts, task: &Task, now: Time) -> Result<Option<Budget>, Refusal> {
    let mut least = Budget::default();
    let (mut micro_usd, mut tokens): (Option<u64>, Option<u64>) = (None, None);
    for part in lineage(facts, task) {
        let caps = caps(part, facts.workflow_of(part)?);
        let taken = facts.accounts.get(&part.id).and_then(Account::taken).unwrap_or_default();
        let cap = Cap::of(&caps);
        let lower = |known: Option<u64>, left: Option<u64>| known.into_iter().chain(left).min();
        micro_usd = lower(micro_usd, cap.micro_usd.map(|cap| cap.saturating_sub(taken.micro_usd)));
        tokens = lower(tokens, cap.tokens.map(|cap| cap.saturating_sub(taken.tokens)));
        if part.id == task.id {
            least.minutes = caps.minutes.map(|minutes| minutes.saturating_sub(task.worked_minutes(now)));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "for reading; caps are compared in whole micro-dollars")]
    let usd = micro_usd.map(|micro_usd| micro_usd as f64 / 1e6);
    least = Budget { usd, tokens, ..least };
    Ok((least != Budget::default()).then_some(least))
}

/// How much of its caps is taken, in hundredths: the most of those that count for it.
pub fn taken_percent(facts: &Facts, task: &Task) -> u64 {
    let percent = |taken: u64, cap: Option<u64>| match cap {
        None => 0,
        Some(cap) => taken.saturating_mul(100).checked_div(cap).unwrap_or(100),
    };
    let of = |part: &Task| {
        let caps = facts.workflow_of(part).map(|workflow| caps(part, workflow)).unwrap_or_default();
        let taken = facts.accounts.get(&part.id).and_then(Account::taken).unwrap_or_default();
        let cap = Cap::of(&caps);
        percent(taken.micro_usd, cap.micro_usd).max(percent(taken.tokens, cap.tokens))
    };
    lineage(facts, task).map(of).max().unwrap_or(0)
}

/// What the answer after one more call is likely to cost: as much as those before it did on average. Nothing where no cap
/// counts, or nothing was spent yet.
pub fn next_answer(facts: &Facts, task: TaskId) -> Spent {
    let spent = facts.accounts.get(&task).map(|account| account.spent).unwrap_or_default();
    let each = |sum: u64| sum.checked_div(spent.calls).unwrap_or(0);
    Spent { micro_usd: each(spent.micro_usd), tokens: each(spent.tokens), calls: 0 }
}

/// What an approver signs to change one.
pub fn statement(workspace: &str, task: TaskId, budget: &Budget, reason: &str) -> Value {
    json!({ "act": "task.budget", "workspace": workspace, "task": task, "budget": budget, "reason": reason })
}

pub fn change(facts: &Facts, command: &ChangeBudget, context: &Context) -> Result<Vec<Event>, Refusal> {
    const WHAT: &str = "changing a budget";
    require(context, &[Role::Operator, Role::Approver], WHAT)?;
    let ChangeBudget { task: id, budget, reason, proof } = command;
    if *budget == Budget::default() {
        let message = "a change of a budget names what it changes";
        return Err(Refusal::new(Code::BadArguments, message, "add `--usd`, `--tokens` or `--minutes`"));
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
    let own = task.budget();
    let after = Budget {
        usd: budget.usd.or(own.usd),
        tokens: budget.tokens.or(own.tokens),
        minutes: budget.minutes.or(own.minutes),
    };
    let before = caps(task, facts.workflow_of(task)?);
    let (reason, signed) = (reason.clone(), proof.signed.clone());
    Ok(vec![Event::BudgetChanged { task: *id, before, budget: after, reason, level, signed }])
}

fn sound(budget: &Budget) -> Result<(), Refusal> {
    let usd = budget.usd.is_none_or(|usd| usd > 0.0 && usd <= USD_MAX);
    let tokens = budget.tokens.is_none_or(|tokens| (1..=TOKENS_MAX).contains(&tokens));
    let minutes = budget.minutes.is_none_or(|minutes| (1..=MINUTES_MAX).contains(&minutes));
    if usd && tokens && minutes {
        return Ok(());
    }
    let message = "a cap is above 0, and at most 1,000,000,000 dollars, 1,000,000,000,000 tokens or 525,600 minutes";
    Err(Refusal::new(Code::BadArguments, message, "give an amount in that range"))
}
