//! What a submission may say: nothing that would be dropped, no name that is an id, no wait that never ends.

use phasegate::domain::command::Decision;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::ApprovalId;
use serde_json::{Value, json};

use crate::support::{TestEnv, agent, person};

const PLAIN: &str =
    "version: 1\nname: plain\nphases:\n  work: { allow: [Read, submit_task], next: [done] }\n  done: { end: true }\n";

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

fn refused(env: &TestEnv, arguments: Value) -> (&'static str, String) {
    match env.call(&person("lead"), "submit_task", arguments.clone()) {
        Ok(reply) => panic!("{arguments} was not refused: {reply}"),
        Err(refusal) => (refusal.code.word(), refusal.to_string()),
    }
}

#[test]
fn what_would_be_dropped_or_mistaken_is_refused() {
    let env = TestEnv::trusting(PLAIN);
    let tasks = json!([{ "title": "a" }]);
    for (arguments, told) in [
        (json!({ "tasks": tasks, "budget": { "usd": 1 }, "workflow": "x" }), "put `budget`, `workflow` into its items"),
        (json!({ "tasks": tasks, "labels": ["x"] }), "`labels`"),
        (json!({ "tasks": tasks, "ref": "q" }), "`ref`"),
        (json!({ "tasks": [{ "title": "a", "ref": "T-1" }, { "title": "b", "depends_on": ["T-1"] }] }), "`tasks.0`"),
        (json!({ "title": "a", "ref": "T-12" }), "T-12 would be taken for the id of another task"),
        (json!({ "title": "   " }), "only blanks"),
        (json!({ "title": "\u{200b}\u{202e}" }), "only blanks"),
        (json!({ "tasks": [{ "title": "\u{3000}" }] }), "`tasks.0`"),
    ] {
        let (code, words) = refused(&env, arguments);
        assert_eq!(code, "bad_arguments");
        assert!(words.contains(told), "{words}");
    }
    let unseen = env.call(&agent("ana"), "claim_task", json!({ "new": { "title": "\u{ad} " } })).unwrap_err();
    assert!(unseen.message.contains("only blanks"), "{unseen}");
    ok(&env, &person("lead"), "submit_task", json!({ "tasks": tasks, "title": null, "budget": null }));
    let named = json!({ "tasks": [{ "title": "a", "ref": "7" }, { "title": "b\u{200b}", "depends_on": ["7"] }] });
    assert_eq!(ok(&env, &person("lead"), "submit_task", named)["waves"], json!([["T-2"], ["T-3"]]));
}

#[test]
fn a_part_that_waits_for_its_whole_is_refused_where_that_waits_for_its_parts() {
    let circle =
        json!({ "tasks": [{ "title": "p", "ref": "p" }, { "title": "c", "parent": "p", "depends_on": ["p"] }] });
    ok(&TestEnv::trusting(PLAIN), &person("lead"), "submit_task", circle);
    let env = TestEnv::trusting(&PLAIN.replace("next: [done] }", "exit: [{ children: done }], next: [done] }"));
    let lead = person("lead");
    ok(&env, &lead, "submit_task", json!({ "title": "epic" }));
    ok(&env, &lead, "submit_task", json!({ "title": "story", "parent": "T-1" }));
    for arguments in [
        json!({ "title": "step", "parent": "T-2", "depends_on": ["T-2"] }),
        json!({ "title": "step", "parent": "T-2", "depends_on": ["T-1"] }),
        json!({ "tasks": [{ "title": "p", "ref": "p", "parent": "T-2" }, { "title": "c", "parent": "p", "depends_on": ["T-1"] }] }),
        json!({ "tasks": [{ "title": "p", "ref": "p" }, { "title": "c", "parent": "p", "depends_on": ["p"] }] }),
        json!({ "tasks": [
            { "title": "p", "ref": "p" }, { "title": "x", "ref": "x", "depends_on": ["p"] },
            { "title": "c", "parent": "p", "ref": "c", "depends_on": ["x"] },
        ] }),
        json!({ "tasks": [
            { "title": "g", "ref": "g" }, { "title": "p", "ref": "p", "parent": "g" },
            { "title": "c", "parent": "p", "ref": "c", "depends_on": ["g"] },
        ] }),
    ] {
        let (code, words) = refused(&env, arguments.clone());
        assert_eq!(code, "dependency_cycle", "{arguments}: {words}");
    }
    for arguments in [
        json!({ "tasks": [{ "title": "p", "ref": "p", "depends_on": ["c"] }, { "title": "c", "ref": "c", "parent": "p" }] }),
        json!({ "tasks": [{ "title": "a", "ref": "a", "parent": "T-1" }, { "title": "b", "parent": "T-1", "depends_on": ["a"] }] }),
        json!({ "title": "after it", "depends_on": ["T-1"] }),
    ] {
        ok(&env, &lead, "submit_task", arguments);
    }
    env.agree();
}

#[test]
fn what_waits_for_tasks_outside_starts_a_wave_later() {
    let env = TestEnv::trusting(PLAIN);
    let (lead, ana) = (person("lead"), agent("ana"));
    ok(&env, &lead, "submit_task", json!({ "tasks": [{ "title": "open" }, { "title": "ended" }] }));
    ok(&env, &ana, "claim_task", json!({ "id": "T-2" }));
    ok(&env, &ana, "transition_phase", json!({}));
    let graph = json!({ "tasks": [
        { "title": "a", "ref": "a", "depends_on": ["T-1"] }, { "title": "b", "depends_on": ["a"] }, { "title": "c" },
        { "title": "d", "depends_on": ["T-2"] },
    ] });
    let reply = ok(&env, &lead, "submit_task", graph);
    assert_eq!(reply["waves"], json!([["T-5", "T-6"], ["T-3"], ["T-4"]]), "{reply}");
    let alone = ok(&env, &lead, "submit_task", json!({ "title": "e", "depends_on": ["T-1"] }));
    assert_eq!((&alone["waves"], &alone["tasks"][0]["wave"]), (&json!([[], ["T-7"]]), &json!(2)));
}

#[test]
fn a_filtered_claim_asked_again_gives_the_same_task() {
    let env = TestEnv::trusting(PLAIN);
    let ana = agent("ana");
    ok(&env, &person("lead"), "submit_task", json!({ "title": "labelled", "labels": ["l"] }));
    for _ in 0..2 {
        let claimed = ok(&env, &ana, "claim_task", json!({ "filter": { "labels": ["l"] } }));
        assert_eq!(claimed["task"], "T-1");
    }
    let other = env.call(&ana, "claim_task", json!({ "filter": { "labels": ["m"] } })).unwrap_err();
    assert_eq!(other.code.word(), "claim_limit");
}

#[test]
fn a_list_for_agents_shows_what_is_hidden() {
    let env = TestEnv::trusting(PLAIN);
    ok(&env, &person("lead"), "submit_task", json!({ "title": "a\u{202e}b\u{200b}c" }));
    let list = phasegate::tools::find("list_tasks").unwrap();
    let text = env.engine.call(&agent("ana"), list, json!({}), &phasegate::engine::Unwatched).unwrap().text;
    for shown in [text, env.engine.board_text().unwrap()] {
        assert!(shown.contains("a\\u{202e}b\\u{200b}c"), "{shown}");
    }
}

#[test]
fn a_deferred_call_tells_when_it_last_changed() {
    let env = TestEnv::trusting(PLAIN);
    let (engine, ana) = (&env.engine, agent("ana"));
    ok(&env, &ana, "claim_task", json!({ "new": { "title": "asks" } }));
    for question in ["one?", "two?"] {
        ok(&env, &ana, "request_approval", json!({ "question": question }));
    }
    let start = engine.now();
    let expires = start.plus_seconds(3600);
    let waits = |id| engine.defer(&ana.agent, "request_approval", Some((ApprovalId(id), expires))).unwrap().unwrap().0;
    let (answered, cancelled) = (waits(1), waits(2));
    let lost = engine.defer(&ana.agent, "transition_phase", None).unwrap().unwrap().0;
    let changed = |handle: &str| engine.deferred(&ana.agent, handle).unwrap().unwrap().call.updated_at;
    assert_eq!([&answered, &cancelled, &lost].map(|handle| changed(handle)), [start; 3]);
    env.clock.advance_seconds(100);
    let yes = Decision::Approve { reason: String::new(), choice: None };
    env.answer(&person("lead"), ApprovalId(1), yes, 1).unwrap();
    assert!(engine.cancel_deferred(&ana.agent, &cancelled).unwrap());
    env.clock.advance_seconds(100);
    let then = start.plus_seconds(100);
    assert_eq!([changed(&answered), changed(&cancelled)], [then, then]);
    assert_eq!(changed(&lost), start.plus_seconds(30), "since then nobody has shown a sign of life");
}

/// A clock that was set back lets no claim outlast its own length, and takes none from whoever still works.
#[test]
fn a_lease_does_not_grow_when_the_clock_is_set_back() {
    const DAY: i64 = 86_400;
    let env = TestEnv::trusting(PLAIN);
    let (ana, bo, cy) = (agent("ana"), agent("bo"), agent("cy"));
    for who in [&ana, &bo] {
        ok(&env, who, "claim_task", json!({ "new": { "title": who.agent.0 }, "lease_seconds": 60 }));
    }
    env.engine.sweep().unwrap();
    env.clock.advance_seconds(-DAY);
    env.engine.sweep().unwrap();
    let held = env.call(&cy, "claim_task", json!({ "id": "T-1" })).unwrap_err();
    assert!(held.message.contains("whose lease runs 60 s more"), "{held}");
    env.clock.advance_seconds(40);
    ok(&env, &bo, "update_task", json!({ "progress": "still here" }));
    env.clock.advance_seconds(40);
    env.engine.sweep().unwrap();
    assert_eq!(ok(&env, &cy, "claim_task", json!({ "id": "T-1" }))["task"], "T-1");
    ok(&env, &bo, "update_task", json!({ "progress": "and still" }));
    env.agree();
}
