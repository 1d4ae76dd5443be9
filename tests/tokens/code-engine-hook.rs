//! A call that is about to run: judged and recorded in one transaction, then answered.

use serde_json::Value;

use crate::clients::hooked::{HookAnswer, ToolCall};
use crate::domain::approval::Approval;
use crate::domain::decide::{consume, session};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::session::{Judged, SeenCall};
use crate::domain::spending::Spent;
use crate::domain::task::Task;
use crate::domain::workflow::{Enforcement, ModelTier};
use crate::policy::client_call::{self, ClientCall, Lacks, Ruled, Ruling, SHELL, Unruled};
use crate::sandbox::Rung;
use crate::store::{self, Decide, Missing, Stop};
use crate::tools;

use super::{Actor, TOOL, Told};
use crate::engine::{Engine, Failure};

/// Our own tools, however the client names them: the engine judges those itself. Another server may call itself so too,
/// and what is none of our tools is judged like any other.
pub(super) const OWN: &str = "mcp__phasegate__";
const SUBAGENT: &str = "Agent";

impl Engine {
    pub(super) fn before(&self, told: &Told, actor: &Actor, call: &ToolCall) -> Result<HookAnswer, Failure> {
        if is_own(&call.tool) {
            return self.own_call(told, actor, call);
        }
        // Asked for a command only: nothing else is given to the kernel to hold.
        let rung = if call.tool == SHELL { self.kernel(&told.binary) } else { Rung::None };
        // Without an id too: some clients have none, and what a phase requires is not less there.
        let can_confine = told.rewrite.is_some();
        let judged = self.client_call(told, call, can_confine && rung == Rung::Full);
        let shown = judged.shown();
        let caller = self.hook_caller(actor);
        let how = How { shown: actor.shown.clone(), asks: told.asks, rung: can_confine.then_some(rung) };
        let decide = decision(self.context(&caller), how, judged, call.clone());
        let scope = actor.scope(call.id.as_deref(), false);
        let outcome = self.transact(scope, self.by(&caller, TOOL), Vec::new(), decide)?;
        let again = call.id.as_ref().and_then(|id| outcome.facts.state.seen_calls.get(id)).map(said_before);
        let Some(verdict) = outcome.events.iter().find_map(said).or(again) else { return Ok(HookAnswer::Nothing) };
        let facts = &outcome.facts;
        let first = facts.held.first().or(facts.lent.first());
        let task = first.and_then(|id| facts.state.tasks.get(id));
        let silent = observes(facts, task);
        // What a person is asked about runs without another word to the hook.
        if task.is_some() && !matches!(verdict, Said::Denied(_)) {
            self.look_before(actor, call);
        }
        let tell =
            |reason: Option<String>| reason.filter(|_| !silent).map(|reason| format!("phasegate: {reason}; recorded"));
        Ok(match verdict {
            Said::Allowed { confined: Some(held), note } => {
                noted(self.confined(told, call, facts, task, held)?, tell(note))
            }
            Said::Allowed { confined: None, note } => {
                HookAnswer::Allow { input: routed(told, call, facts, task), note: tell(note) }
            }
            Said::Left => HookAnswer::Nothing,
            Said::Noted(reason) => {
                tell(Some(reason)).map_or(HookAnswer::Nothing, |context| HookAnswer::Tell { context })
            }
            Said::Asked(reason) => HookAnswer::Ask { reason: format!("phasegate: `{shown}`: {reason}") },
            Said::Denied(reason) => HookAnswer::Deny { reason: format!("phasegate: {reason}") },
        })
    }

    /// The call that the server is about to get: this row is how it learns who calls, and that a guard is there.
    fn own_call(&self, told: &Told, actor: &Actor, call: &ToolCall) -> Result<HookAnswer, Failure> {
        self.note_session(actor, None)?;
        if let Some(id) = told.noted(call) {
            let seen = SeenCall {
                call: id,
                session: actor.shown.session.clone(),
                agent: actor.acting.clone(),
                tool: call.tool.clone(),
                task: None,
                digest: String::new(),
                command: None,
                confined: None,
                aside: Spent::default(),
                verdict: Judged::Allow,
            };
            store::sessions::note(self.backend.as_ref(), seen, self.now())?;
        }
        Ok(HookAnswer::Allow { input: None, note: None })
    }

    /// Whatever is new about the session goes on record; nothing is written where nothing is.
    pub(super) fn note_session(
        &self,
        actor: &Actor,
        how: Option<crate::domain::session::Opened>,
    ) -> Result<store::Outcome, Failure> {
        let caller = self.hook_caller(actor);
        let (scope, by, shown) = (actor.scope(None, true), self.by(&caller, TOOL), actor.shown.clone());
        let facts = store::snapshot(self.backend.as_ref(), |tx| store::look(tx, &scope, &by))?;
        if session::shown(&facts, &shown, how).is_empty() {
            return Ok(store::Outcome { facts, ..store::Outcome::default() });
        }
        let by = self.by(&caller, TOOL);
