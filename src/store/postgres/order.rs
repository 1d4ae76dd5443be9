//! Gives records their numbers. Commands put what they record into `arrivals`; a pass, one at a time in the database, moves
//! what is committed into the log in the order of arrival. A command that commits late is numbered late, and never skipped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Shared, StoreError, postgres};

/// Where nothing was heard, a look so often: another process may have written and said nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Work that comes together is numbered together.
const GATHER: Duration = Duration::from_millis(10);
/// The lock of a pass.
pub const NAME: &str = "order";
/// Records in one pass.
const PASS: u64 = 5000;
/// Moves of tasks that are counted by themselves before they are put together.
const ROWS_OF_A_SUM: u64 = 32;
/// Passes between two clearings of what is kept only for a while.
const CLEAR_EVERY: u64 = 500;

pub struct Order {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    heard: Mutex<Heard>,
    /// For the thread that numbers.
    work: Condvar,
    /// For those who wait for what is numbered.
    news: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct Heard {
    work: bool,
    news: u64,
}

impl Signal {
    fn work(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).work = true;
        self.work.notify_one();
    }

    fn news(&self) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.news = heard.news.wrapping_add(1);
        drop(heard);
        self.news.notify_all();
    }
}

impl Order {
    pub fn start(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let signal = Arc::new(Signal::default());
        let (of, heard) = (Arc::downgrade(shared), Arc::clone(&signal));
        let thread = std::thread::Builder::new()
            .name("phasegate-order".to_owned())
            .spawn(move || run(&of, &heard))
            .map_err(|source| StoreError::File { path: shared.address.shown().into(), source })?;
        Ok(Self { signal, thread: Some(thread) })
    }

    pub fn wake(&self) {
        self.signal.work();
    }

    pub fn await_news(&self, at_most: Duration) {
        let heard = self.signal.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = heard.news;
        let waited = self.signal.news.wait_timeout_while(heard, at_most, |heard| heard.news == known);
        drop(waited);
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.signal.ended.store(true, Ordering::Relaxed);
        self.signal.work();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Weak<Shared>, signal: &Signal) {
    let mut passes: u64 = 0;
    loop {
        {
            let heard = signal.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = signal.work.wait_timeout_while(heard, LOOK, |heard| !heard.work);
            let (mut heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            heard.work = false;
        }
        let Some(shared) = shared.upgrade() else { return };
        let ended = signal.ended.load(Ordering::Relaxed);
        match settle(&shared) {
            Ok(0) => {}
            Ok(_) => signal.news(),
            Err(error) => tracing::debug!(%error, "records could not be numbered; it is tried again"),
        }
        if ended {
            return;
        }
        passes = passes.wrapping_add(1);
        if passes.is_multiple_of(CLEAR_EVERY) {
            clear(&shared);
        }
        drop(shared);
        std::thread::sleep(GATHER);
    }
}

/// Gives every record that is committed by now its number; how many that were.
pub fn settle(shared: &Shared) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let connection = shared.pool.take()?;
        let look = format!("BEGIN; {}; SELECT 1 FROM arrivals LIMIT 1", connection.opening(&shared.address));
        let any = connection.changed(&look).map_err(postgres("look for new records"));
        let passed = match any {
            Ok(0) => Ok(0),
            Ok(_) => {
                let key = shared.address.key(NAME);
                let lock = format!("SELECT pg_advisory_xact_lock({key})");
                connection.batch(&lock).and_then(|()| connection.changed(&pass())).map_err(postgres("number records"))
            }
            Err(error) => Err(error),
        };
        let end = if passed.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = connection.batch(end).map_err(postgres("number records"));
        let mut connection = connection;
        if ended.is_err() {
            connection.spoil();
        }
        let passed = passed?;
        ended?;
        all += passed;
        if passed < PASS {
            return Ok(all);
        }
    }
}

fn pass() -> String {
    format!(
        "WITH many AS (SELECT workflow, phase, status FROM task_counts GROUP BY workflow, phase, status \
           HAVING count(*) > {ROWS_OF_A_SUM}), \
         sums AS (DELETE FROM task_counts USING many WHERE task_counts.workflow = many.workflow \
           AND task_counts.phase = many.phase AND task_counts.status = many.status \
           RETURNING task_counts.workflow, task_counts.phase, task_counts.status, task_counts.tasks) \
         INSERT INTO task_counts(workflow, phase, status, tasks) \
           SELECT workflow, phase, status, sum(tasks) FROM sums GROUP BY workflow, phase, status HAVING sum(tasks) <> 0; \
         WITH moved AS (DELETE FROM arrivals WHERE id IN (SELECT id FROM arrivals ORDER BY id LIMIT {PASS}) \
           RETURNING id, at, kind, task, agent, body) \
         INSERT INTO events(seq, at, kind, task, agent, body) \
           SELECT (SELECT coalesce(max(seq), 0) FROM events) + row_number() OVER (ORDER BY id), at, kind, task, agent, body \
           FROM moved"
    )
}

/// Ids of commands whose callers have long had their answer.
fn clear(shared: &Shared) {
    let Ok(mut connection) = shared.pool.take() else { return };
    let opening = connection.opening(&shared.address);
    let sql = format!("BEGIN; {opening}; DELETE FROM commits WHERE at < now() - interval '1 hour'; COMMIT");
    if connection.batch(&sql).is_err() {
        connection.spoil();
    }
}
