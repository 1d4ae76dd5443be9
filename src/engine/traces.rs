//! What the engine measures of its own work: a span and a count for each tool call, and spans for what is inside of it.
//! Names, ids and codes only; what a call says or is answered is never among it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::config;
use crate::domain::facts::Caller;
use crate::domain::ids::TaskId;
use crate::domain::workflow::GateKind;
use crate::store::{Decide, Outcome, StoreError};
use crate::telemetry::{self, Exporter, Inside, Kind, Open, TraceParent, Tracer};
use crate::tools::{Reply, Tool};

use super::clock::Stopwatch;
use super::gates::GateReport;
use super::metrics::meters::Ending;
use super::{Engine, Failure};

/// Begins to send spans where the environment says where to. What is wrong with that stops nothing else.
pub fn start(engine: &Engine) -> Option<Exporter> {
    let settings = match config::telemetry::traces() {
        Ok(settings) => settings?,
        Err(why) => {
            tracing::warn!(why, next = "mend that variable, or leave it out", "no traces are sent");
            return None;
        }
    };
    let (clock, names) = (Arc::clone(&engine.clock), Arc::clone(&engine.clock));
    let random = move || u64::from_str_radix(&names.random_hex(8), 16).unwrap_or(0);
    match telemetry::start(&settings, move || clock.now_ns(), random) {
        Ok((tracer, exporter)) => {
            let _ = engine.tracer.set(tracer);
            Some(exporter)
        }
        Err(error) => {
            tracing::warn!(%error, "no traces are sent");
            None
        }
    }
}

impl Engine {
    /// Nothing where traces are off.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.tracer.get()
    }

    /// A command on its way to the store: what it waited for, and what it took until it was durable.
    pub(super) fn measured(
        &self,
        decide: Decide,
        execute: impl FnOnce(Decide) -> Result<Outcome, StoreError>,
    ) -> Result<Outcome, StoreError> {
        let _span = self.tracer().and_then(|tracer| tracer.part("store.write"));
        let began = Arc::new((Stopwatch::start(), AtomicU64::new(0)));
        let waiting = Arc::clone(&began);
        let outcome = execute(Box::new(move |facts| {
            // It may be asked more than once; the first time ends the wait.
            let waited = u64::try_from(waiting.0.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
            let _ = waiting.1.compare_exchange(0, waited, Ordering::Relaxed, Ordering::Relaxed);
            decide(facts)
        }));
        self.measured.meters.write.add(began.0.elapsed());
        self.measured.meters.wait.add(std::time::Duration::from_nanos(began.1.load(Ordering::Relaxed)));
        outcome
    }

    pub(super) fn measured_gate(&self, kind: &GateKind, run: impl FnOnce() -> GateReport) -> GateReport {
        let kind = match kind {
            GateKind::Command { .. } => "command",
            GateKind::Syntax { .. } => "syntax",
            GateKind::Hook { .. } => "hook",
            // Not run, but found in rows.
            GateKind::Artifact { .. }
            | GateKind::Approval(_)
            | GateKind::Children
            | GateKind::Tasks { .. }
            | GateKind::Budget => "state",
        };
        let mut span = self.tracer().and_then(|tracer| tracer.part("gate run"));
        let began = Stopwatch::start();
        let report = run();
        self.measured.meters.gate(kind, began.elapsed());
        if let Some(span) = &mut span {
            span.note("phasegate.gate.kind", kind);
            span.note("phasegate.gate.outcome", if report.passed { "passed" } else { "refused" });
        }
        report
    }
}

/// One tool call, from its beginning to its end. One that is never ended, since it panicked, has failed.
pub(super) struct Watched<'e> {
    engine: &'e Engine,
    tool: &'static Tool,
    began: Stopwatch,
    span: Option<Open<'e>>,
    ended: bool,
}

impl<'e> Watched<'e> {
    pub(super) fn begin(engine: &'e Engine, caller: &Caller, tool: &'static Tool, parent: Option<TraceParent>) -> Self {
        let span = engine.tracer().map(|tracer| {
            let parent = parent.or_else(telemetry::inside);
            let mut span = tracer.begin(format!("tools/call {}", tool.name), Kind::Server, parent);
            span.note("mcp.method.name", "tools/call");
            span.note("gen_ai.operation.name", "execute_tool");
            span.note("gen_ai.tool.name", tool.name);
            span.note("gen_ai.agent.name", caller.agent.0.as_str());
            span.note("phasegate.role", caller.role.word());
            span
        });
        Self { engine, tool, began: Stopwatch::start(), span, ended: false }
    }

    pub(super) fn enter(&self) -> Option<Inside> {
        self.span.as_ref().map(Open::enter)
    }

    pub(super) fn end(mut self, answer: &Result<Reply, Failure>) {
        if let (Some(span), Ok(reply)) = (&mut self.span, answer)
            && let Some(task) = task_of(&reply.structured)
        {
            span.note("phasegate.task", task.to_string());
        }
        self.close(match answer {
            Ok(_) => Ending::Ok,
            Err(Failure::Refused(refusal)) => Ending::Refused(refusal.code),
            Err(Failure::Broken(_)) => Ending::Failed,
        });
    }

    fn close(&mut self, ending: Ending) {
        self.ended = true;
        self.engine.measured.meters.call(self.tool, ending, self.began.elapsed());
        if let Some(span) = &mut self.span {
            span.note("phasegate.outcome", ending.word());
            match ending {
                Ending::Ok => {}
                // The answer that a rule asks for is no error of the server.
                Ending::Refused(code) => span.note("error.type", code.word()),
                Ending::Failed => {
                    span.note("error.type", "internal");
                    span.fail();
                }
            }
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.close(Ending::Failed);
        }
    }
}

/// The task that an answer is about; only what reads as an id of ours.
fn task_of(structured: &Value) -> Option<TaskId> {
    let task = structured.get("task")?;
    task.as_str().or_else(|| task.get("id")?.as_str())?.parse().ok()
}
