//! Results of the client's own tools that the hook makes shorter: what the model gets, what it can fetch back, what stays as it is.

use serde_json::{Value, json};

use super::world::{Heard, Server, Session, World};

const FLOW: &str = r#"
version: 1
name: flow
unclaimed: { allow: [Read, Bash] }
context: { reduce_above: 600, keep: 400 }
phases:
  look:
    goal: Look and change nothing.
    allow: [Read, Bash, "mcp__maps__*"]
    sandbox: { confine: off }
    next: [exact]
  exact:
    allow: [Read, Bash]
    sandbox: { confine: off }
    context: off
    next: [done]
  done: { end: true }
"#;

const LINES: usize = 400;

fn long() -> String {
    let line = |n: usize| format!("src/part_{}/file_{n}.rs:{n}: error: cannot read value_{n} of the table\n", n % 7);
    (1..=LINES).map(line).collect()
}

fn stdout(text: &str) -> Value {
    json!({"stdout": text, "stderr": "", "interrupted": false, "isImage": false, "noOutputExpected": false})
}

/// A whole call whose result is that.
fn ran(session: &Session<'_>, tool: &str, input: &Value, result: Value) -> Heard {
    let call = session.next_call();
    session.before_as(&call, tool, input.clone());
    session.after_as(&call, tool, input.clone(), result)
}

fn shown(heard: &Heard) -> &Value {
    &heard.said["hookSpecificOutput"]["updatedToolOutput"]
}

fn handle(text: &str) -> String {
    let at = text.find("ctx_").unwrap_or_else(|| panic!("no handle in {text}"));
    text[at..at + 20].to_owned()
}

#[test]
fn a_long_result_comes_shorter_in_its_own_form_and_the_rest_can_be_fetched() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    let title = json!({"new": {"title": "Why value_333 cannot be read", "workflow": "flow"}});
    session.own(&mut server, "claim_task", title);
    let whole = long();
    let heard = ran(&session, "Bash", &json!({"command": "grep -rn error src"}), stdout(&whole));
    let result = shown(&heard);
    let text = result["stdout"].as_str().unwrap_or_else(|| panic!("{heard:?}"));
    let mut form = result.clone();
    form["stdout"] = json!(whole);
    assert_eq!(form, stdout(&whole), "nothing but the text is another");
    assert!(text.contains("value_333 of the table"), "what the task asks for stays:\n{text}");
    assert!(phasegate::context::tokens::count(text) <= 400, "{} tokens", phasegate::context::tokens::count(text));
    let mark = text.lines().find(|line| line.starts_with("[...")).unwrap();
    let gap = mark.trim_start_matches("[...").trim_end_matches(']');
    let (first, last) = gap.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    // So many as one answer holds.
    let last = last.min(first + 49);
    let asked = json!({"handle": handle(text), "lines": format!("{first}-{last}")});
    let back = session.own(&mut server, "optimize_context", asked);
    let wanted: String = whole.split_inclusive('\n').skip(first - 1).take(last + 1 - first).collect();
    assert_eq!(back["text"], wanted, "{back}");
    let [event] = &world.events("ResultReduced")[..] else { panic!("one record of it") };
    assert_eq!((&event["tool"], &event["task"]), (&json!("Bash"), &json!("T-1")), "{event}");
    assert_eq!(event["handle"], handle(text));
    assert!(event["tokens_after"].as_u64() <= Some(400) && event["tokens_before"].as_u64() > Some(5000), "{event}");
    let stats = world.well(&["context", "stats"]);
    assert!(stats.contains("(1 of them results of tools)"), "{stats}");
}

#[test]
fn what_a_result_repeats_of_an_earlier_one_is_left_out_until_the_session_begins_anew() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let again = || ran(&session, "Bash", &json!({"command": "make"}), stdout(&long()));
    let text = |heard: &Heard| shown(heard)["stdout"].as_str().unwrap_or_else(|| panic!("{heard:?}")).to_owned();
    let lines =
        |text: &str| text.lines().filter(|line| line.starts_with("src/")).map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(&text(&again())), lines(&text(&again())));
    assert!(!first.is_empty() && !second.is_empty());
    let both: Vec<_> = second.iter().filter(|line| first.contains(line)).collect();
    assert!(both.is_empty(), "it had these: {both:?}");
    session.start("compact");
    assert_eq!(lines(&text(&again())), first, "what went from its context counts as new");
}

#[test]
fn what_a_model_needs_whole_stays_as_it_is() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let (long, short) = (long(), "one line\n".repeat(30));
    let bash = json!({"command": "make"});
    let with = |key: &str, value: Value| {
        let mut result = stdout(&long);
        result[key] = value;
        result
    };
    let picture = json!([{"type": "text", "text": long}, {"type": "image", "data": "AAAA", "mimeType": "image/png"}]);
    for (tool, input, result, why) in [
        ("Bash", bash.clone(), stdout(&short), "short"),
        ("Bash", bash.clone(), with("isImage", json!(true)), "a picture"),
        ("Bash", bash.clone(), with("interrupted", json!(true)), "broken off"),
        ("Bash", bash.clone(), with("persistedOutputPath", json!("/x")), "in a file already"),
        ("mcp__maps__draw", json!({}), picture, "text and a picture"),
        (
            "Read",
            json!({"file_path": world.at("src/a")}),
            json!({"type": "text", "file": {"content": long}}),
            "for edits",
        ),
    ] {
        let heard = ran(&session, tool, &input, result);
        assert_eq!((heard.code, shown(&heard)), (0, &Value::Null), "{why}: {heard:?}");
    }
    let call = session.next_call();
    session.before_as(&call, "Bash", bash.clone());
    assert_eq!(shown(&session.failed_as(&call, "Bash", bash.clone(), &long)), &Value::Null, "a failure");
    let own =
        ran(&session, "mcp__phasegate__optimize_context", &json!({"handle": "ctx_0123456789abcdef"}), json!(long));
    assert_eq!(shown(&own), &Value::Null, "fetched back");
    assert!(
        shown(&ran(&session, "mcp__maps__find", &json!({}), json!(long))).is_string(),
        "a server's is made shorter"
    );
    session.own(&mut server, "transition_phase", json!({"summary": "seen"}));
    assert_eq!(shown(&ran(&session, "Bash", &bash, stdout(&long))), &Value::Null, "the phase says so");
    assert_eq!(world.events("ResultReduced").len(), 1);
}

#[test]
fn a_workflow_that_only_observes_and_a_client_that_takes_no_other_result_change_nothing() {
    let observed = FLOW.replacen("name: flow\n", "name: flow\nenforcement: observe\n", 1);
    let world = World::new(&observed);
    let session = world.session("5e55-1");
    session.start("startup");
    assert_eq!(ran(&session, "Bash", &json!({"command": "make"}), stdout(&long())).said, Value::Null);
    let world = World::new(FLOW);
    let event = |name: &str, more: Value| {
        let mut event = json!({"session_id": "s", "cwd": world.at(""), "hook_event_name": name, "tool_name": "Bash",
            "tool_input": {"command": "make"}, "tool_use_id": "c1"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    world.tell("codex", &event("PreToolUse", json!({})));
    let heard = world.tell("codex", &event("PostToolUse", json!({"tool_response": long()})));
    assert_eq!((heard.code, heard.said), (0, Value::Null));
    assert!(world.events("ResultReduced").is_empty());
}

/// A line of a transcript in which a model answers, and one in which a call's result goes back to it.
fn answered(id: u32, input: u64) -> Value {
    let usage = json!({"input_tokens": 10, "cache_creation_input_tokens": 90, "cache_read_input_tokens": input - 100, "output_tokens": 30});
    let part = json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "make"}});
    let message = json!({"id": format!("msg_{id}"), "model": "claude-opus-5-5", "role": "assistant", "usage": usage, "content": [part]});
    json!({"type": "assistant", "isSidechain": false, "requestId": format!("req_{id}"), "message": message})
}

fn given(text: &str) -> Value {
    let part = json!({"type": "tool_result", "tool_use_id": "t", "content": text});
    json!({"type": "user", "message": {"role": "user", "content": [part]}})
}

#[test]
fn what_transcripts_report_of_a_model_s_counts_changes_what_its_agents_are_given() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let text = long();
    let estimated = phasegate::context::tokens::count(&text);
    // The model counts 1.4 tokens where one is estimated.
    let grown = estimated * 14 / 10 + 30;
    let (mut lines, mut input) = (String::new(), 5_000);
    for id in 0..40 {
        lines.push_str(&format!("{}\n{}\n", answered(id, input), given(&text)));
        input += grown;
    }
    std::fs::write(world.home().join("transcript.jsonl"), &lines).unwrap();
    session.tell("Stop", json!({}));
    let stats = || serde_json::from_str::<Value>(&world.well(&["context", "stats", "--json"])).unwrap();
    let known = stats()["models"][0].take();
    let factor = known["factor"].as_f64().unwrap();
    assert!(known["model"] == "claude-opus-5-5" && (1.3..1.42).contains(&factor), "{known}");
    let pairs = known["pairs"].as_u64().unwrap();
    session.tell("Stop", json!({}));
    assert_eq!(stats()["models"][0]["pairs"], pairs, "what was read is not learned twice");
    let heard = ran(&session, "Bash", &json!({"command": "make"}), stdout(&text));
    let shown = shown(&heard)["stdout"].as_str().unwrap_or_else(|| panic!("{heard:?}")).to_owned();
    let tokens = phasegate::context::tokens::count(&shown) as f64 * factor;
    assert!(tokens <= 401.0, "{tokens} of 400 tokens as the model counts them");
    let [event] = &world.events("ResultReduced")[..] else { panic!("one record of it") };
    let told = event["tokens_before"].as_f64().unwrap();
    assert!((told - estimated as f64 * factor).abs() < 10.0, "{event}");
    world.well(&["context", "forget", "--model", "claude-opus-5-5"]);
    assert_eq!(stats()["models"], json!([]));
    let again = world.run(&["context", "forget", "--model", "claude-opus-5-5"]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
}

#[test]
fn doctor_names_the_clients_whose_models_get_all_of_a_long_result() {
    let world = World::new(FLOW);
    world.well(&["init", "--client", "codex", "--yes"]);
    let said = || {
        let output = world.run(&["doctor", "--json"]);
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        findings.into_iter().find(|finding| finding["what"] == "long results")
    };
    let found = said().unwrap();
    assert!(found["grade"] == "note" && found["said"].as_str().unwrap().contains("codex"), "{found}");
    world.trust(&FLOW.replace("context: { reduce_above: 600, keep: 400 }\n", ""));
    assert_eq!(said(), None, "a workflow that asks for nothing");
}
