//! Claims that come at the same time in one process share a transaction, and with it the commit. Whoever comes first carries out
//! what has gathered and passes the lead on; there is no thread for it. Where one fails, each goes by itself: nothing of them
//! was committed. Which commands may share is `Scope::lock`'s.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Ended, Shared};
use crate::store::{Body, Lock, StoreError};

/// Transactions of this kind at a time in one process: while one commits, another works.
const LEADERS: usize = 2;
/// What is waited for others at most, where several came together just before: they come back at about the same time.
const GATHER: Duration = Duration::from_millis(2);
/// Commands in one transaction; each waits for all of them.
const GROUP: usize = 16;
/// Commands that go by themselves after a group failed: where there are accounts to wait for, the next would fail as well.
const APART: u32 = 200;

#[derive(Default)]
pub struct Together {
    state: Mutex<State>,
    gathered: Condvar,
}

#[derive(Default)]
struct State {
    leading: usize,
    apart: u32,
    /// Commands that have come and are not done.
    inside: usize,
    /// How many that were of late.
    callers: usize,
    waiting: VecDeque<Job>,
}

struct Job {
    names: Vec<String>,
    body: Body,
    told: SyncSender<Told>,
}

/// What becomes of a job, told to the thread that brought it.
enum Told {
    Done(Result<(), StoreError>),
    /// To be carried out now, with what has gathered since.
    Lead(Box<Job>),
    /// To be carried out by itself.
    Apart(Box<Job>),
}

impl State {
    /// Commands in one transaction, so that each leader has as many.
    fn share(&self) -> usize {
        self.callers.div_ceil(LEADERS).clamp(1, GROUP)
    }

    /// Whether more are about to come that would go with a command that leads.
    fn is_few(&self) -> bool {
        self.waiting.len() + 1 < self.share() && self.inside < self.callers
    }

    /// Others than these and than each other: what one command of an agent writes, its next has to ask for.
    fn gathered(&mut self, names: &[String]) -> Vec<Job> {
        self.callers = self.inside.max(self.callers.saturating_sub(1));
        let share = self.share();
        let mut gathered: Vec<Job> = Vec::new();
        let mut left = VecDeque::with_capacity(self.waiting.len());
        for job in self.waiting.drain(..) {
            let known = names.iter().chain(gathered.iter().flat_map(|job| &job.names));
            if gathered.len() + 1 < share && !known.into_iter().any(|name| job.names.contains(name)) {
                gathered.push(job);
            } else {
                left.push_back(job);
            }
        }
        self.waiting = left;
        gathered
    }
}

impl Together {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job comes back if it is to be led at once.
    fn join(&self, job: Job) -> Option<Job> {
        let mut state = self.state();
        state.inside += 1;
        if state.leading < LEADERS {
            state.leading += 1;
            return Some(job);
        }
        state.waiting.push_back(job);
        if !state.is_few() {
            drop(state);
            self.gathered.notify_all();
        }
        None
    }

    /// What goes with a command that leads.
    fn gather(&self, names: &[String]) -> Vec<Job> {
        let waited = self.gathered.wait_timeout_while(self.state(), GATHER, |state| state.is_few());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.gathered(names)
    }

    fn done(&self, commands: usize) {
        let mut state = self.state();
        state.inside = state.inside.saturating_sub(commands);
    }

    fn pass_on(&self) {
        let mut state = self.state();
        while let Some(job) = state.waiting.pop_front() {
            let told = job.told.clone();
            if told.try_send(Told::Lead(Box::new(job))).is_ok() {
                return;
            }
        }
        state.leading = state.leading.saturating_sub(1);
    }
}

pub fn write(shared: &Shared, names: Vec<String>, body: Body) -> Result<(), StoreError> {
    {
        let mut state = shared.together.state();
        if state.apart > 0 {
            state.apart -= 1;
            drop(state);
            return shared.write(&Lock::Beside(names), body);
        }
    }
    let (told, hears) = sync_channel(1);
    let first = match shared.together.join(Job { names, body, told }) {
        Some(job) => job,
        None => match hears.recv().map_err(|_| StoreError::Closed)? {
            Told::Done(result) => return result,
            Told::Apart(job) => return shared.write(&Lock::Beside(job.names), job.body),
            Told::Lead(job) => *job,
        },
    };
    let mut others = shared.together.gather(&first.names);
    let commands = others.len() + 1;
    if others.is_empty() {
        let done = shared.write(&Lock::Beside(first.names), first.body);
        shared.together.done(commands);
        shared.together.pass_on();
        return done;
    }
    others.insert(0, first);
    let (mut bodies, owners): (Vec<Body>, Vec<_>) =
        others.into_iter().map(|job| (job.body, (job.names, job.told))).unzip();
    let mut names: Vec<String> = owners.iter().flat_map(|(names, _)| names).cloned().collect();
    // In one order, so that no two groups wait for each other.
    names.sort_unstable();
    names.dedup();
    let went = carried_out(shared, names, &mut bodies);
    shared.together.done(commands);
    shared.together.pass_on();
    let jobs = bodies.into_iter().zip(owners).map(|(body, (names, told))| Job { names, body, told });
    tell(shared, &went, jobs)
}

enum Went {
    Through,
    /// Nothing of it stays.
    Not,
    /// It may have been committed or not, so none of it may be done again.
    Unknown {
        said: String,
        hint: &'static str,
    },
}

impl Went {
    fn unknown(error: &StoreError) -> Self {
        Self::Unknown { said: error.to_string(), hint: error.hint() }
    }
}

fn carried_out(shared: &Shared, names: Vec<String>, bodies: &mut [Body]) -> Went {
    match shared.try_write(&Lock::Beside(names), bodies) {
        Ok(()) => Went::Through,
        Err(Ended::Again(_) | Ended::Failed(_)) => Went::Not,
        Err(Ended::Unknown(id, _)) => match shared.was_committed(&id) {
            Ok(true) => Went::Through,
            Ok(false) => Went::Not,
            Err(error) => Went::unknown(&error),
        },
    }
}

/// What becomes of the first is the answer: it is the caller's own.
fn tell(shared: &Shared, went: &Went, jobs: impl Iterator<Item = Job>) -> Result<(), StoreError> {
    if matches!(went, Went::Not) {
        shared.together.state().apart = APART;
    }
    let mut own = None;
    for job in jobs {
        if own.is_none() {
            own = Some(job);
            continue;
        }
        let told = job.told.clone();
        let what = match went {
            Went::Through => Told::Done(Ok(())),
            Went::Not => Told::Apart(Box::new(job)),
            Went::Unknown { said, hint } => Told::Done(Err(StoreError::Database { said: said.clone(), hint })),
        };
        let _ = told.try_send(what);
    }
    match (went, own) {
        (Went::Through, _) => Ok(()),
        (Went::Not, Some(job)) => shared.write(&Lock::Beside(job.names), job.body),
        (Went::Unknown { said, hint }, _) => Err(StoreError::Database { said: said.clone(), hint }),
        (Went::Not, None) => Err(StoreError::Closed),
    }
}
