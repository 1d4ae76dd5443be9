//! Subagents: claims of their own over the one server, what their parent may not, the model they run on.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Server, World};

const WITH_AGENTS: &str = r#"
version: 1
name: agents
phases:
  plan:
    allow: [Read, Agent]
    deny: ["Read(private/**)"]
    model: { tier: strong }
    next: [build]
  build: { allow: [Read, Agent, Write], writes: ["src/**"], next: [done] }
  done: { end: true }
"#;

/// Where a task starts with everything open.
const OPEN: &str = r#"
version: 1
name: open
phases:
  work: { allow: [Read, Write, Agent], next: [done] }
  done: { end: true }
"#;

#[test]
fn two_subagents_have_claims_of_their_own_over_one_server() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    let (one, two) =
        (session.subagent("ses_4f3a1b2c3ffeAA", "general-purpose"), session.subagent("ses_4f3a1b2c3ffeBB", "Explore"));
    let mut tasks = Vec::new();
    for sub in [&session, &one, &two] {
        sub.tell("SubagentStart", json!({}));
        let title = format!("for {}", tasks.len());
        tasks.push(sub.own(&mut server, "claim_task", json!({"new": {"title": title}}))["task"].clone());
    }
    assert_eq!(tasks, ["T-1", "T-2", "T-3"]);
    let holders: Vec<Value> = world.events("TaskClaimed").iter().map(|event| event["agent"].clone()).collect();
    assert_ne!(holders[1], holders[2], "{holders:?}");
    for sub in &holders[1..] {
        assert!(sub.as_str().unwrap().starts_with(&format!("{}/", holders[0].as_str().unwrap())), "{holders:?}");
    }
    assert!(one.own(&mut server, "update_task", json!({"task": "T-3", "progress": "x"}))["refused"].is_string());
    // One that has ended gives its task back; the others keep theirs.
    one.tell("SubagentStop", json!({}));
    one.tell("SubagentStop", json!({}));
    let status: Vec<Value> = ["T-1", "T-2", "T-3"].iter().map(|id| world.task(id)["status"].clone()).collect();
    assert_eq!(status, ["claimed", "ready", "claimed"]);
    assert_eq!(world.events("SubAgentStarted").len(), 2);
    assert_eq!(world.events("SubAgentEnded").len(), 1);
}

#[test]
fn a_subagent_works_under_its_parents_task_until_it_has_one() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let sub = session.subagent("a1", "general-purpose");
    let told = sub.tell("SubagentStart", json!({}));
    assert!(told.context().contains("You work under T-1"), "{told:?}");
    assert_eq!(sub.before("Read", json!({"file_path": world.at("a")})).verdict(), "allow");
    let told = sub.before("Write", json!({"file_path": world.at("src/a"), "content": "x"}));
    assert_eq!(told.verdict(), "deny");
    assert!(told.reason().contains("phase look of T-1") && told.reason().contains("its holder calls"), "{told:?}");
    let judged = world.events("CallJudged");
    assert!(judged.iter().all(|event| event["task"] == "T-1"), "{judged:?}");
}

#[test]
fn what_is_denied_to_the_parent_stays_denied_to_a_subagent_with_its_own_task() {
    let world = World::new(WITH_AGENTS);
    world.write("open.yaml", OPEN);
    world.well(&["workflow", "trust", "open.yaml", "--yes"]);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let sub = session.subagent("a1", "general-purpose");
    let task = sub.own(&mut server, "claim_task", json!({"new": {"title": "own", "workflow": "open"}}));
    assert_eq!(task["task"], "T-2", "{task}");
    for (tool, name, verdict) in [("Read", "a", "allow"), ("Read", "private/a", "deny"), ("Write", "src/a", "allow")] {
        let told = sub.before(tool, json!({"file_path": world.at(name), "content": "x"}));
        assert_eq!(told.verdict(), verdict, "{tool} {name}: {told:?}");
    }
}

#[test]
fn a_subagent_runs_on_the_model_of_the_phase() {
    let world = World::new(WITH_AGENTS);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let input = json!({"prompt": "p", "description": "d", "subagent_type": "general-purpose", "model": "haiku"});
    let told = session.before("Agent", input.clone());
    assert_eq!((told.verdict(), told.input()["model"].as_str()), ("allow", Some("opus")), "{told:?}");
    assert_eq!(told.input()["prompt"], "p");
    session.own(&mut server, "transition_phase", json!({"summary": "s"}));
    let told = session.before("Agent", input);
    assert_eq!((told.verdict(), told.input()), ("allow", &json!(null)), "what the agent names stands: {told:?}");
    assert_eq!(world.events("ModelRouted").iter().filter(|event| event["because"] == "subagent").count(), 1);
}

#[test]
fn a_subagent_runs_on_what_its_work_deserves_where_nobody_names_a_model() {
    let world = World::new(OPEN);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.own(&mut server, "claim_task", json!({"new": {"title": "t", "type": "architecture"}}));
    let asked = json!({"prompt": "where is the parser?", "description": "d", "subagent_type": "Explore"});
    let told = session.before("Agent", asked);
    assert_eq!((told.verdict(), told.input()["model"].as_str()), ("allow", Some("sonnet")), "{told:?}");
    let chosen = world.events("ModelRouted");
    let chosen: Vec<&Value> = chosen.iter().filter(|event| event["because"] == "subagent").collect();
    assert_eq!((chosen.len(), chosen[0]["route"]["tier"].as_str()), (1, Some("base")), "{chosen:?}");
    assert!(chosen[0]["route"]["reason"].as_str().unwrap().contains("complexity"), "{chosen:?}");
}

#[test]
fn a_server_whose_client_has_no_hook_gives_no_task_under_a_strict_workflow() {
    let world = World::new(FLOW);
    let mut server = Server::of(&world);
    let new = |title: &str| json!({"new": {"title": title}});
    let refused = server.call("claim_task", new("a"), Some("toolu_that_no_hook_saw"));
    let words = refused["refused"].as_str().unwrap_or_default();
    assert!(words.contains("not guarded") && words.contains("phasegate init"), "{refused}");
    let read = server.call("list_tasks", json!({}), Some("toolu_that_no_hook_saw"));
    assert!(read["refused"].is_null(), "looking is free: {read}");
    // A client that gives its calls no ids cannot show a guard, and is not asked for one.
    let given = server.call("claim_task", new("b"), None);
    assert_eq!(given["task"], "T-1", "{given}");
    let world = World::new(&FLOW.replace("name: flow", "name: flow\nenforcement: warn"));
    let given = Server::of(&world).call("claim_task", new("c"), Some("toolu_that_no_hook_saw"));
    assert_eq!(given["task"], "T-1", "{given}");
}
