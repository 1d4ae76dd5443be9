//! What is said of a database, as names and values: the URL, then the service it names, then the environment. What the values
//! mean is in `address`. No value is repeated in a message: any of them may hold a piece of a password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files;
use crate::store::StoreError;

/// From outside of the URL, under the names that a connection string has.
pub type Keywords = BTreeMap<&'static str, String>;

const KNOWN: [&str; 28] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "service",
    "servicefile",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];
/// Ours: only a URL says them.
const OURS: [&str; 6] = ["connections", "lock_timeout", "prepare", "schema", "statement_timeout", "wait"];
/// Where a system keeps services for all of its users.
const SERVICES_OF_ALL: [&str; 2] = ["/etc/postgresql-common", "/etc"];

#[derive(Default)]
pub struct Given(BTreeMap<String, String>);

pub fn wrong(said: String) -> StoreError {
    StoreError::Unfit {
        said,
        hint: "write postgres://USER@HOST:PORT/DATABASE?schema=NAME; the password is better in PGPASSWORD or ~/.pgpass",
    }
}

fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

impl Given {
    pub fn read(url: &str, keywords: &Keywords) -> Result<Self, StoreError> {
        let mut given = Self::of_url(url)?;
        let value =
            |given: &Self, name: &str| given.get(name).or(keywords.get(name).map(String::as_str)).map(str::to_owned);
        if let Some(name) = value(&given, "service") {
            let mut places: Vec<PathBuf> = value(&given, "servicefile").map(PathBuf::from).into_iter().collect();
            match value(&given, "sysconfdir") {
                Some(folder) => places.push(Path::new(&folder).join("pg_service.conf")),
                None => places.extend(SERVICES_OF_ALL.map(|folder| Path::new(folder).join("pg_service.conf"))),
            }
            let found = places.iter().find_map(|file| files::service(file, &name)).ok_or_else(|| {
                let looked = places.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
                StoreError::Unfit {
                    said: format!("there is no service `{name}` for the store; looked in {looked}"),
                    hint: "write a section [NAME] with host=, dbname= and so on into ~/.pg_service.conf, or say PGSERVICEFILE",
                }
            })?;
            for (key, value) in found {
                let key = known(&key, &KNOWN)
                    .ok_or_else(|| wrong(format!("the service `{name}` has `{key}`, which is not known here")))?;
                given.0.entry(key.to_owned()).or_insert(value);
            }
        }
        for (key, value) in keywords {
            given.0.entry((*key).to_owned()).or_insert_with(|| value.clone());
        }
        Ok(given)
    }

    /// The same as one URL, which needs nothing from outside.
    pub fn url(&self) -> String {
        let known_here = |key: &&String| known(key, &KNOWN).or_else(|| known(key, &OURS)).is_some();
        let pairs = self.0.keys().filter(known_here).filter_map(|key| {
            self.get(key).map(|value| format!("{key}={}", value.bytes().map(encoded).collect::<String>()))
        });
        format!("postgres:///?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    /// An empty value is as good as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        self.get(name).map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default()
    }

    pub fn number(&self, name: &'static str, least: u64, most: u64) -> Result<Option<u64>, StoreError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.parse().ok().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| wrong(format!("`{name}` of the store is a whole number from {least} to {most}")))
    }

    /// One of the words, by its place among them.
    pub fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>, StoreError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value).map(|(_, meant)| *meant);
        found.map(Some).ok_or_else(|| {
            let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            wrong(format!("`{name}` of the store is one of: {known}"))
        })
    }

    fn of_url(url: &str) -> Result<Self, StoreError> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://")).unwrap_or(url);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if database.contains('@') || query.contains('@') && !authority.contains('@') {
            return Err(wrong(
                "the URL of the store has a `/` or `?` before its `@`; in a password they are written %2F and %3F"
                    .to_owned(),
            ));
        }
        let mut given = Self::default();
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        given.set("user", decoded(user)?);
        given.set("password", decoded(password)?);
        given.set("dbname", decoded(database)?);
        given.set_hosts(hosts)?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = match (decoded(key)?.as_str(), decoded(value)?) {
                // As other programs write it.
                ("ssl", on) if on == "true" => ("sslmode".to_owned(), "require".to_owned()),
                (key, value) => (key.to_owned(), value),
            };
            if known(&key, &KNOWN).or_else(|| known(&key, &OURS)).is_none() {
                let all = [&KNOWN[..], &OURS[..]].concat().join(", ");
                return Err(wrong(format!(
                    "the URL of the store says `{key}`, which is not known here; known are: {all}"
                )));
            }
            given.set(&key, value);
        }
        Ok(given)
    }

    fn set(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn set_hosts(&mut self, hosts: &str) -> Result<(), StoreError> {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',').filter(|_| !hosts.is_empty()) {
            let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
                Some((name, "")) => (name, ""),
                Some((name, port)) => (
                    name,
                    port.strip_prefix(':').ok_or_else(|| {
                        wrong("the URL of the store has something between `]` and its port".to_owned())
                    })?,
                ),
                None => host.rsplit_once(':').unwrap_or((host, "")),
            };
            names.push(decoded(name)?);
            ports.push(decoded(port)?);
        }
        self.set("host", names.join(","));
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", ports.join(","));
        }
        Ok(())
    }
}

fn known(key: &str, among: &[&'static str]) -> Option<&'static str> {
    among.iter().copied().find(|known| *known == key)
}

/// `%2F` is `/`.
fn decoded(text: &str) -> Result<String, StoreError> {
    let bad = || {
        wrong("the URL of the store has a `%` that two hexadecimal digits do not follow; `%` itself is %25".to_owned())
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut letters = text.bytes();
    while let Some(letter) = letters.next() {
        if letter != b'%' {
            bytes.push(letter);
            continue;
        }
        let digit = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(letters.next()), digit(letters.next())) else { return Err(bad()) };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}
