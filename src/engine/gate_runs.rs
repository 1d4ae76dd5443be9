//! Leaving a phase from outside a transaction: run the gates that must be run, each between a start and an end command,
//! then ask for the transition.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::brief::{brief, gate_words};
use crate::domain::canonical;
use crate::domain::command::{Command, FinishGate, Target, TransitionPhase};
use crate::domain::decide::{decide, destination, holder, is_back};
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::{RunId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::state::evidence_key;
use crate::domain::task;
use crate::domain::workflow::{Gate, GateKind};
use crate::policy::permit::permit;
use crate::store::{self, Attachment, Decide, Outcome, Scope, With};
use crate::tools::Reply;
use crate::tools::transition_phase::Entered;

use super::gates::{self, GateContext, GateReport, tree};
use super::{Call, Failure, Watch, waived};

/// What a run may take beyond its own limit before the sweeper takes it for orphaned.
const GRACE_SECONDS: u64 = 30;
const SYNTAX_SECONDS: u64 = 120;

/// Which gates have to be run, and for whom.
#[derive(Clone)]
struct Plan {
    task: TaskId,
    phase: String,
    target: Target,
    gates: Vec<Gate>,
    evidence: BTreeMap<String, Evidence>,
    visit: u32,
}

impl Plan {
    /// True when a gate's last run still counts for this work tree.
    fn holds(&self, gate: &Gate, tree: &str) -> bool {
        self.evidence
            .get(&evidence_key(&self.phase, &gate.id))
            .is_some_and(|known| known.holds(&gate.kind, Some(tree), self.visit))
    }
}

enum Attempt {
    Done(Box<Outcome>),
    Needs(Box<(Plan, TransitionPhase)>),
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
    let target = Target { task: Some(task.id), handle: None, fence: Some(claim.fence) };
    let (phase, evidence) = (from.name.clone(), task.evidence.clone());
    Ok(Some(Plan { task: task.id, phase, target, gates, evidence, visit: task.visit }))
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
        let first = self.attempt(TransitionPhase { target: target.clone(), to, outcome, tree: None })?;
        let (plan, command) = match first {
            Attempt::Done(done) => return self.entered(&done),
            Attempt::Needs(needs) => *needs,
        };
        let tree = self.fingerprint(&plan.target)?;
        for gate in plan.gates.iter().filter(|gate| !plan.holds(gate, &tree)) {
            self.run_gate(&plan, gate, watch)?;
        }
        let tree = Some(self.fingerprint(&plan.target)?);
        let scope = Scope::Task { target, with: With::GatesAndDependents };
        let done = self.run(scope, Command::TransitionPhase(TransitionPhase { tree, ..command }), Vec::new())?;
        self.entered(&done)
    }

    fn attempt(&self, command: TransitionPhase) -> Result<Attempt, Failure> {
        let context = self.engine.context(self.caller, self.tool.name);
        let (tool, need) = (self.tool.name, self.need());
        let scope = Scope::Task { target: command.target.clone(), with: With::GatesAndDependents };
        let by = self.engine.by(self.caller, self.tool.name);
        let found = Arc::new(Mutex::new(None));
        let (slot, attempted) = (Arc::clone(&found), command.clone());
        let decide: Decide = Box::new(move |facts| {
            let permit = permit(facts, tool, need)?;
            let plan = plan(facts, &attempted, &context)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = plan.clone();
            if plan.is_some() {
                return Ok(Vec::new());
            }
            let mut events = decide(facts, &Command::TransitionPhase(attempted.clone()), &context)?;
            events.extend(waived(permit, facts, tool));
            Ok(events)
        });
        let outcome = store::execute(self.engine.backend.as_ref(), scope, by, Vec::new(), decide)?;
        let plan = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (outcome.refusal.clone(), plan) {
            (Some(refusal), _) => Err(refusal.into()),
            (None, Some(plan)) => Ok(Attempt::Needs(Box::new((plan, command)))),
            (None, None) => Ok(Attempt::Done(Box::new(outcome))),
        }
    }

    fn fingerprint(&self, target: &Target) -> Result<String, Failure> {
        let print = tree::fingerprint(&self.engine.workspace.root).map_err(|why| self.tree_refusal(target, &why))?;
        Ok(print.digest)
    }

    fn tree_refusal(&self, target: &Target, why: &str) -> Failure {
        let message = format!("the work tree cannot be read: {why}");
        let refusal = Refusal::new(Code::GatesUnmet, message, "mend that, then transition_phase again");
        self.refuse(target, refusal)
    }

    fn run_gate(&self, plan: &Plan, gate: &Gate, watch: &dyn Watch) -> Result<(), Failure> {
        let before = tree::list(&self.engine.workspace.root).map_err(|why| self.tree_refusal(&plan.target, &why))?;
        let limit_seconds = GRACE_SECONDS
            + match &gate.kind {
                GateKind::Command { within_seconds, .. } | GateKind::Hook { within_seconds, .. } => *within_seconds,
                _ => SYNTAX_SECONDS,
            };
        let start = Command::StartGate { target: plan.target.clone(), gate: gate.id.clone(), limit_seconds };
        let scope = Scope::Task { target: plan.target.clone(), with: With::Run };
        // The call itself has been permitted; its steps are not asked about again.
        let started = self.engine.command(self.caller, self.tool.name, scope, start, Vec::new())?;
        let run = run_id(&started.facts, plan.task, &plan.phase, &gate.id);

        let task = plan.task.to_string();
        let context = GateContext {
            root: &self.engine.workspace.root,
            task: &task,
            phase: &plan.phase,
            gate: &gate.id,
            env: &self.engine.gate_environment,
        };
        watch.progress(&format!("checking: {}", gate_words(gate)));
        let stop = || {
            // Work that phasegate does for the holder is activity of the holder.
            let _ = self.engine.renew_after_read(&self.caller.agent);
            watch.cancelled()
        };
        let report = gates::run(&gate.kind, &context, &stop, &|progress| {
            watch.progress(&format!("{}: {} s, {}", gate.id, progress.elapsed_ms / 1000, progress.last_line));
        });
        let after = tree::list(&self.engine.workspace.root).map_err(|why| self.tree_refusal(&plan.target, &why))?;
        let report = honest(report, &before, &after);

        let cancelled = watch.cancelled() && !report.passed;
        let (output, blob) = kept_output(&report);
        let finish = FinishGate {
            target: plan.target.clone(),
            gate: gate.id.clone(),
            run,
            passed: report.passed,
            summary: report.summary.clone(),
            tree: Some(before.print().digest),
            output,
        };
        let scope = Scope::Task { target: plan.target.clone(), with: With::Nothing };
        self.engine.command(self.caller, self.tool.name, scope, Command::FinishGate(finish), blob)?;
        if cancelled {
            let message = format!("the call was cancelled while gate `{}` ran", gate.id);
            return Err(
                self.refuse(&plan.target, Refusal::new(Code::Cancelled, message, "transition_phase runs it again"))
            );
        }
        Ok(())
    }

    fn entered(&self, done: &Outcome) -> Result<Reply, Failure> {
        let moved = done.events.iter().find_map(|event| match event {
            Event::PhaseEntered { task, from, phase, .. } => Some((*task, from.clone(), phase.clone())),
            _ => None,
        });
        let (id, from, phase) = moved.unwrap_or((TaskId(0), String::new(), String::new()));
        // The gates of the new phase speak of rows that were not loaded for the old one.
        let ended = done.facts.task(id)?.status() == task::Status::Done;
        let looked =
            if ended { None } else { Some(self.look(&Target { task: Some(id), ..Target::default() }, With::Gates)?) };
        let after = looked.as_ref().unwrap_or(&done.facts);
        let task = after.task(id)?;
        let workflow = after.workflow_of(task)?;
        let passed = workflow.phase(&from).into_iter().flat_map(|phase| &phase.exit).map(gate_words);
        let brief = if task.status().is_open() {
            Some(Box::new(brief(after, task, None, self.engine.clock.now())?))
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
        self.reply(&entered, done)
    }
}

fn run_id(facts: &Facts, task: TaskId, phase: &str, gate: &str) -> RunId {
    let evidence = facts.state.tasks.get(&task).and_then(|task| task.evidence.get(&evidence_key(phase, gate)));
    match evidence {
        Some(Evidence::Running { run, .. }) => *run,
        Some(Evidence::Passed(verdict) | Evidence::Refused(verdict)) => verdict.run,
        None => RunId(0),
    }
}

/// A run that changed the work tree proves nothing about the tree as it is now, and the message says which files.
fn honest(report: GateReport, before: &tree::TreeList, after: &tree::TreeList) -> GateReport {
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

fn kept_output(report: &GateReport) -> (Option<String>, Vec<Attachment>) {
    if report.detail.is_empty() {
        return (None, Vec::new());
    }
    let content = report.detail.clone().into_bytes();
    let sha256 = canonical::sha256(&content);
    (Some(sha256.clone()), vec![Attachment::Blob { sha256, content }])
}
