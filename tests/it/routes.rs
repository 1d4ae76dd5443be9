//! Models that are chosen as work goes on, and outcomes that gates tell, through the engine.

use phasegate::domain::event::Event;
use phasegate::domain::facts::Caller;
use phasegate::domain::route::{Judge, RouteCause};
use phasegate::domain::workflow::ModelTier;
use serde_json::{Value, json};

use crate::support::replay::records;
use crate::support::{TestEnv, agent};

const CHECKED: &str = r#"
version: 1
name: flow
phases:
  plan: { exit: [{ artifact: plan }], next: [build] }
  build: { exit: [{ command: ["test", "-f", "built"] }], next: [review] }
  review: { model: { tier: strong }, next: [done, build] }
  done: { end: true }
"#;

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

/// In phase build.
fn building(kind: &str) -> (TestEnv, Caller) {
    let env = TestEnv::trusting(CHECKED);
    let ana = agent("claude-code-ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "a parser", "type": kind}}));
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "first"}));
    ok(&env, &ana, "transition_phase", json!({}));
    (env, ana)
}

fn events(env: &TestEnv) -> Vec<Event> {
    records(env.engine.backend()).unwrap().into_iter().map(|record| record.event).collect()
}

fn routes(env: &TestEnv) -> Vec<(RouteCause, ModelTier)> {
    let events = events(env);
    let routed = events.iter().filter_map(|event| match event {
        Event::ModelRouted { because, route, .. } => Some((*because, route.tier)),
        _ => None,
    });
    routed.collect()
}

fn outcomes(env: &TestEnv) -> Vec<(String, ModelTier, f64, Judge)> {
    let events = events(env);
    let told = events.iter().filter_map(|event| match event {
        Event::OutcomeRecorded { phase, tier, success, judge, .. } => Some((phase.clone(), *tier, *success, *judge)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_claim_comes_with_a_model_and_says_why() {
    let env = TestEnv::trusting(CHECKED);
    let brief =
        ok(&env, &agent("claude-code-ana"), "claim_task", json!({"new": {"title": "t", "type": "architecture"}}));
    assert_eq!((&brief["route"]["tier"], &brief["route"]["model"]), (&json!("base"), &json!("sonnet")), "{brief}");
    assert!(brief["route"]["reason"].as_str().unwrap().contains("complexity"), "{brief}");
    let claimed = events(&env).into_iter().find_map(|event| match event {
        Event::TaskClaimed { route, .. } => route,
        _ => None,
    });
    assert_eq!(claimed.unwrap().tier, ModelTier::Base);
    // The other agent's client has other names.
    ok(&env, &agent("claude-code-ana"), "update_task", json!({"release": "later"}));
    let brief = ok(&env, &agent("codex-bo"), "claim_task", json!({"id": "T-1"}));
    assert!(brief["route"]["model"].as_str().unwrap().starts_with("gpt"), "{brief}");
    env.agree();
}

#[test]
fn a_check_that_says_no_twice_raises_the_tier_and_one_that_lets_pass_is_an_outcome() {
    let (env, ana) = building("documentation");
    assert_eq!(outcomes(&env), [], "a plan that is handed in is no check");
    assert!(env.call(&ana, "transition_phase", json!({})).is_err());
    assert_eq!((routes(&env), outcomes(&env)), (vec![], vec![]), "one no is a part of usual work");
    assert!(env.call(&ana, "transition_phase", json!({})).is_err());
    let failed = ("build".to_owned(), ModelTier::Weak, 0.0, Judge::Gates);
    assert_eq!(outcomes(&env), std::slice::from_ref(&failed));
    assert_eq!(routes(&env), [(RouteCause::Failure, ModelTier::Base)]);
    env.write("built", "");
    ok(&env, &ana, "transition_phase", json!({}));
    let passed = ("build".to_owned(), ModelTier::Base, 1.0, Judge::Gates);
    assert_eq!(outcomes(&env), [failed.clone(), passed.clone()]);
    assert_eq!(routes(&env)[1..], [(RouteCause::Phase, ModelTier::Strong)], "the phase says which");
    // Sent back: what let it through was wrong, and the next try is on a better model.
    ok(&env, &ana, "transition_phase", json!({"to": "build"}));
    let back = ("build".to_owned(), ModelTier::Base, 0.0, Judge::Agent);
    assert_eq!(outcomes(&env), [failed, passed, back]);
    assert_eq!(routes(&env)[2..], [(RouteCause::Failure, ModelTier::Strong)]);
    env.agree();
}

#[test]
fn checks_that_say_no_together_are_one_no_and_each_try_to_leave_is_another() {
    let two = CHECKED.replace("\"built\"] }", "\"built\"] }, { command: [\"false\"] }, { command: [test, -f, other] }");
    let env = TestEnv::trusting(&two);
    let ana = agent("claude-code-ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "a parser", "type": "documentation"}}));
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "first"}));
    ok(&env, &ana, "transition_phase", json!({}));
    let tiers = || routes(&env).into_iter().map(|(_, tier)| tier).collect::<Vec<_>>();
    for wanted in [&[][..], &[ModelTier::Base], &[ModelTier::Base], &[ModelTier::Base, ModelTier::Strong]] {
        assert!(env.call(&ana, "transition_phase", json!({})).is_err());
        assert_eq!(tiers(), wanted);
    }
    env.agree();
}

#[test]
fn who_takes_a_task_after_a_failed_try_gets_a_stronger_model() {
    let (env, ana) = building("documentation");
    ok(&env, &ana, "update_task", json!({"fail": "it does not work"}));
    assert_eq!(outcomes(&env), [("build".to_owned(), ModelTier::Weak, 0.0, Judge::Agent)]);
    let brief = ok(&env, &agent("bo"), "claim_task", json!({"id": "T-1"}));
    assert_eq!(brief["route"]["tier"], "base", "{brief}");
    assert!(brief["route"]["reason"].as_str().unwrap().contains("failed"), "{brief}");
    env.agree();
}

#[test]
fn an_answer_of_route_model_can_be_told_how_it_went() {
    let (env, ana) = building("feature");
    let route = ok(&env, &ana, "route_model", json!({"type": "summary", "description": "what changed"}));
    let decision = route["decision"].as_str().unwrap();
    assert!(decision.starts_with("R-"), "{route}");
    let asked = events(&env).into_iter().find_map(|event| match event {
        Event::ModelRouted { decision: Some(id), work, because: RouteCause::Asked, .. } => Some((id, work)),
        _ => None,
    });
    let (id, work) = asked.unwrap();
    assert_eq!((id.0.as_str(), work.unwrap().kind.as_deref()), (decision, Some("summary")));
}
