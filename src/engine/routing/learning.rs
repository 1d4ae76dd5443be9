//! When the engine learns: before its first choice, after outcomes of its own, once a second in servers. And what people see of
//! it and may do to it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::facts::Caller;
use crate::domain::workflow::ModelTier;
use crate::engine::{Engine, Failure};
use crate::routing::routed::OUTCOMES_MIN;
use crate::store::{self, Scope, StoreError, routing};

use super::lesson::{Silent, lesson};

/// Tries that are read at once for a report.
const PAGE: usize = 500;

/// What is known, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub generation: u64,
    /// Tries that a reset made teach nothing.
    pub forgotten: u64,
    /// Tries that teach.
    pub outcomes: u64,
    /// With fewer of them the score chooses.
    pub needed: u64,
    /// By tier, project and type.
    pub groups: BTreeMap<(ModelTier, String, String), Group>,
    /// Tries that came after a failure: they say little of their tier on all work, and much of what raises bring.
    pub raised: BTreeMap<ModelTier, Group>,
    pub silent: BTreeMap<Silent, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Group {
    pub outcomes: u64,
    /// The sum of their successes, each from 0 to 1.
    pub done: f64,
    /// Dollars of those whose cost is known, and how many those are.
    pub usd: f64,
    pub costed: u64,
}

impl Group {
    fn add(&mut self, success: f64, cost: Option<f64>) {
        self.outcomes += 1;
        self.done += success;
        if let Some(cost) = cost {
            self.usd += cost;
            self.costed += 1;
        }
    }

    pub fn mean(&self) -> f64 {
        self.done / (self.outcomes.max(1) as f64)
    }

    pub fn mean_usd(&self) -> Option<f64> {
        (self.costed > 0).then(|| self.usd / self.costed as f64)
    }
}

impl Engine {
    /// Before a command that may choose a model: what is known already, where nobody has looked yet.
    pub(in crate::engine) fn learn_first(&self, scope: &Scope) {
        let chooses = matches!(scope, Scope::Claim { .. } | Scope::Standing | Scope::Task { .. });
        if chooses {
            self.learn_once();
        }
    }

    /// What hooks do before they choose for a subagent: each of their processes does one thing, and most choose nothing.
    pub(in crate::engine) fn learn_once(&self) {
        if !self.routes.learner.has_begun() {
            self.learn();
        }
    }

    /// After a command: its own outcomes count from the next choice on. Short processes that choose nothing skip it.
    pub(in crate::engine) fn learn_from(&self, events: &[Event]) {
        let tells = |event: &Event| matches!(event, Event::OutcomeRecorded { .. } | Event::LearningReset { .. });
        if self.routes.learner.has_begun() && events.iter().any(tells) {
            self.learn();
        }
    }

    /// Choosing goes on with what is known: a model that is chosen less well is no reason to stop work.
    pub fn learn(&self) {
        if let Err(error) = self.routes.learner.refresh(self.backend(), self.routes.catalogue(), self.now()) {
            tracing::warn!(%error, "what outcomes taught could not be read; models are chosen by what is known");
        }
    }

    /// For servers, once a second.
    pub fn keep_learning(&self) {
        self.learn();
        if let Err(error) = self.routes.learner.keep(self.backend(), self.now()) {
            tracing::warn!(%error, "what outcomes taught could not be kept; it is read again from them");
        }
    }

    /// By the tries themselves, whatever this process has in memory.
    pub fn learned_report(&self) -> Result<Report, StoreError> {
        let head = store::snapshot(self.backend(), routing::head)?.0;
        let mut report = Report {
            generation: head.generation,
            forgotten: head.forgotten,
            needed: OUTCOMES_MIN,
            ..Report::default()
        };
        let mut after = head.forgotten;
        loop {
            let tries = store::snapshot(self.backend(), |tx| routing::tries_after(tx, after, PAGE))?;
            for known in &tries {
                after = known.id;
                match lesson(known, self.routes.catalogue(), self.routes.preferences.assume_followed) {
                    Err(silent) => *report.silent.entry(silent).or_default() += 1,
                    Ok(lesson) => {
                        report.outcomes += 1;
                        if lesson.again {
                            report.raised.entry(lesson.tier).or_default().add(lesson.success, lesson.cost);
                        } else {
                            let key = (lesson.tier, lesson.project, lesson.kind.unwrap_or_default());
                            report.groups.entry(key).or_default().add(lesson.success, lesson.cost);
                        }
                    }
                }
            }
            if tries.len() < PAGE {
                return Ok(report);
            }
        }
    }

    /// The state of learning itself, as it is kept.
    pub fn learned_saved(&self) -> Result<Option<Box<RawValue>>, StoreError> {
        self.routes.learner.refresh(self.backend(), self.routes.catalogue(), self.now())?;
        Ok(self.routes.learner.saved())
    }

    /// Everything is forgotten, in every process; the tries stay for what they cost.
    pub fn reset_learning(&self, caller: &Caller, reason: String) -> Result<u64, Failure> {
        let upto = store::snapshot(self.backend(), routing::head)?.1;
        let command = Command::ResetLearning { upto, reason };
        let outcome = self.command(caller, "models", Scope::Learning, command, Vec::new())?;
        Ok(outcome.facts.state.learning.generation)
    }
}
