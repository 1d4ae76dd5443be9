//! Faults: whatever is wrong with the store, the event or the pipes, a call that was to be judged does not run, and the end
//! of a turn is not held up.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::FLOW;
use super::world::{Heard, World, heard, told};

/// The hook's own deadline, and room for a busy machine.
const AT_MOST: Duration = Duration::from_secs(20);

fn store(world: &World) -> std::path::PathBuf {
    world.root().join(".phasegate/phasegate.db")
}

fn read(world: &World) -> Value {
    let more = json!({"tool_name": "Read", "tool_input": {"file_path": world.at("a")}, "tool_use_id": "toolu_1"});
    world.session("5e55-1").event("PreToolUse", more)
}

fn stop(world: &World) -> Value {
    world.session("5e55-1").event("Stop", json!({"stop_hook_active": false}))
}

/// A call does not run, with words for the model; a turn may end.
fn closed(world: &World, what: &str) {
    let heard = world.tell("claude-code", &read(world));
    assert_eq!((heard.code, &heard.said), (2, &Value::Null), "{what}: {heard:?}");
    assert!(heard.stderr.starts_with("phasegate could not judge this, so it does not run: "), "{what}: {heard:?}");
    let heard = world.tell("claude-code", &stop(world));
    assert!(heard.code == 0 || heard.code == 1, "{what}: the turn cannot end: {heard:?}");
    assert_ne!(heard.said["decision"], "block", "{what}");
}

/// A world in which a call has been judged, so that everything is there.
fn begun() -> World {
    judged(World::new(FLOW))
}

/// The same, for what is about the file of SQLite.
fn begun_in_a_file() -> World {
    judged(World::in_a_file(FLOW))
}

fn judged(world: World) -> World {
    assert_eq!(world.tell("claude-code", &read(&world)).verdict(), "allow");
    world
}

#[test]
fn a_store_that_is_no_store_lets_nothing_run() {
    let world = begun_in_a_file();
    let whole = std::fs::read(store(&world)).unwrap();
    let wal = store(&world).with_extension("db-wal");
    let mut torn = whole.clone();
    torn.iter_mut().skip(4096).for_each(|byte| *byte = 0xA5);
    for (what, bytes) in [("garbage", b"no store at all".to_vec()), ("cut", whole[..5000].to_vec()), ("torn", torn)] {
        std::fs::write(store(&world), bytes).unwrap();
        let _ = std::fs::remove_file(&wal);
        closed(&world, what);
    }
}

#[test]
fn a_store_of_a_newer_phasegate_lets_nothing_run() {
    let world = begun_in_a_file();
    Connection::open(store(&world)).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    closed(&world, "newer");
    let heard = world.tell("claude-code", &read(&world));
    assert!(heard.stderr.contains("newer"), "{heard:?}");
}

#[test]
fn a_store_that_another_program_holds_lets_nothing_run_and_answers_in_time() {
    let (world, queued) = (begun_in_a_file(), begun_in_a_file());
    let holder = Connection::open(store(&world)).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // A process of ours that hangs while it is its turn.
    let queue = File::open(queued.root().join(".phasegate/phasegate.db.queue")).unwrap();
    queue.lock().unwrap();
    std::thread::scope(|scope| {
        for (world, event) in
            [(&world, read(&world)), (&world, stop(&world)), (&queued, read(&queued)), (&queued, stop(&queued))]
        {
            scope.spawn(move || {
                let began = Instant::now();
                let heard = world.tell("claude-code", &event);
                assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
                if event["hook_event_name"] == "Stop" {
                    assert_ne!(heard.code, 2, "{heard:?}");
                } else {
                    assert_eq!(heard.code, 2, "{heard:?}");
                    assert!(heard.stderr.contains("doctor"), "{heard:?}");
                }
            });
        }
    });
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.tell("claude-code", &read(&world)).verdict(), "allow", "afterwards all is as before");
}

#[test]
fn events_that_are_none_let_nothing_run() {
    let world = begun();
    let good = read(&world).to_string();
    let huge = format!("{}{}", good, " ".repeat(33 << 20));
    let name = r#""hook_event_name":"PreToolUse""#;
    for (what, event) in [
        ("empty", String::new()),
        ("cut", good[..good.len() / 2].to_owned()),
        ("a list", format!("[{good}]")),
        ("two", format!("{good}{good}")),
        ("a key twice", good.replacen('{', r#"{"tool_name":"Glob","#, 1)),
        ("too long", huge),
        (
            "a call that says it is an end",
            good.replace(name, r#""hook_event_name":"Stop","hook_event_name":"PreToolUse""#),
        ),
        ("no folder", good.replace(r#""cwd""#, r#""cwt""#)),
        ("no session", good.replace(r#""session_id""#, r#""session""#)),
        ("no input", good.replace(r#""tool_input""#, r#""input""#)),
        ("not text", "\u{0}\u{1}".to_owned()),
    ] {
        let heard = told(world.command(&["hook", "claude-code"]), event.as_bytes());
        assert_eq!((heard.code, &heard.said), (2, &Value::Null), "{what}: {heard:?}");
    }
    let heard = told(world.command(&["hook", "no-such-client"]), good.as_bytes());
    assert_eq!(heard.code, 2, "{heard:?}");
}

#[test]
fn an_input_that_never_ends_is_answered_all_the_same() {
    let world = begun();
    let mut child = world.command(&["hook", "claude-code"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(read(&world).to_string().as_bytes()).unwrap();
    let began = Instant::now();
    let ended = loop {
        if child.try_wait().unwrap().is_some() || began.elapsed() > AT_MOST {
            break child.try_wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let _ = child.kill();
    drop(input);
    assert_eq!(ended.and_then(|status| status.code()), Some(2), "after {:?}", began.elapsed());
    child.wait().unwrap();
}

#[test]
fn an_answer_that_nobody_hears_is_a_no() {
    let world = begun();
    let mut command = world.command(&["hook", "claude-code"]);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(told(command, read(&world).to_string().as_bytes()).code, 2);
    let mut child = world.command(&["hook", "claude-code"]).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(read(&world).to_string().as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn a_no_that_goes_nowhere_is_said_by_the_exit_code() {
    let world = begun();
    let secret = read(&world).to_string().replace("/a\"", "/.env\"");
    let allowed = read(&world).to_string().replace("toolu_1", "toolu_2");
    let asked = |event: &str, stdout: &str| {
        world.write("event.json", event);
        let command = world.command(&["hook", "claude-code"]);
        let mut shell = Command::new("sh");
        let script = format!("exec \"$0\" hook claude-code < event.json {stdout}");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_phasegate")]);
        let set = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let output = shell.env_clear().envs(set).current_dir(world.root()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(asked(&secret, "").0, Some(0), "the no is in the answer");
    for stdout in [">&-", ">/dev/null", "1</dev/zero"] {
        let (code, said) = asked(&secret, stdout);
        assert_eq!(code, Some(2), "{stdout}: {said}");
        assert!(said.contains(".env"), "{stdout}: {said}");
        // The client goes by its own rules, as it does wherever nothing is said; a turn may end.
        assert_eq!(asked(&allowed, stdout).0, Some(0), "{stdout}");
        assert_ne!(asked(&stop(&world).to_string(), stdout).0, Some(2), "{stdout}");
    }
}

#[test]
fn a_home_that_is_not_there_changes_no_verdict() {
    let world = begun();
    for home in [None, Some("/nowhere/at/all")] {
        let mut command = world.command(&["hook", "claude-code"]);
        match home {
            Some(home) => command.env("HOME", home),
            None => command.env_remove("HOME"),
        };
        let heard = told(command, read(&world).to_string().as_bytes());
        assert_ne!(heard.verdict(), "left", "{home:?}: {heard:?}");
        let secret = read(&world).to_string().replace("/a\"", "/.env\"");
        let mut command = world.command(&["hook", "claude-code"]);
        command.env_remove("HOME");
        let heard = told(command, secret.as_bytes());
        assert!(["deny", "fault"].contains(&heard.verdict()), "{home:?}: {heard:?}");
    }
}

#[test]
fn a_call_is_refused_while_its_settings_cannot_be_read() {
    let world = begun();
    world.write("phasegate.toml", "this is = no [ settings");
    closed(&world, "settings");
}

#[test]
fn a_state_folder_that_is_no_folder_lets_nothing_run() {
    let world = begun();
    std::fs::rename(world.root().join(".phasegate"), world.root().join("away")).unwrap();
    world.write(".phasegate", "a file");
    closed(&world, "a file in place of the folder");
}

/// In a user namespace of its own, with a small file system for the state.
fn in_small_space(world: &World, script: &str) -> Option<Heard> {
    let state = world.root().join(".phasegate");
    let script = format!(
        "cp -a '{0}' '{0}.kept' && mount -t tmpfs -o size=2m none '{0}' && cp -a '{0}.kept/.' '{0}' || exit 77\n{script}",
        state.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script]).current_dir(world.root()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", world.home());
    crate::support::stores::tell(&mut command, &world.root());
    command
        .env("PHASEGATE", env!("CARGO_BIN_EXE_phasegate"))
        .env("EVENT", read(world).to_string().replace("toolu_1", "toolu_2"));
    let output = command.stdin(Stdio::null()).output().ok()?;
    let refused = String::from_utf8_lossy(&output.stderr).contains("Operation not permitted");
    // A machine that lets nobody make namespaces cannot be asked.
    (output.status.code() != Some(77) && !refused).then(|| heard(&output))
}

#[test]
fn a_full_disk_lets_nothing_run() {
    let world = begun_in_a_file();
    let script = "dd if=/dev/zero of=.phasegate/filler bs=4k 2>/dev/null; printf '%s' \"$EVENT\" | \"$PHASEGATE\" hook claude-code";
    let Some(full) = in_small_space(&world, script) else {
        return eprintln!("not asked: this machine gives no user namespaces");
    };
    assert_eq!((full.code, &full.said), (2, &Value::Null), "{full:?}");
    let _ = std::fs::remove_dir_all(Path::new(&world.at(".phasegate.kept")));
    let room = in_small_space(&world, "printf '%s' \"$EVENT\" | \"$PHASEGATE\" hook claude-code").unwrap();
    assert_eq!(room.verdict(), "allow", "with room it is judged: {room:?}");
}

#[test]
fn what_a_fault_interrupted_is_judged_when_it_is_told_again() {
    let world = begun_in_a_file();
    let away = world.root().join("away.db");
    std::fs::rename(store(&world), &away).unwrap();
    std::fs::write(store(&world), "garbage that is long enough to be looked at as a header of a store").unwrap();
    closed(&world, "garbage");
    std::fs::rename(&away, store(&world)).unwrap();
    assert_eq!(world.tell("claude-code", &read(&world)).verdict(), "allow");
    assert_eq!(world.events("CallJudged").len(), 1);
}
