//! The log's tree in rows: tiles, signed heads, where heads were sent; and the log itself as the sealer and a check read it.

use crate::audit::batch::{Batch, Columns};
use crate::audit::check::StoredHead;
use crate::audit::hash::{self, Hash};
use crate::audit::report::Anchor;
use crate::audit::tree::{Tile, WIDTH};
use crate::domain::ids::{TaskId, Time};
use crate::domain::record::ErasedRecord;

use super::{Param, Row, StoreError, Tx};

/// The name under which the tree grows.
pub const SEALED: &str = "seal";

fn bad(table: &'static str, why: impl Into<String>) -> StoreError {
    StoreError::BadRow { table, why: why.into() }
}

fn number(row: &dyn Row, column: usize) -> Result<u64, StoreError> {
    Ok(row.int(column)?.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

fn one_number(tx: &mut dyn Tx, sql: &str) -> Result<u64, StoreError> {
    let mut found = 0;
    tx.query(sql, &[], &mut |row| {
        found = number(row, 0)?;
        Ok(())
    })?;
    Ok(found)
}

/// The number of the newest record.
pub fn last_record(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    one_number(tx, "SELECT max(seq) FROM events")
}

/// How many records are under a head.
pub fn sealed_size(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    one_number(tx, "SELECT max(size) FROM heads")
}

fn head(row: &dyn Row) -> Result<StoredHead, StoreError> {
    Ok(StoredHead {
        size: number(row, 0)?,
        number: row.int(1)?.unwrap_or(0),
        at: row.int(2)?.unwrap_or(0),
        root: row.blob(3)?.unwrap_or_default().to_vec(),
        note: row.text(4)?.unwrap_or_default().to_owned(),
    })
}

pub fn newest_head(tx: &mut dyn Tx) -> Result<Option<StoredHead>, StoreError> {
    let mut found = None;
    tx.query("SELECT size, number, at, root, note FROM heads ORDER BY size DESC LIMIT 1", &[], &mut |row| {
        found = Some(head(row)?);
        Ok(())
    })?;
    Ok(found)
}

pub fn head_of(tx: &mut dyn Tx, size: u64) -> Result<Option<StoredHead>, StoreError> {
    let mut found = None;
    tx.query("SELECT size, number, at, root, note FROM heads WHERE size = ?1", &[Param::id(size)], &mut |row| {
        found = Some(head(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// By rising size. A head that cannot be read as one comes with what can be read of it.
pub fn heads(tx: &mut dyn Tx) -> Result<Vec<StoredHead>, StoreError> {
    let mut found = Vec::new();
    tx.query("SELECT size, number, at, root, note FROM heads ORDER BY size", &[], &mut |row| {
        found.push(head(row).unwrap_or_else(|_| StoredHead {
            size: number(row, 0).unwrap_or(0),
            number: 0,
            at: 0,
            root: Vec::new(),
            note: String::new(),
        }));
        Ok(())
    })?;
    Ok(found)
}

pub fn tile(tx: &mut dyn Tx, level: u8, position: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    let mut found = None;
    let place = [Param::Int(i64::from(level)), Param::id(position)];
    tx.query("SELECT hashes FROM tiles WHERE level = ?1 AND position = ?2", &place, &mut |row| {
        let bytes = row.blob(0)?.unwrap_or_default();
        let why = || bad("tiles", format!("tile {position} of level {level} is not made of whole hashes"));
        found = Some(hash::split(bytes).ok_or_else(why)?);
        Ok(())
    })?;
    Ok(found)
}

/// Tiles above the leaves. One that cannot be read counts as empty.
pub fn upper_tiles(tx: &mut dyn Tx) -> Result<Vec<Tile>, StoreError> {
    let mut found = Vec::new();
    tx.query("SELECT level, position, hashes FROM tiles WHERE level > 0", &[], &mut |row| {
        let level = row.int(0)?.and_then(|level| u8::try_from(level).ok()).unwrap_or(u8::MAX);
        let hashes = row.blob(2).ok().flatten().and_then(hash::split).unwrap_or_default();
        found.push(Tile { level, position: number(row, 1)?, hashes });
        Ok(())
    })?;
    Ok(found)
}

/// How many leaves the tiles hold, by the last of them.
pub fn leaves(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    let mut found = 0;
    let sql = "SELECT position, hashes FROM tiles WHERE level = 0 ORDER BY position DESC LIMIT 1";
    tx.query(sql, &[], &mut |row| {
        let held = row.blob(1).ok().flatten().map_or(0, <[u8]>::len) / hash::BYTES;
        found = number(row, 0)?.saturating_mul(WIDTH as u64).saturating_add(u64::try_from(held).unwrap_or(0));
        Ok(())
    })?;
    Ok(found)
}

pub fn put_tile(tx: &mut dyn Tx, tile: &Tile) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO tiles(level, position, hashes) VALUES (?1, ?2, ?3) \
         ON CONFLICT(level, position) DO UPDATE SET hashes = excluded.hashes",
        &[Param::Int(i64::from(tile.level)), Param::id(tile.position), Param::Blob(&hash::join(&tile.hashes))],
    )?;
    Ok(())
}

/// A head takes the place of the one before it where both have the same number.
pub fn put_head(tx: &mut dyn Tx, head: &StoredHead) -> Result<(), StoreError> {
    tx.execute("DELETE FROM heads WHERE number = ?1", &[Param::Int(head.number)])?;
    tx.execute(
        "INSERT INTO heads(size, number, at, root, note) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            Param::id(head.size),
            Param::Int(head.number),
            Param::Int(head.at),
            Param::Blob(&head.root),
            Param::Text(&head.note),
        ],
    )?;
    Ok(())
}

/// Content by rising number, from after a record; none where there is none.
pub fn contents(
    tx: &mut dyn Tx,
    after: u64,
    limit: usize,
    each: &mut dyn FnMut(u64, &str) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let limit = Param::Int(i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = "SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    tx.query(sql, &[Param::id(after), limit], &mut |row| each(number(row, 0)?, row.text(1)?.unwrap_or_default()))
}

/// The next rows from after a number, with the tiles of their leaves. A value of a wrong type is a value that differs.
pub fn rows(tx: &mut dyn Tx, after: i64, limit: usize, batch: &mut Batch) -> Result<(), StoreError> {
    let limit = Param::Int(i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = "SELECT seq, at, kind, task, agent, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    tx.query(sql, &[Param::Int(after), limit], &mut |row| {
        let task = row.int(3).unwrap_or(Some(-1));
        let columns = Columns {
            at: row.int(1).ok().flatten(),
            kind: row.text(2).ok().flatten().unwrap_or_default(),
            task,
            agent: row.text(4).ok().flatten().unwrap_or_default(),
        };
        batch.push(row.int(0)?.unwrap_or(0), columns, row.text(5).ok().flatten());
        Ok(())
    })?;
    let width = WIDTH as i64;
    let (first, last) = (after.max(0) / width, batch.last().unwrap_or(0).max(0) / width);
    let sql = "SELECT position, hashes FROM tiles WHERE level = 0 AND position BETWEEN ?1 AND ?2 ORDER BY position";
    tx.query(sql, &[Param::Int(first), Param::Int(last)], &mut |row| {
        let hashes = row.blob(1).ok().flatten().and_then(hash::split).unwrap_or_default();
        batch.tile(number(row, 0)?, hashes);
        Ok(())
    })
}

/// The hash under which a record was sealed.
pub fn leaf(tx: &mut dyn Tx, seq: u64) -> Result<Option<Hash>, StoreError> {
    let (index, width) = (seq.saturating_sub(1), WIDTH as u64);
    let hashes = tile(tx, 0, index / width)?.unwrap_or_default();
    Ok(usize::try_from(index % width).ok().and_then(|at| hashes.get(at)).copied())
}

/// Records of one kind after a number, the newest first: when, and their content.
pub fn of_kind(tx: &mut dyn Tx, kind: &str, after: u64) -> Result<Vec<(Time, String)>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT at, body FROM events WHERE seq > ?1 AND kind = ?2 ORDER BY seq DESC";
    tx.query(sql, &[Param::id(after), Param::Text(kind)], &mut |row| {
        found.push((Time(row.int(0)?.unwrap_or(0)), row.text(1)?.unwrap_or_default().to_owned()));
        Ok(())
    })?;
    Ok(found)
}

/// What is to stay known of records, and their content.
pub fn record(tx: &mut dyn Tx, seq: u64) -> Result<Option<(ErasedRecord, String)>, StoreError> {
    let mut found = None;
    tx.query("SELECT kind, at, task, body FROM events WHERE seq = ?1", &[Param::id(seq)], &mut |row| {
        let task = row.int(2)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        let kind = row.text(0)?.unwrap_or_default().to_owned();
        let known = ErasedRecord { seq, kind, at: Time(row.int(1)?.unwrap_or(0)), task };
        found = Some((known, row.text(3)?.unwrap_or_default().to_owned()));
        Ok(())
    })?;
    Ok(found)
}

/// The newest of each place.
pub fn anchors(tx: &mut dyn Tx) -> Result<Vec<Anchor>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT max(size), place, max(at) FROM anchors GROUP BY place ORDER BY place";
    tx.query(sql, &[], &mut |row| {
        let place = row.text(1)?.unwrap_or_default().to_owned();
        found.push(Anchor { size: number(row, 0)?, place, at: Time(row.int(2)?.unwrap_or(0)) });
        Ok(())
    })?;
    Ok(found)
}

/// Whether a head of this size was sent somewhere.
pub fn is_anchored(tx: &mut dyn Tx, size: u64) -> Result<bool, StoreError> {
    let mut anchored = false;
    tx.query("SELECT 1 FROM anchors WHERE size = ?1 LIMIT 1", &[Param::id(size)], &mut |_| {
        anchored = true;
        Ok(())
    })?;
    Ok(anchored)
}

pub fn put_anchor(tx: &mut dyn Tx, anchor: &Anchor, answer: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO anchors(size, place, at, answer) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT(place, size) DO UPDATE SET at = excluded.at, answer = excluded.answer",
        &[Param::id(anchor.size), Param::Text(&anchor.place), Param::Int(anchor.at.0), Param::Text(answer)],
    )?;
    Ok(())
}
