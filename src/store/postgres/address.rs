//! Where a workspace's tables are: the database, as `psql` takes it, and the schema in it. Connecting is not here.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::StoreError;
use crate::domain::canonical;

const SCHEMA: &str = "phasegate";
const CONNECTIONS: usize = 20;
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Address {
    pub config: Config,
    pub schema: String,
    /// The most that one process opens.
    pub connections: usize,
}

pub fn is_url(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// A URL as it may be shown: without what is secret in it.
pub fn shown(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "postgres://…".to_owned(), |address| address.shown())
}

impl Address {
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = |said: String| StoreError::Database {
            said,
            hint: "write postgres://USER@HOST:PORT/DATABASE?schema=NAME; the password comes from PGPASSWORD",
        };
        let mut parsed = url::Url::parse(url).map_err(|error| wrong(format!("the URL of the store: {error}")))?;
        let (mut schema, mut connections, mut rest) = (SCHEMA.to_owned(), CONNECTIONS, Vec::new());
        for (key, value) in parsed.query_pairs() {
            match key.as_ref() {
                "schema" => schema = value.into_owned(),
                "connections" => {
                    let number = value.parse().ok().filter(|number| (2..=500).contains(number));
                    connections =
                        number.ok_or_else(|| wrong(format!("connections={value} is not a number from 2 to 500")))?;
                }
                _ => rest.push((key.into_owned(), value.into_owned())),
            }
        }
        let named = schema.chars().all(|one| one.is_ascii_alphanumeric() || one == '_') && !schema.is_empty();
        if !named || schema.len() > 60 || schema.starts_with("pg_") {
            return Err(wrong(format!("`{schema}` is no name for a schema: letters, digits and _, at most 60")));
        }
        parsed.set_query(None);
        if !rest.is_empty() {
            parsed.query_pairs_mut().extend_pairs(rest);
        }
        let mut config: Config =
            parsed.as_str().parse().map_err(|error| wrong(format!("the URL of the store: {error}")))?;
        config.application_name("phasegate").connect_timeout(CONNECT);
        Ok(Self { config, schema, connections })
    }

    pub fn search_path(&self) -> String {
        format!("SET LOCAL search_path TO \"{}\"", self.schema)
    }

    /// The key of a lock: locks are of the whole database, so that the schema is in it.
    pub fn key(&self, name: &str) -> i64 {
        let hash = canonical::sha256(format!("phasegate {} {name}", self.schema).as_bytes());
        let number = hash.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        number.unwrap_or(0).cast_signed()
    }

    pub fn shown(&self) -> String {
        let user = self.config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        let host = self.config.get_hosts().first().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let port = self.config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or("?");
        format!("postgres://{user}{}{port}/{database}?schema={}", host.unwrap_or_default(), self.schema)
    }
}
