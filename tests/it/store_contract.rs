//! What every store must do, said once over `dyn Backend` and run for each. Nothing here knows which store it is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use phasegate::domain::command::{ClaimTask, Filter, Want};
use phasegate::domain::decide::decide;
use phasegate::domain::event::Event;
use phasegate::domain::facts::{Context, Settings};
use phasegate::domain::ids::{AgentName, Fence, HandleHash, TaskId, WorkflowHash};
use phasegate::domain::query::TaskFilter;
use phasegate::domain::refusal::{Code, Refusal};
use phasegate::domain::route::NoRoutes;
use phasegate::domain::task::TaskSpec;
use phasegate::domain::workflow::{Phase, Workflow};
use phasegate::store::{self, Attachment, Backend, By, Lock, Outcome, Param, Scope, StoreError, Tx, read, snapshot};

use crate::support::stores::{self, Kind};
use crate::support::{START, agent, replay};

/// A place for a store of one kind, empty at first.
pub trait Place: Sync {
    fn open(&self) -> Box<dyn Backend>;
    fn try_open(&self) -> Result<Box<dyn Backend>, StoreError>;
}

/// In a folder or a schema of its own.
struct Own {
    folder: tempfile::TempDir,
    open: fn(&Path) -> Result<Box<dyn Backend>, StoreError>,
}

impl Own {
    fn new(kind: Kind, open: fn(&Path) -> Result<Box<dyn Backend>, StoreError>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        stores::keep_to(kind, folder.path());
        Self { folder, open }
    }

    fn in_a_file() -> Self {
        Self::new(Kind::Sqlite, stores::open)
    }
}

impl Place for Own {
    fn open(&self) -> Box<dyn Backend> {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Box<dyn Backend>, StoreError> {
        (self.open)(self.folder.path())
    }
}

macro_rules! store_contract {
    (tests $store:ident, $place:expr, [$($test:ident),+ $(,)?]) => {
        mod $store {
            $(#[test]
            fn $test() {
                super::$test(&$place);
            })+
        }
    };
    ($store:ident, $place:expr $(, $more:ident)*) => {
        store_contract!(
            tests $store,
            $place,
            [
                state_and_record_are_committed_together,
                a_body_that_fails_leaves_nothing_and_the_next_is_not_harmed,
                a_body_that_panics_is_an_error_and_the_store_lives_on,
                bodies_of_many_threads_apply_exactly_once,
                a_failing_body_does_not_take_its_neighbours_with_it,
                what_was_acknowledged_is_there_after_reopening,
                ids_are_given_out_once_and_rise,
                several_may_open_an_empty_store_at_once,
                a_store_may_be_opened_twice_in_one_process,
                a_backup_taken_under_load_is_whole,
                a_backup_of_a_large_busy_store_ends,
                a_refusal_is_a_record_and_no_row,
                pages_neither_miss_nor_repeat_while_rows_come_in,
                claims_from_many_threads_never_meet,
                $($more),*
            ]
        );
    };
}

store_contract!(
    sqlite,
    super::Own::new(super::Kind::Sqlite, super::stores::open),
    what_two_readings_of_one_snapshot_see_is_the_same
);
store_contract!(
    postgres,
    super::Own::new(super::Kind::Postgres, super::stores::open),
    what_two_readings_of_one_snapshot_see_is_the_same
);
// Of one connection in a file the readers wait for one another, so that it is for a process that does one thing.
store_contract!(one_connection, super::Own::new(super::Kind::Sqlite, super::stores::open_for_one));
store_contract!(
    postgres_for_one,
    super::Own::new(super::Kind::Postgres, super::stores::open_for_one),
    what_two_readings_of_one_snapshot_see_is_the_same
);

/// Ends the thread beside a test also where the test fails, which would hang otherwise.
struct Raised<'f>(&'f AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn by(name: &str) -> By {
    let redaction = Default::default();
    By { agent: AgentName(name.to_owned()), role: "operator".into(), tool: "contract".into(), at: START, redaction }
}

fn flow() -> (Workflow, WorkflowHash, Attachment) {
    let end = Phase { name: "done".to_owned(), end: true, ..Phase::default() };
    let work = Phase { name: "work".to_owned(), next: vec!["done".to_owned()], ..Phase::default() };
    let phases = serde_json::json!([work, end]);
    let workflow: Workflow =
        serde_json::from_value(serde_json::json!({"version": 1, "name": "flow", "phases": phases})).unwrap();
    let hash = phasegate::domain::canonical::hash(&workflow);
    let body = serde_json::to_string(&workflow).unwrap();
    let kept = Attachment::Workflow { hash: hash.clone(), name: "flow".to_owned(), body, source: String::new() };
    (workflow, WorkflowHash(hash), kept)
}

/// An event that makes a task with the next free id.
fn submitted(number: u64, title: &str) -> Event {
    Event::TaskSubmitted {
        task: TaskId(number),
        spec: Box::new(TaskSpec { title: title.to_owned(), workflow: "flow".to_owned(), ..TaskSpec::default() }),
        workflow: flow().1,
        phase: "work".to_owned(),
        waiting_on: BTreeSet::new(),
        attempts: 3,
    }
}

fn submit(backend: &dyn Backend, who: &str, title: &str) -> Result<Outcome, StoreError> {
    let title = title.to_owned();
    let decide = Box::new(move |facts: &phasegate::domain::facts::Facts| Ok(vec![submitted(facts.next.task, &title)]));
    store::execute(backend, Scope::Submit { refers_to: Vec::new() }, by(who), vec![flow().2], decide)
}

fn count(backend: &dyn Backend, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let one = |tx: &mut dyn Tx| {
        let mut count = 0;
        tx.query(&sql, &[], &mut |row| {
            count = row.int(0)?.unwrap_or(0);
            Ok(())
        })?;
        Ok(count)
    };
    snapshot(backend, one).unwrap()
}

fn agree(backend: &dyn Backend) {
    assert_eq!(replay::disagreements(backend).unwrap(), Vec::<String>::new());
    assert_eq!(backend.check().unwrap(), Vec::<String>::new());
}

fn note(tx: &mut dyn Tx, key: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO meta(key, value) VALUES (?1, ?2)", &[Param::Text(key), Param::Text("x")]).map(drop)
}

fn state_and_record_are_committed_together(place: &dyn Place) {
    let backend = place.open();
    submit(backend.as_ref(), "ana", "one").unwrap();
    assert_eq!((count(backend.as_ref(), "tasks"), count(backend.as_ref(), "events")), (1, 1));
    // An event that cannot be carried out takes the whole command back, the row before it included.
    let impossible = Box::new(|facts: &phasegate::domain::facts::Facts| {
        let (task, agent) = (TaskId(facts.next.task), AgentName("ana".to_owned()));
        Ok(vec![submitted(task.0, "two"), Event::ClaimExpired { task, agent, fence: Fence(1) }])
    });
    let scope = Scope::Submit { refers_to: Vec::new() };
    let error = store::execute(backend.as_ref(), scope, by("ana"), Vec::new(), impossible).unwrap_err();
    assert!(matches!(error, StoreError::Apply(_)), "{error}");
    assert_eq!((count(backend.as_ref(), "tasks"), count(backend.as_ref(), "events")), (1, 1));
    assert_eq!(submit(backend.as_ref(), "ana", "two").unwrap().events.len(), 1);
    agree(backend.as_ref());
}

fn a_body_that_fails_leaves_nothing_and_the_next_is_not_harmed(place: &dyn Place) {
    let backend = place.open();
    let before = count(backend.as_ref(), "meta");
    let error = backend.write(
        Lock::Whole,
        Box::new(|tx| {
            note(tx, "half")?;
            Err(StoreError::Injected(1))
        }),
    );
    assert!(matches!(error, Err(StoreError::Injected(1))), "{error:?}");
    let nonsense =
        backend.write(Lock::Whole, Box::new(|tx| tx.execute("INSERT INTO nowhere VALUES (1)", &[]).map(drop)));
    assert!(nonsense.is_err());
    assert_eq!(count(backend.as_ref(), "meta"), before);
    backend.write(Lock::Whole, Box::new(|tx| note(tx, "half"))).unwrap();
    assert_eq!(count(backend.as_ref(), "meta"), before + 1);
}

fn a_body_that_panics_is_an_error_and_the_store_lives_on(place: &dyn Place) {
    let backend = place.open();
    let before = count(backend.as_ref(), "meta");
    let error = backend.write(
        Lock::Whole,
        Box::new(|tx| {
            note(tx, "half")?;
            panic!("on purpose");
        }),
    );
    assert!(matches!(&error, Err(StoreError::Panicked(text)) if text == "on purpose"), "{error:?}");
    assert_eq!(count(backend.as_ref(), "meta"), before);
    submit(backend.as_ref(), "ana", "after").unwrap();
    agree(backend.as_ref());
}

fn bodies_of_many_threads_apply_exactly_once(place: &dyn Place) {
    const THREADS: usize = 32;
    const EACH: usize = 25;
    let backend = place.open();
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (backend, start) = (backend.as_ref(), &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..EACH {
                    submit(backend, &format!("a{thread}"), &format!("{thread}/{number}")).unwrap();
                }
            });
        }
    });
    let rows = snapshot(backend.as_ref(), replay::rows).unwrap();
    let titles: BTreeSet<_> = rows.tasks.values().map(|task| task.spec.title.clone()).collect();
    assert_eq!((rows.tasks.len(), titles.len()), (THREADS * EACH, THREADS * EACH));
    assert_eq!(rows.tasks.keys().next_back(), Some(&TaskId((THREADS * EACH) as u64)));
    agree(backend.as_ref());
}

fn a_failing_body_does_not_take_its_neighbours_with_it(place: &dyn Place) {
    const THREADS: usize = 32;
    let backend = place.open();
    let whole: fn(usize) -> Lock = |_| Lock::Whole;
    for lock in [whole, |thread| Lock::Together(vec![format!("agent {}", thread % 5)])] {
        let before = count(backend.as_ref(), "meta");
        let noted = failing_and_others::<THREADS>(backend.as_ref(), lock, before);
        let well: Vec<bool> = (0..THREADS).map(|thread| ![3, 5].contains(&(thread % 8))).collect();
        assert_eq!(noted, well);
        assert_eq!(count(backend.as_ref(), "meta") - before, 24);
    }
}

/// Each notes something of its own, waits for what others hold, and fails now and then; which went well.
fn failing_and_others<const THREADS: usize>(backend: &dyn Backend, lock: fn(usize) -> Lock, round: i64) -> Vec<bool> {
    let start = Barrier::new(THREADS);
    let results: Vec<bool> = std::thread::scope(|scope| {
        let write = |thread: usize| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let body = move |tx: &mut dyn Tx| {
                    note(tx, &format!("note {round} {thread}"))?;
                    match thread % 8 {
                        1 => tx.hold("account"),
                        3 => Err(StoreError::Injected(3)),
                        5 => panic!("on purpose"),
                        _ => Ok(()),
                    }
                };
                backend.write(lock(thread), Box::new(body)).is_ok()
            })
        };
        let threads: Vec<_> = (0..THREADS).map(write).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    results
}

fn what_two_readings_of_one_snapshot_see_is_the_same(place: &dyn Place) {
    let backend = place.open();
    submit(backend.as_ref(), "ana", "first").unwrap();
    for round in 1..10 {
        let counted = snapshot(backend.as_ref(), |tx| {
            let before = replay::rows(tx)?.tasks.len();
            // Another command commits in the midst of the reading.
            submit(backend.as_ref(), "bo", "more")?;
            let mut events = 0;
            tx.query("SELECT count(*) FROM events", &[], &mut |row| {
                events = row.int(0)?.unwrap_or(0);
                Ok(())
            })?;
            Ok((before, usize::try_from(events).unwrap(), replay::rows(tx)?.tasks.len()))
        });
        assert_eq!(counted.unwrap(), (round, round, round));
    }
    assert_eq!(count(backend.as_ref(), "tasks"), 10);
}

fn what_was_acknowledged_is_there_after_reopening(place: &dyn Place) {
    for round in 0..5 {
        let backend = place.open();
        assert_eq!(count(backend.as_ref(), "tasks"), round * 10);
        for number in 0..10 {
            submit(backend.as_ref(), "ana", &format!("{round}/{number}")).unwrap();
        }
        drop(backend);
    }
    agree(place.open().as_ref());
}

fn ids_are_given_out_once_and_rise(place: &dyn Place) {
    let backend = place.open();
    let given = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (backend, given) = (backend.as_ref(), &given);
            scope.spawn(move || {
                let mut last = 0;
                for _ in 0..20 {
                    // A refusal between must cost no id that an event then lacks.
                    let refuse = Box::new(|_: &phasegate::domain::facts::Facts| {
                        Err(Refusal::new(Code::TooMany, "no", "").into())
                    });
                    let scope = Scope::Submit { refers_to: Vec::new() };
                    store::execute(backend, scope, by("no"), Vec::new(), refuse).unwrap();
                    let outcome = submit(backend, &format!("a{thread}"), "x").unwrap();
                    let id = outcome.events[0].task().unwrap().0;
                    assert!(id > last, "{id} after {last}");
                    last = id;
                    given.lock().unwrap().push(id);
                }
            });
        }
    });
    let mut given = given.into_inner().unwrap();
    given.sort_unstable();
    assert_eq!(given, (1..=160).collect::<Vec<u64>>());
}

fn several_may_open_an_empty_store_at_once(place: &dyn Place) {
    const THREADS: usize = 8;
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let backend = place.open();
                submit(backend.as_ref(), &format!("a{thread}"), "x").unwrap();
            });
        }
    });
    let backend = place.open();
    assert_eq!(count(backend.as_ref(), "tasks"), THREADS as i64);
    agree(backend.as_ref());
}

fn a_store_may_be_opened_twice_in_one_process(place: &dyn Place) {
    let (one, two) = (place.open(), place.open());
    std::thread::scope(|scope| {
        for backend in [&one, &two] {
            scope.spawn(move || {
                for number in 0..30 {
                    submit(backend.as_ref(), "ana", &number.to_string()).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..10 {
                drop(place.open());
            }
        });
    });
    drop(two);
    assert_eq!(count(one.as_ref(), "tasks"), 60);
    agree(one.as_ref());
}

fn a_backup_taken_under_load_is_whole(place: &dyn Place) {
    let backend = place.open();
    submit(backend.as_ref(), "ana", "first").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stop = &AtomicBool::new(false);
    let acknowledged = AtomicU64::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                submit(backend.as_ref(), "ana", "more").unwrap();
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _ended = Raised(stop);
        for number in 0..5 {
            let copy = folder.path().join(number.to_string());
            std::fs::create_dir(&copy).unwrap();
            let at_least = acknowledged.load(Ordering::SeqCst);
            backend.backup(&copy.join("phasegate.db")).unwrap();
            let copied = store::open(None, &copy).unwrap();
            agree(copied.as_ref());
            assert!(count(copied.as_ref(), "tasks") >= i64::try_from(at_least).unwrap());
        }
    });
}

/// The writer never pauses for the copy, and the copy must not start over for each of its commits.
fn a_backup_of_a_large_busy_store_ends(place: &dyn Place) {
    let backend = place.open();
    for part in 0..40 {
        backend
            .write(
                Lock::Whole,
                Box::new(move |tx| {
                    let (key, content) = (format!("{part:064}"), vec![7u8; 1 << 20]);
                    let params = [Param::Text(&key), Param::Blob(&content)];
                    tx.execute("INSERT INTO blobs(sha256, content) VALUES (?1, ?2)", &params).map(drop)
                }),
            )
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let stop = &AtomicBool::new(false);
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that a copy that waits for silence fails by this count and not by hanging.
            while !stop.load(Ordering::SeqCst) && written.load(Ordering::SeqCst) < 20_000 {
                submit(backend.as_ref(), "ana", "more").unwrap();
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _ended = Raised(stop);
        backend.backup(&folder.path().join("copy.db")).unwrap();
    });
    assert!(written.load(Ordering::SeqCst) < 20_000, "the copy ended only when the writing did");
}

fn a_refusal_is_a_record_and_no_row(place: &dyn Place) {
    let backend = place.open();
    submit(backend.as_ref(), "ana", "one").unwrap();
    let before = snapshot(backend.as_ref(), replay::rows).unwrap();
    let refuse = |code: Code| {
        let decide =
            Box::new(move |_: &phasegate::domain::facts::Facts| Err(Refusal::new(code, "no", "do else").into()));
        let blob = vec![Attachment::Blob { sha256: "0".repeat(64), content: vec![1] }];
        store::execute(backend.as_ref(), Scope::Submit { refers_to: Vec::new() }, by("ana"), blob, decide).unwrap()
    };
    let outcome = refuse(Code::TooMany);
    assert_eq!(outcome.refusal.map(|refusal| refusal.code), Some(Code::TooMany));
    for code in [Code::TooMany, Code::TooMany, Code::UnknownReference, Code::BadArguments] {
        refuse(code);
    }
    assert_eq!(snapshot(backend.as_ref(), replay::rows).unwrap(), before);
    assert_eq!(count(backend.as_ref(), "events WHERE kind = 'CommandRefused'"), 2);
    assert_eq!(count(backend.as_ref(), "refusals"), 2);
    assert_eq!(count(backend.as_ref(), "blobs"), 0, "what was refused is not kept");
}

fn pages_neither_miss_nor_repeat_while_rows_come_in(place: &dyn Place) {
    let backend = place.open();
    for _ in 0..100 {
        submit(backend.as_ref(), "ana", "old").unwrap();
    }
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                submit(backend.as_ref(), "ana", "new").unwrap();
            }
        });
        let _ended = Raised(stop);
        for _ in 0..5 {
            let mut ids = Vec::new();
            let mut filter = TaskFilter { limit: 7, ..TaskFilter::default() };
            while ids.len() < 150 {
                let page = snapshot(backend.as_ref(), |tx| read::tasks(tx, &filter)).unwrap();
                ids.extend(page.tasks.iter().map(|row| row.id.0));
                let Some(next) = page.next else { break };
                filter.after = Some(next);
            }
            let wanted: Vec<u64> = (1..=ids.len() as u64).collect();
            assert!(ids == wanted && ids.len() >= 100, "{ids:?}");
        }
    });
}

/// What only a file can have.
#[test]
fn a_file_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Own::in_a_file();
    let state = place.folder.path().join(".phasegate");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let backend = place.open();
    submit(backend.as_ref(), "ana", "one").unwrap();
    assert_eq!(mode(&state), 0o700);
    let names = ["phasegate.db", "phasegate.db-wal", "phasegate.db-shm", "phasegate.db.queue"];
    assert_eq!(names.map(|name| mode(&state.join(name))), [0o600; 4]);
    let copy = place.folder.path().join("copies/copy.db");
    backend.backup(&copy).unwrap();
    assert_eq!(mode(&copy), 0o600);
    drop(backend);
    for loose in [state.join("phasegate.db"), state.join("phasegate.db.queue")] {
        std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
        drop(place.open());
        assert_eq!(mode(&loose), 0o600);
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let place = Own::in_a_file();
    submit(place.open().as_ref(), "ana", "one").unwrap();
    let file = place.folder.path().join(".phasegate/phasegate.db");
    let version = |number: Option<i64>| {
        let connection = rusqlite::Connection::open(&file).unwrap();
        if let Some(number) = number {
            connection.pragma_update(None, "user_version", number).unwrap();
        }
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
    };
    let ours = version(None);
    version(Some(ours + 1));
    let error = place.try_open().err().unwrap();
    assert!(
        matches!(error, StoreError::NewerSchema { .. }) && error.to_string().contains("update phasegate"),
        "{error}"
    );
    assert_eq!(version(None), ours + 1, "and it was not touched");
    version(Some(ours));
    assert_eq!(count(place.open().as_ref(), "tasks"), 1);
}

/// Claims from 32 threads over one store: decided by the real rules, each task to one agent.
fn claims_from_many_threads_never_meet(place: &dyn Place) {
    let backend: Arc<dyn Backend> = Arc::from(place.open());
    for _ in 0..64 {
        submit(backend.as_ref(), "lead", "x").unwrap();
    }
    let taken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let (backend, taken) = (&backend, &taken);
            scope.spawn(move || {
                for round in 0..2 {
                    let caller = agent(&format!("a{thread}-{round}"));
                    let context = Context {
                        now: START,
                        caller: caller.clone(),
                        settings: Arc::new(Settings::default()),
                        routes: Arc::new(NoRoutes),
                    };
                    let claim = ClaimTask {
                        want: Want::Next(Filter::default()),
                        resume: None,
                        handle: HandleHash(format!("{thread}-{round}")),
                        lease_seconds: 60,
                    };
                    let scope = Scope::Claim {
                        id: None,
                        handle: None,
                        next: Some(Filter::default()),
                        refers_to: None,
                        capabilities: caller.capabilities.clone(),
                        workflows: caller.workflows.clone(),
                    };
                    let command = phasegate::domain::command::Command::ClaimTask(claim);
                    let decide = Box::new(move |facts: &_| Ok(decide(facts, &command, &context)?));
                    let outcome =
                        store::execute(backend.as_ref(), scope, by(&caller.agent.0), Vec::new(), decide).unwrap();
                    taken.lock().unwrap().push(outcome.events[0].task().unwrap());
                }
            });
        }
    });
    let taken = taken.into_inner().unwrap();
    assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (64, 64));
    agree(backend.as_ref());
}
