//! The accounts of tasks under a cap, and of the tasks they are a part of. A task that nothing caps costs no statement here.

use crate::domain::decide::budget::{LINEAGE_MAX, caps};
use crate::domain::facts::Facts;
use crate::domain::ids::TaskId;
use crate::domain::spending::Cap;

use super::super::spending::account;
use super::super::{StoreError, Tx};
use super::{seen_task, workflows};

/// For every task that is loaded by now.
pub fn budgets(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    let loaded: Vec<TaskId> = facts.state.tasks.keys().copied().collect();
    loaded.into_iter().try_for_each(|id| budget(tx, facts, id))
}

pub fn budget(tx: &mut dyn Tx, facts: &mut Facts, of: TaskId) -> Result<(), StoreError> {
    let mut next = Some(of);
    for _ in 0..LINEAGE_MAX {
        let Some(id) = next else { break };
        seen_task(tx, facts, id)?;
        workflows(tx, facts)?;
        let Some(part) = facts.state.tasks.get(&id) else { break };
        next = part.spec.parent;
        let capped =
            facts.workflows.get(&part.workflow).is_some_and(|workflow| !Cap::of(&caps(part, workflow)).is_none());
        if capped && !facts.accounts.contains_key(&id) {
            // What is set aside here is decided on what is left here.
            tx.hold(&format!("account {id}"))?;
            let found = account(tx, id)?;
            facts.accounts.insert(id, found);
        }
    }
    Ok(())
}
