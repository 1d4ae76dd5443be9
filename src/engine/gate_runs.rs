//! Leaving a phase from outside a transaction: run the gates that must be run, each between a start and an end command,
//! then ask for the transition.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::brief::{brief, gate_words};
use crate::domain::canonical;
use crate::domain::command::{Command, FinishGate, Target, TransitionPhase};
use crate::domain::decide::{decide, destination, holder, is_back};
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::{RunId, TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::state::evidence_key;
use crate::domain::task::{self, Task};
use crate::domain::workflow::{Gate, GateKind};
use crate::store::{self, Attachment, Outcome, Scope, StoreError, With};
use crate::tools::transition_phase::Entered;
use crate::tools::{Output, Reply};

use super::gates::tree::{self, TreeList};
use super::gates::{self, GateContext, GateReport, output};
use super::{Call, Failure, Watch, noted};

/// What a run may take beyond its own limit before the sweeper takes it for orphaned.
const GRACE_SECONDS: u64 = 30;
const CLAIM_LOOK_MS: i64 = 1_000;
const SYNTAX_SECONDS: u64 = 120;
/// Of what a run that did not pass printed; the agent reads it, the whole of it is kept beside.
const PRINTED_BYTES: usize = 1500;

/// Which gates have to be run, and for whom.
#[derive(Clone)]
struct Plan {
    task: TaskId,
    phase: String,
    target: Target,
    gates: Vec<Gate>,
    evidence: BTreeMap<String, Evidence>,
    observed: BTreeMap<String, Evidence>,
    visit: u32,
}

impl Plan {
    /// True when a gate's last run still counts for this work tree.
    fn holds(&self, gate: &Gate, tree: &str) -> bool {
        let key = evidence_key(&self.phase, &gate.id);
        let seen = if gate.kind.takes_observed() { self.observed.get(&key) } else { None };
        let known = self.evidence.get(&key).into_iter().chain(seen);
        known.into_iter().any(|known| known.holds(&gate.kind, Some(tree), self.visit))
    }
}

enum Attempt {
    Done(Box<Outcome>),
    Needs(Box<(Plan, TransitionPhase)>),
    /// Something was written where it may not be, when last looked.
    Marked(Box<Task>),
}

/// What has to be done outside the transaction before the phase can be left.
enum First {
    Look(Box<Task>),
    Run(Box<Plan>),
}

fn first(
    facts: &Facts,
    command: &TransitionPhase,
    context: &Context,
    is_looked_at: bool,
) -> Result<Option<First>, Refusal> {
    let (task, _) = holder(facts, &command.target, context)?;
    if !is_looked_at && !task.violations.is_empty() {
        return Ok(Some(First::Look(Box::new(task.clone()))));
    }
    Ok(plan(facts, command, context)?.map(|plan| First::Run(Box::new(plan))))
}

/// The gates to run before the phase can be left; none when leaving needs none, or is refused for another reason.
fn plan(facts: &Facts, command: &TransitionPhase, context: &Context) -> Result<Option<Plan>, Refusal> {
    let (task, claim) = holder(facts, &command.target, context)?;
    let workflow = facts.workflow_of(task)?;
    let from = facts.phase_of(task)?;
    let to = destination(workflow, from, command.to.as_deref(), task)?;
    let gates: Vec<Gate> = from.exit.iter().filter(|gate| gate.kind.is_run()).cloned().collect();
    if is_back(workflow, from, to) || gates.is_empty() {
        return Ok(None);
    }
    // The runs belong to this claim: if it ends meanwhile, their results are refused.
    let target = Target { task: Some(task.id), fence: Some(claim.fence), ..Target::default() };
    let (phase, evidence) = (from.name.clone(), task.evidence.clone());
    let observed = task.observed.clone();
    Ok(Some(Plan { task: task.id, phase, target, gates, evidence, observed, visit: task.visit }))
}

impl Call<'_> {
    pub(super) fn transition(
        &self,
        target: Target,
        to: Option<String>,
        outcome: Option<task::Outcome>,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        // Without gates to run, leaving is one transaction; with them, the first attempt only finds out which.
        let command = TransitionPhase { target: target.clone(), to, outcome, tree: None };
        let mut is_looked_at = false;
        let (plan, command) = loop {
            match self.attempt(command.clone(), is_looked_at)? {
                Attempt::Done(done) => return self.entered(&done),
                Attempt::Needs(needs) => break *needs,
                Attempt::Marked(task) => self.engine.note_undone(self.caller, &task).map(drop)?,
            }
            is_looked_at = true;
        };
        let mut tree = self.tree(&plan.target)?;
        for gate in &plan.gates {
            if !plan.holds(gate, &tree.print().digest) {
                tree = self.run_gate(&plan, gate, tree, watch)?;
            }
        }
        let tree = Some(tree.print().digest);
        let scope = Scope::Task { target, with: With::GatesAndDependents };
        let done = self.run(scope, Command::TransitionPhase(TransitionPhase { tree, ..command }), Vec::new())?;
        self.entered(&done)
    }

    fn attempt(&self, command: TransitionPhase, is_looked_at: bool) -> Result<Attempt, Failure> {
        let scope = Scope::Task { target: command.target.clone(), with: With::GatesAndDependents };
        let found = Arc::new(Mutex::new(None));
        let (slot, attempted) = (Arc::clone(&found), command.clone());
        let outcome = self.permitted(scope, Vec::new(), move |facts, context| {
            let first = first(facts, &attempted, context, is_looked_at)?;
            let waits = first.is_some();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = first;
            if waits {
                return Ok(None);
            }
            decide(facts, &Command::TransitionPhase(attempted.clone()), context).map(Some)
        })?;
        let first = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match first {
            Some(First::Look(task)) => Attempt::Marked(task),
            Some(First::Run(plan)) => Attempt::Needs(Box::new((*plan, command))),
            None => Attempt::Done(Box::new(outcome)),
        })
    }

    fn tree(&self, target: &Target) -> Result<TreeList, Failure> {
        tree::list(&self.engine.workspace.root, &self.engine.gate_environment).map_err(|why| {
            let message = format!("the work tree cannot be read: {why}");
            let hint = "mend that, then transition_phase again";
            self.refuse(target, Refusal::new(Code::GatesUnmet, message, hint))
        })
    }

    /// Runs one gate on the tree as it was last seen, and gives the tree as it is afterwards.
    fn run_gate(&self, plan: &Plan, gate: &Gate, before: TreeList, watch: &dyn Watch) -> Result<TreeList, Failure> {
        let limit_seconds = GRACE_SECONDS
            + match &gate.kind {
                GateKind::Command { within_seconds, .. } | GateKind::Hook { within_seconds, .. } => *within_seconds,
                _ => SYNTAX_SECONDS,
            };
        let start = Command::StartGate { target: plan.target.clone(), gate: gate.id.clone(), limit_seconds };
        let scope = Scope::Task { target: plan.target.clone(), with: With::Run };
        // The call itself has been permitted; its steps are not asked about again.
        let started = self.engine.command(self.caller, self.tool.name, scope, start, Vec::new())?;
        let run = started.events.iter().find_map(|event| match event {
            Event::GateStarted { run, .. } => Some(*run),
            _ => None,
        });

        let task = plan.task.to_string();
        let context = GateContext {
            root: &self.engine.workspace.root,
            task: &task,
            phase: &plan.phase,
            gate: &gate.id,
            env: &self.engine.gate_environment,
        };
        watch.progress(&format!("checking: {}", gate_words(gate)));
        let looked = Cell::new(self.engine.now());
        let stop = || {
            // Work that phasegate does for the holder is activity of the holder.
            let _ = self.engine.renew_after_read(&self.caller.agent);
            watch.cancelled() || self.has_lost(plan, &looked)
        };
        let report = self.engine.measured_gate(&gate.kind, || {
            gates::run(&gate.kind, &context, &stop, &|progress| {
                watch.progress(&format!("{}: {} s, {}", gate.id, progress.elapsed_ms / 1000, progress.last_line));
            })
        });
        // A run that was begun gets an end, whatever became of the work tree.
        let after = self.tree(&plan.target);
        let report = match &after {
            Ok(after) => honest(report, &before, after),
            Err(failure) => {
                let summary = format!("{}, but the work tree cannot be read any more: {failure}", report.summary);
                GateReport { passed: false, summary, ..report }
            }
        };

        let cancelled = watch.cancelled() && !report.passed;
        let printed = self.engine.screening.clean(report.detail.clone());
        let end = output::end(&printed, PRINTED_BYTES).filter(|_| !report.passed);
        let (output, blob) = kept_output(printed);
        let finish = FinishGate {
            target: plan.target.clone(),
            gate: gate.id.clone(),
            run: run.unwrap_or(RunId(0)),
            passed: report.passed,
            summary: report.summary.clone(),
            tree: Some(before.print().digest),
            output,
            printed: end,
            cancelled,
        };
        let scope = Scope::Task { target: plan.target.clone(), with: With::Nothing };
        self.engine.command(self.caller, self.tool.name, scope, Command::FinishGate(finish), blob)?;
        let after = after?;
        if cancelled {
            let message = format!("the call was cancelled while gate `{}` ran", gate.id);
            return Err(
                self.refuse(&plan.target, Refusal::new(Code::Cancelled, message, "transition_phase runs it again"))
            );
        }
        Ok(after)
    }

    /// Whether the claim that a run belongs to has ended; asked of the store once a second. A store that does not
    /// answer ends nothing.
    fn has_lost(&self, plan: &Plan, looked: &Cell<Time>) -> bool {
        let now = self.engine.now();
        if now.0 - looked.get().0 < CLAIM_LOOK_MS {
            return false;
        }
        looked.set(now);
        let Some(fence) = plan.target.fence else { return false };
        let held = self.engine.view(|tx| store::read::is_held(tx, plan.task, fence.0));
        matches!(held, Ok(false))
    }

    /// The task has moved, whatever becomes of this: asked again, it would move once more.
    fn look_after(&self, id: TaskId) -> Result<Facts, Failure> {
        self.look(&Target { task: Some(id), ..Target::default() }, With::Gates).map_err(|failure| match failure {
            Failure::Broken(error) => {
                let said = format!("{id} has entered its next phase, which cannot be read now: {error}");
                StoreError::Database { said, hint: "look at the task before you move it again" }.into()
            }
            refused @ Failure::Refused(_) => refused,
        })
    }

    fn entered(&self, done: &Outcome) -> Result<Reply, Failure> {
        let moved = done.events.iter().find_map(|event| match event {
            Event::PhaseEntered { task, from, phase, .. } => Some((*task, from.clone(), phase.clone())),
            _ => None,
        });
        let (id, from, phase) = moved.unwrap_or((TaskId(0), String::new(), String::new()));
        // The gates of the new phase speak of rows that were not loaded for the old one.
        let ended = done.facts.task(id)?.status() == task::Status::Done;
        let looked = if ended { None } else { Some(self.look_after(id)?) };
        let after = looked.as_ref().unwrap_or(&done.facts);
        let task = after.task(id)?;
        let workflow = after.workflow_of(task)?;
        let passed = workflow.phase(&from).into_iter().flat_map(|phase| &phase.exit).map(gate_words);
        let brief = if task.status().is_open() {
            Some(Box::new(brief(after, task, None, &self.engine.context(self.caller))?))
        } else {
            None
        };
        let readied = done.events.iter().filter_map(|event| match event {
            Event::TaskReadied { task, .. } => Some(*task),
            _ => None,
        });
        let back =
            workflow.phase(&from).zip(workflow.phase(&phase)).is_some_and(|(from, to)| is_back(workflow, from, to));
        let entered = Entered {
            task: id,
            from: from.clone(),
            phase,
            status: task.status(),
            passed: if back { Vec::new() } else { passed.collect() },
            readied: readied
                .filter(|id| done.facts.state.tasks.get(id).is_some_and(|task| task.status() == task::Status::Ready))
                .collect(),
            brief,
        };
        Ok(noted(entered.reply(), done))
    }
}

/// A run that changed the work tree proves nothing about the tree as it is now, and the message says which files.
fn honest(report: GateReport, before: &TreeList, after: &TreeList) -> GateReport {
    let changed = tree::diff(before, after);
    if !report.passed || changed.is_empty() {
        return report;
    }
    let summary = format!(
        "{}, but files changed while it ran: {}; run it again, or have git ignore what it makes",
        report.summary,
        changed.join(", ")
    );
    GateReport { passed: false, summary, ..report }
}

/// What a run printed is kept like a record: without secrets.
fn kept_output(printed: String) -> (Option<String>, Vec<Attachment>) {
    if printed.is_empty() {
        return (None, Vec::new());
    }
    let content = printed.into_bytes();
    let sha256 = canonical::sha256(&content);
    (Some(sha256.clone()), vec![Attachment::Blob { sha256, content }])
}
