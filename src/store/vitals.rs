//! Whether a store can be used, asked of its files anew rather than of what is open already: a file that was moved away or
//! damaged still answers to those who had it open. It changes nothing and does not read the whole store.

use rusqlite::Connection;
use rustix::fs::{Access, access, statvfs};

use super::{Place, StoreError};
use crate::domain::ids::Time;

/// What could not be found out is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The version the store has, and the one this phasegate writes.
    pub schema: Option<(i64, i64)>,
    /// Whether folder and file may be written, by their modes and their disk.
    pub writable: Option<bool>,
    pub database_bytes: Option<u64>,
    pub wal_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
}

/// Of a store that is a database of its own, for a person who asks how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub version: String,
    pub schema: String,
    /// There and back.
    pub latency_micros: u64,
    pub connections_used: u64,
    pub connections_allowed: u64,
    /// The most that this process would open.
    pub connections_own_max: u64,
    /// How the way to the database, or to what stands before it, is encrypted.
    pub encrypted: Option<&'static str>,
    /// The way does not leave this machine.
    pub socket: bool,
    /// Something stands between that gives out the database's sessions.
    pub pooled: bool,
    pub time: Time,
    /// Whether what one connection notifies reaches another.
    pub listens: bool,
    /// Records that have no number yet.
    pub waiting: u64,
}

/// What the disk of a folder has left.
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

pub(super) fn of(connection: &Connection, known: i64, place: &Place) -> Result<Vitals, StoreError> {
    let unread = |source| StoreError::Sqlite { doing: "read its schema", source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unread)?;
    // Reads the schema, and a row of a table through it.
    let named = "SELECT count(*) FROM meta WHERE key = 'workspace'";
    connection.query_row(named, [], |row| row.get::<_, i64>(0)).map_err(unread)?;
    // Sizes are asked by name: to close a descriptor of the database would drop the locks of this process.
    let bytes = |path: &std::path::Path| std::fs::metadata(path).ok().map(|found| found.len());
    let folder = if place.folder.as_os_str().is_empty() { std::path::Path::new(".") } else { &place.folder };
    let may = |path, how| access(path, how).is_ok();
    Ok(Vitals {
        schema: Some((found, known)),
        writable: Some(
            may(folder, Access::WRITE_OK | Access::EXEC_OK) && may(place.database.as_path(), Access::WRITE_OK),
        ),
        database_bytes: bytes(&place.database),
        wal_bytes: bytes(&super::wal_of(&place.database)).or(Some(0)),
        free_bytes: free_bytes(folder),
    })
}
