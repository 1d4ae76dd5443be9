//! What a store notes about its own move to another place: the one that is left takes no more work, and the one that is filled
//! takes none before it is whole. The copying itself is in `copy`.

use serde::{Deserialize, Serialize};

use super::copy::{self, Batch, Table, Value};
use super::postgres::{self, Postgres};
use super::{Around, Backend, Lock, Param, StoreError, Tx, file_of, is_shared, meta, snapshot, sqlite};

/// Where in `meta` it is noted.
const KEY: &str = "move";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The same in both stores.
    pub id: String,
    pub from: String,
    pub to: String,
    pub way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Of the store that is left.
    Out,
    /// Of the one that is filled: the table that is being copied, and the key of its last row that is there.
    In { table: String, after: Option<Vec<Value>> },
    /// It was filled from another, and is whole.
    Done,
}

pub fn note(tx: &mut dyn Tx) -> Result<Option<Note>, StoreError> {
    let Some(text) = meta(tx, KEY)? else { return Ok(None) };
    let why = |error: serde_json::Error| StoreError::BadRow { table: "meta", why: format!("`{KEY}`: {error}") };
    serde_json::from_str(&text).map(Some).map_err(why)
}

pub fn put_note(tx: &mut dyn Tx, note: &Note) -> Result<(), StoreError> {
    let text = serde_json::to_string(note).unwrap_or_default();
    let sql = "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[Param::Text(KEY), Param::Text(&text)]).map(drop)
}

fn take_note(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM meta WHERE key = ?1", &[Param::Text(KEY)]).map(drop)
}

/// Whether work may be done in this store.
pub fn check(tx: &mut dyn Tx) -> Result<(), StoreError> {
    let Some(Note { from, to, way, .. }) = note(tx)? else { return Ok(()) };
    match way {
        Way::Done => Ok(()),
        Way::Out => Err(StoreError::Unfit {
            said: format!("what was in this store was moved to {to}, so nothing is done here any more"),
            hint: "work with that store (`--store URL`, PHASEGATE_STORE); `phasegate migrate --reopen URL` takes this one \
                   up again",
        }),
        Way::In { .. } => Err(StoreError::Unfit {
            said: format!("this store is a copy of {from} that is not whole yet, so nothing is done here"),
            hint: "end the copying with the same `phasegate migrate --from URL --to URL`",
        }),
    }
}

pub fn noted(backend: &dyn Backend) -> Result<Option<Note>, StoreError> {
    snapshot(backend, note)
}

/// The place a URL names, as it may be shown: the same for each way of writing it, and without what is secret.
pub fn place(url: &str, around: Around<'_>) -> Result<String, StoreError> {
    if is_shared(url) {
        return Ok(postgres::shown(url, around));
    }
    let file = file_of(Some(url), around.state)?;
    let whole = std::fs::canonicalize(&file).or_else(|_| std::path::absolute(&file));
    Ok(format!("sqlite:{}", whole.unwrap_or(file).display()))
}

/// Ends all work in a store: refused in SQLite while another process has it open; in PostgreSQL whoever is at it is refused
/// from then on.
pub fn shut(url: &str, around: Around<'_>, note: Note) -> Result<(), StoreError> {
    debug_assert_eq!(note.way, Way::Out);
    if is_shared(url) {
        return Postgres::open(url, around, false)?.shut(Box::new(move |tx| put_note(tx, &note)));
    }
    sqlite::alone(&file_of(Some(url), around.state)?, Box::new(move |tx| put_note(tx, &note)))
}

/// Takes up a store again that was left; its place is told.
pub fn reopen(url: &str, around: Around<'_>) -> Result<Note, StoreError> {
    let backend = super::open_for_one(Some(url), around)?;
    let found = noted(backend.as_ref())?.filter(|note| note.way == Way::Out);
    let Some(found) = found else {
        return Err(StoreError::Unfit {
            said: format!("{} was not moved anywhere, so there is nothing to take back", place(url, around)?),
            hint: "name the store that `phasegate migrate` left",
        });
    };
    if is_shared(url) {
        Postgres::open(url, around, false)?.reopen(take_note)?;
    } else {
        backend.write(Lock::Whole, Box::new(take_note))?;
    }
    Ok(found)
}

/// Refused where there is anything: a copy would mix with it.
pub fn is_free(to: &dyn Backend) -> Result<(), StoreError> {
    match snapshot(to, copy::held)? {
        None => Ok(()),
        Some(table) => Err(taken(&to.describe(), table)),
    }
}

fn taken(place: &str, table: &str) -> StoreError {
    StoreError::Unfit {
        said: format!("{place} is not empty (its table `{table}` has rows), and a copy would mix with what is there"),
        hint: "name a place where there is no store yet: another file, or another schema (`?schema=NAME`); what is left of \
               a copy that is not wanted may be thrown away",
    }
}

/// Makes an empty store one that is being filled.
pub fn receive(to: &dyn Backend, note: &Note) -> Result<(), StoreError> {
    let (note, place) = (note.clone(), to.describe());
    let body = move |tx: &mut dyn Tx| {
        // Nobody may have been faster.
        if let Some(table) = copy::held(tx)? {
            return Err(taken(&place, table));
        }
        copy::clear(tx)?;
        put_note(tx, &note)
    };
    to.write(Lock::Whole, Box::new(body))
}

/// Rows, and how far the copy has come with them, in one transaction.
pub fn put(to: &dyn Backend, note: &Note, table: &'static Table, batch: Batch) -> Result<(), StoreError> {
    let note = note.clone();
    to.write(
        Lock::Whole,
        Box::new(move |tx| {
            copy::write(tx, table, &batch.rows)?;
            put_note(tx, &note)
        }),
    )
}

/// The copy is whole, and work may begin.
pub fn finish(to: &dyn Backend, note: &Note) -> Result<(), StoreError> {
    let note = Note { way: Way::Done, ..note.clone() };
    let body = move |tx: &mut dyn Tx| {
        copy::end(tx)?;
        put_note(tx, &note)
    };
    to.write(Lock::Whole, Box::new(body))
}
