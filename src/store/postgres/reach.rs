//! From an address to a connection that can be worked with: one host after the other, with TLS or without, and a look at who
//! answered. Keeping connections is `pool`'s.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::UnboundedSender;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection, Error, Notification, Socket};

use super::address::{Address, Target};
use super::error::{self, Visit};
use super::tls::{Connector, Encrypted, Mode, Stream};
use super::{StoreError, postgres};

pub struct Reached {
    pub client: Client,
    /// How it is encrypted, to where this connection goes.
    pub encrypted: Option<&'static str>,
    /// Something stands between that gives out the server's sessions by the transaction, or may.
    pub pooled: bool,
    /// Of the database, in milliseconds since 1970.
    pub time: i64,
}

/// Whoever wants to hear what is notified on this connection.
pub type Ear = Option<UnboundedSender<Notification>>;

/// The first host that will do; if there is none, why the last would not.
pub async fn connected(address: &Address, ear: Ear) -> Result<Reached, StoreError> {
    let mut last = StoreError::Closed;
    for target in &address.hosts {
        let visit = Visit { target, user: address.user(), database: address.database() };
        let tried = tokio::time::timeout(address.connect, visited(address, &visit, ear.clone())).await;
        match tried.unwrap_or_else(|_| Err(error::too_slow(&visit, address.connect.as_secs()))) {
            Ok(reached) => return Ok(reached),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How one host is asked, in turn.
fn ways(address: &Address, target: &Target) -> &'static [SslMode] {
    match address.tls.mode {
        // A socket of this machine is not encrypted, whatever is asked for.
        _ if target.is_socket() => &[SslMode::Disable],
        Mode::Disable => &[SslMode::Disable],
        Mode::Allow => &[SslMode::Disable, SslMode::Require],
        Mode::Prefer => &[SslMode::Prefer, SslMode::Disable],
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[SslMode::Require],
    }
}

/// Whether the other way may do: where TLS failed, or the server's rules are about it.
fn is_about_tls(error: &Error) -> bool {
    let refused = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    refused || error.code().is_none() && error.to_string().contains("TLS")
}

async fn visited(address: &Address, visit: &Visit<'_>, ear: Ear) -> Result<Reached, StoreError> {
    let mut config = address.config.clone();
    config.host(&visit.target.host).port(visit.target.port);
    if let Some(numbers) = visit.target.address {
        config.hostaddr(numbers);
    }
    if let Some(password) = &visit.target.password {
        config.password(password);
    }
    let mut ways = ways(address, visit.target).iter().copied().peekable();
    let mut first = None;
    while let Some(way) = ways.next() {
        let connector = Connector::new(&address.tls)?;
        let agreed = Arc::clone(&connector.agreed);
        match config.ssl_mode(way).connect(connector).await {
            Ok((client, connection)) => {
                if let Some(error) = unfit(visit, &connection) {
                    return Err(error);
                }
                drop(tokio::spawn(driven(connection, ear)));
                return looked_at(client, address, agreed.get().copied()).await;
            }
            Err(error) => {
                let other = ways.peek().is_some() && is_about_tls(&error);
                // What was said to the way that is wanted more tells more.
                let told = first.get_or_insert_with(|| error::connecting(visit, &error));
                if !other {
                    return Err(std::mem::replace(told, StoreError::Closed));
                }
            }
        }
    }
    Err(first.unwrap_or(StoreError::Closed))
}

fn unfit(visit: &Visit<'_>, connection: &Connection<Socket, Encrypted>) -> Option<StoreError> {
    error::unfit(visit, &|name| connection.parameter(name).map(str::to_owned))
}

async fn driven(mut connection: Connection<Socket, Encrypted>, ear: Ear) {
    loop {
        match std::future::poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(heard))) => {
                if let Some(ear) = &ear {
                    let _ = ear.send(heard);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return tracing::debug!(%error, "a connection to the database ended"),
            None => return,
        }
    }
}

/// Under no name: whatever stands between need not keep it.
async fn looked_at(client: Client, address: &Address, encrypted: Option<&'static str>) -> Result<Reached, StoreError> {
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_backend_pid()";
    let row = client.query_typed_one(sql, &[]).await.map_err(postgres("set up a connection"))?;
    let time = row.try_get(0).map_err(postgres("set up a connection"))?;
    let process: i32 = row.try_get(1).map_err(postgres("set up a connection"))?;
    // A pooler tells its own clients numbers of its own making.
    let pooled = match address.prepare {
        Some(prepare) => !prepare,
        None => told_process(&client).await != Some(process),
    };
    if !pooled {
        let settings = format!("{}; {}", address.session_limits(), address.session_path());
        client.batch_execute(&settings).await.map_err(postgres("set up a connection"))?;
    }
    Ok(Reached { client, encrypted, pooled, time })
}

/// The process that this connection was told of at login. It stands only in the message that would cancel a statement, so that
/// is written to nowhere, and read.
async fn told_process(client: &Client) -> Option<i32> {
    const WANTS_TLS: u32 = 80_877_103;
    let (ours, mut theirs) = duplex(64);
    let token = client.cancel_token();
    let written = token.cancel_query_raw(ours, Plain);
    let read = async {
        let _length = theirs.read_u32().await.ok()?;
        if theirs.read_u32().await.ok()? == WANTS_TLS {
            theirs.write_all(b"S").await.ok()?;
            let _length_and_kind = theirs.read_u64().await.ok()?;
        }
        theirs.read_i32().await.ok()
    };
    futures::future::join(written, read).await.1
}

/// Says that it is TLS, and is nothing.
struct Plain;

impl TlsConnect<DuplexStream> for Plain {
    type Stream = Stream<DuplexStream>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Stream, std::io::Error>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(Stream { inner: stream, binding: None }))
    }
}
