//! What the real server says to requests that are sound and cannot be meant, over stdio and over HTTP, by the revision of the
//! protocol. Frames that are not sound are in `frames.rs`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http_edge::{Served, status};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const OLDER: &str = r#"{"jsonrpc":"2.0","id":"begin","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
"#;

/// What a server says to lines that are there at once and then over, and how long it took.
fn said(lines: &str) -> (Vec<Value>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(["serve", "--workspace"]).arg(folder.path()).env_clear().env("HOME", folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), began.elapsed())
}

fn request(method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params}}}}}\n")
}

/// The code of the answer with id 1.
fn code(answers: &[Value]) -> i64 {
    let answer = answers.iter().find(|answer| answer["id"] == 1).unwrap_or_else(|| panic!("no answer: {answers:?}"));
    answer["error"]["code"].as_i64().unwrap_or(0)
}

#[test]
fn a_method_of_another_revision_is_none() {
    for (method, params) in [
        ("subscriptions/listen", r#""notifications":{}"#),
        ("tasks/get", r#""taskId":"x""#),
        ("logging/setLevel", r#""level":"zzz""#),
        ("resources/directory/read", ""),
    ] {
        assert_eq!(code(&said(&format!("{OLDER}{}", request(method, params))).0), -32601, "{method}");
    }
    let first = request("tools/list", META).replace("\"id\":1", "\"id\":0");
    for (method, params) in [("ping", ""), ("resources/subscribe", ""), ("logging/setLevel", r#""level":"zzz","#)] {
        let (answers, _) = said(&format!("{first}{}", request(method, &format!("{params}{META}"))));
        assert_eq!(code(&answers), -32601, "{method}");
        let message = answers.iter().find(|answer| answer["id"] == 1).unwrap()["error"]["message"].to_string();
        assert!(message.contains(method) && message.contains("server/discover"), "{message}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (method, params, named) in [
        ("prompts/get", r#""name":"start","arguments":{"title":5}"#, "title"),
        ("prompts/get", r#""name":"start","arguments":{"as_role":"owner"}"#, "as_role"),
        ("tools/list", r#""cursor":"nonsense""#, "cursor"),
        (
            "completion/complete",
            r#""ref":{"type":"ref/prompt","name":"nope"},"argument":{"name":"x","value":""}"#,
            "argument",
        ),
        ("tools/call", r#""name":"list_tasks","arguments":[]"#, "arguments"),
    ] {
        let (answers, _) = said(&format!("{OLDER}{}", request(method, params)));
        assert_eq!(code(&answers), -32602, "{method} {params}");
        assert!(answers.iter().any(|answer| answer["error"]["message"].to_string().contains(named)), "{answers:?}");
    }
}

#[test]
fn a_subscription_before_the_end_is_acknowledged_and_holds_nothing_up() {
    let (answers, took) = said(&request("subscriptions/listen", &format!("\"notifications\":{{}},{META}")));
    assert_eq!(answers[0]["method"], "notifications/subscriptions/acknowledged", "{answers:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// What a message posted to the server gets, head and body.
fn posted(served: &Served, method: &str, more: &str) -> String {
    sent(served, &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": {} }).to_string(), more)
}

fn sent(served: &Served, body: &str, more: &str) -> String {
    let head = format!("Host: localhost:$\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let accept = if more.contains("Accept:") { "" } else { "Accept: application/json, text/event-stream\r\n" };
    let bearer = served.bearer();
    served.raw(&format!("POST /mcp HTTP/1.1\r\n{head}{accept}{more}{bearer}\r\n{body}"))
}

#[test]
fn over_http_a_method_that_is_none_is_not_found() {
    let served = Served::start(&[]);
    for method in ["resources/subscribe", "logging/setLevel", "nope", &"n".repeat(300)] {
        let newest = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        let got = posted(&served, method, &newest);
        assert_eq!(status(&got), "404", "{method}: {got}");
        assert!(got.contains("-32601"), "{got}");
    }
}

#[test]
fn over_http_a_beginning_that_does_not_fit_is_told_in_the_protocol() {
    let served = Served::start(&[]);
    let got = posted(&served, "initialize", "");
    assert_eq!(status(&got), "400", "{got}");
    assert!(got.contains("-32602") && got.contains("protocolVersion") && got.contains("\"id\":1"), "{got}");
    let got = posted(&served, "initialize", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: initialize\r\n");
    assert_eq!(status(&got), "404", "{got}");
    assert!(got.contains("-32601") && got.contains("not part of MCP from 2026-07-28"), "{got}");
}

#[test]
fn a_version_that_is_not_spoken_is_told_which_are() {
    let served = Served::start(&[]);
    let long = "9".repeat(5000);
    let of = |version: Option<&str>| version.map_or(json!({}), |version| json!({ "_meta": { VERSION: version } }));
    let asked_with = |method: &str, header: Option<&str>, params: Value, more: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let header = header.map(|version| format!("MCP-Protocol-Version: {version}\r\n")).unwrap_or_default();
        let got = sent(&served, &body, &format!("{header}Mcp-Method: {method}\r\n{more}"));
        assert_eq!(status(&got), "400", "{got}");
        let said: Value = serde_json::from_str(got.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(said["id"], 1, "{got}");
        said["error"].clone()
    };
    let asked =
        |method: &str, header: Option<&str>, body: Option<&str>, more: &str| asked_with(method, header, of(body), more);
    let (none, old, new, session) =
        (Some("1900-01-01"), Some("2025-11-25"), Some("2026-07-28"), "Mcp-Session-Id: x\r\n");
    for (method, header, body, more, requested) in [
        ("tools/list", none, none, "", "1900-01-01"),
        ("tools/list", none, None, "", "1900-01-01"),
        ("tools/list", None, none, "", "1900-01-01"),
        ("tools/list", old, none, "", "1900-01-01"),
        ("tools/list", new, none, "", "1900-01-01"),
        ("tools/list", Some("1"), none, "", "1900-01-01"),
        ("tools/call", none, None, session, "1900-01-01"),
        ("server/discover", new, none, "", "1900-01-01"),
        ("server/discover", Some(""), None, "", ""),
        ("subscriptions/listen", none, none, "", "1900-01-01"),
        ("ping", new, none, "", "1900-01-01"),
        ("nope", none, none, session, "1900-01-01"),
        ("tools/list", new, Some(&*long), "", &long[..64]),
        ("tools/list", Some(&*long), None, "", &long[..64]),
    ] {
        let error = asked(method, header, body, more);
        assert_eq!(error["code"], -32022, "{method} {header:?} {body:?}: {error}");
        assert_eq!(error["data"]["requested"], requested, "{method} {header:?}");
        assert!(error["data"]["supported"].as_array().unwrap().contains(&json!("2026-07-28")), "{error}");
    }
    let mut whole = of(none);
    whole["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    for (header, code) in [(new, -32020), (old, -32020), (none, -32022), (None, -32022), (Some("1"), -32022)] {
        assert_eq!(asked_with("server/discover", header, whole.clone(), "")["code"], code, "{header:?}");
    }
    // Two versions that there are, or one that there is in the body: which of the two is meant is not known.
    for (header, body) in [(old, new), (new, old), (none, new), (None, new)] {
        assert_eq!(asked("tools/list", header, body, "")["code"], -32020, "{header:?} {body:?}");
    }
    let (answers, _) = said(&request("tools/list", &format!(r#""_meta":{{"{VERSION}":"{long}"}}"#)));
    assert_eq!((code(&answers), &answers[0]["error"]["data"]["requested"]), (-32022, &json!(&long[..64])));
}

#[test]
fn an_answer_that_is_none_is_told_so_in_the_protocol() {
    let served = Served::start(&[]);
    let newest = "MCP-Protocol-Version: 2026-07-28\r\n";
    for body in [
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":null}"#,
        // Sound, and nobody asked.
        r#"{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
    ] {
        for more in [newest, ""] {
            let got = sent(&served, body, more);
            assert_eq!(status(&got), "400", "{body}: {got}");
            let is_sound = body.contains("99");
            assert!(is_sound || got.contains(r#""code":-32600"#) && !got.contains(r#""id":1"#), "{body}: {got}");
        }
    }
}

#[test]
fn without_a_session_there_is_nothing_but_to_post() {
    let served = Served::start(&[]);
    let asked = |method: &str, more: &str| {
        let bearer = served.bearer();
        served.raw(&format!("{method} /mcp HTTP/1.1\r\nHost: localhost:$\r\n{more}{bearer}\r\n"))
    };
    for method in ["GET", "DELETE"] {
        for more in [
            "",
            "Accept: */*\r\n",
            "Accept: text/event-stream\r\n",
            "Accept: application/json\r\nMCP-Protocol-Version: 2025-11-25\r\n",
            "MCP-Protocol-Version: 2026-07-28\r\nLast-Event-ID: 1_0\r\n",
        ] {
            let got = asked(method, more);
            assert_eq!(status(&got), "405", "{method} {more}: {got}");
            assert!(got.to_lowercase().contains("\r\nallow: post\r\n"), "{got}");
        }
        assert_eq!(status(&asked(method, "Mcp-Session-Id: x\r\nAccept: text/event-stream\r\n")), "404", "{method}");
    }
}

#[test]
fn what_does_not_fit_a_list_is_the_same_over_both() {
    let served = Served::start(&[]);
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        for cursor in ["5", "{}", "[1]", "true", "\"nonsense\""] {
            let line = request(method, &format!(r#""cursor":{cursor},{META}"#));
            let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
            let got = sent(&served, &line, &headers);
            let over_http: Value = serde_json::from_str(got.split_once("\r\n\r\n").unwrap().1).unwrap();
            let (over_stdio, _) = said(&line);
            assert_eq!(over_http["error"]["code"], -32602, "{method} {cursor}: {got}");
            assert_eq!(over_http, over_stdio[0], "{method} {cursor}");
        }
    }
    let line = request("server/discover", &format!(r#""x":1,{META}"#));
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: server/discover\r\n";
    let got = sent(&served, &line, headers);
    assert_eq!(status(&got), "200", "{got}");
    assert!(said(&line).0[0]["result"]["supportedVersions"].is_array());
}

#[test]
fn a_range_of_forms_counts_as_its_forms() {
    let served = Served::start(&[]);
    for (accept, expected) in [
        ("*/*", "200"),
        ("application/json, text/event-stream", "200"),
        ("TEXT/*;q=0.5, application/json", "200"),
        ("application/*, text/*", "200"),
        ("application/*\r\nAccept: text/event-stream", "200"),
        ("text/html, */*;q=0.1", "200"),
        ("*/*, text/event-stream;q=0", "406"),
        ("application/json;q=0.0, */*", "406"),
        ("application/json", "406"),
        ("text/event-stream", "406"),
        ("*/*;q=0", "406"),
        ("text/*", "406"),
    ] {
        for (method, params) in [("tools/list", ""), ("tools/call", r#""name":"list_tasks","#)] {
            let line = request(method, &format!("{params}{META}"));
            let named = if params.is_empty() { "" } else { "Mcp-Name: list_tasks\r\n" };
            let headers =
                format!("Accept: {accept}\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{named}");
            let got = sent(&served, &line, &headers);
            assert_eq!(status(&got), expected, "{method} {accept}: {got}");
            assert!(expected == "200" || got.contains("`Accept: application/json, text/event-stream`"), "{got}");
        }
    }
}

#[test]
fn a_method_that_is_none_is_told_in_a_sentence() {
    let newest = format!(r#""level":"debug",{META}"#);
    for lines in [
        format!("{OLDER}{}", request("ping", META)),
        format!("{OLDER}{}", request("logging/setLevel", &newest)),
        request("logging/setLevel", &newest),
        request("ping", META),
        request("resources/subscribe", &format!(r#""uri":"x",{META}"#)),
        format!("{OLDER}{}", request("logging/setLevel", r#""level":"debug""#)),
    ] {
        let (answers, _) = said(&lines);
        assert_eq!(code(&answers), -32601, "{lines}");
        let answer = answers.iter().find(|answer| answer["id"] == 1).unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains("server/discover"), "{answer}");
    }
    let served = Served::start(&[]);
    let (begin, done) = OLDER.trim_end().split_once('\n').unwrap();
    let greeted = sent(&served, begin, "");
    let session = greeted.lines().find(|line| line.to_lowercase().starts_with("mcp-session-id")).unwrap().to_owned();
    sent(&served, done, &format!("MCP-Protocol-Version: 2025-11-25\r\n{session}\r\n"));
    for (method, params) in
        [("subscriptions/listen", r#""notifications":{}"#), ("logging/setLevel", r#""level":"debug""#), ("nope", "")]
    {
        let line = request(method, params);
        let got = sent(&served, &line, &format!("MCP-Protocol-Version: 2025-11-25\r\n{session}\r\n"));
        assert_eq!(status(&got), "200", "{method}: {got}");
        assert!(
            got.contains("-32601") && (got.contains("there is no method") || got.contains("session is an older")),
            "{got}"
        );
        let elsewhere = sent(&served, &line, "MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: x\r\n");
        assert_eq!(status(&elsewhere), "404", "{method}: {elsewhere}");
    }
}

#[test]
fn what_does_not_fit_is_told_in_the_words_of_json() {
    for (method, params, words) in [
        ("completion/complete", r#""ref":5,"argument":{"name":"a","value":""}"#, "integer `5`, expected an object"),
        ("completion/complete", r#""ref":{},"argument":{"name":"a","value":""}"#, "missing field `type`"),
        ("completion/complete", r#""ref":{"type":5},"argument":{"name":"a","value":""}"#, "expected"),
        ("completion/complete", r#""ref":{"type":"ref/prompt","name":"a"},"argument":5"#, "expected an object"),
        ("subscriptions/listen", r#""notifications":5"#, "integer `5`, expected an object"),
        ("subscriptions/listen", r#""notifications":{"resourceSubscriptions":5}"#, "expected a list"),
        ("subscriptions/listen", r#""notifications":{"toolsListChanged":5}"#, "expected a boolean"),
        ("tools/call", r#""name":"list_tasks","arguments":"x""#, "expected an object"),
        ("prompts/get", r#""name":"start","arguments":5"#, "expected an object"),
        ("resources/read", r#""uri":5"#, "expected a string"),
        ("tasks/get", r#""taskId":{}"#, "expected a string"),
        ("tasks/update", r#""taskId":"x","inputResponses":5"#, "expected an object"),
        ("initialize", r#""protocolVersion":5,"capabilities":{},"clientInfo":{}"#, "expected a string"),
        ("initialize", r#""protocolVersion":"2025-11-25","capabilities":5,"clientInfo":{}"#, "expected an object"),
        ("initialize", r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":5"#, "expected an object"),
    ] {
        let (answers, _) = said(&request(method, &format!("{params},{META}")));
        assert_eq!(code(&answers), -32602, "{method} {params}");
        let message = answers[0]["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{method} {params}: {message}");
        let of_the_program = [" struct ", " enum ", "variant", "map", "sequence", "tagged"];
        assert!(!of_the_program.iter().any(|word| message.contains(word)), "{method} {params}: {message}");
    }
}
