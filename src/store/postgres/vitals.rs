//! How a database is: quickly, for those who ask often; and at length, for a person. It changes nothing.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use tokio::sync::mpsc::unbounded_channel;

use super::pool::Connection;
use super::{Shared, StoreError, Vitals, postgres, reach, schema};
use crate::domain::ids::Time;
use crate::store::Server;

/// Of which the one in the middle counts.
const LOOKS: usize = 5;
/// A notice in one database comes at once, or not at all.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

pub fn of(shared: &Shared) -> Result<Vitals, StoreError> {
    let connection = &mut *shared.pool.take()?;
    let found = schema::version(connection, &shared.address)?.unwrap_or(0);
    let closed = "SELECT (pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on')::int::bigint";
    let bytes = format!(
        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
         WHERE relkind = 'r' AND relnamespace = to_regnamespace('\"{}\"')",
        shared.address.schema
    );
    Ok(Vitals {
        schema: Some((found, schema::known())),
        writable: Some(connection.first_int(closed)? == Some(0)),
        database_bytes: connection.first_int(&bytes)?.and_then(|bytes| u64::try_from(bytes).ok()),
        ..Vitals::default()
    })
}

pub fn server(shared: &Shared) -> Result<Server, StoreError> {
    let connection = &mut *shared.pool.take()?;
    let arrivals = format!("SELECT count(*) FROM \"{}\".arrivals", shared.address.schema);
    let used = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let allowed = "SELECT current_setting('max_connections')::bigint \
                   - current_setting('superuser_reserved_connections')::bigint";
    let mut number = |sql: &str| {
        let found = connection.first_int(sql)?;
        Ok::<_, StoreError>(found.and_then(|found| u64::try_from(found).ok()).unwrap_or(0))
    };
    let (waiting, used, allowed) = (number(&arrivals)?, number(used)?, number(allowed)?);
    let time = connection.first_int("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")?;
    Ok(Server {
        version: version(connection)?,
        schema: shared.address.schema.clone(),
        latency_micros: latency(connection)?,
        connections_used: used,
        connections_allowed: allowed,
        connections_own_max: u64::try_from(shared.address.connections).unwrap_or(u64::MAX),
        encrypted: connection.encrypted,
        socket: shared.address.hosts.iter().all(super::address::Target::is_socket),
        pooled: connection.pooled,
        time: Time(time.unwrap_or(0)),
        // What listens behind a pooler would go on for others.
        listens: !connection.pooled && listens(shared).unwrap_or(false),
        waiting,
    })
}

fn version(connection: &Connection) -> Result<String, StoreError> {
    let sql = "SELECT split_part(current_setting('server_version'), ' ', 1)";
    let row = block_on(connection.client().query_typed_one(sql, &[])).map_err(postgres("look at the database"))?;
    row.try_get(0).map_err(postgres("look at the database"))
}

#[expect(clippy::disallowed_methods, reason = "how long the way there and back takes; nothing is decided by it")]
fn latency(connection: &mut Connection) -> Result<u64, StoreError> {
    let mut took = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let before = Instant::now();
        connection.first_int("SELECT 1::bigint")?;
        took.push(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    took.sort_unstable();
    Ok(took.get(LOOKS / 2).copied().unwrap_or(0))
}

/// Says something on one connection and listens on another.
fn listens(shared: &Shared) -> Result<bool, StoreError> {
    let address = shared.address.clone();
    shared.pool.run(async move {
        let (ear, mut heard) = unbounded_channel();
        let listening = reach::connected(&address, Some(ear)).await?;
        let listened = listening.client.batch_execute("LISTEN phasegate_doctor").await;
        listened.map_err(postgres("listen"))?;
        let speaking = reach::connected(&address, None).await?;
        speaking.client.batch_execute("NOTIFY phasegate_doctor").await.map_err(postgres("notify"))?;
        let heard = tokio::time::timeout(HEARD_WITHIN, heard.recv()).await;
        Ok(heard.is_ok_and(|heard| heard.is_some()))
    })
}
