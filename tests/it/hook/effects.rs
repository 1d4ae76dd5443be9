//! What shell calls did: changes that a phase does not allow, and runs that show something for a gate.

use serde_json::{Value, json};

use super::world::{Server, Session, World};

const YAML: &str = r#"
version: 1
name: effects
phases:
  work:
    allow: [Read, Bash, Write]
    writes: ["src/**"]
    sandbox: { confine: off }
    exit: [ { command: ["true", "checked"], tier: observed } ]
    next: [done]
  done: { end: true }
"#;

fn working(world: &World) -> (Session<'_>, Server) {
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(world);
    session.claim(&mut server);
    (session, server)
}

fn leave(session: &Session<'_>, server: &mut Server) -> Value {
    session.own(server, "transition_phase", json!({"summary": "s"}))
}

fn violations(world: &World) -> usize {
    world.task("T-1")["violations"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_change_outside_writes_is_told_closes_the_gate_and_is_over_once_it_is_undone() {
    let world = World::new(YAML);
    world.write("README", "as it was");
    let (session, mut server) = working(&world);
    let (before, after) = session.shell("build", || {
        world.write("src/made", "well");
        world.write("README", "changed");
        world.write("stray", "x");
    });
    assert_eq!(before.verdict(), "allow", "{before:?}");
    for word in ["README", "stray", "phase work of T-1", "Put it back", "tasks accept T-1"] {
        assert!(after.context().contains(word), "{word}: {after:?}");
    }
    assert!(!after.context().contains("src/made"), "{after:?}");
    assert_eq!(violations(&world), 2);
    session.shell("true checked", || {});
    let refused = leave(&session, &mut server);
    assert!(refused["refused"].as_str().unwrap_or_default().contains("README"), "{refused}");
    world.write("README", "as it was");
    std::fs::remove_file(world.root().join("stray")).unwrap();
    session.shell("true checked", || {});
    assert_eq!(violations(&world), 0);
    let left = leave(&session, &mut server);
    assert!(left["refused"].is_null(), "{left}");
    assert_eq!((world.events("ViolationFound").len(), world.events("ViolationUndone").len()), (1, 1));
}

#[test]
fn a_command_runs_in_the_bounds_of_its_phase_where_the_kernel_holds_them() {
    let world = World::new(&YAML.replace("confine: off", "confine: auto"));
    let (session, _server) = working(&world);
    let call = session.next_call();
    let input = json!({"command": "echo x > src/in; echo x > out; exit 7", "description": "d"});
    let told = session.before_as(&call, "Bash", input.clone());
    assert_eq!(told.verdict(), "allow", "{told:?}");
    let Some(command) = told.input()["command"].as_str() else {
        return eprintln!("not asked: this machine holds no command");
    };
    assert_eq!(told.input()["description"], "d");
    let again = session.before_as(&call, "Bash", input);
    assert_ne!(again.input()["command"].as_str(), Some(command), "a ticket is for one run: {again:?}");
    let run = |command: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", command]).current_dir(world.root()).env_clear().env("HOME", world.home());
        crate::support::stores::tell(&mut shell, &world.root());
        shell.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap()
    };
    let ran = run(command);
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert!(world.root().join("src/in").exists() && !world.root().join("out").exists(), "{ran:?}");
    let twice = run(command);
    assert_ne!(twice.status.code(), Some(7), "{twice:?}");
}

#[test]
fn a_call_that_puts_back_what_stands_is_no_change_against_the_phase() {
    let world = World::new(YAML);
    world.write("README", "as it was");
    let (session, mut server) = working(&world);
    session.shell("build", || {
        world.write("README", "changed");
        world.write("stray", "x");
    });
    let (_, after) = session.shell("undo", || {
        world.write("README", "as it was");
        std::fs::remove_file(world.root().join("stray")).unwrap();
    });
    assert_eq!((after.context(), violations(&world)), ("", 0), "{after:?}");
    session.shell("true checked", || {});
    assert!(leave(&session, &mut server)["refused"].is_null());
    assert_eq!(world.events("ViolationFound").len(), 1);
}

#[test]
fn what_build_tools_make_in_their_folders_is_theirs() {
    let world = World::new(YAML);
    for folder in [".git", "dist"] {
        std::fs::create_dir(world.root().join(folder)).unwrap();
    }
    world.write("package.json", "{}");
    world.write(".gitignore", "dist\n");
    let (session, _server) = working(&world);
    let (_, after) = session.shell("build", || {
        world.write("dist/made", "x");
        world.write("distant", "x");
    });
    let told = after.context();
    assert!(told.contains("`distant`") && !told.contains("dist/made"), "{told}");
}

#[test]
fn under_warn_and_observe_a_command_writes_where_rules_close_and_only_warn_tells() {
    for (mode, told) in [("warn", true), ("observe", false)] {
        let yaml =
            YAML.replace("confine: off", "confine: auto").replace("phases:", &format!("enforcement: {mode}\nphases:"));
        let world = World::new(&yaml);
        let (session, _server) = working(&world);
        let (call, input) = (session.next_call(), json!({"command": "echo x > out; echo x > .phasegate/in"}));
        let before = session.before_as(&call, "Bash", json!({"command": "echo x > out"}));
        assert_eq!(before.verdict(), "allow", "{before:?}");
        let command = before.input()["command"].as_str().unwrap_or("echo x > out").to_owned();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &command]).current_dir(world.root()).env_clear().env("HOME", world.home());
        crate::support::stores::tell(&mut shell, &world.root());
        let ran = shell.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
        assert!(ran.status.success() && world.root().join("out").exists(), "{mode}: {ran:?}");
        let response = json!({"stdout": "", "stderr": "", "interrupted": false});
        let after = session.after_as(&call, "Bash", json!({"command": "echo x > out"}), response);
        assert_eq!(after.context().contains("out"), told, "{mode}: {after:?}");
        assert_eq!(violations(&world), 1, "{mode}: it is on record");
        let own = session.before("Bash", input);
        assert_eq!(own.verdict(), "deny", "{mode}: {own:?}");
    }
}

#[test]
fn a_person_can_let_a_change_stand() {
    let world = World::new(YAML);
    let (session, mut server) = working(&world);
    session.shell("build", || world.write("stray", "x"));
    let agent = world.run(&["tasks", "accept", "T-1", "--reason", "mine"]);
    assert!(!agent.status.success(), "not without a yes");
    world.well(&["tasks", "accept", "T-1", "--path", "stray", "--reason", "wanted", "--yes"]);
    assert_eq!((violations(&world), world.events("ViolationAccepted").len()), (0, 1));
    let again = world.run(&["tasks", "accept", "T-1", "--reason", "again", "--yes"]);
    assert!(!again.status.success());
    session.shell("true checked", || {});
    let left = leave(&session, &mut server);
    assert!(left["refused"].is_null(), "{left}");
}

#[test]
fn only_a_run_that_ended_well_on_these_files_in_this_place_is_seen() {
    let world = World::new(YAML);
    let (session, _server) = working(&world);
    let well = json!({"stdout": "all well", "stderr": "", "interrupted": false});
    let with = |key: &str, value: Value| {
        let mut response = well.clone();
        response[key] = value;
        response
    };
    let elsewhere = world.at("src");
    for (what, command, response, cwd, seen) in [
        ("another command", "true checked twice", well.clone(), world.at(""), None),
        ("a part of a line", "true checked || true", well.clone(), world.at(""), None),
        ("interrupted", "true checked", with("interrupted", json!(true)), world.at(""), None),
        ("in the background", "true checked", with("backgroundTaskId", json!("b1")), world.at(""), None),
        ("in another folder", "true checked", well.clone(), elsewhere, None),
        ("explained", "true checked", with("returnCodeInterpretation", json!("No matches")), world.at(""), None),
        ("well", "true checked", well.clone(), world.at(""), Some(true)),
    ] {
        let (call, count) = (session.next_call(), world.events("GateObserved").len());
        let mut event = session.event(
            "PreToolUse",
            json!({"tool_name": "Bash", "tool_input": {"command": command}, "tool_use_id": call, "cwd": cwd}),
        );
        assert_eq!(world.tell("claude-code", &event).verdict(), "allow", "{what}");
        event["hook_event_name"] = json!("PostToolUse");
        event["tool_response"] = response;
        world.tell("claude-code", &event);
        let observed = world.events("GateObserved");
        let new = observed.get(count).map(|event| event["well"].as_bool().unwrap());
        assert_eq!(new, seen, "{what}: {observed:?}");
    }
}

#[test]
fn what_was_seen_is_stale_after_a_write_and_a_bad_run_shows_nothing() {
    let world = World::new(&YAML.replace("[\"true\", \"checked\"]", "[\"test\", \"-f\", \"src/made\"]"));
    let (session, mut server) = working(&world);
    let run = |code: i32| {
        let (call, input) = (session.next_call(), json!({"command": "test -f src/made"}));
        session.before_as(&call, "Bash", input.clone());
        match code {
            0 => session.after_as(&call, "Bash", input, json!({"stdout": "", "stderr": "", "interrupted": false})),
            _ => session.failed_as(&call, "Bash", input, &format!("Exit code {code}\nbad")),
        }
    };
    run(1);
    let refused = leave(&session, &mut server);
    assert!(refused["refused"].is_string(), "{refused}");
    // Seen well, then written to: phasegate runs it itself, and it does not hold.
    run(0);
    world.write("src/other", "newer");
    let refused = leave(&session, &mut server);
    assert!(refused["refused"].is_string(), "{refused}");
    run(0);
    let left = leave(&session, &mut server);
    assert!(left["refused"].is_null(), "the newest run holds: {left}");
    let observed: Vec<Value> = world.events("GateObserved").iter().map(|event| event["well"].clone()).collect();
    assert_eq!(observed, [false, true, true]);
}

#[test]
fn a_call_whose_end_is_told_twice_or_of_which_nothing_is_known_is_recorded_once() {
    let world = World::new(YAML);
    let (session, _server) = working(&world);
    let (call, input) = (session.next_call(), json!({"command": "true checked"}));
    session.before_as(&call, "Bash", input.clone());
    for _ in 0..2 {
        session.failed_as(&call, "Bash", input.clone(), "Exit code 3");
    }
    session.failed_as("toolu_unknown", "Bash", input, "Exit code 3");
    let ended: Vec<Value> = world.events("CallObserved").into_iter().filter(|event| event["tool"] == "Bash").collect();
    assert_eq!((ended.len(), &ended[0]["exit_code"], &ended[0]["well"]), (1, &json!(3), &json!(false)), "{ended:?}");
}
