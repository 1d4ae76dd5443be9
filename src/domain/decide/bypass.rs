//! Opening and closing a bypass. Which calls it lets through is not here (`policy`).

use serde_json::{Value, json};

use crate::domain::command::OpenBypass;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{BypassId, TaskId};
use crate::domain::refusal::{Code, Refusal};

use super::{proof, require};

/// What an approver signs to open one.
pub fn statement(workspace: &str, rules: &[String], task: Option<TaskId>, seconds: u64, reason: &str) -> Value {
    let (act, rules) = ("bypass.open", rules.to_vec());
    json!({ "act": act, "workspace": workspace, "rules": rules, "task": task, "seconds": seconds, "reason": reason })
}

pub fn open(facts: &Facts, command: &OpenBypass, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "opening a bypass")?;
    let OpenBypass { rules, task, seconds, reason, proof } = command;
    let limit = context.settings.limits.bypass_seconds;
    if reason.trim().is_empty() {
        let message = "a bypass needs a reason: it is shown and on record for as long as the log is";
        return Err(Refusal::new(Code::BadArguments, message, "say why with `--reason`"));
    }
    if *seconds == 0 || *seconds > limit {
        let message = format!("a bypass lasts more than no time and at most {} h", limit / 3600);
        return Err(Refusal::new(Code::TooLarge, message, "open it for the time the work takes, and again if need be"));
    }
    let statement = statement(&facts.workspace, rules, *task, *seconds, reason);
    let level = proof::person(facts, proof, &statement, context, "opening a bypass")?;
    possible(facts, rules, *task)?;
    Ok(vec![Event::BypassOpened {
        bypass: BypassId(facts.next.bypass),
        rules: rules.clone(),
        task: *task,
        reason: reason.clone(),
        level,
        until: context.now.plus_seconds(*seconds),
        signed: proof.signed.clone(),
    }])
}

/// There is such a task, and such rules are in force.
pub fn possible(facts: &Facts, rules: &[String], task: Option<TaskId>) -> Result<(), Refusal> {
    if let Some(id) = task {
        facts.task(id)?;
    }
    let known: Vec<&String> = facts
        .workflows
        .values()
        .flat_map(|workflow| {
            let phases = workflow.phases.iter();
            let listed =
                [&workflow.protect, &workflow.unclaimed].into_iter().chain(phases.clone().map(|phase| &phase.rules));
            listed.flat_map(|rules| rules.deny.iter().chain(&rules.ask)).chain(phases.flat_map(|p| &p.require_approval))
        })
        .collect();
    if let Some(unknown) = rules.iter().find(|rule| !known.contains(rule)) {
        let message = format!("no workflow that is in force has the deny, ask or require_approval rule `{unknown}`");
        return Err(Refusal::new(
            Code::UnknownBypass,
            message,
            "write the rule as it stands there: `phasegate workflow show`",
        ));
    }
    Ok(())
}

pub fn close(facts: &Facts, id: BypassId, reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "closing a bypass")?;
    let open = facts.state.bypasses.get(&id).is_some_and(|known| known.closed.is_none());
    if !open {
        let message = format!("there is no open bypass {id}");
        return Err(Refusal::new(Code::UnknownBypass, message, "`phasegate bypass list` shows them"));
    }
    let why = if reason.is_empty() { format!("closed by {}", context.caller.agent) } else { reason.to_owned() };
    Ok(vec![Event::BypassClosed { bypass: id, why }])
}
