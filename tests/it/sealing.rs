//! Sealing beside many writers: one tree and no fork, however many processes seal at once and whenever one of them dies.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phasegate::audit::key::{Kind, Signer};
use phasegate::audit::note::Note;
use phasegate::config::settings::Settings;
use phasegate::engine::sealer::Sealer;
use phasegate::engine::{Engine, Unwatched, clock};
use phasegate::tools;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{TestEnv, agent, at_a_terminal, person};
use crate::tamper::phasegate;

fn open(folder: &std::path::Path) -> Arc<Engine> {
    Arc::new(stores::engine(folder, Arc::new(clock::System)))
}

fn submit(engine: &Engine, who: &str, title: &str) {
    let tool = tools::find("submit_task").unwrap();
    engine.call(&agent(who), tool, json!({ "title": title }), &Unwatched).unwrap();
}

fn well(engine: &Engine) -> (u64, u64) {
    let report = engine.verify(Vec::new(), Vec::new()).unwrap();
    assert!(report.is_well(), "{}", report.text());
    (report.records, report.sealed)
}

#[test]
fn many_writers_and_many_sealers_make_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    let engines = [open(folder.path()), open(folder.path()), open(folder.path())];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sealers: Vec<_> = engines
            .iter()
            .map(|engine| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        engine.seal().map(drop).unwrap()
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..6)
            .map(|index| {
                let engine = &engines[index % 2];
                scope.spawn(move || (0..80).for_each(|each| submit(engine, &format!("w-{index}"), &format!("{each}"))))
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        sealers.into_iter().for_each(|sealer| sealer.join().unwrap());
    });
    let head = engines[2].seal().unwrap().unwrap();
    let (records, sealed) = well(&engines[0]);
    assert!(records > 480, "{records}");
    assert_eq!((sealed, head.size), (records, records));
}

#[test]
fn a_process_killed_while_it_seals_leaves_a_whole_tree() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    for round in 0..12u64 {
        (0..40).for_each(|each| submit(&engine, "ana", &format!("{round} {each}")));
        let mut sealing = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        let sealing =
            sealing.args(["audit", "head"]).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        stores::tell(sealing, folder.path());
        let mut sealing = sealing.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * round));
        sealing.kill().unwrap();
        sealing.wait().unwrap();
        well(&engine);
    }
    engine.seal().unwrap();
    let (records, sealed) = well(&engine);
    assert_eq!(records, sealed);
}

#[test]
fn the_sealer_seals_by_itself_and_once_more_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path());
    let sealer = Sealer::start(&engine).unwrap();
    submit(&engine, "ana", "one");
    let newest = || engine.view(phasegate::store::tree::newest_head).unwrap();
    let begun = std::time::Instant::now();
    while newest().is_none() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let sealed = newest().expect("a head within seconds").size;
    submit(&engine, "ana", "two");
    drop(sealer);
    assert!(newest().unwrap().size > sealed);
    let (records, sealed) = well(&engine);
    assert_eq!(records, sealed);
}

#[test]
fn serving_ends_with_everything_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    let server =
        server.current_dir(folder.path()).env("HOME", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = stores::tell(server, folder.path()).spawn().unwrap();
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "submit_task",
        "arguments": { "title": "sealed at the end" } } });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let lines = format!("{hello}\n{ready}\n{call}\n");
    std::io::Write::write_all(&mut server.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = server.wait_with_output().unwrap();
    assert!(output.status.success());
    let store = stores::open(folder.path()).unwrap();
    let mut found = (None, None);
    let sql = "SELECT (SELECT max(seq) FROM events), (SELECT max(size) FROM heads)";
    phasegate::store::snapshot(store.as_ref(), |tx| {
        tx.query(sql, &[], &mut |row| {
            found = (row.int(0)?, row.int(1)?);
            Ok(())
        })
    })
    .unwrap();
    assert!(found.0 > Some(6), "{found:?}");
    assert_eq!(found.0, found.1);
}

#[test]
fn the_key_is_closed_to_others_made_once_and_not_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let engines: Vec<_> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..6).map(|_| scope.spawn(|| open(folder.path()))).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    submit(&engines[0], "ana", "one");
    engines.iter().for_each(|engine| engine.seal().map(drop).unwrap());
    well(&engines[3]);
    let state = folder.path().join(".phasegate");
    let mode = std::fs::metadata(state.join("log.key")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let files = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.starts_with("log.")).count(), 1, "no draft is left");
    let seed = std::fs::read_to_string(state.join("log.key")).unwrap();
    let copy = folder.path().join("copy.db");
    engines[0].backend().backup(&copy).unwrap();
    let bytes = std::fs::read(&copy).unwrap();
    assert!(!bytes.windows(64).any(|window| window == seed.trim().as_bytes()));
}

#[test]
fn heads_of_one_minute_take_each_others_place_unless_they_were_sent() {
    let env = TestEnv::new();
    let heads = || env.engine.view(phasegate::store::tree::heads).unwrap();
    let mut numbers = Vec::new();
    let place = format!("file:{}", env.path("head").display());
    for (seconds, sent) in [(0, false), (1, false), (61, true), (1, false), (1, false)] {
        env.clock.advance_seconds(seconds);
        env.call(&agent("ana"), "submit_task", json!({ "title": "x" })).unwrap();
        env.engine.seal().unwrap();
        if sent {
            env.engine.publish(&place.parse().unwrap(), &Default::default()).unwrap();
        }
        numbers.push(heads().iter().map(|head| head.number).collect::<Vec<_>>());
    }
    assert_eq!(numbers, [vec![1], vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3]]);
    well(&env.engine);
}

#[test]
fn a_hole_or_a_changed_tile_stops_sealing_and_says_so() {
    for (sql, wanted) in [
        ("DELETE FROM events WHERE seq = (SELECT max(seq) - 1 FROM events)", "was removed"),
        ("UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0", "does not lead to the root"),
        ("UPDATE events SET body = '' WHERE seq = (SELECT max(seq) FROM events)", "has no content"),
        ("UPDATE heads SET note = replace(note, 'head 1', 'head 2')", "does not fit the text"),
    ] {
        let env = TestEnv::in_a_file();
        env.engine.seal().unwrap();
        (0..3).for_each(|_| drop(env.call(&agent("ana"), "submit_task", json!({ "title": "x" })).unwrap()));
        env.edit(sql);
        let error = env.engine.seal().unwrap_err();
        assert!(error.to_string().contains(wanted), "{sql}: {error}");
        assert!(error.hint().contains("audit verify"), "{}", error.hint());
    }
}

/// Heads and tiles as rows.
type Rows = (Vec<(i64, i64, i64, Vec<u8>, String)>, Vec<(i64, i64, Vec<u8>)>);

fn tree_of(db: &Connection) -> Rows {
    let mut heads = db.prepare("SELECT size, number, at, root, note FROM heads").unwrap();
    let heads = heads.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
    let heads = heads.unwrap().map(Result::unwrap).collect();
    let mut tiles = db.prepare("SELECT level, position, hashes FROM tiles").unwrap();
    let tiles = tiles.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    (heads, tiles.map(Result::unwrap).collect())
}

/// As whoever can write the store: back to an older tree, and another end of the log.
fn rewind(db: &Connection, (heads, tiles): &Rows) {
    db.execute_batch("DELETE FROM heads; DELETE FROM tiles;").unwrap();
    for head in heads {
        let row = rusqlite::params![head.0, head.1, head.2, head.3, head.4];
        db.execute("INSERT INTO heads(size, number, at, root, note) VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
    }
    for tile in tiles {
        let row = rusqlite::params![tile.0, tile.1, tile.2];
        db.execute("INSERT INTO tiles(level, position, hashes) VALUES (?1, ?2, ?3)", row).unwrap();
    }
    let sql = "UPDATE events SET body = replace(body, 'later', 'other') WHERE body LIKE '%later%'";
    assert!(db.execute(sql, []).unwrap() > 0);
}

#[test]
fn a_tree_that_was_put_back_under_a_running_process_is_not_signed_again() {
    let env = TestEnv::in_a_file();
    let submit = |title: &str| drop(env.call(&agent("ana"), "submit_task", json!({ "title": title })).unwrap());
    env.engine.seal().unwrap();
    let db = Connection::open(env.path(".phasegate/phasegate.db")).unwrap();
    let old = tree_of(&db);
    env.clock.advance_seconds(61);
    submit("later");
    env.engine.seal().unwrap();
    rewind(&db, &old);
    let refused = |when: &str| {
        let error = env.engine.seal().unwrap_err();
        assert!(error.to_string().contains("put back or rewritten"), "{when}: {error}");
        assert!(error.hint().contains("audit verify"), "{when}: {}", error.hint());
    };
    refused("back");
    submit("more");
    refused("back, and more of it");
    assert_eq!(tree_of(&db), old, "nothing was signed");
    // A process that starts now knows no better; the one that does still refuses to go on from there.
    let other = env.reopened(&Settings::default());
    other.seal().unwrap();
    submit("more still");
    refused("signed by another");
}

#[test]
fn a_head_of_a_foreign_key_is_gone_on_from_only_where_that_key_was_changed_on_record() {
    let env = TestEnv::in_a_file();
    let submit = || drop(env.call(&agent("ana"), "submit_task", json!({ "title": "x" })).unwrap());
    let change = || drop(env.engine.change_log_key(&person("lead"), "lost", at_a_terminal()).unwrap());
    env.engine.seal().unwrap();
    // Twice without a head between: the newest is of the key before the last.
    change();
    change();
    env.engine.seal().unwrap();
    well(&env.engine);
    let db = Connection::open(env.path(".phasegate/phasegate.db")).unwrap();
    let foreign = Signer::new(&env.engine.log_name().unwrap(), Kind::Note, &[9; 32]).unwrap();
    let note: String = db.query_row("SELECT note FROM heads ORDER BY size DESC", [], |row| row.get(0)).unwrap();
    let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
    db.execute("UPDATE heads SET note = ?1 WHERE note = ?2", [Note::sign(text, &foreign), note]).unwrap();
    submit();
    let other = env.reopened(&Settings::default());
    let error = other.seal().unwrap_err();
    assert!(error.to_string().contains("no key that is trusted here"), "{error}");
}

#[test]
fn a_change_of_key_that_a_crash_cut_short_is_ended_by_the_next_sealing() {
    for old_is_left in [true, false] {
        let env = TestEnv::new();
        env.engine.seal().unwrap();
        let (file, draft) = (env.path(".phasegate/log.key"), env.path(".phasegate/log.key.new"));
        let old = std::fs::read(&file).unwrap();
        env.engine.change_log_key(&person("lead"), "no longer trusted", at_a_terminal()).unwrap();
        assert!(!draft.exists() && std::fs::read(&file).unwrap() != old);
        // As it was between the record and the move.
        std::fs::rename(&file, &draft).unwrap();
        if old_is_left {
            std::fs::write(&file, &old).unwrap();
        }
        env.engine.seal().unwrap();
        well(&env.engine);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, draft.exists()), (0o600, false));
        let own = env.engine.own_keys().unwrap();
        assert_eq!(own, [env.engine.verifier_key().unwrap().unwrap()]);
    }
}

#[test]
fn a_head_is_printed_for_people_and_programs_and_verify_reads_it() {
    let env = TestEnv::new();
    let at = env.folder.path();
    let printed = phasegate(at, &["audit", "head"]);
    std::fs::write(env.path("head"), &printed.stdout).unwrap();
    env.call(&agent("ana"), "submit_task", json!({ "title": "later" })).unwrap();
    env.engine.seal().unwrap();
    let told = phasegate(at, &["audit", "verify", "--from", "head"]);
    let words = String::from_utf8(told.stdout).unwrap();
    assert!(
        words.contains("complete and unchanged since the head kept on 20") && words.contains("not yet anchored"),
        "{words}"
    );
    let value: Value = serde_json::from_slice(&phasegate(at, &["audit", "head", "--json"]).stdout).unwrap();
    assert!(value["size"].as_u64() > Some(5) && value["key"].as_str().is_some(), "{value}");
    assert_eq!(
        value["key"].as_str().unwrap(),
        String::from_utf8(phasegate(at, &["audit", "key"]).stdout).unwrap().trim()
    );
}
