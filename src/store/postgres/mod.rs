//! PostgreSQL: many servers on one database, none of them special. Commands go beside each other under the locks they name;
//! what has to be one after the other is done by `order`. Where the database is, and how it is reached, is in `address`.

mod address;
mod answers;
mod error;
mod files;
mod given;
mod order;
mod pool;
mod reach;
mod schema;
mod tls;
mod together;
mod transfer;
mod tx;
mod vitals;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_postgres::error::SqlState;

use super::{Around, Backend, Body, Lock, Server, StoreError, Tx, Vitals};
use crate::domain::ids::Time;
use address::Address;
use order::Order;
use pool::{Beginning, Connection, Pool, Taken};
use together::Together;
use tx::PgTx;

pub use address::{is_url, shown};
pub use error::{hint, said};
pub use given::Keywords;

/// How often a command is tried that others came before, or whose connection was lost before it was committed.
const TRIES: u32 = 40;
/// The pause after the first try; later ones are longer.
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_MOST: Duration = Duration::from_millis(250);

pub struct Postgres {
    shared: Arc<Shared>,
    order: Option<Order>,
}

struct Shared {
    pool: Pool,
    address: Address,
    serves: bool,
    unsummed: order::Unsummed,
    together: Together,
}

fn postgres(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> StoreError {
    move |source| StoreError::Postgres { doing, source }
}

impl Postgres {
    /// `serves`: by a process that stays, and so takes part in what has to be done beside commands.
    pub fn open(url: &str, around: Around<'_>, serves: bool) -> Result<Self, StoreError> {
        let address = Address::parse(url, around)?;
        let pool = Pool::new(address.clone())?;
        schema::migrate(&mut *pool.take()?, &address)?;
        let shared = Arc::new(Shared {
            pool,
            address,
            serves,
            unsummed: order::Unsummed::default(),
            together: Together::default(),
        });
        let order = if serves { Some(Order::start(&shared)?) } else { None };
        Ok(Self { shared, order })
    }

    fn wake(&self) {
        if let Some(order) = &self.order {
            order.wake();
        }
    }
}

/// How a transaction ended that did not end well.
enum Ended {
    /// Nothing of it stays; the same again may go through.
    Again(StoreError),
    /// It is not known whether it was committed.
    Unknown(String, StoreError),
    Failed(StoreError),
}

impl Shared {
    fn write(&self, lock: &Lock, mut body: Body) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let ended = match self.try_write(lock, std::slice::from_mut(&mut body)) {
                Ok(()) => return Ok(()),
                Err(ended) => ended,
            };
            let error = match ended {
                Ended::Failed(error) => return Err(error),
                Ended::Unknown(id, error) => {
                    if self.was_committed(&id)? {
                        return Ok(());
                    }
                    error
                }
                Ended::Again(error) => error,
            };
            tries += 1;
            if tries >= TRIES {
                return Err(error);
            }
            pause(tries);
        }
    }

    /// All of them in one transaction.
    fn try_write(&self, lock: &Lock, bodies: &mut [Body]) -> Result<(), Ended> {
        let mut connection = self.pool.take().map_err(again_or_failed)?;
        let beginning = beginning(&mut connection, lock, &self.address).map_err(|error| {
            connection.spoil();
            again_or_failed(error)
        })?;
        let mut tx = PgTx::beginning(&mut connection, &self.address, beginning);
        let carried_out = || {
            if bodies.len() > 1 {
                tx.crowd(answers::in_common(bodies.iter_mut()))?;
            }
            bodies.iter_mut().try_for_each(|body| body(&mut tx))
        };
        let done = match catch_unwind(AssertUnwindSafe(carried_out)) {
            Ok(done) => done,
            Err(panic) => Err(StoreError::Panicked(super::said_by(panic.as_ref()))),
        };
        // A server tells its own thread; whoever ends now has to tell another's.
        let done = done.and_then(|()| if self.serves { Ok(()) } else { order::tell(&mut tx, &self.address) });
        let id = match done.and_then(|()| tx.begun()) {
            Ok(id) => id,
            Err(error) => {
                drop(tx);
                rolled_back(&mut connection);
                return Err(again_or_failed(error));
            }
        };
        match tx.commit() {
            Ok(()) => Ok(()),
            Err(error) if matches!(&error, StoreError::Postgres { source, .. } if is_lost(source)) => {
                connection.spoil();
                Err(Ended::Unknown(id, error))
            }
            Err(error) => {
                rolled_back(&mut connection);
                Err(again_or_failed(error))
            }
        }
    }

    /// Waits for the transaction if it is still about to end: its row is its own until then.
    fn was_committed(&self, id: &str) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            match self.pool.take().and_then(|mut connection| note(&mut connection, id, &self.address)) {
                Ok(noted) => return Ok(!noted),
                Err(error) => {
                    tries += 1;
                    if tries >= TRIES {
                        let said = format!(
                            "the connection was lost while a command was committed, and whether it was cannot be found out: {error}"
                        );
                        let hint = "look at the task before you do it again; the command may have been carried out";
                        return Err(StoreError::Database { said, hint });
                    }
                    pause(tries);
                }
            }
        }
    }

    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.read_on(self.reading()?, body)
    }

    fn reading(&self) -> Result<Taken<'_>, StoreError> {
        let mut tries = 0;
        // Only beginning is tried again: a body may not run twice.
        loop {
            let error = match self.begin_reading() {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            tries += 1;
            let again = matches!(error, StoreError::Postgres { .. } | StoreError::Unreached { passing: true, .. });
            if !again || tries >= TRIES {
                return Err(error);
            }
            pause(tries);
        }
    }

    fn read_on(
        &self,
        mut connection: Taken<'_>,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let result = catch_unwind(AssertUnwindSafe(|| body(&mut PgTx::reading(&mut connection, &self.address))));
        if connection.batch("ROLLBACK").is_err() {
            connection.spoil();
        }
        match result {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Shared {
    fn begin_reading(&self) -> Result<Taken<'_>, StoreError> {
        let mut connection = self.pool.take()?;
        let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", connection.opening(&self.address));
        if let Err(error) = connection.batch(&sql) {
            connection.spoil();
            return Err(StoreError::Postgres { doing: "begin reading", source: error });
        }
        Ok(connection)
    }
}

/// Opens the transaction, takes its locks, and notes under which id it will be known to have been committed.
fn beginning(connection: &mut Connection, lock: &Lock, address: &Address) -> Result<Beginning, StoreError> {
    let (sql, names): (&str, &[String]) = match lock {
        Lock::Whole => ("SELECT pg_advisory_xact_lock($1)", &[]),
        Lock::Beside(names) | Lock::Together(names) => ("SELECT pg_advisory_xact_lock_shared($1)", names),
    };
    let mut sql = sql.to_owned();
    for at in 0..names.len() {
        sql.push_str(&format!(", pg_advisory_xact_lock(${})", at + 2));
    }
    let keys: Vec<i64> =
        std::iter::once("whole").chain(names.iter().map(String::as_str)).map(|name| address.key(name)).collect();
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}", connection.opening(address));
    connection.beginning(begin, &sql, keys)
}

/// Puts the id of a command where it would stand if it had been committed; false if it stands there.
fn note(connection: &mut Connection, id: &str, address: &Address) -> Result<bool, StoreError> {
    let sql = format!(
        "BEGIN; {}; INSERT INTO commits(id, at) VALUES ('{id}', now()) ON CONFLICT (id) DO NOTHING",
        connection.opening(address)
    );
    let noted = connection.changed(&sql).map_err(postgres("look for a command"));
    let ended = connection.batch("ROLLBACK");
    if ended.is_err() {
        connection.spoil();
    }
    Ok(noted? > 0)
}

/// One that cannot be rolled back is of no use to the next command.
fn rolled_back(connection: &mut Connection) {
    if connection.batch("ROLLBACK").is_err() {
        connection.spoil();
    }
}

/// Another machine is waited for: a thread that serves others hands them to another one meanwhile.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|here| here.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn pause(tries: u32) {
    std::thread::sleep(PAUSE.saturating_mul(tries * tries).min(PAUSE_MOST));
}

pub fn is_full(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::DISK_FULL)
}

pub fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // The server goes away, or has thrown the session out.
        Some(code) => {
            let gone = [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            ];
            gone.contains(code)
        }
        None => true,
    }
}

fn again_or_failed(error: StoreError) -> Ended {
    let again = match &error {
        StoreError::Overtaken => true,
        StoreError::Unreached { passing, .. } => *passing,
        StoreError::Postgres { source, .. } => {
            let others_first = [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::UNIQUE_VIOLATION,
                SqlState::TOO_MANY_CONNECTIONS,
            ];
            is_lost(source) || source.code().is_some_and(|code| others_first.contains(code))
        }
        _ => false,
    };
    if again { Ended::Again(error) } else { Ended::Failed(error) }
}

impl Backend for Postgres {
    fn write(&self, lock: Lock, body: Body) -> Result<(), StoreError> {
        waiting(|| match lock {
            Lock::Together(names) => together::write(&self.shared, names, body),
            Lock::Whole | Lock::Beside(_) => self.shared.write(&lock, body),
        })?;
        self.wake();
        Ok(())
    }

    fn write_soon(&self, lock: Lock, body: Body) {
        // Seldom, and by whoever has just read here: a thread for it would only bring it out of order.
        if let Err(error) = self.write(lock, body) {
            tracing::warn!(%error, "something that may be lost was not written");
        }
    }

    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        waiting(|| {
            order::settle(&self.shared)?;
            self.shared.read(body)
        })
    }

    fn read_once(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        waiting(|| self.shared.read(body))
    }

    fn time(&self) -> Option<Time> {
        self.shared.pool.time()
    }

    fn await_news(&self, at_most: Duration) {
        match &self.order {
            Some(order) => order.await_news(at_most),
            None => std::thread::sleep(at_most),
        }
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        transfer::backup(self, to)
    }

    fn restore(&self, from: &Path, body: Body) -> Result<(), StoreError> {
        transfer::restore(self, from, body)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        schema::check(&self.shared)
    }

    fn describe(&self) -> String {
        self.shared.address.shown()
    }

    fn server(&self) -> Result<Option<Server>, StoreError> {
        vitals::server(&self.shared).map(Some)
    }

    fn vitals(&self) -> Result<Vitals, StoreError> {
        vitals::of(&self.shared)
    }
}
