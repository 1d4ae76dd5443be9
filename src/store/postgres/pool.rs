//! Connections, opened as needed and kept. One thread does the input and output of all of them; callers wait for it on their
//! own threads, so that a transaction is plain code.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::{TryStreamExt, pin_mut};
use tokio::runtime::Runtime;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, RowStream, Statement};

use super::address::Address;
use super::reach::{self, Reached};
use super::{StoreError, postgres};
use crate::domain::ids::Time;
use crate::store::Param;

/// Statements a connection keeps; one that is made up for a filter does not stay for ever.
const STATEMENTS: usize = 256;

const NOTE: &str = "INSERT INTO commits(id, at) VALUES (gen_random_uuid(), clock_timestamp()) \
                    RETURNING id::text, (extract(epoch FROM at) * 1000)::bigint";

pub struct Pool {
    address: Address,
    runtime: Option<Runtime>,
    state: Mutex<State>,
    freed: Condvar,
    clock: Arc<Mutex<Option<(Instant, i64)>>>,
}

#[derive(Default)]
struct State {
    free: Vec<Connection>,
    open: usize,
}

/// A connection that is somebody's until it is dropped.
pub struct Taken<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

pub struct Connection {
    client: Client,
    pub encrypted: Option<&'static str>,
    /// Something stands between, and keeps neither settings nor statements from one transaction to the next.
    pub pooled: bool,
    statements: HashMap<String, Prepared>,
    spoiled: bool,
    clock: Arc<Mutex<Option<(Instant, i64)>>>,
}

/// A statement by its name at the server; or its text, where a name may be another's.
#[derive(Clone)]
pub enum Prepared {
    Named(Statement),
    Unnamed(Arc<str>),
}

impl Prepared {
    pub async fn rows(&self, client: &Client, params: &[Param<'_>]) -> Result<RowStream, tokio_postgres::Error> {
        match self {
            Self::Named(statement) => client.query_raw(statement, params.iter()).await,
            Self::Unnamed(sql) => client.query_typed_raw(sql, params.iter().map(|param| (param, Type::UNKNOWN))).await,
        }
    }

    /// How many rows it changed.
    pub async fn execute(&self, client: &Client, params: &[Param<'_>]) -> Result<u64, tokio_postgres::Error> {
        if let Self::Named(statement) = self {
            return client.execute_raw(statement, params.iter()).await;
        }
        let rows = self.rows(client, params).await?;
        pin_mut!(rows);
        while rows.try_next().await?.is_some() {}
        Ok(rows.rows_affected().unwrap_or(0))
    }
}

impl Pool {
    pub fn new(address: Address) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("phasegate-postgres")
            .enable_all()
            .build()
            .map_err(|source| StoreError::File { path: address.shown().into(), source })?;
        let (state, freed, clock) = (Mutex::default(), Condvar::new(), Arc::default());
        Ok(Self { address, runtime: Some(runtime), state, freed, clock })
    }

    pub fn take(&self) -> Result<Taken<'_>, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(connection) = state.free.pop() {
                if !connection.client.is_closed() {
                    return Ok(Taken { pool: self, connection: Some(connection) });
                }
                state.open = state.open.saturating_sub(1);
            }
            if state.open < self.address.connections {
                state.open += 1;
                drop(state);
                return match self.connect() {
                    Ok(connection) => Ok(Taken { pool: self, connection: Some(connection) }),
                    Err(error) => {
                        self.give_back(None);
                        Err(error)
                    }
                };
            }
            let most = self.address.connections;
            let taken = |state: &mut State| state.free.is_empty() && state.open >= most;
            let waited = self.freed.wait_timeout_while(state, self.address.wait, taken);
            let (freed, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return Err(too_busy(most, self.address.wait));
            }
            state = freed;
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => state.free.push(connection),
            None => state.open = state.open.saturating_sub(1),
        }
        drop(state);
        self.freed.notify_one();
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let address = self.address.clone();
        let reached = self.run(async move { reach::connected(&address, None).await })?;
        let Reached { client, encrypted, pooled, time } = reached;
        let (statements, clock) = (HashMap::new(), Arc::clone(&self.clock));
        let connection = Connection { client, encrypted, pooled, statements, spoiled: false, clock };
        connection.told(time);
        Ok(connection)
    }

    /// Carries a future out on the thread that does the input and output.
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let runtime = self.runtime.as_ref().ok_or(StoreError::Closed)?;
        block_on(runtime.spawn(future)).map_err(|_| StoreError::Closed)?
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(future);
        }
    }

    /// The database's clock, by what it last said and how long ago that was.
    pub fn time(&self) -> Option<Time> {
        let said = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        said.map(|(at, time)| Time(time.saturating_add(i64::try_from(at.elapsed().as_millis()).unwrap_or(0))))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // It may be dropped by a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn too_busy(most: usize, wait: Duration) -> StoreError {
    StoreError::Unreached {
        said: format!("all {most} connections of this process to the database were in use for {} s", wait.as_secs()),
        hint: "the database is slow, or `connections=N` in the store's URL is too small for so many at once",
        passing: false,
    }
}

impl Connection {
    /// It is not given to anybody else.
    pub fn spoil(&mut self) {
        self.spoiled = true;
    }

    pub fn batch(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        block_on(self.client.batch_execute(sql))
    }

    /// How many rows the last statement of a text changed.
    pub fn changed(&self, sql: &str) -> Result<u64, tokio_postgres::Error> {
        let told = block_on(self.client.simple_query(sql))?;
        let last = told.into_iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::CommandComplete(changed) => Some(changed),
            _ => None,
        });
        Ok(last.unwrap_or(0))
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where a transaction finds its tables, and how long it may take; said at its beginning, where the session does not know.
    pub fn opening(&self, address: &Address) -> String {
        if !self.pooled {
            return String::new();
        }
        format!("{}; {}", address.transaction_path(), address.transaction_limits())
    }

    /// The statement of a text whose parameters are `?1`, `?2`, … or `$1`, `$2`, …
    pub fn statement(&mut self, sql: &str) -> Result<Prepared, StoreError> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let text = sql.replace('?', "$");
        let statement = if self.pooled {
            Prepared::Unnamed(text.into())
        } else {
            Prepared::Named(block_on(self.client.prepare(&text)).map_err(postgres("prepare a statement"))?)
        };
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub fn first_int(&mut self, sql: &str) -> Result<Option<i64>, StoreError> {
        let row = block_on(self.client.query_typed_opt(sql, &[])).map_err(postgres("look at the database"))?;
        // What is not there is no number either.
        row.map_or(Ok(None), |row| row.try_get(0).map_err(postgres("look at the database")))
    }

    pub fn keys(&mut self, sql: &str, keys: &[i64]) -> Result<(), StoreError> {
        let statement = self.statement(sql)?;
        let keys: Vec<Param<'_>> = keys.iter().copied().map(Param::Int).collect();
        block_on(statement.execute(&self.client, &keys)).map_err(postgres("take a lock")).map(drop)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long ago the database told its time; nothing is decided by it alone"
    )]
    pub fn told(&self, time: i64) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), time));
    }

    /// What begins a transaction, takes its locks, and gives the id under which it will be known to have been committed.
    pub fn beginning(&mut self, begin: String, locks: &str, keys: Vec<i64>) -> Result<Beginning, StoreError> {
        Ok(Beginning { begin, keys, locks: self.statement(locks)?, note: self.statement(NOTE)? })
    }
}

/// The first statements of a command. They are sent together, and with what is asked first.
pub struct Beginning {
    begin: String,
    locks: Prepared,
    note: Prepared,
    keys: Vec<i64>,
}

impl Beginning {
    /// The id of the command, and the time.
    pub async fn begun(&self, client: &Client) -> Result<(String, i64), StoreError> {
        let keys: Vec<Param<'_>> = self.keys.iter().copied().map(Param::Int).collect();
        let noting = async {
            let rows = self.note.rows(client, &[]).await?;
            pin_mut!(rows);
            let first = rows.try_next().await?;
            while rows.try_next().await?.is_some() {}
            Ok(first)
        };
        let (begun, locked, noted) =
            futures::future::join3(client.batch_execute(&self.begin), self.locks.execute(client, &keys), noting).await;
        begun.map_err(postgres("begin writing"))?;
        locked.map_err(postgres("take a lock"))?;
        let row = noted.map_err(super::transfer::moved)?.ok_or(StoreError::Closed)?;
        let time = row.try_get(1).map_err(postgres("read its time"))?;
        Ok((row.try_get(0).map_err(postgres("read the id of a command"))?, time))
    }
}

impl Deref for Taken<'_> {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection that was taken")
    }
}

impl DerefMut for Taken<'_> {
    #[expect(clippy::expect_used, reason = "it is there until it is dropped")]
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a connection that was taken")
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let kept = self.connection.take().filter(|connection| !connection.spoiled && !connection.client.is_closed());
        self.pool.give_back(kept);
    }
}
