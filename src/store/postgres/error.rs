//! What an error of the database means to a person: what happened, why, and what to do. Whether a command is tried again is not
//! here. Nothing that was sent is repeated: it may hold what nobody else is to see.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::StoreError;
use super::address::Target;

const OFTEN: &str = "`phasegate doctor` looks at the connection; the database's own log says more";
const READ_ONLY: &str =
    "name the server that takes writes; several hosts in the URL are tried in turn (docs/postgresql.md)";
const FULL: &str =
    "free space on the database's disk; what was acknowledged is safe, and the same again goes through then";
const CONNECTIONS: &str = "a smaller `connections=N` in the store's URL, a larger `max_connections`, or PgBouncer between; docs/postgresql.md";
const RIGHTS: &str = "as its owner: GRANT CREATE ON DATABASE …, or make the schema and GRANT ALL ON SCHEMA … TO the user; docs/postgresql.md";

/// How a statement failed; `what` is what it was for.
pub fn said(what: &str, error: &Error) -> String {
    let Some(answer) = error.as_db_error() else {
        let why = innermost(error);
        if is_gone(error) {
            return format!("the store could not {what}: the database does not answer any more ({why})");
        }
        return format!("the store could not {what}: what the database answers is not understood ({why})");
    };
    match meant(answer.code()) {
        Some((why, _)) => format!("the store could not {what}: {why} ({})", words(answer)),
        None => format!("the store could not {what}: the database says {} [{}]", words(answer), answer.code().code()),
    }
}

pub fn hint(error: &Error) -> &'static str {
    match error.code() {
        None if !is_gone(error) => OFTEN,
        None => "see whether PostgreSQL runs and can be reached; it is tried again by itself for some seconds",
        Some(code) => meant(code).map_or(OFTEN, |(_, hint)| hint),
    }
}

fn meant(code: &SqlState) -> Option<(&'static str, &'static str)> {
    const SHUT: &str = "try again when PostgreSQL runs; servers and agents go on by themselves";
    let table: [(&SqlState, &str, &str); 16] = [
        (&SqlState::READ_ONLY_SQL_TRANSACTION, "the database takes no writes", READ_ONLY),
        (&SqlState::DISK_FULL, "the disk of the database is full", FULL),
        (&SqlState::OUT_OF_MEMORY, "the database has no memory left", "give it more, or fewer `connections=N`"),
        (
            &SqlState::QUERY_CANCELED,
            "it took longer than it may, or somebody ended it",
            "see what the database is busy with; `statement_timeout=SECONDS` in the store's URL gives more time",
        ),
        (
            &SqlState::LOCK_NOT_AVAILABLE,
            "others held what it needed for too long",
            "see `pg_locks` for who holds on; `lock_timeout=SECONDS` in the store's URL gives more time",
        ),
        (
            &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            "this process stood still in the middle of it",
            "nothing of it was written; the same again goes through",
        ),
        (&SqlState::INSUFFICIENT_PRIVILEGE, "its user has no right to that", RIGHTS),
        (
            &SqlState::UNDEFINED_TABLE,
            "a table of the store is gone",
            "restore the schema from a backup; phasegate does not make single tables anew",
        ),
        (&SqlState::TOO_MANY_CONNECTIONS, "the database has no connection free", CONNECTIONS),
        (&SqlState::ADMIN_SHUTDOWN, "the database is being stopped", SHUT),
        (&SqlState::CRASH_SHUTDOWN, "the database was ended", SHUT),
        (&SqlState::CANNOT_CONNECT_NOW, "the database is starting or stopping", SHUT),
        (
            &SqlState::DUPLICATE_PSTATEMENT,
            "something between here and the database mixes up sessions",
            "write `prepare=no` into the store's URL; docs/postgresql.md tells about poolers",
        ),
        (
            &SqlState::INVALID_SQL_STATEMENT_NAME,
            "something between here and the database mixes up sessions",
            "write `prepare=no` into the store's URL; docs/postgresql.md tells about poolers",
        ),
        (
            &SqlState::DATA_CORRUPTED,
            "the database is damaged",
            "ask whoever runs it; a backup of the schema brings the store back",
        ),
        (
            &SqlState::INDEX_CORRUPTED,
            "an index of the database is damaged",
            "REINDEX SCHEMA, and look for what damaged it",
        ),
    ];
    table.into_iter().find(|(known, _, _)| *known == code).map(|(_, why, hint)| (why, hint))
}

/// In the server's language.
fn words(answer: &DbError) -> String {
    format!("`{}`", answer.message().trim())
}

fn causes(error: &Error) -> Vec<&(dyn std::error::Error + 'static)> {
    let mut found = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        found.push(cause);
        source = cause.source();
    }
    found
}

fn is_gone(error: &Error) -> bool {
    error.is_closed() || causes(error).into_iter().any(|cause| cause.is::<io::Error>())
}

fn innermost(error: &Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), |cause| cause.to_string())
}

/// Who wanted to go where.
pub struct Visit<'a> {
    pub target: &'a Target,
    pub user: &'a str,
    pub database: &'a str,
}

fn unreached(visit: &Visit<'_>, why: &str, hint: &'static str, passing: bool) -> StoreError {
    StoreError::Unreached { said: format!("the database at {} {why}", visit.target.shown()), hint, passing }
}

pub fn too_slow(visit: &Visit<'_>, seconds: u64) -> StoreError {
    let why = format!("did not answer within {seconds} s");
    let hint =
        "check host and port, and what stands between; `connect_timeout=SECONDS` in the store's URL waits longer";
    unreached(visit, &why, hint, true)
}

/// Why there is no connection.
pub fn connecting(visit: &Visit<'_>, error: &Error) -> StoreError {
    if let Some(answer) = error.as_db_error() {
        return turned_away(visit, answer);
    }
    if error.to_string().contains("TLS") {
        return without_tls(visit, &innermost(error));
    }
    match causes(error).into_iter().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) => of_socket(visit, error),
        None if innermost(error).contains("password") => unreached(
            visit,
            &format!("asks for a password of `{}`, and there is none", visit.user),
            "set PGPASSWORD, or write HOST:PORT:DATABASE:USER:PASSWORD into ~/.pgpass with mode 600",
            false,
        ),
        None if error.is_closed() => ended_at_once(visit),
        None => unreached(visit, &format!("was not reached: {}", innermost(error)), OFTEN, false),
    }
}

fn ended_at_once(visit: &Visit<'_>) -> StoreError {
    let why = "ended the connection before it began";
    unreached(visit, why, "see the database's own log; is it PostgreSQL at all?", true)
}

fn of_socket(visit: &Visit<'_>, error: &io::Error) -> StoreError {
    use io::ErrorKind::*;
    const RUNS: &str =
        "start PostgreSQL, or mend host and port; from other machines it is reached only if `listen_addresses` says so";
    match error.kind() {
        ConnectionRefused => unreached(visit, "is not there: the connection was refused", RUNS, true),
        NotFound => unreached(visit, "is not there: it has no socket in that folder", RUNS, true),
        TimedOut => unreached(visit, "did not answer in time", "check host and port, and what stands between", true),
        PermissionDenied => {
            unreached(visit, "may not be reached by this user of the machine", "see who may use its socket", false)
        }
        ConnectionReset | BrokenPipe | UnexpectedEof | ConnectionAborted => ended_at_once(visit),
        _ if !visit.target.is_socket() && visit.target.address.is_none() && error.raw_os_error().is_none() => {
            unreached(
                visit,
                &format!("cannot be looked up: {error}"),
                "check the host in the store's URL, the service file or PGHOST, and this machine's DNS",
                true,
            )
        }
        _ => unreached(visit, &format!("cannot be reached: {error}"), "check host and port, and the network", true),
    }
}

fn without_tls(visit: &Visit<'_>, why: &str) -> StoreError {
    let hint = if why.contains("does not support") {
        "set `ssl = on` there, or `sslmode=prefer` here if the network may be read by others"
    } else if why.contains("not valid for name") || why.contains("NotValidForName") {
        "name the host as its certificate does, or `sslmode=verify-ca` if who signed it is enough"
    } else if why.contains("UnknownIssuer") {
        "`sslrootcert` names the certificate that signed the database's, or `system`"
    } else {
        "see `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in docs/postgresql.md, and the database's own log"
    };
    unreached(visit, &format!("was not reached over TLS: {why}"), hint, false)
}

fn turned_away(visit: &Visit<'_>, answer: &DbError) -> StoreError {
    let (user, database, server) = (visit.user, visit.database, words(answer));
    let code = answer.code();
    let told = |why: String, hint| unreached(visit, &why, hint, false);
    if *code == SqlState::INVALID_PASSWORD {
        return told(
            format!("does not take this password of `{user}`, or has no such user"),
            "check PGPASSWORD, ~/.pgpass (mode 600) or the service file, and that the role may log in",
        );
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        // The name of that file is the same in every language.
        let by_rule = answer.message().contains("pg_hba");
        let hint = if by_rule {
            "its pg_hba.conf says who may come from where, and whether with TLS: it needs a line for this one"
        } else {
            "CREATE ROLE … LOGIN there, or name another user in the store's URL or PGUSER"
        };
        return told(format!("does not let `{user}` in: {server}"), hint);
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return told(
            format!("has no database `{database}`"),
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, or name another in the store's URL or PGDATABASE",
        );
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return told(
            format!("does not let `{user}` use `{database}`: {server}"),
            "GRANT CONNECT ON DATABASE … TO the user",
        );
    }
    if *code == SqlState::PROTOCOL_VIOLATION {
        return told(
            format!("does not take what was said at login: {server}"),
            "a pooler takes no `options` of a session unless `ignore_startup_parameters` names them; docs/postgresql.md",
        );
    }
    match meant(code) {
        Some((why, hint)) => unreached(visit, &format!("lets nobody in: {why} ({server})"), hint, true),
        None => told(format!("lets nobody in: it says {server} [{}]", code.code()), OFTEN),
    }
}

/// What the server told of itself at login, against what is needed.
pub fn unfit(visit: &Visit<'_>, told: &dyn Fn(&str) -> Option<String>) -> Option<StoreError> {
    let wrong = |why: String, hint| Some(unreached(visit, &why, hint, false));
    let version = told("server_version").unwrap_or_default();
    let major: Option<u32> =
        version.split(|one: char| !one.is_ascii_digit()).next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major| major < OLDEST) {
        let shown: String = version.split(' ').next().unwrap_or_default().chars().take(20).collect();
        return wrong(format!("is PostgreSQL {shown}, which is too old"), "phasegate needs PostgreSQL 13 or newer");
    }
    if let Some(encoding) = told("server_encoding").filter(|encoding| encoding != "UTF8") {
        return wrong(
            format!("has `{}` in the encoding {encoding}, which cannot hold every text", visit.database),
            "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that in the store's URL",
        );
    }
    let on = |name| told(name).as_deref() == Some("on");
    if on("in_hot_standby") {
        return wrong("is a standby, which takes no writes".to_owned(), READ_ONLY);
    }
    if on("default_transaction_read_only") {
        let why = format!("takes no writes in `{}`: `default_transaction_read_only` is on", visit.database);
        return wrong(why, "set it off for this database and user, or name the server that takes writes");
    }
    None
}

const OLDEST: u32 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_of_itself_is_looked_at() {
        let target = Target { host: "db".to_owned(), address: None, port: 5432, password: None };
        let visit = Visit { target: &target, user: "ana", database: "work" };
        for (told, found) in [
            (&[("server_version", "12.9 (Debian)"), ("server_encoding", "UTF8")][..], "12.9"),
            (&[("server_version", "9.6.1")], "too old"),
            (&[("server_version", "15.4"), ("server_encoding", "SQL_ASCII")], "SQL_ASCII"),
            (&[("server_version", "17beta1"), ("in_hot_standby", "on")], "standby"),
            (&[("server_version", "16.1"), ("default_transaction_read_only", "on")], "no writes"),
            (&[("server_version", "13.0"), ("server_encoding", "UTF8"), ("in_hot_standby", "off")], ""),
            (&[], ""),
        ] {
            let look = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let said = unfit(&visit, &look).map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(found) && said.is_empty() == found.is_empty(), "{told:?}: {said}");
        }
    }
}
