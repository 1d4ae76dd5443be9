//! Every way to tamper with a log that we know of, done to a copy of a real one, must be found by `phasegate audit verify`
//! and by the second verifier; the log as it was passes both.

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use phasegate::audit::hash;
use phasegate::audit::head::Head;
use phasegate::audit::key::{Kind, Signer};
use phasegate::audit::tree::{Edge, Tile};
use phasegate::config::settings::Settings;
use phasegate::domain::ids::Time;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{TestEnv, able, agent, at_a_terminal, person};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  work:\n    exit: [ { command: [\"true\"] } ]\n    next: [done]\n  done: { end: true }\n";

/// A log of several tiles and heads, and what an auditor keeps elsewhere of it.
pub struct Log {
    pub env: TestEnv,
    pub store: PathBuf,
    pub key: String,
    /// Made when two thirds of the log were written.
    pub head: PathBuf,
}

pub fn log() -> Log {
    let env = TestEnv::over(stores::Kind::Sqlite, Some(FLOW), &Settings::default());
    let bob = able("bob", &[], 100);
    let mut head = String::new();
    for round in 0..9 {
        let tasks: Vec<Value> = (0..90).map(|index| json!({ "title": format!("task {round}/{index}") })).collect();
        env.call(&agent("ana"), "submit_task", json!({ "tasks": tasks })).unwrap();
        for _ in 0..2 {
            let brief = env.call(&bob, "claim_task", json!({})).unwrap();
            env.call(&bob, "transition_phase", json!({ "to": "done", "task": brief["task"] })).unwrap();
        }
        env.clock.advance_seconds(61);
        let sealed = env.engine.seal().unwrap().unwrap();
        if round == 5 {
            head = sealed.note;
        }
    }
    let (store, kept) = (env.path("copy.db"), env.path("head.txt"));
    env.engine.backend().backup(&store).unwrap();
    std::fs::write(&kept, head).unwrap();
    let key = env.engine.verifier_key().unwrap().unwrap().to_string();
    Log { env, store, key, head: kept }
}

pub fn phasegate(folder: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear();
    stores::tell(&mut command, folder);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead").output().unwrap()
}

/// What the second verifier says.
pub fn second(arguments: &[&str]) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify/verify.py");
    let output = Command::new("python3").arg("-B").arg(script).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), told)
}

impl Log {
    /// Kinds of findings by ours, and exit codes and words of both.
    pub fn judged(&self, store: &Path, with_head: bool) -> (Vec<String>, i32, i32, String) {
        let (place, path) = (format!("sqlite:{}", store.display()), store.display().to_string());
        let from = self.head.display().to_string();
        let mut asked = vec!["--key", &self.key];
        if with_head {
            asked.extend(["--from", &from]);
        }
        let (code, told) = second(&[asked.as_slice(), &["--store", &path]].concat());
        let ours = [&["--store", &place, "audit", "verify", "--json"], asked.as_slice()].concat();
        let output = phasegate(self.env.folder.path(), &ours);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let found = value["findings"].as_array().cloned().unwrap_or_default();
        let kinds = found.iter().map(|finding| finding["trouble"].as_str().unwrap().to_owned()).collect();
        let words = format!("ours: {value}\n{}\nsecond: {told}", String::from_utf8_lossy(&output.stderr));
        (kinds, output.status.code().unwrap(), code, words)
    }

    /// As an attacker signs who has read the key: with the real one.
    pub fn signer(&self) -> Signer {
        let seed = std::fs::read_to_string(self.env.path(".phasegate/log.key")).unwrap();
        let name = self.env.engine.log_name().unwrap();
        Signer::new(&name, Kind::Note, &hash::Hash::from_hex(seed.trim()).unwrap().0).unwrap()
    }
}

struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("PHASEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish() | 1);
        eprintln!("PHASEGATE_SEED={seed}");
        Self(seed)
    }

    /// From 1 to `most`.
    fn to(&mut self, most: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + (self.0 % most as u64) as i64
    }
}

pub fn count(db: &Connection) -> i64 {
    db.query_row("SELECT max(seq) FROM events", [], |row| row.get(0)).unwrap()
}

pub fn run(db: &Connection, sql: &str, at: i64) {
    assert!(db.execute(sql, params![at]).unwrap() > 0, "nothing was changed by {sql}");
}

/// Makes room before a record, or closes the hole where one was.
pub fn renumber(db: &Connection, from: i64, by: i64) {
    db.execute("UPDATE events SET seq = -(seq + ?2) WHERE seq >= ?1", params![from, by]).unwrap();
    db.execute("UPDATE events SET seq = -seq WHERE seq < 0", []).unwrap();
}

/// Makes tree and heads anew over what the events are now, as whoever can write the store can.
pub fn reseal(db: &Connection, signer: &Signer) {
    let mut statement = db.prepare("SELECT body FROM events ORDER BY seq").unwrap();
    let bodies: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let (mut edge, mut tiles) = (Edge::default(), Vec::<Tile>::new());
    bodies.iter().for_each(|body| edge.push(hash::leaf(body.as_bytes()), &mut tiles));
    tiles.extend(edge.partial());
    db.execute_batch("DELETE FROM tiles; DELETE FROM heads; DELETE FROM anchors;").unwrap();
    for tile in tiles {
        let row = params![tile.level, tile.position as i64, hash::join(&tile.hashes)];
        db.execute("INSERT INTO tiles VALUES (?1, ?2, ?3)", row).unwrap();
    }
    let at = 1_795_000_900_000_i64;
    let (size, root) = (edge.size(), edge.root());
    let note = Head { origin: signer.verifier().name.clone(), size, root, made: Some((1, Time(at))) }.sign(signer);
    db.execute("INSERT INTO heads VALUES (?1, 1, ?2, ?3, ?4)", params![size as i64, at, root.0, note]).unwrap();
}

type Act = fn(&Connection, &mut Dice, &Log);

/// What is done, whether a head kept elsewhere is needed to see it, and how it is called.
const CLASSES: [(&str, Act, bool, &[&str]); 24] = [
    (
        "edit",
        |db, dice, _| {
            run(
                db,
                "UPDATE events SET body = replace(body, 'tool\":\"', 'tool\":\"x') WHERE seq = ?1",
                dice.to(count(db)),
            )
        },
        false,
        &["edited"],
    ),
    (
        "edit to another type",
        |db, dice, _| {
            run(db, "UPDATE events SET body = CAST(body AS BLOB) || x'ff' WHERE seq = ?1", dice.to(count(db)))
        },
        false,
        &["edited"],
    ),
    ("insert", insert, false, &["edited"]),
    (
        "insert before the first",
        |db, _, _| run(db, "INSERT INTO events SELECT -1, at, kind, task, agent, body FROM events WHERE seq = ?1", 1),
        false,
        &["gap"],
    ),
    ("delete and renumber", delete, false, &["edited", "cut"]),
    ("reorder", reorder, false, &["edited"]),
    ("gap", |db, dice, _| run(db, "DELETE FROM events WHERE seq = ?1", dice.to(count(db) - 1)), false, &["gap"]),
    ("tail cut", |db, dice, _| run(db, "DELETE FROM events WHERE seq > ?1", dice.to(count(db) - 1)), false, &["cut"]),
    ("tail cut, tree and heads with it", cut, true, &["cut"]),
    ("full rewrite with the real key", rewrite, true, &["rewritten"]),
    ("full rewrite with another key", forge, false, &["signature"]),
    ("forged signature", forged_signature, false, &["signature"]),
    (
        "another root in the newest head",
        |db, _, _| run(db, "UPDATE heads SET root = randomblob(32) WHERE size > ?1 AND number = 5", 0),
        false,
        &["head"],
    ),
    (
        "column at",
        |db, dice, _| run(db, "UPDATE events SET at = at + 1 WHERE seq = ?1", dice.to(count(db))),
        false,
        &["columns"],
    ),
    (
        "column kind",
        |db, dice, _| run(db, "UPDATE events SET kind = kind || 'x' WHERE seq = ?1", dice.to(count(db))),
        false,
        &["columns"],
    ),
    (
        "column agent",
        |db, dice, _| run(db, "UPDATE events SET agent = 'eve' WHERE seq = ?1", dice.to(count(db))),
        false,
        &["columns"],
    ),
    (
        "column task",
        |db, dice, _| run(db, "UPDATE events SET task = coalesce(task, 0) + 1 WHERE seq = ?1", dice.to(count(db))),
        false,
        &["columns"],
    ),
    ("start without outcome", unfinished, false, &["unfinished"]),
    ("tile of leaves", |db, dice, _| edit_tile(db, 0, dice), false, &["edited", "tile"]),
    ("tile above", |db, dice, _| edit_tile(db, 1, dice), false, &["tile"]),
    (
        "tile removed",
        |db, dice, _| run(db, "DELETE FROM tiles WHERE level = 0 AND position = ?1", dice.to(count(db) / 256) - 1),
        false,
        &["tile"],
    ),
    (
        "head removed",
        |db, dice, _| run(db, "DELETE FROM heads WHERE number = ?1", dice.to(8)),
        false,
        &["head_missing"],
    ),
    ("newest head removed", |db, _, _| run(db, "DELETE FROM heads WHERE number = ?1", 9), false, &["head_missing"]),
    (
        "content blanked",
        |db, dice, _| run(db, "UPDATE events SET body = '', agent = '' WHERE seq = ?1", dice.to(count(db))),
        false,
        &["erasure"],
    ),
];

fn insert(db: &Connection, dice: &mut Dice, _: &Log) {
    let at = dice.to(count(db));
    renumber(db, at, 1);
    run(db, "INSERT INTO events SELECT ?1, at, kind, task, agent, body FROM events WHERE seq = 2", at);
}

fn delete(db: &Connection, dice: &mut Dice, _: &Log) {
    let at = dice.to(count(db));
    run(db, "DELETE FROM events WHERE seq = ?1", at);
    renumber(db, at + 1, -1);
}

fn reorder(db: &Connection, dice: &mut Dice, _: &Log) {
    let (one, other) = (dice.to(count(db) - 1), count(db));
    db.execute("UPDATE events SET seq = -1 WHERE seq = ?1", params![one]).unwrap();
    db.execute("UPDATE events SET seq = ?1 WHERE seq = ?2", params![one, other]).unwrap();
    db.execute("UPDATE events SET seq = ?1 WHERE seq = -1", params![other]).unwrap();
}

/// Below the kept head, else there is nothing to see.
fn cut(db: &Connection, dice: &mut Dice, log: &Log) {
    run(db, "DELETE FROM events WHERE seq > ?1", dice.to(count(db) / 2));
    reseal(db, &log.signer());
}

fn rewrite(db: &Connection, dice: &mut Dice, log: &Log) {
    let at = dice.to(count(db) / 2);
    run(db, "UPDATE events SET body = replace(body, 'tool\":\"', 'tool\":\"x') WHERE seq = ?1", at);
    reseal(db, &log.signer());
}

fn forge(db: &Connection, dice: &mut Dice, log: &Log) {
    let at = dice.to(count(db));
    run(db, "UPDATE events SET body = replace(body, 'tool\":\"', 'tool\":\"x') WHERE seq = ?1", at);
    let signer = Signer::new(&log.env.engine.log_name().unwrap(), Kind::Note, &[9; 32]).unwrap();
    reseal(db, &signer);
    db.execute("UPDATE meta SET value = ?1 WHERE key = 'log_key'", params![signer.verifier().to_string()]).unwrap();
}

fn forged_signature(db: &Connection, dice: &mut Dice, _: &Log) {
    let number = dice.to(8);
    let signature = "SELECT substr(note, instr(note, char(10) || char(10))) FROM heads WHERE number = ?1 + 1";
    let sql = format!(
        "UPDATE heads SET note = substr(note, 1, instr(note, char(10) || char(10)) - 1) || ({signature}) WHERE number = ?1"
    );
    run(db, &sql, number);
}

/// A history in which the end never happened, sealed with the real key.
fn unfinished(db: &Connection, dice: &mut Dice, log: &Log) {
    let ends: i64 =
        db.query_row("SELECT count(*) FROM events WHERE kind = 'GatePassed'", [], |row| row.get(0)).unwrap();
    let sql = "SELECT seq FROM events WHERE kind = 'GatePassed' ORDER BY seq LIMIT 1 OFFSET ?1";
    let at: i64 = db.query_row(sql, params![dice.to(ends) - 1], |row| row.get(0)).unwrap();
    run(db, "DELETE FROM events WHERE seq = ?1", at);
    renumber(db, at + 1, -1);
    reseal(db, &log.signer());
}

fn edit_tile(db: &Connection, level: i64, dice: &mut Dice) {
    let sql = "SELECT position, hashes FROM tiles WHERE level = ?1 ORDER BY position LIMIT 1";
    let (position, mut hashes): (i64, Vec<u8>) =
        db.query_row(sql, params![level], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let at = (dice.to(hashes.len() as i64) - 1) as usize;
    hashes[at] ^= 1;
    let row = params![level, position, hashes];
    db.execute("UPDATE tiles SET hashes = ?3 WHERE level = ?1 AND position = ?2", row).unwrap();
}

#[test]
fn every_class_of_tampering_is_found_by_both_verifiers() {
    let log = log();
    for with_head in [false, true] {
        let (kinds, ours, theirs, words) = log.judged(&log.store, with_head);
        assert_eq!((kinds, ours, theirs), (Vec::new(), 0, 0), "the log as it was; {words}");
    }
    let mut dice = Dice::new();
    for (name, act, with_head, wanted) in CLASSES {
        for _ in 0..3 {
            let copy = log.env.path("tampered.db");
            std::fs::copy(&log.store, &copy).unwrap();
            let db = Connection::open(&copy).unwrap();
            act(&db, &mut dice, &log);
            db.close().unwrap();
            let (kinds, ours, theirs, words) = log.judged(&copy, with_head);
            let named = wanted.iter().any(|wanted| kinds.iter().any(|kind| kind == wanted));
            assert!(named && ours == 1, "{name}: ours does not see it; {words}");
            assert_eq!(theirs, 1, "{name}: the second does not see it; {words}");
        }
    }
}

#[test]
fn without_a_kept_head_a_full_rewrite_is_not_seen_and_verify_says_so() {
    let log = log();
    let copy = log.env.path("tampered.db");
    std::fs::copy(&log.store, &copy).unwrap();
    let db = Connection::open(&copy).unwrap();
    rewrite(&db, &mut Dice::new(), &log);
    db.close().unwrap();
    let place = format!("sqlite:{}", copy.display());
    let output = phasegate(log.env.folder.path(), &["--store", &place, "audit", "verify"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("whoever can write the store can rewrite all of it"), "{told}");
}

/// In the form of `audit export`.
fn export(log: &Log) -> String {
    let db = Connection::open(&log.store).unwrap();
    let mut statement = db.prepare("SELECT seq, body FROM events ORDER BY seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(Result::unwrap).map(|(seq, body)| format!("{{\"seq\":{seq},\"body\":{body}}}\n")).collect()
}

#[test]
fn an_export_is_checked_against_a_kept_head_by_both() {
    let log = log();
    let (from, file) = (log.head.display().to_string(), log.env.path("log.jsonl"));
    let path = file.display().to_string();
    let text = export(&log);
    let lines: Vec<&str> = text.lines().collect();
    let hash = hash::leaf(lines[4].strip_prefix("{\"seq\":5,\"body\":").unwrap().strip_suffix('}').unwrap().as_bytes());
    let erased = text.replacen(lines[4], &format!("{{\"seq\":5,\"erased\":\"{hash}\"}}"), 1);
    let short: String = lines[..300].iter().map(|line| format!("{line}\n")).collect();
    let table = [
        ("as it was", text.clone(), 0),
        ("a byte changed", text.replacen("task 0/7", "task 0/8", 1), 1),
        ("a line removed", text.replacen(&format!("{}\n", lines[40]), "", 1), 1),
        (
            "two lines in turn",
            text.replacen(lines[40], "", 1)
                .replacen(lines[41], &format!("{}\n{}", lines[41], lines[40]), 1)
                .replace("\n\n", "\n"),
            1,
        ),
        ("cut", short, 1),
        ("erased without a record of it", erased, 1),
    ];
    for (name, text, wanted) in table {
        std::fs::write(&file, text).unwrap();
        let asked = ["--key", log.key.as_str(), "--from", &from, "--export", &path];
        let ours = phasegate(log.env.folder.path(), &[&["audit", "verify"], asked.as_slice()].concat());
        let told = String::from_utf8_lossy(&ours.stdout).into_owned() + &String::from_utf8_lossy(&ours.stderr);
        assert_eq!(ours.status.code(), Some(wanted), "{name}: {told}");
        let (code, told) = second(&asked);
        assert_eq!(code, wanted, "{name}: {told}");
    }
}

#[test]
fn proofs_are_checked_by_both_and_a_changed_one_proves_nothing() {
    let log = log();
    let at = log.env.folder.path();
    let from = log.head.display().to_string();
    for asked in
        [vec!["inclusion", "1"], vec!["inclusion", "700"], vec!["consistency", "300"], vec!["consistency", &from]]
    {
        let output = phasegate(at, &[&["audit", "prove"], asked.as_slice()].concat());
        let proof = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{asked:?} {}", String::from_utf8_lossy(&output.stderr));
        let file = log.env.path("proof.json");
        let path = file.display().to_string();
        let value: Value = serde_json::from_str(&proof).unwrap();
        let step = value["path"][1].as_str().unwrap();
        for (text, wanted) in [(proof.clone(), 0), (proof.replace(step, &step.chars().rev().collect::<String>()), 1)] {
            std::fs::write(&file, text).unwrap();
            let ours = phasegate(at, &["audit", "prove", "check", &path, "--key", &log.key]);
            assert_eq!(ours.status.code(), Some(wanted), "{asked:?}");
            assert_eq!(second(&["--key", &log.key, "--proof", &path]).0, wanted, "{asked:?}");
        }
    }
}

#[test]
fn what_a_person_erases_is_gone_and_the_log_still_holds() {
    let log = log();
    let at = log.env.folder.path();
    let record = |seq: i64| -> (String, String) {
        let db = Connection::open(log.env.path(".phasegate/phasegate.db")).unwrap();
        db.query_row("SELECT body, agent FROM events WHERE seq = ?1", params![seq], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap()
    };
    let db = Connection::open(&log.store).unwrap();
    let seq: i64 =
        db.query_row("SELECT seq FROM events WHERE kind = 'GatePassed' LIMIT 1", [], |row| row.get(0)).unwrap();
    let arguments = ["audit", "erase", "50", &seq.to_string(), "--reason", "a name stood in it", "--yes"];
    let output = phasegate(at, &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((record(50), record(seq)), Default::default());
    assert_eq!(phasegate(at, &arguments).status.code(), Some(1), "erased once only");
    let refused = log.env.engine.erase(&agent("ana"), log.env.engine.erasable(&[51]).unwrap(), "no", at_a_terminal());
    assert!(refused.is_err(), "an agent erases nothing");
    let copy = log.env.path("erased.db");
    log.env.engine.backend().backup(&copy).unwrap();
    let (kinds, ours, theirs, words) = log.judged(&copy, true);
    assert_eq!((kinds, ours, theirs), (Vec::new(), 0, 0), "{words}");
    let listed = phasegate(at, &["audit", "query", "--json", "--after", "49", "--limit", "1"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"erased\":true"), "{listed:?}");
}

#[test]
fn what_is_edited_after_a_person_looked_is_not_erased() {
    let env = TestEnv::in_a_file();
    env.call(&agent("ana"), "submit_task", json!({ "title": "a name" })).unwrap();
    let db = Connection::open(env.path(".phasegate/phasegate.db")).unwrap();
    let at = count(&db);
    let before = env.kinds().len();
    let looked_at = env.engine.erasable(&[at as u64]).unwrap();
    run(&db, "UPDATE events SET body = replace(body, 'a name', 'another') WHERE seq = ?1", at);
    let error = env.engine.erase(&person("lead"), looked_at, "asked to", at_a_terminal()).unwrap_err();
    assert!(error.to_string().contains("changed or erased since"), "{error}");
    let body: String = db.query_row("SELECT body FROM events WHERE seq = ?1", [at], |row| row.get(0)).unwrap();
    assert!(body.contains("another"), "{body}");
    assert_eq!(env.kinds().len(), before, "and no record says that it was erased");
}

#[test]
fn a_lost_key_stops_sealing_until_a_person_goes_on_with_a_new_one() {
    let log = log();
    let at = log.env.folder.path();
    std::fs::remove_file(log.env.path(".phasegate/log.key")).unwrap();
    log.env.call(&agent("ana"), "submit_task", json!({ "title": "one more" })).unwrap();
    let error = log.env.engine.seal().unwrap_err();
    assert!(error.to_string().contains("lost") && error.hint().contains("audit key --new"), "{error}");
    assert!(log.env.engine.change_log_key(&agent("ana"), "mine", at_a_terminal()).is_err(), "an agent changes no key");
    log.env.engine.change_log_key(&person("lead"), "the disk broke", at_a_terminal()).unwrap();
    log.env.engine.seal().unwrap();
    let new = log.env.engine.verifier_key().unwrap().unwrap().to_string();
    let from = log.head.display().to_string();
    let told = phasegate(at, &["audit", "verify", "--from", &from]);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stdout));
    let told = phasegate(at, &["audit", "verify", "--key", &log.key, "--from", &from]);
    assert_eq!(told.status.code(), Some(1), "a person who named the old key alone must learn of the change");
    let both = ["audit", "verify", "--key", &log.key, "--key", &new, "--from", &from];
    assert_eq!(phasegate(at, &both).status.code(), Some(0));
}
