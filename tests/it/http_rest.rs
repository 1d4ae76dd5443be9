//! REST over the production stack: the tools, each once under its key; reads by role, in pages, with tags; the document.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use phasegate::config::settings::Settings;
use phasegate::domain::facts::Role;
use serde_json::{Value, json};

use crate::support::TestEnv;
use crate::support::served::{Answer, Served};

const CLAIM: &str = "/api/v1/tools/claim_task";
const SUBMIT: &str = "/api/v1/tools/submit_task";

fn served() -> (TestEnv, Served) {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    (env, served)
}

fn refused(answer: &Answer, status: u16, code: &str) {
    let problem = answer.json();
    assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem["status"], status);
    assert!(!problem["hint"].as_str().unwrap_or_default().is_empty(), "{problem}");
}

#[test]
fn a_tool_answers_as_json_or_as_text_and_refuses_as_a_problem() {
    let (_env, served) = served();
    let ann = served.token("ann", Role::Agent);
    let made = served.post(&ann, SUBMIT, &[], &json!({ "title": "Write it", "workflow": "quick" }));
    assert_eq!(made.status, 200, "{}", made.text);
    let text = served.post(&ann, "/api/v1/tools/list_tasks", &[("Accept", "text/plain")], &json!({}));
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(text.text.contains("Write it"), "{}", text.text);
    refused(&served.post(&ann, SUBMIT, &[], &json!({ "title": 7 })), 400, "bad_arguments");
    refused(&served.post(&ann, CLAIM, &[], &json!({ "id": "T-9" })), 404, "unknown_task");
    refused(&served.post(&ann, "/api/v1/tools/nope", &[], &json!({})), 404, "unknown_tool");
    refused(&served.post("pgt_wrong", SUBMIT, &[], &json!({ "title": "x" })), 401, "unauthenticated");
}

#[test]
fn the_same_key_and_body_give_the_first_answer_again_also_from_another_process() {
    let (env, served) = served();
    let ann = served.token("ann", Role::Agent);
    let key = [("Idempotency-Key", "8c1f4a44")];
    let body = json!({ "new": { "title": "Write it", "workflow": "quick" } });
    let first = served.post(&ann, CLAIM, &key, &body);
    let after = env.kinds().len();
    let other = Arc::new(env.reopened(&Settings::default()));
    let elsewhere = Served::over(&other);
    for again in [served.post(&ann, CLAIM, &key, &body), elsewhere.post(&ann, CLAIM, &key, &body)] {
        assert_eq!((again.status, &again.text), (200, &first.text));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(env.kinds().len(), after, "a request that came again left a record");
    // The handle in the answer is a secret, and must not lie in the store in clear.
    let handle = first.json()["claim"].as_str().unwrap().to_owned();
    for file in std::fs::read_dir(env.path(".phasegate")).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let found = memchr::memmem::find(&bytes, handle.as_bytes()).is_some();
        assert!(!found, "{} holds the handle", file.path().display());
    }
    env.agree();
}

#[test]
fn a_key_belongs_to_one_caller_one_body_and_one_day() {
    let (env, served) = served();
    let (ann, ben) = (served.token("ann", Role::Agent), served.token("ben", Role::Agent));
    let key = [("Idempotency-Key", "k")];
    let body = |title: &str| json!({ "title": title, "workflow": "quick" });
    assert_eq!(served.post(&ann, SUBMIT, &key, &body("one")).status, 200);
    refused(&served.post(&ann, SUBMIT, &key, &body("two")), 422, "idempotency_mismatch");
    refused(&served.post(&ann, CLAIM, &key, &body("one")), 422, "idempotency_mismatch");
    assert_eq!(served.post(&ben, SUBMIT, &key, &body("two")).status, 200);
    // What could not be read at all did not use the key up.
    let fresh = [("Idempotency-Key", "l")];
    refused(&served.post(&ann, SUBMIT, &fresh, &json!({ "title": 7 })), 400, "bad_arguments");
    assert_eq!(served.post(&ann, SUBMIT, &fresh, &body("three")).status, 200);
    // A refusal is an answer too, and comes again as it was.
    let refusal = [("Idempotency-Key", "m")];
    refused(&served.post(&ann, CLAIM, &refusal, &json!({ "id": "T-9" })), 404, "unknown_task");
    let again = served.post(&ann, CLAIM, &refusal, &json!({ "id": "T-9" }));
    refused(&again, 404, "unknown_task");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    env.clock.advance_seconds(24 * 60 * 60 + 1);
    assert_eq!(served.post(&ann, SUBMIT, &key, &body("two")).status, 200);
    for bad in [" ", &"k".repeat(256)] {
        refused(&served.post(&ann, SUBMIT, &[("Idempotency-Key", bad)], &body("x")), 400, "bad_arguments");
    }
}

#[test]
fn a_request_that_never_ended_keeps_its_key() {
    let (env, served) = served();
    let ann = served.token("ann", Role::Agent);
    let principal = env.engine.bearer(&ann).unwrap().unwrap();
    let body = json!({ "title": "one", "workflow": "quick" });
    let digest = phasegate::domain::canonical::digest(&json!({ "tool": "submit_task", "arguments": body }));
    // As a process leaves it that ends between the effect and the answer.
    drop(env.engine.begin_once(&principal, "k", digest).unwrap());
    refused(&served.post(&ann, SUBMIT, &[("Idempotency-Key", "k")], &body), 409, "idempotency_open");
    assert_eq!(served.get(&ann, "/api/v1/tasks").json()["tasks"], json!([]));
}

#[test]
fn reads_have_tags_and_pages() {
    let (env, served) = served();
    let ann = served.token("ann", Role::Agent);
    for title in ["one", "two", "three"] {
        served.post(&ann, SUBMIT, &[], &json!({ "title": title, "workflow": "quick" }));
    }
    let mut path = "/api/v1/tasks?limit=2&status=ready&status=claimed".to_owned();
    let mut titles = Vec::new();
    loop {
        let page = served.get(&ann, &path);
        let tag = page.header("etag").expect("a tag").to_owned();
        let again = served.get_with(&ann, &path, &[("If-None-Match", &format!("\"x\", {tag}"))]);
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        titles.extend(page.json()["tasks"].as_array().unwrap().iter().map(|task| task["title"].clone()));
        let Some(link) = page.header("link") else { break };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        assert!(path.contains("status=ready"), "{path}");
    }
    assert_eq!(titles, ["one", "two", "three"]);
    let (one, tag) =
        (served.get(&ann, "/api/v1/tasks/T-1"), |answer: &Answer| answer.header("etag").map(str::to_owned));
    env.call(&crate::support::agent("ben"), "claim_task", json!({ "id": "T-1" })).unwrap();
    let changed = served.get_with(&ann, "/api/v1/tasks/T-1", &[("If-None-Match", &tag(&one).unwrap())]);
    assert_eq!(changed.status, 200);
    assert_ne!(tag(&changed), tag(&one));
    assert_eq!(changed.json()["task"]["status"], "claimed");
    let story = served.get(&ann, "/api/v1/tasks/T-1/timeline").json();
    let kinds: Vec<&str> =
        story["records"].as_array().unwrap().iter().map(|record| record["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["TaskSubmitted"], "the claim is not ann's to see");
}

#[test]
fn what_is_not_known_or_does_not_fit_is_told_with_what_there_is() {
    let (_env, served) = served();
    let ana = served.token("ana", Role::Operator);
    for (path, says) in [
        ("/api/v1/tasks?colour=red", "takes no parameter `colour`"),
        ("/api/v1/tasks?limit=0", "`limit`"),
        ("/api/v1/tasks?limit=1&limit=2", "given twice"),
        ("/api/v1/tasks?status=wild", "`status`"),
        ("/api/v1/tasks?after=x", "`after`"),
        ("/api/v1/tasks/T-0", "`id` in the path"),
        ("/api/v1/audit?kind=TaskClaimd", "no kind of record"),
        ("/api/v1/audit/proof", "`seq`"),
        (
            "/api/v1/tasks?status=bogus",
            "is none of `waiting`, `ready`, `claimed`, `blocked`, `done`, `failed`, `cancelled`",
        ),
        (
            "/api/v1/costs?since=1x",
            "is none of a day, like `2026-11-20`, a time, like `2026-11-20T14:00:00Z`, how long ago",
        ),
        ("/api/v1/events?kind=nothing", "no kind of record"),
        ("/api/v1/blobs/ABC", "no digest"),
    ] {
        let answer = served.get(&ana, path);
        refused(&answer, 400, "bad_arguments");
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
    }
    for (path, code) in [
        ("/api/v1/tasks/T-7", "unknown_task"),
        ("/api/v1/graph?root=T-7", "unknown_task"),
        ("/api/v1/approvals/A-7", "unknown_approval"),
        ("/api/v1/workflows/nope", "unknown_workflow"),
        ("/api/v1/audit/proof?seq=1000000", "no_records"),
        ("/api/v1/nope", "no_such_page"),
    ] {
        refused(&served.get(&ana, path), 404, code);
    }
}

#[test]
fn what_is_asked_in_another_way_is_taken_or_told_how() {
    let (_env, served) = served();
    let ana = served.token("ana", Role::Operator);
    for path in ["/api/v1/costs?since=30d", "/api/v1/costs?since=2026-11-20&until=12h", "/api/v1/savings?since=7d"] {
        assert_eq!(served.get(&ana, path).status, 200, "{path}");
    }
    let wrong = served.bare(&ana, "DELETE", "/api/v1/board", &[]);
    refused(&wrong, 405, "method_not_allowed");
    assert!(wrong.text.contains("`DELETE` is not taken at this address"), "{}", wrong.text);
    assert_eq!(wrong.header("allow"), Some("GET,HEAD"));
    let task = served.post(&ana, SUBMIT, &[], &json!({ "title": "x", "workflow": "quick" })).json();
    let task = task["tasks"][0]["id"].as_str().or(task["task"].as_str()).unwrap_or("T-1").to_owned();
    // As `curl -X POST` sends it: no body, and no length of one.
    let mut stream = TcpStream::connect(served.address).unwrap();
    let host = served.address;
    let head = format!("Host: {host}\r\nAuthorization: Bearer {ana}\r\nConnection: close");
    write!(stream, "POST /api/v1/tasks/{task}/cancel HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut ended = String::new();
    stream.read_to_string(&mut ended).unwrap();
    assert!(ended.starts_with("HTTP/1.1 200 ") && ended.contains("\"status\":\"cancelled\""), "{ended}");
}

#[test]
fn a_session_that_is_not_there_is_told_in_its_own_words() {
    let (_env, served) = served();
    let ana = served.token("ana", Role::Operator);
    let unknown = [("Mcp-Session-Id", "nope"), ("Accept", "application/json, text/event-stream")];
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    refused(&served.post(&ana, "/mcp", &unknown, &ping), 404, "no_such_session");
    refused(&served.bare(&ana, "DELETE", "/mcp", &unknown), 404, "no_such_session");
    let both = [("Accept", "application/json, text/event-stream")];
    for (unnamed, status, code) in [
        (served.bare(&ana, "DELETE", "/mcp", &[]), 405, "method_not_allowed"),
        (served.post(&ana, "/mcp", &both, &ping), 400, "bad_request"),
    ] {
        refused(&unnamed, status, code);
        assert!(unnamed.json()["hint"].as_str().unwrap().contains("`Mcp-Session-Id`"), "{}", unnamed.text);
    }
}

#[test]
fn where_nothing_stands_a_browser_gets_the_pages_and_a_program_a_problem() {
    let (_env, served) = served();
    let ana = served.token("ana", Role::Operator);
    refused(&served.get(&ana, "/nope"), 404, "no_such_page");
    let shown = served.get_with(&ana, "/nope", &[("Accept", "text/html,application/xhtml+xml")]);
    assert_eq!((shown.status, shown.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert!(shown.text.contains("/app.js") && shown.header("content-security-policy").is_some());
    refused(&served.get_with(&ana, "/api/v1/nope", &[("Accept", "text/html")]), 404, "no_such_page");
}

#[test]
fn agents_see_their_own_and_persons_see_all() {
    let (env, served) = served();
    let roles = [("ana", Role::Operator), ("pia", Role::Approver), ("aud", Role::Auditor)];
    let persons = roles.map(|(name, role)| served.token(name, role));
    let (ann, ben) = (served.token("ann", Role::Agent), served.token("ben", Role::Agent));
    served.post(&ann, CLAIM, &[], &json!({ "new": { "title": "Mine", "workflow": "quick" } }));
    let asked = served.post(&ann, "/api/v1/tools/request_approval", &[], &json!({ "question": "Shall I?" }));
    let id = asked.json()["approval"].as_str().unwrap_or_else(|| panic!("{}", asked.text)).to_owned();
    for token in &persons {
        assert_eq!(served.get(token, "/api/v1/approvals").json()[0]["id"], id);
        assert_eq!(served.get(token, "/api/v1/audit/export").text.lines().count(), env.kinds().len());
        assert_eq!(served.get(token, "/api/v1/audit/proof?seq=1").json()["proof"], "inclusion");
    }
    assert_eq!(served.get(&ann, &format!("/api/v1/approvals/{id}")).json()["status"], "pending");
    assert_eq!(served.get(&ben, "/api/v1/approvals").json(), json!([]));
    refused(&served.get(&ben, &format!("/api/v1/approvals/{id}")), 404, "unknown_approval");
    for path in ["/api/v1/audit/export", "/api/v1/audit/proof?seq=1", &format!("/api/v1/blobs/{}", "0".repeat(64))] {
        refused(&served.get(&ann, path), 403, "role_required");
    }
    refused(&served.post(&ann, "/api/v1/workflows/quick/backtest", &[], &json!({})), 403, "role_required");
    let seen = served.get(&ben, "/api/v1/audit").json();
    assert_eq!(seen["records"], json!([]));
    assert!(seen["limited_to"].is_string());
    let head = served.get(&ann, "/api/v1/audit/head").json();
    assert_eq!(head["size"], env.kinds().len());
    assert_eq!(served.get(&persons[2], "/api/v1/me").json()["can"], json!(["read_all"]));
    env.agree();
}

#[test]
fn exports_and_proofs_are_those_of_the_command_line() {
    let (env, served) = served();
    let ana = served.token("ana", Role::Operator);
    for title in ["=1+1", "two"] {
        served.post(&ana, SUBMIT, &[], &json!({ "title": title, "workflow": "quick" }));
    }
    for (format, kind) in
        [("jsonl", "application/jsonl"), ("csv", "text/csv; charset=utf-8"), ("otel", "application/jsonl")]
    {
        let got = served.get(&ana, &format!("/api/v1/audit/export?format={format}&from=2"));
        let mut wanted = Vec::new();
        let form = match format {
            "jsonl" => phasegate::engine::log::Format::Jsonl,
            "csv" => phasegate::engine::log::Format::Csv,
            _ => phasegate::engine::log::Format::Otel,
        };
        let mut give = |bytes: &[u8], _| {
            wanted.extend_from_slice(bytes);
            Ok(())
        };
        env.engine.export_to(form, (2, u64::MAX), &mut give).unwrap();
        assert_eq!((got.status, got.header("content-type")), (200, Some(kind)));
        assert!(got.text.as_bytes() == wanted, "{format} differs");
    }
    for path in ["/api/v1/audit/proof?seq=3", "/api/v1/audit/consistency?from=2"] {
        let shown: phasegate::audit::shown::Shown = serde_json::from_value(served.get(&ana, path).json()).unwrap();
        assert!(shown.check(&[]).is_ok(), "{path}");
    }
    let counted = served.get(&ana, "/api/v1/audit?count_by=kind&kind=TaskSubmitted").json();
    assert_eq!(counted["counts"], json!([{ "kind": "TaskSubmitted", "records": 2 }]));
}

#[test]
fn a_workflow_is_explained_linted_and_held_against_old_calls() {
    let (_env, served) = served();
    let ana = served.token("ana", Role::Operator);
    let rows = served.get(&ana, "/api/v1/workflows").json();
    let quick = rows.as_array().unwrap().iter().find(|row| row["name"] == "quick").unwrap().clone();
    let page = served.get(&ana, &format!("/api/v1/workflows/{}", quick["hash"].as_str().unwrap())).json();
    assert_eq!(page["row"], quick);
    assert!(page["explain"].as_str().unwrap().contains("work"));
    assert!(page["lint"].is_array());
    let found = served.post(&ana, "/api/v1/workflows/quick/backtest", &[], &json!({ "limit": 5 })).json();
    assert_eq!(found["calls"], 0);
}

#[test]
fn the_document_names_every_tool_and_is_open() {
    let (_env, served) = served();
    let told = served.get("", "/api/openapi.json");
    assert_eq!(told.status, 200);
    let document = told.json();
    for tool in &phasegate::tools::TOOLS {
        assert!(document["paths"][format!("/api/v1/tools/{}", tool.name)]["post"].is_object(), "{}", tool.name);
    }
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    for operation in operations {
        for field in ["operationId", "summary", "responses", "x-role"] {
            assert_ne!(operation[field], Value::Null, "{field} of {operation}");
        }
        assert!(operation["responses"]["default"].is_object());
    }
    let tag = told.header("etag").unwrap();
    assert_eq!(served.get_with("", "/api/openapi.json", &[("If-None-Match", tag)]).status, 304);
}
