//! Budgets as an agent meets them at the hook and at the server: a word before the end, and asking for more at it.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Server, World};

fn file(world: &World, name: &str) -> Value {
    json!({"file_path": world.at(name), "content": "x"})
}

/// So many answers of a model, of so many tokens each.
fn answers(world: &World, count: usize, tokens: u64) {
    let line = |number: usize| {
        let usage = json!({"input_tokens": 0, "output_tokens": tokens});
        let message =
            json!({"id": format!("m{number}"), "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage});
        format!("{}\n", json!({"type": "assistant", "requestId": "r", "sessionId": "s", "message": message}))
    };
    let lines: String = (0..count).map(line).collect();
    std::fs::write(world.home().join("transcript.jsonl"), lines).unwrap();
}

#[test]
fn an_agent_is_told_once_at_its_next_call_that_its_budget_nears_its_end() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--tokens", "1060", "--reason", "small", "--yes"]);
    answers(&world, 10, 85);
    session.after_as("none", "Read", file(&world, "a"), json!("x"));
    let told = session.before("Read", file(&world, "a"));
    let words = "budget of T-1: 850 tokens of 1060 tokens spent";
    assert_eq!(told.verdict(), "allow", "{told:?}");
    assert!(format!("{}{}", told.reason(), told.context()).contains(words), "{told:?}");
    let again = session.before("Read", file(&world, "b"));
    assert!(!format!("{}{}", again.reason(), again.context()).contains("budget"), "{again:?}");
    assert_eq!(world.events("BudgetWarned").len(), 1);
    // Whatever its person says, it is said again.
    let prompted = session.tell("UserPromptSubmit", json!({"prompt": "go on"}));
    assert!(prompted.context().contains(words), "{prompted:?}");
}

#[test]
fn what_was_spent_since_the_last_call_counts_before_the_next() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--tokens", "100", "--reason", "small", "--yes"]);
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "allow");
    answers(&world, 3, 85);
    let told = session.before("Read", file(&world, "a"));
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("255 tokens spent"), "{told:?}");
}

#[test]
fn an_agent_at_its_cap_may_still_ask_for_more() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--calls", "3", "--reason", "small", "--yes"]);
    answers(&world, 3, 10);
    session.after_as("none", "Read", file(&world, "a"), json!("x"));
    let told = session.before("Read", file(&world, "a"));
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("the budget of T-1 is 3 answers: 3 answers spent"), "{told:?}");
    assert!(
        told.reason().contains(r#"{"call":{"tool":"raise_budget","arguments":{"calls":6,"task":"T-1"}}}"#),
        "{told:?}"
    );
    let more = json!({"call": {"tool": "raise_budget", "arguments": {"calls": 6}}, "reason": "two files left"});
    let asked = session.own(&mut server, "request_approval", more.clone());
    assert_eq!((&asked["approval"], &asked["state"]), (&json!("A-1"), &json!("pending")), "{asked}");
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "deny");
    let shown = world.well(&["approvals", "show", "A-1"]);
    assert!(shown.contains("May the budget of T-1 be 6 answers? It is 3 answers now."), "{shown}");
    world.well(&["approvals", "approve", "A-1", "--yes"]);
    let answered = session.own(&mut server, "request_approval", more);
    assert_eq!(answered["next"], "The budget is raised: go on.", "{answered}");
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "allow");
    let changed = &world.events("BudgetChanged")[1];
    assert_eq!((&changed["approval"], &changed["budget"]), (&json!("A-1"), &json!({"calls": 6})), "{changed}");
}

/// Without any hook: a client that only speaks MCP over stdio.
#[test]
fn a_higher_cap_is_asked_for_and_given_over_mcp_alone() {
    let world = World::new(FLOW);
    let mut server = Server::of(&world);
    let mut call = |tool: &str, arguments: Value| server.call(tool, arguments, None);
    call("claim_task", json!({"new": {"title": "all of it"}}));
    world.well(&["tasks", "budget", "T-1", "--usd", "5", "--reason", "enough", "--yes"]);
    let more = json!({"call": {"tool": "raise_budget", "arguments": {"usd": 8}}});
    assert_eq!(call("request_approval", more.clone())["state"], "pending");
    world.well(&["approvals", "adjust", "A-1", r#"{"usd":7}"#, "--reason", "seven will do", "--yes"]);
    let told = call("request_approval", more);
    assert_eq!((&told["state"], &told["reason"]), (&json!("consumed"), &json!("seven will do")), "{told}");
    assert_eq!(call("claim_task", json!({"id": "T-1"}))["budget_left"]["usd"], 7.0);
}
