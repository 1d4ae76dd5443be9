//! Rows on their way from one store into another, whatever kinds the two are: read in the order of their keys, written in
//! batches, and digested so that two stores can be compared. When that is done, and for whom, is not here.

mod tables;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::canonical;

use super::{Param, Row, StoreError, Tx};
pub use tables::{Form, TABLES, Table};

/// Rows of one batch, and what they may hold: a commit each, so not too few; all in memory, so not too many.
const ROWS_MOST: usize = 4096;
const ROWS_LEAST: usize = 16;
const BYTES_MOST: usize = 8 << 20;
/// Rows in one statement.
const TOGETHER: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Null,
    Whole(i64),
    Text(String),
    /// Never in a key, so never in a note of how far a copy has come.
    Bytes(Vec<u8>),
}

impl Value {
    fn param(&self) -> Param<'_> {
        match self {
            Self::Null => Param::Null,
            Self::Whole(whole) => Param::Int(*whole),
            Self::Text(text) => Param::Text(text),
            Self::Bytes(bytes) => Param::Blob(bytes),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Whole(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Rows of a table, by rising key.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub rows: Vec<Vec<Value>>,
    /// There may be more behind them.
    pub more: bool,
}

impl Batch {
    /// The key of its last row.
    pub fn last(&self, table: &Table) -> Option<Vec<Value>> {
        self.rows.last().and_then(|row| row.get(..table.key)).map(<[Value]>::to_vec)
    }
}

/// Reads a table from after a key on, batch by batch.
pub struct Reader<'t> {
    table: &'t Table,
    after: Option<Vec<Value>>,
    rows: usize,
}

impl<'t> Reader<'t> {
    pub fn new(table: &'t Table, after: Option<Vec<Value>>) -> Self {
        Self { table, after, rows: ROWS_MOST }
    }

    pub fn next(&mut self, tx: &mut dyn Tx) -> Result<Batch, StoreError> {
        let (table, mut batch, mut bytes, mut stopped) = (self.table, Batch::default(), 0, false);
        let names = table.names();
        let keys = names.get(..table.key).unwrap_or_default().join(", ");
        let after = self.after.as_deref().unwrap_or_default();
        let holds: Vec<String> = (1..=after.len()).map(|at| format!("?{at}")).collect();
        let behind = if after.is_empty() { String::new() } else { format!("WHERE ({keys}) > ({})", holds.join(", ")) };
        let (all, from, rows) = (names.join(", "), table.from(), self.rows);
        let sql = format!("SELECT {all} FROM {from} {behind} ORDER BY {keys} LIMIT {rows}");
        let params: Vec<Param<'_>> = after.iter().map(Value::param).collect();
        tx.query(&sql, &params, &mut |row| {
            // What is behind is read by the next batch.
            stopped |= bytes >= BYTES_MOST;
            if !stopped {
                let read = read(table, row)?;
                bytes += read.iter().map(Value::bytes).sum::<usize>();
                batch.rows.push(read);
            }
            Ok(())
        })?;
        batch.more = stopped || batch.rows.len() == rows;
        // Rows that fill a batch early are large, and so are those behind them, as a rule.
        self.rows = if stopped { batch.rows.len() } else { rows * 2 }.clamp(ROWS_LEAST, ROWS_MOST);
        self.after = batch.last(table).or(self.after.take());
        Ok(batch)
    }
}

fn read(table: &Table, row: &dyn Row) -> Result<Vec<Value>, StoreError> {
    let column = |(at, (name, form)): (usize, (&str, Form))| {
        let value = match form {
            Form::Whole => row.int(at).map(|whole| whole.map(Value::Whole)),
            Form::Text => row.text(at).map(|text| text.map(|text| Value::Text(text.to_owned()))),
            Form::Bytes => row.blob(at).map(|bytes| bytes.map(|bytes| Value::Bytes(bytes.to_vec()))),
        };
        let bad = |error| StoreError::BadRow { table: table.name, why: format!("the column `{name}`: {error}") };
        Ok(value.map_err(bad)?.unwrap_or(Value::Null))
    };
    table.columns().enumerate().map(column).collect()
}

pub fn write(tx: &mut dyn Tx, table: &Table, rows: &[Vec<Value>]) -> Result<(), StoreError> {
    let names = table.names();
    let (many, one) = (insert(table, &names, TOGETHER), insert(table, &names, 1));
    for chunk in rows.chunks(TOGETHER) {
        let params: Vec<Param<'_>> = chunk.iter().flatten().map(Value::param).collect();
        if chunk.len() == TOGETHER {
            tx.put(&many, &params)?;
        } else {
            for row in params.chunks(names.len()) {
                tx.put(&one, row)?;
            }
        }
    }
    Ok(())
}

fn insert(table: &Table, names: &[&str], rows: usize) -> String {
    let row = |of: usize| {
        let holds: Vec<String> = (1..=names.len()).map(|at| format!("?{}", of * names.len() + at)).collect();
        format!("({})", holds.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO {}({}) VALUES {}", table.name, names.join(", "), rows.join(", "))
}

/// Before a long copy out of a transaction that only reads.
pub fn begin(from: &mut dyn Tx) -> Result<(), StoreError> {
    from.dialect().before_copying.iter().try_for_each(|sql| from.execute(sql, &[]).map(drop))
}

/// After rows came in with the numbers they had.
pub fn end(to: &mut dyn Tx) -> Result<(), StoreError> {
    to.dialect().after_copying.iter().try_for_each(|sql| to.execute(sql, &[]).map(drop))
}

/// Everything, in the transactions that both are in.
pub fn all(from: &mut dyn Tx, to: &mut dyn Tx) -> Result<u64, StoreError> {
    let mut rows = 0;
    begin(from)?;
    for table in &TABLES {
        let mut reader = Reader::new(table, None);
        loop {
            let batch = reader.next(from)?;
            write(to, table, &batch.rows)?;
            rows += batch.rows.len() as u64;
            if !batch.more {
                break;
            }
        }
    }
    end(to)?;
    Ok(rows)
}

/// Takes everything out that a copy would bring.
pub fn clear(tx: &mut dyn Tx) -> Result<(), StoreError> {
    for table in &TABLES {
        let kept = if table.name == "meta" { " WHERE key <> 'move'" } else { "" };
        tx.execute(&format!("DELETE FROM {}{kept}", table.name), &[])?;
    }
    tx.dialect().clear_beside.iter().try_for_each(|sql| tx.execute(sql, &[]).map(drop))
}

pub fn count(tx: &mut dyn Tx, table: &Table) -> Result<u64, StoreError> {
    let mut rows = 0;
    tx.query(&format!("SELECT count(*) FROM {}", table.from()), &[], &mut |row| {
        rows = row.int(0)?.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0);
        Ok(())
    })?;
    Ok(rows)
}

/// What tells a store from one that was only just made: the table that holds something, where one does.
pub fn held(tx: &mut dyn Tx) -> Result<Option<&'static str>, StoreError> {
    for table in &TABLES {
        let mut any = false;
        // A new store counts from 0.
        let given = if table.name == "counters" { " WHERE value <> 0" } else { "" };
        tx.query(&format!("SELECT 1 FROM {}{given} LIMIT 1", table.from()), &[], &mut |_| {
            any = true;
            Ok(())
        })?;
        if any {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// How many rows a table has, and a hash over all that is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    pub sha256: String,
}

pub fn digest(tx: &mut dyn Tx, table: &Table, each: &mut dyn FnMut(u64)) -> Result<Digest, StoreError> {
    let (mut rows, mut hash, mut reader) = (0, Sha256::new(), Reader::new(table, None));
    loop {
        let batch = reader.next(tx)?;
        for value in batch.rows.iter().flatten() {
            let (mark, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Whole(whole) => (1, &whole.to_be_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            hash.update([mark]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        rows += batch.rows.len() as u64;
        each(rows);
        if !batch.more {
            return Ok(Digest { rows, sha256: canonical::hex(&hash.finalize()) });
        }
    }
}
