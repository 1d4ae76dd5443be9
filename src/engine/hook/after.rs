//! A call that has run: its end goes on record, with what a gate can use of it, and what it did to the work tree is looked at.

use std::path::Path;

use crate::clients::hooked::{HookAnswer, ToolCall, ToolResult};
use crate::domain::decide::session;
use crate::domain::event::Event;
use crate::domain::facts::Facts;
use crate::domain::session::SeenCall;
use crate::policy::client_call::SHELL;
use crate::policy::observed;
use crate::sandbox::{Home, explain, is_at_a_mount};
use crate::store::{self, Decide, Outcome};

use super::before::is_own;
use super::{Actor, TOOL, Told};
use crate::engine::gates::tree;
use crate::engine::{Engine, Failure};

const SUMMARY_CHARS: usize = 200;

/// How a call ended, as its client tells it.
#[derive(Clone)]
struct Ending {
    well: bool,
    exit_code: Option<i32>,
    last_line: String,
    /// It ran to its end, where the gate would run it.
    here: bool,
    /// Of the work tree as the call left it; looked up only where a gate may ask.
    tree: Option<String>,
}

impl Engine {
    pub(super) fn after(
        &self,
        told: &Told,
        actor: &Actor,
        call: &ToolCall,
        result: &ToolResult,
    ) -> Result<HookAnswer, Failure> {
        self.read_usage_of(told, actor, false);
        let Some(id) = told.noted(call) else { return Ok(HookAnswer::Nothing) };
        let by = self.by(&self.hook_caller(actor), TOOL);
        let scope = actor.scope(Some(&id), false);
        let before = self.view(|tx| store::look(tx, &scope, &by))?;
        if is_own(&call.tool) {
            self.ready_for_answer(told, actor, &before);
        }
        let Some(seen) = before.state.seen_calls.get(&id) else { return Ok(HookAnswer::Nothing) };
        let last_line = result.output.lines().next_back().unwrap_or_default().chars().take(SUMMARY_CHARS).collect();
        let here = !result.interrupted && same(&told.hooked.cwd, &self.workspace.root);
        let mut ending = Ending { well: result.well, exit_code: result.exit_code, last_line, here, tree: None };
        // The whole tree is read only for a command that a gate may ask about.
        if !shows(&before, seen, &ending).is_empty() {
            ending.tree =
                tree::fingerprint(&self.workspace.root, &self.gate_environment).ok().map(|print| print.digest);
        }
        let shorter = self.shorter(told, actor, call, result, (&before, seen));
        let (result_shown, record) = shorter.map(|shorter| (shorter.result, shorter.event)).unzip();
        self.ended(actor, id.clone(), ending, record)?;
        let mut words = Vec::new();
        if call.tool == SHELL {
            if let Some(task) = seen.task {
                words.extend(self.look_after(actor, call, task)?);
            }
            // A command may end well over a part that met the bounds.
            let met = !result.well || is_at_a_mount(&result.output);
            if seen.confined.is_some() && met {
                let facts = self.view(|tx| store::look(tx, &actor.scope(None, false), &by))?;
                let task = seen.task.and_then(|id| facts.state.tasks.get(&id));
                words.extend(explain(&result.output, &self.bounds(told, &facts, task)?, &Home(told.home.clone())));
            }
        }
        let context = (!words.is_empty()).then(|| format!("phasegate: {}", words.join("\n")));
        Ok(match (result_shown, context) {
            (Some(result), context) => HookAnswer::Replace { result, context },
            (None, Some(context)) => HookAnswer::Tell { context },
            (None, None) => HookAnswer::Nothing,
        })
    }

    fn ended(&self, actor: &Actor, id: String, ending: Ending, more: Option<Event>) -> Result<Outcome, Failure> {
        let caller = self.hook_caller(actor);
        let scope = actor.scope(Some(&id), false);
        let decide: Decide = Box::new(move |facts| {
            let Some(seen) = facts.state.seen_calls.get(&id) else { return Ok(Vec::new()) };
            let mut events = shows(facts, seen, &ending);
            events.extend(session::observed(facts, &id, ending.well, ending.exit_code));
            events.extend(more.clone());
            Ok(events)
        });
        self.transact(scope, self.by(&caller, TOOL), Vec::new(), decide)
    }
}

fn same(folder: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    folder == other || real(folder).is_some_and(|folder| real(other) == Some(folder))
}

/// What the run of a gate's own command shows for it.
fn shows(facts: &Facts, seen: &SeenCall, ending: &Ending) -> Vec<Event> {
    let task = seen.task.and_then(|id| facts.state.tasks.get(&id));
    let phase = task.and_then(|task| facts.phase_of(task).ok());
    let (Some(task), Some(phase), Some(command)) = (task, phase, seen.command.as_deref()) else { return Vec::new() };
    // A client that tells no exit code tells a run that failed in the same words as one that did not.
    let Some(code) = ending.exit_code else { return Vec::new() };
    let well = ending.well && code == 0;
    let event = |gate: &crate::domain::workflow::Gate| Event::GateObserved {
        task: task.id,
        gate: gate.id.clone(),
        session: seen.session.clone(),
        well,
        summary: format!("the agent's own run ended {}: {}", if well { "well" } else { "badly" }, ending.last_line),
        tree: ending.tree.clone(),
    };
    let seen = if ending.here { observed::gates(phase, command) } else { Vec::new() };
    seen.into_iter().map(event).collect()
}
