//! Who waits for whom among open tasks, and what can run together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::graph::waves;
use crate::domain::ids::TaskId;
use crate::domain::task::Status;
use crate::domain::view::{Edge, Graph};
use crate::engine::Engine;
use crate::store::views::{self, Standing};
use crate::store::{StoreError, Tx};

const TASKS_MAX: usize = 300;
/// Of one task, on one side of it.
const NEAR_MAX: usize = 100;

impl Engine {
    /// All that is open; or a task with its parts and what it depends on, whether open or not.
    pub fn graph(&self, root: Option<TaskId>) -> Result<Graph, StoreError> {
        self.view(|tx| {
            let (found, more) = match root {
                Some(root) => around(tx, root)?,
                None => open(tx)?,
            };
            Ok(graph(&found, more))
        })
    }
}

/// What is worked on and what waits comes before what can be had at any time.
fn open(tx: &mut dyn Tx) -> Result<(BTreeMap<TaskId, Standing>, bool), StoreError> {
    let (mut found, mut more) = (BTreeMap::new(), false);
    for status in [Status::Claimed, Status::Blocked, Status::Waiting, Status::Ready] {
        for standing in views::standing_with(tx, status, TASKS_MAX + 1)? {
            if found.len() >= TASKS_MAX {
                more = true;
                break;
            }
            found.insert(standing.task.id, standing);
        }
    }
    Ok((found, more))
}

fn around(tx: &mut dyn Tx, root: TaskId) -> Result<(BTreeMap<TaskId, Standing>, bool), StoreError> {
    let (mut found, mut more) = (BTreeMap::new(), false);
    let mut next = VecDeque::from([root]);
    let mut seen = BTreeSet::from([root]);
    while let Some(id) = next.pop_front() {
        if found.len() >= TASKS_MAX {
            more = true;
            break;
        }
        let Some(standing) = views::standing_one(tx, id)? else { continue };
        let mut near: Vec<TaskId> = standing.task.spec.depends_on.iter().copied().collect();
        for list in [views::children(tx, id, NEAR_MAX + 1)?, views::dependents(tx, id, NEAR_MAX + 1)?] {
            more |= list.len() > NEAR_MAX;
            near.extend(list.iter().take(NEAR_MAX).map(|standing| standing.task.id));
        }
        next.extend(near.into_iter().filter(|id| seen.insert(*id)));
        found.insert(id, standing);
    }
    Ok((found, more))
}

fn graph(found: &BTreeMap<TaskId, Standing>, more: bool) -> Graph {
    let numbers: BTreeMap<TaskId, usize> = found.keys().enumerate().map(|(number, id)| (*id, number)).collect();
    let (mut needs, mut edges) = (Vec::new(), Vec::new());
    for (id, standing) in found {
        let on = || standing.task.spec.depends_on.iter().filter_map(|on| numbers.get(on).map(|number| (*on, *number)));
        edges.extend(on().map(|(from, _)| Edge { from, to: *id }));
        needs.push(on().map(|(_, number)| number).collect::<Vec<_>>());
    }
    let mut by_wave: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
    for (id, wave) in found.keys().zip(waves(&needs)) {
        by_wave.entry(wave).or_default().push(*id);
    }
    let tasks = found.values().map(Standing::row).collect();
    Graph { tasks, edges, waves: by_wave.into_values().collect(), more }
}
