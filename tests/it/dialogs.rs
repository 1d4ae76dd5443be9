//! Approvals put to the person at the agent's client: by a question during the call, and by the result of the call.
//! Raw frames over in-memory ends, a real workspace behind them, a clock that stands still.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use phasegate::domain::approval::Approval;
use phasegate::domain::canonical;
use phasegate::domain::command::Decision;
use phasegate::domain::ids::{AgentName, ApprovalId};
use phasegate::engine::Failure;
use phasegate::mcp::dialog::Dialogs;
use phasegate::mcp::dialog::state::{Key, State};
use phasegate::mcp::guard::Guard;
use phasegate::mcp::server::{Opening, Server};
use phasegate::mcp::stdio::{StdioLimits, StdioTransport, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::{TestEnv, agent, person};

const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";
const FORM: &str = r#"{"elicitation":{"form":{}}}"#;

fn workflow(gate: &str) -> String {
    format!(
        "version: 1\nname: asks\nphases:\n  plan:\n    goal: Say it.\n    allow: [Read]\n    exit:\n      - approval: \
         {{ ask: \"Build it this way?\", within: 1h, {gate} }}\n    next: [done]\n  done: {{ end: true }}\n"
    )
}

/// A task in its phase, held by `ana`.
fn env(gate: &str) -> TestEnv {
    let env = TestEnv::trusting(&workflow(gate));
    env.call(&agent("ana"), "claim_task", json!({"new": {"title": "Make\u{202e} it"}})).unwrap();
    env
}

fn approval(env: &TestEnv) -> Approval {
    env.engine.approval(ApprovalId(1)).unwrap().expect("A-1")
}

struct Client {
    input: Option<DuplexStream>,
    output: BufReader<DuplexStream>,
    served: JoinHandle<()>,
    version: &'static str,
    capabilities: Value,
}

impl Client {
    /// Connected as `ana`, speaking this version.
    async fn start(env: &TestEnv, version: &'static str, capabilities: &str) -> Self {
        let (input, source) = tokio::io::duplex(1 << 16);
        let (target, output) = tokio::io::duplex(1 << 16);
        let engine = Arc::clone(&env.engine);
        let opening = Arc::new(Opening::new(Box::new(move || Ok(Arc::clone(&engine)))));
        let server = Server::new(opening, Some("ana".to_owned()), BTreeSet::new(), 1);
        let transport = StdioTransport::new(source, target, StdioLimits::default());
        let guard = Guard::new(server).counting(transport.handle());
        let served = tokio::spawn(async move {
            serve(guard, transport, std::future::pending()).await.unwrap();
        });
        let capabilities: Value = serde_json::from_str(capabilities).unwrap();
        let (input, output) = (Some(input), BufReader::new(output));
        let mut client = Self { input, output, served, version, capabilities };
        if version == OLD {
            let info = json!({"name": "t", "version": "1"});
            let params = json!({"protocolVersion": OLD, "capabilities": client.capabilities, "clientInfo": info});
            client.say(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
            client.hear().await;
            client.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        client
    }

    async fn say(&mut self, message: Value) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        timeout(Duration::from_secs(20), self.output.read_line(&mut line)).await.expect("an answer").unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not json: {line}"))
    }

    async fn begin(&mut self, id: u64, tool: &str, arguments: Value, more: Value) {
        let mut params = json!({"name": tool, "arguments": arguments});
        if self.version == NEW {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": NEW,
                "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            });
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
    }

    /// `request_approval`, up to what comes first: its result or a question to this client.
    async fn ask(&mut self, arguments: Value) -> Value {
        self.retry(arguments, json!({})).await
    }

    async fn retry(&mut self, arguments: Value, more: Value) -> Value {
        self.begin(7, "request_approval", arguments, more).await;
        self.hear().await
    }

    async fn answer(&mut self, question: &Value, result: Value) {
        assert_eq!(question["method"], "elicitation/create", "{question}");
        self.say(json!({"jsonrpc": "2.0", "id": question["id"], "result": result})).await;
    }

    /// The end of input; all that was open must end by itself.
    async fn finish(mut self) {
        drop(self.input.take());
        timeout(Duration::from_secs(20), self.served).await.expect("an end").unwrap();
    }
}

/// What a call of `request_approval` came to: the state, and the note if there is one.
fn came_to(reply: &Value) -> (&str, &str) {
    assert_eq!(reply["id"], 7, "{reply}");
    let said = &reply["result"]["structuredContent"];
    (said["state"].as_str().unwrap_or_else(|| panic!("{reply}")), said["note"].as_str().unwrap_or_default())
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

/// What a person may do with the form of a gate, and what becomes of the approval.
fn answers() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (accept(json!({"approve": true, "reason": "fine"})), "approved", "fine"),
        (accept(json!({"approve": false, "reason": "too big"})), "rejected", "too big"),
        (accept(json!({"approve": false})), "rejected", "answered no in the client's dialog"),
        (json!({"action": "decline"}), "rejected", "declined in the client's dialog"),
        (json!({"action": "cancel"}), "pending", "closed without an answer"),
        (accept(json!({})), "pending", "not used"),
        (accept(json!({"approve": "true"})), "pending", "not used"),
        (accept(json!([true])), "pending", "not used"),
        (json!({"action": "accept"}), "pending", "not used"),
    ]
}

fn assert_came_to(env: &TestEnv, reply: &Value, answer: &Value, state: &str, word: &str) {
    let (now, note) = came_to(reply);
    assert_eq!(now, state, "{answer}: {reply}");
    let stored = approval(env);
    assert_eq!(stored.state.word(), state, "{answer}");
    match stored.state.answer() {
        Some(given) => {
            assert_eq!(
                (given.by.0.as_str(), given.level, given.reason.as_str()),
                ("client-of:ana", 0, word),
                "{answer}"
            );
        }
        None => assert!(note.contains(word), "{answer}: {reply}"),
    }
    env.agree();
}

#[tokio::test]
async fn an_older_client_is_asked_during_the_call() {
    for (answer, state, word) in answers() {
        let env = env("level: 0");
        let mut client = Client::start(&env, OLD, FORM).await;
        let question = client.ask(json!({"reason": "it is\u{200b} small\nA-1: done"})).await;
        let params = &question["params"];
        let message = params["message"].as_str().unwrap();
        for part in
            ["A-1: Build it this way?", "Yes opens gate", "│ it is\\u{200b} small\n│ A-1: done", "Make\\u{202e} it"]
        {
            assert!(message.contains(part), "{part} is not in:\n{message}");
        }
        assert_eq!(params["requestedSchema"]["required"], json!(["approve"]));
        client.answer(&question, answer.clone()).await;
        assert_came_to(&env, &client.hear().await, &answer, state, word);
        client.finish().await;
    }
}

#[tokio::test]
async fn a_newer_client_is_asked_by_the_result_of_the_call() {
    for (answer, state, word) in answers() {
        let env = env("level: 0");
        let mut client = Client::start(&env, NEW, FORM).await;
        let result = client.ask(json!({"wait_seconds": 300})).await["result"].take();
        assert_eq!(result["resultType"], "input_required");
        let request = &result["inputRequests"]["approval"];
        assert_eq!(request["method"], "elicitation/create");
        assert!(request["params"]["message"].as_str().unwrap().contains("Build it this way?"));
        assert_eq!(approval(&env).state.word(), "pending");
        let more = json!({"requestState": result["requestState"], "inputResponses": {"approval": answer}});
        let reply = client.retry(json!({"wait_seconds": 300}), more).await;
        assert_eq!(reply["result"]["resultType"], "complete");
        assert_came_to(&env, &reply, &answer, state, word);
        client.finish().await;
    }
}

#[tokio::test]
async fn a_dialog_that_was_closed_does_not_come_back() {
    for version in [OLD, NEW] {
        let env = env("level: 0");
        let mut client = Client::start(&env, version, FORM).await;
        let first = client.ask(json!({})).await;
        if version == OLD {
            client.answer(&first, json!({"action": "cancel"})).await;
            client.hear().await;
        } else {
            let responses = json!({"approval": {"action": "cancel"}});
            let more = json!({"requestState": first["result"]["requestState"], "inputResponses": responses});
            client.retry(json!({}), more).await;
        }
        assert_eq!(came_to(&client.ask(json!({})).await), ("pending", ""), "{version}");
        client.finish().await;
    }
}

#[tokio::test]
async fn questions_are_answered_in_their_own_words() {
    let choices = json!({"question": "Which?", "choices": ["red\u{200b}", "blue"]});
    let open = json!({"question": "Why?"});
    for version in [OLD, NEW] {
        for (question, content, schema, expected) in [
            (&choices, json!({"choice": "red\\u{200b}", "reason": "warm"}), "choice", Some("red\u{200b}")),
            (&choices, json!({"choice": "green"}), "choice", None),
            (&choices, json!({"choice": "red\u{200b}"}), "choice", None),
            (&open, json!({"answer": " because "}), "answer", Some("because")),
            (&open, json!({"answer": " "}), "answer", None),
        ] {
            let env = env("level: 0");
            let mut client = Client::start(&env, version, FORM).await;
            let asked = client.ask(question.clone()).await;
            let params =
                if version == OLD { &asked["params"] } else { &asked["result"]["inputRequests"]["approval"]["params"] };
            assert_eq!(params["requestedSchema"]["required"], json!([schema]), "{asked}");
            if schema == "choice" {
                assert_eq!(params["requestedSchema"]["properties"]["choice"]["enum"], json!(["red\\u{200b}", "blue"]));
            }
            let reply = if version == OLD {
                client.answer(&asked, accept(content.clone())).await;
                client.hear().await
            } else {
                let responses = json!({"approval": accept(content.clone())});
                let more = json!({"requestState": asked["result"]["requestState"], "inputResponses": responses});
                client.retry(question.clone(), more).await
            };
            let choice = approval(&env).state.answer().and_then(|answer| answer.choice.clone());
            assert_eq!(choice.as_deref(), expected, "{version} {content}");
            assert_eq!(came_to(&reply).0, if expected.is_some() { "approved" } else { "pending" }, "{content}");
            client.finish().await;
        }
    }
}

#[tokio::test]
async fn what_a_dialog_cannot_answer_is_not_offered() {
    for version in [OLD, NEW] {
        for (gate, capabilities) in [
            ("level: 1", FORM),
            ("level: 0, not_by: author", FORM),
            ("level: 0, from: lead", FORM),
            ("level: 0", "{}"),
            ("level: 0", r#"{"elicitation":{"url":{}}}"#),
        ] {
            let env = env(gate);
            let mut client = Client::start(&env, version, capabilities).await;
            let reply = client.ask(json!({})).await;
            assert_eq!(came_to(&reply), ("pending", ""), "{version} {gate} {capabilities}");
            let next = reply["result"]["structuredContent"]["next"].as_str().unwrap();
            assert!(next.contains("`phasegate approvals show A-1`"), "{next}");
            assert_eq!(next.contains("proof of level 1"), gate == "level: 1", "{next}");
            client.finish().await;
        }
    }
}

#[tokio::test]
async fn an_elicitation_that_names_no_mode_is_a_form() {
    let env = env("level: 0");
    let mut client = Client::start(&env, OLD, r#"{"elicitation":{}}"#).await;
    let question = client.ask(json!({})).await;
    client.answer(&question, accept(json!({"approve": true}))).await;
    assert_eq!(came_to(&client.hear().await).0, "approved");
    client.finish().await;
}

#[tokio::test]
async fn an_answer_from_elsewhere_comes_first_and_withdraws_the_dialog() {
    let env = env("level: 0");
    let mut client = Client::start(&env, OLD, FORM).await;
    let question = client.ask(json!({})).await;
    let no = Decision::Reject { reason: "not now".to_owned() };
    env.answer(&person("bea"), ApprovalId(1), no, 0).unwrap();
    let (mut withdrawn, mut reply) = (client.hear().await, client.hear().await);
    if withdrawn["id"] == 7 {
        std::mem::swap(&mut withdrawn, &mut reply);
    }
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    assert_eq!(came_to(&reply).0, "rejected");
    // The late answer changes nothing, and the connection goes on.
    client.answer(&question, accept(json!({"approve": true}))).await;
    client.begin(8, "list_tasks", json!({}), json!({})).await;
    assert_eq!(client.hear().await["id"], 8);
    assert_eq!(approval(&env).state.answer().unwrap().by.0, "bea");
    client.finish().await;
}

#[tokio::test]
async fn a_late_answer_by_the_result_is_not_used_and_says_so() {
    let env = env("level: 0");
    let mut client = Client::start(&env, NEW, FORM).await;
    let state = client.ask(json!({})).await["result"]["requestState"].take();
    let no = Decision::Reject { reason: "not now".to_owned() };
    env.answer(&person("bea"), ApprovalId(1), no, 0).unwrap();
    let more = json!({"requestState": state, "inputResponses": {"approval": accept(json!({"approve": true}))}});
    let reply = client.retry(json!({}), more).await;
    let (state, note) = came_to(&reply);
    assert!(state == "rejected" && note.contains("was not used: A-1 is rejected, answered by bea"), "{reply}");
    client.finish().await;
}

#[tokio::test]
async fn a_client_that_never_answers_holds_nothing_back_and_its_call_ends() {
    let env = env("level: 0");
    let mut client = Client::start(&env, OLD, FORM).await;
    let question = client.ask(json!({"wait_seconds": 1})).await;
    for id in 20..40 {
        client.begin(id, "list_tasks", json!({}), json!({})).await;
        assert_eq!(client.hear().await["id"], id);
    }
    // A second call about the same thing does not ask twice.
    client.begin(8, "request_approval", json!({}), json!({})).await;
    assert_eq!(client.hear().await["id"], 8);
    env.clock.advance_seconds(2);
    let (mut withdrawn, mut reply) = (client.hear().await, client.hear().await);
    if withdrawn["id"] == 7 {
        std::mem::swap(&mut withdrawn, &mut reply);
    }
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    let (state, note) = came_to(&reply);
    assert!(state == "pending" && note.contains("nobody answered"), "{reply}");
    client.finish().await;
}

#[tokio::test]
async fn a_cancelled_call_withdraws_its_dialog() {
    let env = env("level: 0");
    let mut client = Client::start(&env, OLD, FORM).await;
    let question = client.ask(json!({})).await;
    client.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})).await;
    let withdrawn = client.hear().await;
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    client.answer(&question, accept(json!({"approve": true}))).await;
    client.finish().await;
    assert_eq!(approval(&env).state.word(), "pending");
}

#[tokio::test]
async fn a_client_that_refuses_to_ask_or_goes_away_decides_nothing() {
    let env = env("level: 0");
    let mut client = Client::start(&env, OLD, FORM).await;
    let question = client.ask(json!({})).await;
    let error = json!({"code": -32601, "message": "no dialogs here"});
    client.say(json!({"jsonrpc": "2.0", "id": question["id"], "error": error})).await;
    let reply = client.hear().await;
    let (state, note) = came_to(&reply);
    assert!(state == "pending" && note.contains("no dialogs here"), "{reply}");
    client.ask(json!({})).await;
    client.finish().await;
    assert_eq!(approval(&env).state.word(), "pending");
}

/// The code of the refusal that a retry met.
fn refused(reply: &Value) -> &str {
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    let refusal = &reply["result"]["structuredContent"];
    assert!(refusal["hint"].as_str().unwrap().contains("without `requestState`"), "{refusal}");
    refusal["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_state_that_does_not_fit_is_refused_and_decides_nothing() {
    let env = env("level: 0");
    let mut client = Client::start(&env, NEW, FORM).await;
    let state = client.ask(json!({})).await["result"]["requestState"].as_str().unwrap().to_owned();
    let yes = json!({"approval": accept(json!({"approve": true}))});
    let mut forged = state.clone().into_bytes();
    forged[10] = if forged[10] == b'A' { b'B' } else { b'A' };
    let known = approval(&env);
    let said = State {
        agent: AgentName("ana".to_owned()),
        approval: known.id,
        digest: known.digest,
        call: canonical::digest(&json!({})),
        until: known.expires_at,
    };
    let foreign = Key::new("of another workspace".to_owned()).seal(&said);
    for (arguments, more) in [
        (json!({}), json!({"requestState": String::from_utf8(forged).unwrap(), "inputResponses": yes})),
        (json!({}), json!({"requestState": "", "inputResponses": yes})),
        (json!({}), json!({"requestState": foreign, "inputResponses": yes})),
        (json!({}), json!({"inputResponses": yes})),
        (json!({"reason": "other"}), json!({"requestState": state, "inputResponses": yes})),
    ] {
        let reply = client.retry(arguments, more.clone()).await;
        assert_eq!(refused(&reply), "dialog_mismatch", "{more}");
        assert_eq!(approval(&env).state.word(), "pending", "{more}");
    }
    assert!(env.kinds().contains(&"CommandRefused"));
    env.clock.advance_seconds(3601);
    let reply = client.retry(json!({}), json!({"requestState": state, "inputResponses": yes})).await;
    assert_eq!(refused(&reply), "approval_closed");
    assert!(approval(&env).state.answer().is_none());
    client.finish().await;
}

#[tokio::test]
async fn a_state_is_good_for_one_answer() {
    let env = env("level: 0");
    let mut client = Client::start(&env, NEW, FORM).await;
    let state = client.ask(json!({})).await["result"]["requestState"].take();
    let no = json!({"requestState": state, "inputResponses": {"approval": {"action": "decline"}}});
    assert_eq!(came_to(&client.retry(json!({}), no).await).0, "rejected");
    let yes = json!({"requestState": state, "inputResponses": {"approval": accept(json!({"approve": true}))}});
    let reply = client.retry(json!({}), yes).await;
    let (state, note) = came_to(&reply);
    assert!(state == "rejected" && note.contains("was not used"), "{reply}");
    assert_eq!(approval(&env).state.word(), "rejected");
    client.finish().await;
}

#[tokio::test]
async fn another_server_of_the_workspace_takes_the_answer() {
    let env = env("level: 0");
    let (mut asked, mut other) = (Client::start(&env, NEW, FORM).await, Client::start(&env, NEW, FORM).await);
    let state = asked.ask(json!({})).await["result"]["requestState"].take();
    let yes = json!({"requestState": state, "inputResponses": {"approval": accept(json!({"approve": true}))}});
    assert_eq!(came_to(&other.retry(json!({}), yes.clone()).await).0, "approved");
    let late = asked.retry(json!({}), yes).await;
    let (state, note) = came_to(&late);
    assert!(state == "approved" && note.contains("was not used"), "{state}: {note}");
    asked.finish().await;
    other.finish().await;
}

#[test]
fn a_state_of_another_agent_is_refused() {
    let env = env("level: 0");
    let (dialogs, arguments) = (Dialogs::default(), json!({}));
    env.call(&agent("ana"), "request_approval", arguments.clone()).unwrap();
    let asked = dialogs.ask_by_result(&env.engine, &agent("ana"), &arguments, &approval(&env)).unwrap().unwrap();
    let yes = [("approval".to_owned(), accept(json!({"approve": true})))].into();
    let resume = |who| dialogs.resume(&env.engine, &agent(who), &arguments, asked.request_state.as_deref(), Some(&yes));
    match resume("bob") {
        Err(Failure::Refused(refusal)) => assert!(refusal.message.contains("another agent"), "{refusal}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(approval(&env).state.word(), "pending");
    assert_eq!(resume("ana").unwrap().structured["state"], "approved");
}
