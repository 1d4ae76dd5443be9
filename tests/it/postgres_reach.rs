//! How a database can be missing, unfit or slow, and what a person is told; and that it is found by all that `psql` reads. What
//! no server here can be brought to do is done by one that only says so.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use phasegate::domain::canonical;
use phasegate::store::{self, Backend, Lock, StoreError};

use crate::support::stores;

/// What is in the address of the tests' server.
pub struct Parts {
    pub user: String,
    pub password: String,
    pub port: String,
    pub database: String,
}

pub fn parts(url: &str) -> Parts {
    let (login, place) = url.split_once("//").unwrap().1.split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, database) = place.split_once('/').unwrap();
    let port = host.split_once(':').map_or("5432", |(_, port)| port);
    let own = |text: &str| text.to_owned();
    Parts { user: own(user), password: own(password), port: own(port), database: own(database) }
}

pub fn sql(url: &str, statements: &str) -> String {
    let done = Command::new("psql")
        .args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statements])
        .env("PGOPTIONS", "--client-min-messages=warning")
        .output()
        .unwrap();
    assert!(done.status.success(), "{statements}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Databases and roles of one test, gone when it ends.
struct Own {
    name: String,
}

impl Own {
    fn new(test: &str) -> Self {
        let own = Self { name: format!("r_{test}_{}", std::process::id()) };
        own.drop_all();
        own
    }

    /// A role with the same password as the server's own.
    fn role(&self, what: &str) -> String {
        let name = format!("{}_{what}", self.name);
        sql(&stores::server(), &format!("CREATE ROLE {name} LOGIN PASSWORD '{}'", parts(&stores::server()).password));
        name
    }

    fn database(&self, what: &str, how: &str) -> String {
        let name = format!("{}_{what}", self.name);
        sql(&stores::server(), &format!("CREATE DATABASE {name} TEMPLATE template0 {how}"));
        name
    }

    fn drop_all(&self) {
        let of = |catalog: &str, column: &str| {
            let names = format!("SELECT {column} FROM {catalog} WHERE {column} LIKE '{}\\_%'", self.name);
            sql(&stores::server(), &names).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for database in of("pg_database", "datname") {
            sql(&stores::server(), &format!("DROP DATABASE {database} WITH (FORCE)"));
        }
        for role in of("pg_roles", "rolname") {
            sql(&stores::server(), &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.drop_all();
    }
}

fn url(user: &str, password: &str, database: &str, more: &str) -> String {
    format!("postgres://{user}:{password}@127.0.0.1:{}/{database}?{more}", parts(&stores::server()).port)
}

fn open(url: &str) -> Result<Box<dyn Backend>, StoreError> {
    store::open(Some(url), Path::new("/nonexistent"))
}

/// What a person would read, with what differs from run to run taken out.
fn told(name: &str, url: &str, replaced: &[(&str, &str)]) -> String {
    let error = open(url).err().unwrap_or_else(|| panic!("{name}: it could be opened"));
    let mut told = format!("{name}\n  {error}\n  next: {}\n", error.hint());
    for (from, to) in replaced {
        told = told.replace(from, to);
    }
    told
}

#[test]
fn a_database_that_will_not_do_is_told_with_what_to_do() {
    let own = Own::new("unfit");
    let at = parts(&stores::server());
    let replaced = [(own.name.as_str(), "OWN"), (at.port.as_str(), "PORT"), (at.user.as_str(), "phasegate")];
    let mut all = String::new();
    let mut tell = |name: &str, url: &str| {
        let told = told(name, url, &replaced);
        assert!(!told.contains(&at.password), "{told}");
        all.push_str(&told);
    };
    tell("wrong password", &url(&at.user, "wrong", &at.database, ""));
    tell("no password", &url(&at.user, "", &at.database, ""));
    tell("no such database", &url(&at.user, &at.password, "nowhere", ""));
    tell("TLS that is not there", &url(&at.user, &at.password, &at.database, "sslmode=require"));
    let poor = own.role("poor");
    tell("no right to make a schema", &url(&poor, &at.password, &at.database, "schema=of_poor"));
    let made = format!("{}_made", own.name);
    sql(&stores::server(), &format!("CREATE SCHEMA {made}; GRANT USAGE ON SCHEMA {made} TO {poor}"));
    tell("no right in the schema", &url(&poor, &at.password, &at.database, &format!("schema={made}")));
    sql(&stores::server(), &format!("CREATE TABLE {made}.schema_version(of TEXT)"));
    tell("schema of something else", &url(&at.user, &at.password, &at.database, &format!("schema={made}")));
    sql(&stores::server(), &format!("DROP SCHEMA {made} CASCADE"));
    let closed = own.database("closed", "");
    sql(&stores::server(), &format!("REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC"));
    tell("no right to connect", &url(&poor, &at.password, &closed, ""));
    sql(&stores::server(), &format!("ALTER ROLE {poor} CONNECTION LIMIT 0"));
    tell("no connection free", &url(&poor, &at.password, &at.database, ""));
    sql(&stores::server(), &format!("ALTER ROLE {poor} NOLOGIN"));
    tell("no login", &url(&poor, &at.password, &at.database, ""));
    let latin = own.database("latin", "ENCODING 'LATIN1' LOCALE 'C'");
    tell("encoding", &url(&at.user, &at.password, &latin, ""));
    let still = own.database("still", "");
    let newer = url(&at.user, &at.password, &still, "");
    drop(open(&newer).unwrap());
    sql(&newer, "UPDATE phasegate.schema_version SET version = 999");
    tell("newer schema", &newer);
    sql(&stores::server(), &format!("ALTER DATABASE {still} SET default_transaction_read_only = on"));
    tell("takes no writes", &newer);
    insta::assert_snapshot!("unfit", all);
}

/// A server that says one thing to whoever comes, as often as they come.
struct Says {
    port: u16,
}

impl Says {
    fn to_all(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut visitor in listener.incoming().map_while(Result::ok) {
                // The first message is its length, then the rest; one that asks for TLS is told no.
                let mut length = [0; 4];
                while visitor.read_exact(&mut length).is_ok() {
                    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
                    visitor.read_exact(&mut rest).unwrap();
                    if rest.len() > 4 {
                        answer(&mut visitor);
                        break;
                    }
                    visitor.write_all(b"N").unwrap();
                }
            }
        });
        Self { port }
    }

    fn error(code: &'static str, message: &'static str) -> Self {
        Self::to_all(move |visitor| {
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            visitor.write_all(&message_of(b'E', fields.as_bytes())).unwrap();
        })
    }

    fn version(version: &'static str) -> Self {
        Self::to_all(move |visitor| {
            let mut said = message_of(b'R', &0u32.to_be_bytes());
            said.extend(message_of(b'S', format!("server_version\0{version}\0").as_bytes()));
            said.extend(message_of(b'Z', b"I"));
            visitor.write_all(&said).unwrap();
            let _ = visitor.read(&mut [0; 64]);
        })
    }
}

fn message_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

#[test]
fn a_database_that_cannot_be_reached_is_told_with_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let fakes = [
        ("too old", Says::version("12.22 (Debian 12.22-1)")),
        ("starting", Says::error("57P03", "the database system is starting up")),
        ("stopping", Says::error("57P03", "the database system is shutting down")),
        ("stopped meanwhile", Says::error("57P01", "terminating connection due to administrator command")),
        ("all places taken", Says::error("53300", "sorry, too many clients already")),
        ("disk full", Says::error("53100", "could not write init file: No space left on device")),
        ("no such role", Says::error("28000", "role \"ana\" does not exist")),
        ("no line for it", Says::error("28000", "no pg_hba.conf entry for host \"10.0.0.1\", user \"ana\"")),
        ("pooler", Says::error("08P01", "unsupported startup parameter: options")),
        ("something of its own", Says::error("XX000", "cache lookup failed")),
        ("gone at once", Says::to_all(|_| {})),
    ];
    let socket = folder.path().to_str().unwrap().replace('/', "%2F");
    let quiet = silent.local_addr().unwrap().port();
    let mut cases = vec![
        ("unknown host", "postgres://ana@nowhere.invalid/work".to_owned()),
        ("nothing there", format!("postgres://ana@127.0.0.1:{free}/work")),
        ("no socket", format!("postgres://ana@{socket}/work")),
        ("no answer", format!("postgres://ana@127.0.0.1:{quiet}/work?connect_timeout=1")),
        ("several", format!("postgres://ana@127.0.0.1:{free},127.0.0.1:{}/work", fakes[0].1.port)),
    ];
    cases.extend(fakes.iter().map(|(name, says)| (*name, format!("postgres://ana:hush@127.0.0.1:{}/work", says.port))));
    let mut all = String::new();
    for (name, url) in &cases {
        let mut told = told(name, url, &[(folder.path().to_str().unwrap(), "FOLDER")]);
        let ports = fakes.iter().map(|(_, says)| says.port).chain([free, quiet]);
        for port in ports {
            told = told.replace(&format!(":{port}"), ":PORT");
        }
        // Each machine has its own words for it.
        if let Some((before, after)) = told.split_once("looked up: ") {
            told = format!("{before}looked up: …\n{}", after.split_once('\n').unwrap().1);
        }
        all.push_str(&told);
    }
    insta::assert_snapshot!("unreached", all);
}

#[test]
fn an_address_that_is_wrong_is_told_and_nothing_secret_with_it() {
    let mut all = String::new();
    for (name, url) in [
        ("slash in the password", "postgres://ana:hu/sh@db/work"),
        ("question in the password", "postgres://ana:hu?sh@db/work"),
        ("port", "postgres://ana:hush@db:hush/work"),
        ("percent", "postgres://ana:hu%sh@db/work"),
        ("unknown word", "postgres://ana:hush@db/work?colour=hush"),
        ("schema", "postgres://ana:hush@db/work?schema=pg_x"),
        ("quotes in the schema", "postgres://ana:hush@db/work?schema=a%22b"),
        ("connections", "postgres://ana:hush@db/work?connections=1"),
        ("sslmode", "postgres://ana:hush@db/work?sslmode=always"),
        ("system roots", "postgres://ana:hush@db/work?sslmode=require&sslrootcert=system"),
        ("no root", "postgres://ana:hush@db/work?sslmode=verify-full"),
        ("standby", "postgres://ana:hush@db/work?target_session_attrs=standby"),
        ("hosts and ports", "postgres://ana:hush@a,b,c/work?port=1,2"),
        ("nobody", "postgres:///work"),
        ("service", "postgres://ana:hush@db/work?service=none&servicefile=/nonexistent/s"),
    ] {
        let told = told(name, url, &[]);
        assert!(!told.contains("hush") && !told.contains("sh@"), "{told}");
        all.push_str(&told);
    }
    insta::assert_snapshot!("wrong_address", all);
    let shown = store::shown_url("postgres://ana:hush@a:1,[::1]:2/work?schema=x&password=hush", "/nonexistent");
    assert_eq!(shown, "postgres://ana@a:1,[::1]:2/work?schema=x");
}

#[test]
fn what_takes_too_long_ends_and_says_so() {
    let own = Own::new("slow");
    let at = parts(&stores::server());
    let database = own.database("db", "");
    let open = |more: &str| open(&url(&at.user, &at.password, &database, more)).unwrap();
    let slow = open("statement_timeout=1");
    let asleep = |seconds: u32| {
        let sql = format!("SELECT pg_sleep({seconds})::text");
        move |tx: &mut dyn store::Tx| tx.query(&sql, &[], &mut |_| Ok(()))
    };
    let error = slow.write(Lock::ROWS, Box::new(asleep(9))).unwrap_err();
    let mut all = format!("statement\n  {error}\n  next: {}\n", error.hint());
    let hasty = open("lock_timeout=1");
    std::thread::scope(|threads| {
        let held = threads.spawn(|| {
            let sql = "BEGIN; LOCK TABLE phasegate.meta; SELECT pg_sleep(4); COMMIT";
            crate::postgres_reach::sql(&url(&at.user, &at.password, &database, ""), sql)
        });
        let sees = "SELECT count(*) FROM pg_locks JOIN pg_class c ON c.oid = relation WHERE relname = 'meta' \
                    AND mode = 'AccessExclusiveLock' AND granted";
        while sql(&url(&at.user, &at.password, &database, ""), sees) == "0" {
            std::thread::yield_now();
        }
        let error = store::note_meta(hasty.as_ref(), "workspace", "x".to_owned(), true).unwrap_err();
        let _ = write!(all, "lock\n  {error}\n  next: {}\n", error.hint());
        held.join().unwrap();
    });
    let narrow = open("connections=2&wait=1");
    let both = std::sync::Barrier::new(3);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let mut body = |tx: &mut dyn store::Tx| {
                    both.wait();
                    asleep(4)(tx)
                };
                narrow.read_once(&mut body).unwrap();
            });
        }
        both.wait();
        let error = narrow.read_once(&mut |_| Ok(())).unwrap_err();
        let _ = write!(all, "connections\n  {error}\n  next: {}\n", error.hint());
    });
    // What it cost others is over.
    narrow.read_once(&mut |_| Ok(())).unwrap();
    drop((slow, hasty, narrow));
    insta::assert_snapshot!("slow", all);
}

fn phasegate(folder: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear().envs(environment.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead").output().unwrap()
}

#[test]
fn a_store_is_found_by_all_that_psql_reads() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let at = parts(&stores::server());
    let schema = format!("t_{}", &canonical::sha256(home.as_os_str().as_encoded_bytes())[..16]);
    let bare = format!("postgres://?schema={schema}");
    let file = |name: &str, text: &str, mode: u32| {
        std::fs::write(home.join(name), text).unwrap();
        std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        home.join(name).to_str().unwrap().to_owned()
    };
    let line = format!("127.0.0.1:{}:{}:{}:{}\n", at.port, at.database, at.user, at.password);
    let (kept, open_to_all) = (file("kept", &line, 0o600), file("open", &line, 0o644));
    let place = format!("host=127.0.0.1\nport={}\ndbname={}\nuser={}\n", at.port, at.database, at.user);
    let service = file("services", &format!("[work]\n{place}password={}\n[half]\n{place}", at.password), 0o644);
    let named = [("PGHOST", "127.0.0.1"), ("PGPORT", &at.port), ("PGDATABASE", &at.database), ("PGUSER", &at.user)];
    let with = |more: &[(&'static str, &str)]| {
        let all: Vec<(&str, String)> =
            named.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())).collect();
        all
    };
    let only = |more: &[(&'static str, &str)]| -> Vec<(&str, String)> {
        more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let half = [("PGSERVICEFILE", service.as_str()), ("PGSERVICE", "half")];
    let wrong = url(&at.user, "wrong", &at.database, &format!("schema={schema}"));
    for (what, environment, store, code) in [
        ("password", with(&[("PGPASSWORD", &at.password)]), bare.as_str(), 0),
        ("file of passwords", with(&[("PGPASSFILE", &kept)]), &bare, 0),
        ("file that others can read", with(&[("PGPASSFILE", &open_to_all)]), &bare, 3),
        ("service", only(&[("PGSERVICEFILE", &service), ("PGSERVICE", "work")]), &bare, 0),
        ("service and file of passwords", only(&[half[0], half[1], ("PGPASSFILE", &kept)]), &bare, 0),
        ("service without a password", only(&half), &bare, 3),
        ("no such service", only(&[("PGSERVICEFILE", &service), ("PGSERVICE", "none")]), &bare, 2),
        ("the URL goes before", with(&[("PGPASSWORD", &at.password)]), &wrong, 3),
        ("options", with(&[("PGPASSWORD", &at.password), ("PGOPTIONS", "-c work_mem=8MB")]), &bare, 0),
        ("options that are wrong", with(&[("PGPASSWORD", &at.password), ("PGOPTIONS", "-c nonsense=1")]), &bare, 3),
        ("mode", with(&[("PGPASSWORD", &at.password), ("PGSSLMODE", "require")]), &bare, 3),
    ] {
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let output = phasegate(home, &environment, &["--store", store, "workflow", "list"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{what}: {said}");
        assert!(!said.contains(&at.password), "{what}: {said}");
    }
    let environment = with(&[("PGPASSWORD", &at.password), ("PGAPPNAME", "of_a_test")]);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = phasegate(home, &environment, &["--store", &bare, "doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "PostgreSQL ",
        &schema,
        "there and back",
        " in use",
        "none: whoever can listen",
        "LISTEN hears what",
        "0 records wait",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("pooler") && !said.contains(&at.password), "{said}");
    sql(&stores::server(), &format!("DROP SCHEMA {schema} CASCADE"));
}
