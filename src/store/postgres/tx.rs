//! A transaction's statements, and values on their way in and out. SQLite takes and gives what it is handed; here a value has
//! the type of its column.

use std::error::Error;

use futures::executor::block_on;
use futures::{TryStreamExt, pin_mut};
use tokio_postgres::Client;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::address::Address;
use super::pool::{Connection, Prepared};
use super::{StoreError, postgres};
use crate::domain::canonical;
use crate::store::{Dialect, EachRow, Param, Row, RowLock, Tx, lock};

pub struct PgTx<'c> {
    connection: &'c mut Connection,
    address: &'c Address,
    writes: bool,
    /// Statements whose results nobody asks for: they are sent together, before the next that is waited for.
    waiting: Vec<(Prepared, Vec<Owned>)>,
}

/// A value that is kept until its statement is sent.
#[derive(Debug)]
enum Owned {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Owned {
    fn of(param: Param<'_>) -> Self {
        match param {
            Param::Null => Self::Null,
            Param::Int(int) => Self::Int(int),
            Param::Text(text) => Self::Text(text.to_owned()),
            Param::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }

    fn param(&self) -> Param<'_> {
        match self {
            Self::Null => Param::Null,
            Self::Int(int) => Param::Int(*int),
            Self::Text(text) => Param::Text(text),
            Self::Blob(bytes) => Param::Blob(bytes),
        }
    }
}

/// More would only fill buffers.
const TOGETHER: usize = 24;

impl<'c> PgTx<'c> {
    pub fn writing(connection: &'c mut Connection, address: &'c Address) -> Self {
        Self { connection, address, writes: true, waiting: Vec::new() }
    }

    pub fn reading(connection: &'c mut Connection, address: &'c Address) -> Self {
        Self { connection, address, writes: false, waiting: Vec::new() }
    }

    fn send(&mut self) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        block_on(sent(self.connection.client(), &waiting)).map_err(postgres("write a row"))
    }

    /// What is waiting and the end of the transaction, in one go.
    pub fn commit(mut self) -> Result<(), tokio_postgres::Error> {
        let waiting = std::mem::take(&mut self.waiting);
        let client = self.connection.client();
        let (sent, committed) = block_on(futures::future::join(sent(client, &waiting), client.batch_execute("COMMIT")));
        // After a fault the server answers a commit by rolling back.
        sent.and(committed)
    }
}

async fn sent_one(client: &Client, (statement, owned): &(Prepared, Vec<Owned>)) -> Result<u64, tokio_postgres::Error> {
    let given: Vec<Param<'_>> = owned.iter().map(Owned::param).collect();
    statement.execute(client, &given).await
}

async fn sent(client: &Client, waiting: &[(Prepared, Vec<Owned>)]) -> Result<(), tokio_postgres::Error> {
    // In order of asking, and waited for together.
    let mut first = Ok(());
    for result in futures::future::join_all(waiting.iter().map(|one| sent_one(client, one))).await {
        if first.is_ok() {
            first = result.map(drop);
        }
    }
    first
}

impl Tx for PgTx<'_> {
    fn execute(&mut self, sql: &str, given: &[Param<'_>]) -> Result<u64, StoreError> {
        self.send()?;
        let statement = self.connection.statement(sql)?;
        block_on(statement.execute(self.connection.client(), given)).map_err(postgres("write a row"))
    }

    fn put(&mut self, sql: &str, given: &[Param<'_>]) -> Result<(), StoreError> {
        let statement = self.connection.statement(sql)?;
        self.waiting.push((statement, given.iter().copied().map(Owned::of).collect()));
        if self.waiting.len() >= TOGETHER { self.send() } else { Ok(()) }
    }

    fn query(&mut self, sql: &str, given: &[Param<'_>], each: EachRow<'_>) -> Result<(), StoreError> {
        self.send()?;
        let statement = self.connection.statement(sql)?;
        block_on(async {
            let rows = statement.rows(self.connection.client(), given).await;
            let rows = rows.map_err(postgres("read rows"))?;
            pin_mut!(rows);
            while let Some(row) = rows.try_next().await.map_err(postgres("read rows"))? {
                each(&row)?;
            }
            Ok(())
        })
    }

    fn query_locked(
        &mut self,
        sql: &str,
        given: &[Param<'_>],
        lock: RowLock,
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        if !self.writes {
            return self.query(sql, given, each);
        }
        let clause = match lock {
            RowLock::Wait => "FOR UPDATE",
            RowLock::Skip => "FOR UPDATE SKIP LOCKED",
        };
        self.query(&format!("{sql} {clause}"), given, each)
    }

    fn hold(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.writes {
            return Ok(());
        }
        self.send()?;
        self.connection.keys("SELECT pg_advisory_xact_lock($1)", &[self.address.key(name)])
    }

    fn dialect(&self) -> &'static Dialect {
        &lock::POSTGRES
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Param::Null => Ok(IsNull::Yes),
            // The server settles the type, and reads the value as it stands in a statement.
            Param::Int(int) if *ty == Type::UNKNOWN => int.to_string().to_sql(&Type::TEXT, out),
            Param::Blob(bytes) if *ty == Type::UNKNOWN => {
                format!("\\x{}", canonical::hex(bytes)).to_sql(&Type::TEXT, out)
            }
            Param::Int(int) if *ty == Type::INT4 => i32::try_from(*int)?.to_sql(ty, out),
            Param::Int(int) => int.to_sql_checked(ty, out),
            Param::Text(text) => text.to_sql_checked(ty, out),
            Param::Blob(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if *ty == Type::UNKNOWN { Format::Text } else { Format::Binary }
    }

    to_sql_checked!();
}

/// Whole numbers in all the types that a whole number comes in: sums are `numeric`, and what is true is 1.
struct Whole(i64);

impl FromSql<'_> for Whole {
    fn from_sql(ty: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Whole),
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Whole(int.into())),
            Type::BOOL => bool::from_sql(ty, raw).map(|is| Whole(is.into())),
            _ => numeric(raw).map(Whole).ok_or_else(|| "not a whole number of 64 bits".into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::NUMERIC].contains(ty)
    }
}

/// A `numeric` on the wire: counts of digits, place of the first, sign, scale, then digits to the base of 10,000.
fn numeric(raw: &[u8]) -> Option<i64> {
    let part = |at: usize| raw.get(at * 2..at * 2 + 2)?.try_into().ok().map(i16::from_be_bytes);
    let (count, first, sign) = (part(0)?, part(1)?, part(2)?);
    let mut value: i64 = 0;
    for place in 0..=first.max(-1) {
        let digit = if place < count { part(4 + usize::try_from(place).ok()?)? } else { 0 };
        value = value.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    match sign {
        0 => Some(value),
        0x4000 => value.checked_neg(),
        _ => None,
    }
}

fn bad(error: &tokio_postgres::Error) -> StoreError {
    StoreError::BadRow { table: "column", why: error.to_string() }
}

impl Row for tokio_postgres::Row {
    fn int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        let value: Option<Whole> = self.try_get(column).map_err(|error| bad(&error))?;
        Ok(value.map(|Whole(int)| int))
    }

    fn text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        self.try_get(column).map_err(|error| bad(&error))
    }

    fn blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.try_get(column).map_err(|error| bad(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_as_whole_numbers() {
        let wire = |parts: &[i16]| parts.iter().flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>();
        for (parts, value) in [
            (&[0, 0, 0, 0][..], Some(0)),
            (&[1, 0, 0, 0, 7], Some(7)),
            (&[1, 1, 0, 0, 3], Some(30_000)),
            (&[2, 1, 0, 0, 12, 3456], Some(123_456)),
            (&[1, 0, 0x4000, 0, 5], Some(-5)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5807], Some(i64::MAX)),
            (&[5, 4, 0, 0, 922, 3372, 368, 5477, 5808], None),
            (&[0, 0, -0x4000, 0], None),
        ] {
            assert_eq!(numeric(&wire(parts)), value, "{parts:?}");
        }
        assert_eq!(numeric(&[1]), None);
    }
}
