//! Moving a store to another place, from each kind to each: all of it arrives, whenever the move is interrupted; work in one
//! place ends before it begins in the other; and what came to harm on the way is found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::facts::Caller;
use phasegate::engine::StoreError;
use phasegate::engine::clock::{Clock, Fixed};
use phasegate::engine::migrate::{Around, Move, Moved, reopen, run};
use phasegate::store::copy::TABLES;
use phasegate::store::{self, Lock};
use phasegate::tools;
use serde_json::{Value, json};

use crate::support::stores::{self, Kind};
use crate::support::{START, TestEnv, able, agent, person, replay};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  work:\n    allow: [Read, submit_task, submit_artifact]\n    exit:\n      - artifact: plan\n      - approval: { ask: \"Build it?\", within: 1h }\n    next: [done]\n  done: { end: true }\n";

/// A store with work in it, and an empty place.
struct World {
    env: TestEnv,
    from: String,
    to: String,
    _target: tempfile::TempDir,
}

fn url(kind: Kind, folder: &Path) -> String {
    stores::keep_to(kind, folder);
    stores::url(folder).unwrap_or_else(|| format!("sqlite:{}", folder.join(".phasegate/phasegate.db").display()))
}

impl World {
    fn new(from: Kind, to: Kind) -> Self {
        let env = TestEnv::over(from, Some(FLOW), &Settings::default());
        let target = tempfile::tempdir().unwrap();
        let (from, to) = (url(from, env.folder.path()), url(to, target.path()));
        let (ana, bob) = (agent("ana"), able("bob", &["rust"], 9));
        for round in 0..6 {
            let tasks: Vec<Value> = (0..60)
                .map(|index| json!({ "title": format!("Ärger {round}/{index} 日本"), "labels": ["ab", "_Ü"] }))
                .collect();
            env.call(&ana, "submit_task", json!({ "tasks": tasks })).unwrap();
            let brief = env.call(&bob, "claim_task", json!({})).unwrap();
            env.call(&bob, "submit_artifact", json!({ "task": brief["task"], "name": "plan", "content": "the plan" }))
                .unwrap();
            let waits = env.call(&bob, "transition_phase", json!({ "to": "done", "task": brief["task"] }));
            assert!(waits.is_err(), "a person is waited for");
            env.clock.advance_seconds(61);
            env.engine.seal().unwrap();
        }
        env.call(&agent("eve"), "claim_task", json!({ "task": "T-999" })).unwrap_err();
        Self { env, from, to, _target: target }
    }

    fn workspace(&self) -> Workspace {
        Workspace::find(Some(self.env.folder.path()), self.env.folder.path()).unwrap()
    }

    fn migrate(&self, watch: &mut dyn FnMut(&str, &str)) -> Result<Moved, StoreError> {
        let (workspace, settings) = (self.workspace(), Settings::default());
        let around = Around { state: &workspace.state, postgres: None };
        let wanted = Move { from: &self.from, to: &self.to, around, workspace: &workspace, settings: &settings };
        let clock: Arc<dyn Clock> = Arc::new(Fixed::at(START));
        run(&wanted, &clock, &mut |doing, table, _, _| watch(doing, table))
    }

    /// The engine of a process that works with the store at this place.
    fn engine(&self, url: &str) -> Result<phasegate::engine::Engine, phasegate::engine::Failure> {
        let settings = Settings { store: Some(url.to_owned()), ..Settings::default() };
        phasegate::engine::open(self.workspace(), &settings, self.env.clock.clone())
    }

    /// Ends the process that worked with the old store, as it must with one in a file.
    fn ended(self) -> Resting {
        let Self { env: TestEnv { folder, clock, engine }, from, to, _target } = self;
        let log = log_of(&engine);
        drop(engine);
        Resting { world: (folder, clock), from, to, log, _target }
    }
}

struct Resting {
    world: (tempfile::TempDir, Arc<Fixed>),
    from: String,
    to: String,
    log: (Vec<String>, u64, Option<String>),
    _target: tempfile::TempDir,
}

impl Resting {
    fn folder(&self) -> &Path {
        self.world.0.path()
    }

    fn workspace(&self) -> Workspace {
        Workspace::find(Some(self.folder()), self.folder()).unwrap()
    }

    fn migrate(&self, watch: &mut dyn FnMut(&str, &str)) -> Result<Moved, StoreError> {
        let (workspace, settings) = (self.workspace(), Settings::default());
        let around = Around { state: &workspace.state, postgres: None };
        let wanted = Move { from: &self.from, to: &self.to, around, workspace: &workspace, settings: &settings };
        let clock: Arc<dyn Clock> = self.world.1.clone();
        run(&wanted, &clock, &mut |doing, table, _, _| watch(doing, table))
    }

    fn engine(&self, url: &str) -> Result<phasegate::engine::Engine, phasegate::engine::Failure> {
        let settings = Settings { store: Some(url.to_owned()), ..Settings::default() };
        phasegate::engine::open(self.workspace(), &settings, self.world.1.clone())
    }

    fn refused(&self, url: &str) -> String {
        format!("{:?}", self.engine(url).err().expect("no work is done there"))
    }

    /// Everything is there, the log holds, and work goes on.
    fn is_whole(&self, url: &str) {
        let engine = self.engine(url).unwrap_or_else(|error| panic!("{error:?}"));
        let log = log_of(&engine);
        assert_eq!(log.0, self.log.0, "records");
        assert!(log.1 >= self.log.1 && log.2.is_some());
        let found = replay::disagreements(engine.backend()).unwrap();
        assert!(found.is_empty(), "{found:#?}");
        let report = engine.verify(Vec::new(), Vec::new()).unwrap();
        assert!(report.is_well() && report.heads > 0, "{}", report.text());
        let call = |who: &Caller, tool: &str, arguments: Value| {
            engine.call(who, tools::find(tool).unwrap(), arguments, &phasegate::engine::Unwatched).unwrap()
        };
        call(&able("bob", &["rust"], 99), "claim_task", json!({}));
        call(&agent("ana"), "submit_task", json!({ "title": "the next" }));
        engine.seal().unwrap();
        let report = engine.verify(Vec::new(), Vec::new()).unwrap();
        assert!(report.is_well(), "{}", report.text());
    }
}

/// Every record, how many heads there are, and the newest of them.
fn log_of(engine: &phasegate::engine::Engine) -> (Vec<String>, u64, Option<String>) {
    engine.seal().unwrap();
    engine
        .view(|tx| {
            let mut records = Vec::new();
            tx.query("SELECT body FROM events ORDER BY seq", &[], &mut |row| {
                records.push(row.text(0)?.unwrap_or_default().to_owned());
                Ok(())
            })?;
            let heads = store::tree::heads(tx)?;
            Ok((records, heads.len() as u64, heads.last().map(|head| head.note.clone())))
        })
        .unwrap()
}

const WAYS: [(Kind, Kind); 4] = [
    (Kind::Sqlite, Kind::Postgres),
    (Kind::Postgres, Kind::Sqlite),
    (Kind::Postgres, Kind::Postgres),
    (Kind::Sqlite, Kind::Sqlite),
];

#[test]
fn everything_arrives_and_the_old_store_takes_no_more_work() {
    for (from, to) in WAYS {
        let resting = World::new(from, to).ended();
        let moved = resting.migrate(&mut |_, _| ()).unwrap();
        assert!(!moved.resumed && !moved.was_done && moved.key_missing.is_none());
        assert_eq!(moved.tables.len(), TABLES.len());
        assert_eq!(moved.tables["events"].rows, resting.log.0.len() as u64);
        let report = moved.report.unwrap();
        assert!(report.is_well() && report.sealed == report.records, "{}", report.text());
        resting.is_whole(&resting.to);
        let told = resting.refused(&resting.from);
        assert!(told.contains("was moved to"), "{told}");
        assert!(resting.migrate(&mut |_, _| ()).unwrap().was_done, "once more does no harm");
        // What was done in the other one since is not in it.
        reopen(&resting.from, Around { state: &resting.workspace().state, postgres: None }).unwrap();
        resting.is_whole(&resting.from);
    }
}

#[test]
fn ended_at_whatever_moment_it_goes_on_where_it_was() {
    for (from, to) in &WAYS[..2] {
        let resting = World::new(*from, *to).ended();
        let mut ended = 0;
        let moved = loop {
            let mut steps = 0;
            // Each try comes a few steps further than the one before it.
            let tried = catch_unwind(AssertUnwindSafe(|| {
                resting.migrate(&mut |_, _| {
                    steps += 1;
                    assert!(steps < 2 || ended > 40, "ended here");
                })
            }));
            match tried {
                Ok(moved) => break moved.unwrap(),
                Err(_) => ended += 1,
            }
            let told = resting.refused(&resting.to);
            assert!(told.contains("not whole yet"), "{told}");
            assert!(resting.refused(&resting.from).contains("was moved to"));
        };
        assert!(moved.resumed && (4..40).contains(&ended), "{ended}");
        resting.is_whole(&resting.to);
    }
}

#[test]
fn what_was_changed_on_the_way_is_found_and_nothing_works_with_it() {
    let harm = [
        "UPDATE tasks SET urgency = urgency + 1 WHERE id = 3",
        "UPDATE blobs SET content = content || content",
        "DELETE FROM task_labels WHERE task = 7 AND label = 'ab'",
        "UPDATE counters SET value = value - 1 WHERE name = 'task'",
        "INSERT INTO task_links(task, needs) VALUES (1, 2)",
    ];
    for (at, harm) in harm.into_iter().enumerate() {
        let (from, to) = WAYS[at % 2];
        let resting = World::new(from, to).ended();
        let interrupted =
            catch_unwind(AssertUnwindSafe(|| resting.migrate(&mut |_, table| assert!(table != "heads", "ended here"))));
        assert!(interrupted.is_err());
        let harm =
            harm.replace("content || content", if to == Kind::Postgres { "content || content" } else { "x'00'" });
        let target = store::open_for_one(Some(&resting.to), &resting.workspace().state).unwrap();
        target
            .write(
                Lock::Whole,
                Box::new(move |tx| {
                    assert!(tx.execute(&harm, &[])? > 0, "{harm}");
                    Ok(())
                }),
            )
            .unwrap();
        drop(target);
        let error = resting.migrate(&mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("is not what was copied"), "{error}");
        assert!(resting.refused(&resting.to).contains("not whole yet"));
        reopen(&resting.from, Around { state: &resting.workspace().state, postgres: None }).unwrap();
        resting.is_whole(&resting.from);
        let error = resting.migrate(&mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("is not empty"), "{error}");
    }
}

#[test]
fn a_store_in_a_file_that_is_in_use_is_left_alone() {
    let world = World::new(Kind::Sqlite, Kind::Postgres);
    let error = world.migrate(&mut |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("is in use"), "{error}");
    world.env.call(&agent("ana"), "submit_task", json!({ "title": "goes on" })).unwrap();
    assert!(world.engine(&world.from).is_ok());
}

#[test]
fn servers_on_a_database_are_told_that_their_store_is_gone_and_lose_nothing_they_said() {
    let world = World::new(Kind::Postgres, Kind::Sqlite);
    let said = std::sync::Mutex::new(Vec::new());
    let moved = std::thread::scope(|scope| {
        let (env, said) = (&world.env, &said);
        let worker = scope.spawn(move || {
            // Until it is told that it may not.
            loop {
                let arguments = json!({ "title": "while it is moved" });
                match env.engine.call(
                    &agent("ana"),
                    tools::find("submit_task").unwrap(),
                    arguments,
                    &phasegate::engine::Unwatched,
                ) {
                    Ok(reply) => said.lock().unwrap().push(reply.structured["tasks"][0].clone()),
                    Err(error) => return format!("{error:?}"),
                }
            }
        });
        let moved = world.migrate(&mut |_, _| ()).unwrap();
        let told = worker.join().unwrap();
        assert!(told.contains("was moved to another place"), "{told}");
        moved
    });
    let said = said.into_inner().unwrap();
    let titled = "SELECT count(*) FROM events WHERE body LIKE '%while it is moved%' AND kind = 'TaskSubmitted'";
    let engine = world.engine(&world.to).unwrap();
    let mut there = 0;
    engine
        .view(|tx| {
            tx.query(titled, &[], &mut |row| {
                there = row.int(0)?.unwrap_or(0);
                Ok(())
            })
        })
        .unwrap();
    assert_eq!(usize::try_from(there).unwrap(), said.len(), "what was acknowledged is there, and nothing else");
    assert!(moved.report.unwrap().is_well());
    assert!(replay::disagreements(engine.backend()).unwrap().is_empty());
}

fn phasegate(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead");
    command
}

#[test]
fn a_killed_move_is_ended_by_the_same_command() {
    for (from, to) in &WAYS[..2] {
        let resting = World::new(*from, *to).ended();
        let at = resting.folder();
        let arguments = ["migrate", "--from", &resting.from, "--to", &resting.to, "--yes", "--json"];
        // Longer each time, so that it is hit early, late and in between.
        for wait in (0..8).map(|round| std::time::Duration::from_millis(5 << round)) {
            let mut child = command(at, &arguments).spawn().unwrap();
            std::thread::sleep(wait);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let ended = phasegate(at, &arguments);
        let said = [&ended.stdout, &ended.stderr].map(|said| String::from_utf8_lossy(said));
        assert!(ended.status.success(), "{said:?}");
        let told: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert!(told["was_done"] == json!(true) || told["findings"] == json!(0), "{told}");
        for (url, code) in [(&resting.from, 2), (&resting.to, 0)] {
            let verified = phasegate(at, &["audit", "verify", "--store", url]);
            assert_eq!(verified.status.code(), Some(code), "{}", String::from_utf8_lossy(&verified.stderr));
        }
        resting.is_whole(&resting.to);
    }
}

#[test]
fn what_cannot_be_moved_is_refused_in_words() {
    let resting = World::new(Kind::Sqlite, Kind::Sqlite).ended();
    let at = resting.folder();
    let nowhere = format!("sqlite:{}", at.join("nowhere.db").display());
    let code = |arguments: &[&str], word: &str| {
        let ended = phasegate(at, arguments);
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(told.contains(word), "{arguments:?}: {told}");
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
    };
    let (from, to) = (resting.from.as_str(), resting.to.as_str());
    code(&["migrate", "--from", from, "--to", to], "nobody sits at this terminal");
    code(&["migrate", "--from", &nowhere, "--to", to, "--yes"], "there is no store at");
    // An address is looked at before anybody is asked.
    code(&["migrate", "--from", &nowhere, "--to", to], "there is no store at");
    code(&["migrate", "--from", "foo", "--to", "bar"], "bar");
    code(&["migrate", "--from", from, "--to", from], "the same store");
    code(&["migrate", "--from", from, "--to", from, "--yes"], "the same store");
    code(&["migrate", "--from", from, "--yes"], "--to");
    code(&["migrate", "--reopen", from, "--yes"], "was not moved anywhere");
    let other = at.join("other");
    std::fs::create_dir(&other).unwrap();
    assert!(phasegate(&other, &["call", "list_tasks"]).status.success());
    let taken = format!("sqlite:{}", other.join("taken.db").display());
    assert!(phasegate(&other, &["call", "list_tasks", "--store", &taken]).status.success());
    code(&["migrate", "--from", from, "--to", &taken, "--yes"], "is there already, and is another key");
    std::fs::remove_file(other.join("taken.db.log.key")).unwrap();
    code(&["migrate", "--from", from, "--to", &taken, "--yes"], "is not empty");
    assert!(!at.join("nowhere.db").exists());
    resting.is_whole(from);
}

/// Where a store in a database has its keys: in the folder of the workspace, which may never have held any state.
#[test]
fn the_keys_find_a_place_or_nothing_is_ended() {
    let resting = World::new(Kind::Sqlite, Kind::Postgres).ended();
    let fresh = tempfile::tempdir().unwrap();
    let state = fresh.path().join(".phasegate");
    let arguments = ["migrate", "--workspace", ".", "--from", &resting.from, "--to", &resting.to, "--yes"];
    std::fs::write(&state, "in the way").unwrap();
    let refused = phasegate(fresh.path(), &arguments);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && told.contains("the keys of the store belong in"), "{told}");
    assert!(resting.engine(&resting.from).is_ok(), "work in the old store goes on");
    std::fs::remove_file(&state).unwrap();
    let moved = phasegate(fresh.path(), &arguments);
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    for (what, mode) in [(state.clone(), 0o700), (state.join("log.key"), 0o600)] {
        let found = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&what).unwrap().permissions());
        assert_eq!(found & 0o777, mode, "{}", what.display());
    }
    resting.is_whole(&resting.to);
}

#[test]
fn a_backup_is_the_same_file_whatever_the_store_and_comes_back_into_either() {
    for (from, to) in WAYS {
        let world = World::new(from, to);
        let (file, copy) = (world.env.path("saved.db"), world.env.path("copy.db"));
        world.env.engine.backend().backup(&file).unwrap();
        std::fs::copy(&file, &copy).unwrap();
        let log = log_of(&world.env.engine);
        let target = world.engine(&world.to).unwrap();
        target.trust_file(&person("ana"), &world.env.path("phasegate.yaml")).unwrap();
        target
            .call(
                &agent("ana"),
                tools::find("submit_task").unwrap(),
                json!({ "title": "lost" }),
                &phasegate::engine::Unwatched,
            )
            .unwrap();
        target.restore(&person("ana"), &copy, crate::support::at_a_terminal()).unwrap();
        let records = |engine: &phasegate::engine::Engine| {
            let found = replay::records(engine.backend()).unwrap();
            found.iter().map(|record| record.event.kind()).collect::<Vec<_>>()
        };
        let (here, there) = (records(&world.env.engine), records(&target));
        assert_eq!(there[..here.len()], here[..], "{from:?} to {to:?}");
        assert_eq!(there.get(here.len()), Some(&"StoreRestored"));
        assert!(!log.0.is_empty());
        assert!(replay::disagreements(target.backend()).unwrap().is_empty());
        let refused = world.env.path("broken.db");
        std::fs::write(&refused, &std::fs::read(&file).unwrap()[..5000]).unwrap();
        target.restore(&person("ana"), &refused, crate::support::at_a_terminal()).unwrap_err();
    }
}
