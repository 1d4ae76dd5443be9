//! What persons open: approvals of exact calls, words in front of the client, and bypasses.

use serde_json::json;

use super::world::{Server, World};

const YAML: &str = r#"
version: 1
name: asking
protect: { deny: ["Bash(git push *)"] }
phases:
  work:
    allow: [Read, Bash]
    ask: ["Bash(make *)"]
    require_approval: ["Bash(deploy *)"]
    sandbox: { confine: off }
    next: [done]
  done: { end: true }
"#;

#[test]
fn an_ask_rule_asks_the_person_at_the_client_and_refuses_where_there_is_none() {
    let world = World::new(YAML);
    let session = world.session("5e55-1");
    session.start("startup");
    session.claim(&mut Server::of(&world));
    assert_eq!(session.before("Bash", json!({"command": "make all"})).verdict(), "ask");
    let event = session.event(
        "PreToolUse",
        json!({"tool_name": "Bash", "tool_input": {"command": "make all"}, "tool_use_id": "toolu_headless"}),
    );
    let mut command = world.command(&["hook", "claude-code"]);
    command.env("CLAUDE_CODE_ENTRYPOINT", "sdk-cli");
    let told = super::world::told(command, event.to_string().as_bytes());
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("request_approval"), "{told:?}");
}

#[test]
fn an_approved_call_passes_exactly_once_and_only_as_it_was_approved() {
    let world = World::new(YAML);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let deploy = |to: &str, why: &str| json!({"command": format!("deploy {to}"), "description": why});
    let told = session.before("Bash", deploy("staging", "first"));
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("request_approval"), "{told:?}");
    let ask = json!({"call": {"tool": "Bash", "arguments": deploy("staging", "to see it")}});
    session.own(&mut server, "request_approval", ask);
    assert_eq!(session.before("Bash", deploy("staging", "x")).verdict(), "deny", "nobody has answered");
    world.well(&["approvals", "approve", "A-1", "--yes"]);
    assert_eq!(session.before("Bash", deploy("production", "x")).verdict(), "deny", "other arguments");
    let call = session.next_call();
    let told = session.before_as(&call, "Bash", deploy("staging", "in other words"));
    assert_eq!(told.verdict(), "allow", "{told:?}");
    let again = session.before_as(&call, "Bash", deploy("staging", "in other words"));
    assert_eq!(again.verdict(), "allow", "the same event told twice: {again:?}");
    assert_eq!(session.before("Bash", deploy("staging", "to see it")).verdict(), "deny", "it is used up");
    assert_eq!(world.events("ApprovalConsumed").len(), 1);
}

#[test]
fn an_adjusted_approval_is_for_the_call_as_adjusted() {
    let world = World::new(YAML);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let deploy = |to: &str| json!({"command": format!("deploy {to}")});
    session.own(&mut server, "request_approval", json!({"call": {"tool": "Bash", "arguments": deploy("production")}}));
    let adjusted = deploy("staging").to_string();
    world.well(&["approvals", "adjust", "A-1", &adjusted, "--reason", "not there yet", "--yes"]);
    assert_eq!(session.before("Bash", deploy("production")).verdict(), "deny");
    assert_eq!(session.before("Bash", deploy("staging")).verdict(), "allow");
    assert_eq!(session.before("Bash", deploy("staging")).verdict(), "deny");
}

#[test]
fn a_bypass_opens_its_rule_and_nothing_else() {
    let world = World::new(YAML);
    let session = world.session("5e55-1");
    session.start("startup");
    session.claim(&mut Server::of(&world));
    let push = || session.before("Bash", json!({"command": "git push origin main"}));
    assert_eq!(push().verdict(), "deny");
    world.well(&["bypass", "open", "Bash(git push *)", "Bash(make *)", "--for", "1h", "--reason", "release", "--yes"]);
    assert_eq!(push().verdict(), "allow");
    assert_eq!(session.before("Bash", json!({"command": "make all"})).verdict(), "allow");
    for (tool, input) in [
        ("Bash", json!({"command": "git push origin main; phasegate approvals approve A-1 --yes"})),
        ("Write", json!({"file_path": world.at(".claude/settings.json"), "content": "{}"})),
        ("Write", json!({"file_path": world.at("x"), "content": "x"})),
        ("Bash", json!({"command": "deploy x"})),
    ] {
        assert_eq!(session.before(tool, input.clone()).verdict(), "deny", "{input}");
    }
    let judged = world.events("CallJudged");
    let passed = judged.iter().find(|event| event["verdict"] == "allow").unwrap();
    assert_eq!((&passed["bypass"], &passed["waived"]), (&json!("B-1"), &json!(true)), "{passed}");
    world.well(&["bypass", "close", "B-1"]);
    assert_eq!(push().verdict(), "deny");
}
