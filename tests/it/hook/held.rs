//! A phase that may write everywhere and has its network: its commands run as a person's would, and still reach nothing that
//! is phasegate's, the client's or denied, where the kernel can hold that.

use std::path::Path;
use std::process::{Command, Output};

use phasegate::sandbox::{Rung, probe};
use serde_json::{Value, json};

use super::world::{Server, World};
use crate::support::stores;

const OPEN: &str = r#"
version: 1
name: open
protect: { deny: ["Read(.env)", "Edit(infra/**)", "Bash(git push *)"] }
phases:
  work:
    allow: [Read, Edit, Write, Bash]
    exit: [ { approval: { ask: "Ship it?" } } ]
    next: [done]
  done: { end: true }
"#;

/// The command as the client's shell gets it from the hook, run as the client would.
fn run(world: &World, command: &str) -> (bool, Output) {
    let session = world.session("s1");
    let heard = session.before("Bash", json!({ "command": command }));
    assert_eq!(heard.verdict(), "allow", "{command}: {heard:?}");
    let given = heard.input()["command"].as_str();
    let mut shell = Command::new("bash");
    shell.args(["-c", given.unwrap_or(command)]).current_dir(world.root()).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", world.home()).env("USER", "lead");
    shell.env("ANTHROPIC_API_KEY", "key").env("TMPDIR", "/tmp").env("PHASEGATE_AGENT", "a");
    stores::tell(&mut shell, &world.root());
    (given.is_some(), shell.output().unwrap())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn script(world: &World, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = world.root().join("work.sh");
    std::fs::write(&file, format!("#!/bin/bash\n{body}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    "./work.sh".to_owned()
}

fn open() -> (World, Server) {
    let world = World::new(OPEN);
    for folder in [".claude", "infra", "sub", "../home/.claude"] {
        std::fs::create_dir_all(world.root().join(folder)).unwrap();
    }
    for (file, text) in [
        (".env", "SECRET=1\n"),
        ("sub/.env", "SECRET=2\n"),
        ("infra/main.tf", "kept\n"),
        (".claude/settings.json", "{}"),
        ("../home/.claude/settings.json", "{}"),
    ] {
        world.write(file, text);
    }
    let session = world.session("s1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let asked = session.own(&mut server, "request_approval", json!({}));
    assert_eq!(asked["state"], "pending", "{asked}");
    (world, server)
}

#[test]
fn a_store_that_lies_elsewhere_is_out_of_reach_as_well() {
    let world = World::in_a_file(OPEN);
    let (settings, elsewhere) = (world.home().join(".config/phasegate"), world.root().join("../elsewhere"));
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::create_dir_all(&elsewhere).unwrap();
    let store = elsewhere.canonicalize().unwrap().join("team.db");
    std::fs::write(settings.join("config.toml"), format!("store = \"sqlite:{}\"\n", store.display())).unwrap();
    world.trust(OPEN);
    let session = world.session("s1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    assert!(store.exists());
    for (tool, input) in [
        ("Read", json!({ "file_path": store })),
        ("Write", json!({ "file_path": format!("{}-wal", store.display()), "content": "" })),
        ("Edit", json!({ "file_path": world.at("../elsewhere/team.db"), "old_string": "a", "new_string": "b" })),
        ("Bash", json!({ "command": format!("sqlite3 {} .dump", store.display()) })),
        ("Bash", json!({ "command": "cp ../elsewhere/team.db ." })),
    ] {
        let heard = session.before(tool, input.clone());
        assert_eq!(heard.verdict(), "deny", "{tool} {input}: {heard:?}");
    }
    // A file beside it that is nobody's.
    std::fs::write(elsewhere.join("notes"), "mine").unwrap();
    assert_eq!(session.before("Read", json!({ "file_path": world.at("../elsewhere/notes") })).verdict(), "allow");
    if probe(Path::new(env!("CARGO_BIN_EXE_phasegate"))) != Rung::Full {
        return;
    }
    let body =
        "cd ../elsewhere; cat team.* | wc -c; { for f in team.*; do echo x >> $f; done; } 2>/dev/null; cat notes";
    let (held, output) = run(&world, &script(&world, body));
    assert!(held);
    let said = text(&output);
    assert!(said.starts_with("0\n") && said.ends_with("mine"), "{said}");
    world.well(&["audit", "verify"]);
    let asked = session.own(&mut server, "request_approval", json!({}));
    assert_eq!(asked["state"], "pending", "{asked}");
}

#[test]
fn without_a_task_an_open_shell_reaches_nothing_that_guards_it_either() {
    let world =
        World::new(&OPEN.replace("phases:", "unclaimed: { allow: [Bash], deny: [\"Read(private.txt)\"] }\nphases:"));
    std::fs::create_dir_all(world.at(".claude")).unwrap();
    for (file, text) in [(".claude/settings.json", "{}"), (".env", "SECRET=1\n"), ("private.txt", "SECRET=2\n")] {
        world.write(file, text);
    }
    if probe(Path::new(env!("CARGO_BIN_EXE_phasegate"))) != Rung::Full {
        return;
    }
    let guarding = "echo x >> .claude/settings.json; echo x >> phasegate.yaml; rm -rf .phasegate; cat .env private.txt";
    let (held, output) = run(&world, &script(&world, &format!("{guarding}; echo done > made; mktemp")));
    assert!(held);
    let said = text(&output);
    assert!(!said.contains("SECRET") && said.contains("Read-only file system"), "{said}");
    assert_eq!(std::fs::read_to_string(world.at(".claude/settings.json")).unwrap(), "{}");
    assert_eq!(std::fs::read_to_string(world.at("made")).unwrap(), "done\n", "the rest is as without bounds");
    world.well(&["audit", "verify"]);
}

#[test]
fn what_a_command_starts_reaches_nothing_that_guards_it() {
    if probe(Path::new(env!("CARGO_BIN_EXE_phasegate"))) != Rung::Full {
        return;
    }
    let (world, _server) = open();
    let phasegate = env!("CARGO_BIN_EXE_phasegate");
    let made_up = json!({"tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_use_id": "toolu_made_up"});
    world.write("made-up.json", &world.session("s1").event("PreToolUse", made_up).to_string());
    let files = ["phasegate.yaml", ".claude/settings.json", "../home/.claude/settings.json", "infra/main.tf", ".env"];
    let before: Vec<String> = files.iter().map(|file| std::fs::read_to_string(world.at(file)).unwrap()).collect();
    for body in [
        format!("{phasegate} approvals approve A-1"),
        format!("env -u CLAUDECODE {phasegate} workflow trust --yes"),
        format!("cp /bin/true {phasegate}"),
        "cat .phasegate/*.key .phasegate/exec/* 2>/dev/null | wc -c".to_owned(),
        "for f in .phasegate/*; do echo x >> $f; done".to_owned(),
        "mv .phasegate .other; mkdir .phasegate".to_owned(),
        "rm -rf .phasegate".to_owned(),
        "echo '{}' >> .claude/settings.json".to_owned(),
        "echo '{}' >> ~/.claude/settings.json".to_owned(),
        "echo x >> phasegate.yaml".to_owned(),
        "echo x >> infra/main.tf; rm infra/main.tf".to_owned(),
        "cat .env sub/.env; echo x >> .env".to_owned(),
        "env | grep PHASEGATE".to_owned(),
        format!("env CLAUDE_PROJECT_DIR=$PWD {phasegate} hook claude-code < made-up.json"),
    ] {
        let (held, output) = run(&world, &script(&world, &body));
        let said = text(&output);
        assert!(!body.contains("approve") || said.contains("out of reach of a confined command"), "{said}");
        assert!(held && output.status.code() != Some(125), "{body}: {said}");
        assert!(!said.contains("SECRET") && !said.contains("PHASEGATE_AGENT"), "{body}: {said}");
        assert!(!body.contains("wc -c") || said.ends_with("0\n"), "{body}: {said}");
        let after: Vec<String> = files.iter().map(|file| std::fs::read_to_string(world.at(file)).unwrap()).collect();
        assert_eq!(after, before, "{body}: {said}");
        let waiting: Value = serde_json::from_str(&world.well(&["approvals", "show", "A-1", "--json"])).unwrap();
        assert_eq!(waiting["state"]["is"], "pending", "{body}: {said}");
    }
    assert!(
        !world.records().iter().any(|record| record.to_string().contains("toolu_made_up")),
        "a made-up event counts"
    );
    world.well(&["audit", "verify"]);
    assert!(Command::new(phasegate).arg("--version").output().unwrap().status.success());
}

#[test]
fn its_everyday_work_goes_on_as_without_bounds() {
    let (world, _server) = open();
    let mut server = Command::new("sleep").arg("600").spawn().unwrap();
    let stopped = format!("kill {}", server.id());
    for (body, expected) in [
        ("echo made > made && cat made", "made\n"),
        ("mkdir -p a/b && echo x > a/b/c && rm -r a && ls -d a 2>/dev/null; echo $?", "2\n"),
        ("echo x > ~/made && cat ~/made", "x\n"),
        ("echo $ANTHROPIC_API_KEY $TMPDIR", "key /tmp\n"),
        (
            "git init -q . && git add made && git -c user.name=n -c user.email=e commit -qm one && git log --format=%s",
            "one\n",
        ),
        ("f=$(mktemp) && echo t > $f && cat $f && rm $f", "t\n"),
        ("python3 -c 'import socket; s=socket.create_server((\"127.0.0.1\", 0)); print(len(s.getsockname()))'", "2\n"),
        ("exit 7", ""),
        (stopped.as_str(), ""),
    ] {
        let (_, output) = run(&world, &script(&world, body));
        assert_eq!(text(&output), expected, "{body}");
        assert_eq!(output.status.code(), Some(if body == "exit 7" { 7 } else { 0 }), "{body}");
    }
    assert!(!server.wait().unwrap().success(), "a server of an earlier command is stopped");
}

/// What no kernel holds is not opened by being hidden in the words.
#[test]
fn what_hides_a_rule_about_commands_is_not_run_for_being_held() {
    if probe(Path::new(env!("CARGO_BIN_EXE_phasegate"))) != Rung::Full {
        return;
    }
    let hidden = ["eval \"$(echo git push x)\"", "`echo git` push", "git $(cat way) x", "bash -c \"$FOO\""];
    let held = ["cat $F", "rm -rf \"$DIR\"", "python3 -c 'print(1)'", "source env.sh && ls"];
    let (world, _server) = open();
    let verdict =
        |command: &str| world.session("s1").before("Bash", json!({ "command": command })).verdict().to_owned();
    for command in hidden {
        assert_eq!(verdict(command), "ask", "{command}");
    }
    for command in held {
        assert_eq!(verdict(command), "allow", "{command}");
    }
    world.trust(&OPEN.replace("protect:", "uninspectable: deny\nprotect:"));
    let session = world.session("s2");
    session.start("startup");
    session.claim(&mut Server::of(&world));
    for command in hidden.iter().chain(&held) {
        assert_eq!(session.before("Bash", json!({ "command": command })).verdict(), "deny", "{command}");
    }
}
