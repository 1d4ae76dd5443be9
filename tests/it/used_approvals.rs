//! A log in which an approval was used without a yes, or twice, is found by both verifiers, whoever signed it; what a person
//! erased or restored is not held against it.

use phasegate::config::settings::Settings;
use phasegate::domain::command::Decision;
use phasegate::domain::ids::ApprovalId;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::support::stores::Kind;
use crate::support::{TestEnv, agent, at_a_terminal, person};
use crate::tamper::{Log, count, renumber, reseal, run};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  plan:\n    exit: [ { approval: { ask: \"Build it?\", within: 72h } } ]\n    next: [build]\n  build: { next: [done, plan] }\n  done: { end: true }\n";

/// Asked, answered and used once.
fn log() -> Log {
    let env = TestEnv::over(Kind::Sqlite, Some(FLOW), &Settings::default());
    let ana = agent("ana");
    env.call(&ana, "submit_task", json!({ "title": "one" })).unwrap();
    env.call(&ana, "claim_task", json!({})).unwrap();
    env.call(&ana, "request_approval", json!({ "gate": "approval" })).unwrap();
    yes(&env);
    env.call(&ana, "transition_phase", json!({})).unwrap();
    let head = env.engine.seal().unwrap().unwrap().note;
    let (store, kept) = (env.path("copy.db"), env.path("head.txt"));
    env.engine.backend().backup(&store).unwrap();
    std::fs::write(&kept, head).unwrap();
    let key = env.engine.verifier_key().unwrap().unwrap().to_string();
    Log { env, store, key, head: kept }
}

fn yes(env: &TestEnv) {
    env.answer(&person("lead"), ApprovalId(1), Decision::Approve { reason: String::new(), choice: None }, 1).unwrap();
}

fn of(db: &Connection, kind: &str) -> i64 {
    db.query_row("SELECT max(seq) FROM events WHERE kind = ?1", [kind], |row| row.get(0)).unwrap()
}

fn remove(db: &Connection, kind: &str) {
    let at = of(db, kind);
    run(db, "DELETE FROM events WHERE seq = ?1", at);
    renumber(db, at + 1, -1);
}

fn used_again(db: &Connection) {
    let sql = "INSERT INTO events SELECT ?1, at, kind, task, agent, body FROM events WHERE kind = 'ApprovalConsumed'";
    db.execute(sql, params![count(db) + 1]).unwrap();
}

type Act = fn(&Connection);

#[test]
fn a_use_without_a_yes_and_a_second_use_are_found_by_both_verifiers() {
    let log = log();
    let table: [(&str, Act, bool); 6] = [
        ("as it was", |_| {}, false),
        ("the yes removed", |db| remove(db, "ApprovalApproved"), true),
        ("the question removed", |db| remove(db, "ApprovalRequested"), true),
        ("used twice", used_again, true),
        (
            "a no instead of the yes",
            |db| {
                let sql = "UPDATE events SET kind = 'ApprovalRejected', \
                           body = replace(body, 'ApprovalApproved', 'ApprovalRejected') WHERE seq = ?1";
                run(db, sql, of(db, "ApprovalApproved"));
            },
            true,
        ),
        (
            "run out before it was used",
            |db| {
                let at = of(db, "ApprovalConsumed");
                renumber(db, at, 1);
                let sql = "INSERT INTO events SELECT ?1, at, 'ApprovalExpired', task, agent, \
                           replace(body, 'ApprovalApproved', 'ApprovalExpired') FROM events WHERE kind = 'ApprovalApproved'";
                run(db, sql, at);
            },
            true,
        ),
    ];
    for (name, act, wanted) in table {
        let copy = log.env.path("tampered.db");
        std::fs::copy(&log.store, &copy).unwrap();
        let db = Connection::open(&copy).unwrap();
        act(&db);
        // As whoever has read the key would.
        reseal(&db, &log.signer());
        db.close().unwrap();
        let (kinds, ours, theirs, words) = log.judged(&copy, false);
        assert_eq!((ours, theirs), (i32::from(wanted), i32::from(wanted)), "{name}: {words}");
        assert_eq!(kinds.iter().any(|kind| kind == "approval"), wanted, "{name}: {words}");
        assert_eq!(words.contains("  approval: record"), wanted, "{name}: the second says why; {words}");
    }
}

#[test]
fn an_erased_question_or_yes_counts_once_and_hides_no_second_use() {
    for kind in ["ApprovalRequested", "ApprovalApproved"] {
        let log = log();
        let at = of(&Connection::open(&log.store).unwrap(), kind);
        let records = log.env.engine.erasable(&[at as u64]).unwrap();
        log.env.engine.erase(&person("lead"), records, "a name stood in it", at_a_terminal()).unwrap();
        log.env.engine.seal().unwrap();
        let copy = log.env.path("erased.db");
        log.env.engine.backend().backup(&copy).unwrap();
        let (kinds, ours, theirs, words) = log.judged(&copy, true);
        assert_eq!((kinds, ours, theirs), (Vec::new(), 0, 0), "{kind}: {words}");
        let db = Connection::open(&copy).unwrap();
        used_again(&db);
        db.close().unwrap();
        let (kinds, ours, theirs, words) = log.judged(&copy, true);
        assert_eq!((kinds, ours, theirs), (vec!["approval".to_owned()], 1, 1), "{kind}: {words}");
    }
}

#[test]
fn a_yes_that_a_backup_brings_back_opens_nothing_and_the_log_goes_on() {
    let log = log();
    let (env, ana) = (&log.env, agent("ana"));
    env.call(&ana, "transition_phase", json!({ "to": "plan" })).unwrap();
    env.call(&ana, "request_approval", json!({ "gate": "approval" })).unwrap();
    let answer = Decision::Approve { reason: String::new(), choice: None };
    env.answer(&person("lead"), ApprovalId(2), answer, 1).unwrap();
    let backup = env.path("backup.db");
    env.engine.backend().backup(&backup).unwrap();
    // Used, then restored to before that: what it was used for may stand outside, so it is not used again.
    env.call(&ana, "transition_phase", json!({})).unwrap();
    env.engine.seal().unwrap();
    env.clock.advance_seconds(1);
    env.engine.restore(&person("lead"), &backup, at_a_terminal()).unwrap();
    let refused = env.call(&ana, "transition_phase", json!({})).unwrap_err();
    assert!(refused.message.contains("put back from a backup"), "{refused}");
    env.engine.seal().expect("restoring is on record, so sealing goes on");
    let copy = env.path("restored.db");
    env.engine.backend().backup(&copy).unwrap();
    let (kinds, ours, theirs, words) = log.judged(&copy, true);
    assert_eq!((kinds, ours, theirs), (Vec::new(), 0, 0), "{words}");
}
