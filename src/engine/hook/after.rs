//! A call that has run: its end goes on record, and what it did to the work tree is looked at.

use crate::clients::hooked::{HookAnswer, ToolCall, ToolResult};
use crate::domain::decide::session;
use crate::store::Decide;

use super::{Actor, TOOL, Told};
use crate::engine::{Engine, Failure};

impl Engine {
    pub(super) fn after(
        &self,
        told: &Told,
        actor: &Actor,
        call: &ToolCall,
        result: &ToolResult,
    ) -> Result<HookAnswer, Failure> {
        self.read_usage_of(told, actor);
        let Some(id) = call.id.clone() else { return Ok(HookAnswer::Nothing) };
        let caller = self.hook_caller(actor);
        let (well, exit_code) = (result.well, result.exit_code);
        let scope = actor.scope(Some(&id), false);
        let decide: Decide =
            Box::new(move |facts| Ok(session::observed(facts, &id, well, exit_code).into_iter().collect()));
        self.transact(scope, self.by(&caller, TOOL), Vec::new(), decide)?;
        Ok(HookAnswer::Nothing)
    }

    /// Token use since the last look, from the client's own transcript.
    pub(super) fn read_usage_of(&self, _told: &Told, _actor: &Actor) {}
}
