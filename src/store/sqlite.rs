//! SQLite: the form of its file, a queue between processes, readers on snapshots. Who writes next is in `writer`.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, TransactionBehavior};

use super::place::keep_names;
use super::writer::{Desk, Writer};
use super::{Backend, Body, EachRow, Lock, Param, Place, PlaceError, Row, StoreError, Tx, Vitals, vitals};

const MIGRATIONS: [&str; 16] = [
    include_str!("migrations/sqlite/0001_init.sql"),
    include_str!("migrations/sqlite/0002_tree.sql"),
    include_str!("migrations/sqlite/0003_approvals.sql"),
    include_str!("migrations/sqlite/0004_notices.sql"),
    include_str!("migrations/sqlite/0005_sessions.sql"),
    include_str!("migrations/sqlite/0006_spending.sql"),
    include_str!("migrations/sqlite/0007_credentials.sql"),
    include_str!("migrations/sqlite/0008_deferred.sql"),
    include_str!("migrations/sqlite/0009_idempotency.sql"),
    include_str!("migrations/sqlite/0010_board.sql"),
    include_str!("migrations/sqlite/0011_contexts.sql"),
    include_str!("migrations/sqlite/0012_routes.sql"),
    include_str!("migrations/sqlite/0013_budgets.sql"),
    include_str!("migrations/sqlite/0014_tokens.sql"),
    include_str!("migrations/sqlite/0015_turns.sql"),
    include_str!("migrations/sqlite/0016_left.sql"),
];
/// Before 3.51.3 several processes on one WAL file could lose committed data.
const LIBRARY_LEAST: i32 = 3_051_003;
const READERS_MAX: usize = 8;
const STATEMENTS_CACHED: usize = 128;
const WAL_BYTES_KEPT: i64 = 16 << 20;
/// Pages of log before they are moved into the database: each move costs two fsyncs, so not too often.
const WAL_PAGES: i64 = 4000;
/// KiB of pages the writer keeps at hand.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// What another program that holds the file may cost us; our own processes queue instead.
const BUSY: Duration = Duration::from_secs(10);
/// How long a process that passes by, such as a hook, is waited for by one that wants the file alone.
const ALONE: Duration = Duration::from_secs(3);

pub struct Sqlite {
    place: Place,
    /// Device and number of the database file; another may take its name.
    file: Option<(u64, u64)>,
    writer: Writer,
    readers: Mutex<Readers>,
    reader_free: Condvar,
}

/// Connections for reading: opened as needed, up to a number, and kept.
#[derive(Default)]
struct Readers {
    free: Vec<Connection>,
    open: usize,
    /// Who waits for one. Telling nobody costs a call of the kernel as well.
    waiting: usize,
}

fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { doing, source }
}

impl Sqlite {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (place, lock, connection) = begin(path)?;
        let _ = connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB);
        let file = identity(&place);
        let writer = Writer::start(Desk { connection, lock, place: place.clone(), file })
            .map_err(|source| StoreError::File { path: place.folder.clone(), source })?;
        Ok(Self { file, place, writer, readers: Mutex::default(), reader_free: Condvar::new() })
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(free) = readers.free.pop() {
                return Ok(free);
            }
            if readers.open < READERS_MAX {
                readers.open += 1;
                drop(readers);
                return connect(&self.place).inspect_err(|_| self.give_back(None));
            }
            readers.waiting += 1;
            readers = self.reader_free.wait(readers).unwrap_or_else(PoisonError::into_inner);
            readers.waiting -= 1;
        }
    }

    fn reading(&self, read: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let connection = self.reader()?;
        match catch_unwind(AssertUnwindSafe(|| read(&connection))) {
            Ok(result) => {
                // One that is still inside a transaction is of no use to the next reader.
                let usable = connection.is_autocommit();
                self.give_back(usable.then_some(connection));
                result
            }
            Err(panic) => {
                self.give_back(None);
                std::panic::resume_unwind(panic)
            }
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => readers.free.push(connection),
            None => readers.open = readers.open.saturating_sub(1),
        }
        let is_wanted = readers.waiting > 0;
        drop(readers);
        if is_wanted {
            self.reader_free.notify_one();
        }
    }
}

/// The database, its queue, and a connection to it as this version wants it.
pub(super) fn begin(path: &Path) -> Result<(Place, File, Connection), StoreError> {
    if rusqlite::version_number() < LIBRARY_LEAST {
        return Err(StoreError::BadRow {
            table: "sqlite library",
            why: format!("version {} can lose committed data; 3.51.3 is the least", rusqlite::version()),
        });
    }
    let place = Place::prepare(path)?;
    let lock = place.queue()?;
    // The switch to write-ahead logging takes the whole file, so several first openers take turns.
    let connection = in_queue(&lock, &place, || {
        let mut connection = connect(&place)?;
        migrate(&mut connection)?;
        Ok(connection)
    })?;
    Ok((place, lock, connection))
}

fn connect(place: &Place) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(&place.database, flags).map_err(sqlite("open the database"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(BUSY).map_err(sqlite("set a time limit"))?;
    let text: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(sqlite("switch to write-ahead logging"))?;
    if !text.eq_ignore_ascii_case("wal") {
        let why = format!("write-ahead logging is not possible here (the file system answered `{text}`)");
        return Err(StoreError::BadRow { table: "journal", why });
    }
    let pragmas: [(&'static str, i64); 10] = [
        // An acknowledged command survives a power cut; NORMAL would lose the last ones.
        ("synchronous", 2),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("journal_size_limit", WAL_BYTES_KEPT),
        ("temp_store", 2),
        // What a person erased from the log is overwritten, not only forgotten.
        ("secure_delete", 1),
        ("wal_autocheckpoint", WAL_PAGES),
    ];
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value).map_err(sqlite("set up the database"))?;
    }
    use rusqlite::config::DbConfig;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(sqlite("protect the database"))?;
    // One plan a statement: otherwise values that touch a partial index have it planned anew at each call.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(sqlite("set up the database"))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(sqlite("protect the database"))?;
    Ok(connection)
}

/// Of the schema that this program writes.
fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let (known, found) = (known(), version(connection).map_err(sqlite("read its version"))?);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    let missing = MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0));
    for (index, sql) in missing {
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite("begin the migration"))?;
        tx.execute_batch(sql).map_err(sqlite("migrate the schema"))?;
        let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
        tx.pragma_update(None, "user_version", version).map_err(sqlite("note the schema version"))?;
        tx.commit().map_err(sqlite("finish the migration"))?;
    }
    Ok(())
}

/// Runs `act` while no other process of ours writes. The kernel wakes waiters in turn, so that nobody starves as they do
/// with SQLite's own polling.
pub(super) fn in_queue<T>(
    lock: &File,
    place: &Place,
    act: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let file = |source| StoreError::from(PlaceError::Io { path: place.database.clone(), source });
    lock.lock().map_err(file)?;
    let result = act();
    lock.unlock().map_err(file)?;
    result
}

/// The first of what is damaged in a database.
fn fault(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// What a backup holds, brought up to date and changed by the body. The file belongs to this call.
pub(super) fn opened_backup(from: &Path, body: &mut Body) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let not_ours = |_| StoreError::NotABackup { path: from.to_path_buf() };
    let mut source = Connection::open_with_flags(from, flags).map_err(not_ours)?;
    let (known, found) = (known(), version(&source).map_err(not_ours)?);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    let whole = fault(&source).map_err(not_ours)?;
    if whole.is_some() || found == 0 {
        return Err(StoreError::NotABackup { path: from.to_path_buf() });
    }
    source.pragma_update(None, "journal_mode", "MEMORY").map_err(sqlite("prepare the backup"))?;
    migrate(&mut source)?;
    let tx = source.transaction().map_err(sqlite("prepare the backup"))?;
    body(&mut SqliteTx { connection: &tx })?;
    tx.commit().map_err(sqlite("prepare the backup"))?;
    Ok(source)
}

/// A new file of the form of a backup, with what the body writes: all of it, or no file.
pub(super) fn new_backup(
    to: &Path,
    body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    under_another_name(to, |target| {
        migrate(target)?;
        let tx = target.transaction().map_err(sqlite("write the backup"))?;
        body(&mut SqliteTx { connection: &tx })?;
        tx.commit().map_err(sqlite("write the backup"))
    })
}

/// A file gets its name when all of it is written and was read again; until then, and where that fails, there is none.
fn under_another_name(
    to: &Path,
    write: impl FnOnce(&mut Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let beside = |end: &str| {
        let mut name = to.file_name().unwrap_or_default().to_os_string();
        name.push(end);
        to.with_file_name(name)
    };
    let clear = || {
        for end in [".part", ".part-journal", ".part-wal", ".part-shm"] {
            let _ = std::fs::remove_file(beside(end));
        }
    };
    // What a run that was killed left there.
    clear();
    let place = Place::prepare(&beside(".part"))?;
    let mut written = Connection::open(&place.database)
        .map_err(sqlite("open the backup file"))
        .and_then(|mut target| {
            write(&mut target)?;
            fault(&target).map_err(sqlite("read the backup again"))
        })
        .and_then(|fault| fault.map_or(Ok(()), |fault| Err(damaged(&fault))));
    if written.is_ok() {
        let io = |source| StoreError::File { path: to.to_path_buf(), source };
        written = std::fs::rename(&place.database, to).map_err(io).and_then(|()| keep_names(&place.folder).map_err(io));
    }
    written.map_err(|error| {
        clear();
        at(to, error)
    })
}

/// The disk is named that is full, which need not be the one of the store.
fn at(file: &Path, error: StoreError) -> StoreError {
    if !error.is_full() {
        return error;
    }
    let said = format!("{error}, where {} would lie", file.display());
    StoreError::Database { said, hint: "free some space on that disk, or name a file on another" }
}

fn damaged(fault: &str) -> StoreError {
    // A title stands above the first of them.
    let fault = fault.lines().find(|line| !line.starts_with("***")).unwrap_or(fault);
    StoreError::Database {
        said: format!("the store is damaged, so its copy is no backup and was not kept: {fault}"),
        hint: "`phasegate doctor` says more; `phasegate restore FILE` brings back an earlier backup",
    }
}

/// Runs the body while no other process has the database open; refused where one has.
pub(super) fn alone(path: &Path, mut body: Body) -> Result<(), StoreError> {
    let (place, lock, connection) = begin(path)?;
    drop(connection);
    let in_use = |error: StoreError| match error {
        StoreError::Sqlite { source, .. } if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            StoreError::Unfit {
                said: format!("{} is in use: another process of phasegate has it open", place.database.display()),
                hint: "end the servers, boards and agents that work with it, then try again",
            }
        }
        error => error,
    };
    in_queue(&lock, &place, || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(&place.database, flags).map_err(sqlite("open the database"))?;
        connection.busy_timeout(ALONE).map_err(sqlite("set a time limit"))?;
        // Asked for before the first access, so that whoever has the file open, be it idle, is in the way.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(sqlite("take the database alone"))?;
        connection.pragma_update(None, "synchronous", 2).map_err(sqlite("set up the database"))?;
        together(&mut connection, std::iter::once(&mut body))
    })
    .map_err(in_use)
}

pub(super) fn together<'b>(
    connection: &mut Connection,
    bodies: impl IntoIterator<Item = &'b mut Body>,
) -> Result<(), StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite("begin writing"))?;
    for body in bodies {
        let mut open = SqliteTx { connection: &tx };
        match catch_unwind(AssertUnwindSafe(|| body(&mut open))) {
            Ok(result) => result?,
            Err(panic) => return Err(StoreError::Panicked(super::said_by(panic.as_ref()))),
        }
    }
    tx.commit().map_err(sqlite("commit"))
}

impl Backend for Sqlite {
    fn write(&self, _lock: Lock, body: Body) -> Result<(), StoreError> {
        self.writer.write(body)
    }

    fn write_soon(&self, _lock: Lock, body: Body) {
        self.writer.write_soon(body);
    }

    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.reading(|connection| on_snapshot(connection, body))
    }

    fn read_once(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.reading(|connection| body(&mut SqliteTx { connection }))
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let from = connect(&self.place)?;
        under_another_name(to, |target| {
            let backup = rusqlite::backup::Backup::new(&from, target).map_err(sqlite("start the backup"))?;
            // In one step, on one snapshot: between steps every commit of a busy store would start the copy over.
            while backup.step(-1).map_err(sqlite("copy the database"))? != rusqlite::backup::StepResult::Done {
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(backup);
            target.pragma_update(None, "journal_mode", "DELETE").map_err(sqlite("finish the backup"))
        })
    }

    fn restore(&self, from: &Path, mut body: Body) -> Result<(), StoreError> {
        let source = opened_backup(from, &mut body)?;
        let mut target = connect(&self.place)?;
        in_queue(&self.place.queue()?, &self.place, || {
            let backup = rusqlite::backup::Backup::new(&source, &mut target).map_err(sqlite("start restoring"))?;
            backup.run_to_completion(4096, Duration::from_millis(5), None).map_err(sqlite("restore"))
        })
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        let connection = connect(&self.place)?;
        let mut findings = Vec::new();
        for pragma in ["integrity_check", "foreign_key_check"] {
            connection
                .pragma_query(None, pragma, |row| {
                    let text: String = row.get(0)?;
                    if text != "ok" {
                        findings.push(text);
                    }
                    Ok(())
                })
                .map_err(sqlite("check the database"))?;
        }
        Ok(findings)
    }

    fn describe(&self) -> String {
        format!("sqlite:{} (SQLite {}, WAL, synchronous=FULL)", self.place.database.display(), rusqlite::version())
    }

    fn is_as_opened(&self) -> Result<bool, StoreError> {
        if self.file != identity(&self.place) {
            return Ok(false);
        }
        let mut found = 0;
        self.reading(|connection| {
            version(connection).map(|version| found = version).map_err(sqlite("read its version"))
        })?;
        Ok(found == known())
    }

    fn vitals(&self) -> Result<Vitals, StoreError> {
        vitals::of(&connect(&self.place)?, known(), &self.place)
    }
}

/// Device and number of the file that goes by the database's name now.
pub(super) fn identity(place: &Place) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(&place.database).ok().map(|found| (found.dev(), found.ino()))
}

pub(super) fn on_snapshot(
    connection: &Connection,
    body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let run = |sql| connection.prepare_cached(sql)?.execute([]);
    run("BEGIN").map_err(sqlite("begin reading"))?;
    let result = body(&mut SqliteTx { connection });
    run("ROLLBACK").map_err(sqlite("end reading"))?;
    result
}

pub(super) struct SqliteTx<'c> {
    pub connection: &'c Connection,
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Tx for SqliteTx<'_> {
    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(sqlite("prepare a statement"))?;
        let changed = statement.execute(rusqlite::params_from_iter(params)).map_err(sqlite("write a row"))?;
        Ok(u64::try_from(changed).unwrap_or(0))
    }

    fn query(&mut self, sql: &str, params: &[Param<'_>], each: EachRow<'_>) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(sqlite("prepare a statement"))?;
        let mut rows = statement.query(rusqlite::params_from_iter(params)).map_err(sqlite("read rows"))?;
        while let Some(row) = rows.next().map_err(sqlite("read rows"))? {
            each(row)?;
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        let value = self.get_ref(column).map_err(sqlite("read a column"))?;
        value.as_i64_or_null().map_err(|error| StoreError::BadRow { table: "column", why: error.to_string() })
    }

    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        let value = self.get_ref(column).map_err(sqlite("read a column"))?;
        value.as_str_or_null().map_err(|error| StoreError::BadRow { table: "column", why: error.to_string() })
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        let value = self.get_ref(column).map_err(sqlite("read a column"))?;
        value.as_blob_or_null().map_err(|error| StoreError::BadRow { table: "column", why: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_where_it_is_another_than_the_stores() {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let full =
            StoreError::Sqlite { doing: "copy the database", source: rusqlite::Error::SqliteFailure(full, None) };
        assert!(full.hint().contains(".phasegate"));
        let named = at(Path::new("/mnt/stick/copy"), full);
        assert!(named.to_string().contains("/mnt/stick/copy") && !named.hint().contains(".phasegate"), "{named}");
        assert!(matches!(at(Path::new("x"), StoreError::Closed), StoreError::Closed));
    }
}
