//! Calls of a client's own tools: what is refused, and in which words; what passes; what is recorded.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Server, Session, World};

fn bash(command: &str) -> Value {
    json!({"command": command})
}

fn file(world: &World, name: &str) -> Value {
    json!({"file_path": world.at(name), "content": "x"})
}

/// On to the phase where things are made.
fn build(session: &Session<'_>, server: &mut Server) {
    session.own(server, "submit_artifact", json!({"name": "notes", "content": "seen"}));
    let moved = session.own(server, "transition_phase", json!({"summary": "seen"}));
    assert_eq!(moved["phase"], "build", "{moved}");
}

#[test]
fn without_a_task_only_what_the_workflow_leaves_open_may_be_used() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    for (tool, input, verdict) in [
        ("Read", file(&world, "a"), "allow"),
        ("Read", file(&world, ".env"), "deny"),
        ("Write", file(&world, "a"), "deny"),
        ("Bash", bash("ls"), "deny"),
        ("mcp__github__get_issue", json!({}), "deny"),
        ("mcp__phasegate__claim_task", json!({}), "allow"),
        ("mcp__plugin_phasegate_phasegate__list_tasks", json!({}), "allow"),
        // What another server calls itself makes it none of ours.
        ("mcp__phasegate__rm_rf", json!({}), "deny"),
    ] {
        let told = session.before(tool, input.clone());
        assert_eq!(told.verdict(), verdict, "{tool} {input}: {told:?}");
        if verdict == "deny" && tool == "Write" {
            assert!(told.reason().contains("next: claim_task"), "{}", told.reason());
        }
    }
}

#[test]
fn a_write_is_refused_while_looking_and_allowed_after_the_gate() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let told = session.before("Write", file(&world, "src/a"));
    assert_eq!(told.verdict(), "deny");
    for word in ["src/a", "phase look of T-1", "open now: Read", "transition_phase to build", "missing:"] {
        assert!(told.reason().contains(word), "{word}: {}", told.reason());
    }
    assert_eq!(session.before("mcp__github__get_issue", json!({})).verdict(), "allow");
    assert_eq!(session.before("mcp__github__create_issue", json!({})).verdict(), "deny");
    build(&session, &mut server);
    for (tool, name, verdict) in [
        ("Write", "src/a", "allow"),
        ("Edit", "src/deep/b", "allow"),
        ("Write", "README", "deny"),
        ("Write", "src/../README", "deny"),
        ("Read", "README", "allow"),
        ("Read", ".env", "deny"),
    ] {
        let told = session.before(tool, file(&world, name));
        assert_eq!(told.verdict(), verdict, "{tool} {name}: {told:?}");
    }
    let judged = world.events("CallJudged");
    let write = judged.iter().find(|event| event["tool"] == "Write").unwrap();
    assert_eq!((&write["verdict"], &write["task"], &write["phase"]), (&json!("deny"), &json!("T-1"), &json!("look")));
}

#[test]
fn what_keeps_the_guard_is_closed_in_every_phase_and_mode() {
    for mode in ["strict", "warn", "observe"] {
        let yaml = FLOW.replace("name: flow", &format!("name: flow\nenforcement: {mode}"));
        let world = World::new(&yaml);
        let session = world.session("5e55-1");
        session.start("startup");
        let mut server = Server::of(&world);
        let closed = |place: &str| {
            for (tool, input) in [
                ("Write", file(&world, ".phasegate/phasegate.db")),
                ("Edit", file(&world, ".claude/settings.json")),
                ("Bash", bash("phasegate workflow trust --yes")),
                ("Bash", bash("echo x > .phasegate/x")),
            ] {
                let told = session.before(tool, input.clone());
                assert_eq!(told.verdict(), "deny", "{mode} {place}: {tool} {input}: {told:?}");
            }
        };
        closed("without a task");
        session.claim(&mut server);
        closed("look");
        build(&session, &mut server);
        closed("build");
    }
}

#[test]
fn a_workflow_that_does_not_enforce_lets_pass_and_records() {
    for (mode, told) in [("warn", true), ("observe", false)] {
        let yaml = FLOW.replace("name: flow", &format!("name: flow\nenforcement: {mode}"));
        let world = World::new(&yaml);
        let session = world.session("5e55-1");
        session.start("startup");
        for held in [false, true] {
            if held {
                session.claim(&mut Server::of(&world));
            }
            let call = session.next_call();
            let heard = session.before_as(&call, "Write", file(&world, "a"));
            // The client goes by its own rules: what is waived is not allowed for it.
            assert_eq!(heard.verdict(), "left", "{mode}: {heard:?}");
            assert_eq!(!heard.context().is_empty(), told, "{mode}, held {held}: {heard:?}");
            let again = session.before_as(&call, "Write", file(&world, "a"));
            assert_eq!(again.verdict(), "left", "{mode}, told twice: {again:?}");
        }
        let judged = world.events("CallJudged");
        assert_eq!(judged.len(), 2, "{judged:?}");
        assert!(judged.iter().all(|event| event["verdict"] == "deny" && event["waived"] == true), "{judged:?}");
    }
}

#[test]
fn an_event_told_twice_is_one_call_and_gets_one_answer() {
    let yaml = FLOW.replace("unclaimed: { allow: [Read, Grep] }", "unclaimed: { ask: [Write] }");
    let world = World::new(&yaml);
    let session = world.session("5e55-1");
    session.start("startup");
    for (tool, input, verdict) in [
        ("Glob", json!({"pattern": "*"}), "left"),
        ("Read", file(&world, ".env"), "deny"),
        ("Write", file(&world, "a"), "ask"),
    ] {
        let call = session.next_call();
        for time in ["first", "second"] {
            let told = session.before_as(&call, tool, input.clone());
            assert_eq!(told.verdict(), verdict, "{tool}, {time}: {told:?}");
        }
        let other = json!({"file_path": world.at(".env"), "pattern": "**"});
        let told = session.before_as(&call, "Read", other);
        assert_eq!(told.verdict(), "deny", "another call under the same id is judged: {told:?}");
    }
    let of = |tool: &str| world.events("CallJudged").iter().filter(|event| event["tool"] == tool).count();
    assert_eq!((of("Glob"), of("Write")), (1, 1));
}

#[test]
fn a_call_without_an_id_is_judged_and_recorded() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    for (name, verdict) in [("a", "allow"), (".env", "deny")] {
        let more = json!({"tool_name": "Read", "tool_input": {"file_path": world.at(name)}});
        assert_eq!(session.tell("PreToolUse", more).verdict(), verdict, "{name}");
    }
    assert_eq!(world.events("CallJudged").len(), 2);
    let how: Vec<_> = world.events("SessionStarted").iter().map(|event| event["how"].clone()).collect();
    assert_eq!(how, ["midway"], "the first sign of life counts as a start");
}

#[test]
fn a_persons_own_deny_and_ask_rules_keep_their_say() {
    let world = World::new(FLOW);
    std::fs::create_dir_all(world.root().join(".claude")).unwrap();
    world.write(".claude/settings.json", r#"{"permissions":{"deny":["Read(secret)"],"ask":["Bash(git push *)"]}}"#);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    build(&session, &mut server);
    for (tool, input, verdict) in [
        ("Read", file(&world, "secret"), "left"),
        ("Read", file(&world, "open"), "allow"),
        ("Bash", bash("git push origin main"), "left"),
        ("Bash", bash("git status"), "allow"),
    ] {
        assert_eq!(session.before(tool, input.clone()).verdict(), verdict, "{tool} {input}");
    }
}

#[test]
fn a_budget_that_is_used_up_closes_calls_and_leaves_the_loop_open() {
    for (mode, verdict) in [("strict", "deny"), ("warn", "allow"), ("observe", "allow")] {
        let yaml = FLOW.replace("name: flow", &format!("name: flow\nenforcement: {mode}"));
        let world = World::new(&yaml);
        let session = world.session("5e55-1");
        session.start("startup");
        let mut server = Server::of(&world);
        session.claim(&mut server);
        world.well(&["tasks", "budget", "T-1", "--tokens", "10", "--reason", "small", "--yes"]);
        assert_eq!(session.before("Read", file(&world, "a")).verdict(), "allow");
        let line = json!({"type": "assistant", "requestId": "r1", "sessionId": session.id, "timestamp": "2026-11-21T07:00:00Z",
            "message": {"id": "m1", "role": "assistant", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 100, "output_tokens": 100}}});
        std::fs::write(world.home().join("transcript.jsonl"), format!("{line}\n")).unwrap();
        session.after_as("none", "Read", file(&world, "a"), json!("x"));
        let told = session.before("Read", file(&world, "a"));
        assert_eq!(told.verdict(), verdict, "{mode}: {told:?}");
        let words = format!("{}{}", told.reason(), told.context());
        assert_eq!(words.contains("budget of T-1"), mode != "observe", "{mode}: {told:?}");
        // What is closed for other reasons is not opened by an empty purse.
        for (tool, input) in [("Write", file(&world, ".phasegate/x")), ("Edit", file(&world, ".claude/settings.json"))]
        {
            let told = session.before(tool, input);
            assert_eq!(told.verdict(), "deny", "{mode}: {tool}: {told:?}");
        }
        let released = session.own(&mut server, "update_task", json!({"release": "no money"}));
        assert!(released["refused"].is_null(), "{mode}: {released}");
    }
}
