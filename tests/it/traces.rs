//! Traces, from the real binary to a collector on this machine: what hangs under what, what is never told, and that no call
//! waits for them.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use crate::http_metrics::{PATIENCE, Server, phasegate};
use crate::support::receivers::{self, Answer, Came, Receiver};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const GATED: &str = "
version: 1
name: gated
phases:
  work:
    allow: [Read]
    exit:
      - command: [\"true\"]
    next: [done]
  done: { end: true }
";

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn spans(came: &[Came]) -> Vec<Value> {
    let bodies = came.iter().map(Came::json);
    let lists = bodies.map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone());
    lists.flatten().collect()
}

/// Waits until so many spans of this name have come.
fn wait_for(collector: &Receiver<Came>, name: &str, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let all = spans(&collector.came());
        if all.iter().filter(|span| span["name"] == name).count() >= count {
            return all;
        }
        assert!(start.elapsed() < PATIENCE, "no `{name}` among {all:#?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no `{name}` among {spans:#?}"))
}

fn attribute<'s>(span: &'s Value, key: &str) -> Option<&'s str> {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key)?;
    found["value"]["stringValue"].as_str()
}

#[test]
fn a_call_over_http_hangs_under_its_request_and_that_under_the_callers_span() {
    let collector = receivers::http();
    let endpoint = endpoint(collector.port);
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=collectors%20own"),
        ("OTEL_SERVICE_NAME", "gatekeeper"),
    ];
    let server = Server::started(Some(GATED), &environment, &["--http", "127.0.0.1:0"]);
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let task = json!({ "new": { "title": "a hushed title", "goal": "a hushed goal" } });
    assert_eq!(server.call("claim_task", &task, &[]).status, 200);
    let left = json!({ "summary": "a hushed end", "confidence": 1 });
    let left = server.call("transition_phase", &left, &[("traceparent", &parent)]);
    assert_eq!(left.status, 200, "{}", left.text);
    let spans = wait_for(&collector, "POST /api/v1/tools/{name}", 2);
    let (call, gate) = (named(&spans, "tools/call transition_phase"), named(&spans, "gate run"));
    let request = spans.iter().find(|span| span["parentSpanId"] == SPAN).expect("the request under the caller's span");
    assert_eq!(request["name"], "POST /api/v1/tools/{name}");
    assert_eq!((&call["parentSpanId"], &gate["parentSpanId"]), (&request["spanId"], &call["spanId"]));
    let of_call = |span: &&Value| span["name"] == "store.write" && span["parentSpanId"] == call["spanId"];
    assert!(spans.iter().filter(of_call).count() >= 2, "a gate's start and end are written: {spans:#?}");
    for span in [request, call, gate] {
        assert_eq!(span["traceId"], TRACE);
        let time = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    for (key, value) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "transition_phase"),
        ("gen_ai.operation.name", "execute_tool"),
        ("phasegate.outcome", "ok"),
        ("phasegate.task", "T-1"),
    ] {
        assert_eq!(attribute(call, key), Some(value), "{key}");
    }
    // The other call said no parent, and has a trace of its own.
    let alone = named(&spans, "tools/call claim_task");
    assert_ne!(alone["traceId"], TRACE);
    let came = collector.came();
    assert!(came.iter().all(|came| came.path == "/v1/traces" && came.header("api-key") == Some("collectors own")));
    assert_eq!(came[0].json()["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "gatekeeper");
    assert!(came.iter().all(|came| !came.body.contains("hushed") && !came.body.contains(&server.token)));
}

#[test]
fn a_call_over_stdio_says_its_parent_in_meta_and_what_is_not_one_is_passed_over() {
    let collector = receivers::http();
    let folder = tempfile::tempdir().unwrap();
    let mut command = phasegate(folder.path());
    command.arg("serve").env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint(collector.port));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let client = json!({ "name": "t", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let first = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
    writeln!(input, "{first}\n{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).unwrap();
    answers.next().unwrap().unwrap();
    let said = [
        json!(format!("00-{TRACE}-{SPAN}-01")),
        json!(format!("00-{TRACE}-{SPAN}-00")),
        json!(format!("00-{TRACE}-{}-01", "0".repeat(16))),
        json!(7),
    ];
    for (id, traceparent) in said.into_iter().enumerate() {
        let meta = json!({ "traceparent": traceparent, "baggage": "who=hushed" });
        let params = json!({ "name": "list_tasks", "arguments": {}, "_meta": meta });
        let call = json!({ "jsonrpc": "2.0", "id": id + 1, "method": "tools/call", "params": params });
        writeln!(input, "{call}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert!(answer["result"]["structuredContent"]["tasks"].is_array(), "{answer}");
    }
    drop(input);
    // The end of the process sends what is left.
    assert!(child.wait().unwrap().success());
    let spans = spans(&collector.came());
    let of_trace: Vec<&Value> = spans.iter().filter(|span| span["traceId"] == TRACE).collect();
    assert_eq!(of_trace.len(), 1, "one was kept, one was not to be: {spans:#?}");
    assert_eq!(of_trace[0]["parentSpanId"], SPAN);
    let alone: Vec<&Value> = spans.iter().filter(|span| span.get("parentSpanId").is_none()).collect();
    assert_eq!(alone.len(), 2, "what is no parent begins a trace: {spans:#?}");
}

#[test]
fn a_collector_that_is_away_or_hangs_stops_no_call_and_no_end() {
    for hangs in [false, true] {
        let collector = receivers::http();
        collector.answers(if hangs { Answer::Hang } else { Answer::Status(503) });
        let endpoint = endpoint(collector.port);
        let mut server = Server::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        for _ in 0..50 {
            assert_eq!(server.call("list_tasks", &json!({}), &[]).status, 200);
        }
        server.end();
        if !hangs {
            assert!(server.log().contains("spans cannot be sent"), "{}", server.log());
        }
    }
}

#[test]
fn what_is_wrong_with_the_settings_is_said_and_stops_nothing() {
    let server = Server::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "HUSHED:4317")]);
    assert_eq!(server.call("list_tasks", &json!({}), &[]).status, 200);
    let log = server.log();
    assert!(log.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && !log.contains("HUSHED"), "{log}");
}
