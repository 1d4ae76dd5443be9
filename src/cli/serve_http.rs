//! How `phasegate serve` is to listen: its flags as options of the server, what is refused before anything listens, and
//! what a person at the terminal is told.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::http::options::{Limits, Options, Tls};
use crate::http::{listen, tls};

use super::{Ended, Out, log};

#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Listen for HTTP at this address, such as 127.0.0.1:8808 or just 8808, instead of speaking over stdio.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub http: Option<SocketAddr>,
    /// Speak over stdio as well, for the client that starts this process; both end with its input.
    #[arg(long, requires = "http")]
    pub stdio: bool,
    /// PEM file of the certificate to serve HTTPS with, and of what it hangs on.
    #[arg(long, value_name = "FILE", requires_all = ["http", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's key.
    #[arg(long, value_name = "FILE", requires_all = ["http", "tls_cert"])]
    tls_key: Option<PathBuf>,
    /// A name clients call this server by, beside localhost and its address; may be repeated.
    #[arg(long, value_name = "NAME", requires = "http", value_parser = host)]
    host: Vec<String>,
    /// Pages of this origin may call this server too, such as https://board.example.com; may be repeated.
    #[arg(long, value_name = "ORIGIN", requires = "http", value_parser = origin)]
    origin: Vec<String>,
    /// Listen beyond this machine without TLS: whoever is on the way can read credentials and use them.
    #[arg(long, requires = "http", conflicts_with = "tls_cert")]
    insecure_plain_http: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of HTTP")]
struct LimitFlags {
    /// Connections at once.
    #[arg(long, value_name = "N", requires = "http", value_parser = some,
        default_value_t = Limits::default().connections)]
    connections: usize,
    /// Bytes of a request's body.
    #[arg(long, value_name = "N", requires = "http", value_parser = some,
        default_value_t = Limits::default().body_bytes)]
    body_bytes: usize,
    /// Calls a minute of a credential that says nothing else.
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = Limits::default().calls_per_minute)]
    calls_per_minute: u32,
    /// Response streams at once, such as open boards.
    #[arg(long, value_name = "N", requires = "http", value_parser = some,
        default_value_t = Limits::default().streams)]
    streams: usize,
    /// MCP sessions at once, of clients that have them.
    #[arg(long, value_name = "N", requires = "http", value_parser = some,
        default_value_t = Limits::default().sessions)]
    sessions: usize,
    /// For the head of a request, and for each piece of its body.
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u64).range(1..=3600),
        default_value_t = Limits::default().read_time.as_secs())]
    read_seconds: u64,
    /// Until a connection without a request is closed.
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u64).range(1..=86_400),
        default_value_t = Limits::default().idle_time.as_secs())]
    idle_seconds: u64,
    /// Until a peer is dropped that takes nothing of its answer.
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u64).range(1..=3600),
        default_value_t = Limits::default().write_time.as_secs())]
    write_seconds: u64,
    /// For requests in flight when the server is told to stop.
    #[arg(long, value_name = "N", requires = "http", value_parser = clap::value_parser!(u64).range(0..=3600),
        default_value_t = Limits::default().drain_time.as_secs())]
    drain_seconds: u64,
}

/// An address; a port alone and `localhost` mean this machine.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost").unwrap_or(text);
    let port = port.strip_prefix(':').unwrap_or(port);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    text.parse().map_err(|_| "an address is an IP and a port, such as 127.0.0.1:8808 or [::1]:8808".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let sound = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() && url.has_host()
    });
    if sound {
        Ok(text.to_owned())
    } else {
        Err("an origin is http:// or https://, a name, and maybe a port".to_owned())
    }
}

/// A name as it stands in `Host`, maybe with a port.
fn host(text: &str) -> Result<String, String> {
    let sound = url::Url::parse(&format!("http://{text}/")).is_ok_and(|url| {
        url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none()
    });
    let plain = !text.contains(|c: char| c.is_whitespace() || "/?#@\\".contains(c));
    if sound && plain {
        Ok(text.to_owned())
    } else {
        Err("a name is like board.example.com, maybe with a port".to_owned())
    }
}

/// None at all would serve nobody.
fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is a whole number from 1 on".to_owned()),
    }
}

impl Flags {
    pub fn options(&self, address: SocketAddr) -> Result<Options, Ended> {
        let tls = self.tls_cert.clone().zip(self.tls_key.clone()).map(|(certificate, key)| Tls { certificate, key });
        if let Some(files) = &tls {
            tls::acceptor(files).map_err(|error| Ended::usage(error.to_string(), error.hint()))?;
        } else if !address.ip().is_loopback() && !self.insecure_plain_http {
            return Err(Ended::usage(
                format!(
                    "{address} can be reached from other machines, and without TLS whoever is on the way reads credentials"
                ),
                "give it `--tls-cert FILE --tls-key FILE`, or listen at 127.0.0.1 behind a proxy that has TLS; \
                 `--insecure-plain-http` listens as it is",
            ));
        }
        let flags = &self.limits;
        let limits = Limits {
            connections: flags.connections,
            body_bytes: flags.body_bytes,
            calls_per_minute: flags.calls_per_minute,
            streams: flags.streams,
            sessions: flags.sessions,
            read_time: Duration::from_secs(flags.read_seconds),
            idle_time: Duration::from_secs(flags.idle_seconds),
            write_time: Duration::from_secs(flags.write_seconds),
            drain_time: Duration::from_secs(flags.drain_seconds),
            ..Limits::default()
        };
        Ok(Options { address, tls, hosts: self.host.clone(), origins: self.origin.clone(), limits })
    }
}

/// Listens, and puts the address that it came to into the options: port 0 means any.
pub async fn bound(options: &mut Options) -> Result<Vec<TcpListener>, Ended> {
    let asked = options.address;
    let listeners = listen::bind(asked).await.map_err(|error| {
        let message = format!("phasegate cannot listen at {asked}: {error}");
        match error.kind() {
            ErrorKind::AddrInUse => {
                let hint = "another program listens there, maybe a phasegate of yours; end it, or take another port";
                Ended::usage(message, hint)
            }
            ErrorKind::AddrNotAvailable => Ended::usage(message, "take an address of this machine, such as 127.0.0.1"),
            ErrorKind::PermissionDenied => Ended::usage(message, "take a port above 1023"),
            _ => Ended::internal(&message, "mind the address"),
        }
    })?;
    if let Some(address) = listeners.first().and_then(|listener| listener.local_addr().ok()) {
        options.address = address;
    }
    Ok(listeners)
}

/// Where it listens: for a person in words, for the log in a line.
pub fn announce(options: &Options, out: &Out) {
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let (address, port) = (options.address, options.address.port());
    if log::is_json() {
        tracing::warn!(%address, scheme, "listening");
        return;
    }
    if !out.stderr_is_terminal() {
        out.aside(&format!("phasegate: listening at {scheme}://{address}/"));
        return;
    }
    let name = match options.hosts.first() {
        Some(host) if host.contains(':') => host.clone(),
        Some(host) => format!("{host}:{port}"),
        None if address.ip().is_loopback() || address.ip().is_unspecified() => format!("localhost:{port}"),
        None => address.to_string(),
    };
    out.aside(&format!(
        "phasegate: listening at {scheme}://{address}/\n  \
         Board and inbox  {scheme}://{name}/\n  \
         Agents (MCP)     {scheme}://{name}/mcp\n  \
         To get in        phasegate token create --role operator   (for agents: --role agent)\n  \
         To end it        Ctrl-C"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_short() {
        let table = [
            ("8808", Some("127.0.0.1:8808")),
            (":8808", Some("127.0.0.1:8808")),
            ("localhost:8808", Some("127.0.0.1:8808")),
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("[::1]:8808", Some("[::1]:8808")),
            ("localhost", None),
            ("example.com:80", None),
            ("127.0.0.1", None),
            ("99999", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(address(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_and_maybe_a_port() {
        for (text, expected) in [
            ("board.example.com", true),
            ("board:8808", true),
            ("[::1]", true),
            ("a b", false),
            ("", false),
            ("https://board", false),
            ("board/page", false),
        ] {
            assert_eq!(host(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_name_and_port() {
        let table = [
            ("https://board.example.com", true),
            ("http://localhost:6274", true),
            ("board.example.com", false),
            ("https://board.example.com/page", false),
            ("file:///etc", false),
            ("*", false),
        ];
        for (text, expected) in table {
            assert_eq!(origin(text).is_ok(), expected, "{text}");
        }
    }
}
