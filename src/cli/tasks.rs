//! `phasegate tasks`: what there is, and what a person may do about it.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::domain::command::{Change, Dependents};
use crate::domain::evidence::{Evidence, Verdict};
use crate::domain::ids::TaskId;
use crate::domain::query::TaskFilter;
use crate::domain::record::RecordFilter;
use crate::domain::task::{Status, Task};
use crate::domain::violation::named;
use crate::engine::{Engine, Unwatched};
use crate::tools::{self, Output};

use super::output::{quoted, visible};
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Hand in a task for the next agent that asks for one.
    Add(AddArgs),
    /// Tasks in order of id.
    List {
        /// waiting, ready, claimed, blocked, done, failed or cancelled; may be repeated.
        #[arg(long, value_parser = status)]
        status: Vec<Status>,
        /// That have this label; may be repeated.
        #[arg(long)]
        label: Vec<String>,
        /// That are parts of this task.
        #[arg(long, value_name = "ID")]
        parent: Option<TaskId>,
        /// Who holds them.
        #[arg(long)]
        held_by: Option<String>,
        /// Those that come after this one.
        #[arg(long, value_name = "ID")]
        after: Option<TaskId>,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// One task, with its story.
    Show {
        /// The task, such as T-1.
        id: TaskId,
    },
    /// Give a task up: nobody is handed it any more.
    Cancel {
        /// The task, such as T-1.
        id: TaskId,
        /// Why; it stays on record.
        #[arg(long)]
        reason: String,
        /// What becomes of tasks that wait for it, if any do: cancel, or release to start without it; must be said then.
        #[arg(long, value_parser = dependents)]
        dependents: Option<Dependents>,
    },
    /// Give a failed task another chance.
    Reopen {
        /// The task, such as T-1.
        id: TaskId,
        /// Why; it stays on record.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Free a task whose agent is gone; what that agent still sends is then refused.
    Release {
        /// The task, such as T-1.
        id: TaskId,
        /// Why; it stays on record.
        #[arg(long, default_value = "freed by a person")]
        reason: String,
    },
    /// What a task and everything below it has cost, by task, phase, agent, model and session.
    Cost {
        /// The task, such as T-1.
        id: TaskId,
    },
    /// Give a task other caps.
    Budget(super::spending::BudgetArgs),
    /// Let changes stand that a phase did not allow.
    Accept(super::violations::AcceptArgs),
    /// Clear a task's blockers.
    Unblock {
        /// The task, such as T-1.
        id: TaskId,
        /// The number of one of them; all when left out.
        #[arg(long, value_name = "NUMBER")]
        blocker: Option<u32>,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// What is to be done, on one line.
    title: String,
    /// What it is for, and what is to be true in the end.
    #[arg(long)]
    goal: Option<String>,
    /// The name of a workflow in force; default: the one for the type, or for everything.
    #[arg(long)]
    workflow: Option<String>,
    /// Such as `bugfix`; it may choose the workflow and the model.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// low, medium, high or critical; medium when left out.
    #[arg(long, value_parser = ["low", "medium", "high", "critical"], hide_possible_values = true)]
    priority: Option<String>,
    /// A word to find it by; may be repeated.
    #[arg(long)]
    label: Vec<String>,
    /// A task that must be done first; may be repeated.
    #[arg(long, value_name = "ID")]
    depends_on: Vec<TaskId>,
}

fn add(engine: &Engine, place: &Place, args: &AddArgs, out: &Out) -> Result<(), Ended> {
    let AddArgs { title, goal, workflow, kind, priority, label, depends_on } = args;
    let mut new = Map::from_iter([("title".to_owned(), json!(title))]);
    let optional = [("goal", goal), ("workflow", workflow), ("type", kind), ("priority", priority)];
    new.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
    if !label.is_empty() {
        new.insert("labels".to_owned(), json!(label));
    }
    if !depends_on.is_empty() {
        new.insert("depends_on".to_owned(), json!(depends_on));
    }
    let reply = engine.call(&place.person(), &tools::submit_task::TOOL, Value::Object(new), &Unwatched)?;
    out.answer(&reply.structured, &visible(&reply.text));
    Ok(())
}

fn status(text: &str) -> Result<Status, String> {
    let known = Status::ALL.into_iter().find(|status| status.word() == text);
    known.ok_or_else(|| format!("it is one of {}", Status::ALL.map(Status::word).join(", ")))
}

fn dependents(text: &str) -> Result<Dependents, String> {
    match text {
        "cancel" => Ok(Dependents::Cancel),
        "release" => Ok(Dependents::Release),
        _ => Err("it is `cancel` or `release`".to_owned()),
    }
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = match &args.act {
        Act::Add(_) => place.open()?,
        _ => place.open_existing()?,
    };
    match &args.act {
        Act::Add(args) => add(&engine, place, args, out),
        Act::List { status, label, parent, held_by, after, limit } => {
            let filter = TaskFilter {
                status: status.iter().copied().collect(),
                labels: label.iter().cloned().collect(),
                parent: *parent,
                agent: held_by.clone(),
                after: *after,
                limit: usize::from(*limit),
                ..TaskFilter::default()
            };
            let page = engine.tasks(&filter)?;
            let reply = page.whole_reply();
            out.answer(&reply.structured, &visible(&reply.text));
            Ok(())
        }
        Act::Show { id } => show(&engine, *id, out),
        Act::Cost { id } => super::spending::cost(&engine, *id, out),
        Act::Accept(args) => super::violations::accept(&engine, place, args, out),
        Act::Budget(args) => super::spending::budget(&engine, place, args, out),
        Act::Cancel { id, reason, dependents } => {
            let change = Change::Cancel { reason: reason.clone(), dependents: *dependents };
            tend(&engine, place, *id, change, out)
        }
        Act::Release { id, reason } => tend(&engine, place, *id, Change::Release { reason: reason.clone() }, out),
        Act::Reopen { id, reason } => tend(&engine, place, *id, Change::Reopen { reason: reason.clone() }, out),
        Act::Unblock { id, blocker } => tend(&engine, place, *id, Change::Unblock { blocker: *blocker }, out),
    }
}

fn tend(engine: &Engine, place: &Place, id: TaskId, change: Change, out: &Out) -> Result<(), Ended> {
    let outcome = engine.tend(&place.person(), id, change)?;
    let task = outcome.facts.task(id)?;
    let changed: Vec<String> =
        outcome.events.iter().filter_map(|event| event.task().map(|task| format!("{task} {}", event.kind()))).collect();
    let value = json!({ "task": id, "status": task.status(), "changed": changed });
    out.answer(&value, &format!("{id} is {} now ({})", task.status().word(), changed.join(", ")));
    Ok(())
}

fn show(engine: &Engine, id: TaskId, out: &Out) -> Result<(), Ended> {
    let Some(task) = engine.task(id)? else {
        return Err(super::spending::unknown(id));
    };
    let filter = RecordFilter { task: Some(id), after: Some(0), limit: 500, ..RecordFilter::default() };
    let story = engine.records(&filter)?;
    if out.is_json() {
        let mut value = engine.task_view(id)?.unwrap_or(Value::Null);
        if let Value::Object(fields) = &mut value {
            let cost = engine.cost(id)?.map(|cost| super::spending::value(&cost));
            fields.insert("cost".to_owned(), cost.unwrap_or(Value::Null));
            fields.insert("records".to_owned(), serde_json::to_value(&story.records).unwrap_or(Value::Null));
        }
        out.value(&value);
        return Ok(());
    }
    let mut text = described(&task);
    if let Some(cost) = engine.cost(id)? {
        let _ = writeln!(text, "  {:<12}{}", "cost", super::spending::said(&cost));
    }
    let _ = writeln!(text, "\nStory");
    for record in &story.records {
        let _ = writeln!(text, "  {}", visible(&crate::tools::query_audit::line(record)));
    }
    out.text(&text);
    Ok(())
}

fn described(task: &Task) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} “{}”", task.id, quoted(&task.spec.title, 2));
    let holder = task.claim().map(|claim| format!(" by {} (fence {})", claim.agent, claim.fence)).unwrap_or_default();
    let _ = writeln!(text, "  {}{holder}, phase {} of {}", task.status().word(), task.phase, task.spec.workflow);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12}{}", quoted(value, 14));
        }
    };
    line("goal", &task.spec.goal);
    line("accepted if", &task.spec.acceptance_criteria.join("; "));
    line("submitted", &format!("by {} at {}", task.submitted_by, task.submitted_at));
    line("attempts", &format!("{} of {} failed", task.attempts.failed, task.attempts.limit));
    line("progress", task.progress.as_ref().map(|progress| progress.note.as_str()).unwrap_or_default());
    for (name, artifact) in &task.artifacts {
        line(
            "artifact",
            &format!("{name} v{} ({} bytes, sha256 {})", artifact.version, artifact.bytes, artifact.sha256),
        );
    }
    for (gate, evidence) in &task.evidence {
        let said = match evidence {
            Evidence::Running { since, .. } => format!("running since {since}"),
            Evidence::Passed(verdict) => format!("passed: {}", verdict.summary),
            Evidence::Refused(verdict) => format!("refused: {}", verdict.summary),
        };
        line("gate", &format!("{gate} {said}"));
        if let Evidence::Refused(Verdict { printed: Some(printed), .. }) = evidence {
            line("", &format!("printed last:\n{printed}"));
        }
    }
    for violation in &task.violations {
        line(
            "violation",
            &format!(
                "{}; undo it, or `phasegate tasks accept {} --reason …`",
                named(std::slice::from_ref(violation)),
                task.id
            ),
        );
    }
    if let Some(until) = task.claim().and_then(|claim| claim.parked_until) {
        line("parked", &format!("until {until}: the model's service takes no more"));
    }
    if let Some(outcome) = &task.outcome {
        let sure = outcome.confidence.map(|confidence| format!(" (confidence {confidence})")).unwrap_or_default();
        line("result", &format!("{}{sure}", outcome.summary));
    }
    text
}
