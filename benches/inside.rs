//! The engine in one process and in many: durable throughput, how it scales with the number of tasks, and fairness.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::facts::{Caller, Role};
use phasegate::engine::{Engine, Unwatched, clock};
use phasegate::tools;
use serde_json::{Value, json};

use crate::{raw, told};

const FLOW: &str = "version: 1\nname: plain\nphases:\n  work: { next: [done] }\n  done: { end: true }\n";
const TIME: Duration = Duration::from_secs(4);

pub fn open(folder: &Path) -> Arc<Engine> {
    let workspace = Workspace::find(Some(folder), folder).unwrap();
    Arc::new(phasegate::engine::open(workspace, &Settings::default(), Arc::new(clock::System)).unwrap())
}

pub fn fresh(folder: &Path) -> Arc<Engine> {
    trusted(folder, open(folder))
}

/// The same engine, with the workflow of these measurements in force.
pub fn trusted(folder: &Path, engine: Arc<Engine>) -> Arc<Engine> {
    std::fs::write(folder.join("phasegate.yaml"), FLOW).unwrap();
    let person = Caller { role: Role::Operator, ..agent("person") };
    engine.trust_file(&person, &folder.join("phasegate.yaml")).unwrap();
    engine
}

pub fn agent(name: &str) -> Caller {
    Caller::new(name, Role::Agent)
}

pub fn call(engine: &Engine, caller: &Caller, tool: &str, arguments: Value) -> Value {
    let tool = tools::find(tool).unwrap();
    engine.call(caller, tool, arguments, &Unwatched).unwrap_or_else(|error| panic!("{}: {error}", tool.name)).structured
}

/// Adds tasks until there are `wanted` of them.
pub fn fill(engine: &Engine, from: usize, wanted: usize) {
    let person = agent("filler");
    let mut made = from;
    while made < wanted {
        let count = (wanted - made).min(500);
        let tasks: Vec<Value> = (0..count).map(|index| json!({ "title": format!("task {}", made + index) })).collect();
        call(engine, &person, "submit_task", json!({ "tasks": tasks }));
        made += count;
    }
}

/// Claim and complete, from 64 callers in one process, against rows that are committed the same way with nothing around them.
pub fn group() {
    for round in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let bare = raw::group_commit(folder.path(), 64, 200, 1, TIME);
        let engine = fresh(folder.path());
        fill(&engine, 0, 400_000);
        let begun = Instant::now();
        let callers: Vec<_> = (0..64)
            .map(|index| {
                let engine = Arc::clone(&engine);
                std::thread::spawn(move || {
                    let me = agent(&format!("agent-{index}"));
                    let (mut done, mut waits) = (0u64, Vec::new());
                    while begun.elapsed() < TIME {
                        let start = Instant::now();
                        call(&engine, &me, "claim_task", json!({}));
                        waits.push(start.elapsed().as_micros() as u64);
                        call(&engine, &me, "transition_phase", json!({ "to": "done" }));
                        done += 1;
                    }
                    (done, waits)
                })
            })
            .collect();
        let (mut pairs, mut waits) = (0, Vec::new());
        for caller in callers {
            let (done, mut waited) = caller.join().unwrap();
            pairs += done;
            waits.append(&mut waited);
        }
        let commands = 2.0 * pairs as f64 / begun.elapsed().as_secs_f64();
        drop(engine);
        let after = raw::group_commit(folder.path(), 64, 200, 1, TIME);
        let same = raw::same_work(folder.path(), 64, TIME);
        let one_row = (bare + after) / 2.0;
        println!(
            "round {round}: {commands:.0} durable commands/s ({:.0} claim+complete/s), claim {}",
            commands / 2.0,
            told(waits)
        );
        println!(
            "round {round}: the same rows by bare SQL {same:.0}/s, ratio {:.2}; one bare row a command {one_row:.0}/s, ratio {:.2}",
            commands / same,
            commands / one_row
        );
    }
}

/// The same work at a thousand and at a million tasks.
pub fn scale() {
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(folder.path());
    let mut before = 0;
    for size in [1_000, 100_000, 1_000_000] {
        let begun = Instant::now();
        fill(&engine, before, size);
        println!("{size} tasks: filled at {:.0}/s", (size - before) as f64 / begun.elapsed().as_secs_f64());
        before = size;
        let me = agent("ana");
        let (mut claims, mut lists, mut pages) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..400 {
            let start = Instant::now();
            call(&engine, &me, "claim_task", json!({}));
            claims.push(start.elapsed().as_micros() as u64);
            call(&engine, &me, "update_task", json!({ "release": true }));
            let start = Instant::now();
            call(&engine, &agent("reader"), "list_tasks", json!({ "limit": 50 }));
            lists.push(start.elapsed().as_micros() as u64);
            let after = format!("T-{}", 1 + round * (size / 500));
            let start = Instant::now();
            call(&engine, &agent("reader"), "list_tasks", json!({ "status": "ready", "after": after, "limit": 50 }));
            pages.push(start.elapsed().as_micros() as u64);
        }
        println!("{size} tasks: claim {}", told(claims));
        println!("{size} tasks: list_tasks, first page {}", told(lists));
        println!("{size} tasks: list_tasks, a page in the middle {}", told(pages));
    }
}

/// 16 processes on one file.
pub fn processes() {
    let folder = tempfile::tempdir().unwrap();
    fill(&fresh(folder.path()), 0, 60_000);
    let program = std::env::current_exe().unwrap();
    let mut workers: Vec<_> = (0..16)
        .map(|index| {
            let mut command = Command::new(&program);
            command.args(["worker", folder.path().to_str().unwrap(), &index.to_string()]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut outputs: Vec<_> = workers.iter_mut().map(|worker| BufReader::new(worker.stdout.take().unwrap())).collect();
    for output in &mut outputs {
        let mut ready = String::new();
        output.read_line(&mut ready).unwrap();
    }
    for worker in &mut workers {
        worker.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let (mut all, mut claims, mut per_process) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut doubles = 0;
    for output in outputs {
        let mut mine = 0;
        for line in output.lines().map(Result::unwrap) {
            let (task, micros) = line.split_once(' ').unwrap();
            doubles += u64::from(!claims.insert(task.to_owned()));
            all.push(micros.parse::<u64>().unwrap());
            mine += 1;
        }
        per_process.push(mine);
    }
    for mut worker in workers {
        worker.wait().unwrap();
    }
    let count = all.len();
    println!(
        "16 processes, {} s: {:.0} claim+complete/s, {doubles} double claims, per process {} to {}; claim {}",
        TIME.as_secs(),
        count as f64 / TIME.as_secs_f64(),
        per_process.iter().min().unwrap(),
        per_process.iter().max().unwrap(),
        told(all)
    );
}

/// One of the 16: claims and completes as fast as it can, and tells each claim and how long it waited.
pub fn worker(arguments: &[String]) {
    let engine = open(Path::new(&arguments[1]));
    let me = agent(&format!("worker-{}", arguments[2]));
    println!("ready");
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).unwrap();
    let (begun, mut lines) = (Instant::now(), String::new());
    while begun.elapsed() < TIME {
        let start = Instant::now();
        let brief = call(&engine, &me, "claim_task", json!({}));
        lines.push_str(&format!("{} {}\n", brief["task"].as_str().unwrap(), start.elapsed().as_micros()));
        call(&engine, &me, "transition_phase", json!({ "to": "done" }));
    }
    std::io::stdout().write_all(lines.as_bytes()).unwrap();
}
