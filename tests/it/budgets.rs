//! Caps on calls, warnings before a cap is reached, forecasts, and a higher cap by approval. What is counted is in
//! `spending.rs`.

use std::sync::Arc;

use phasegate::domain::command::{ChangeBudget, Decision};
use phasegate::domain::event::Event;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::{ApprovalId, TaskId};
use phasegate::domain::spending::{Spent, Unit};
use phasegate::domain::workflow::Budget;
use phasegate::engine::Failure;
use phasegate::engine::spending::TaskCost;
use serde_json::{Value, json};

use crate::spending::{Session, answer, ok, raise, refused};
use crate::support::keys::Key;
use crate::support::replay;
use crate::support::{TestEnv, able, agent, at_a_terminal, person, stores};

const FLOW: &str = "version: 1\nname: flow\nbudget: { usd: 1.00 }\nphases:\n  work:\n    allow: [submit_task, list_tasks, \
                    route_model]\n    next: [done]\n  done: { end: true }\n";
const OLGA: Key = Key::new("olga", 1);

fn started(flow: &str) -> (TestEnv, Caller) {
    let env = TestEnv::trusting(flow);
    let ana = able("ana", &[], 3);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "all of it"}}));
    (env, ana)
}

/// So many cents in one answer, at 20 micro-dollars a token.
fn cents(id: &str, cents: u64) -> String {
    answer(id, cents * 500)
}

fn cost(env: &TestEnv, task: u64) -> TaskCost {
    env.engine.cost(TaskId(task)).unwrap().unwrap()
}

fn note(reply: &Value) -> String {
    reply["note"].as_str().unwrap_or_default().to_owned()
}

/// The warnings on record, each as its task, unit, percent and level.
fn warned(env: &TestEnv) -> Vec<String> {
    let records = replay::records(env.engine.backend()).unwrap();
    let said = records.into_iter().filter_map(|record| match record.event {
        Event::BudgetWarned { task, unit, percent, level, .. } => {
            Some(format!("{task} {} {percent} {level}", unit.word()))
        }
        _ => None,
    });
    let mut said: Vec<String> = said.collect();
    said.sort();
    said
}

#[test]
fn calls_are_capped_over_the_tree_like_money() {
    let (env, ana) = started(&FLOW.replace("usd: 1.00", "calls: 3"));
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1"}));
    let session = Session::of(&env);
    session.add(&[answer("a", 10), answer("b", 10)]);
    session.read(&env, 2);
    assert_eq!(ok(&env, &ana, "claim_task", json!({"id": "T-1"}))["budget_left"], json!({"calls": 1}));
    let soon = env.engine.now().plus_seconds(60);
    let one = Spent { calls: 1, ..Spent::default() };
    let first = env.engine.reserve(&ana, TaskId(2), one, soon).unwrap();
    let Err(Failure::Refused(refusal)) = env.engine.reserve(&ana, TaskId(1), one, soon) else { panic!("overdrawn") };
    let words = "the budget of T-1 is 3 answers: 2 answers spent, 1 answer set aside, and 1 answer more is asked for";
    assert_eq!(
        (refusal.message.as_str(), refusal.details.unwrap()["exceeded"][0]["unit"].clone()),
        (words, json!("calls"))
    );
    assert!(env.engine.settle(first).unwrap());
    session.add(&[answer("c", 10)]);
    session.read(&env, 1);
    let refusal = refused(&env, &ana, "list_tasks", json!({}));
    assert!(refusal.hint.contains("phasegate tasks budget T-1 --calls 6"), "{refusal}");
    let budget = Budget { calls: Some(4), ..Budget::default() };
    let change = ChangeBudget { task: TaskId(1), budget, reason: "one more".to_owned(), proof: at_a_terminal() };
    env.engine.change_budget(&person("lead"), change).unwrap();
    ok(&env, &ana, "list_tasks", json!({}));
    env.agree();
}

#[test]
fn a_cap_is_warned_of_once_whichever_server_counts_and_again_only_after_it_was_changed() {
    let (env, ana) = started(FLOW);
    let bo = agent("bo");
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1"}));
    ok(&env, &bo, "claim_task", json!({"id": "T-2"}));
    let second = stores::engine(env.folder.path(), Arc::clone(&env.clock) as Arc<_>);
    let read = |engine: &phasegate::engine::Engine, task: u64, line: &str| {
        let session = Session::of(&env);
        session.add(&[line.to_owned()]);
        session.read_by(engine, task)
    };
    assert_eq!(read(&env.engine, 2, &cents("a", 79)).warnings, []);
    assert_eq!(note(&ok(&env, &ana, "list_tasks", json!({}))), "");
    assert_eq!(read(&second, 2, &cents("b", 1)).warnings.len(), 1);
    assert_eq!(read(&env.engine, 1, &cents("c", 2)).warnings, [], "another server knows of it");
    assert_eq!(warned(&env), ["T-1 micro_usd 80 80"]);
    // Everybody who works under it is told, each once.
    for who in [&ana, &bo] {
        let said = note(&ok(&env, who, "list_tasks", json!({})));
        assert_eq!(said, "budget of T-1: $0.82 of $1.00 spent; finish or hand over");
        assert_eq!(note(&ok(&env, who, "list_tasks", json!({}))), "");
    }
    let brief = ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    assert_eq!(brief["budget_warning"], "budget of T-1: $0.82 of $1.00 spent; finish or hand over");
    // Used up is another level.
    assert_eq!(read(&second, 1, &cents("d", 20)).warnings.len(), 1);
    assert_eq!(warned(&env), ["T-1 micro_usd 102 100", "T-1 micro_usd 80 80"]);
    // With room again, it is warned of anew.
    raise(&env, &person("lead"), 1, 2.0).unwrap();
    assert_eq!(note(&ok(&env, &ana, "list_tasks", json!({}))), "");
    assert_eq!(read(&env.engine, 1, &cents("e", 60)).warnings.len(), 1);
    assert_eq!(warned(&env).len(), 3);
    // A cap that is lowered below what was spent is warned of at once.
    raise(&env, &person("lead"), 1, 1.9).unwrap();
    assert_eq!(warned(&env).len(), 4);
    env.agree();
}

#[test]
fn minutes_are_warned_of_though_nothing_is_counted() {
    let (env, ana) = started(&FLOW.replace("usd: 1.00", "minutes: 10"));
    env.clock.advance_seconds(7 * 60);
    assert_eq!(note(&ok(&env, &ana, "list_tasks", json!({}))), "");
    env.clock.advance_seconds(90);
    let said = note(&ok(&env, &ana, "list_tasks", json!({})));
    assert_eq!(
        said,
        "budget of T-1: 8 minutes of 10 minutes spent, at this pace used up in about 2 minutes; finish or hand over"
    );
    assert_eq!(note(&ok(&env, &ana, "list_tasks", json!({}))), "");
    assert_eq!(warned(&env), ["T-1 minutes 80 80"]);
}

#[test]
fn a_forecast_goes_by_the_pace_of_the_last_half_hour() {
    let (env, ana) = started(FLOW);
    let session = Session::of(&env);
    let left = |unit: Unit| cost(&env, 1).forecasts.into_iter().find(|cap| cap.unit == unit).unwrap().minutes_left;
    assert_eq!(left(Unit::MicroUsd), None);
    for minute in 0..10 {
        env.clock.advance_seconds(60);
        session.add(&[cents(&format!("m{minute}"), 2)]);
        session.read(&env, 1);
    }
    // Twenty cents in ten minutes, and eighty are left.
    assert_eq!(left(Unit::MicroUsd), Some(40));
    env.clock.advance_seconds(10 * 60);
    assert_eq!(left(Unit::MicroUsd), Some(80), "it is idle, and so slower");
    env.clock.advance_seconds(40 * 60);
    assert_eq!(left(Unit::MicroUsd), None, "at a standstill");
    session.add(&[cents("n", 62)]);
    session.read(&env, 1);
    env.clock.advance_seconds(60);
    session.add(&[cents("o", 2), cents("p", 1)]);
    session.read(&env, 1);
    let said = note(&ok(&env, &ana, "list_tasks", json!({})));
    assert!(said.starts_with("budget of T-1: $0.85 of $1.00 spent, at this pace used up in about "), "{said}");
}

#[test]
fn what_a_task_usually_costs_is_told_from_five_done_ones_on() {
    let (env, ana) = started(FLOW);
    let session = Session::of(&env);
    let done = |number: u64, kind: &str| {
        let new = json!({"new": {"title": "one", "type": kind}});
        let id: String = ok(&env, &ana, "claim_task", new)["task"].as_str().unwrap().to_owned();
        let task: TaskId = id.parse().unwrap();
        session.add(&[cents(&format!("m{number}"), number)]);
        session.read(&env, task.0);
        ok(&env, &ana, "transition_phase", json!({"task": id}));
    };
    ok(&env, &person("lead"), "submit_task", json!({"title": "next", "type": "bugfix"}));
    for number in [9, 1, 5, 90] {
        done(number, "bugfix");
    }
    done(40, "chore");
    assert_eq!(cost(&env, 2).usual, None, "four like it, and one of another type");
    done(7, "bugfix");
    let usual = cost(&env, 2).usual.unwrap();
    assert_eq!((usual.tasks, usual.micro_usd, usual.tokens, usual.calls), (5, 70_000, 3_500, 1));
    assert_eq!(cost(&env, 1).usual, None, "it has no type");
}

fn ask(usd: f64) -> Value {
    json!({"call": {"tool": "raise_budget", "arguments": {"task": "T-1", "usd": usd}}, "reason": "nearly there"})
}

#[test]
fn a_yes_of_a_person_to_a_higher_cap_sets_it_and_a_no_leaves_it() {
    let (env, ana) = started(FLOW);
    let bo = agent("bo");
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1"}));
    ok(&env, &bo, "claim_task", json!({"id": "T-2"}));
    let session = Session::of(&env);
    session.add(&[cents("a", 101)]);
    session.read(&env, 1);
    let refusal = refused(&env, &bo, "list_tasks", json!({}));
    let call = r#"request_approval {"call":{"tool":"raise_budget","arguments":{"usd":2.0,"task":"T-1"}}}"#;
    assert!(refusal.hint.contains(call) && refusal.hint.contains("phasegate tasks budget T-1 --usd 2.00"), "{refusal}");
    // What is no raise, or not its own, is not worth a person's time.
    for (arguments, why) in [
        (json!({"usd": 1.0}), "is not above it"),
        (json!({"usd": 5, "tokens": 5}), "is not above it"),
        (json!({}), "none is given"),
        (json!({"usd": 5, "cents": 3}), "unknown field"),
        (json!({"usd": -1}), "above 0"),
        (json!({"task": "T-9", "usd": 5}), "no part of T-9"),
    ] {
        let refusal =
            refused(&env, &ana, "request_approval", json!({"call": {"tool": "raise_budget", "arguments": arguments}}));
        assert_eq!(refusal.code.word(), "bad_arguments", "{arguments}: {refusal}");
        assert!(refusal.message.contains(why), "{arguments}: {refusal}");
    }
    let asked = ok(&env, &bo, "request_approval", ask(2.0));
    assert_eq!(
        (&asked["ask"], &asked["state"]),
        (&json!("May the budget of T-1 be $2.00? It is $1.00 now."), &json!("pending"))
    );
    let no = Decision::Reject { reason: "too much".to_owned() };
    env.answer(&person("lead"), ApprovalId(1), no, 1).unwrap();
    assert_eq!(cost(&env, 1).caps.usd, Some(1.0));
    refused(&env, &bo, "list_tasks", json!({}));
    // Asked for less, and given a little more than that.
    ok(&env, &bo, "request_approval", ask(1.5));
    let (code, yes) = (
        |result: Result<(), Failure>| match result {
            Err(Failure::Refused(refusal)) => refusal.code.word(),
            other => panic!("{other:?}"),
        },
        || Decision::Approve { reason: "go on".to_owned(), choice: None },
    );
    assert_eq!(code(env.answer(&person("lead"), ApprovalId(2), yes(), 0)), "level_too_low");
    assert_eq!(code(env.answer(&agent("cy"), ApprovalId(2), yes(), 1)), "role_required");
    let lower = Decision::Adjust { reason: String::new(), arguments: json!({"task": "T-1", "usd": 0.5}) };
    assert_eq!(code(env.answer(&person("lead"), ApprovalId(2), lower, 1)), "bad_arguments");
    let changed = Decision::Adjust { reason: "a bit more".to_owned(), arguments: json!({"task": "T-1", "usd": 1.75}) };
    env.answer(&person("lead"), ApprovalId(2), changed, 1).unwrap();
    assert_eq!(cost(&env, 1).caps.usd, Some(1.75));
    ok(&env, &bo, "list_tasks", json!({}));
    // Asked again the same way, the agent learns what came of it, and nobody is asked anew.
    let again = ok(&env, &bo, "request_approval", ask(1.5));
    assert_eq!(
        (&again["approval"], &again["state"], &again["next"]),
        (&json!("A-2"), &json!("consumed"), &json!("The budget is raised: go on."))
    );
    let kinds = env.kinds();
    let tail = ["ApprovalAdjusted", "BudgetChanged", "ApprovalConsumed"];
    assert!(kinds.windows(3).any(|window| window == tail), "{kinds:?}");
    env.agree();
}

#[test]
fn a_raise_that_its_cap_has_overtaken_is_void() {
    let (env, ana) = started(FLOW);
    let asked = ok(&env, &ana, "request_approval", ask(1.004));
    assert_eq!(asked["ask"], "May the budget of T-1 be $1.004? It is $1.00 now.");
    raise(&env, &person("lead"), 1, 1.0049).unwrap();
    let why = env.engine.void(ApprovalId(1)).unwrap();
    assert_eq!(why.as_deref(), Some("the budget of T-1 is $1.0049 now"));
    let yes = Decision::Approve { reason: String::new(), choice: None };
    let Err(Failure::Refused(refusal)) = env.answer(&person("lead"), ApprovalId(1), yes, 1) else { panic!("lowered") };
    assert_eq!(refusal.code.word(), "approval_closed", "{refusal}");
    assert_eq!(cost(&env, 1).caps.usd, Some(1.0049));
    let again = ok(&env, &ana, "request_approval", ask(1.5));
    assert_eq!((&again["approval"], &again["state"]), (&json!("A-2"), &json!("pending")));
    env.agree();
}

#[test]
fn where_approvers_are_enrolled_a_higher_cap_takes_a_signature() {
    let (env, ana) = started(FLOW);
    OLGA.enrol_first(&env.engine);
    assert_eq!(ok(&env, &ana, "request_approval", ask(3.0))["level"], 2);
    let yes = || Decision::Approve { reason: String::new(), choice: None };
    let unsigned = env.answer(&person("lead"), ApprovalId(1), yes(), 1);
    let Err(Failure::Refused(refusal)) = unsigned else { panic!("{unsigned:?}") };
    assert!(["signature_required", "level_too_low"].contains(&refusal.code.word()), "{refusal}");
    assert_eq!(cost(&env, 1).caps.usd, Some(1.0));
    OLGA.answer(&env.engine, 1, yes()).unwrap();
    assert_eq!(cost(&env, 1).caps.usd, Some(3.0));
    env.agree();
}

#[test]
fn what_was_asked_before_anybody_was_enrolled_takes_a_signature_too() {
    let (env, ana) = started(FLOW);
    assert_eq!(ok(&env, &ana, "request_approval", ask(3.0))["level"], 1);
    OLGA.enrol_first(&env.engine);
    let unsigned =
        env.answer(&person("lead"), ApprovalId(1), Decision::Approve { reason: String::new(), choice: None }, 1);
    let Err(Failure::Refused(refusal)) = unsigned else { panic!("{unsigned:?}") };
    assert_eq!(refusal.code.word(), "signature_required");
    assert_eq!(cost(&env, 1).caps.usd, Some(1.0));
}
