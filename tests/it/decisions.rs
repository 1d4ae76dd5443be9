//! What every command brings about and refuses, asked of the engine as an agent would: submitting, claiming, leases, fences
//! and what a holder reports. Phases and their gates are in `decisions_gates`.

use phasegate::domain::facts::Caller;
use serde_json::{Value, json};

use crate::support::{TestEnv, able, agent, person};

const PLAIN: &str =
    "version: 1\nname: plain\nphases:\n  work: { allow: [Read, submit_task], next: [done] }\n  done: { end: true }\n";

fn plain() -> TestEnv {
    TestEnv::trusting(PLAIN)
}

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

/// The code, and all the words of the refusal.
fn refused(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> (&'static str, String) {
    match env.call(who, tool, arguments.clone()) {
        Ok(reply) => panic!("{tool} {arguments} was not refused: {reply}"),
        Err(refusal) => (refusal.code.word(), refusal.to_string()),
    }
}

fn status(env: &TestEnv, id: &str) -> String {
    let page = ok(env, &person("looker"), "list_tasks", json!({"limit": 100}));
    let row = page["tasks"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    row["status"].as_str().unwrap().to_owned()
}

fn submit(env: &TestEnv, task: Value) -> String {
    ok(env, &person("lead"), "submit_task", task)["tasks"][0]["id"].as_str().unwrap().to_owned()
}

fn claimed(env: &TestEnv, who: &Caller, arguments: Value) -> String {
    ok(env, who, "claim_task", arguments)["task"].as_str().unwrap().to_owned()
}

#[test]
fn a_graph_is_handed_in_whole_with_its_waves() {
    let env = plain();
    let graph = json!({"tasks": [
        {"title": "roof", "ref": "roof", "depends_on": ["wall-a", "wall-b"]},
        {"title": "wall a", "ref": "wall-a", "depends_on": ["floor"]},
        {"title": "wall b", "ref": "wall-b", "depends_on": ["floor"], "parent": "roof"},
        {"title": "floor", "ref": "floor"},
    ]});
    let reply = ok(&env, &person("lead"), "submit_task", graph);
    assert_eq!(reply["waves"], json!([["T-4"], ["T-2", "T-3"], ["T-1"]]), "{reply}");
    assert_eq!(claimed(&env, &agent("ana"), json!({})), "T-4");
    assert_eq!(refused(&env, &agent("bo"), "claim_task", json!({})).0, "nothing_ready");
    let later = submit(&env, json!({"title": "later", "depends_on": ["T-1"]}));
    assert_eq!((later.as_str(), status(&env, &later).as_str()), ("T-5", "waiting"));
    env.agree();
}

#[test]
fn a_cycle_is_named_and_nothing_of_its_graph_is_taken_in() {
    let env = plain();
    let cases = [
        (json!([{"title": "a", "ref": "a", "depends_on": ["a"]}]), "a → a"),
        (
            json!([{"title": "a", "ref": "a", "depends_on": ["b"]}, {"title": "b", "ref": "b", "depends_on": ["c"]},
                   {"title": "c", "ref": "c", "depends_on": ["a"]}]),
            "a → b → c → a",
        ),
        (json!([{"title": "a", "ref": "a", "parent": "b"}, {"title": "b", "ref": "b", "parent": "a"}]), "a → b → a"),
        // A ref that looks like the name of a task without one.
        (
            json!([{"title": "a", "ref": "#2", "depends_on": ["c"]}, {"title": "no ref"},
                   {"title": "c", "ref": "c", "depends_on": ["#2"]}]),
            "#2 → c → #2",
        ),
    ];
    for (tasks, named) in cases {
        let (code, words) = refused(&env, &person("lead"), "submit_task", json!({"tasks": tasks}));
        assert_eq!(code, "dependency_cycle", "{words}");
        assert!(words.contains(named), "{words}");
    }
    assert_eq!(ok(&env, &person("lead"), "list_tasks", json!({}))["tasks"], json!([]));
}

#[test]
fn references_must_lead_somewhere() {
    let env = plain();
    let lead = person("lead");
    submit(&env, json!({"title": "gone"}));
    ok(&env, &lead, "update_task", json!({"task": "T-1", "cancel": "not needed"}));
    submit(&env, json!({"title": "over"}));
    claimed(&env, &agent("ana"), json!({}));
    ok(&env, &agent("ana"), "transition_phase", json!({}));
    for (task, code) in [
        (json!({"title": "x", "depends_on": ["T-1"]}), "unknown_reference"),
        (json!({"title": "x", "depends_on": ["nobody"]}), "unknown_reference"),
        (json!({"title": "x", "depends_on": ["T-99"]}), "unknown_task"),
        (json!({"title": "x", "parent": "T-99"}), "unknown_task"),
        (json!({"title": "x", "workflow": "unheard"}), "unknown_workflow"),
        (json!({"tasks": [{"title": "x", "ref": "a"}, {"title": "y", "ref": "a"}]}), "unknown_reference"),
        (json!({"title": ""}), "bad_arguments"),
        (json!({"goal": "no title"}), "bad_arguments"),
        (json!({"title": "x", "labels": ["a,b"]}), "bad_arguments"),
    ] {
        assert_eq!(refused(&env, &lead, "submit_task", task.clone()).0, code, "{task}");
    }
    // What has ended well is nothing to wait for.
    let next = submit(&env, json!({"title": "x", "depends_on": ["T-2"]}));
    assert_eq!(status(&env, &next), "ready");
}

#[test]
fn blockers_that_end_at_the_same_time_leave_nobody_waiting() {
    for _ in 0..5 {
        let env = plain();
        for name in ["a", "b", "c", "d"] {
            submit(&env, json!({"title": name}));
        }
        submit(&env, json!({"title": "all", "depends_on": ["T-1", "T-2", "T-3", "T-4"]}));
        submit(&env, json!({"title": "two", "depends_on": ["T-2", "T-3"]}));
        std::thread::scope(|scope| {
            for number in 1..=4 {
                let env = &env;
                scope.spawn(move || {
                    let who = agent(&format!("agent-{number}"));
                    claimed(env, &who, json!({"id": format!("T-{number}")}));
                    ok(env, &who, "transition_phase", json!({}));
                });
            }
        });
        assert_eq!((status(&env, "T-5").as_str(), status(&env, "T-6").as_str()), ("ready", "ready"));
        env.agree();
    }
}

#[test]
fn the_next_task_is_the_most_urgent_then_the_oldest() {
    let env = plain();
    for priority in ["low", "medium", "critical", "high", "critical", "medium"] {
        submit(&env, json!({"title": priority, "priority": priority}));
    }
    let order: Vec<String> = (0..6).map(|n| claimed(&env, &agent(&format!("a{n}")), json!({}))).collect();
    assert_eq!(order, ["T-3", "T-5", "T-4", "T-2", "T-6", "T-1"]);
}

#[test]
fn a_task_goes_only_to_whoever_has_all_it_needs() {
    let env = plain();
    submit(&env, json!({"title": "db and rust", "capabilities": ["db", "rust"], "priority": "critical"}));
    submit(&env, json!({"title": "rust", "capabilities": ["rust"], "priority": "high"}));
    submit(&env, json!({"title": "browser", "capabilities": ["browser"], "priority": "high"}));
    submit(&env, json!({"title": "anyone"}));
    let (code, words) = refused(&env, &agent("ana"), "claim_task", json!({"id": "T-1"}));
    assert!(code == "missing_capability" && words.contains("db, rust"), "{words}");
    assert_eq!(claimed(&env, &agent("ana"), json!({})), "T-4");
    assert_eq!(claimed(&env, &able("bo", &["browser", "db"], 1), json!({})), "T-3");
    assert_eq!(claimed(&env, &able("cy", &["rust", "go"], 1), json!({})), "T-2");
    let (code, words) = refused(&env, &able("di", &["rust"], 1), "claim_task", json!({}));
    assert!(code == "nothing_ready" && words.contains("capabilities"), "{words}");
    assert_eq!(claimed(&env, &able("ed", &["db", "go", "rust"], 1), json!({})), "T-1");
}

#[test]
fn a_filter_narrows_what_is_next() {
    let env = plain();
    submit(&env, json!({"title": "1", "labels": ["ui", "q3"], "type": "bugfix"}));
    submit(&env, json!({"title": "2", "labels": ["ui"], "priority": "high", "parent": "T-1"}));
    submit(&env, json!({"title": "3", "type": "bugfix", "priority": "critical"}));
    let many = able("ana", &[], 9);
    let (code, words) = refused(&env, &many, "claim_task", json!({"filter": {"labels": ["api"]}}));
    assert!(code == "nothing_ready" && words.contains("3 ready"), "{words}");
    assert_eq!(refused(&env, &many, "claim_task", json!({"filter": {"workflow": "quick"}})).0, "nothing_ready");
    assert_eq!(claimed(&env, &many, json!({"filter": {"labels": ["ui", "q3"]}})), "T-1");
    assert_eq!(claimed(&env, &many, json!({"filter": {"parent": "T-1"}})), "T-2");
    assert_eq!(claimed(&env, &many, json!({"filter": {"type": "bugfix", "priority": "high"}})), "T-3");
    submit(&env, json!({"title": "4", "priority": "low"}));
    assert_eq!(refused(&env, &many, "claim_task", json!({"filter": {"priority": "medium"}})).0, "nothing_ready");
}

#[test]
fn what_waits_for_a_failed_task_is_told_with_what_a_person_can_do() {
    let env = plain();
    submit(&env, json!({"title": "floor"}));
    submit(&env, json!({"title": "roof", "depends_on": ["T-1"]}));
    claimed(&env, &agent("ana"), json!({}));
    let (_, words) = refused(&env, &agent("bo"), "claim_task", json!({}));
    assert!(!words.contains("failed"), "{words}");
    ok(&env, &agent("ana"), "update_task", json!({"fail": "no concrete", "for_good": true}));
    let (code, words) = refused(&env, &agent("bo"), "claim_task", json!({}));
    assert!(code == "nothing_ready" && words.contains("others wait for T-1, which failed"), "{words}");
    assert!(words.contains("phasegate tasks reopen T-1"), "{words}");
    env.agree();
}

#[test]
fn claiming_again_gives_the_same_task_and_a_new_handle() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    submit(&env, json!({"title": "two"}));
    let ana = agent("ana");
    let first = ok(&env, &ana, "claim_task", json!({}));
    let again = ok(&env, &ana, "claim_task", json!({}));
    assert_eq!((&again["task"], &again["fence"]), (&first["task"], &first["fence"]));
    assert_ne!(again["claim"], first["claim"]);
    let (code, words) = refused(&env, &ana, "update_task", json!({"claim": first["claim"], "progress": "x"}));
    assert!(code == "stale_claim" && words.contains("newest claim"), "{words}");
    let (code, words) = refused(&env, &ana, "claim_task", json!({"claim": first["claim"]}));
    assert!(code == "stale_claim" && words.contains("you have claimed T-1 again since"), "{words}");
    ok(&env, &ana, "update_task", json!({"claim": again["claim"], "progress": "x"}));
    assert_eq!(claimed(&env, &ana, json!({"id": "T-1"})), "T-1");
    let (code, words) = refused(&env, &ana, "claim_task", json!({"id": "T-2"}));
    assert!(code == "claim_limit" && words.contains("T-1 (one)"), "{words}");
    env.agree();
}

#[test]
fn a_new_task_is_made_and_claimed_at_once_and_only_once() {
    let env = plain();
    let ana = agent("ana");
    let brief = ok(&env, &ana, "claim_task", json!({"new": {"title": "mine", "goal": "g", "priority": "high"}}));
    assert_eq!((brief["task"].as_str(), brief["fence"].as_u64()), (Some("T-1"), Some(1)));
    assert_eq!(claimed(&env, &ana, json!({"new": {"title": "mine", "goal": "g"}})), "T-1");
    assert_eq!(refused(&env, &ana, "claim_task", json!({"new": {"title": "other"}})).0, "claim_limit");
    let two = able("ana", &[], 2);
    assert_eq!(claimed(&env, &two, json!({"new": {"title": "other"}})), "T-2");
    let (code, words) = refused(&env, &two, "update_task", json!({"progress": "which?"}));
    assert!(code == "which_claim" && words.contains("T-1, T-2"), "{words}");
    env.agree();
}

#[test]
fn a_lease_that_ran_out_frees_the_task_when_swept_or_claimed() {
    for sweep in [true, false] {
        let env = plain();
        submit(&env, json!({"title": "one"}));
        let (ana, bo) = (agent("ana"), agent("bo"));
        let old = ok(&env, &ana, "claim_task", json!({"lease_seconds": 60}));
        env.clock.advance_seconds(59);
        assert_eq!(refused(&env, &bo, "claim_task", json!({})).0, "nothing_ready");
        let (code, words) = refused(&env, &bo, "claim_task", json!({"id": "T-1"}));
        assert!(code == "not_claimable" && words.contains("held by `ana`"), "{words}");
        env.clock.advance_seconds(1);
        if sweep {
            assert!(env.engine.sweep().unwrap());
            assert!(!env.engine.sweep().unwrap(), "nothing is left to sweep");
            assert_eq!(status(&env, "T-1"), "ready");
        }
        let new = ok(&env, &bo, "claim_task", json!({}));
        assert_eq!((&new["task"], new["fence"].as_u64()), (&json!("T-1"), Some(2)));
        assert_eq!(env.kinds().iter().filter(|kind| **kind == "ClaimExpired").count(), 1);
        for (tool, mut arguments) in [
            ("update_task", json!({"progress": "late"})),
            ("update_task", json!({"checkpoint": {"late": true}})),
            ("update_task", json!({"blocker": "late"})),
            ("update_task", json!({"release": true})),
            ("update_task", json!({"fail": "late"})),
            ("submit_artifact", json!({"name": "late", "content": "x"})),
            ("transition_phase", json!({})),
            ("request_approval", json!({"question": "late?"})),
            ("claim_task", json!({})),
        ] {
            arguments["claim"] = old["claim"].clone();
            let (code, words) = refused(&env, &ana, tool, arguments);
            assert!(code == "stale_claim" && words.contains("`bo` holds it now"), "{tool}: {words}");
        }
        let (code, words) = refused(&env, &ana, "update_task", json!({"task": "T-1", "progress": "late"}));
        assert!(code == "not_holder" && words.contains("held by `bo`"), "{words}");
        let (code, words) = refused(&env, &ana, "update_task", json!({"progress": "late"}));
        let ended = "your claim on T-1 ended; `bo` holds it now, claim number 2";
        assert!(code == "no_claim" && words.contains(ended), "{words}");
        ok(&env, &bo, "update_task", json!({"blocker": "no key"}));
        let (code, words) = refused(&env, &bo, "update_task", json!({"unblock": true}));
        assert!(code == "no_claim" && words.contains("it is blocked now"), "{words}");
        assert!(words.contains(r#"update_task {"task":"T-1","unblock":true}"#), "{words}");
        env.agree();
    }
}

/// Where no server runs there is no sweeper either, and claiming alone must find what lapsed leases have left.
#[test]
fn many_lapsed_leases_hide_none_of_their_tasks() {
    let env = plain();
    for number in 0..40 {
        submit(&env, json!({"title": "db", "capabilities": ["db"]}));
        claimed(&env, &able(&format!("a{number}"), &["db"], 1), json!({"lease_seconds": 5}));
    }
    for (title, priority) in [("anyone", "low"), ("urgent", "critical")] {
        submit(&env, json!({"title": title, "priority": priority}));
        claimed(&env, &agent(title), json!({"lease_seconds": 30}));
    }
    env.clock.advance_seconds(60);
    assert_eq!(claimed(&env, &agent("bo"), json!({})), "T-42");
    assert_eq!(refused(&env, &agent("cy"), "claim_task", json!({"filter": {"type": "bugfix"}})).0, "nothing_ready");
    assert_eq!(claimed(&env, &agent("cy"), json!({})), "T-41");
    let (code, words) = refused(&env, &agent("di"), "claim_task", json!({}));
    assert!(code == "nothing_ready" && words.contains("42 claimed"), "{words}");
    assert_eq!(claimed(&env, &able("ed", &["db"], 1), json!({})), "T-1");
    env.agree();
}

#[test]
fn a_holder_whose_task_is_free_again_is_told_so() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    let ana = agent("ana");
    let old = ok(&env, &ana, "claim_task", json!({"lease_seconds": 5}));
    env.clock.advance_seconds(6);
    env.engine.sweep().unwrap();
    let (code, words) = refused(&env, &ana, "update_task", json!({"claim": old["claim"], "progress": "x"}));
    assert!(code == "stale_claim" && words.contains("is ready now"), "{words}");
    let made_up = format!("pgc_{}", "0f".repeat(16));
    assert_eq!(refused(&env, &ana, "update_task", json!({"claim": made_up, "progress": "x"})).0, "no_claim");
    assert_eq!(refused(&env, &ana, "claim_task", json!({"claim": made_up})).0, "no_claim");
    let back = ok(&env, &ana, "claim_task", json!({"claim": old["claim"]}));
    assert_eq!(back["fence"].as_u64(), Some(2));
}

/// Waits for what nobody waits for: a reading renews the lease beside its answer.
fn renewed(env: &TestEnv) {
    let until = env.engine.now().0 + 60_000;
    let begun = std::time::Instant::now();
    let mut lease = None;
    while lease != Some(until) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "the lease ends at {lease:?}, not {until}");
        let read = |tx: &mut dyn phasegate::store::Tx| {
            tx.query("SELECT expires_at FROM leases", &[], &mut |row| {
                lease = row.int(0)?;
                Ok(())
            })
        };
        env.engine.view(read).unwrap();
    }
}

#[test]
fn reading_and_writing_both_keep_a_claim_alive() {
    let calls =
        [("list_tasks", json!({})), ("query_audit", json!({})), ("update_task", json!({"progress": "still here"}))];
    for (tool, arguments) in calls {
        let env = plain();
        submit(&env, json!({"title": "one"}));
        let ana = agent("ana");
        claimed(&env, &ana, json!({"lease_seconds": 60}));
        for _ in 0..6 {
            env.clock.advance_seconds(40);
            ok(&env, &ana, tool, arguments.clone());
            renewed(&env);
            env.engine.sweep().unwrap();
        }
        assert_eq!(status(&env, "T-1"), "claimed", "{tool} did not renew the lease");
        let events = env.kinds();
        assert!(!events.contains(&"ClaimExpired"), "{events:?}");
        env.clock.advance_seconds(61);
        env.engine.sweep().unwrap();
        assert_eq!(status(&env, "T-1"), "ready", "silence ends a lease");
    }
}

#[test]
fn a_reply_tells_the_lease_as_it_is_after_the_call() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    let ana = agent("ana");
    let brief = ok(&env, &ana, "claim_task", json!({"lease_seconds": 60}));
    env.clock.advance_seconds(50);
    let reply = ok(&env, &ana, "update_task", json!({"progress": "x"}));
    assert!(reply["lease_until"].as_str() > brief["lease_until"].as_str(), "{reply}");
}

#[test]
fn work_goes_on_under_another_name_with_the_handle() {
    let env = plain();
    submit(&env, json!({"title": "one", "capabilities": ["db"]}));
    submit(&env, json!({"title": "two"}));
    let (ana, bo) = (able("ana", &["db"], 1), able("bo", &["db"], 1));
    let first = ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    let lacking = refused(&env, &agent("cy"), "claim_task", json!({"claim": first["claim"]}));
    assert_eq!(lacking.0, "missing_capability", "{}", lacking.1);
    let taken = ok(&env, &bo, "claim_task", json!({"claim": first["claim"]}));
    assert_eq!((&taken["task"], taken["fence"].as_u64()), (&json!("T-1"), Some(2)));
    let (code, words) = refused(&env, &ana, "update_task", json!({"claim": first["claim"], "progress": "x"}));
    assert!(code == "stale_claim" && words.contains("`bo` holds it now"), "{words}");
    ok(&env, &bo, "update_task", json!({"progress": "mine"}));
    env.agree();
}

#[test]
fn going_on_by_handle_does_not_lead_past_the_claim_limit() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    submit(&env, json!({"title": "two"}));
    let ana = agent("ana");
    let first = ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    ok(&env, &ana, "update_task", json!({"release": "later"}));
    claimed(&env, &ana, json!({"id": "T-2"}));
    assert_eq!(refused(&env, &ana, "claim_task", json!({"claim": first["claim"]})).0, "claim_limit");
}

#[test]
fn blockers_add_up_and_only_who_is_entitled_clears_them() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    let (ana, bo, lead) = (agent("ana"), agent("bo"), person("lead"));
    claimed(&env, &ana, json!({}));
    assert_eq!(refused(&env, &bo, "update_task", json!({"task": "T-1", "blocker": "x"})).0, "not_holder");
    let reply = ok(&env, &ana, "update_task", json!({"blocker": "no password"}));
    assert_eq!((reply["status"].as_str(), reply["blockers"][0]["id"].as_u64()), (Some("blocked"), Some(1)));
    ok(&env, &ana, "update_task", json!({"task": "T-1", "blocker": "no network"}));
    assert_eq!(refused(&env, &ana, "claim_task", json!({"id": "T-1"})).0, "not_claimable");
    assert_eq!(refused(&env, &bo, "update_task", json!({"task": "T-1", "unblock": true})).0, "role_required");
    let (code, words) = refused(&env, &lead, "update_task", json!({"task": "T-1", "unblock": 7}));
    assert!(code == "wrong_state" && words.contains("no password"), "{words}");
    assert_eq!(ok(&env, &lead, "update_task", json!({"task": "T-1", "unblock": 1}))["status"], "blocked");
    assert_eq!(ok(&env, &ana, "update_task", json!({"task": "T-1", "unblock": true}))["status"], "ready");
    assert_eq!(refused(&env, &lead, "update_task", json!({"task": "T-1", "unblock": true})).0, "wrong_state");
    assert_eq!(claimed(&env, &bo, json!({})), "T-1");
    env.agree();
}

#[test]
fn a_task_is_given_back_tried_again_and_given_up() {
    let env = plain();
    submit(&env, json!({"title": "one", "attempts": 2}));
    let ana = agent("ana");
    claimed(&env, &ana, json!({}));
    assert_eq!(ok(&env, &ana, "update_task", json!({"release": "lunch"}))["status"], "ready");
    claimed(&env, &ana, json!({}));
    let reply = ok(&env, &ana, "update_task", json!({"fail": "broke"}));
    assert_eq!((reply["status"].as_str(), reply["attempts_left"].as_u64()), (Some("ready"), Some(1)));
    let brief = ok(&env, &ana, "claim_task", json!({}));
    assert_eq!((brief["failed_attempts"].as_u64(), brief["fence"].as_u64()), (Some(1), Some(3)));
    assert_eq!(ok(&env, &ana, "update_task", json!({"fail": "again"}))["status"], "failed");
    let (code, words) = refused(&env, &agent("bo"), "update_task", json!({"task": "T-1", "reopen": "please"}));
    assert_eq!(code, "role_required", "{words}");
    assert_eq!(ok(&env, &person("lead"), "update_task", json!({"task": "T-1", "reopen": "mended"}))["status"], "ready");
    assert_eq!(refused(&env, &person("lead"), "update_task", json!({"task": "T-1", "reopen": "x"})).0, "wrong_state");
    let brief = ok(&env, &ana, "claim_task", json!({}));
    assert_eq!(brief["failed_attempts"], Value::Null, "a task tried again starts from nothing");
    let reply = ok(&env, &ana, "update_task", json!({"fail": "never", "for_good": true}));
    assert_eq!((reply["status"].as_str(), reply["attempts_left"].as_u64()), (Some("failed"), Some(0)));
    env.agree();
}

#[test]
fn cancelling_says_what_becomes_of_those_that_wait() {
    let chain = json!({"tasks": [
        {"title": "a", "ref": "a"}, {"title": "b", "ref": "b", "depends_on": ["a"]},
        {"title": "c", "ref": "c", "depends_on": ["b"]}, {"title": "d", "ref": "d", "depends_on": ["c", "free"]},
        {"title": "free", "ref": "free"}, {"title": "e", "depends_on": ["free"]},
    ]});
    let statuses = |env: &TestEnv| ["T-1", "T-2", "T-3", "T-4", "T-5", "T-6"].map(|id| status(env, id));
    let lead = person("lead");
    let env = plain();
    ok(&env, &lead, "submit_task", chain.clone());
    let (code, words) = refused(&env, &lead, "update_task", json!({"task": "T-1", "cancel": "no"}));
    assert!(code == "open_dependents" && words.contains("T-2"), "{words}");
    assert_eq!(refused(&env, &agent("bo"), "update_task", json!({"task": "T-1", "cancel": "no"})).0, "role_required");
    let reply = ok(&env, &lead, "update_task", json!({"task": "T-1", "cancel": "no", "dependents": "cancel"}));
    assert_eq!(reply["also"], json!(["T-2", "T-3", "T-4"]));
    assert_eq!(statuses(&env), ["cancelled", "cancelled", "cancelled", "cancelled", "ready", "waiting"]);
    assert_eq!(refused(&env, &lead, "update_task", json!({"task": "T-1", "cancel": "no"})).0, "wrong_state");
    env.agree();

    let env = plain();
    ok(&env, &lead, "submit_task", chain);
    claimed(&env, &agent("ana"), json!({"id": "T-1"}));
    assert_eq!(refused(&env, &agent("bo"), "update_task", json!({"task": "T-1", "cancel": "no"})).0, "role_required");
    ok(&env, &agent("ana"), "update_task", json!({"cancel": "no", "dependents": "release"}));
    assert_eq!(statuses(&env), ["cancelled", "ready", "waiting", "waiting", "ready", "waiting"]);
    env.agree();
}

#[test]
fn a_checkpoint_comes_back_in_the_next_brief() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    let data = json!({"step": 4, "ratio": 0.1 + 0.2, "list": [1, {"x": null}], "text": "ä\u{2028}\"\\"});
    claimed(&env, &agent("ana"), json!({}));
    ok(&env, &agent("ana"), "update_task", json!({"checkpoint": data, "claim": null}));
    ok(&env, &agent("ana"), "update_task", json!({"progress": "half", "percent": 50}));
    ok(&env, &agent("ana"), "update_task", json!({"release": "tired"}));
    let brief = ok(&env, &agent("bo"), "claim_task", json!({}));
    assert_eq!((&brief["checkpoint"], &brief["last_progress"]), (&data, &json!("half")));
    ok(&env, &agent("bo"), "update_task", json!({"progress": "more", "percent": 60, "checkpoint": {"step": 5}}));
    for big in [json!({"checkpoint": "x".repeat(70_000)}), json!({"progress": "y", "checkpoint": "x".repeat(70_000)})] {
        let (code, words) = refused(&env, &agent("bo"), "update_task", big);
        assert!(code == "too_large" && words.contains("65536"), "{words}");
    }
    let brief = ok(&env, &agent("bo"), "claim_task", json!({}));
    assert_eq!((&brief["checkpoint"], &brief["last_progress"]), (&json!({"step": 5}), &json!("more")));
    env.agree();
}

#[test]
fn artifacts_come_from_inside_the_work_tree_only() {
    let env = plain();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    env.write("notes/a.md", "hello");
    let link = |to: &std::path::Path, name: &str| std::os::unix::fs::symlink(to, env.path(name)).unwrap();
    link(&outside.path().join("secret"), "out");
    link(&env.path("notes/a.md"), "in");
    link(&env.path(".phasegate"), "state");
    claimed(&env, &agent("ana"), json!({"new": {"title": "one"}}));
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let reply = ok(&env, &agent("ana"), "submit_artifact", json!({"name": "n", "path": "notes/a.md", "sha256": hello}));
    assert_eq!((reply["sha256"].as_str(), reply["version"].as_u64()), (Some(hello), Some(1)));
    let reply = ok(&env, &agent("ana"), "submit_artifact", json!({"name": "n", "path": "in"}));
    assert_eq!((reply["sha256"].as_str(), reply["version"].as_u64()), (Some(hello), Some(2)));
    let absolute = outside.path().join("secret");
    for path in [
        "out",
        "/etc/passwd",
        "../x",
        "missing",
        "notes",
        ".phasegate/phasegate.db",
        "state/phasegate.db",
        "notes/../.phasegate/phasegate.db",
        absolute.to_str().unwrap(),
        "a\u{0}b",
    ] {
        let (code, words) = refused(&env, &agent("ana"), "submit_artifact", json!({"name": "n", "path": path}));
        assert_eq!(code, "artifact_mismatch", "{path}: {words}");
    }
    let wrong = json!({"name": "n", "path": "notes/a.md", "sha256": "0".repeat(64)});
    let (code, words) = refused(&env, &agent("ana"), "submit_artifact", wrong);
    assert!(code == "artifact_mismatch" && words.contains(hello), "{words}");
    assert_eq!(refused(&env, &agent("bo"), "submit_artifact", json!({"name": "n", "content": "x"})).0, "no_claim");
    let big = json!({"name": "big", "content": "x".repeat((1 << 20) + 1)});
    assert_eq!(refused(&env, &agent("ana"), "submit_artifact", big).0, "too_large");
    env.agree();
}

#[test]
fn wrong_arguments_name_the_field_and_are_not_recorded() {
    let env = plain();
    submit(&env, json!({"title": "one"}));
    let before = env.kinds().len();
    for (tool, arguments, place) in [
        ("claim_task", json!({"lease_seconds": 4}), "lease_seconds"),
        ("claim_task", json!({"lease_seconds": 86_401}), "lease_seconds"),
        ("claim_task", json!({"id": "X"}), "id"),
        ("claim_task", json!({"id": "T-1", "new": {"title": "x"}}), "exclude"),
        ("claim_task", json!({"surprise": 1}), "surprise"),
        ("update_task", json!({"progress": "x", "percent": 101}), "percent"),
        ("update_task", json!({"progress": "x", "fail": "y"}), "`progress` and `fail` do not go together"),
        ("update_task", json!({"dependents": "cancel", "progress": "x"}), "dependents"),
        ("update_task", json!({}), "say what to report"),
        ("submit_artifact", json!({"name": "n"}), "content"),
        ("request_approval", json!({"choices": ["a", "b"]}), "question"),
        ("list_tasks", json!({"limit": 0}), "limit"),
        ("query_audit", json!({"after": 1, "before": 9}), "give one"),
    ] {
        let (code, words) = refused(&env, &agent("ana"), tool, arguments);
        assert!(code == "bad_arguments" && words.contains(place), "{tool} {place}: {words}");
    }
    assert_eq!(refused(&env, &agent("ana"), "no_such_tool", json!({})).0, "unknown_tool");
    assert_eq!(env.kinds().len(), before);
    assert_eq!(status(&env, "T-1"), "ready");
}
