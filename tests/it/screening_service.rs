//! The outside screening service, played by a real server on this machine: every verdict, every way to fail, and what a
//! failing one is spared.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use phasegate::config::screening::{OnFailure, ScreeningService, Send};
use phasegate::config::settings::Settings;
use phasegate::domain::refusal::Code;
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{TestEnv, agent};

/// What the server does with the next request.
#[derive(Clone)]
enum Act {
    Say(u16, String),
    /// Keeps the line open and silent until the client has gone.
    Silence,
}

struct Server {
    url: String,
    acts: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<Mutex<Vec<Value>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

fn verdict(word: &str) -> Act {
    let found = json!({"verdict": word, "findings": [{"kind": "secret", "rule": "acme"}], "reason": "not \u{7}`here`"});
    Act::Say(200, found.to_string())
}

impl Server {
    /// Answers `allow` when it has been told nothing else.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/check", listener.local_addr().unwrap());
        let (acts, asked) = (Arc::new(Mutex::new(VecDeque::new())), Arc::new(Mutex::new(Vec::new())));
        let keys = Arc::new(Mutex::new(Vec::new()));
        let server = Self { url, acts: Arc::clone(&acts), asked: Arc::clone(&asked), keys: Arc::clone(&keys) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    keys.lock().unwrap().extend(line.strip_prefix("x-key: ").map(|key| key.trim().to_owned()));
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() || length == 0 {
                    continue;
                }
                asked.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                match acts.lock().unwrap().pop_front().unwrap_or_else(|| verdict("allow")) {
                    Act::Say(status, text) => {
                        let head = format!(
                            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlocation: /other\r\nconnection: close\r\n\r\n",
                            text.len()
                        );
                        let _ = reader.get_mut().write_all((head + &text).as_bytes());
                    }
                    Act::Silence => {
                        let _ = reader.read_to_end(&mut Vec::new());
                    }
                }
            }
        });
        server
    }

    fn next(&self, acts: &[Act]) {
        self.acts.lock().unwrap().extend(acts.iter().cloned());
    }

    fn asked(&self) -> Vec<Value> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn env(&self, on_failure: OnFailure, send: Send) -> TestEnv {
        let service = ScreeningService { url: self.url.clone(), timeout_ms: 300, on_failure, send, header: None };
        let settings = Settings { screening: Some(service), ..Settings::default() };
        let env = TestEnv::with_settings(None, &settings);
        env.call(&agent("ana"), "claim_task", json!({"new": {"title": "work"}})).unwrap();
        self.asked();
        env
    }
}

fn note(env: &TestEnv, text: &str) -> Result<Value, phasegate::domain::refusal::Refusal> {
    env.call(&agent("ana"), "update_task", json!({"progress": text}))
}

#[test]
fn its_verdict_counts_and_is_told() {
    let server = Server::start();
    let env = server.env(OnFailure::Closed, Send::Redacted);
    note(&env, "nothing special").unwrap();
    let asked = server.asked();
    let wanted = json!({"tool": "update_task", "field": "progress", "text": "nothing special", "task": "T-1", "phase": asked[0]["phase"]});
    assert_eq!(asked, [wanted]);
    assert!(asked[0]["phase"].is_string());
    assert!(!env.kinds().contains(&"TextFlagged"));

    server.next(&[verdict("flag")]);
    let answer = note(&env, "a codename").unwrap();
    assert!(answer["note"].as_str().unwrap().contains("service/acme"), "{answer}");
    assert!(env.kinds().contains(&"TextFlagged"));

    server.next(&[verdict("refuse")]);
    let refusal = note(&env, "a worse codename").unwrap_err();
    assert_eq!(refusal.code, Code::Screened);
    assert!(refusal.message.contains("`progress`") && refusal.message.contains("it says `not   here`"), "{refusal}");
    assert_eq!(env.kinds().last(), Some(&"CommandRefused"));
    env.agree();
}

#[test]
fn texts_leave_without_their_secrets_unless_all_is_to_be_sent() {
    let token = ["gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"].concat();
    for (send, whole) in [(Send::Redacted, false), (Send::Full, true)] {
        let server = Server::start();
        let env = server.env(OnFailure::Closed, send);
        note(&env, &format!("use {token}")).unwrap();
        env.call(&agent("ana"), "update_task", json!({"checkpoint": {"key": token}})).unwrap();
        env.call(&agent("ana"), "submit_artifact", json!({"name": "n", "content": {"password": "swordfish"}})).unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 3, "{asked:?}");
        let all = Value::from(asked).to_string();
        assert_eq!((all.contains(&token), all.contains("swordfish")), (whole, whole), "{all}");
    }
}

#[test]
fn a_failure_lets_in_or_keeps_out_as_the_person_said() {
    let long = format!("{{\"verdict\": \"allow\", \"reason\": \"{}\"}}", "x".repeat(70_000));
    for (act, tries, says) in [
        (Act::Say(500, String::new()), 2, "status 500"),
        (Act::Say(403, String::new()), 1, "status 403"),
        (Act::Say(302, String::new()), 1, "status 302"),
        (Act::Silence, 2, "in time"),
        (Act::Say(200, "no json".to_owned()), 1, "not the JSON"),
        (Act::Say(200, "{\"verdict\": \"perhaps\"}".to_owned()), 1, "not the JSON"),
        (Act::Say(200, long), 1, "longer than"),
    ] {
        let server = Server::start();
        let env = server.env(OnFailure::Closed, Send::Redacted);
        server.next(&[act.clone(), act.clone()]);
        let refusal = note(&env, "a note").unwrap_err();
        assert_eq!(refusal.code, Code::ScreeningUnavailable);
        assert!(refusal.message.contains(says) && !refusal.hint.is_empty(), "{says}: {refusal}");
        assert_eq!(server.asked().len(), tries, "{says}");

        let server = Server::start();
        let env = server.env(OnFailure::Open, Send::Redacted);
        server.next(&[act.clone(), act]);
        let answer = note(&env, "a note").unwrap();
        assert!(answer["note"].as_str().unwrap().contains("was not screened"), "{answer}");
        assert!(env.kinds().contains(&"TextNotScreened"), "{says}");
        env.agree();
    }
}

#[test]
fn a_second_try_can_be_enough() {
    let server = Server::start();
    let env = server.env(OnFailure::Closed, Send::Redacted);
    server.next(&[Act::Say(503, String::new())]);
    note(&env, "a note").unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_service_that_keeps_failing_is_left_alone_and_then_tried_again() {
    let server = Server::start();
    let env = server.env(OnFailure::Closed, Send::Redacted);
    let down = Act::Say(403, String::new());
    server.next(&vec![down.clone(); 5]);
    for _ in 0..5 {
        assert_eq!(note(&env, "a note").unwrap_err().code, Code::ScreeningUnavailable);
    }
    assert_eq!(server.asked().len(), 5);
    let refusal = note(&env, "a note").unwrap_err();
    assert!(refusal.message.contains("left alone"), "{refusal}");
    assert_eq!(server.asked().len(), 0, "nobody asks a service that is left alone");
    env.clock.advance_seconds(31);
    server.next(&[down]);
    note(&env, "a note").unwrap_err();
    assert_eq!(server.asked().len(), 1, "one call tries");
    assert!(note(&env, "a note").unwrap_err().message.contains("left alone"));
    env.clock.advance_seconds(31);
    note(&env, "a note").unwrap();
    note(&env, "a note").unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_large_graph_is_one_question() {
    let server = Server::start();
    let env = server.env(OnFailure::Closed, Send::Redacted);
    let tasks: Vec<Value> = (0..40).map(|number| json!({"title": format!("task {number}")})).collect();
    env.call(&agent("bo"), "submit_task", json!({ "tasks": tasks })).unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0]["text"].as_str().unwrap().contains("task 39"), "{}", asked[0]);
}

#[test]
fn a_large_batch_is_one_question_that_holds_every_text() {
    let server = Server::start();
    let env = server.env(OnFailure::Closed, Send::Redacted);
    let ask = |number: usize| json!({"question": format!("question {number}?")});
    let batch: Vec<Value> = (0..20).map(ask).collect();
    env.call(&agent("ana"), "request_approval", json!({ "batch": batch, "reason": "all green" })).unwrap();
    let asked = server.asked();
    assert_eq!((asked.len(), &asked[0]["field"]), (1, &json!("batch")));
    let texts: Value = serde_json::from_str(asked[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(texts.as_array().unwrap().len(), 21, "{texts}");
    assert_eq!(texts[0], json!({"field": "batch.0.question", "text": "question 0?"}));
    assert!(
        texts.as_array().unwrap().contains(&json!({"field": "batch.19.question", "text": "question 19?"})),
        "{texts}"
    );
}

#[test]
fn the_header_of_the_settings_is_sent_and_never_shown() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("key"), "s3same\n").unwrap();
    let file = format!(
        "[screening]\nurl = \"{}\"\non_failure = \"closed\"\nheader = \"x-key\"\nsecret_file = \"{}\"\n",
        server.url,
        home.path().join("key").display()
    );
    std::fs::create_dir(home.path().join("phasegate")).unwrap();
    std::fs::write(home.path().join("phasegate/config.toml"), &file).unwrap();
    let work = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_phasegate"));
        stores::tell(&mut command, work.path())
            .args(["call", "submit_task", "{\"title\": \"x\"}", "--workspace"])
            .arg(work.path())
            .env("XDG_CONFIG_HOME", home.path())
            .output()
            .unwrap()
    };
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(*server.keys.lock().unwrap(), ["s3same"]);
    assert_eq!(server.asked()[0]["text"], "x");
    std::fs::write(work.path().join("phasegate.toml"), file).unwrap();
    let output = run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("cannot be set by a project") && !said.contains("s3same"),
        "{said}"
    );
}
