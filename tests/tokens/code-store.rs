                drop(readers);
                return connect(&self.place).inspect_err(|_| self.give_back(None));
            }
            readers = self.reader_free.wait(readers).unwrap_or_else(PoisonError::into_inner);
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
        drop(readers);
        self.reader_free.notify_one();
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // The writer ends when its queue is closed, after all that was handed over.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
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

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite("read its version"))?;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    let missing = MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0));
    for (index, sql) in missing {
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite("begin the migration"))?;
        tx.execute_batch(sql).map_err(sqlite("migrate the schema"))?;
