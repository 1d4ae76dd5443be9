//! The tables: made and brought up to date under a lock, never by a program that is older than they are.

use super::address::Address;
use super::pool::Connection;
use super::{Shared, StoreError, postgres};
use crate::store::copy::TABLES;

const MIGRATIONS: [&str; 16] = [
    include_str!("../migrations/postgres/0001_init.sql"),
    include_str!("../migrations/postgres/0002_tree.sql"),
    include_str!("../migrations/postgres/0003_approvals.sql"),
    include_str!("../migrations/postgres/0004_notices.sql"),
    include_str!("../migrations/postgres/0005_sessions.sql"),
    include_str!("../migrations/postgres/0006_spending.sql"),
    include_str!("../migrations/postgres/0007_credentials.sql"),
    include_str!("../migrations/postgres/0008_deferred.sql"),
    include_str!("../migrations/postgres/0009_idempotency.sql"),
    include_str!("../migrations/postgres/0010_board.sql"),
    include_str!("../migrations/postgres/0011_contexts.sql"),
    include_str!("../migrations/postgres/0012_routes.sql"),
    include_str!("../migrations/postgres/0013_budgets.sql"),
    include_str!("../migrations/postgres/0014_tokens.sql"),
    include_str!("../migrations/postgres/0015_turns.sql"),
    include_str!("../migrations/postgres/0016_left.sql"),
];

pub fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// One transaction for all of it: a program that ends in the middle leaves what was there.
pub fn migrate(connection: &mut Connection, address: &Address) -> Result<(), StoreError> {
    let found = version(connection, address)?;
    if found == Some(known()) {
        return Ok(());
    }
    let done = migrate_locked(connection, address);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    if connection.batch(end).is_err() {
        connection.spoil();
    }
    done
}

fn migrate_locked(connection: &mut Connection, address: &Address) -> Result<(), StoreError> {
    connection.batch("BEGIN").map_err(postgres("begin the migration"))?;
    connection.keys("SELECT pg_advisory_xact_lock($1)", &[address.key("migration")])?;
    // Whoever was first has done it.
    let found = version(connection, address)?;
    if let Some(found) = found.filter(|found| *found > known()) {
        return Err(StoreError::NewerSchema { found, known: known() });
    }
    if found.is_none() {
        make_room(connection, address)?;
    }
    connection.batch(&connection.opening(address)).map_err(postgres("begin the migration"))?;
    if found.is_none() {
        let sql = "CREATE TABLE schema_version(version BIGINT NOT NULL); INSERT INTO schema_version VALUES (0)";
        connection.batch(sql).map_err(postgres("make tables in the schema"))?;
    }
    for sql in MIGRATIONS.iter().skip(usize::try_from(found.unwrap_or(0)).unwrap_or(0)) {
        connection.batch(sql).map_err(postgres("migrate the schema"))?;
    }
    let sql = format!("UPDATE schema_version SET version = {}", known());
    connection.batch(&sql).map_err(postgres("note the schema version"))
}

/// A schema that is there may be used by who has no right to make one; but only for us.
fn make_room(connection: &mut Connection, address: &Address) -> Result<(), StoreError> {
    let schema = &address.schema;
    let there = connection.first_int(&format!("SELECT to_regnamespace('\"{schema}\"')::oid::bigint"))?;
    let Some(there) = there else {
        return connection.batch(&format!("CREATE SCHEMA \"{schema}\"")).map_err(postgres("make the schema"));
    };
    let foreign = connection.first_int(&format!("SELECT count(*) FROM pg_class WHERE relnamespace = {there}"))?;
    if foreign == Some(0) { Ok(()) } else { Err(of_something_else(address)) }
}

fn of_something_else(address: &Address) -> StoreError {
    StoreError::Database {
        said: format!(
            "the schema `{}` in `{}` has tables that are not phasegate's",
            address.schema,
            address.database()
        ),
        hint: "name another with ?schema=NAME in the store's URL; it is made if it is not there",
    }
}

/// Nothing where there are no tables yet.
pub fn version(connection: &mut Connection, address: &Address) -> Result<Option<i64>, StoreError> {
    let schema = &address.schema;
    // One table of this name may be anybody's; with the others it is ours.
    // Asked of the rows of the catalogue: what `to_regclass` says may be older than the lock that was waited for.
    let sql = "SELECT count(*) FROM pg_catalog.pg_tables WHERE tablename IN ('schema_version', 'arrivals', 'commits')";
    let found = connection.first_int(&format!("{sql} AND schemaname = '{schema}'"))?;
    match found {
        Some(0) | None => Ok(None),
        Some(3) => connection.first_int(&format!("SELECT version FROM \"{schema}\".schema_version")),
        Some(_) => Err(of_something_else(address)),
    }
}

/// Reads every row, since a damaged page shows only when it is read; and looks for what belongs together and does not.
pub fn check(shared: &Shared) -> Result<Vec<String>, StoreError> {
    let mut findings = Vec::new();
    for table in TABLES.iter().map(|table| table.name).chain(["arrivals", "commits"]) {
        let sql = format!("SELECT count(*), sum(length({table}::text)) FROM {table}");
        let read = shared.read(&mut |tx| tx.query(&sql, &[], &mut |_| Ok(())));
        if let Err(error) = read {
            findings.push(format!("`{table}` cannot be read to its end: {error}"));
        }
    }
    let claims = "SELECT count(*) FROM leases LEFT JOIN tasks ON tasks.id = leases.task \
                  WHERE tasks.id IS NULL OR tasks.agent IS DISTINCT FROM leases.agent";
    shared.read(&mut |tx| {
        tx.query(claims, &[], &mut |row| {
            let wrong = row.int(0)?.unwrap_or(0);
            if wrong > 0 {
                findings.push(format!("{wrong} leases are of no task that their agent holds"));
            }
            Ok(())
        })
    })?;
    Ok(findings)
}
