//! Sixteen processes on one store, and a checker of what they were told: nobody shares a task, fences rise, what was
//! acknowledged is kept, and a process that slept past its lease writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use phasegate::domain::ids::Time;
use phasegate::store;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::over_both_stores;
use crate::support::replay;
use crate::support::stores::{self, Kind};

/// One operation as its caller saw it; times are nanoseconds of one clock.
#[derive(Clone, Debug, Deserialize)]
struct Op {
    op: String,
    task: String,
    agent: String,
    #[serde(default)]
    fence: u64,
    #[serde(default)]
    t0: u64,
    #[serde(default)]
    t1: u64,
    ok: bool,
    until: Option<Time>,
    code: Option<String>,
}

impl Op {
    fn is(&self, op: &str) -> bool {
        self.ok && self.op == op
    }

    fn until_ns(&self) -> u64 {
        self.until.map_or(u64::MAX, |until| u64::try_from(until.0).unwrap() * 1_000_000)
    }
}

/// Everything in a history that no correct store could have answered.
fn violations(history: &[Op], completed: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_task: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in history {
        by_task.entry(&op.task).or_default().push(op);
    }
    for (task, ops) in by_task {
        let mut claims: Vec<&Op> = ops.iter().copied().filter(|op| op.is("claim")).collect();
        claims.sort_by_key(|op| op.fence);
        for pair in claims.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            if a.fence == b.fence {
                found.push(format!("{task}: fence {} went to {} and {}", a.fence, a.agent, b.agent));
            }
            if b.t1 < a.t0 {
                found.push(format!("{task}: fence {} was given out before {}", b.fence, a.fence));
            }
            let over = |op: &&&Op| op.fence == a.fence && op.ok && ["complete", "release"].contains(&op.op.as_str());
            let given_up = ops.iter().filter(over).map(|op| op.t0).min().unwrap_or(u64::MAX);
            let lease = ops.iter().filter(|op| op.fence == a.fence && op.until.is_some()).map(|op| op.until_ns()).max();
            if b.t1 < given_up.min(lease.unwrap_or(u64::MAX)) {
                found.push(format!("{task}: {} and {} held it at once", a.agent, b.agent));
            }
        }
        for op in ops.iter().filter(|op| op.ok && op.op != "claim" && op.op != "submit") {
            if claims.iter().any(|claim| claim.fence > op.fence && claim.t1 < op.t0) {
                found.push(format!("{task}: {} by {} under the old fence {}", op.op, op.agent, op.fence));
            }
            if !claims.iter().any(|claim| claim.fence == op.fence && claim.agent == op.agent && claim.t1 <= op.t0) {
                found.push(format!("{task}: {} by {} without a claim", op.op, op.agent));
            }
        }
        let ends: Vec<&&Op> = ops.iter().filter(|op| op.is("complete")).collect();
        if ends.len() > 1 {
            found.push(format!("{task} was completed {} times", ends.len()));
        }
        for end in ends {
            if claims.iter().any(|claim| claim.t0 > end.t1) {
                found.push(format!("{task} was claimed after its end"));
            }
            if !completed.contains(task) {
                found.push(format!("{task} was completed, and is not"));
            }
        }
    }
    found
}

/// The worker of `examples/`, built once.
fn worker() -> &'static Path {
    static WORKER: OnceLock<PathBuf> = OnceLock::new();
    WORKER.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--example", "worker"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::null())
            .status();
        assert!(built.is_ok_and(|status| status.success()), "`cargo build --example worker` fails");
        let path = Path::new(env!("CARGO_BIN_EXE_phasegate")).with_file_name("examples").join("worker");
        assert!(path.exists(), "{} is not there", path.display());
        path
    })
}

/// The worker in the workspace of this folder.
fn start(does: &str, folder: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(worker());
    stores::tell(&mut command, folder).arg(does).arg(folder).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn said(child: Child) -> Vec<Op> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "a worker failed: {:?}", output.status);
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn seeded(kind: Kind, tasks: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    stores::keep_to(kind, folder.path());
    said(start("seed", folder.path(), &[&tasks.to_string()]));
    folder
}

/// The tasks that are done, of a store that is whole.
fn completed(folder: &Path) -> BTreeSet<String> {
    let backend = stores::open(folder).unwrap();
    assert_eq!(replay::disagreements(backend.as_ref()).unwrap(), Vec::<String>::new());
    assert_eq!(backend.check().unwrap(), Vec::<String>::new());
    let rows = store::snapshot(backend.as_ref(), replay::rows).unwrap();
    let done = rows.tasks.values().filter(|task| task.status().word() == "done");
    done.map(|task| task.id.to_string()).collect()
}

over_both_stores![
    sixteen_processes_share_out_a_store_of_tasks,
    killed_processes_lose_nothing_they_were_told,
    a_process_that_slept_past_its_lease_writes_nothing,
];

fn sixteen_processes_share_out_a_store_of_tasks(kind: Kind) {
    const TASKS: usize = 240;
    let folder = seeded(kind, TASKS);
    let names: Vec<String> = (0..16).map(|number| format!("worker-{number:x}")).collect();
    let children: Vec<Child> = names.iter().map(|name| start("work", folder.path(), &[name, "1000"])).collect();
    let history: Vec<Op> = children.into_iter().flat_map(said).collect();
    let done = completed(folder.path());
    assert_eq!(violations(&history, &done), Vec::<String>::new());
    assert_eq!((done.len(), history.iter().filter(|op| op.is("complete")).count()), (TASKS, TASKS));
    assert!(history.iter().all(|op| op.ok), "nobody's lease ran out, so nobody is refused");
    let worst = history.iter().map(|op| (op.t1 - op.t0) / 1_000_000).max().unwrap_or(0);
    eprintln!("worst wait of {} operations in 16 processes: {worst} ms", history.len());
}

fn killed_processes_lose_nothing_they_were_told(kind: Kind) {
    let folder = seeded(kind, 400);
    let mut history = Vec::new();
    for round in 0..4 {
        let names: Vec<String> = (0..4).map(|number| format!("round-{round}-{number}")).collect();
        let begin = |name: &String| start("work", folder.path(), &[name, "1000", "5"]);
        let mut children: Vec<Child> = names.iter().map(begin).collect();
        let mut readers = Vec::new();
        for child in &mut children {
            readers.push(BufReader::new(child.stdout.take().unwrap()));
        }
        // Each in the midst of its work: after a few of its lines, not after a time.
        for (child, reader) in children.iter_mut().zip(&mut readers) {
            let mut text = String::new();
            for _ in 0..8 + round {
                reader.read_line(&mut text).unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            reader.read_to_string(&mut text).unwrap();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            history.extend(whole.map(|line| serde_json::from_str::<Op>(line).unwrap()));
        }
    }
    let done = completed(folder.path());
    assert_eq!(violations(&history, &done), Vec::<String>::new());
    assert!(history.iter().filter(|op| op.is("complete")).count() >= 16, "{} operations", history.len());
}

fn a_process_that_slept_past_its_lease_writes_nothing(kind: Kind) {
    let folder = seeded(kind, 1);
    let mut sleeper = start("pause", folder.path(), &["sleeper"]);
    let mut lines = BufReader::new(sleeper.stdout.take().unwrap()).lines();
    let mut history: Vec<Op> = vec![serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()];
    let pid = Pid::from_child(&sleeper);
    kill_process(pid, Signal::STOP).unwrap();
    // Only time ends a lease, and five seconds is the shortest there is.
    let (left, now) = (history[0].until.unwrap(), phasegate::engine::clock::System);
    while phasegate::engine::clock::Clock::now(&now) <= left {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    history.extend(said(start("work", folder.path(), &["heir", "1"])));
    kill_process(pid, Signal::CONT).unwrap();
    sleeper.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let late: Vec<Op> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(sleeper.wait().unwrap().success());
    assert_eq!(late.len(), 5);
    for op in &late {
        assert!(!op.ok && op.code.as_deref() == Some("stale_claim"), "{op:?}");
    }
    history.extend(late);
    let fences: Vec<_> = history.iter().filter(|op| op.is("claim")).map(|op| (op.agent.as_str(), op.fence)).collect();
    assert_eq!(fences, [("sleeper", 1), ("heir", 2)]);
    assert_eq!(violations(&history, &completed(folder.path())), Vec::<String>::new());
}

/// POSIX drops every lock a process has on a file when it closes any descriptor of it. A process that opens the store again
/// must not lose the lock that keeps others from taking its log away.
#[test]
fn opening_the_store_again_does_not_let_another_process_take_the_log_away() {
    let folder = seeded(Kind::Sqlite, 3);
    let state = folder.path().join(".phasegate");
    let first = store::open(None, &state).unwrap();
    drop(store::open(None, &state));
    let history = said(start("work", folder.path(), &["other", "1"]));
    assert!(history.iter().any(|op| op.is("complete")));
    assert!(state.join("phasegate.db-wal").exists(), "the other process thought it was the last and took the log away");
    store::note_meta(first.as_ref(), "kept", "yes".to_owned(), true).unwrap();
    let second = store::open(None, &state).unwrap();
    let kept = store::snapshot(second.as_ref(), |tx| store::meta(tx, "kept")).unwrap();
    assert_eq!(kept.as_deref(), Some("yes"), "an acknowledged write is gone");
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let op = |op: &str, agent: &str, fence: u64, t0: u64, t1: u64| Op {
        op: op.to_owned(),
        task: "T-1".to_owned(),
        agent: agent.to_owned(),
        fence,
        t0,
        t1,
        ok: true,
        until: (op == "claim").then_some(Time(i64::try_from(t1).unwrap() / 1_000_000 + 10)),
        code: None,
    };
    const MS: u64 = 1_000_000;
    let done = BTreeSet::from(["T-1".to_owned()]);
    let good = vec![
        op("claim", "a", 1, 0, MS),
        op("claim", "b", 2, 12 * MS, 13 * MS),
        op("complete", "b", 2, 14 * MS, 15 * MS),
    ];
    assert_eq!(violations(&good, &done), Vec::<String>::new());
    let with = |extra: Op| [good.clone(), vec![extra]].concat();
    for (history, sees) in [
        (with(op("claim", "c", 2, 13 * MS, 14 * MS)), "went to"),
        (with(op("claim", "c", 3, MS / 4, MS / 2)), "before"),
        (vec![op("claim", "a", 1, 0, MS), op("claim", "b", 2, 2 * MS, 3 * MS)], "at once"),
        (with(op("progress", "a", 1, 14 * MS, 15 * MS)), "old fence"),
        (with(op("complete", "c", 2, 14 * MS, 15 * MS)), "without a claim"),
        (with(op("complete", "b", 2, 16 * MS, 17 * MS)), "2 times"),
        (with(op("claim", "c", 3, 30 * MS, 31 * MS)), "after its end"),
    ] {
        let found = violations(&history, &done);
        assert!(found.iter().any(|text| text.contains(sees)), "{sees}: {found:?}");
    }
    assert!(violations(&good, &BTreeSet::new())[0].contains("and is not"));
}
