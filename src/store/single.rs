//! SQLite for a process that does one thing and ends: one connection for reading and writing, on the caller's own thread.
//! What is rare goes through a store that is opened in full.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::place::Place;
use super::sqlite::{Sqlite, begin, in_queue, on_snapshot, together};
use super::{Backend, Body, Lock, StoreError, Tx};

pub struct Single {
    path: PathBuf,
    place: Place,
    queue: File,
    connection: Mutex<Connection>,
}

impl Single {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (place, queue, connection) = begin(path)?;
        Ok(Self { path: path.to_path_buf(), place, queue, connection: Mutex::new(connection) })
    }

    fn whole(&self) -> Result<Sqlite, StoreError> {
        Sqlite::open(&self.path)
    }
}

impl Backend for Single {
    fn write(&self, _lock: Lock, mut body: Body) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        in_queue(&self.queue, &self.place, || together(&mut connection, std::iter::once(&mut body)))
    }

    fn write_soon(&self, lock: Lock, body: Body) {
        if let Err(error) = self.write(lock, body) {
            tracing::warn!(%error, "something that may be lost was not written");
        }
    }

    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        on_snapshot(&self.connection.lock().unwrap_or_else(PoisonError::into_inner), body)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.whole()?.backup(to)
    }

    fn restore(&self, from: &Path, body: Body) -> Result<(), StoreError> {
        self.whole()?.restore(from, body)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.whole()?.check()
    }

    fn describe(&self) -> String {
        format!("sqlite:{} (one connection)", self.place.database.display())
    }
}
