//! What callers of every role may read: the log as far as they are shown it, approvals, proofs, content. Who is shown what is
//! decided in `domain`.

use serde_json::{Value, json};

use crate::config::workflow_text::{explain::explain, lint::lint};
use crate::domain::approval::Approval;
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{ApprovalId, Time};
use crate::domain::record::{RecordFilter, RecordPage, Sight, shown_whole};
use crate::domain::refusal::{Code, Refusal};
use crate::policy::permit::of_role;
use crate::store::{self, Scope, StoreError, read, records};

use super::backtest::Backtest;
use super::{Engine, Failure};

/// Approvals that one call looks through for those that an agent asked for.
const APPROVALS_LOOKED_AT: usize = 5000;
const APPROVALS_AT_ONCE: usize = 500;

/// Whether such a credential may ever call the tool.
pub fn is_open_to(caller: &Caller, tool: &str) -> bool {
    of_role(caller, tool).is_ok()
}

impl Engine {
    /// The records that fit and that the caller is shown.
    pub fn records_seen(&self, caller: &Caller, filter: &RecordFilter) -> Result<RecordPage, StoreError> {
        let (filter, by) = (self.below_root(filter), self.by(caller, "read"));
        self.view(|tx| {
            let held = match caller.role {
                Role::Agent => {
                    let scope = Scope::Standing;
                    store::look(tx, &scope, &by)?.held
                }
                Role::Approver | Role::Operator | Role::Auditor | Role::System => Vec::new(),
            };
            records::page(tx, &filter, &Sight::of(caller, &held))
        })
    }

    /// The newest first, with what leads to those before them; for an agent those that it asked for itself.
    pub fn approvals_seen(
        &self,
        caller: &Caller,
        pending_only: bool,
        before: Option<ApprovalId>,
        limit: usize,
    ) -> Result<(Vec<Approval>, Option<ApprovalId>), StoreError> {
        self.view(|tx| {
            let (mut found, mut before, mut looked) = (Vec::new(), before, 0);
            loop {
                let page = read::approvals_before(tx, pending_only, before, APPROVALS_AT_ONCE)?;
                let full = page.len() == APPROVALS_AT_ONCE;
                looked += page.len();
                for approval in page {
                    before = Some(approval.id);
                    if approval.is_shown_to(caller) {
                        found.push(approval);
                    }
                    if found.len() > limit {
                        found.truncate(limit);
                        let next = found.last().map(|last| last.id);
                        return Ok((found, next));
                    }
                }
                if !full {
                    return Ok((found, None));
                }
                if looked >= APPROVALS_LOOKED_AT {
                    return Ok((found, before));
                }
            }
        })
    }

    /// One that an agent did not ask for is to it as if it were not there.
    pub fn approval_seen(&self, caller: &Caller, id: ApprovalId) -> Result<Approval, Failure> {
        let found = self.approval(id)?.filter(|approval| approval.is_shown_to(caller));
        let hint = "`GET /api/v1/approvals?state=all` lists those that you are shown";
        Ok(found.ok_or_else(|| Refusal::new(Code::UnknownApproval, format!("there is no approval {id}"), hint))?)
    }

    /// Content by its digest. It is not looked up which tasks it belongs to, so agents get none this way.
    pub fn blob_seen(&self, caller: &Caller, sha256: &str) -> Result<Option<Vec<u8>>, Failure> {
        shown_whole(caller, "content by its digest")?;
        Ok(self.blob(sha256)?)
    }

    pub fn may_export(&self, caller: &Caller) -> Result<(), Failure> {
        Ok(shown_whole(caller, "an export of the log")?)
    }

    pub fn may_see_fleet(&self, caller: &Caller) -> Result<(), Failure> {
        Ok(shown_whole(caller, "the list of agents")?)
    }

    /// A proof holds the record itself.
    pub fn may_prove(&self, caller: &Caller) -> Result<(), Failure> {
        Ok(shown_whole(caller, "a proof of a record")?)
    }

    /// A version that was ever in force, by its name or its hash: in plain words, with what is probably not meant in it.
    pub fn workflow_page(&self, name: &str) -> Result<Value, Failure> {
        let found = self.workflow_named(Some(name))?;
        let (row, workflow, source) = found.ok_or_else(|| no_workflow(name))?;
        let lint: Vec<Value> = lint(&workflow)
            .into_iter()
            .map(|warning| json!({ "phase": warning.phase, "message": warning.message, "hint": warning.hint }))
            .collect();
        let explained = explain(&workflow);
        Ok(json!({ "row": row, "workflow": workflow, "explain": explained, "lint": lint, "source": source }))
    }

    /// All calls on record since then, held against a version that is known here.
    pub fn backtest_named(
        &self,
        caller: &Caller,
        name: &str,
        since: Option<Time>,
        most: usize,
    ) -> Result<Backtest, Failure> {
        shown_whole(caller, "calls on record held against a workflow")?;
        let found = self.workflow_named(Some(name))?;
        let (_, workflow, _) = found.ok_or_else(|| no_workflow(name))?;
        Ok(self.backtest(&workflow, since, most)?)
    }
}

fn no_workflow(name: &str) -> Refusal {
    let shown: String = name.chars().take(80).collect();
    let hint = "`GET /api/v1/workflows` lists names and hashes";
    Refusal::new(Code::UnknownWorkflow, format!("there is no workflow `{shown}`"), hint)
}
