//! What the environment says of a PostgreSQL, by the variables that `psql` reads, under the names that a connection string has
//! for them. Files that it names are read where the address is made up; here they are only looked for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Variables and what they are called in a connection string.
const VARIABLES: [(&str, &str); 23] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGSERVICE", "service"),
    ("PGSERVICEFILE", "servicefile"),
    ("PGOPTIONS", "options"),
    ("PGAPPNAME", "application_name"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGSYSCONFDIR", "sysconfdir"),
    ("SSL_CERT_FILE", "systemroots"),
];

/// Files of a user that count where nothing names another; those of TLS only where they are there.
const PASSWORDS: &str = ".pgpass";
const SERVICES: &str = ".pg_service.conf";
const OF_TLS: [(&str, &str); 3] = [
    ("sslrootcert", ".postgresql/root.crt"),
    ("sslcert", ".postgresql/postgresql.crt"),
    ("sslkey", ".postgresql/postgresql.key"),
];

/// Values by their names in a connection string. A password may be among them, so it is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PostgresEnvironment(pub BTreeMap<&'static str, String>);

impl fmt::Debug for PostgresEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PostgresEnvironment {
    /// `user` is who runs this: the name in the database where nobody says another.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>, home: Option<&Path>, user: Option<&str>) -> Self {
        let set = |name| variable(name).filter(|value: &String| !value.is_empty());
        let mut values: BTreeMap<&'static str, String> =
            VARIABLES.iter().filter_map(|(name, keyword)| set(name).map(|value| (*keyword, value))).collect();
        let mut default = |keyword, value: Option<String>| {
            if let Some(value) = value {
                values.entry(keyword).or_insert(value);
            }
        };
        default("user", user.map(str::to_owned));
        if let Some(home) = home {
            let in_home = |name: &str| home.join(name).to_str().map(str::to_owned);
            default("passfile", in_home(PASSWORDS));
            default("servicefile", in_home(SERVICES));
            for (keyword, name) in OF_TLS {
                let there: Option<PathBuf> = Some(home.join(name)).filter(|file| file.is_file());
                default(keyword, there.and_then(|file| file.to_str().map(str::to_owned)));
            }
        }
        Self(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_the_names_of_a_connection_string_and_files_of_the_user_stand_in() {
        let set = [("PGHOST", "db"), ("PGPASSWORD", "HUSH"), ("PGPORT", ""), ("PGSSLMODE", "require")];
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".postgresql")).unwrap();
        std::fs::write(home.path().join(".postgresql/root.crt"), "").unwrap();
        let found = PostgresEnvironment::of(&variable, Some(home.path()), Some("ana"));
        let value = |keyword| found.0.get(keyword).map(String::as_str);
        assert_eq!((value("host"), value("port"), value("user")), (Some("db"), None, Some("ana")));
        assert_eq!((value("password"), value("sslmode")), (Some("HUSH"), Some("require")));
        assert!(value("passfile").unwrap().ends_with("/.pgpass"), "{found:?}");
        assert!(value("sslrootcert").unwrap().ends_with("root.crt") && value("sslcert").is_none(), "{found:?}");
        assert!(!format!("{found:?}").contains("HUSH"));
    }
}
