//! Gives records their numbers. Commands put what they record into `arrivals`; a pass, one at a time in the database, moves
//! what is committed into the log in the order of arrival. A command that commits late is numbered late, and never skipped.
//! Servers tell each other what came and what is numbered; where that is not heard, they look.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::address::Address;
use super::tx::PgTx;
use super::{Shared, StoreError, postgres, reach};
use crate::store::{Param, Tx};

/// Where nothing was heard, a look so often: another process may have written and said nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Work that comes together is numbered together; after a long pass for longer, so that numbering takes a share of the time
/// and no more.
const GATHER: Duration = Duration::from_millis(10);
const GATHER_MOST: Duration = Duration::from_millis(100);
const GATHER_SHARE: u32 = 8;
/// The lock of a pass.
pub const NAME: &str = "order";
const ARRIVED: &str = "arrived";
const NUMBERED: &str = "numbered";
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// Records in one pass.
const PASS: u64 = 5000;
/// Records between two times that moves of tasks, each a row, are added up.
const SUM_EVERY: u64 = 10_000;
/// Passes between two clearings of what is kept only for a while.
const CLEAR_EVERY: u64 = 500;

pub struct Order {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

/// Records that were numbered since sums were last added up. The first pass of a process adds them up.
pub struct Unsummed(AtomicU64);

impl Default for Unsummed {
    fn default() -> Self {
        Self(AtomicU64::new(SUM_EVERY))
    }
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
        listen(shared, &signal);
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

/// On a connection of its own, made again when it is lost.
fn listen(shared: &Shared, signal: &Arc<Signal>) {
    let (address, signal) = (shared.address.clone(), Arc::downgrade(signal));
    shared.pool.spawn(async move {
        while signal.strong_count() > 0 {
            let (ear, mut heard) = unbounded_channel();
            let listening = async {
                let reached = reach::connected(&address, Some(ear)).await?;
                if reached.pooled {
                    // The session, and what it listens to, would be somebody else's next.
                    return Ok(None);
                }
                let sql = format!("LISTEN \"{}\"", channel(&address));
                reached.client.batch_execute(&sql).await.map_err(postgres("listen"))?;
                Ok::<_, StoreError>(Some(reached.client))
            };
            match listening.await {
                Ok(None) => return,
                Ok(Some(_client)) => {
                    while let Some(heard) = heard.recv().await {
                        let Some(signal) = signal.upgrade() else { return };
                        if heard.payload() == NUMBERED { signal.news() } else { signal.work() }
                    }
                }
                Err(error) => tracing::debug!(%error, "nothing is heard from the database; it is looked at instead"),
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    });
}

fn channel(address: &Address) -> String {
    format!("phasegate {}", address.schema)
}

/// That a command has put something there, told with its commit.
pub fn tell(tx: &mut PgTx<'_>, address: &Address) -> Result<(), StoreError> {
    tx.put("SELECT pg_notify(?1, ?2)", &[Param::Text(&channel(address)), Param::Text(ARRIVED)])
}

fn run(shared: &Weak<Shared>, signal: &Signal) {
    let mut passes: u64 = 0;
    loop {
        let known = {
            let heard = signal.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = signal.work.wait_timeout_while(heard, LOOK, |heard| !heard.work);
            let (mut heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut heard.work)
        };
        let Some(shared) = shared.upgrade() else { return };
        let ended = signal.ended.load(Ordering::Relaxed);
        let (began, mut least) = (now(), GATHER);
        // What this process wrote is numbered before it goes.
        match number(&shared, ended, known) {
            Ok(Some(0)) => {}
            Ok(Some(_)) => signal.news(),
            // That pass may have begun before the last record came. Whoever is at it will most likely see to that one too.
            Ok(None) => {
                signal.work();
                least = GATHER_MOST;
            }
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
        std::thread::sleep(began.elapsed().saturating_mul(GATHER_SHARE).clamp(least, GATHER_MOST));
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a pass takes; nothing is decided by it but the pause after it")]
fn now() -> Instant {
    Instant::now()
}

/// Gives every record that is committed by now its number; how many that were.
pub fn settle(shared: &Shared) -> Result<u64, StoreError> {
    number(shared, true, false).map(Option::unwrap_or_default)
}

/// Whoever waits for the lock looks at the database as it was, and keeps others from clearing up behind claims: so only who
/// needs the numbers waits. Nothing where another server is at it. `known`: that there are records, which takes a look else.
fn number(shared: &Shared, waits: bool, known: bool) -> Result<Option<u64>, StoreError> {
    let mut all = 0;
    loop {
        let mut connection = shared.pool.take()?;
        let look = if known { "" } else { ANY };
        let begin = format!("BEGIN; {}; {look}", connection.opening(&shared.address));
        let any = connection.changed(&begin).map_err(postgres("look for new records"));
        let mut tx = PgTx::writing(&mut connection, &shared.address);
        let passed = match any {
            Ok(0) if !known => Ok(Some(0)),
            Ok(_) => pass(&mut tx, shared, waits),
            Err(error) => Err(error),
        };
        let ended = match &passed {
            Ok(_) => tx.commit(),
            Err(_) => connection.batch("ROLLBACK").map_err(postgres("number records")),
        };
        if ended.is_err() {
            connection.spoil();
        }
        let passed = passed?;
        ended?;
        let Some(passed) = passed else { return Ok(None) };
        all += passed;
        if passed < PASS {
            return Ok(Some(all));
        }
    }
}

const ANY: &str = "SELECT 1 FROM arrivals ORDER BY id LIMIT 1";

/// Without a join: what is thought of the number of rows is wrong here most of the time.
const SUMS: &str = "WITH sums AS (DELETE FROM task_counts RETURNING workflow, phase, status, tasks) \
  INSERT INTO task_counts(workflow, phase, status, tasks) \
    SELECT workflow, phase, status, sum(tasks) FROM sums GROUP BY workflow, phase, status HAVING sum(tasks) <> 0";

const NUMBER: &str = "WITH moved AS (DELETE FROM arrivals \
    WHERE id <= (SELECT max(id) FROM (SELECT id FROM arrivals ORDER BY id LIMIT ?1) AS first) \
    RETURNING id, at, kind, task, agent, body) \
  INSERT INTO events(seq, at, kind, task, agent, body) \
    SELECT (SELECT coalesce(max(seq), 0) FROM events) + row_number() OVER (ORDER BY id), at, kind, task, agent, body \
    FROM moved";

/// Nothing where another server is at it, and that is not waited for.
fn pass(tx: &mut PgTx<'_>, shared: &Shared, waits: bool) -> Result<Option<u64>, StoreError> {
    let (address, Unsummed(unsummed)) = (&shared.address, &shared.unsummed);
    if waits {
        tx.hold(NAME)?;
    } else {
        let mut mine = false;
        tx.query("SELECT pg_try_advisory_xact_lock(?1)", &[Param::Int(address.key(NAME))], &mut |row| {
            mine = row.int(0)? == Some(1);
            Ok(())
        })?;
        if !mine {
            return Ok(None);
        }
    }
    let sums = unsummed.load(Ordering::Relaxed) >= SUM_EVERY;
    if sums {
        tx.put(SUMS, &[])?;
    }
    // Whatever is thought of how many there are: the table is all but empty, or was a moment ago.
    tx.put("SET LOCAL enable_seqscan = off", &[])?;
    let passed = tx.execute(NUMBER, &[Param::id(PASS)])?;
    if passed > 0 {
        tx.put("SELECT pg_notify(?1, ?2)", &[Param::Text(&channel(address)), Param::Text(NUMBERED)])?;
    }
    // What is not committed after all is added up a little later.
    if sums {
        unsummed.store(0, Ordering::Relaxed);
    }
    unsummed.fetch_add(passed, Ordering::Relaxed);
    Ok(Some(passed))
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
