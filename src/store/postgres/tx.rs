//! A transaction's statements, and values on their way in and out. SQLite takes and gives what it is handed; here a value has
//! the type of its column.

use std::error::Error;

use futures::executor::block_on;
use futures::{TryStreamExt, pin_mut};
use tokio_postgres::Client;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::address::Address;
use super::answers::{Answers, Asked, Common, Owned, text};
use super::pool::{Beginning, Connection, Prepared};
use super::{StoreError, postgres};
use crate::domain::canonical;
use crate::store::{Ask, Dialect, EachRow, Lasts, Param, Row, RowLock, Tx, lock};

pub struct PgTx<'c> {
    connection: &'c mut Connection,
    address: &'c Address,
    writes: bool,
    crowded: bool,
    before: Before,
    /// The id of the command, once it has begun.
    id: Option<String>,
    answers: Answers<tokio_postgres::Row>,
}

/// What is sent with the next statement that is waited for, and ahead of it.
#[derive(Default)]
struct Before {
    beginning: Option<Beginning>,
    /// Statements whose results nobody asks for.
    waiting: Vec<(Prepared, Vec<Owned>)>,
    /// Rows that go out after them, by statement.
    appended: Vec<(String, Vec<Vec<Owned>>)>,
}

impl Before {
    /// In order of asking, and waited for together.
    async fn then<T>(
        &self,
        client: &Client,
        last: impl Future<Output = T>,
    ) -> (Result<Option<(String, i64)>, StoreError>, Result<(), tokio_postgres::Error>, T) {
        let begun = async {
            match &self.beginning {
                Some(beginning) => beginning.begun(client).await.map(Some),
                None => Ok(None),
            }
        };
        futures::future::join3(begun, sent(client, &self.waiting), last).await
    }
}

/// More would only fill buffers.
const TOGETHER: usize = 96;

impl<'c> PgTx<'c> {
    fn new(connection: &'c mut Connection, address: &'c Address, writes: bool, beginning: Option<Beginning>) -> Self {
        let before = Before { beginning, ..Before::default() };
        Self { connection, address, writes, crowded: false, before, id: None, answers: Answers::default() }
    }

    /// A command, which begins when something is asked or written.
    pub fn beginning(connection: &'c mut Connection, address: &'c Address, beginning: Beginning) -> Self {
        Self::new(connection, address, true, Some(beginning))
    }

    /// On a transaction that was begun.
    pub fn writing(connection: &'c mut Connection, address: &'c Address) -> Self {
        Self::new(connection, address, true, None)
    }

    pub fn reading(connection: &'c mut Connection, address: &'c Address) -> Self {
        Self::new(connection, address, false, None)
    }

    /// Sends what comes before, and this; waits for all of it.
    fn wait_for<T>(&mut self, last: impl AsyncFnOnce(&Client) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let before = self.before()?;
        let client = self.connection.client();
        let (begun, sent, last) = block_on(before.then(client, last(client)));
        // What failed first is why the others did.
        if let Some((id, time)) = begun? {
            self.connection.told(time);
            self.id = Some(id);
        }
        sent.map_err(postgres("write a row"))?;
        last
    }

    /// What is to be sent first, rows of one statement together.
    fn before(&mut self) -> Result<Before, StoreError> {
        let mut before = std::mem::take(&mut self.before);
        for (sql, rows) in std::mem::take(&mut before.appended) {
            let mut rows = rows.into_iter();
            while rows.len() > 0 {
                // Few numbers of rows, so that few statements are kept.
                let some = rows_at_once(rows.len());
                let statement = self.connection.statement(&of_rows(&sql, some))?;
                before.waiting.push((statement, rows.by_ref().take(some).flatten().collect()));
            }
        }
        Ok(before)
    }

    /// The id of the command, which is needed before it is committed.
    pub fn begun(&mut self) -> Result<String, StoreError> {
        if self.before.beginning.is_some() {
            self.wait_for(async |_| Ok(()))?;
        }
        self.id.clone().ok_or(StoreError::Closed)
    }

    /// Several commands in one: what may have to wait for others is not for this. What they all ask is asked now.
    pub fn crowd(&mut self, mut common: Common) -> Result<(), StoreError> {
        self.crowded = true;
        let probe = common.probe();
        common.asks.extend(probe.clone());
        for (asked, rows) in self.asked(common.asks)? {
            if Some(&asked) == probe.as_ref() {
                self.answers.share_none(std::mem::take(&mut common.rare), &rows)?;
            } else {
                self.answers.share(asked, rows);
            }
        }
        Ok(())
    }

    /// All of them in one go, with their answers.
    fn asked(&mut self, asks: Vec<Asked>) -> Result<Vec<(Asked, Vec<tokio_postgres::Row>)>, StoreError> {
        let statements = asks.iter().map(|asked| self.connection.statement(asked.sent.as_ref().unwrap_or(&asked.sql)));
        let statements = statements.collect::<Result<Vec<_>, _>>()?;
        let answers = self.wait_for(async |client| {
            let sent = asks.iter().zip(&statements).map(|(asked, statement)| async move {
                statement.rows(client, &asked.params()).await?.try_collect::<Vec<_>>().await
            });
            let answers = futures::future::join_all(sent).await;
            answers.into_iter().collect::<Result<Vec<_>, _>>().map_err(postgres("read rows"))
        })?;
        Ok(asks.into_iter().zip(answers).collect())
    }

    /// What is waiting and the end of the transaction, in one go.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let before = self.before()?;
        let client = self.connection.client();
        let (_, sent, committed) = block_on(before.then(client, client.batch_execute("COMMIT")));
        // After a fault the server answers a commit by rolling back.
        sent.and(committed).map_err(postgres("commit"))
    }
}

/// Whether another row is of the same place and could take the number in.
fn counted(rows: &mut [Vec<Owned>], row: &[Owned]) -> bool {
    let Some((more, place)) = row.split_last() else { return false };
    let last = rows.iter_mut().filter_map(|known| known.split_last_mut()).find(|(_, known)| **known == *place);
    match (last, more) {
        (Some((Owned::Int(sum), _)), Owned::Int(more)) => {
            *sum = sum.saturating_add(*more);
            true
        }
        _ => false,
    }
}

const ROWS_AT_ONCE: usize = 16;

fn rows_at_once(rows: usize) -> usize {
    (1..=rows.min(ROWS_AT_ONCE)).rev().find(|some| some.is_power_of_two()).unwrap_or(1)
}

/// A statement for one row, `… VALUES (?1, ?2)`, for so many.
fn of_rows(sql: &str, rows: usize) -> String {
    let (head, row) = sql.rsplit_once("VALUES ").unwrap_or((sql, ""));
    let columns = row.matches('?').count();
    let row = |number: usize| {
        let places: Vec<String> = (1..=columns).map(|column| format!("?{}", number * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    format!("{head}VALUES {}", (0..rows).map(row).collect::<Vec<_>>().join(", "))
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
        self.answers.written();
        let statement = self.connection.statement(sql)?;
        self.wait_for(async |client| statement.execute(client, given).await.map_err(postgres("write a row")))
    }

    fn put(&mut self, sql: &str, given: &[Param<'_>]) -> Result<(), StoreError> {
        self.answers.written();
        let statement = self.connection.statement(sql)?;
        self.before.waiting.push((statement, given.iter().copied().map(Owned::of).collect()));
        if self.before.waiting.len() >= TOGETHER { self.wait_for(async |_| Ok(())) } else { Ok(()) }
    }

    fn append(&mut self, sql: &str, given: &[Param<'_>]) -> Result<(), StoreError> {
        self.answers.written();
        let row: Vec<Owned> = given.iter().copied().map(Owned::of).collect();
        let Some((_, rows)) = self.before.appended.iter_mut().find(|(known, _)| known == sql) else {
            self.before.appended.push((sql.to_owned(), vec![row]));
            return Ok(());
        };
        if sql != lock::POSTGRES.put_count || !counted(rows, &row) {
            rows.push(row);
        }
        Ok(())
    }

    fn query(&mut self, sql: &str, given: &[Param<'_>], each: EachRow<'_>) -> Result<(), StoreError> {
        if let Some(told) = self.answers.tell(sql, given, each) {
            return told;
        }
        let statement = self.connection.statement(sql)?;
        self.wait_for(async |client| {
            let rows = statement.rows(client, given).await;
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
        let sql = text(sql, Some(lock).filter(|_| self.writes));
        if let Some(told) = self.answers.tell(&sql, given, each) {
            return told;
        }
        if lock == RowLock::Skip {
            self.answers.looked_for_more();
        }
        self.query(&sql, given, each)
    }

    fn ahead(&mut self, asks: &[Ask<'_>]) -> Result<(), StoreError> {
        self.answers.written();
        let asks = asks.iter().map(|ask| Asked::of(ask, self.writes));
        let asks: Vec<Asked> = asks.filter(|asked| !self.answers.knows(asked)).collect();
        if asks.is_empty() {
            return Ok(());
        }
        if asks.iter().any(|asked| asked.lasts == Lasts::OneEach) {
            self.answers.looked_for_more();
        }
        for (asked, rows) in self.asked(asks)? {
            self.answers.keep(asked, rows);
        }
        Ok(())
    }

    fn hold(&mut self, name: &str) -> Result<(), StoreError> {
        if !self.writes {
            return Ok(());
        }
        if self.crowded {
            return Err(StoreError::Overtaken);
        }
        // What was read before this was somebody else's, maybe.
        self.answers.written();
        let key = self.address.key(name);
        self.query("SELECT pg_advisory_xact_lock(?1)", &[Param::Int(key)], &mut |_| Ok(()))
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
    fn moves_of_one_place_are_one_row() {
        let row = |place: &str, more| vec![Owned::Text(place.to_owned()), Owned::Int(more)];
        let mut rows = vec![row("ready", -1), row("claimed", 1)];
        assert!(counted(&mut rows, &row("ready", -1)) && !counted(&mut rows, &row("done", 1)));
        assert_eq!(rows, [row("ready", -2), row("claimed", 1)]);
    }

    #[test]
    fn rows_of_one_statement_go_together() {
        let one = "INSERT INTO t(a, b) VALUES (?1, ?2)";
        assert_eq!(of_rows(one, 1), one);
        assert_eq!(of_rows(one, 3), "INSERT INTO t(a, b) VALUES (?1, ?2), (?3, ?4), (?5, ?6)");
        for (rows, some) in [(1, 1), (2, 2), (3, 2), (7, 4), (8, 8), (40, 16)] {
            assert_eq!(rows_at_once(rows), some, "{rows}");
        }
    }

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
