//! What becomes of a call whose texts hold what a workflow does not want. Reading the texts is not here (`screen`).

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::facts::Facts;
use crate::domain::flag::{Flag, Flagged, Looked};
use crate::domain::ids::{TaskId, WorkflowHash};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::workflow::Screening;

/// The records to add to a call that goes ahead, or why it does not. `events` is what the call itself comes to.
pub fn screened(facts: &Facts, events: &[Event], looked: &Looked, tool: &str) -> Result<Vec<Event>, Refusal> {
    let mut records = Vec::new();
    let mut refused: Vec<&Flagged> = Vec::new();
    for text in &looked.flagged {
        let (task, screening) = decided_by(facts, events, text.item);
        match screening {
            // The service is the user's own and stands above the workflow.
            Screening::Off if !text.by_service => continue,
            Screening::Refuse if !text.by_service => refused.push(text),
            Screening::Off | Screening::Flag | Screening::Refuse => {}
        }
        let (tool, field, findings) = (tool.to_owned(), text.field.clone(), text.flags.clone());
        records.push(Event::TextFlagged { task, tool, field, findings });
    }
    records.extend(looked.unscreened.iter().map(|text| {
        let (task, _) = decided_by(facts, events, text.item);
        let (tool, field, why) = (tool.to_owned(), text.field.clone(), text.why.clone());
        Event::TextNotScreened { task, tool, field, why }
    }));
    if refused.is_empty() { Ok(records) } else { Err(refusal(&refused)) }
}

/// The task a text belongs to, and what its workflow says: a new task's own, else the task the call is about.
fn decided_by(facts: &Facts, events: &[Event], item: usize) -> (Option<TaskId>, Screening) {
    let made = events.iter().filter_map(|event| match event {
        Event::TaskSubmitted { task, workflow, .. } => Some((*task, workflow)),
        _ => None,
    });
    if let Some((task, workflow)) = made.into_iter().nth(item) {
        return (Some(task), of(facts, workflow));
    }
    let subject = facts.subject.or_else(|| facts.held.first().copied());
    match subject.and_then(|id| facts.state.tasks.get(&id)) {
        Some(task) => (Some(task.id), of(facts, &task.workflow)),
        None => (None, Screening::default()),
    }
}

fn of(facts: &Facts, workflow: &WorkflowHash) -> Screening {
    facts.workflows.get(workflow).map(|workflow| workflow.screen).unwrap_or_default()
}

/// Names the field and what was found; the value is in no message.
fn refusal(refused: &[&Flagged]) -> Refusal {
    let places: Vec<String> =
        refused.iter().map(|text| format!("`{}` holds {}", text.field, words(&text.flags))).collect();
    let fields: Vec<serde_json::Value> =
        refused.iter().map(|text| serde_json::json!({ "field": text.field, "findings": text.flags })).collect();
    Refusal::new(
        Code::Screened,
        format!("the workflow refuses this text: {}", places.join("; ")),
        "take it out and call again; name a secret by where it is kept, not by its value",
    )
    .with(serde_json::json!({ "found": fields }))
}

/// What was found, in words: `1 secret (github_token), 2 personal (mail)`.
pub fn words(flags: &[Flag]) -> String {
    let mut kinds: BTreeMap<&str, (u32, Vec<&str>)> = BTreeMap::new();
    for flag in flags {
        let (count, rules) = kinds.entry(flag.kind.word()).or_default();
        *count = count.saturating_add(flag.count);
        rules.push(&flag.rule);
    }
    let each = kinds.into_iter().map(|(kind, (count, rules))| format!("{count} {kind} ({})", rules.join(", ")));
    format!("what looks like {}", each.collect::<Vec<_>>().join(", "))
}
