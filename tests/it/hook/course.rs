//! The course of a session: what an agent is told when it begins, comes back or wants to stop.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Server, World, told};

#[test]
fn a_session_is_told_that_it_is_guarded_and_how_it_gets_work() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    let told = session.start("startup");
    // No settings file of this world names the hook that spoke.
    assert!(told.context().contains("guards this session (advisory)"), "{told:?}");
    assert!(told.context().contains("claim_task"), "{told:?}");
    assert_eq!(session.tell("UserPromptSubmit", json!({"prompt": "hello"})).said, json!(null));
    session.start("resume");
    let how: Vec<_> = world.events("SessionStarted").iter().map(|event| event["how"].clone()).collect();
    assert_eq!(how, ["fresh", "resumed"]);
}

#[test]
fn what_an_agent_forgot_is_put_back_after_compaction() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    let task = session.claim(&mut server)["task"].clone();
    session.own(&mut server, "update_task", json!({"progress": "read half of it", "percent": 50}));
    session.tell("PreCompact", json!({"trigger": "auto"}));
    let told = session.start("compact");
    for word in ["T-1", "look", "notes", "build", "read half of it"] {
        assert!(told.context().contains(word), "{word}: {}", told.context());
    }
    let prompted = session.tell("UserPromptSubmit", json!({"prompt": "go on"}));
    assert!(prompted.context().contains("T-1") && prompted.context().contains("phase look"), "{prompted:?}");
    assert_eq!(task, "T-1");
}

#[test]
fn a_checkpoint_of_the_agents_own_is_not_written_over() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    session.tell("PreCompact", json!({"trigger": "auto"}));
    session.tell("PreCompact", json!({"trigger": "auto"}));
    let saved = world.events("CheckpointSaved");
    assert_eq!(saved.last().unwrap()["data"]["saved_by"], "hook", "{saved:?}");
    assert_eq!(saved.last().unwrap()["data"]["unmet"][0]["gate"], "artifact:notes", "{saved:?}");
    session.own(&mut server, "update_task", json!({"checkpoint": {"line": 7}}));
    session.tell("PreCompact", json!({"trigger": "manual"}));
    assert_eq!(world.events("CheckpointSaved").last().unwrap()["data"], json!({"line": 7}));
    assert!(session.start("compact").context().contains("\"line\""));
}

#[test]
fn an_agent_that_would_stop_in_the_middle_is_told_once_what_is_missing() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    let stop = |again: bool| session.tell("Stop", json!({"stop_hook_active": again}));
    session.start("startup");
    assert_eq!(stop(false).said, json!(null), "nothing is held");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let told = stop(false);
    assert_eq!((told.code, told.said["decision"].as_str()), (0, Some("block")), "{told:?}");
    for word in ["T-1", "notes", "release"] {
        assert!(told.block().contains(word), "{word}: {}", told.block());
    }
    assert_eq!(stop(true).said, json!(null), "an agent that insists may stop");
}

#[test]
fn whoever_waits_for_a_person_may_stop() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let call = json!({"call": {"tool": "Write", "arguments": {"file_path": world.at("x"), "content": "x"}}});
    let asked = session.own(&mut server, "request_approval", call);
    assert!(asked["approval"].is_string() || asked["approvals"].is_array(), "{asked}");
    let stop = || session.tell("Stop", json!({"stop_hook_active": false}));
    assert_eq!(stop().said, json!(null));
    world.well(&["approvals", "reject", "A-1", "--reason", "no", "--yes"]);
    assert_eq!(stop().said["decision"], "block", "it is answered");
}

#[test]
fn a_yes_is_told_with_the_next_prompt_until_it_is_used() {
    let world =
        World::new(&FLOW.replace("exit: [ { artifact: notes } ]", "exit: [ { approval: { ask: \"Go on?\" } } ]"));
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    session.own(&mut server, "request_approval", json!({"reason": "looked at it"}));
    let told = || session.tell("UserPromptSubmit", json!({"prompt": "go on"})).context().to_owned();
    assert!(!told().contains("A-1"), "{}", told());
    world.well(&["approvals", "approve", "A-1", "--reason", "looks fine", "--yes"]);
    assert!(told().contains("A-1 was approved (looks fine): transition_phase now"), "{}", told());
    session.own(&mut server, "transition_phase", json!({}));
    assert!(!told().contains("A-1"), "{}", told());
}

#[test]
fn a_limit_of_the_service_parks_the_claim_and_the_end_of_the_session_leaves_it() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let failed = |message: &str| session.tell("StopFailure", json!({"error": message}));
    assert_eq!(failed("the network is down").code, 0);
    assert_eq!(world.events("ClaimParked").len(), 0, "no limit, nothing parked");
    assert_eq!(failed("rate_limit").code, 0);
    let parked = world.events("ClaimParked");
    assert_eq!((parked.len(), parked[0]["task"].clone()), (1, json!("T-1")), "{parked:?}");
    // Some words say until when, in seconds at their end; for no longer than a week.
    failed("Claude AI usage limit reached|4102444800");
    let day = |event: &Value| event["until"].as_str().unwrap()[..10].to_owned();
    let parked = world.events("ClaimParked");
    assert_ne!(day(&parked[1]), day(&parked[0]), "{parked:?}");
    session.tell("SessionEnd", json!({"reason": "logout"}));
    session.tell("SessionEnd", json!({"reason": "logout"}));
    assert_eq!(world.events("SessionEnded").len(), 1);
    assert_eq!(world.task("T-1")["status"], "claimed");
    let back = session.start("resume");
    assert!(back.context().contains("You hold T-1"), "{back:?}");
}

#[test]
fn what_a_session_leaves_behind_another_one_is_told_of_and_may_take_up_at_once() {
    let world = World::new(FLOW);
    let (first, second) = (world.session("5e55-1"), world.session("77aa-2"));
    first.start("startup");
    let mut server = Server::of(&world);
    first.claim(&mut server);
    assert!(!second.start("startup").context().contains("T-1"), "it is at work");
    let mut other = Server::of(&world);
    let refused = second.own(&mut other, "claim_task", json!({"id": "T-1"}));
    assert!(refused["refused"].as_str().is_some_and(|why| why.contains("is held by")), "{refused}");
    first.tell("SessionEnd", json!({"reason": "logout"}));
    let told = second.start("startup");
    assert!(told.context().contains("was left in phase"), "{told:?}");
    let claimed = second.own(&mut other, "claim_task", json!({"id": "T-1"}));
    assert_eq!(claimed["task"], "T-1", "{claimed}");
    let released = world.events("ClaimReleased");
    assert_eq!(released[0]["reason"], "the session of its holder has ended", "{released:?}");
    // Whoever comes back after all is told, and writes nothing.
    let back = first.start("resume");
    assert!(!back.context().contains("You hold T-1"), "{back:?}");
}

#[test]
fn two_sessions_are_two_agents_however_like_their_ids_are() {
    let world = World::new(FLOW);
    // The front of these ids is the time of day: it is the same for sessions that begin soon after one another.
    for (client, one, two) in [
        ("codex", "019a9f0c-5e00-7000-8000-00000000a001", "019a9f0c-7f00-7000-8000-00000000b002"),
        ("claude-code", "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"),
    ] {
        for id in [one, two] {
            let event =
                json!({"session_id": id, "cwd": world.at(""), "hook_event_name": "SessionStart", "source": "startup"});
            assert_eq!(world.tell(client, &event).code, 0);
        }
    }
    for id in ["ses_4f3a1b2c3ffeAAAAAAAAAAAAAA", "ses_4f3a1b2c4ffeBBBBBBBBBBBBBB"] {
        assert_eq!(world.tell("opencode", &json!({"session": id, "cwd": world.at(""), "event": "started"})).code, 0);
    }
    let started = world.events("SessionStarted");
    let agents: std::collections::BTreeSet<_> = started.iter().map(|event| event["agent"].to_string()).collect();
    assert_eq!((started.len(), agents.len()), (6, 6), "{agents:?}");
}

#[test]
fn a_folder_without_phasegate_is_left_alone() {
    // Who has a store set in the environment has phasegate everywhere.
    let world = World::in_a_file(FLOW);
    let other = world.home();
    let event = json!({"session_id": "x", "cwd": other, "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": "rm -rf /"}, "tool_use_id": "toolu_1"});
    let mut command = world.command(&["hook", "claude-code"]);
    command.current_dir(&other);
    let told = told(command, event.to_string().as_bytes());
    assert_eq!((told.code, told.said), (0, json!(null)));
    assert!(!other.join(".phasegate").exists());
}
