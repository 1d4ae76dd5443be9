//! Where a test's workspace keeps its store: SQLite in its folder, or a schema of its own in PostgreSQL. The same tests run
//! over both: those that do not say otherwise over what `PHASEGATE_TEST_STORE` names (`sqlite` or `postgres`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::canonical;
use phasegate::engine::Engine;
use phasegate::engine::clock::Clock;
use phasegate::store::{self, Backend, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

/// What tests use that do not name one.
pub fn usual() -> Kind {
    match std::env::var("PHASEGATE_TEST_STORE").as_deref() {
        Err(_) | Ok("" | "sqlite") => Kind::Sqlite,
        Ok("postgres") => Kind::Postgres,
        Ok(other) => panic!("PHASEGATE_TEST_STORE is `{other}`; it may be `sqlite` or `postgres`"),
    }
}

/// The server that the tests were given. Its absence is a failure: a test that did not run shows nothing.
pub fn server() -> String {
    std::env::var("PHASEGATE_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "this test needs a PostgreSQL: run `tests/postgres/cluster.py with -- cargo test`, which makes one for the \
             tests and throws it away, or set PHASEGATE_TEST_POSTGRES to postgres://USER:PASSWORD@HOST:PORT/DATABASE of \
             a role that may create schemas"
        )
    })
}

/// The workspaces that have to be of one kind, by folder.
fn kept_to() -> &'static Mutex<HashMap<PathBuf, Kind>> {
    static KEPT_TO: OnceLock<Mutex<HashMap<PathBuf, Kind>>> = OnceLock::new();
    KEPT_TO.get_or_init(Mutex::default)
}

/// Says of which kind the store of the workspace in this folder is, whatever the others are. Where a test is about the files
/// of SQLite, `docs/testing.md` names it.
pub fn keep_to(kind: Kind, folder: &Path) {
    let folder = real(folder);
    kept_to().lock().unwrap_or_else(PoisonError::into_inner).insert(folder.clone(), kind);
    if let Some(url) = url(&folder) {
        drops(folder, url);
    }
}

/// The schema of this folder goes when this thread ends.
fn drops(folder: PathBuf, url: String) {
    if named().lock().unwrap_or_else(PoisonError::into_inner).insert(folder) {
        OURS.with_borrow_mut(|ours| ours.0.push(url));
    }
}

/// The folders whose schemas were named.
fn named() -> &'static Mutex<HashSet<PathBuf>> {
    static NAMED: OnceLock<Mutex<HashSet<PathBuf>>> = OnceLock::new();
    NAMED.get_or_init(Mutex::default)
}

fn real(folder: &Path) -> PathBuf {
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
}

/// The address of the store of the workspace in this folder; none is the file in it. The same folder has the same store in
/// every process, so nothing but the folder need be passed on.
pub fn url(folder: &Path) -> Option<String> {
    let folder = real(folder);
    let kept_to = kept_to().lock().unwrap_or_else(PoisonError::into_inner).get(&folder).copied();
    match kept_to.unwrap_or_else(usual) {
        Kind::Sqlite => None,
        Kind::Postgres => {
            let name = canonical::sha256(folder.as_os_str().as_encoded_bytes());
            let url = format!("{}?schema=t_{}", server(), &name[..16]);
            // Threads that a test starts end before it does; its own is named by it. A process that a test starts runs what is
            // ignored otherwise, and ends before it too.
            let started = std::env::args().any(|argument| argument == "--ignored");
            if !started && std::thread::current().name().is_some_and(|name| name.contains("::")) {
                drops(folder, url.clone());
            }
            Some(url)
        }
    }
}

/// These settings, with the store of the workspace in this folder where they name none.
pub fn settings(folder: &Path, settings: &Settings) -> Settings {
    Settings { store: settings.store.clone().or_else(|| url(folder)), ..settings.clone() }
}

/// The engine of one more process on the workspace in this folder.
pub fn engine(folder: &Path, clock: std::sync::Arc<dyn Clock>) -> Engine {
    let workspace = Workspace::find(Some(folder), folder).expect("a workspace");
    phasegate::engine::open(workspace, &settings(folder, &Settings::default()), clock).expect("an engine")
}

pub fn open(folder: &Path) -> Result<Box<dyn Backend>, StoreError> {
    store::open(url(folder).as_deref(), &folder.join(".phasegate"))
}

pub fn open_for_one(folder: &Path) -> Result<Box<dyn Backend>, StoreError> {
    store::open_for_one(url(folder).as_deref(), &folder.join(".phasegate"))
}

/// Tells a program of ours where the store of the workspace in this folder lies.
pub fn tell<'c>(command: &'c mut Command, folder: &Path) -> &'c mut Command {
    match url(folder) {
        Some(url) => command.env("PHASEGATE_STORE", url),
        None => command.env_remove("PHASEGATE_STORE"),
    }
}

/// The schemas that the test of this thread named. They are dropped when it ends, well or not.
#[derive(Default)]
struct Ours(Vec<String>);

thread_local! {
    static OURS: std::cell::RefCell<Ours> = std::cell::RefCell::default();
}

impl Drop for Ours {
    fn drop(&mut self) {
        for url in self.0.drain(..) {
            let _ = dropper().send(url);
        }
    }
}

/// A thread that drops schemas, so that no test waits for it. What is left when the process ends goes with the server.
fn dropper() -> &'static Sender<String> {
    static DROPPER: OnceLock<Sender<String>> = OnceLock::new();
    DROPPER.get_or_init(|| {
        let (send, receive) = channel();
        std::thread::spawn(move || drop_all(&receive));
        send
    })
}

fn drop_all(schemas: &Receiver<String>) {
    for url in schemas {
        let Some((_, schema)) = url.split_once("?schema=") else { continue };
        let statement = format!("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS {schema} CASCADE");
        let ended = Command::new("psql")
            .args(["-X", "-q", "-d", &server(), "-c", &statement])
            .env("PGOPTIONS", "--client-min-messages=warning")
            .output();
        if !ended.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("the schema {schema} is left behind: {ended:?}");
        }
    }
}

/// Makes each test twice, over SQLite and over PostgreSQL, of functions that take the kind of store.
#[macro_export]
macro_rules! over_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                super::$test($crate::support::stores::Kind::Sqlite);
            })+
        }
        mod postgres {
            $(#[test]
            fn $test() {
                super::$test($crate::support::stores::Kind::Postgres);
            })+
        }
    };
}
