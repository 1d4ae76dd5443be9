//! A worker for the fault tests: claims tasks and completes them through the library, one JSON line for each operation that
//! was acknowledged; and `check`, which says whether a store lost any of them or disagrees with its record.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints and reads the clock"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a tool for tests stops at the first surprise"
)]

#[expect(dead_code, reason = "tests read more of a record than this does")]
#[path = "../tests/it/support/replay.rs"]
mod replay;

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::event::Event;
use phasegate::domain::facts::{Caller, Role};
use phasegate::engine::clock::System;
use phasegate::engine::{self, Engine, Failure, Unwatched};
use phasegate::{store, tools};
use serde_json::{Value, json};

const WORKFLOW: &str =
    "version: 1\nname: plain\nphases:\n  work: { allow: [Read], next: [done] }\n  done: { end: true }\n";
const USAGE: &str = "worker seed DIR TASKS | work DIR AGENT COUNT [LEASE] | pause DIR AGENT | check DIR [ACKS] | check - | unsynced DIR COUNT";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seed", folder, count] => seed(Path::new(folder), count.parse().unwrap()),
        ["work", folder, agent, count] => work(Path::new(folder), agent, count.parse().unwrap(), 60),
        ["work", folder, agent, count, lease] => {
            work(Path::new(folder), agent, count.parse().unwrap(), lease.parse().unwrap());
        }
        ["pause", folder, agent] => pause(Path::new(folder), agent),
        ["check", "-"] => check_all(),
        ["check", folder] => report(check(Path::new(folder), None)),
        ["check", folder, acks] => report(check(Path::new(folder), Some(Path::new(acks)))),
        ["unsynced", folder, count] => unsynced(Path::new(folder), count.parse().unwrap()),
        _ => panic!("{USAGE}"),
    }
}

/// The address of the store, where it is not the file in the folder.
fn address() -> Option<String> {
    std::env::var("PHASEGATE_STORE").ok()
}

fn open(folder: &Path) -> Engine {
    let workspace = Workspace::find(Some(folder), folder).unwrap();
    let settings = Settings { store: address(), ..Settings::default() };
    engine::open(workspace, &settings, Arc::new(System)).unwrap_or_else(|error| panic!("open: {error}"))
}

fn caller(name: &str, role: Role) -> Caller {
    Caller::new(name, role)
}

/// Nanoseconds since 1970: one clock for all processes of the machine.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn say(line: &Value) {
    // One write a line: what is cut off was not acknowledged.
    let text = format!("{line}\n");
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}

fn call(engine: &Engine, who: &Caller, tool: &str, arguments: Value) -> Result<Value, String> {
    match engine.call(who, tools::find(tool).unwrap(), arguments, &Unwatched) {
        Ok(reply) => Ok(reply.structured),
        Err(Failure::Refused(refusal)) => Err(refusal.code.word().to_owned()),
        Err(Failure::Broken(error)) => Err(format!("broken: {error}")),
    }
}

fn seed(folder: &Path, count: usize) {
    std::fs::write(folder.join("phasegate.yaml"), WORKFLOW).unwrap();
    let engine = open(folder);
    let lead = caller("lead", Role::Operator);
    engine.trust_file(&lead, &folder.join("phasegate.yaml")).unwrap_or_else(|error| panic!("trust: {error}"));
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let tasks: Vec<Value> = chunk.iter().map(|number| json!({"title": format!("task {number}")})).collect();
        let reply = call(&engine, &lead, "submit_task", json!({"tasks": tasks})).unwrap();
        for task in reply["tasks"].as_array().unwrap() {
            say(&json!({"op": "submit", "task": task["id"], "agent": "lead", "ok": true}));
        }
    }
}

/// Claims and completes until so many are done or none is left. Every operation is said, the refused ones too.
fn work(folder: &Path, agent: &str, count: usize, lease: u64) {
    let engine = open(folder);
    let who = caller(agent, Role::Agent);
    for _ in 0..count {
        let t0 = now();
        let brief = match call(&engine, &who, "claim_task", json!({"lease_seconds": lease})) {
            Ok(brief) => brief,
            Err(code) if code == "nothing_ready" => return,
            Err(code) => panic!("claim: {code}"),
        };
        let (task, fence) = (brief["task"].clone(), brief["fence"].clone());
        let until = brief["lease_until"].clone();
        say(
            &json!({"op": "claim", "task": task, "agent": agent, "fence": fence, "t0": t0, "t1": now(), "until": until, "ok": true}),
        );
        for (op, tool, mut arguments) in [
            ("progress", "update_task", json!({"progress": "working"})),
            ("complete", "transition_phase", json!({"summary": "done"})),
        ] {
            arguments["claim"] = brief["claim"].clone();
            let t0 = now();
            let result = call(&engine, &who, tool, arguments);
            let ok = result.is_ok();
            say(
                &json!({"op": op, "task": task, "agent": agent, "fence": fence, "t0": t0, "t1": now(), "ok": ok, "code": result.err()}),
            );
        }
    }
}

/// Claims with the shortest lease, waits for a line on stdin, and then writes as if nothing had happened.
fn pause(folder: &Path, agent: &str) {
    let engine = open(folder);
    let who = caller(agent, Role::Agent);
    let t0 = now();
    let brief = call(&engine, &who, "claim_task", json!({"lease_seconds": 5})).unwrap();
    let (task, fence, until) = (brief["task"].clone(), brief["fence"].clone(), brief["lease_until"].clone());
    say(
        &json!({"op": "claim", "task": task, "agent": agent, "fence": fence, "t0": t0, "t1": now(), "until": until, "ok": true}),
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    for (op, tool, mut arguments) in [
        ("progress", "update_task", json!({"progress": "late"})),
        ("checkpoint", "update_task", json!({"checkpoint": {"late": true}})),
        ("artifact", "submit_artifact", json!({"name": "late", "content": "late"})),
        ("release", "update_task", json!({"release": true})),
        ("complete", "transition_phase", json!({"summary": "late"})),
    ] {
        arguments["claim"] = brief["claim"].clone();
        let t0 = now();
        let result = call(&engine, &who, tool, arguments);
        let ok = result.is_ok();
        say(
            &json!({"op": op, "task": task, "agent": agent, "fence": fence, "t0": t0, "t1": now(), "ok": ok, "code": result.err()}),
        );
    }
}

/// Proves that the tools find damage: acknowledges rows that nothing has synced, over a connection of its own.
fn unsynced(folder: &Path, count: usize) {
    let connection = rusqlite::Connection::open(folder.join(".phasegate/phasegate.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 20).unwrap();
    for number in 0..count {
        let key = format!("unsynced-{number}");
        connection.execute("INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)", (&key, "x".repeat(900))).unwrap();
        say(&json!({"op": "note", "key": key, "ok": true}));
    }
}

fn report(findings: Vec<String>) {
    if findings.is_empty() {
        println!("ok");
        return;
    }
    findings.iter().for_each(|finding| println!("FAIL {finding}"));
    std::process::exit(1);
}

/// Folders from stdin, each with a tab and its acknowledgements; an answer a line.
fn check_all() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (folder, acks) = line.split_once('\t').unwrap();
        let findings = check(Path::new(folder), Some(Path::new(acks)));
        let shown: Vec<String> =
            findings.iter().take(3).map(|text| text.replace('\n', " ").chars().take(300).collect()).collect();
        println!("{}", if shown.is_empty() { "ok".to_owned() } else { format!("FAIL {}", shown.join(" | ")) });
        std::io::stdout().flush().unwrap();
    }
}

/// The store is whole, state and record agree, and what was acknowledged is there.
fn check(folder: &Path, acks: Option<&Path>) -> Vec<String> {
    let backend = match store::open(address().as_deref(), &folder.join(".phasegate")) {
        Ok(backend) => backend,
        Err(error) => return vec![format!("it cannot be opened: {error}")],
    };
    let mut findings = match backend.check() {
        Ok(findings) => findings,
        Err(error) => vec![format!("it cannot be checked: {error}")],
    };
    match replay::disagreements(backend.as_ref()) {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(format!("it cannot be read: {error}")),
    }
    if let Some(acks) = acks {
        findings.extend(lost(backend.as_ref(), &std::fs::read_to_string(acks).unwrap()));
    }
    findings
}

/// Acknowledged operations of which the record knows nothing.
fn lost(backend: &dyn store::Backend, acks: &str) -> Vec<String> {
    let Ok(records) = replay::records(backend) else { return Vec::new() };
    let mut known = BTreeSet::new();
    for record in &records {
        let task = record.event.task().map(|id| id.to_string()).unwrap_or_default();
        known.insert(match &record.event {
            Event::TaskClaimed { agent, fence, .. } => format!("claim {task} {agent} {fence}"),
            Event::TaskSubmitted { .. } => format!("submit {task}"),
            Event::ProgressNoted { .. } => format!("progress {task} {}", record.agent),
            Event::TaskCompleted { .. } => format!("complete {task} {}", record.agent),
            _ => continue,
        });
    }
    let text = |ack: &Value, key: &str| ack[key].as_str().unwrap_or_default().to_owned();
    let mut gone = Vec::new();
    // A last line that was cut off was not acknowledged.
    for ack in acks.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|ack| ack["ok"] == true)
    {
        let (task, agent) = (text(&ack, "task"), text(&ack, "agent"));
        let there = match ack["op"].as_str().unwrap_or_default() {
            "claim" => known.contains(&format!("claim {task} {agent} {}", ack["fence"])),
            "submit" => known.contains(&format!("submit {task}")),
            "note" => store::snapshot(backend, |tx| store::meta(tx, &text(&ack, "key"))).ok().flatten().is_some(),
            op => known.contains(&format!("{op} {task} {agent}")),
        };
        if !there {
            gone.push(format!("acknowledged and lost: {ack}"));
        }
    }
    gone
}
