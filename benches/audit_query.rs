//! `cargo bench --bench audit_query`: the log asked and exported at 10,000,000 records, each figure beside a bare reference
//! in the same run. Nothing here asserts. `RECORDS=1000000` makes a smaller log.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads clocks, prints, and ends when something is wrong"
)]

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use phasegate::audit::export::{Export, Format};
use phasegate::audit::lines;
use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{TaskId, Time};
use phasegate::domain::record::{CountBy, RecordFilter};
use phasegate::engine::{Engine, Unwatched, clock};
use phasegate::tools;
use serde_json::json;

/// Of records in a task.
const PER_TASK: u64 = 10;
/// Records that are exported and read back.
const EXPORTED: u64 = 2_000_000;
const START_MS: u64 = 1_780_000_000_000;
const STEP_MS: u64 = 250;

/// Four kinds of record, of about 300 bytes each; tasks are spread over the whole log.
const FILL: &str = r#"
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1),
r(i, at, task, who, kind) AS (
  SELECT i, ?2 + i * ?3, 1 + (i * 7919) % ?4, 'agent-' || (i * 31 % 500),
    CASE i % 10 WHEN 0 THEN 'CommandRefused' WHEN 1 THEN 'TaskClaimed' WHEN 2 THEN 'GatePassed' ELSE 'ProgressNoted' END
  FROM n)
INSERT INTO events(seq, at, kind, task, agent, body)
SELECT i, at, kind, task, who,
  '{"v":1,"at":"' || strftime('%Y-%m-%dT%H:%M:%f', at / 1000.0, 'unixepoch') || 'Z","agent":"' || who || '","role":"agent","tool":"' ||
  CASE kind
    WHEN 'CommandRefused' THEN 'transition_phase","event":{"type":"CommandRefused","task":"T-' || task || '","code":"gates_unmet","message":"T-' || task || ' cannot leave build: `command-1` has not passed since the last write; it said \"3 of 141 tests failed\""}}'
    WHEN 'TaskClaimed' THEN 'claim_task","event":{"type":"TaskClaimed","task":"T-' || task || '","agent":"' || who || '","fence":' || (i % 7) || ',"handle":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","lease_seconds":900}}'
    WHEN 'GatePassed' THEN 'transition_phase","event":{"type":"GatePassed","task":"T-' || task || '","gate":"command-1","run":"G-' || i || '","summary":"cargo test passed in 41.2 s","tree":"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}}'
    ELSE 'update_task","event":{"type":"ProgressNoted","task":"T-' || task || '","note":"the second of four endpoints is done; its tests pass, and the next one is begun with the table","percent":' || (i % 100) || '.5}}'
  END
FROM r
"#;

fn main() {
    let records: u64 = std::env::var("RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let folder = tempfile::tempdir().unwrap();
    let free = rustix::fs::statvfs(folder.path()).map(|found| found.f_bavail * found.f_frsize).unwrap_or(0);
    let needed = records * 450 + (2 << 30);
    if free < needed {
        println!("{} has {free} bytes free, {needed} are needed; nothing was measured", folder.path().display());
        return;
    }
    let engine = open(folder.path());
    drop(engine);
    fill(folder.path(), records);
    let engine = open(folder.path());
    history(&engine, folder.path(), records);
    searches(&engine, records);
    export(&engine, folder.path());
    read_back(&engine);
}

fn open(folder: &Path) -> Arc<Engine> {
    let workspace = Workspace::find(Some(folder), folder).unwrap();
    Arc::new(phasegate::engine::open(workspace, &Settings::default(), Arc::new(clock::System)).unwrap())
}

fn bare(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join(".phasegate/phasegate.db")).unwrap()
}

fn fill(folder: &Path, records: u64) {
    let begun = Instant::now();
    let connection = bare(folder);
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; DELETE FROM events;").unwrap();
    connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(())).unwrap();
    connection.execute(FILL, [records, START_MS, STEP_MS, records / PER_TASK].map(u64::cast_signed)).unwrap();
    let bytes: u64 = connection
        .query_row("SELECT avg(length(body)) FROM events WHERE seq <= 10000", [], |row| row.get::<_, f64>(0))
        .unwrap() as u64;
    let size = std::fs::metadata(folder.join(".phasegate/phasegate.db")).unwrap().len();
    println!(
        "{records} records of about {bytes} bytes made in {:.0} s, {} MiB",
        begun.elapsed().as_secs_f64(),
        size >> 20
    );
}

fn told(mut micros: Vec<u64>) -> String {
    micros.sort_unstable();
    let at = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize];
    format!("n={} p50={} us p99={} us max={} us", micros.len(), at(0.5), at(0.99), at(1.0))
}

fn timed(mut work: impl FnMut(u64)) -> String {
    let rounds = (0..500u64).map(|round| {
        let start = Instant::now();
        work(round);
        start.elapsed().as_micros() as u64
    });
    told(rounds.collect())
}

/// One task's whole story.
fn history(engine: &Engine, folder: &Path, records: u64) {
    let tasks = records / PER_TASK;
    let task = |round: u64| 1 + (round * 104_729) % tasks;
    let connection = bare(folder);
    let mut statement =
        connection.prepare("SELECT seq, body FROM events WHERE task = ?1 ORDER BY seq DESC LIMIT 51").unwrap();
    let reference = timed(|round| {
        let mut rows = statement.query([task(round + 7).cast_signed()]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            black_box(row.get::<_, String>(1).unwrap());
        }
    });
    let ours = timed(|round| {
        let filter = RecordFilter { task: Some(TaskId(task(round + 600))), limit: 50, ..RecordFilter::default() };
        assert_eq!(engine.records(&filter).unwrap().records.len() as u64, PER_TASK);
    });
    let auditor = Caller::new("ada", Role::Auditor);
    let tool = tools::find("query_audit").unwrap();
    let call = timed(|round| {
        let arguments = json!({ "task": format!("T-{}", task(round + 1200)), "limit": 50 });
        black_box(engine.call(&auditor, tool, arguments, &Unwatched).unwrap());
    });
    println!("history of a task: bare SQL {reference}");
    println!("history of a task: records {ours}");
    println!("history of a task: query_audit, the whole call {call}");
}

/// What has no index: a page by time, and bounded reads.
fn searches(engine: &Engine, records: u64) {
    let span = records * STEP_MS;
    let page = timed(|round| {
        let since = START_MS + (round * 7_368_787) % (span - 3_600_000);
        let filter =
            RecordFilter { since: Some(Time(since as i64)), after: Some(0), limit: 50, ..RecordFilter::default() };
        assert_eq!(engine.records(&filter).unwrap().records.len(), 50);
    });
    println!("the first 50 records since a time: {page}");
    let filters = [
        (
            "by an agent that is not there",
            RecordFilter { agent: Some("nobody".to_owned()), limit: 50, ..RecordFilter::default() },
        ),
        (
            "by a text that is not there",
            RecordFilter { text: Some("no such text".to_owned()), limit: 50, ..RecordFilter::default() },
        ),
        (
            "counted by kind and day",
            RecordFilter { count_by: vec![CountBy::Kind, CountBy::Day], limit: 50, ..RecordFilter::default() },
        ),
    ];
    for (name, filter) in filters {
        let start = Instant::now();
        let page = engine.records(&filter).unwrap();
        let scanned = page.scanned.unwrap();
        println!("{name}: one call reads {scanned} records in {} ms", start.elapsed().as_millis());
    }
}

fn rate(count: u64, begun: Instant) -> String {
    format!("{:.0}/s", count as f64 / begun.elapsed().as_secs_f64())
}

fn export(engine: &Engine, folder: &Path) {
    let last = engine.last_record().unwrap().min(EXPORTED);
    for round in 1..=2 {
        let mut sink = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        let connection = bare(folder);
        let begun = Instant::now();
        let mut statement = connection.prepare("SELECT body FROM events WHERE seq <= ?1 ORDER BY seq").unwrap();
        let mut rows = statement.query([last.cast_signed()]).unwrap();
        let mut bytes = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            bytes.extend_from_slice(row.get_ref(0).unwrap().as_bytes().unwrap());
            if bytes.len() > 256 << 10 {
                sink.write_all(&bytes).unwrap();
                bytes.clear();
            }
        }
        println!("round {round}: bare SELECT body to /dev/null {}", rate(last, begun));
        for (name, format) in [("jsonl", Format::Jsonl), ("csv", Format::Csv), ("otel", Format::Otel)] {
            let begun = Instant::now();
            let (mut export, mut next) = (Export::new(format), 1);
            while let Some(read) = engine.export(next, last, &mut |row| export.row(row).unwrap()).unwrap() {
                if export.bytes.len() > 256 << 10 {
                    sink.write_all(&export.bytes).unwrap();
                    export.bytes.clear();
                }
                next = read + 1;
            }
            export.end();
            sink.write_all(&export.bytes).unwrap();
            println!("round {round}: export {name} to /dev/null {}", rate(last, begun));
        }
    }
}

fn read_back(engine: &Engine) {
    let last = engine.last_record().unwrap().min(EXPORTED / 2);
    let (mut export, mut next) = (Export::new(Format::Jsonl), 1);
    while let Some(read) = engine.export(next, last, &mut |row| export.row(row).unwrap()).unwrap() {
        next = read + 1;
    }
    let bytes = export.bytes;
    println!("{last} lines, {} bytes each", bytes.len() as u64 / last);
    for round in 1..=3 {
        let begun = Instant::now();
        let lengths: usize = split(&bytes).map(<[u8]>::len).sum();
        black_box(lengths);
        println!("round {round}: lines split by memchr {}", rate(last, begun));
        let begun = Instant::now();
        let read: u64 = split(&bytes).map(|line| u64::from(black_box(lines::read(line)).is_ok())).sum();
        assert_eq!(read, last);
        println!("round {round}: heads read from lines {}", rate(last, begun));
    }
    let begun = Instant::now();
    for line in split(&bytes).take(200_000) {
        black_box(serde_json::from_slice::<serde_json::Value>(line).unwrap());
    }
    println!("the same as serde_json values {}", rate(last.min(200_000), begun));
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    memchr::memchr_iter(b'\n', bytes).map(move |end| {
        let line = &bytes[from..end];
        from = end + 1;
        line
    })
}
