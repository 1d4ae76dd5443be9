//! Models that agents ask for, and what they tell of how work on them went. What is chosen and who may tell is decided in
//! `decide::route`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::command::{Command, RecordOutcome, Target};
use crate::domain::decide::route::asked as asked_route;
use crate::domain::event::Event;
use crate::domain::facts::Role;
use crate::domain::ids::RouteId;
use crate::domain::route::{Judge, Work};
use crate::domain::workflow::ModelTier;
use crate::store::{Outcome, Scope, StoreError, With};
use crate::tools::record_outcome::Told;
use crate::tools::{Output, Reply};

use super::{Call, Failure, noted};

impl Call<'_> {
    pub(super) fn route(&self, work: Work) -> Result<Reply, Failure> {
        let decision = RouteId(format!("R-{}", self.engine.clock.random_hex(6)));
        let slot = Arc::new(Mutex::new(None));
        let fill = Arc::clone(&slot);
        let scope = Scope::Task { target: Target::default(), with: With::Nothing };
        let outcome = self.permitted(scope, Vec::new(), move |facts, context| {
            let (route, event) = asked_route(facts, decision.clone(), &work, context).unzip();
            *fill.lock().unwrap_or_else(PoisonError::into_inner) = route;
            Ok(event.map(|event| vec![event]))
        })?;
        let route = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let route =
            route.ok_or_else(|| StoreError::BadRow { table: "decisions", why: "nothing was chosen".to_owned() })?;
        Ok(noted(route.reply(), &outcome))
    }

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
