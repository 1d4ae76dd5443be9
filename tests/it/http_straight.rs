//! Plain calls over HTTP are answered beside the protocol library, and to the letter as it would answer them.

use phasegate::domain::facts::Role;
use serde_json::{Value, json};

use super::support::TestEnv;
use super::support::served::{Answer, Served};

const VERSION: &str = "2026-07-28";
const WORKFLOW: &str = "version: 1
name: walk
unclaimed: { allow: [Read] }
phases:
  here: { goal: a, allow: [Read], next: [there], exit: [{ artifact: plan }] }
  there: { goal: b, allow: [Read], next: [end, here] }
  end: { end: true }
";

/// A field that only the library reads.
const ASIDE: &str = "com.example/aside";

fn call(served: &Served, token: &str, id: &Value, params: &Value, aside: bool) -> Answer {
    let mut params = params.clone();
    let tool = params["name"].as_str().unwrap().to_owned();
    let meta = params["_meta"].as_object_mut().unwrap();
    meta.insert("io.modelcontextprotocol/protocolVersion".to_owned(), VERSION.into());
    meta.entry("io.modelcontextprotocol/clientCapabilities").or_insert(json!({}));
    if aside {
        meta.insert(ASIDE.to_owned(), 1.into());
    }
    let headers = [
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", VERSION),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool.as_str()),
        ("X-Request-Id", "one"),
    ];
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
    served.post(token, "/mcp", &headers, &body)
}

/// Phase tokens are signed by keys of their workspaces; that there is one is what counts.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let headers = answer.headers.iter().filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()));
    let mut body = answer.json();
    if let Some(token) = body.pointer_mut("/result/_meta/phasegate~1phase_token") {
        assert!(token.as_str().unwrap().split('.').count() == 3, "{token}");
        *token = "a token".into();
    }
    (answer.status, headers.cloned().collect(), body)
}

#[test]
fn a_plain_call_is_answered_like_any_other() {
    let (straight, around) = (TestEnv::trusting(WORKFLOW), TestEnv::trusting(WORKFLOW));
    let served = [Served::over(&straight.engine), Served::over(&around.engine)];
    let tokens = served.each_ref().map(|served| served.token("ana", Role::Agent));
    let can = json!({ "io.modelcontextprotocol/clientCapabilities": { "elicitation": {}, "roots": { "listChanged": true } } });
    let seen = json!({ "claudecode/toolUseId": "toolu_1" });
    let calls = [
        (json!(1), json!({ "name": "list_tasks", "_meta": {} })),
        (json!("two"), json!({ "name": "list_tasks", "arguments": null, "_meta": {} })),
        (json!(3), json!({ "name": "list_tasks", "arguments": { "limit": 0, "other": 1 }, "_meta": {} })),
        (json!(4), json!({ "name": "no_such_tool", "arguments": {}, "_meta": {} })),
        (json!(5), json!({ "name": "claim_task", "arguments": {}, "_meta": {} })),
        (json!(6), json!({ "name": "claim_task", "arguments": { "new": { "title": "a" } }, "_meta": {} })),
        (json!(7), json!({ "name": "list_tasks", "arguments": {}, "_meta": can })),
        (json!(8), json!({ "name": "update_task", "arguments": { "progress": "on" }, "_meta": can })),
        (json!(9), json!({ "name": "transition_phase", "arguments": { "to": "there" }, "_meta": {} })),
        (json!(10), json!({ "name": "update_task", "arguments": { "progress": "on" }, "_meta": seen })),
        (json!(11), json!({ "name": "query_audit", "arguments": { "limit": 2 }, "_meta": {} })),
        (json!(12), json!({ "name": "submit_artifact", "arguments": { "name": "plan", "content": {} }, "_meta": {} })),
        (json!(13), json!({ "name": "transition_phase", "arguments": { "to": "there" }, "_meta": {} })),
        (json!(14), json!({ "name": "update_task", "arguments": {}, "_meta": { "phasegate/phase_token": "x" } })),
        (json!(15), json!({ "name": "update_task", "arguments": {}, "_meta": { "phasegate/phase_token": null } })),
        (json!(16), json!({ "name": "request_approval", "arguments": { "ask": "go?" }, "_meta": {} })),
        (json!(17), json!({ "name": "transition_phase", "arguments": { "to": "end" }, "_meta": {} })),
        (json!(18), json!({ "name": "list_tasks", "_meta": { "io.modelcontextprotocol/clientCapabilities": 1 } })),
    ];
    for (id, params) in calls {
        let [plain, aside] = [false, true]
            .map(|aside| told(&call(&served[usize::from(aside)], &tokens[usize::from(aside)], &id, &params, aside)));
        assert_eq!(plain, aside, "{params}");
    }
    straight.agree();
    around.agree();
}

#[test]
fn what_the_library_refuses_is_refused_whatever_else_is_plain() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    let token = served.token("ana", Role::Agent);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "list_tasks", "arguments": {}, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let both = "application/json, text/event-stream";
    let plain =
        [("Accept", both), ("MCP-Protocol-Version", VERSION), ("Mcp-Method", "tools/call"), ("Mcp-Name", "list_tasks")];
    assert_eq!(served.post(&token, "/mcp", &plain, &body).status, 200);
    for (name, value, status) in [
        ("Accept", Some("application/json"), 406),
        ("MCP-Protocol-Version", None, 400),
        ("MCP-Protocol-Version", Some("2025-11-25"), 400),
        ("Mcp-Method", None, 400),
        ("Mcp-Method", Some("tools/list"), 400),
        ("Mcp-Name", None, 400),
        ("Mcp-Name", Some("claim_task"), 400),
    ] {
        let kept = plain.iter().copied().filter(|(known, _)| *known != name);
        let headers: Vec<(&str, &str)> = kept.chain(value.map(|value| (name, value))).collect();
        let answer = served.post(&token, "/mcp", &headers, &body);
        assert_eq!(answer.status, status, "{name} {value:?}: {}", answer.text);
    }
}
