//! The engine over PostgreSQL, beside pgbench on the same server in the same run: sixteen that claim at once, and one that
//! claims among a thousand and among a million tasks. Started by `tests/postgres/cluster.py with -- cargo bench …`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::engine::{Engine, clock};
use serde_json::json;

use crate::inside::{agent, call, fill, trusted};
use crate::{percentile, told};

const CLAIMERS: usize = 16;
const TIME: Duration = Duration::from_secs(6);
/// More than are claimed in all rounds.
const TASKS: usize = 200_000;

/// A claim with nothing around it: the next ready row and a record of it of the size that ours have, in one transaction.
const BARE_SCHEMA: &str = "
DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare; SET search_path TO bare;
CREATE TABLE tasks(id BIGINT PRIMARY KEY, urgency INT NOT NULL, status INT NOT NULL DEFAULT 0, agent INT,
    fence BIGINT NOT NULL DEFAULT 0, lease_until TIMESTAMPTZ, body TEXT NOT NULL) WITH (fillfactor = 70);
INSERT INTO tasks(id, urgency, body) SELECT n, 2, repeat('x', 300) FROM generate_series(1, 400000) n;
CREATE INDEX tasks_ready ON tasks(urgency DESC, id) WHERE status = 0;
CREATE TABLE records(seq BIGSERIAL PRIMARY KEY, body TEXT NOT NULL);";
const BARE_CLAIM: &str = "
BEGIN;
UPDATE bare.tasks SET status = 1, agent = :client_id, fence = fence + 1, lease_until = now() + interval '60 s' WHERE id =
    (SELECT id FROM bare.tasks WHERE status = 0 ORDER BY urgency DESC, id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id;
INSERT INTO bare.records(body) VALUES (repeat('y', 300));
COMMIT;";

fn server() -> Option<String> {
    let server = std::env::var("PHASEGATE_TEST_POSTGRES").ok();
    if server.is_none() {
        println!("left out: run `tests/postgres/cluster.py with -- cargo bench --bench measure -- postgres`");
    }
    server
}

fn psql(server: &str, sql: &str) -> String {
    let done = Command::new("psql").args(["-X", "-q", "-At", "-d", server, "-c", sql]).output().unwrap();
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn engine(folder: &Path, url: &str) -> Arc<Engine> {
    let workspace = Workspace::find(Some(folder), folder).unwrap();
    let settings = Settings { store: Some(url.to_owned()), ..Settings::default() };
    Arc::new(phasegate::engine::open(workspace, &settings, Arc::new(clock::System)).unwrap())
}

/// An engine on a schema of its own, with a workflow in force.
fn fresh(folder: &Path, server: &str, schema: &str) -> Arc<Engine> {
    psql(server, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
    trusted(folder, engine(folder, &format!("{server}?schema={schema}")))
}

/// Claims a second, and the mean wait in milliseconds, as pgbench says.
fn bare(folder: &Path, server: &str) -> (f64, f64) {
    psql(server, BARE_SCHEMA);
    // Outside of a transaction.
    psql(server, "VACUUM ANALYZE bare.tasks");
    let script = folder.join("claim.sql");
    std::fs::write(&script, BARE_CLAIM).unwrap();
    let (claimers, seconds) = (CLAIMERS.to_string(), TIME.as_secs().to_string());
    let mut command = Command::new("pgbench");
    command.args(["-n", "-c", &claimers, "-j", "2", "-T", &seconds, "-M", "prepared", "-f"]).arg(&script);
    let done = command.arg(server).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let after = |mark: &str| {
        let rest = said.split(mark).nth(1).unwrap_or_else(|| panic!("no `{mark}` in {said}"));
        rest.trim_start().split(' ').next().and_then(|number| number.parse().ok()).unwrap()
    };
    (after("tps = "), after("latency average = "))
}

/// Claims a second by so many threads, each claim by an agent that holds nothing yet; and every wait.
fn claimed(engines: &[Arc<Engine>], round: usize) -> (f64, Vec<u64>) {
    let (stop, all) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let waits = std::thread::scope(|scope| {
        let claimers: Vec<_> = (0..CLAIMERS)
            .map(|index| {
                let (engine, stop, all) = (&engines[index % engines.len()], &stop, &all);
                scope.spawn(move || {
                    let mut waits = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let me = agent(&format!("claimer-{round}-{index}-{}", waits.len()));
                        let start = Instant::now();
                        call(engine, &me, "claim_task", json!({}));
                        waits.push(start.elapsed().as_micros() as u64);
                        all.fetch_add(1, Ordering::Relaxed);
                    }
                    waits
                })
            })
            .collect();
        std::thread::sleep(TIME);
        stop.store(true, Ordering::Relaxed);
        claimers.into_iter().flat_map(|claimer| claimer.join().unwrap()).collect()
    });
    (all.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64(), waits)
}

/// Sixteen claimers in one process, and shared out over three, beside pgbench before and after.
pub fn claimers() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = fresh(folder.path(), &server, "measured");
    fill(&first, 0, TASKS);
    psql(&server, "VACUUM ANALYZE measured.tasks");
    let url = format!("{server}?schema=measured");
    let three = [Arc::clone(&first), engine(folder.path(), &url), engine(folder.path(), &url)];
    for round in 1..=3 {
        let (before, wait_before) = bare(folder.path(), &server);
        let (one, waits) = claimed(&three[..1], round * 2);
        let (shared, waits_shared) = claimed(&three, round * 2 + 1);
        let (after, wait_after) = bare(folder.path(), &server);
        let reference = f64::midpoint(before, after);
        println!(
            "round {round}: pgbench {before:.0} and {after:.0} claims/s, {:.2} ms",
            f64::midpoint(wait_before, wait_after)
        );
        println!("round {round}: one engine {one:.0} claims/s, ratio {:.2}; claim {}", one / reference, told(waits));
        println!(
            "round {round}: three engines {shared:.0} claims/s, ratio {:.2}; claim {}",
            shared / reference,
            told(waits_shared)
        );
    }
    let twice = psql(&server, "SELECT count(*) FROM measured.tasks WHERE body LIKE '%\"fence\":2%'");
    println!("claimed twice: {twice}");
}

/// One caller, at a thousand and at a million tasks.
pub fn scale() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let engine = fresh(folder.path(), &server, "scale");
    let (mut before, mut first) = (0, None);
    for size in [1_000, 1_000_000] {
        let begun = Instant::now();
        fill(&engine, before, size);
        println!("{size} tasks: filled at {:.0}/s", (size - before) as f64 / begun.elapsed().as_secs_f64());
        before = size;
        psql(&server, "VACUUM ANALYZE scale.tasks");
        let me = agent("ana");
        let mut claims = Vec::new();
        for _ in 0..600 {
            let start = Instant::now();
            call(&engine, &me, "claim_task", json!({}));
            claims.push(start.elapsed().as_micros() as u64);
            call(&engine, &me, "update_task", json!({ "release": true }));
        }
        claims.sort_unstable();
        let median = percentile(&claims, 0.5);
        let ratio = median as f64 / *first.get_or_insert(median) as f64;
        println!("{size} tasks: claim {}; {ratio:.2} of that among 1000", told(claims));
    }
}
