//! Leaving phases, through the engine: gates of every kind, evidence that ages, approvals, what a phase lets its holder do,
//! and what is recorded of refusals.

use phasegate::domain::approver::Via;
use phasegate::domain::command::{Change, ChangeBudget, Command, DecideApprovals, Decision};
use phasegate::domain::event::Event;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{ApprovalId, TaskId};
use phasegate::domain::workflow::Budget;
use phasegate::engine::Failure;
use phasegate::store::Scope;
use serde_json::{Value, json};

use crate::support::{TestEnv, agent, at_a_terminal, person, replay};

fn workflow(phases: &str) -> String {
    format!("version: 1\nname: flow\nphases:\n{phases}  done: {{ end: true }}\n")
}

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

fn refused(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> (&'static str, String) {
    match env.call(who, tool, arguments.clone()) {
        Ok(reply) => panic!("{tool} {arguments} was not refused: {reply}"),
        Err(refusal) => (refusal.code.word(), refusal.to_string()),
    }
}

/// An environment in which ana has just started on a task of this workflow.
fn started(yaml: &str) -> (TestEnv, Caller) {
    let env = TestEnv::trusting(yaml);
    let ana = agent("ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "one"}}));
    (env, ana)
}

fn decide(env: &TestEnv, who: &Caller, id: u64, answer: Decision) -> Result<(), (&'static str, String)> {
    let approval = ApprovalId(id);
    let answers = DecideApprovals { approvals: vec![(approval, None)], answer, level: 1, via: Via::CommandLine };
    match env.engine.answer(who, answers) {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) => Err((refusal.code.word(), refusal.to_string())),
        Err(Failure::Broken(error)) => panic!("{error}"),
    }
}

fn yes() -> Decision {
    Decision::Approve { reason: String::new(), choice: None }
}

fn no(reason: &str) -> Decision {
    Decision::Reject { reason: reason.to_owned() }
}

#[test]
fn every_unmet_gate_is_named_with_how_to_meet_it() {
    let (env, ana) = started(&workflow(
        "  work:\n    exit:\n      - artifact: plan\n        schema: { type: object, required: [steps] }\n      - artifact: notes\n      - command: [\"false\"]\n      - approval: { ask: \"Ship it?\" }\n    next: [done]\n",
    ));
    let refusal = env.call(&ana, "transition_phase", json!({})).unwrap_err();
    let details = refusal.details.clone().unwrap();
    let gates: Vec<&str> =
        details["unmet"].as_array().unwrap().iter().map(|gate| gate["gate"].as_str().unwrap()).collect();
    assert_eq!(gates, ["artifact:plan", "artifact:notes", "command:false", "approval"]);
    for part in ["submit_artifact {\"name\":\"plan\",\"content\":{\"steps\":…}}", "request_approval"] {
        assert!(refusal.hint.contains(part), "{refusal}");
    }
    let left = ok(&env, &ana, "submit_artifact", json!({"name": "notes", "content": "text"}));
    assert_eq!(left["unmet"].as_array().unwrap().len(), 3, "{left}");
    assert_eq!(ok(&env, &ana, "claim_task", json!({}))["unmet"], left["unmet"]);
    env.agree();
}

#[test]
fn a_wrong_artifact_says_where_it_is_wrong_and_is_not_kept() {
    let (env, ana) = started(&workflow(
        "  work:\n    exit:\n      - artifact: plan\n        schema: { type: object, required: [steps], properties: { steps: { type: array, items: { type: object, required: [what] } } } }\n    next: [done]\n",
    ));
    for (content, place) in [
        (json!({}), "steps"),
        (json!({"steps": [{"what": 1}, {}]}), "steps[1]"),
        (json!({"steps": "x"}), "steps"),
        (json!("not json"), "not JSON"),
    ] {
        let refusal = env.call(&ana, "submit_artifact", json!({"name": "plan", "content": content})).unwrap_err();
        assert_eq!(refusal.code.word(), "artifact_invalid");
        let words = format!("{refusal} {:?}", refusal.details);
        assert!(words.contains(place), "{place}: {words}");
    }
    assert!(!env.kinds().contains(&"ArtifactSubmitted"));
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "{\"steps\":[{\"what\":1}]}"}));
    assert_eq!(ok(&env, &ana, "transition_phase", json!({"summary": "s"}))["status"], "done");
    env.agree();
}

#[test]
fn a_gate_that_says_no_shows_the_end_of_what_it_printed() {
    let script = "seq 1 2000; echo BOOM; echo ERRLINE >&2; exit 3";
    let (env, ana) = started(&workflow(&format!(
        "  work:\n    exit:\n      - {{ command: [sh, -c, \"{script}\"] }}\n    next: [done]\n"
    )));
    let refusal = env.call(&ana, "transition_phase", json!({})).unwrap_err();
    let printed = refusal.details.as_ref().unwrap()["unmet"][0]["printed"].as_str().unwrap();
    assert!(printed.ends_with("\n2000\nBOOM\nERRLINE") && printed.len() <= 1500, "{printed}");
    assert!(!printed.contains("\n1500\n"), "only the end: {printed}");
    assert!(refusal.hint.contains("printed last:\n") && refusal.to_string().ends_with("BOOM\nERRLINE"), "{refusal}");
    assert_eq!(ok(&env, &ana, "claim_task", json!({}))["unmet"][0]["printed"], printed);
    env.agree();
}

#[test]
fn of_a_long_output_the_start_and_the_end_are_kept() {
    let script = "seq 1 100000; echo LAST; exit 1";
    let (env, ana) = started(&workflow(&format!(
        "  work:\n    exit:\n      - {{ command: [sh, -c, \"{script}\"] }}\n    next: [done]\n"
    )));
    let refusal = env.call(&ana, "transition_phase", json!({})).unwrap_err();
    let printed = refusal.details.as_ref().unwrap()["unmet"][0]["printed"].as_str().unwrap();
    assert!(printed.ends_with("\n100000\nLAST"), "{printed}");
}

#[test]
fn a_gate_ends_with_the_claim_it_runs_for() {
    let (env, ana) = started(&workflow(
        "  work:\n    exit:\n      - { command: [sh, -c, \"touch .git-begun; sleep 60\"] }\n    next: [done]\n",
    ));
    let begun = env.folder.path().join(".git-begun");
    std::thread::scope(|scope| {
        let call = scope.spawn(|| refused(&env, &ana, "transition_phase", json!({})));
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !begun.exists() && std::time::Instant::now() < limit {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        ok(&env, &ana, "update_task", json!({"release": true}));
        env.clock.advance_seconds(2);
        let (code, words) = call.join().unwrap();
        assert_eq!(code, "stale_claim", "{words}");
        assert!(std::time::Instant::now() < limit, "the gate ran on");
    });
    env.agree();
}

#[test]
fn back_is_free_and_only_to_where_the_workflow_leads() {
    let (env, ana) = started(&workflow(
        "  plan:\n    next: [build]\n  build:\n    exit: [ { artifact: code } ]\n    next: [done, plan]\n",
    ));
    assert_eq!(refused(&env, &ana, "transition_phase", json!({"to": "done"})).0, "not_next");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({"to": "plan"})).0, "not_next");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({"to": "nowhere"})).0, "not_next");
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["phase"], "build");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet");
    let back = ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    assert_eq!((&back["phase"], &back["passed"]), (&json!("plan"), &Value::Null));
    ok(&env, &ana, "transition_phase", json!({}));
    ok(&env, &ana, "submit_artifact", json!({"name": "code", "content": "x"}));
    let end = ok(&env, &ana, "transition_phase", json!({"summary": "did it", "confidence": 0.7}));
    assert_eq!((&end["status"], &end["brief"]), (&json!("done"), &Value::Null));
    assert_eq!(refused(&env, &ana, "transition_phase", json!({"task": "T-1"})).0, "stale_claim");
    env.agree();
}

#[test]
fn evidence_goes_stale_with_an_edit_and_with_a_new_visit() {
    let flow = "  work:\n    exit:\n      - command: [\"true\"]\n      - { command: [test, -f, kept], fresh: false }\n      - artifact: plan\n    next: [done, start]\n";
    let (env, ana) = started(&workflow(&format!("  start:\n    next: [work]\n{flow}")));
    env.write("kept", "x");
    env.write("src/a.rs", "fn a() {}");
    let runs = |env: &TestEnv| env.kinds().iter().filter(|kind| **kind == "GateStarted").count();
    ok(&env, &ana, "transition_phase", json!({}));
    refused(&env, &ana, "transition_phase", json!({}));
    assert_eq!(runs(&env), 2);
    let unmet = ok(&env, &ana, "claim_task", json!({}))["unmet"].clone();
    assert_eq!(unmet.as_array().unwrap().len(), 1, "what has passed is not missing: {unmet}");
    refused(&env, &ana, "transition_phase", json!({}));
    assert_eq!(runs(&env), 2, "what is fresh is not run again");
    env.write("src/a.rs", "fn b() { }");
    refused(&env, &ana, "transition_phase", json!({}));
    assert_eq!(runs(&env), 3, "only the gate that must be fresh runs again");
    ok(&env, &ana, "transition_phase", json!({"to": "start"}));
    ok(&env, &ana, "transition_phase", json!({}));
    std::fs::remove_file(env.path("kept")).unwrap();
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("command:test -f kept"), "{words}");
    assert_eq!(runs(&env), 5);
    env.write("kept", "x");
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "x"}));
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done");
    env.agree();
}

#[test]
fn a_run_that_changes_the_tree_proves_nothing() {
    let (env, ana) = started(&workflow("  work:\n    exit: [ { command: [touch, made] } ]\n    next: [done]\n"));
    let (code, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(code == "gates_unmet" && words.contains("made"), "{words}");
}

#[test]
fn an_approval_is_asked_refused_with_a_reason_asked_again_and_used_once() {
    let (env, ana) = started(&workflow(
        "  plan:\n    exit: [ { approval: { ask: \"Build it?\", from: [lead], within: 72h } } ]\n    next: [build]\n  build:\n    next: [done, plan]\n",
    ));
    let lead = person("lead");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet");
    let asked = ok(&env, &ana, "request_approval", json!({"reason": "it is good"}));
    assert_eq!((&asked["approval"], &asked["state"]), (&json!("A-1"), &json!("pending")));
    assert_eq!(ok(&env, &ana, "request_approval", json!({}))["approval"], "A-1", "asking again asks nothing new");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet");
    assert_eq!(decide(&env, &agent("bo"), 1, yes()).unwrap_err().0, "role_required");
    let same_name = Caller { role: Role::Approver, ..agent("ana") };
    assert_eq!(decide(&env, &same_name, 1, yes()).unwrap_err().0, "own_approval");
    assert_eq!(decide(&env, &lead, 9, yes()).unwrap_err().0, "unknown_approval");
    decide(&env, &lead, 1, no("too big")).unwrap();
    assert_eq!(decide(&env, &lead, 1, yes()).unwrap_err().0, "approval_closed");
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("too big"), "{words}");
    let again = ok(&env, &ana, "request_approval", json!({}));
    assert_eq!((&again["approval"], &again["state"]), (&json!("A-1"), &json!("rejected")), "a no stands");
    let changed = json!({"reason": "with tests now"});
    assert_eq!(ok(&env, &ana, "request_approval", changed)["approval"], "A-2");
    decide(&env, &lead, 2, yes()).unwrap();
    assert_eq!(ok(&env, &ana, "request_approval", json!({}))["state"], "approved");
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["phase"], "build");
    ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet", "a yes opens a gate once");
    assert_eq!(ok(&env, &ana, "request_approval", json!({}))["approval"], "A-3");
    let kinds = env.kinds();
    assert_eq!(kinds.iter().filter(|kind| **kind == "ApprovalConsumed").count(), 1);
    env.agree();
}

#[test]
fn an_approval_is_void_when_the_phase_is_left_or_its_time_is_up() {
    let (env, ana) = started(&workflow(
        "  plan:\n    next: [build]\n  build:\n    exit: [ { approval: { ask: \"Ship?\", within: 1h } } ]\n    next: [done, plan]\n",
    ));
    let lead = person("lead");
    ok(&env, &ana, "transition_phase", json!({}));
    ok(&env, &ana, "request_approval", json!({}));
    decide(&env, &lead, 1, yes()).unwrap();
    ok(&env, &ana, "request_approval", json!({"question": "Red or blue?", "choices": ["red", "blue"]}));
    ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    ok(&env, &ana, "transition_phase", json!({}));
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet", "a yes of an earlier visit");
    assert_eq!(decide(&env, &lead, 2, yes()).unwrap_err().0, "approval_closed");
    assert_eq!(ok(&env, &ana, "request_approval", json!({}))["approval"], "A-3");
    env.clock.advance_seconds(3600);
    let (code, words) = decide(&env, &lead, 3, yes()).unwrap_err();
    assert!(code == "approval_closed" && words.contains("expired"), "{words}");
    env.engine.sweep().unwrap();
    assert!(env.kinds().contains(&"ApprovalExpired"));
    ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("ran out"), "time never says yes: {words}");
    env.agree();
}

#[test]
fn a_yes_does_not_cover_what_was_handed_in_after_it() {
    let (env, ana) = started(&workflow(
        "  plan:\n    exit:\n      - artifact: plan\n      - approval: { ask: \"Build it?\" }\n    next: [done]\n",
    ));
    let hand_in = |text: &str| ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": text}));
    hand_in("harmless");
    let first = ok(&env, &ana, "request_approval", json!({}));
    decide(&env, &person("lead"), 1, yes()).unwrap();
    hand_in("harmless");
    hand_in("rm -rf /");
    let (code, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(code == "gates_unmet" && words.contains("void"), "{words}");
    let second = ok(&env, &ana, "request_approval", json!({}));
    assert_ne!(second["digest"], first["digest"]);
    hand_in("something else again");
    assert_eq!(decide(&env, &person("lead"), 2, yes()).unwrap_err().0, "approval_closed", "what was shown is gone");
    env.agree();
}

#[test]
fn a_free_question_is_answered_with_one_of_its_choices() {
    let (env, ana) = started(&workflow("  work:\n    next: [done]\n"));
    assert_eq!(refused(&env, &ana, "request_approval", json!({})).0, "no_approval_gate");
    let question = json!({"question": "Which?", "choices": ["red", "blue"]});
    assert_eq!(ok(&env, &ana, "request_approval", question.clone())["approval"], "A-1");
    let choice = |choice: Option<&str>| Decision::Approve { reason: String::new(), choice: choice.map(str::to_owned) };
    assert_eq!(decide(&env, &person("lead"), 1, choice(Some("green"))).unwrap_err().0, "not_asked");
    assert_eq!(decide(&env, &person("lead"), 1, choice(None)).unwrap_err().0, "not_asked");
    decide(&env, &person("lead"), 1, choice(Some("blue"))).unwrap();
    let answer = ok(&env, &ana, "request_approval", question);
    assert_eq!((&answer["approval"], &answer["choice"]), (&json!("A-1"), &json!("blue")));
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done");
    env.agree();
}

#[test]
fn an_author_cannot_approve_where_the_gate_forbids_it() {
    let (env, ana) = started(&workflow(
        "  work:\n    exit: [ { approval: { ask: \"Ship?\", not_by: author } } ]\n    next: [done]\n",
    ));
    ok(&env, &ana, "update_task", json!({"release": true}));
    let bo = agent("bo");
    ok(&env, &bo, "claim_task", json!({}));
    ok(&env, &bo, "request_approval", json!({}));
    let author = Caller { role: Role::Approver, ..ana };
    assert_eq!(decide(&env, &author, 1, yes()).unwrap_err().0, "own_approval");
    decide(&env, &person("lead"), 1, yes()).unwrap();
    assert_eq!(ok(&env, &bo, "transition_phase", json!({}))["status"], "done");
}

#[test]
fn children_labels_and_budgets_keep_a_phase_closed() {
    let yaml = "version: 1\nname: flow\nbudget: { minutes: 10 }\nphases:\n  work:\n    allow: [submit_task]\n    exit: [ { children: done }, { tasks: [release] }, { budget: within } ]\n    next: [done]\n  done: { end: true }\n";
    let (env, ana) = started(yaml);
    ok(&env, &ana, "submit_task", json!({"title": "child", "parent": "T-1"}));
    ok(&env, &ana, "submit_task", json!({"title": "other", "labels": ["release"]}));
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("1 child tasks are open, 0 failed: T-2"), "{words}");
    assert!(
        words.contains("1 with `release` (T-3)") && words.contains("list_tasks {\"labels\":[\"release\"]}"),
        "{words}"
    );
    let bo = agent("bo");
    ok(&env, &bo, "claim_task", json!({"id": "T-3"}));
    ok(&env, &bo, "transition_phase", json!({}));
    ok(&env, &bo, "claim_task", json!({"id": "T-2"}));
    ok(&env, &bo, "update_task", json!({"fail": "no", "for_good": true}));
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("0 child tasks are open, 1 failed: T-2") && words.contains("tasks reopen"), "{words}");
    assert!(!words.contains("release"), "{words}");
    ok(&env, &ana, "submit_task", json!({"title": "not needed", "parent": "T-1", "labels": ["release"]}));
    // No agent opens a gate by giving up what it asks for; a person may say that it is not needed.
    ok(&env, &ana, "update_task", json!({"task": "T-4", "cancel": "not needed"}));
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("1 failed, 1 were cancelled by agents: T-2, T-4"), "{words}");
    assert!(words.contains("1 with `release` (T-4)"), "{words}");
    for task in [2, 4] {
        let change = Change::Cancel { reason: "not needed".to_owned(), dependents: None };
        env.engine.tend(&person("lead"), TaskId(task), change.clone()).unwrap();
        assert!(env.engine.tend(&person("lead"), TaskId(task), change).is_err(), "twice");
    }
    // What was taken away is waited for by nobody.
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done");
    env.agree();

    let (env, ana) = started(yaml);
    for minutes in 0..12 {
        env.clock.advance_seconds(60);
        ok(&env, &ana, "update_task", json!({"progress": minutes.to_string()}));
    }
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("the budget of T-1 is 10 minutes: 12 minutes spent"), "{words}");
    ok(&env, &ana, "update_task", json!({"release": true}));
    env.clock.advance_seconds(3600);
    let (code, words) = refused(&env, &agent("bo"), "claim_task", json!({}));
    assert_eq!(code, "budget_exceeded", "{words}");
    let budget = Budget { minutes: Some(20), ..Budget::default() };
    let change = ChangeBudget { task: TaskId(1), budget, reason: String::new(), proof: at_a_terminal() };
    env.engine.change_budget(&person("lead"), change).unwrap();
    let left = ok(&env, &agent("bo"), "claim_task", json!({}))["budget_left"]["minutes"].clone();
    assert_eq!(left, json!(8), "work counts, waiting does not, and another holder does not start anew");
}

#[test]
fn a_phase_opens_only_the_tools_it_names() {
    let flow = |mode: &str| {
        format!(
            "version: 1\nname: flow\n{mode}protect: {{ deny: [route_model] }}\nphases:\n  look:\n    allow: [Read]\n    deny: [query_audit]\n    next: [plan]\n  plan:\n    allow: [submit_task]\n    next: [done]\n  done: {{ end: true }}\n"
        )
    };
    let (env, ana) = started(&flow(""));
    for (tool, arguments) in [
        ("submit_task", json!({"title": "x"})),
        ("query_audit", json!({})),
        ("route_model", json!({"description": "x"})),
    ] {
        let (code, words) = refused(&env, &ana, tool, arguments);
        assert!(code == "not_open" && words.contains("phase look of T-1"), "{tool}: {words}");
    }
    ok(&env, &ana, "transition_phase", json!({}));
    ok(&env, &ana, "submit_task", json!({"title": "x"}));
    ok(&env, &ana, "query_audit", json!({}));
    let records = replay::records(env.engine.backend()).unwrap();
    let refusals = records.iter().filter(|record| record.event.kind() == "CommandRefused");
    let of_task: Vec<_> = refusals.map(|record| record.event.task().map(|id| id.0)).collect();
    assert_eq!(of_task, [Some(1); 3], "found with the task in whose phase they were refused");

    for (mode, said) in [("enforcement: warn\n", true), ("enforcement: observe\n", false)] {
        let (env, ana) = started(&flow(mode));
        let reply = ok(&env, &ana, "submit_task", json!({"title": "x"}));
        assert_eq!(reply["tasks"][0]["id"], "T-2");
        assert_eq!(reply["note"].is_string(), said, "warn says so, observe only records: {reply}");
        assert_eq!(ok(&env, &ana, "query_audit", json!({}))["note"].is_string(), said);
        assert_eq!(env.kinds().iter().filter(|kind| **kind == "RuleWaived").count(), 2);
        env.agree();
    }
}

#[test]
fn a_refusal_changes_nothing_and_is_recorded_once_then_counted() {
    let (env, ana) = started(&workflow("  work:\n    exit: [ { artifact: plan } ]\n    next: [done]\n"));
    let before = env.engine.view(replay::rows).unwrap();
    for _ in 0..5 {
        refused(&env, &ana, "transition_phase", json!({}));
    }
    refused(&env, &ana, "update_task", json!({"reopen": "x"}));
    assert_eq!(env.engine.view(replay::rows).unwrap(), before);
    let refusals = |env: &TestEnv| env.kinds().iter().filter(|kind| **kind == "CommandRefused").count();
    assert_eq!(refusals(&env), 2);
    env.engine.sweep().unwrap();
    assert!(!env.kinds().contains(&"RefusalsRepeated"), "the window is still open");
    env.clock.advance_seconds(61);
    env.engine.sweep().unwrap();
    let records = replay::records(env.engine.backend()).unwrap();
    let counted: Vec<_> = records.iter().filter(|record| record.event.kind() == "RefusalsRepeated").collect();
    assert_eq!(counted.len(), 1, "one that happened once has nothing to count");
    assert_eq!((counted[0].agent.0.as_str(), counted[0].tool.as_str()), ("ana", "transition_phase"));
    let Event::RefusalsRepeated { task, times, .. } = &counted[0].event else { unreachable!() };
    assert_eq!((task.map(|id| id.0), *times), (Some(1), 4));
    refused(&env, &ana, "transition_phase", json!({}));
    assert_eq!(refusals(&env), 3, "a new window starts with a record");
    env.agree();
}

#[test]
fn refusals_that_say_something_else_are_records_of_their_own_and_numbers_alone_are_not() {
    let env = TestEnv::trusting(&workflow("  work:\n    next: [done]\n"));
    let lead = person("lead");
    for (id, holder) in [("T-1", "ana"), ("T-2", "ana"), ("T-3", "cy")] {
        ok(&env, &lead, "submit_task", json!({"title": id}));
        ok(&env, &Caller { claims: 2, ..agent(holder) }, "claim_task", json!({"id": id}));
    }
    for id in ["T-1", "T-2", "T-3"] {
        assert_eq!(refused(&env, &agent("bo"), "claim_task", json!({"id": id})).0, "not_claimable");
    }
    assert_eq!(env.kinds().iter().filter(|kind| **kind == "CommandRefused").count(), 2);
}

#[test]
fn a_workflow_file_nobody_trusted_stops_new_work_and_an_edit_changes_nothing() {
    let env = TestEnv::new();
    env.write("phasegate.yaml", &workflow("  work:\n    next: [done]\n"));
    let ana = agent("ana");
    assert_eq!(refused(&env, &ana, "claim_task", json!({"new": {"title": "x"}})).0, "workflow_untrusted");
    assert_eq!(refused(&env, &ana, "submit_task", json!({"title": "x"})).0, "workflow_untrusted");
    let trust = |who: &Caller| env.engine.trust_file(who, &env.path("phasegate.yaml"));
    assert!(matches!(trust(&ana), Err(Failure::Refused(refusal)) if refusal.code.word() == "role_required"));
    assert!(trust(&person("lead")).unwrap().2);
    assert!(!trust(&person("lead")).unwrap().2, "trusting it again is nothing new");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "x"}}));
    env.write("phasegate.yaml", &workflow("  work:\n    exit: [ { artifact: plan } ]\n    next: [done]\n"));
    let other = ok(&env, &agent("bo"), "claim_task", json!({"new": {"title": "y"}}));
    assert_eq!(other["unmet"], json!([]), "a file on disk has no power");
    trust(&person("lead")).unwrap();
    let newer = ok(&env, &agent("cy"), "claim_task", json!({"new": {"title": "z"}}));
    assert_eq!(newer["unmet"][0]["gate"], "artifact:plan");
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done", "a task keeps its version");
    env.agree();
}

#[test]
fn only_the_newest_run_of_a_gate_counts_and_orphans_are_closed() {
    use phasegate::domain::command::{FinishGate, Target};
    use phasegate::domain::ids::RunId;
    use phasegate::store::With;
    let (env, ana) = started(&workflow("  work:\n    exit: [ { command: [\"true\"] } ]\n    next: [done]\n"));
    let gate = "command:true".to_owned();
    let run = |with: With, command: Command| {
        let scope = Scope::Task { target: Target::default(), with };
        env.engine.command(&ana, "transition_phase", scope, command, Vec::new()).map(drop)
    };
    let start =
        || run(With::Run, Command::StartGate { target: Target::default(), gate: gate.clone(), limit_seconds: 60 });
    let finish = |number: u64| {
        let report = FinishGate {
            target: Target::default(),
            gate: gate.clone(),
            run: RunId(number),
            passed: true,
            summary: "fine".to_owned(),
            tree: Some("t".to_owned()),
            output: None,
            printed: None,
            cancelled: false,
        };
        match run(With::Nothing, Command::FinishGate(report)) {
            Ok(()) => "ok",
            Err(Failure::Refused(refusal)) => refusal.code.word(),
            Err(Failure::Broken(error)) => panic!("{error}"),
        }
    };
    start().unwrap();
    start().unwrap();
    assert_eq!((finish(1), finish(2), finish(2)), ("gate_superseded", "ok", "gate_superseded"));
    start().unwrap();
    env.clock.advance_seconds(60);
    env.engine.sweep().unwrap();
    assert!(env.kinds().contains(&"GateOrphaned"));
    assert_eq!(finish(3), "gate_superseded", "the run was given up");
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done");
    env.agree();
}

#[test]
fn a_person_frees_what_an_agent_left_behind_and_its_late_writes_are_refused() {
    let (env, ana) = started(&workflow("  work: { next: [done] }\n"));
    let refused = env.call(&agent("bo"), "update_task", json!({"task": "T-1", "release": true})).unwrap_err();
    assert_eq!(refused.code.word(), "not_holder", "{refused}");
    ok(&env, &person("lead"), "update_task", json!({"task": "T-1", "release": "gone home"}));
    ok(&env, &agent("bo"), "claim_task", json!({"id": "T-1"}));
    let late = env.call(&ana, "update_task", json!({"task": "T-1", "progress": "late"})).unwrap_err();
    assert_eq!(late.code.word(), "not_holder", "{late}");
    env.agree();
}
