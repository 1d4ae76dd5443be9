//! What a person signs on a page, and under whose name it is done. What has to be signed is decided in `domain`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::approver::{Proof, PublicKey, Signed, Via, enrolment, revocation};
use crate::domain::command::{AcceptViolations, ChangeBudget};
use crate::domain::decide::{budget, violations};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{AgentName, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::violation::TreePath;
use crate::domain::visible::visible;
use crate::domain::workflow::Budget;
use crate::store::StoreError;

use super::super::{Engine, Failure};
use super::LEVEL;

impl Engine {
    /// A person whose signature holds acts as the approver whose key it is: keys are public, so a key alone shows nothing. An
    /// agent stays an agent.
    pub(super) fn who_signs(&self, caller: &Caller, signed: &Signed, statement: &Value) -> Result<Caller, StoreError> {
        let person = match caller.role {
            Role::Approver | Role::Operator => true,
            Role::Agent | Role::Auditor | Role::System => false,
        };
        if !person || !signed.holds(statement) {
            return Ok(caller.clone());
        }
        let known = self.approvers()?.0.into_iter().find(|known| known.key == signed.key);
        let Some(known) = known else { return Ok(caller.clone()) };
        Ok(Caller { agent: known.name, role: Role::Approver, ..caller.clone() })
    }

    /// Under whose name, and with what for a proof.
    fn whose(&self, caller: &Caller, signed: Option<Signed>, statement: &Value) -> Result<(Caller, Proof), StoreError> {
        let caller = match &signed {
            Some(signed) => self.who_signs(caller, signed, statement)?,
            None => caller.clone(),
        };
        Ok((caller, Proof { level: LEVEL, via: Via::Inbox, signed }))
    }

    /// Enrols who asks on a page; the first one is remembered by this machine, as at the command line.
    pub fn enrol_on_page(
        &self,
        caller: &Caller,
        name: AgentName,
        key: PublicKey,
        groups: BTreeSet<String>,
        signed: Option<Signed>,
    ) -> Result<(), Failure> {
        let unfit = |text: &&String| !AgentName((*text).clone()).is_fit();
        if let Some(bad) = groups.iter().chain([&name.0]).find(unfit) {
            let message = format!("`{}` cannot be a name", visible(bad));
            return Err(Refusal::new(Code::BadArguments, message, "up to 100 letters, digits and `-_.:@/`").into());
        }
        let first = !self.has_approvers()?;
        let (caller, proof) = self.whose(caller, signed, &enrolment(&self.workspace_id()?, &name, &key, &groups))?;
        self.enrol(&caller, name, key.clone(), groups, proof)?;
        if first {
            self.remember_first(&key);
        }
        Ok(())
    }

    pub fn revoke_on_page(
        &self,
        caller: &Caller,
        name: AgentName,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<(), Failure> {
        let (caller, proof) = self.whose(caller, signed, &revocation(&self.workspace_id()?, &name))?;
        self.revoke(&caller, name, reason, proof)
    }

    pub fn accept_on_page(
        &self,
        caller: &Caller,
        task: TaskId,
        paths: Vec<TreePath>,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<Task, Failure> {
        let statement = violations::statement(&self.workspace_id()?, task, &paths, &reason);
        let (caller, proof) = self.whose(caller, signed, &statement)?;
        self.accept_violations(&caller, AcceptViolations { task, paths, reason, proof })
    }

    pub fn change_budget_on_page(
        &self,
        caller: &Caller,
        task: TaskId,
        budget: Budget,
        reason: String,
        signed: Option<Signed>,
    ) -> Result<Task, Failure> {
        let statement = budget::statement(&self.workspace_id()?, task, &budget, &reason);
        let (caller, proof) = self.whose(caller, signed, &statement)?;
        self.change_budget(&caller, ChangeBudget { task, budget, reason, proof })
    }
}
