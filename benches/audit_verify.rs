//! Sealing and checking a log of a million records of about 300 bytes, beside bare hashing of the same bytes. Nothing here
//! asserts.
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

use std::sync::Arc;
use std::time::Instant;

use phasegate::audit::hash;
use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::ids::Time;
use phasegate::engine::{Engine, clock};
use phasegate::store::Param;

const RECORDS: u64 = 1_000_000;

fn body(seq: u64, at: Time) -> String {
    let note = "the parser reads the first half; the second needs the table of keywords, which is in another file";
    format!(
        r#"{{"v":1,"at":"{at}","agent":"claude-{}","role":"agent","tool":"update_task","event":{{"type":"ProgressNoted","task":"T-{}","note":"{note} ({seq})","percent":42.5}}}}"#,
        seq % 50,
        1 + seq % 1000
    )
}

/// Rows as commands write them, many in a commit.
fn fill(engine: &Engine, from: u64) -> usize {
    let mut bytes = 0;
    for first in (from..RECORDS).step_by(20_000) {
        let last = (first + 20_000).min(RECORDS);
        let sample = body(first, Time(1_795_000_000_000));
        bytes = sample.len();
        engine
            .backend()
            .write(
                phasegate::store::Lock::Whole,
                Box::new(move |tx| {
                    for seq in first..last {
                        let at = Time(1_795_000_000_000 + seq as i64);
                        let (agent, text) = (format!("claude-{}", seq % 50), body(seq, at));
                        let sql = "INSERT INTO events(at, kind, task, agent, body) VALUES (?1, ?2, ?3, ?4, ?5)";
                        let task = Param::id(1 + seq % 1000);
                        let row = [
                            Param::Int(at.0),
                            Param::Text("ProgressNoted"),
                            task,
                            Param::Text(&agent),
                            Param::Text(&text),
                        ];
                        tx.execute(sql, &row)?;
                    }
                    Ok(())
                }),
            )
            .unwrap();
    }
    bytes
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::find(Some(folder.path()), folder.path()).unwrap();
    let engine = Arc::new(phasegate::engine::open(workspace, &Settings::default(), Arc::new(clock::System)).unwrap());
    let bytes = fill(&engine, 0);
    let begun = Instant::now();
    let head = engine.seal().unwrap().unwrap();
    let rate = |count: u64, begun: Instant| count as f64 / begun.elapsed().as_secs_f64();
    println!("seal: {} records of {bytes} bytes, {:.0} records/s", head.size, rate(head.size, begun));
    for round in 1..=3 {
        let sample = body(1, Time(0));
        let begun = Instant::now();
        let mut last = hash::leaf(b"");
        for _ in 0..RECORDS {
            last = hash::node(&hash::leaf(sample.as_bytes()), &last);
        }
        let bare = rate(RECORDS, begun);
        let begun = Instant::now();
        let report = engine.verify(Vec::new(), Vec::new()).unwrap();
        let checked = rate(report.records, begun);
        let well = if report.is_well() { "well" } else { "with findings" };
        println!(
            "round {round}: verify {checked:.0} records/s ({well}); bare hashing {bare:.0}/s, ratio {:.2} ({})",
            checked / bare,
            &last.hex()[..8]
        );
    }
    let begun = Instant::now();
    for seq in (1..=RECORDS).step_by(10_000) {
        assert!(engine.prove_inclusion(seq).unwrap().is_some());
    }
    println!("prove inclusion: {:.0} us a proof", begun.elapsed().as_micros() as f64 / 100.0);
}
