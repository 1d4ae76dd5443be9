//! Listening, accepting, and ending: connections within their limits, and a stop that lets those in flight finish. What a
//! request may be is in `guard`, how slow a peer may be in `pace`.

use std::convert::Infallible;
use std::io::{self, Result};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{Coming, Leaving, Paced};
use super::pace::Pace;
use super::{App, Routes, tls};
use crate::engine::Engine;
use crate::engine::ports::Listening;

/// After an accept that failed for want of something of the machine's, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many connections are told at once that there is no place for them; more are closed without a word.
const TURNED_AWAY_MAX: usize = 64;
const TURNED_AWAY_TIME: Duration = Duration::from_secs(1);
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
    retry-after: 2\r\nconnection: close\r\ncontent-length: 135\r\n\r\n\
    {\"status\":503,\"title\":\"Service Unavailable\",\"code\":\"too_many_connections\",\
    \"detail\":\"all connections are taken\",\"hint\":\"try again soon\"}";
/// File descriptors that are not connections: the store, its writer queue, gate runs, logs.
const OTHER_FILES: u64 = 192;
/// A peer that went away without a word is noticed by the kernel: first asked after, again each, so many times.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EACH: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;
/// How much of an answer is kept for a peer that reads slowly; the parser wants at least 8 KiB.
const BUFFER_BYTES: usize = 64 << 10;

/// Both ends of the connection that a request came on, among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub local: SocketAddr,
    pub tls: bool,
    /// This request says its length in two ways; the parser takes away what would tell of it.
    pub two_lengths: bool,
}

/// Listens at an address. `localhost` may mean `::1` as well as `127.0.0.1`, so the one brings the other where it is free.
pub async fn bind(address: SocketAddr) -> Result<Vec<TcpListener>> {
    let mut listeners = vec![TcpListener::bind(address).await?];
    if address.ip() == IpAddr::from([127, 0, 0, 1])
        && let Some(bound) = listeners.first().and_then(|listener| listener.local_addr().ok())
        && let Ok(beside) = TcpListener::bind((Ipv6Addr::LOCALHOST, bound.port())).await
    {
        listeners.push(beside);
    }
    Ok(listeners)
}

/// Serves until `stopped` is over and what was in flight has been answered.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    serve_all(app, vec![listener], stopped).await
}

/// The same at several addresses.
pub async fn serve_all(app: Arc<App>, listeners: Vec<TcpListener>, stopped: impl Future<Output = ()>) -> Result<()> {
    let routes = Routes::new(&app);
    serve_routes(app, routes, listeners, stopped).await
}

/// The same for routes of one's own.
pub async fn serve_routes(
    app: Arc<App>,
    routes: Routes,
    listeners: Vec<TcpListener>,
    stopped: impl Future<Output = ()>,
) -> Result<()> {
    let tls = app.options.tls.as_ref().map(tls::kept).transpose().map_err(io::Error::other)?;
    let places = places(app.options.limits.connections);
    let door = Arc::new(Door {
        routes,
        tls,
        places: Arc::new(Semaphore::new(places)),
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
        app,
    });
    let told: Vec<Listening> = listeners.iter().filter_map(|listener| tell(listener, &door.app.engine)).collect();
    let accepting = futures::future::join_all(listeners.into_iter().map(|listener| door.accept(listener)));
    tokio::select! {
        _ = accepting => {}
        () = stopped => {}
    }
    door.app.stopping.cancel();
    let all = u32::try_from(places).unwrap_or(u32::MAX);
    if timeout(door.app.options.limits.drain_time, door.places.acquire_many(all)).await.is_err() {
        let open = places.saturating_sub(door.places.available_permits());
        tracing::warn!(open, "connections were still in use at the end of the time to finish; they are closed");
    }
    drop(told);
    Ok(())
}

/// Of use to the guard alone, so nothing ends where it cannot be told.
fn tell(listener: &TcpListener, engine: &Engine) -> Option<Listening> {
    let told = listener.local_addr().and_then(|address| Listening::on(address.port(), &engine.workspace().state));
    told.map_err(|error| tracing::warn!(%error, "the guard is not told of a port that this server listens on")).ok()
}

/// As many connections as wanted, or as many as this process may have files, which it raises as far as it may.
fn places(wanted: usize) -> usize {
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let Some(current) = getrlimit(Resource::Nofile).current else { return wanted };
    let fit = usize::try_from(current.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if fit < wanted {
        tracing::warn!(wanted, fit, "the machine lets this process have fewer files; mind `ulimit -n`");
    }
    wanted.min(fit).min(Semaphore::MAX_PERMITS)
}

struct Door {
    app: Arc<App>,
    routes: Routes,
    tls: Option<watch::Receiver<TlsAcceptor>>,
    places: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
}

impl Door {
    async fn accept(self: &Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => match Arc::clone(&self.places).try_acquire_owned() {
                    Ok(place) => self.welcome(stream, address, place),
                    Err(_) => self.turn_away(stream),
                },
                // The peer has gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn welcome(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        let door = Arc::clone(self);
        tokio::spawn(async move {
            let (_place, _counted) = (place, door.app.meters.connection());
            let Ok(local) = stream.local_addr() else { return };
            tune(&stream);
            let peer = Peer { address, local, tls: door.tls.is_some(), two_lengths: false };
            match &door.tls {
                None => door.serve(stream, peer).await,
                Some(tls) => {
                    let acceptor = tls.borrow().clone();
                    let handshake = timeout(door.app.options.limits.read_time, acceptor.accept(stream));
                    match handshake.await {
                        Ok(Ok(stream)) => door.serve(stream, peer).await,
                        // Scanners and people who typed http: nothing to tell anybody.
                        Ok(Err(error)) => tracing::debug!(%error, %address, "no TLS came about"),
                        Err(_) => {}
                    }
                }
            }
        });
    }

    /// Says so, where not too many are being told; over TLS there is nothing short to say.
    fn turn_away(&self, mut stream: TcpStream) {
        let Ok(turn) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        if self.tls.is_some() {
            return;
        }
        tokio::spawn(async move {
            let _turn = turn;
            let said = async {
                stream.write_all(TURNED_AWAY).await?;
                stream.shutdown().await?;
                // Closing over unread bytes would take the answer back.
                let mut rest = [0; 4096];
                while stream.read(&mut rest).await? > 0 {}
                Ok::<_, io::Error>(())
            };
            let _ = timeout(TURNED_AWAY_TIME, said).await;
        });
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let limits = self.app.options.limits;
        let pace = Arc::new(Pace::new(limits, Arc::clone(&self.places)));
        let io = TokioIo::new(Paced::new(stream, Arc::clone(&pace), limits.header_bytes));
        let service = service_fn(|request| self.answer(request, peer, &pace));
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(BUFFER_BYTES))
            .serve_connection(io, service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = pace.ran_out() => Some(Ok(())),
            () = self.app.stopping.cancelled() => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = pace.ran_out() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %peer.address, "a connection ended");
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        pace: &Arc<Pace>,
    ) -> std::result::Result<Response<Leaving>, Infallible> {
        let two_lengths = pace.begins();
        let mut request =
            request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(Coming::new(body, pace)) });
        request.extensions_mut().insert(Peer { two_lengths, ..peer });
        Ok(self.routes.answer(request).await.map(|body| Leaving::new(body, pace)))
    }
}

/// Small answers leave at once, and dead peers are noticed. None of it is worth losing the connection for.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, PROBE_AFTER);
    let _ = sockopt::set_tcp_keepintvl(stream, PROBE_EACH);
    let _ = sockopt::set_tcp_keepcnt(stream, PROBES);
}
