//! The stdio transport and the guard, over the real ends of a spawned `examples/echo_guarded` (`cargo test` builds it).
//! What needs small limits or a special handler is in `stdio_limits.rs`.
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
        .to_string()
}

fn echo(id: impl Into<Value>) -> String {
    let id = id.into();
    call(id.clone(), "echo", json!({"text": format!("said {id}")}))
}

fn cancel(id: impl Into<Value>) -> String {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id.into()}}).to_string()
}

fn server() -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/echo_guarded");
    let mut command = Command::new(path);
    command.stderr(Stdio::piped());
    command
}

struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn start() -> Self {
        let mut child = server().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn initialized() -> Self {
        let mut session = Self::start();
        session.say(INITIALIZE);
        session.say(INITIALIZED);
        assert_eq!(session.hear()["id"], "init");
        session
    }

    fn say(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not json": line }))
    }

    fn peak_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// The rest of the replies, after the end of input; the exit code must be 0. Also what went to stderr.
    fn finish(mut self) -> (Vec<Value>, String) {
        drop(self.input.take());
        let (mut rest, mut log) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        (rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), log)
    }
}

/// All replies to an input that is there at once and then over.
fn replies(input: &str) -> Vec<Value> {
    let mut session = Session::start();
    let mut end = session.input.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || end.write_all(input.as_bytes()));
    let replies = session.finish().0;
    writer.join().unwrap().unwrap();
    replies
}

#[test]
fn every_one_of_20000_pipelined_calls_is_answered_before_the_end() {
    let mut input = format!("{INITIALIZE}\n{INITIALIZED}\n");
    for id in 0..20_000 {
        input += &echo(id);
        input.push('\n');
    }
    let replies = replies(&input);
    let right: HashSet<u64> = replies
        .iter()
        .filter(|reply| reply["result"]["content"][0]["text"] == format!("said {}", reply["id"]))
        .map(|reply| reply["id"].as_u64().unwrap())
        .collect();
    assert_eq!((replies.len(), right.len()), (20_001, 20_000));
}

#[test]
fn a_call_of_seven_seconds_outlives_the_input() {
    let begin = Instant::now();
    let replies = replies(&format!("{INITIALIZE}\n{INITIALIZED}\n{}\n", call(1, "sleep", json!({"ms": 7000}))));
    assert_eq!(replies[1]["result"]["content"][0]["text"], "slept 7000");
    assert!(begin.elapsed() < Duration::from_secs(9));
}

#[test]
fn a_last_line_without_its_end_is_answered() {
    let replies = replies(&format!("{INITIALIZE}\n{INITIALIZED}\r\n\r\n{}", echo(5)));
    assert_eq!(replies.last().unwrap()["id"], 5);
}

#[test]
fn a_panic_is_answered_and_the_next_call_works() {
    let mut session = Session::initialized();
    session.say(&call(1, "boom", json!({})));
    let error = session.hear()["error"].clone();
    assert_eq!(error["code"], -32603);
    assert!(!error["message"].as_str().unwrap().contains("boom"));
    session.say(&echo(2));
    assert_eq!(session.hear()["id"], 2);
    let (_, log) = session.finish();
    let reference = error["message"].as_str().unwrap().split([' ', ';']).nth(3).unwrap().to_owned();
    assert!(log.contains(&reference) && log.contains("boom"), "{reference}: {log}");
}

#[test]
fn a_cancelled_call_stops_is_not_answered_and_holds_nothing_back() {
    let begin = Instant::now();
    let mut session = Session::initialized();
    session.say(&call("slow", "sleep", json!({"ms": 60_000})));
    session.say(&cancel("slow"));
    session.say(&echo(2));
    assert_eq!(session.hear()["id"], 2);
    let (rest, log) = session.finish();
    assert!(rest.is_empty() && log.contains("sleep cancelled"), "{rest:?} {log}");
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn cancellations_get_through_when_no_more_requests_do() {
    let begin = Instant::now();
    let mut session = Session::initialized();
    for id in 0..100 {
        session.say(&call(id, "sleep", json!({"ms": 60_000})));
    }
    session.say(&echo("behind"));
    for id in (0..100).rev() {
        session.say(&cancel(id));
    }
    assert_eq!(session.hear()["id"], "behind");
    assert!(session.finish().0.is_empty());
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_that_never_reads_costs_little_memory() {
    let mut session = Session::initialized();
    let mut input = session.input.take().unwrap();
    let text = "x".repeat(1000);
    let (calls, garbage) = (call(1, "echo", json!({ "text": text })), "{".to_owned());
    let writer = std::thread::spawn(move || {
        for n in 0..200_000_u32 {
            let line = calls.replace("\"id\":1", &format!("\"id\":{n}"));
            if input.write_all(format!("{line}\n{garbage}\n").as_bytes()).is_err() {
                return n;
            }
        }
        200_000
    });
    std::thread::sleep(Duration::from_secs(3));
    let peak = session.peak_mb();
    session.child.kill().unwrap();
    session.child.wait().unwrap();
    assert!(writer.join().unwrap() < 200_000, "the server kept reading");
    assert!(peak < 64, "{peak} MB");
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let mut session = Session::initialized();
    let mut input = session.input.take().unwrap();
    let writer = std::thread::spawn(move || {
        for n in 0..3000 {
            let line = call(n, "echo", json!({"text": "y".repeat(3000)}));
            input.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(session.finish().0.len(), 3000);
    writer.join().unwrap();
}

#[test]
fn a_client_that_is_gone_ends_the_server_quietly() {
    let mut session = Session::initialized();
    let Session { mut child, mut input, output } = {
        session.say(&echo(1));
        session
    };
    drop(output);
    // Not a fixed number: a process that another test has just forked may hold the reading end for a moment.
    let mut line = |id: u64| input.as_mut().unwrap().write_all(format!("{}\n", echo(id)).as_bytes());
    let said =
        (2..3_000).take_while(|&id| line(id).is_ok()).inspect(|_| std::thread::sleep(Duration::from_millis(2))).count();
    assert!(said < 2_998, "the server goes on although nobody hears it");
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(child.wait().unwrap().success() && log.is_empty(), "{log}");
}

#[test]
fn a_second_initialize_is_refused() {
    let mut session = Session::initialized();
    session.say(&INITIALIZE.replace("2025-11-25", "2026-07-28"));
    let refusal = session.hear();
    assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&json!("init"), &json!(-32600)));
    session.say(r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#);
    assert_eq!(session.hear()["result"], json!({}));
    session.finish();
}

#[test]
fn notifications_before_the_lifecycle_are_ignored() {
    let mut session = Session::start();
    for line in [INITIALIZED, &cancel(1), r#"{"jsonrpc":"2.0","method":"$/setTrace"}"#, "", "\r"] {
        session.say(line);
    }
    session.say(INITIALIZE);
    assert_eq!(session.hear()["id"], "init");
    session.finish();
}

#[test]
fn the_version_without_a_ping_has_none_in_the_first_request_either() {
    let ping = DISCOVER.replace("server/discover", "ping").replace("\"d\"", "\"p\"");
    let legacy = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (lines, expected) in [
        (format!("{ping}\n"), vec![-32601]),
        (format!("{}\n{ping}\n", DISCOVER.replace("server/discover", "tools/list")), vec![0, -32601]),
        (format!("{legacy}\n"), vec![0]),
    ] {
        let codes = |reply: &Value| reply["error"]["code"].as_i64().unwrap_or_default();
        let mut found: Vec<i64> = replies(&lines).iter().map(codes).collect();
        found.sort_by_key(|code| -code);
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn initialize_works_after_discover_and_an_early_end_is_no_failure() {
    let mut session = Session::start();
    session.say(DISCOVER);
    assert!(session.hear()["result"]["supportedVersions"].is_array());
    session.say(INITIALIZE);
    assert_eq!(session.hear()["result"]["protocolVersion"], "2025-11-25");
    session.say(&echo(1));
    assert_eq!(session.hear()["id"], 1);
    session.finish();
    assert_eq!(replies(&format!("{DISCOVER}\n")).len(), 1);
    assert_eq!(replies("").len(), 0);
    assert_eq!(replies(&echo(1)).first().unwrap()["error"]["code"], -32602);
}

#[test]
fn a_line_of_64_mb_is_refused_once_and_skipped() {
    let mut session = Session::initialized();
    let mut input = session.input.take().unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..64 {
            input.write_all(&vec![b'['; 1 << 20]).unwrap();
        }
        input.write_all(format!("\n{}\n", echo(1)).as_bytes()).unwrap();
        input
    });
    assert_eq!(session.hear()["error"]["code"], -32600);
    assert_eq!(session.hear()["id"], 1);
    assert!(session.peak_mb() < 64, "{} MB", session.peak_mb());
    session.input = Some(writer.join().unwrap());
    assert!(session.finish().0.is_empty());
}

#[test]
fn a_bad_line_is_answered_and_the_next_one_works() {
    let mut session = Session::initialized();
    for (line, code, id) in [
        ("{'a':1}".to_owned(), -32700, Value::Null),
        ("[]".to_owned(), -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{}}"#.to_owned(), -32602, json!(4)),
        (r#"{"jsonrpc":"2.0","id":4,"method":"tools/call"}"#.to_owned(), -32602, json!(4)),
        (r#"{"jsonrpc":"2.0","id":4,"method":"tools/cal"}"#.to_owned(), -32601, json!(4)),
        (call(4, "nothing", json!({})), -32602, json!(4)),
        (call(4, "echo", json!([])), -32602, json!(4)),
        (
            echo(4).replace("{\"name\"", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":5},\"name\""),
            -32602,
            json!(4),
        ),
        (
            echo(4).replace("{\"name\"", "{\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"1\"},\"name\""),
            -32022,
            json!(4),
        ),
    ] {
        session.say(&line);
        let reply = session.hear();
        assert_eq!((&reply["error"]["code"], &reply["id"]), (&json!(code), &id), "{line}");
        session.say(&echo("after"));
        assert_eq!(session.hear()["id"], "after", "{line}");
    }
    session.finish();
}

#[test]
fn an_id_in_flight_is_not_given_twice() {
    let mut session = Session::initialized();
    session.say(&call(1, "sleep", json!({"ms": 300})));
    session.say(&echo(1));
    let refusal = session.hear();
    assert_eq!((&refusal["error"]["code"], refusal.get("id")), (&json!(-32600), None));
    assert_eq!(session.hear()["result"]["content"][0]["text"], "slept 300");
    session.say(&echo(1));
    assert_eq!(session.hear()["result"]["content"][0]["text"], "said 1");
    session.finish();
}

#[test]
fn sockets_work_and_keep_their_mode() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let shared = theirs.try_clone().unwrap();
    let ends = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
    let mut child = server().stdin(ends()).stdout(ends()).spawn().unwrap();
    let mut output = BufReader::new(ours.try_clone().unwrap());
    (&ours).write_all(format!("{INITIALIZE}\n{}\n", echo(1)).as_bytes()).unwrap();
    for id in [json!("init"), json!(1)] {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["id"], id);
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(child.wait().unwrap().success());
    let mode = rustix::fs::fcntl_getfl(&shared).unwrap();
    assert!(!mode.contains(rustix::fs::OFlags::NONBLOCK));
}

#[test]
fn files_work_too() {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(format!("{INITIALIZE}\n{}", echo(1)).as_bytes()).unwrap();
    input.rewind().unwrap();
    let mut output = tempfile::tempfile().unwrap();
    let status = server().stdin(input).stdout(output.try_clone().unwrap()).status().unwrap();
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert!(status.success() && text.lines().count() == 2, "{text}");
    let Output { status, stdout, .. } = server().stdin(File::open("/dev/null").unwrap()).output().unwrap();
    assert!(status.success() && stdout.is_empty());
}
