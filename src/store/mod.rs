//! One transaction around a decision: load facts, decide, apply, put what changed, append what happened. It holds no rules
//! and never looks inside an event.

pub mod contexts;
pub mod copy;
pub mod deferred;
pub mod figures;
pub mod idempotency;
pub mod leases;
mod load;
mod lock;
pub mod moving;
pub mod notices;
mod place;
mod postgres;
mod put;
pub mod read;
pub mod records;
pub mod routing;
pub mod savings;
pub mod sessions;
mod single;
pub mod spending;
pub mod sqlite;
pub mod tokens;
pub mod tree;
pub mod views;
mod vitals;
pub mod warnings;
mod writer;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::event::Event;
use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::state::{self, ApplyError, Stamp};

pub use load::{Scope, With, workflow_cache};
pub use lock::{Dialect, Lock, RowLock};
pub use place::{Place, PlaceError};
pub use postgres::{Keywords, shown as shown_url};
pub use vitals::{Server, Vitals, free_bytes};

/// A value on its way into a statement.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl Param<'_> {
    pub fn id(id: u64) -> Self {
        Self::Int(i64::try_from(id).unwrap_or(i64::MAX))
    }

    pub fn maybe_id(id: Option<u64>) -> Self {
        id.map_or(Self::Null, Self::id)
    }
}

impl<'a> Param<'a> {
    pub fn maybe_text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// A row on its way out.
pub trait Row {
    fn int(&self, column: usize) -> Result<Option<i64>, StoreError>;
    fn text(&self, column: usize) -> Result<Option<&str>, StoreError>;
    fn blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;
}

/// What will be asked: with a lock by `query_locked`, without by `query`.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub sql: &'a str,
    pub params: &'a [Param<'a>],
    pub lock: Option<RowLock>,
    pub lasts: Lasts,
}

/// What an answer is worth to commands that share a transaction, once one of them has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Nothing.
    UntilWritten,
    /// Such rows change only while nobody else writes, or it does no harm if they have.
    Throughout,
    /// As long as there is no row: nobody else brings one. This text and ` IN (…)` gives those values of the one parameter of
    /// which there are any.
    WhileNone(&'static str),
    /// Each row is for one who asks; the statement ends in `LIMIT 1`.
    OneEach,
}

pub type EachRow<'a> = &'a mut dyn FnMut(&dyn Row) -> Result<(), StoreError>;

/// One open transaction. Statements number their parameters `?1`, `?2`, …
pub trait Tx {
    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError>;
    /// The same where nobody asks how many rows it changed, so that it need not be waited for; a fault may show only later in
    /// the transaction.
    fn put(&mut self, sql: &str, params: &[Param<'_>]) -> Result<(), StoreError> {
        self.execute(sql, params).map(drop)
    }
    /// The same for a new row, which nothing changes before something is asked again: those of one statement, which ends in
    /// `VALUES (…)`, may go out together, and after what was put.
    fn append(&mut self, sql: &str, params: &[Param<'_>]) -> Result<(), StoreError> {
        self.put(sql, params)
    }
    fn query(&mut self, sql: &str, params: &[Param<'_>], each: EachRow<'_>) -> Result<(), StoreError>;
    /// Rows that this transaction decides on, so that they stay as they are read until its end.
    fn query_locked(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        _lock: RowLock,
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        self.query(sql, params, each)
    }
    /// Asks now, in this order and all in one go, what will be asked next, where each answer would else be waited for. Whatever is
    /// written meanwhile makes these answers void, and then it is asked again.
    fn ahead(&mut self, _asks: &[Ask<'_>]) -> Result<(), StoreError> {
        Ok(())
    }
    /// What this stands for is nobody else's until the end of this transaction. For what has no row yet.
    fn hold(&mut self, _name: &str) -> Result<(), StoreError> {
        Ok(())
    }
    fn dialect(&self) -> &'static Dialect {
        &lock::SQLITE
    }
}

/// What runs inside a transaction. It may run more than once: it must have no effect but through the transaction.
pub type Body = Box<dyn FnMut(&mut dyn Tx) -> Result<(), StoreError> + Send>;

pub trait Backend: Send + Sync {
    /// Runs the body in a write transaction; when this returns, what it wrote is durable.
    fn write(&self, lock: Lock, body: Body) -> Result<(), StoreError>;
    /// Hands the body over and does not wait; under pressure it may be dropped. Only for what loses nothing by that.
    fn write_soon(&self, lock: Lock, body: Body);
    /// Runs the body on one consistent snapshot, in which is the record of all that was acknowledged before.
    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError>;
    /// The same for a body of one statement, which is a snapshot by itself. The newest records may have no number yet.
    fn read_once(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.read(body)
    }
    fn backup(&self, to: &Path) -> Result<(), StoreError>;
    /// Puts a backup in place of everything, changed by the body first; other processes see it as one change. The file is
    /// a copy that belongs to this call.
    fn restore(&self, from: &Path, body: Body) -> Result<(), StoreError>;
    /// Whole-store check; the findings, empty when all is well.
    fn check(&self) -> Result<Vec<String>, StoreError>;
    fn describe(&self) -> String;
    /// The time of the store itself, where it is one that several machines share.
    fn time(&self) -> Option<Time> {
        None
    }
    /// Waits until something may have been written by whomever, at most so long.
    fn await_news(&self, at_most: Duration) {
        std::thread::sleep(at_most);
    }
    /// The database behind it, where it is one that others run.
    fn server(&self) -> Result<Option<Server>, StoreError> {
        Ok(None)
    }
    /// Whether what was opened is still there, in the form that is known here: quick enough to ask before each event.
    fn is_as_opened(&self) -> Result<bool, StoreError> {
        Ok(true)
    }
    /// A quick look at whether it can be used; what a kind of store cannot tell is absent.
    fn vitals(&self) -> Result<Vitals, StoreError> {
        Ok(Vitals::default())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store could not {doing}: {source}")]
    Sqlite {
        doing: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("{}", postgres::said(doing, source))]
    Postgres {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{said}")]
    Database { said: String, hint: &'static str },
    /// No connection to the database. `passing`: it may be there again in a moment.
    #[error("{said}")]
    Unreached { said: String, hint: &'static str, passing: bool },
    /// Another command was first; the same again goes through.
    #[error("other commands kept coming first")]
    Overtaken,
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(
        "the store has schema {found}, this phasegate knows {known}; it was written by a newer version, so update phasegate"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error("a row of `{table}` cannot be read: {why}; `phasegate doctor` checks the whole store")]
    BadRow { table: &'static str, why: String },
    #[error("the record and the rows disagree: {0}")]
    Apply(#[from] ApplyError),
    #[error("the store is closed")]
    Closed,
    #[error("the transaction body panicked: {0}")]
    Panicked(String),
    #[error("`{0}` is not a store this phasegate can open; write `sqlite:PATH` or `postgres://…`")]
    UnknownUrl(String),
    /// Not a store that this can be done with.
    #[error("{said}")]
    Unfit { said: String, hint: &'static str },
    #[error("{path} is not a backup that phasegate wrote; nothing was changed")]
    NotABackup { path: PathBuf },
    #[error("record {seq} was changed or erased since you looked at it, so nothing was erased")]
    NotAsSealed { seq: u64 },
    #[error("injected fault at call {0}")]
    Injected(u64),
}

impl StoreError {
    /// The database does not answer, and may do so again by itself.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreached { .. } => true,
            Self::Postgres { source, .. } => postgres::is_lost(source),
            _ => false,
        }
    }

    /// There is no room for what would be written.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Postgres { source, .. } => postgres::is_full(source),
            _ => false,
        }
    }

    /// Nothing was written by this transaction, and the same again may go through.
    pub fn asks_again(&self) -> bool {
        matches!(self, Self::Unreached { .. } | Self::Overtaken)
    }

    /// For the person at the keyboard: what can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => {
                    "free some space on the disk that holds .phasegate, then try again"
                }
                Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => {
                    "check who may write the .phasegate folder"
                }
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                    "the file is damaged; `phasegate restore FILE` brings back a backup"
                }
                Some(rusqlite::ErrorCode::DatabaseBusy) => "another program holds the database; end it and try again",
                Some(rusqlite::ErrorCode::SystemIoFailure) => {
                    "the disk that holds .phasegate may be full, or failing: look at it, then try again"
                }
                _ => "`phasegate doctor` checks the whole set-up",
            },
            Self::Postgres { source, .. } => postgres::hint(source),
            Self::Database { hint, .. } | Self::Unreached { hint, .. } | Self::Unfit { hint, .. } => hint,
            Self::Overtaken => "try again; if it stays so, too many agents change the same thing at once",
            Self::NewerSchema { .. } => "install the newer phasegate on this machine",
            Self::UnknownUrl(_) => "such as sqlite:/home/me/phasegate.db",
            Self::NotABackup { .. } => "name a file that `phasegate backup` wrote",
            Self::NotAsSealed { .. } => {
                "`phasegate audit verify` says what was changed; keep a copy of the store before that"
            }
            Self::Place(_) => "choose another folder with --workspace or --store",
            _ => "`phasegate doctor` checks the whole set-up",
        }
    }
}

/// Who did it, when, and with what call: the same for every record of one command.
#[derive(Clone, Debug)]
pub struct By {
    pub agent: AgentName,
    pub role: Cow<'static, str>,
    pub tool: Cow<'static, str>,
    pub at: Time,
    pub redaction: Redaction,
}

/// Takes out of a serialized record what must not be kept. What that is, the store does not know.
pub trait Redact: Send + Sync {
    /// Nothing when the record may stay as it is.
    fn record(&self, json: &str) -> Option<String>;
}

#[derive(Clone, Default)]
pub struct Redaction(pub Option<Arc<dyn Redact>>);

impl Redaction {
    fn of(&self, json: String) -> String {
        self.0.as_ref().and_then(|redact| redact.record(&json)).unwrap_or(json)
    }
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Redaction(on)" } else { "Redaction(off)" })
    }
}

/// Content that events refer to by hash.
#[derive(Clone, Debug)]
pub enum Attachment {
    Blob {
        sha256: String,
        content: Vec<u8>,
    },
    Workflow {
        hash: String,
        name: String,
        body: String,
        source: String,
    },
    /// Records whose content goes; their hashes stay in the tree.
    Erasure {
        records: Vec<u64>,
    },
    /// A value about the store itself, in place of the one before.
    Meta {
        key: &'static str,
        value: String,
    },
}

#[derive(Debug, Default)]
pub struct Outcome {
    /// As they are after the command.
    pub facts: Facts,
    pub events: Vec<Event>,
    pub refusal: Option<Refusal>,
}

pub type Decide = Box<dyn Fn(&Facts) -> Result<Vec<Event>, Stop> + Send>;

/// Why a decision gives no events.
#[derive(Debug)]
pub enum Stop {
    Refused(Refusal),
    /// It depends on rows that are seldom needed and so were not loaded; with them it is asked again.
    Missing(Missing),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Of a task, with the approvers.
    Approvals(TaskId),
    Bypasses,
    /// What the gates of a task's phase speak of.
    Gates(TaskId),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The one way in which state changes.
pub fn execute(
    backend: &dyn Backend,
    scope: Scope,
    by: By,
    attachments: Vec<Attachment>,
    decide: Decide,
) -> Result<Outcome, StoreError> {
    // A body that runs again replaces what an earlier run left.
    let slot = Arc::new(Mutex::new(None));
    let fill = Arc::clone(&slot);
    let lock = scope.lock(&by);
    let body = move |tx: &mut dyn Tx| {
        let outcome = transact(tx, &scope, &by, &attachments, &decide)?;
        *fill.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        Ok(())
    };
    backend.write(lock, Box::new(body))?;
    let outcome = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome.ok_or(StoreError::Closed)
}

/// Puts a backup in place of the store, with a decision about what is in it carried out already.
pub fn restore(backend: &dyn Backend, from: &Path, by: By, decide: Decide) -> Result<(), StoreError> {
    let body = move |tx: &mut dyn Tx| transact(tx, &Scope::Restored, &by, &[], &decide).map(drop);
    backend.restore(from, Box::new(body))
}

fn transact(
    tx: &mut dyn Tx,
    scope: &Scope,
    by: &By,
    attachments: &[Attachment],
    decide: &Decide,
) -> Result<Outcome, StoreError> {
    if let Scope::Hook { session, parent, .. } = scope {
        sessions::alive(tx, session, parent.as_ref(), by.at)?;
    }
    let mut facts = load::facts(tx, scope, by, true)?;
    let decided = loop {
        match decide(&facts) {
            Err(Stop::Missing(missing)) => load::missing(tx, &mut facts, missing)?,
            Err(Stop::Refused(refusal)) => break Err(refusal),
            Ok(events) => break Ok(events),
        }
    };
    match decided {
        Ok(events) => {
            if events.is_empty() {
                return Ok(Outcome { facts, events, refusal: None });
            }
            for attachment in attachments {
                put::attachment(tx, attachment)?;
            }
            let before = facts.state.clone();
            let stamp = Stamp { by: &by.agent, at: by.at };
            for event in &events {
                state::apply(&mut facts.state, event, stamp)?;
                put::event(tx, event, by)?;
            }
            put::changed(tx, &before, &mut facts, by.at)?;
            Ok(Outcome { facts, events, refusal: None })
        }
        Err(refusal) => {
            if refusal.is_recorded() {
                // What is about no task of its own is refused to whoever works on one, and is found with that one.
                let about = facts.subject.or_else(|| facts.held.first().copied());
                put::refusal(tx, &refusal, about, by)?;
            }
            Ok(Outcome { facts, events: Vec::new(), refusal: Some(refusal) })
        }
    }
}

/// Reads on one consistent snapshot.
pub fn snapshot<T>(
    backend: &dyn Backend,
    mut read: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut found = None;
    backend.read(&mut |tx| {
        found = Some(read(tx)?);
        Ok(())
    })?;
    found.ok_or(StoreError::Closed)
}

/// Reads with one statement.
pub fn glance<T>(
    backend: &dyn Backend,
    mut read: impl FnMut(&mut dyn Tx) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut found = None;
    backend.read_once(&mut |tx| {
        found = Some(read(tx)?);
        Ok(())
    })?;
    found.ok_or(StoreError::Closed)
}

/// The facts of a scope, for a look before a command; the command loads its own.
pub fn look(tx: &mut dyn Tx, scope: &Scope, by: &By) -> Result<Facts, StoreError> {
    load::facts(tx, scope, by, false)
}

/// The workflow versions that loaded tasks name, and with them, where they are wanted, those that were put in force.
pub fn load_workflows(tx: &mut dyn Tx, facts: &mut Facts, trusts: bool) -> Result<(), StoreError> {
    if trusts {
        load::trusts(tx, facts)?;
    }
    load::workflows(tx, facts)
}

pub fn meta(tx: &mut dyn Tx, key: &str) -> Result<Option<String>, StoreError> {
    let mut found = None;
    tx.query("SELECT value FROM meta WHERE key = ?1", &[Param::Text(key)], &mut |row| {
        found = row.text(0)?.map(str::to_owned);
        Ok(())
    })?;
    Ok(found)
}

/// Notes a value about the store itself, unless it stands already.
pub fn note_meta(backend: &dyn Backend, key: &'static str, value: String, overwrite: bool) -> Result<(), StoreError> {
    backend.write(
        Lock::Whole,
        Box::new(move |tx| {
            let sql = if overwrite {
                "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
            } else {
                "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO NOTHING"
            };
            tx.execute(sql, &[Param::Text(key), Param::Text(&value)]).map(drop)
        }),
    )
}

/// The name under which an agent's commands come one after the other.
pub fn of_agent(agent: &AgentName) -> String {
    format!("agent {agent}")
}

/// Renews the leases of an agent that has only read. Nobody waits for it: the next activity would do it again.
pub fn renew(backend: &dyn Backend, agent: AgentName, now: Time) {
    let lock = Lock::named([of_agent(&agent)]);
    backend.write_soon(lock, Box::new(move |tx| put::renewed(tx, &agent, now).map(drop)));
}

/// Turns the counts of ended refusal windows into records.
pub fn close_refusal_windows(backend: &dyn Backend, now: Time) -> Result<(), StoreError> {
    backend.write(Lock::Whole, Box::new(move |tx| put::refusal_windows(tx, now)))
}

/// What a panic said.
fn said_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// What a URL does not say: the workspace's state folder, and what else is known of a database.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub state: &'a Path,
    pub postgres: Option<&'a Keywords>,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Around<'a> {
    fn from(state: &'a P) -> Self {
        Self { state: state.as_ref(), postgres: None }
    }
}

/// Opens the store a URL names.
pub fn open<'a>(url: Option<&str>, around: impl Into<Around<'a>>) -> Result<Box<dyn Backend>, StoreError> {
    let around = around.into();
    if let Some(url) = url.filter(|url| postgres::is_url(url)) {
        return Ok(Box::new(postgres::Postgres::open(url, around, true)?));
    }
    Ok(Box::new(sqlite::Sqlite::open(&file_of(url, around.state)?)?))
}

/// The same over one connection and no thread, for a process that does one thing and ends.
pub fn open_for_one<'a>(url: Option<&str>, around: impl Into<Around<'a>>) -> Result<Box<dyn Backend>, StoreError> {
    let around = around.into();
    if let Some(url) = url.filter(|url| postgres::is_url(url)) {
        return Ok(Box::new(postgres::Postgres::open(url, around, false)?));
    }
    Ok(Box::new(single::Single::open(&file_of(url, around.state)?)?))
}

/// Whether a URL names a store that several machines share, and that is no file.
pub fn is_shared(url: &str) -> bool {
    postgres::is_url(url)
}

/// The file of the store that a URL names.
pub fn file_of(url: Option<&str>, state_dir: &Path) -> Result<PathBuf, StoreError> {
    match url {
        None => Ok(state_dir.join("phasegate.db")),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(StoreError::UnknownUrl(url.split('@').next_back().unwrap_or(url).to_owned())),
        },
    }
}

/// What was written to a file of a store and is not yet put into it.
pub fn wal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
