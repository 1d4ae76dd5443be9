//! Where a workspace's tables are: the database, as `psql` takes it, and the schema in it. Connecting is not here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation};

use super::StoreError;
use super::files::{self, Login};
use super::given::{Given, wrong};
use super::tls::{Mode, Roots, Wanted};
use crate::domain::canonical;
use crate::store::Around;

const SCHEMA: &str = "phasegate";
const CONNECTIONS: u64 = 20;
const PORT: u16 = 5432;
/// Seconds for one host, its login included.
const CONNECT: u64 = 10;
/// Seconds that a command waits for a connection, where all are in use.
const WAIT: u64 = 30;
/// Seconds for one statement, and for a lock that others hold.
const STATEMENT: u64 = 120;
const LOCK: u64 = 60;
/// A server that stands still in the middle of a command must not hold up the others.
const IDLE: &str = "3s";
/// A peer that is gone without a word shows after about a minute.
const KEEPALIVE_IDLE: u64 = 30;
const KEEPALIVE_INTERVAL: u64 = 10;
const KEEPALIVE_COUNT: u64 = 3;
const UNACKNOWLEDGED_MS: u64 = 60_000;
const DAY: u64 = 86_400;
/// Where servers of this machine have their sockets.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

#[derive(Clone)]
pub struct Address {
    /// In the order in which they are tried.
    pub hosts: Vec<Target>,
    pub config: Config,
    pub tls: Wanted,
    pub schema: String,
    /// The most that one process opens.
    pub connections: usize,
    pub wait: Duration,
    pub connect: Duration,
    /// Whether statements are prepared under a name; what is found out decides, where nobody says.
    pub prepare: Option<bool>,
    limits: String,
}

/// One server of possibly several.
#[derive(Clone)]
pub struct Target {
    /// A name, an address, or the folder of a socket.
    pub host: String,
    pub address: Option<std::net::IpAddr>,
    pub port: u16,
    pub password: Option<String>,
}

impl Target {
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    pub fn shown(&self) -> String {
        let bare = self.host.contains(':') && !self.is_socket();
        if bare { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

pub fn is_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// A URL as it may be shown: without what is secret in it.
pub fn shown<'a>(url: &str, around: impl Into<Around<'a>>) -> String {
    Address::parse(url, around.into()).map_or_else(|_| "postgres://…".to_owned(), |address| address.shown())
}

impl Address {
    pub fn parse(url: &str, around: Around<'_>) -> Result<Self, StoreError> {
        let given = Given::read(url, around)?;
        let schema = schema(&given)?;
        let seconds = |name, least, usual| given.number(name, least, DAY).map(|seconds| seconds.unwrap_or(usual));
        let (statement, lock) = (seconds("statement_timeout", 1, STATEMENT)?, seconds("lock_timeout", 1, LOCK)?);
        let connect = match seconds("connect_timeout", 0, CONNECT)? {
            // No limit, as `psql` has it.
            0 => DAY,
            seconds => seconds,
        };
        let connections = given.number("connections", 2, 500)?.unwrap_or(CONNECTIONS);
        unsupported(&given)?;
        let mut config = config(&given)?;
        let user = given.get("user").ok_or_else(|| wrong("nobody says which user to be in the database".to_owned()))?;
        let database = given.get("dbname").unwrap_or(user);
        config.user(user).dbname(database);
        let hosts = hosts(&given, user, database)?;
        Ok(Self {
            hosts,
            config,
            tls: tls(&given)?,
            schema,
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            wait: Duration::from_secs(seconds("wait", 1, WAIT)?),
            connect: Duration::from_secs(connect),
            prepare: given.word("prepare", &[("yes", true), ("no", false)])?,
            limits: format!(
                "statement_timeout = '{statement}s'; SET lock_timeout = '{lock}s'; SET idle_in_transaction_session_timeout = '{IDLE}'"
            ),
        })
    }

    /// Where the tables are, for a session that is ours alone.
    pub fn session_path(&self) -> String {
        format!("SET search_path TO \"{}\"", self.schema)
    }

    pub fn transaction_path(&self) -> String {
        self.session_path().replacen("SET ", "SET LOCAL ", 1)
    }

    /// Timeouts of a session, for one that is ours alone.
    pub fn session_limits(&self) -> String {
        format!("SET {}", self.limits)
    }

    /// The same for a transaction: behind a pooler the session is somebody else's afterwards.
    pub fn transaction_limits(&self) -> String {
        format!("SET {}", self.limits).replace("SET ", "SET LOCAL ")
    }

    /// The key of a lock: locks are of the whole database, so that the schema is in it.
    pub fn key(&self, name: &str) -> i64 {
        let hash = canonical::sha256(format!("phasegate {} {name}", self.schema).as_bytes());
        let number = hash.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        number.unwrap_or(0).cast_signed()
    }

    /// The form of a URL; a socket has its folder where a host would stand.
    pub fn shown(&self) -> String {
        let hosts = self.hosts.iter().map(Target::shown).collect::<Vec<_>>().join(",");
        let (user, database) = (self.user(), self.database());
        format!("postgres://{user}@{hosts}/{database}?schema={}", self.schema)
    }

    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("?")
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or("?")
    }
}

fn schema(given: &Given) -> Result<String, StoreError> {
    let schema = given.get("schema").unwrap_or(SCHEMA);
    let named = schema.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    if !named || schema.len() > 60 || schema.starts_with("pg_") || schema == "information_schema" {
        return Err(wrong(
            "`schema` of the store is a name of letters, digits and _, at most 60, not one of PostgreSQL's own"
                .to_owned(),
        ));
    }
    Ok(schema.to_owned())
}

/// What changes nothing here is taken and left; what would be expected to change something is refused.
fn unsupported(given: &Given) -> Result<(), StoreError> {
    given.word("gssencmode", &[("disable", ()), ("prefer", ())])?;
    given.word("load_balance_hosts", &[("disable", ())])?;
    given.word("client_encoding", &[("UTF8", ()), ("utf8", ()), ("auto", ())])?;
    // Standbys do not take what is written here.
    given.word("target_session_attrs", &[("any", ()), ("read-write", ()), ("primary", ())])?;
    Ok(())
}

fn config(given: &Given) -> Result<Config, StoreError> {
    let mut config = Config::new();
    let name = given.get("application_name").or_else(|| given.get("fallback_application_name"));
    config.application_name(name.unwrap_or("phasegate"));
    if let Some(options) = given.get("options") {
        config.options(options);
    }
    let idle = given.number("keepalives_idle", 0, DAY)?.filter(|seconds| *seconds > 0).unwrap_or(KEEPALIVE_IDLE);
    let interval =
        given.number("keepalives_interval", 0, DAY)?.filter(|seconds| *seconds > 0).unwrap_or(KEEPALIVE_INTERVAL);
    let count = given.number("keepalives_count", 0, 127)?.filter(|count| *count > 0).unwrap_or(KEEPALIVE_COUNT);
    let unacknowledged = given.number("tcp_user_timeout", 0, DAY * 1000)?.unwrap_or(UNACKNOWLEDGED_MS);
    config
        .keepalives(given.number("keepalives", 0, 1)? != Some(0))
        .keepalives_idle(Duration::from_secs(idle))
        .keepalives_interval(Duration::from_secs(interval))
        .keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX))
        .tcp_user_timeout(Duration::from_millis(unacknowledged));
    let binding = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    config.channel_binding(given.word("channel_binding", &binding)?.unwrap_or(ChannelBinding::Prefer));
    let negotiation = [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
    config.ssl_negotiation(given.word("sslnegotiation", &negotiation)?.unwrap_or_default());
    Ok(config)
}

fn tls(given: &Given) -> Result<Wanted, StoreError> {
    let file = |name| given.get(name).map(PathBuf::from);
    let roots = match given.get("sslrootcert") {
        None => Roots::None,
        Some("system") => Roots::System(file("systemroots")),
        Some(path) => Roots::File(PathBuf::from(path)),
    };
    let words = [
        ("disable", Mode::Disable),
        ("allow", Mode::Allow),
        ("prefer", Mode::Prefer),
        ("require", Mode::Require),
        ("verify-ca", Mode::VerifyCa),
        ("verify-full", Mode::VerifyFull),
    ];
    let mode = match (given.word("sslmode", &words)?, &roots) {
        (Some(mode), Roots::System(_)) if mode != Mode::VerifyFull => {
            return Err(wrong(
                "`sslrootcert=system` goes with `sslmode=verify-full` only: anybody has a certificate of those"
                    .to_owned(),
            ));
        }
        (None, Roots::System(_)) => Mode::VerifyFull,
        // As `psql` has it: who names a root wants it looked at.
        (Some(Mode::Require), Roots::File(_)) => Mode::VerifyCa,
        (mode, _) => mode.unwrap_or(Mode::Prefer),
    };
    let direct = given.get("sslnegotiation") == Some("direct");
    if direct && matches!(mode, Mode::Disable | Mode::Allow | Mode::Prefer) {
        return Err(wrong("`sslnegotiation=direct` goes with `sslmode=require` or stricter".to_owned()));
    }
    let own = file("sslcert").zip(file("sslkey"));
    Ok(Wanted { mode, roots, own, direct })
}

fn hosts(given: &Given, user: &str, database: &str) -> Result<Vec<Target>, StoreError> {
    let (names, addresses, ports) = (given.list("host"), given.list("hostaddr"), given.list("port"));
    let many = names.len().max(addresses.len()).max(1);
    let uneven = |list: &[String], what: &str| {
        let fits = list.is_empty() || list.len() == many || what == "ports" && list.len() == 1;
        if fits { Ok(()) } else { Err(wrong(format!("the store has {many} hosts and {} {what}", list.len()))) }
    };
    uneven(&names, "names")?;
    uneven(&addresses, "addresses")?;
    uneven(&ports, "ports")?;
    let passwords = given.get("passfile").map(Path::new);
    (0..many)
        .map(|at| {
            let port = ports.get(at).or_else(|| ports.first()).filter(|port| !port.is_empty());
            let bad = || wrong("a port of the store is a number from 1 to 65535".to_owned());
            let port = port.map_or(Ok(PORT), |port| port.parse().ok().filter(|port| *port > 0).ok_or_else(bad))?;
            let address = addresses.get(at).filter(|address| !address.is_empty());
            let bad = || wrong("`hostaddr` of the store is an address in numbers".to_owned());
            let address: Option<std::net::IpAddr> = address.map(|one| one.parse().map_err(|_| bad())).transpose()?;
            let named = names.get(at).filter(|name| !name.is_empty()).cloned();
            let host =
                named.or_else(|| address.map(|address| address.to_string())).unwrap_or_else(|| usual_socket(port));
            let of_password = if SOCKETS.contains(&host.as_str()) { "localhost" } else { &host };
            let login = Login { host: of_password, port, database, user };
            let kept = || passwords.and_then(|file| files::password(file, &login));
            let password = given.get("password").map(str::to_owned).or_else(kept);
            Ok(Target { host, address, port, password })
        })
        .collect()
}

/// Without a host it is the server of this machine: over its socket, where there is one.
fn usual_socket(port: u16) -> String {
    let there = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKETS.into_iter().find(there).unwrap_or("localhost").to_owned()
}
