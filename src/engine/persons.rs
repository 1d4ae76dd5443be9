//! What persons do: answer approvals, enrol approvers, open bypasses. Who may is decided in `domain`; keys are the caller's.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::approval::Approval;
use crate::domain::approver::{Approver, Approvers, Proof, PublicKey};
use crate::domain::bypass::Bypass;
use crate::domain::command::{Command, DecideApprovals, Decision, OpenBypass};
use crate::domain::event::Event;
use crate::domain::facts::Caller;
use crate::domain::ids::{AgentName, ApprovalId, BypassId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::store::{self, Scope, StoreError};
use crate::tools;

use super::{Engine, Failure};

impl Engine {
    /// All of them, or none; gives them as they are afterwards.
    pub fn answer(&self, caller: &Caller, answers: DecideApprovals) -> Result<Vec<Approval>, Failure> {
        let ids: Vec<ApprovalId> = answers.approvals.iter().map(|(id, _)| *id).collect();
        if let Decision::Adjust { arguments, .. } = &answers.answer {
            for id in &ids {
                self.could_run(*id, arguments)?;
            }
        }
        let command = Command::DecideApprovals(answers);
        let outcome = self.command(caller, "approvals", Scope::Approvals(ids.clone()), command, Vec::new())?;
        for event in &outcome.events {
            if let Event::BudgetChanged { task, .. } = event {
                self.look_at_caps(*task);
            }
        }
        let mut after = outcome.facts.state.approvals;
        Ok(ids.iter().filter_map(|id| after.remove(id)).collect())
    }

    /// Changed arguments of a tool of ours are checked as a call of it would be.
    fn could_run(&self, id: ApprovalId, arguments: &Value) -> Result<(), Failure> {
        let known = self.approval(id)?;
        let tool = known.as_ref().and_then(Approval::call).and_then(|(tool, _)| tools::find(tool).ok());
        if let Some(tool) = tool {
            (tool.parse)(arguments.clone()).map_err(|refusal| {
                let fields = tools::schema::fields(&(tool.input)()).join("`, `");
                Refusal { hint: format!("nothing was answered; the fields it may have are `{fields}`"), ..refusal }
            })?;
        }
        if let Some((tool, _)) = known.as_ref().and_then(Approval::call) {
            super::acts::could_run(tool, arguments)?;
        }
        Ok(())
    }

    /// Why what it was asked about is no longer what there is, if it is not.
    pub fn void(&self, id: ApprovalId) -> Result<Option<String>, StoreError> {
        let by = self.by(&super::startup::system(), "approvals");
        self.view(|tx| {
            let facts = store::look(tx, &Scope::Approvals(vec![id]), &by)?;
            Ok(facts.state.approvals.get(&id).and_then(|known| crate::domain::decide::void(&facts, known)))
        })
    }

    /// Those asked together with it, itself included.
    pub fn batch_of(&self, id: ApprovalId) -> Result<Vec<Approval>, StoreError> {
        self.view(|tx| store::read::batch(tx, id))
    }

    pub fn enrol(
        &self,
        caller: &Caller,
        name: AgentName,
        key: PublicKey,
        groups: BTreeSet<String>,
        proof: Proof,
    ) -> Result<(), Failure> {
        let command = Command::EnrolApprover { name, key, groups, proof };
        self.command(caller, "approver", Scope::Trust, command, Vec::new()).map(drop)
    }

    pub fn revoke(&self, caller: &Caller, name: AgentName, reason: String, proof: Proof) -> Result<(), Failure> {
        let command = Command::RevokeApprover { name, reason, proof };
        self.command(caller, "approver", Scope::Trust, command, Vec::new()).map(drop)
    }

    /// Every approver, and the names of those whose enrolment can be traced.
    pub fn approvers(&self) -> Result<(Vec<Approver>, BTreeSet<AgentName>), StoreError> {
        let all: Approvers = self.view(store::read::approvers)?;
        let (workspace, first) = (self.workspace_id()?, self.settings.first_approver.as_ref());
        let standing = crate::domain::approver::standing(&all, &workspace, first);
        let standing = standing.keys().map(|name| (*name).clone()).collect();
        Ok((all.into_values().collect(), standing))
    }

    /// The key of the first approver, as this machine remembers it.
    pub fn first_approver(&self) -> Option<&PublicKey> {
        self.settings.first_approver.as_ref()
    }

    /// Notes it away from the store, so that an exchanged first approver is seen.
    pub(super) fn remember_first(&self, key: &PublicKey) {
        if let Some(Err(error)) = self.keyring.as_ref().map(|ring| ring.remember_first(&self.place, key)) {
            tracing::warn!(%error, "this machine could not note the first approver's key: an exchanged store would go unseen");
        }
    }

    pub fn has_approvers(&self) -> Result<bool, StoreError> {
        Ok(self.settings.first_approver.is_some() || !self.view(store::read::approvers)?.is_empty())
    }

    /// The store's own name: part of everything that is signed.
    pub fn workspace_id(&self) -> Result<String, StoreError> {
        Ok(self.glance(|tx| store::meta(tx, "workspace"))?.unwrap_or_default())
    }

    /// Whether there is what a bypass would be about, before anybody is asked.
    pub fn bypass_possible(&self, rules: &[String], task: Option<TaskId>) -> Result<(), Failure> {
        let by = self.by(&super::startup::system(), "bypass");
        let looked = self.view(|tx| {
            let facts = store::look(tx, &Scope::Bypass { task, bypass: None }, &by)?;
            Ok(crate::domain::decide::bypass_possible(&facts, rules, task))
        })?;
        Ok(looked?)
    }

    pub fn open_bypass(&self, caller: &Caller, open: OpenBypass) -> Result<Bypass, Failure> {
        let scope = Scope::Bypass { task: open.task, bypass: None };
        let outcome = self.command(caller, "bypass", scope, Command::OpenBypass(open), Vec::new())?;
        let made = outcome.facts.state.bypasses.into_values().next_back();
        Ok(made.ok_or_else(|| Refusal::new(Code::UnknownBypass, "the bypass is gone", "open it again"))?)
    }

    pub fn close_bypass(&self, caller: &Caller, bypass: BypassId, reason: String) -> Result<(), Failure> {
        let scope = Scope::Bypass { task: None, bypass: Some(bypass) };
        self.command(caller, "bypass", scope, Command::CloseBypass { bypass, reason }, Vec::new()).map(drop)
    }

    pub fn open_bypasses(&self) -> Result<Vec<Bypass>, StoreError> {
        let now = self.now();
        self.view(|tx| store::read::open_bypasses(tx, now))
    }
}
