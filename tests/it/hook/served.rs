//! A server that runs answers the hooks of its workspace. Which of the two has answered shows where a hook may not write a
//! single block: by itself it could record nothing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::FLOW;
use super::world::{Heard, Server, World, told};

/// A task in the phase that changes nothing is held.
fn held() -> (World, Server) {
    let world = World::in_a_file(FLOW);
    let session = world.session("s1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    (world, server)
}

/// Tells of a write through a shell that says how the program is started.
fn edits(world: &World, id: &str, start: &str, variables: &[(&str, String)]) -> Heard {
    let input = json!({ "file_path": world.at("src/a.txt"), "old_string": "a", "new_string": "b" });
    let more = json!({ "tool_name": "Edit", "tool_input": input, "tool_use_id": id });
    let event = world.session("s1").event("PreToolUse", more);
    let hook = world.command(&["hook", "claude-code"]);
    let mut shell = Command::new("bash");
    let command = format!("{start} {} hook claude-code", env!("CARGO_BIN_EXE_phasegate"));
    shell.args(["-c", &command]).current_dir(world.root()).env_clear();
    shell.envs(hook.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.envs(variables.iter().map(|(name, value)| (*name, value)));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    told(shell, event.to_string().as_bytes())
}

const NO_BLOCK: &str = "ulimit -c 0; ulimit -f 0; exec";

fn is_served(world: &World, id: &str, start: &str, variables: &[(&str, String)]) -> bool {
    let heard = edits(world, id, &format!("{NO_BLOCK} {start}"), variables);
    let known = heard.code == 0 && heard.reason().contains("phase look of T-1");
    assert!(known || heard.code != 0 || heard.reason().contains("could not"), "{heard:?}");
    known
}

fn process(server: &Server) -> Pid {
    Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap()
}

#[test]
fn a_server_answers_for_its_workspace_alone() {
    let (world, server) = held();
    assert!(is_served(&world, "plain", "", &[]));
    let other = format!("sqlite:{}", world.at("other.db"));
    assert!(!is_served(&world, "other store", "", &[("PHASEGATE_STORE", other)]));
    assert!(!is_served(&world, "under bounds", "setpriv --no-new-privs", &[]), "as a confined command is");
    drop(server);
    assert!(!is_served(&world, "none", "", &[]));
    assert_eq!(edits(&world, "by itself", "", &[]).verdict(), "deny");
}

#[test]
fn it_does_not_answer_over_a_store_that_is_another_or_newer() {
    let (world, _server) = held();
    let store = world.root().join(".phasegate/phasegate.db");
    let set = |version: i64| {
        let connection = rusqlite::Connection::open(&store).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
    };
    let connection = rusqlite::Connection::open(&store).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    set(version + 1);
    assert!(!is_served(&world, "newer", "", &[]));
    set(version);
    assert!(is_served(&world, "as before", "", &[]));
    std::fs::rename(&store, world.root().join("away.db")).unwrap();
    assert!(!is_served(&world, "moved", "", &[]));
}

#[test]
fn one_that_is_stopped_or_killed_is_not_missed() {
    let (world, server) = held();
    kill_process(process(&server), Signal::STOP).unwrap();
    let before = Instant::now();
    assert_eq!(edits(&world, "stopped", "", &[]).verdict(), "deny", "by itself");
    assert!(before.elapsed() < Duration::from_secs(6), "inside its own time");
    kill_process(process(&server), Signal::KILL).unwrap();
    assert_eq!(edits(&world, "killed", "", &[]).verdict(), "deny");
    assert_eq!(world.events("CallJudged").iter().filter(|event| event["verdict"] == "deny").count(), 2);
}

#[test]
fn the_next_server_takes_the_place_of_one_that_has_ended() {
    let (world, first) = held();
    let _second = Server::of(&world);
    drop(first);
    let before = Instant::now();
    let mut turn = 0;
    while !is_served(&world, &format!("call {turn}"), "", &[]) {
        turn += 1;
        assert!(before.elapsed() < Duration::from_secs(60), "nobody has taken the place");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn agents_are_kept_off_the_port_of_a_server() {
    let (world, _stdio) = held();
    let mut http = world.command(&["serve", "--http", "127.0.0.1:0"]);
    let mut http = http.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ports = world.root().join(".phasegate/ports");
    let known = || std::fs::read_dir(&ports).ok()?.flatten().next()?.file_name().into_string().ok();
    let begun = Instant::now();
    let port = loop {
        match known() {
            Some(port) => break port,
            None => assert!(begun.elapsed() < Duration::from_secs(20), "no port is told"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let session = world.session("s1");
    let curl = || {
        session.before("Bash", json!({ "command": format!("curl http://127.0.0.1:{port}/health") })).reason().to_owned()
    };
    assert!(curl().contains("speak to phasegate itself"), "{}", curl());
    http.kill().unwrap();
    http.wait().unwrap();
    assert!(!curl().contains("phasegate itself"), "nobody listens there: {}", curl());
}
