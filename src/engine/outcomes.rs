//! What agents and persons tell of how work on a model went. Who may tell what is decided in `decide::route`.

use crate::domain::command::{Command, RecordOutcome};
use crate::domain::event::Event;
use crate::domain::facts::Role;
use crate::domain::route::Judge;
use crate::domain::workflow::ModelTier;
use crate::store::{Outcome, Scope};
use crate::tools::record_outcome::Told;
use crate::tools::{Output, Reply};

use super::{Call, Failure, noted};

impl Call<'_> {
    pub(super) fn outcome(&self, told: RecordOutcome) -> Result<Reply, Failure> {
        // A model that the table knows says its tier, which may not be the one that was routed.
        let of_model = told.model.as_deref().and_then(|name| self.engine.routes.catalogue().find(name));
        let told = RecordOutcome { tier: told.tier.or(of_model.map(|model| model.tier)), ..told };
        let scope = Scope::Outcome { target: told.target.clone(), decision: told.decision.clone() };
        let outcome = self.run(scope, Command::RecordOutcome(told.clone()), Vec::new())?;
        Ok(noted(self.said(&told, &outcome).reply(), &outcome))
    }

    fn said(&self, told: &RecordOutcome, outcome: &Outcome) -> Told {
        let recorded = outcome.events.iter().find_map(|event| match event {
            Event::OutcomeRecorded { task, decision, phase, tier, success, judge, .. } => Some(Told {
                tier: *tier,
                success: *success,
                judge: *judge,
                decision: decision.clone(),
                task: *task,
                phase: phase.clone(),
                known: false,
            }),
            _ => None,
        });
        recorded.unwrap_or_else(|| {
            let decision = told.decision.as_ref().and_then(|id| outcome.facts.state.decisions.get(id));
            Told {
                tier: decision.map(|decision| decision.route.tier).or(told.tier).unwrap_or(ModelTier::Base),
                success: told.success,
                judge: if self.caller.role == Role::Agent { Judge::Agent } else { Judge::Person },
                decision: told.decision.clone(),
                task: decision.and_then(|decision| decision.task),
                phase: String::new(),
                known: true,
            }
        })
    }
}
