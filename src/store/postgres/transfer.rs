//! Backups, which are files of SQLite whatever the store is, and the end of all work in a store that was moved away. Moving
//! itself is the same for both kinds of store (`store::moving`).

use std::path::Path;

use rusqlite::Connection;

use super::tx::PgTx;
use super::{Postgres, order, postgres};
use crate::store::{Backend, Body, Lock, Param, StoreError, Tx, copy, sqlite};

/// No command can be noted where this stands, so none is carried out, by whatever server. Its name is what such a server is
/// told.
const SHUT: &str = "this store was moved away";

pub fn backup(store: &Postgres, to: &Path) -> Result<(), StoreError> {
    sqlite::new_backup(to, &mut |file| {
        copy::clear(file)?;
        store.read(&mut |tx| {
            copy::all(tx, file)?;
            unnumbered(tx, file)
        })
    })
}

/// Records that were committed and have no number yet get theirs in the copy: their rows are in it.
fn unnumbered(from: &mut dyn Tx, to: &mut dyn Tx) -> Result<(), StoreError> {
    let sql = "SELECT at, kind, task, agent, body FROM arrivals ORDER BY id";
    from.query(sql, &[], &mut |row| {
        let (at, task) = (row.int(0)?.unwrap_or(0), row.int(2)?.map_or(Param::Null, Param::Int));
        let [kind, agent, body] = [row.text(1)?, row.text(3)?, row.text(4)?].map(Param::maybe_text);
        to.execute(to.dialect().put_event, &[Param::Int(at), kind, task, agent, body]).map(drop)
    })
}

/// In one transaction: others see all of it or nothing, and whoever writes waits for its end.
pub fn restore(store: &Postgres, from: &Path, mut body: Body) -> Result<(), StoreError> {
    let source = sqlite::opened_backup(from, &mut body)?;
    let copy = move |tx: &mut dyn Tx| {
        // Records of before must not be numbered into the log that comes back.
        tx.hold(order::NAME)?;
        copy::clear(tx)?;
        from_file(&source, tx)
    };
    store.write(Lock::Whole, Box::new(copy))
}

fn from_file(source: &Connection, to: &mut dyn Tx) -> Result<(), StoreError> {
    sqlite::on_snapshot(source, &mut |from| copy::all(from, to).map(drop))
}

impl Postgres {
    /// The body is the last that is written here.
    pub(in crate::store) fn shut(&self, mut body: Body) -> Result<(), StoreError> {
        let shut = format!("ALTER TABLE commits ADD CONSTRAINT \"{SHUT}\" CHECK (false) NOT VALID");
        let last = move |tx: &mut dyn Tx| {
            body(tx)?;
            tx.execute(&shut, &[]).map(drop)
        };
        self.shared.write(&Lock::Whole, Box::new(last))
    }

    /// The body is the first that is written here again.
    pub(in crate::store) fn reopen(
        &self,
        body: impl FnOnce(&mut dyn Tx) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let address = &self.shared.address;
        let mut connection = self.shared.pool.take()?;
        // Not as a command: none could be noted.
        let begin = format!("BEGIN; {}", connection.opening(address));
        connection.batch(&begin).map_err(postgres("begin writing"))?;
        let mut tx = PgTx::writing(&mut connection, address);
        let open = format!("ALTER TABLE commits DROP CONSTRAINT IF EXISTS \"{SHUT}\"");
        let done = body(&mut tx).and_then(|()| tx.execute(&open, &[])).and_then(|_| tx.commit());
        if done.is_err() && connection.batch("ROLLBACK").is_err() {
            connection.spoil();
        }
        done
    }
}

/// What a server is told whose store was moved away under it.
pub fn moved(error: tokio_postgres::Error) -> StoreError {
    let shut = error.as_db_error().and_then(|said| said.constraint()) == Some(SHUT);
    if !shut {
        return StoreError::Postgres { doing: "note a command", source: error };
    }
    StoreError::Unfit {
        said: "what was in this store was moved to another place, so nothing is done here any more".to_owned(),
        hint: "`phasegate doctor` says where it is; work with that store from now on (`--store URL`, PHASEGATE_STORE)",
    }
}
