//! Leaving a phase from outside a transaction: run the gates that must be run, each between a start and an end command,
//! then ask for the transition.

use sha2::{Digest, Sha256};

use crate::domain::brief::{brief, gate_words};
use crate::domain::command::{Command, FinishGate, Target, TransitionPhase};
use crate::domain::decide::{destination, gates as gate_facts, holder, is_back};
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::Facts;
use crate::domain::ids::{RunId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::state::evidence_key;
use crate::domain::task;
use crate::domain::workflow::{Gate, GateKind};
use crate::store::{Attachment, Scope, With};
use crate::tools::Reply;
use crate::tools::transition_phase::Entered;

use super::gates::{self, GateContext, GateReport, tree};
use super::{Call, Failure, Watch};

/// What a run may take beyond its own limit before the sweeper takes it for orphaned.
const GRACE_SECONDS: u64 = 30;
const SYNTAX_SECONDS: u64 = 120;

/// What the look before found: which gates to run, and for whom.
struct Plan {
    task: TaskId,
    phase: String,
    target: Target,
    gates: Vec<Gate>,
    needs_tree: bool,
}

impl Call<'_> {
    pub(super) fn transition(
        &self,
        target: Target,
        to: Option<String>,
        outcome: Option<task::Outcome>,
        watch: &dyn Watch,
    ) -> Result<Reply, Failure> {
        let mut tree_now = None;
        // A look that ends in a refusal is left to the command, which finds the same and records it.
        if let Some(plan) = self.plan(&target, to.as_deref())? {
            for gate in &plan.gates {
                self.run_gate(&plan, gate, watch)?;
            }
            if plan.needs_tree {
                tree_now = Some(self.fingerprint()?);
            }
        }
        let command = TransitionPhase { target: target.clone(), to, outcome, tree: tree_now };
        let scope = Scope::Task { target, with: With::GatesAndDependents };
        let done = self.run(scope, Command::TransitionPhase(command), Vec::new())?;
        self.entered(&done)
    }

    fn plan(&self, target: &Target, to: Option<&str>) -> Result<Option<Plan>, Failure> {
        let facts = self.look(target, With::Gates)?;
        let context = self.engine.context(self.caller, self.tool.name);
        let Ok((task, claim)) = holder(&facts, target, &context) else { return Ok(None) };
        let workflow = facts.workflow_of(task)?;
        let from = facts.phase_of(task)?;
        let Ok(to) = destination(workflow, from, to, task) else { return Ok(None) };
        if is_back(workflow, from, to) {
            return Ok(None);
        }
        let needs_tree = from.exit.iter().any(|gate| gate.kind.is_run());
        let tree = if needs_tree { Some(self.fingerprint()?) } else { None };
        let unmet = gate_facts::all_unmet(&facts, task, tree.as_deref(), context.now)?;
        let to_run = |gate: &&Gate| gate.kind.is_run() && unmet.iter().any(|known| known.gate == gate.id);
        Ok(Some(Plan {
            task: task.id,
            phase: from.name.clone(),
            // The runs belong to this claim: if it ends meanwhile, their results are refused.
            target: Target { task: Some(task.id), handle: None, fence: Some(claim.fence) },
            gates: from.exit.iter().filter(to_run).cloned().collect(),
            needs_tree,
        }))
    }

    fn fingerprint(&self) -> Result<String, Failure> {
        let print = tree::fingerprint(&self.engine.workspace.root).map_err(|why| tree_refusal(&why))?;
        Ok(print.digest)
    }

    fn run_gate(&self, plan: &Plan, gate: &Gate, watch: &dyn Watch) -> Result<(), Failure> {
        let limit_seconds = GRACE_SECONDS
            + match &gate.kind {
                GateKind::Command { within_seconds, .. } | GateKind::Hook { within_seconds, .. } => *within_seconds,
                _ => SYNTAX_SECONDS,
            };
        let start = Command::StartGate { target: plan.target.clone(), gate: gate.id.clone(), limit_seconds };
        let scope = Scope::Task { target: plan.target.clone(), with: With::Run };
        let started = self.run(scope, start, Vec::new())?;
        let run = run_id(&started.facts, plan.task, &plan.phase, &gate.id);

        let before = tree::list(&self.engine.workspace.root).map_err(|why| tree_refusal(&why))?;
        let task = plan.task.to_string();
        let context = GateContext {
            root: &self.engine.workspace.root,
            task: &task,
            phase: &plan.phase,
            gate: &gate.id,
            env: &self.engine.gate_environment,
        };
        watch.progress(&format!("running {}", gate_words(gate)));
        let report = gates::run(&gate.kind, &context, &|| watch.cancelled(), &|progress| {
            watch.progress(&format!("{}: {} s, {}", gate.id, progress.elapsed_ms / 1000, progress.last_line));
        });
        let after = tree::list(&self.engine.workspace.root).map_err(|why| tree_refusal(&why))?;
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
        self.run(scope, Command::FinishGate(finish), blob)?;
        if cancelled {
            let message = format!("the call was cancelled while gate `{}` ran", gate.id);
            return Err(Refusal::new(Code::Cancelled, message, "transition_phase runs it again").into());
        }
        Ok(())
    }

    fn entered(&self, done: &crate::store::Outcome) -> Result<Reply, Failure> {
        let moved = done.events.iter().find_map(|event| match event {
            Event::PhaseEntered { task, from, phase, .. } => Some((*task, from.clone(), phase.clone())),
            _ => None,
        });
        let (id, from, phase) = moved.unwrap_or((TaskId(0), String::new(), String::new()));
        let after = self.look(&Target { task: Some(id), ..Target::default() }, With::Gates)?;
        let task = after.task(id)?;
        let workflow = after.workflow_of(task)?;
        let passed = workflow.phase(&from).into_iter().flat_map(|phase| &phase.exit).map(gate_words);
        let brief = if task.status().is_open() {
            Some(Box::new(brief(&after, task, None, self.engine.clock.now())?))
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

fn tree_refusal(why: &str) -> Refusal {
    let message = format!("the work tree cannot be read: {why}");
    Refusal::new(Code::GatesUnmet, message, "mend that, then transition_phase again")
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
    let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    (Some(sha256.clone()), vec![Attachment::Blob { sha256, content }])
}
