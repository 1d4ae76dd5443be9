//! How the server is to listen and what it lets through. Read from flags and the user's settings by whoever starts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Options {
    pub address: SocketAddr,
    pub tls: Option<Tls>,
    /// Names a browser may call us by, beside loopback and the address itself.
    pub hosts: Vec<String>,
    /// Origins of pages that may call us, beside our own.
    pub origins: Vec<String>,
    pub limits: Limits,
}

#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What one peer, and all together, may take of this process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    pub body_bytes: usize,
    pub header_bytes: usize,
    /// For the head of a request, and for each piece of its body.
    pub read_time: Duration,
    /// A connection with no request on it.
    pub idle_time: Duration,
    /// A peer that takes nothing of an answer.
    pub write_time: Duration,
    pub sessions: usize,
    pub sessions_per_agent: usize,
    pub session_idle: Duration,
    pub streams: usize,
    pub streams_per_agent: usize,
    pub calls_per_minute: u32,
    /// For requests in flight, once the server is told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            body_bytes: 4 << 20,
            header_bytes: 32 << 10,
            read_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(20),
            sessions: 1024,
            sessions_per_agent: 64,
            session_idle: Duration::from_secs(30 * 60),
            streams: 512,
            streams_per_agent: 32,
            calls_per_minute: 60_000,
            drain_time: Duration::from_secs(20),
        }
    }
}

impl Options {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, tls: None, hosts: Vec::new(), origins: Vec::new(), limits: Limits::default() }
    }
}
