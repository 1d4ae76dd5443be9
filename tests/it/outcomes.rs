//! How work went, as agents and persons tell it with `record_outcome`: of a decision once, of a task where no gate judges.

use phasegate::domain::facts::Caller;
use phasegate::domain::ids::TaskId;
use phasegate::domain::refusal::Refusal;
use phasegate::domain::route::Judge;
use phasegate::domain::workflow::ModelTier;
use phasegate::store::routing::{Known, tries_after};
use serde_json::{Value, json};

use crate::support::{TestEnv, agent, person};

const FLOW: &str = r#"
version: 1
name: flow
phases:
  think: { next: [build] }
  build:
    exit: [ { command: ["true"], within: 5s } ]
    next: [done]
  done: { end: true }
"#;

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

fn refused(env: &TestEnv, who: &Caller, arguments: Value) -> Refusal {
    match env.call(who, "record_outcome", arguments.clone()) {
        Ok(reply) => panic!("{arguments} was not refused: {reply}"),
        Err(refusal) => refusal,
    }
}

fn tries(env: &TestEnv) -> Vec<Known> {
    env.engine.view(|tx| tries_after(tx, 0, 100)).unwrap()
}

fn decision(env: &TestEnv, who: &Caller) -> String {
    let route = ok(env, who, "route_model", json!({ "type": "documentation", "description": "a page on caches" }));
    route["decision"].as_str().unwrap().to_owned()
}

#[test]
fn the_outcome_of_a_decision_is_told_once_and_by_whoever_asked() {
    let env = TestEnv::trusting(FLOW);
    let (ana, bo) = (agent("ana"), agent("bo"));
    let id = decision(&env, &ana);
    let told = refused(&env, &bo, json!({ "decision": id, "success": true }));
    assert_eq!(told.code.word(), "not_holder", "{told}");
    let usual = json!({ "decision": id, "success": true, "usd": 0.125, "note": "links checked" });
    let first = ok(&env, &ana, "record_outcome", usual.clone());
    assert_eq!(first, json!({ "tier": "weak", "success": 1.0, "judge": "agent", "decision": id, "known": false }));
    // A call that is sent again changes nothing.
    let again = ok(&env, &ana, "record_outcome", usual);
    assert_eq!(again["known"], json!(true), "{again}");
    let other = refused(&env, &ana, json!({ "decision": id, "success": false }));
    assert_eq!(other.code.word(), "wrong_state", "{other}");
    let known = tries(&env);
    let [only] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!((only.tried.micro_usd, only.tried.success, only.tried.tier), (Some(125_000), 1.0, ModelTier::Weak));
    assert_eq!(only.decided.as_ref().unwrap().work.description.as_deref(), Some("a page on caches"));
    assert_eq!(env.kinds().iter().filter(|kind| **kind == "OutcomeRecorded").count(), 1);
    env.agree();
}

#[test]
fn a_person_may_say_how_the_work_of_others_went() {
    let env = TestEnv::trusting(FLOW);
    let id = decision(&env, &agent("ana"));
    let told = ok(&env, &person("lead"), "record_outcome", json!({ "decision": id, "success": 0.25 }));
    assert_eq!((&told["judge"], &told["success"]), (&json!("person"), &json!(0.25)));
    assert_eq!(tries(&env)[0].tried.judge, Judge::Person);
}

#[test]
fn a_named_model_says_its_tier_unless_that_is_told_too() {
    let env = TestEnv::trusting(FLOW);
    let ana = agent("ana");
    for (told, expected) in [
        (json!({}), "weak"),
        (json!({ "model": "claude-opus-5-5" }), "strong"),
        (json!({ "model": "anthropic/claude-sonnet-5-5" }), "base"),
        (json!({ "model": "homemade" }), "weak"),
        (json!({ "model": "homemade", "tier": "base" }), "base"),
        (json!({ "model": "claude-opus-5-5", "tier": "weak" }), "weak"),
    ] {
        let mut arguments = json!({ "decision": decision(&env, &ana), "success": true });
        arguments.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        assert_eq!(ok(&env, &ana, "record_outcome", arguments)["tier"], json!(expected), "{told}");
    }
    ok(&env, &ana, "claim_task", json!({ "new": { "title": "a page on caches" } }));
    ok(&env, &ana, "record_outcome", json!({ "success": true, "tier": "strong" }));
    let report = env.engine.learned_report().unwrap();
    let silent: Vec<u64> = report.silent.values().copied().collect();
    assert_eq!((report.outcomes, silent), (6, vec![1]), "only `homemade` teaches nothing: {report:?}");
}

#[test]
fn of_a_task_only_what_no_gate_judges_is_told() {
    let env = TestEnv::trusting(FLOW);
    let (ana, bo) = (agent("ana"), agent("bo"));
    assert_eq!(refused(&env, &ana, json!({ "success": true })).code.word(), "no_claim");
    ok(&env, &ana, "claim_task", json!({ "new": { "title": "a page on caches", "type": "documentation" } }));
    assert_eq!(refused(&env, &bo, json!({ "success": true, "task": "T-1" })).code.word(), "not_holder");
    let told = ok(&env, &ana, "record_outcome", json!({ "success": true, "task": "T-1" }));
    assert_eq!((&told["task"], &told["phase"], &told["known"]), (&json!("T-1"), &json!("think"), &json!(false)));
    ok(&env, &ana, "transition_phase", json!({}));
    let judged = refused(&env, &ana, json!({ "success": true }));
    assert_eq!(judged.code.word(), "wrong_state");
    assert!(judged.message.contains("the gates of phase build judge work on T-1"), "{judged}");
    ok(&env, &ana, "transition_phase", json!({}));
    let found: Vec<(Option<TaskId>, String, Judge)> =
        tries(&env).into_iter().map(|known| (known.tried.task, known.tried.phase, known.tried.judge)).collect();
    let task = Some(TaskId(1));
    assert_eq!(found, [(task, "think".to_owned(), Judge::Agent), (task, "build".to_owned(), Judge::Gates)]);
    env.agree();
}

#[test]
fn a_secret_in_a_note_is_flagged_and_not_on_record() {
    let env = TestEnv::trusting(FLOW);
    let ana = agent("ana");
    let note = "it failed at AKIAIOSFODNN7EXAMPLQ";
    let told =
        ok(&env, &ana, "record_outcome", json!({ "decision": decision(&env, &ana), "success": false, "note": note }));
    assert!(told["note"].as_str().unwrap_or_default().contains("`note` holds"), "{told}");
    let log = ok(&env, &person("lead"), "query_audit", json!({ "kind": "OutcomeRecorded" })).to_string();
    assert!(log.contains("it failed at") && !log.contains("AKIAIOSFODNN7EXAMPLQ"), "{log}");
}
