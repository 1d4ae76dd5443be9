//! Plain calls over HTTP are answered beside the protocol library, and to the letter as it would answer them.

use std::time::{Duration, Instant};

use phasegate::domain::facts::Role;
use phasegate::http::options::Limits;
use serde_json::{Value, json};

use super::support::TestEnv;
use super::support::served::{Answer, Served};

const VERSION: &str = "2026-07-28";
const OLDER: &str = "2025-11-25";
const BOTH: &str = "application/json, text/event-stream";
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
        ("Accept", BOTH),
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
    let plain =
        [("Accept", BOTH), ("MCP-Protocol-Version", VERSION), ("Mcp-Method", "tools/call"), ("Mcp-Name", "list_tasks")];
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

/// A session of the protocol before, as its owner sees it.
struct Session<'a> {
    served: &'a Served,
    token: &'a str,
    id: String,
}

impl<'a> Session<'a> {
    fn begin(served: &'a Served, token: &'a str) -> Self {
        let client = json!({ "name": "t", "version": "1" });
        let hello = json!({ "protocolVersion": OLDER, "capabilities": {}, "clientInfo": client });
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
        let greeted = served.post(token, "/mcp", &[("Accept", BOTH)], &hello);
        Self { served, token, id: greeted.header("mcp-session-id").unwrap().to_owned() }
    }

    fn greeted(self) -> Self {
        let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.say(self.token, &done).status, 202);
        self
    }

    fn say(&self, token: &str, message: &Value) -> Answer {
        let headers = [("Accept", BOTH), ("MCP-Protocol-Version", OLDER), ("Mcp-Session-Id", self.id.as_str())];
        self.served.post(token, "/mcp", &headers, message)
    }

    fn call(&self, id: &Value, params: &Value) -> Answer {
        self.say(self.token, &json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
    }
}

/// The answer itself, and whether it came as a stream.
fn answered(answer: &Answer) -> (bool, Value) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    match answer.header("content-type") {
        Some("application/json") => (false, answer.json()),
        Some("text/event-stream") => {
            let data = answer.text.lines().filter_map(|line| line.strip_prefix("data: {")).next_back().unwrap();
            (true, serde_json::from_str(&format!("{{{data}")).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_list_names_what_its_caller_may_ever_call() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    for (role, first, count) in [
        (Role::Agent, "claim_task", phasegate::tools::TOOLS.len()),
        (Role::Operator, "route_model", 6),
        (Role::Auditor, "query_audit", 2),
        (Role::Approver, "query_audit", 2),
    ] {
        let token = served.token(role.word(), role);
        let session = Session::begin(&served, &token).greeted();
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let (_, said) = answered(&session.say(&token, &list));
        let tools = said["result"]["tools"].as_array().unwrap();
        assert_eq!((tools[0]["name"].as_str().unwrap(), tools.len()), (first, count), "{}", role.word());
    }
}

#[test]
fn what_does_not_fit_a_list_is_told_in_a_session_too() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    let ana = served.token("ana", Role::Agent);
    let session = Session::begin(&served, &ana).greeted();
    for (cursor, code) in [(json!(5), json!(-32602)), (json!({}), json!(-32602)), (json!(null), json!(null))] {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "cursor": cursor } });
        let (_, said) = answered(&session.say(&ana, &list));
        assert_eq!(said["error"]["code"], code, "{said}");
    }
}

#[test]
fn a_read_in_a_session_is_answered_at_once_and_a_write_by_its_stream() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    let ana = served.token("ana", Role::Agent);
    let session = Session::begin(&served, &ana).greeted();
    for (id, params) in [
        (json!(1), json!({ "name": "list_tasks" })),
        (json!("two"), json!({ "name": "list_tasks", "arguments": { "limit": 0, "other": 1 } })),
        (json!(3), json!({ "name": "query_audit", "arguments": { "limit": 2 }, "_meta": {} })),
        (json!(4), json!({ "name": "query_audit", "_meta": { "phasegate/phase_token": "x" } })),
        (json!(5), json!({ "name": "list_tasks", "_meta": { "claudecode/toolUseId": "toolu_1" } })),
    ] {
        let mut aside = params.clone();
        aside["_meta"][ASIDE] = 1.into();
        let [(at_once, plain), (by_stream, by_library)] =
            [&params, &aside].map(|params| answered(&session.call(&id, params)));
        assert!(!at_once && by_stream, "{params}");
        assert_eq!(plain, by_library, "{params}");
    }
    for params in [
        json!({ "name": "claim_task", "arguments": { "new": { "title": "a" } } }),
        json!({ "name": "update_task", "arguments": { "progress": "on" } }),
        json!({ "name": "list_tasks", "_meta": { "progressToken": 1 } }),
    ] {
        assert!(answered(&session.call(&json!(6), &params)).0, "{params}");
    }
    env.agree();
}

#[test]
fn a_version_that_is_said_twice_is_refused() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    let ana = served.token("ana", Role::Agent);
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "list_tasks", "_meta": {
        "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {} } } });
    let once =
        [("Accept", BOTH), ("Mcp-Method", "tools/call"), ("Mcp-Name", "list_tasks"), ("MCP-Protocol-Version", VERSION)];
    assert_eq!(served.post(&ana, "/mcp", &once, &body).status, 200);
    for second in [VERSION, "2025-11-25"] {
        let twice = [&once[..], &[("MCP-Protocol-Version", second)]].concat();
        let answer = served.post(&ana, "/mcp", &twice, &body);
        assert_eq!((answer.status, &answer.json()["id"]), (400, &json!(7)), "{second}: {}", answer.text);
    }
}

#[test]
fn a_session_is_its_owners_and_begins_with_a_greeting() {
    let env = TestEnv::trusting(WORKFLOW);
    let served = Served::over(&env.engine);
    let (ana, bob) = (served.token("ana", Role::Agent), served.token("bob", Role::Agent));
    let session = Session::begin(&served, &ana).greeted();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "list_tasks" } });
    assert_eq!(session.say(&ana, &list).status, 200);
    let own = session.say(&bob, &list);
    assert_eq!(own.status, 404, "{}", own.text);
    let made_up = Session { id: "made-up".to_owned(), ..Session::begin(&served, &ana) };
    assert_eq!(made_up.say(&ana, &list).status, 404);
    let ended = served.bare(&ana, "DELETE", "/mcp", &[("Mcp-Session-Id", session.id.as_str())]);
    assert_eq!(ended.status, 204, "{}", ended.text);
    assert_eq!(session.say(&ana, &list).status, 404);
}

#[test]
fn reads_alone_keep_a_session_and_one_that_is_left_ends() {
    let env = TestEnv::trusting(WORKFLOW);
    let session_idle = Duration::from_millis(1500);
    let served = Served::with(&env.engine, Limits { session_idle, ..Limits::default() });
    let ana = served.token("ana", Role::Agent);
    let [used, left] = [(); 2].map(|()| Session::begin(&served, &ana).greeted());
    let begun = Instant::now();
    let mut at_once = 0;
    while begun.elapsed() < session_idle * 3 {
        at_once += usize::from(!answered(&used.call(&json!(1), &json!({ "name": "list_tasks" }))).0);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(at_once > 0);
    assert_eq!(left.call(&json!(1), &json!({ "name": "list_tasks" })).status, 404);
}
