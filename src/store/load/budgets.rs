//! The accounts of tasks under a cap, and of the tasks they are a part of. A task that nothing caps costs no statement here.

use crate::domain::decide::budget::{LINEAGE_MAX, caps};
use crate::domain::facts::Facts;
use crate::domain::ids::TaskId;
use crate::domain::spending::Cap;

use super::super::spending::{book, lapse, own_aside};
use super::super::{By, Scope, StoreError, Tx};
use super::{seen_task, workflows};

/// For every task that is loaded by now.
pub fn budgets(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    let loaded: Vec<TaskId> = facts.state.tasks.keys().copied().collect();
    loaded.into_iter().try_for_each(|id| budget(tx, facts, id))
}

pub fn budget(tx: &mut dyn Tx, facts: &mut Facts, of: TaskId) -> Result<(), StoreError> {
    up(tx, facts, of, true)
}

/// The same for a look by whoever has changed the accounts in this transaction, and so has them for itself.
pub fn counted(tx: &mut dyn Tx, facts: &mut Facts, of: TaskId) -> Result<(), StoreError> {
    up(tx, facts, of, false)
}

fn up(tx: &mut dyn Tx, facts: &mut Facts, of: TaskId, holds: bool) -> Result<(), StoreError> {
    let mut next = Some(of);
    for _ in 0..LINEAGE_MAX {
        let Some(id) = next else { break };
        seen_task(tx, facts, id)?;
        workflows(tx, facts)?;
        let Some(part) = facts.state.tasks.get(&id) else { break };
        next = part.spec.parent;
        let caps = facts.workflows.get(&part.workflow).map(|workflow| caps(part, workflow)).unwrap_or_default();
        if !caps.is_none() && !facts.accounts.contains_key(&id) {
            // What is set aside here is decided on what is left here. Minutes are not set aside.
            if holds && !Cap::of(&caps).is_none() {
                tx.hold(&format!("account {id}"))?;
            }
            let (account, watch) = book(tx, id)?;
            facts.accounts.insert(id, account);
            facts.watches.insert(id, watch);
        }
    }
    Ok(())
}

/// What the caller set aside for its own next answer. What others have left behind must not keep it waiting, so where it
/// `writes`, that lapses first: there may be no sweeper.
pub fn asides(tx: &mut dyn Tx, facts: &mut Facts, scope: &Scope, by: &By, writes: bool) -> Result<(), StoreError> {
    let session = match scope {
        Scope::Hook { session, .. } => Some(session),
        _ => None,
    };
    if writes && session.is_some() && lapse(tx, by.at)? {
        facts.accounts.clear();
        budgets(tx, facts)?;
    }
    facts.aside = own_aside(tx, &by.agent, session)?;
    let unknown: Vec<TaskId> =
        facts.aside.iter().map(|(task, _)| *task).filter(|task| !facts.state.tasks.contains_key(task)).collect();
    // Whatever it was set aside for, it counts for what that is a part of.
    unknown.into_iter().try_for_each(|task| up(tx, facts, task, false))
}
