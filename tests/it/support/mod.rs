//! A workspace of its own for a test: a temporary folder, a clock that stands still, callers.

pub mod keys;
pub mod receivers;
pub mod replay;
pub mod rows;
pub mod served;
pub mod stores;

use std::path::Path;
use std::sync::Arc;

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::approver::{Proof, Via};
use phasegate::domain::command::{DecideApprovals, Decision};
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{ApprovalId, Time};
use phasegate::domain::refusal::Refusal;
use phasegate::engine::clock::Fixed;
use phasegate::engine::{Engine, Failure, Unwatched};
use phasegate::store::{Lock, Param, Tx};
use phasegate::tools;
use serde_json::Value;

pub struct TestEnv {
    pub folder: tempfile::TempDir,
    pub clock: Arc<Fixed>,
    pub engine: Arc<Engine>,
}

pub const START: Time = Time(1_795_000_000_000);

impl TestEnv {
    /// A person's answer at the command line, without a key.
    pub fn answer(&self, who: &Caller, id: ApprovalId, answer: Decision, level: u8) -> Result<(), Failure> {
        let approvals = vec![(id, None)];
        self.engine.answer(who, DecideApprovals { approvals, answer, level, via: Via::CommandLine }).map(drop)
    }

    pub fn new() -> Self {
        Self::with_file(None)
    }

    /// With this `phasegate.yaml`, trusted by a person.
    pub fn trusting(yaml: &str) -> Self {
        Self::with_file(Some(yaml))
    }

    /// The engine of another process on the same store, at the same time of day.
    pub fn reopened(&self, settings: &Settings) -> Engine {
        let workspace = Workspace::find(Some(self.folder.path()), self.folder.path()).expect("a workspace");
        let settings = stores::settings(self.folder.path(), settings);
        phasegate::engine::open(workspace, &settings, self.clock.clone()).expect("an engine")
    }

    fn with_file(yaml: Option<&str>) -> Self {
        Self::with_settings(yaml, &Settings::default())
    }

    /// The same under settings of one's own.
    pub fn with_settings(yaml: Option<&str>, settings: &Settings) -> Self {
        Self::over(stores::usual(), yaml, settings)
    }

    /// For what is about the file of SQLite.
    pub fn in_a_file() -> Self {
        Self::over(stores::Kind::Sqlite, None, &Settings::default())
    }

    /// In a store of this kind, whatever the others use.
    pub fn over(kind: stores::Kind, yaml: Option<&str>, settings: &Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(Fixed::at(START));
        if let Some(yaml) = yaml {
            std::fs::write(folder.path().join("phasegate.yaml"), yaml).expect("the workflow file");
        }
        stores::keep_to(kind, folder.path());
        let workspace = Workspace::find(Some(folder.path()), folder.path()).expect("a workspace");
        let settings = stores::settings(folder.path(), settings);
        let engine = phasegate::engine::open(workspace, &settings, clock.clone()).expect("an engine");
        let env = Self { folder, clock, engine: Arc::new(engine) };
        if yaml.is_some() {
            env.engine.trust_file(&person("ana"), &env.path("phasegate.yaml")).expect("trust");
        }
        env
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Changes rows behind the engine's back, as whoever can write the store does. Only what both stores understand.
    pub fn edit(&self, sql: &str) {
        self.edited(sql, None);
    }

    /// The same with a text as `?1`.
    pub fn edit_with(&self, sql: &str, text: &str) {
        self.edited(sql, Some(text.to_owned()));
    }

    fn edited(&self, sql: &str, text: Option<String>) {
        let statement = sql.to_owned();
        let changed = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&changed);
        let body = move |tx: &mut dyn Tx| {
            let params: Vec<Param<'_>> = text.iter().map(|text| Param::Text(text)).collect();
            count.store(tx.execute(&statement, &params)?, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        };
        self.engine.backend().write(Lock::Whole, Box::new(body)).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(changed.load(std::sync::atomic::Ordering::SeqCst) > 0, "nothing was changed by {sql}");
    }

    /// The same, of the JSON in a row.
    pub fn rewrite(&self, table: &str, which: &str, change: impl Fn(&mut Value)) {
        let mut body = Value::Null;
        let read = format!("SELECT body FROM {table} WHERE {which}");
        let found = self.engine.view(|tx| {
            tx.query(&read, &[], &mut |row| {
                body = serde_json::from_str(row.text(0)?.unwrap_or_default()).unwrap_or_default();
                Ok(())
            })
        });
        found.unwrap_or_else(|error| panic!("{read}: {error:?}"));
        assert!(body.is_object(), "no row of {table} is {which}");
        change(&mut body);
        self.edit_with(&format!("UPDATE {table} SET body = ?1 WHERE {which}"), &body.to_string());
    }

    /// The names of the events recorded so far, oldest first.
    pub fn kinds(&self) -> Vec<&'static str> {
        let records = replay::records(self.engine.backend()).expect("the record");
        records.iter().map(|record| record.event.kind()).collect()
    }

    /// Fails unless state and record agree.
    pub fn agree(&self) {
        let found = replay::disagreements(self.engine.backend()).expect("the store");
        assert!(found.is_empty(), "{found:#?}");
    }

    pub fn call(&self, caller: &Caller, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        let tool = tools::find(tool)?;
        match self.engine.call(caller, tool, arguments, &Unwatched) {
            Ok(reply) => Ok(reply.structured),
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Broken(error)) => panic!("the store broke: {error:?}"),
        }
    }
}

pub fn agent(name: &str) -> Caller {
    Caller::new(name, Role::Agent)
}

pub fn at_a_terminal() -> Proof {
    Proof::unsigned(1, Via::CommandLine)
}

pub fn person(name: &str) -> Caller {
    Caller { role: Role::Operator, ..agent(name) }
}

/// Able to do these things, and to hold so many tasks at once.
pub fn able(name: &str, capabilities: &[&str], claims: u32) -> Caller {
    let capabilities = capabilities.iter().map(|capability| (*capability).to_owned()).collect();
    Caller { capabilities, claims, ..agent(name) }
}
