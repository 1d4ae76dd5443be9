//! The eleven things that an approval promises, each through the engine, with real keys, a real store and a clock that stands
//! still. What else approvals can do is in `approvals_ways`; faults of single statements are in `faults`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::sync::Barrier;

use phasegate::config::keyring::Keyring;
use phasegate::config::settings::Settings;
use phasegate::domain::approver::Via;
use phasegate::domain::command::{DecideApprovals, Decision};
use phasegate::domain::decide::answer_statement;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{AgentName, ApprovalId};
use phasegate::engine::{Engine, Failure, Unwatched};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::keys::Key;
use crate::support::stores;
use crate::support::{START, TestEnv, agent, person, replay};

pub const OWNER: Key = Key::new("olga", 1);
pub const SECOND: Key = Key::new("sven", 2);
pub const STRANGER: Key = Key::new("eve", 9);

/// A phase whose own tool waits for a person, and whose exit takes what is given here.
pub fn flow(exit: &str) -> String {
    format!(
        "version: 1\nname: flow\nphases:\n  plan:\n    allow: [submit_task]\n    require_approval: [submit_task]\n    exit: [{exit}]\n    next: [build]\n  build:\n    next: [done, plan]\n  done: {{ end: true }}\n"
    )
}

pub const LEVEL_2: &str = "{ approval: { ask: \"Build it?\", level: 2 } }";

pub fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

pub fn refused(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> (&'static str, String) {
    match env.call(who, tool, arguments.clone()) {
        Ok(reply) => panic!("{tool} {arguments} was not refused: {reply}"),
        Err(refusal) => (refusal.code.word(), refusal.to_string()),
    }
}

/// ana has just started on a task of this workflow.
pub fn started(exit: &str) -> (TestEnv, Caller) {
    let env = TestEnv::trusting(&flow(exit));
    let ana = agent("ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "one"}}));
    (env, ana)
}

pub fn yes() -> Decision {
    Decision::Approve { reason: "looked at it".to_owned(), choice: None }
}

pub fn word<T>(result: Result<T, Failure>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Failure::Refused(refusal)) => refusal.code.word(),
        Err(Failure::Broken(error)) => panic!("the store broke: {error}"),
    }
}

/// An answer without a key, from a place of this level.
pub fn decide(engine: &Engine, who: &Caller, ids: &[u64], level: u8, answer: Decision) -> &'static str {
    let approvals = ids.iter().map(|id| (ApprovalId(*id), None)).collect();
    word(engine.answer(who, DecideApprovals { approvals, answer, level, via: Via::CommandLine }))
}

pub fn bash(command: &str) -> Value {
    json!({"call": {"tool": "Bash", "arguments": {"command": command}}})
}

fn call(title: &str) -> Value {
    json!({"call": {"tool": "submit_task", "arguments": {"title": title}}})
}

fn state(env: &TestEnv, id: u64) -> String {
    env.engine.approval(ApprovalId(id)).unwrap().unwrap().state.word().to_owned()
}

#[test]
fn point_1_the_digest_covers_all_that_was_asked_and_no_spelling() {
    let (env, ana) = started("");
    let workspace = env.engine.workspace_id().unwrap();
    let digest = |who: &Caller, tool: &str, arguments: Value| {
        let asked = ok(&env, who, "request_approval", json!({"call": {"tool": tool, "arguments": arguments}}));
        asked["digest"].as_str().unwrap().to_owned()
    };
    // RFC 8785 by hand: keys in order, no spaces, numbers in their shortest form.
    let written = |task: u64, phase: &str, visit: u64, tool: &str, arguments: &str| {
        let id = phasegate::domain::ids::TaskId(task);
        let version = env.engine.task(id).unwrap().unwrap().workflow.0;
        let text = format!(
            r#"{{"arguments":{arguments},"kind":"call","phase":"{phase}","pin":null,"task":"T-{task}","tool":"{tool}","visit":{visit},"workflow":"{version}","workspace":"{workspace}"}}"#
        );
        phasegate::domain::canonical::hex(&Sha256::digest(text))
    };
    let first = digest(&ana, "mcp__shell__run", json!({"command": "ls", "timeout": 100}));
    assert_eq!(first, written(1, "plan", 1, "mcp__shell__run", r#"{"command":"ls","timeout":100}"#));
    for spelling in [r#"{"timeout":100,"command":"ls"}"#, r#"{"command":"\u006cs","timeout":1e2}"#] {
        assert_eq!(digest(&ana, "mcp__shell__run", serde_json::from_str(spelling).unwrap()), first, "{spelling}");
    }
    let mut seen = BTreeSet::from([first.clone()]);
    let changed = [
        ("mcp__shell__run", json!({"command": "ls ", "timeout": 100})),
        ("mcp__shell__run", json!({"command": "ls", "timeout": 101})),
        ("mcp__shell__run", json!({"command": "ls", "timeout": "100"})),
        ("mcp__shell__run", json!({"command": ["ls"], "timeout": 100})),
        ("mcp__shell__run", json!({"command": "ls"})),
        ("mcp__shell__run", json!({"command": "ls", "timeout": 100, "more": {}})),
        ("bash", json!({"command": "ls", "timeout": 100})),
    ];
    for (tool, arguments) in changed {
        assert!(seen.insert(digest(&ana, tool, arguments.clone())), "{tool} {arguments}");
    }
    let same = || json!({"command": "ls", "timeout": 100});
    ok(&env, &ana, "transition_phase", json!({}));
    assert_eq!(
        digest(&ana, "mcp__shell__run", same()),
        written(1, "build", 2, "mcp__shell__run", r#"{"command":"ls","timeout":100}"#)
    );
    ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    assert_eq!(
        digest(&ana, "mcp__shell__run", same()),
        written(1, "plan", 3, "mcp__shell__run", r#"{"command":"ls","timeout":100}"#)
    );
    env.write("phasegate.yaml", &flow("{ artifact: plan }"));
    env.engine.trust_file(&person("lead"), &env.path("phasegate.yaml")).unwrap();
    ok(&env, &agent("bo"), "claim_task", json!({"new": {"title": "two"}}));
    let other = digest(&agent("bo"), "mcp__shell__run", same());
    assert_eq!(other, written(2, "plan", 1, "mcp__shell__run", r#"{"command":"ls","timeout":100}"#));
    assert!(seen.insert(other));
    env.agree();
}

#[test]
fn point_2_a_call_with_any_changed_argument_is_refused_and_the_approved_one_passes_once() {
    let (env, ana) = started("");
    let approved = json!({"title": "x", "labels": ["a", "b"], "priority": "high"});
    assert_eq!(refused(&env, &ana, "submit_task", approved.clone()).0, "approval_required");
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "submit_task", "arguments": approved}}));
    let (code, words) = refused(&env, &ana, "submit_task", approved.clone());
    assert!(code == "approval_required" && words.contains("A-1"), "not before the answer: {words}");
    assert_eq!(decide(&env.engine, &person("lead"), &[1], 1, yes()), "ok");
    for changed in [
        json!({"title": "y", "labels": ["a", "b"], "priority": "high"}),
        json!({"title": "x", "labels": ["b", "a"], "priority": "high"}),
        json!({"title": "x", "labels": ["a", "b"], "priority": "low"}),
        json!({"title": "x", "labels": ["a", "b"]}),
        json!({"title": "x ", "labels": ["a", "b"], "priority": "high"}),
        json!({"title": "x", "labels": ["a", "b"], "priority": "high", "goal": "more"}),
        json!({"tasks": [{"title": "x", "labels": ["a", "b"], "priority": "high"}]}),
    ] {
        assert_eq!(refused(&env, &ana, "submit_task", changed.clone()).0, "approval_required", "{changed}");
    }
    let spelled = json!({"priority": "high", "labels": ["a", "b"], "title": "x", "description": null});
    assert_eq!(ok(&env, &ana, "submit_task", spelled)["tasks"][0]["id"], "T-2");
    let (code, words) = refused(&env, &ana, "submit_task", approved);
    assert!(code == "approval_required" && words.contains("used"), "{words}");
    assert_eq!(env.kinds().iter().filter(|kind| **kind == "TaskSubmitted").count(), 2);
    env.agree();
}

#[test]
fn point_3_request_answer_and_use_are_records_of_their_own() {
    let (env, ana) = started("");
    ok(&env, &ana, "request_approval", bash("true"));
    env.clock.advance_seconds(10);
    let yes = Decision::Approve { reason: "it is harmless".to_owned(), choice: None };
    assert_eq!(decide(&env.engine, &person("lead"), &[1], 1, yes), "ok");
    env.clock.advance_seconds(10);
    env.engine.carry_out(&ana, ApprovalId(1), &Unwatched).unwrap();
    let records: Vec<Value> = env
        .engine
        .view(|tx| {
            let mut found = Vec::new();
            tx.query("SELECT body FROM events ORDER BY seq", &[], &mut |row| {
                found.push(serde_json::from_str(row.text(0)?.unwrap_or_default()).unwrap());
                Ok(())
            })?;
            Ok(found)
        })
        .unwrap();
    let of = |kind: &str| records.iter().find(|record| record.to_string().contains(kind)).unwrap().clone();
    let (asked, answered, used) = (of("ApprovalRequested"), of("ApprovalApproved"), of("ApprovalConsumed"));
    let who = |record: &Value| (record["agent"].clone(), record["tool"].clone());
    assert_eq!(who(&asked), (json!("ana"), json!("request_approval")), "{asked}");
    assert_eq!(who(&answered), (json!("lead"), json!("approvals")), "{answered}");
    assert_eq!(who(&used), (json!("ana"), json!("exec")), "{used}");
    assert!(asked["at"].as_str() < answered["at"].as_str() && answered["at"].as_str() < used["at"].as_str());
    let words = answered.to_string();
    for part in ["it is harmless", "command line", "\"level\":1", "\"by\":\"lead\""] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(of("CallFinished").to_string().contains("ended well"));
    env.agree();
}

#[test]
fn point_4_a_name_in_a_request_or_a_call_is_no_identity() {
    let (env, ana) = started(LEVEL_2);
    OWNER.enrol_first(&env.engine);
    ok(&env, &ana, "request_approval", json!({"reason": "approved by olga, level 2; I am olga"}));
    for extra in [
        json!({"by": "olga"}),
        json!({"approved_by": "olga"}),
        json!({"agent": "olga"}),
        json!({"role": "operator"}),
        json!({"level": 2, "state": "approved"}),
        json!({"from": ["ana"]}),
    ] {
        assert_eq!(refused(&env, &ana, "request_approval", extra.clone()).0, "bad_arguments", "{extra}");
        assert_eq!(refused(&env, &ana, "transition_phase", extra.clone()).0, "bad_arguments", "{extra}");
    }
    // Who has the role of an agent answers nothing, under whatever name and with whatever signature.
    for name in ["ana", "olga", "lead"] {
        assert_eq!(decide(&env.engine, &agent(name), &[1], 2, yes()), "role_required", "{name}");
    }
    // The name comes from the key: another's name over one's own key, or a key nobody knows, is no approver.
    assert_eq!(word(STRANGER.answer(&env.engine, 1, yes())), "bad_signature");
    assert_eq!(word(Key::new("olga", 9).answer(&env.engine, 1, yes())), "bad_signature");
    assert_eq!(word(Key::new("sven", 1).answer(&env.engine, 1, yes())), "bad_signature");
    assert_eq!(decide(&env.engine, &person("olga"), &[1], 2, yes()), "signature_required", "a word is not a signature");
    assert_eq!(refused(&env, &ana, "transition_phase", json!({})).0, "gates_unmet");
    let after = OWNER.answer(&env.engine, 1, yes()).unwrap();
    let answer = after[0].state.answer().unwrap();
    assert_eq!((answer.by.0.as_str(), answer.level), ("olga", 2));
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["phase"], "build");
    env.agree();
}

#[test]
fn point_5_who_asks_or_has_worked_on_it_does_not_answer_whatever_its_name_is_now() {
    let (env, ana) = started("{ approval: { ask: \"Ship?\", not_by: author } }");
    let brief = ok(&env, &ana, "claim_task", json!({}));
    // The same agent goes on under other names by the handle of its claim.
    let (bo, cy) = (agent("bo"), agent("cy"));
    let second = ok(&env, &bo, "claim_task", json!({"claim": brief["claim"]}));
    ok(&env, &bo, "request_approval", json!({}));
    ok(&env, &cy, "claim_task", json!({"claim": second["claim"]}));
    for (name, expected) in [("bo", "own_approval"), ("ana", "own_approval"), ("cy", "own_approval"), ("dee", "ok")] {
        let caller = Caller { role: Role::Approver, ..agent(name) };
        assert_eq!(decide(&env.engine, &caller, &[1], 1, yes()), expected, "{name}");
    }
    // Without `not_by` the one who asked is still shut out, signature or not.
    let (env, olga) = (TestEnv::trusting(&flow(LEVEL_2)), agent("olga"));
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &[], &env.engine).unwrap();
    ok(&env, &olga, "claim_task", json!({"new": {"title": "one"}}));
    ok(&env, &olga, "request_approval", json!({}));
    assert_eq!(word(OWNER.answer(&env.engine, 1, yes())), "own_approval");
    assert_eq!(word(SECOND.answer(&env.engine, 1, yes())), "ok");
    env.agree();
}

#[test]
fn point_6_a_time_that_runs_out_never_approves_and_nothing_acts_after_it() {
    let (env, ana) = started("{ approval: { ask: \"Build?\", within: 1h } }");
    let lead = person("lead");
    ok(&env, &ana, "request_approval", json!({}));
    ok(&env, &ana, "request_approval", bash("touch made"));
    ok(&env, &ana, "request_approval", call("x"));
    ok(&env, &ana, "request_approval", bash("touch never"));
    for id in [1, 2, 3] {
        assert_eq!(decide(&env.engine, &lead, &[id], 1, yes()), "ok");
    }
    env.clock.advance_seconds(3599);
    ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    env.clock.advance_seconds(1);
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("ran out"), "an approved gate is shut at its second: {words}");
    env.clock.advance_seconds(71 * 3600);
    ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    for swept in [false, true] {
        assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(2), &Unwatched)), "approval_closed", "swept: {swept}");
        assert_eq!(refused(&env, &ana, "submit_task", json!({"title": "x"})).0, "approval_required");
        assert_eq!(decide(&env.engine, &lead, &[4], 1, yes()), "approval_closed");
        assert_eq!(word(env.engine.carry_out(&lead, ApprovalId(4), &Unwatched)), "approval_closed");
        let shut = refused(&env, &ana, "transition_phase", json!({})).0;
        assert_eq!(shut, "gates_unmet");
        env.engine.sweep().unwrap();
        ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    }
    assert_eq!([1, 2, 3, 4].map(|id| state(&env, id)), ["expired"; 4]);
    assert!(!env.path("made").exists() && !env.path("never").exists());
    assert!(!env.kinds().contains(&"ApprovalConsumed"));
    env.agree();
}

#[test]
fn point_7_what_has_changed_since_makes_it_void_and_says_why() {
    let gate = "{ artifact: plan }, { approval: { ask: \"Build?\" } }";
    let (env, ana) = started(gate);
    let lead = person("lead");
    let hand_in = |text: &str| ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": text}));
    hand_in("one");
    ok(&env, &ana, "request_approval", json!({}));
    assert_eq!(decide(&env.engine, &lead, &[1], 1, yes()), "ok");
    hand_in("two");
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("void: artifact `plan` has changed since it was asked"), "{words}");
    ok(&env, &ana, "request_approval", json!({}));
    ok(&env, &ana, "request_approval", bash("touch made"));
    assert_eq!(decide(&env.engine, &lead, &[2], 1, yes()), "ok");
    assert_eq!(decide(&env.engine, &lead, &[3], 1, yes()), "ok");
    ok(&env, &ana, "transition_phase", json!({}));
    let why = |id: u64| {
        ok(&env, &ana, "query_audit", json!({"kind": "ApprovalCancelled"}))["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .find(|record| record.contains(&format!("\"A-{id}\"")))
    };
    assert!(why(3).is_some_and(|why| why.contains("T-1 left phase plan")), "{:?}", why(3));
    match env.engine.carry_out(&ana, ApprovalId(3), &Unwatched) {
        Err(Failure::Refused(refusal)) => assert!(refusal.message.contains("left phase plan"), "{refusal}"),
        other => panic!("{other:?}"),
    }
    // Back in the phase it is another visit: what was asked in the first one does not come back to life.
    ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(3), &Unwatched)), "approval_closed");
    ok(&env, &ana, "request_approval", bash("touch made"));
    assert_eq!(decide(&env.engine, &lead, &[4], 1, yes()), "ok");
    // Another version of the workflow, which only somebody who writes the file can give a task that is under way.
    env.write("phasegate.yaml", &flow("{ artifact: plan }"));
    let (_, newer, _) = env.engine.trust_file(&lead, &env.path("phasegate.yaml")).unwrap();
    env.rewrite("tasks", "id = 1", |task| task["workflow"] = json!(newer.0));
    match env.engine.carry_out(&ana, ApprovalId(4), &Unwatched) {
        Err(Failure::Refused(refusal)) => assert!(refusal.message.contains("another version"), "{refusal}"),
        other => panic!("{other:?}"),
    }
    assert!(!env.path("made").exists());
}

#[test]
fn point_8_use_and_start_are_one_commit() {
    // With a fault at each statement: `faults`. Here: each kind of use, and what stands in the record beside it.
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    for what in [json!({}), bash("true"), call("x")] {
        ok(&env, &ana, "request_approval", what);
    }
    assert_eq!(["ok"; 3], [1, 2, 3].map(|id| decide(&env.engine, &person("lead"), &[id], 1, yes())));
    env.engine.carry_out(&ana, ApprovalId(2), &Unwatched).unwrap();
    ok(&env, &ana, "submit_task", json!({"title": "x"}));
    ok(&env, &ana, "transition_phase", json!({}));
    let kinds = env.kinds();
    let after: Vec<&str> = kinds.windows(2).filter(|pair| pair[0] == "ApprovalConsumed").map(|pair| pair[1]).collect();
    assert_eq!(after, ["CallStarted", "TaskSubmitted", "PhaseEntered"]);
    // A use that is refused further on is no use.
    ok(&env, &ana, "transition_phase", json!({"to": "plan"}));
    let impossible = json!({"title": "y", "depends_on": ["T-99"]});
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "submit_task", "arguments": impossible}}));
    assert_eq!(decide(&env.engine, &person("lead"), &[4], 1, yes()), "ok");
    assert_eq!(refused(&env, &ana, "submit_task", impossible).0, "unknown_task");
    assert_eq!(state(&env, 4), "approved");
    env.agree();
}

fn exec(folder: &Path, id: &str) -> Program {
    let mut program = Program::new(env!("CARGO_BIN_EXE_phasegate"));
    program.args(["exec", id]).current_dir(folder).stdin(Stdio::null()).env_clear();
    program.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder).env("USER", "lead");
    program.stdout(Stdio::null()).stderr(Stdio::null());
    stores::tell(&mut program, folder);
    program
}

#[test]
fn point_9_of_many_who_use_it_at_once_exactly_one_does() {
    let (env, ana) = started("");
    ok(&env, &ana, "request_approval", call("raced"));
    assert_eq!(decide(&env.engine, &person("lead"), &[1], 1, yes()), "ok");
    let gun = Barrier::new(32);
    let passed = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..32)
            .map(|_| {
                scope.spawn(|| {
                    gun.wait();
                    env.call(&ana, "submit_task", json!({"title": "raced"})).is_ok()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).filter(|passed| *passed).count()
    });
    assert_eq!(passed, 1, "of 32 threads");
    env.agree();

    // Processes, by the clock of the machine.
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let engine = stores::engine(at, std::sync::Arc::new(phasegate::engine::clock::System));
    let tool = |name: &str, arguments| {
        engine.call(&ana, phasegate::tools::find(name).unwrap(), arguments, &Unwatched).unwrap().structured
    };
    tool("claim_task", json!({"new": {"title": "one"}}));
    let mut ended = Vec::new();
    for round in 1..=3 {
        tool("request_approval", bash(&format!("echo {round} >> lines")));
        assert_eq!(decide(&engine, &person("lead"), &[round], 1, yes()), "ok");
        let racers: Vec<_> = (0..4).map(|_| exec(at, &format!("A-{round}")).spawn().unwrap()).collect();
        let codes = racers.into_iter().map(|mut racer| racer.wait().unwrap().code().unwrap());
        ended.push(codes.filter(|code| *code == 0).count());
    }
    assert_eq!(ended, [1, 1, 1], "of 4 processes each");
    assert_eq!(std::fs::read_to_string(at.join("lines")).unwrap(), "1\n2\n3\n");
    assert_eq!(replay::disagreements(engine.backend()).unwrap(), Vec::<String>::new());
}

#[test]
fn point_10_an_answer_of_nobody_who_stands_opens_nothing_however_it_came_into_the_store() {
    let eve =
        json!({"name": "eve", "key": STRANGER.public(), "groups": [], "enrolled_by": "olga", "enrolled_at": START});
    let own = STRANGER.sign(&json!({"act": "approver.add"}), START);
    let mut endorsed = eve.clone();
    endorsed["signed"] = serde_json::to_value(own).unwrap();
    let insert = |env: &TestEnv, row: &Value| {
        env.edit_with("INSERT INTO approvers(name, body) VALUES ('eve', ?1)", &row.to_string())
    };
    let exchange =
        |env: &TestEnv| env.rewrite("approvers", "name = 'olga'", |olga| olga["key"] = json!(STRANGER.public()));
    let at_level_2 = |env: &TestEnv| {
        let yes = json!({"is": "approved", "by": "olga", "at": "2026-11-20T00:00:00Z", "level": 2});
        written_in(env, &yes, Some(0));
    };
    let none = |env: &TestEnv| env.edit("DELETE FROM approvers");
    type Case<'a> = (&'a str, Vec<&'a dyn Fn(&TestEnv)>, Option<(&'a str, &'a Key)>);
    let (first, vouched) = (|env: &TestEnv| insert(env, &eve), |env: &TestEnv| insert(env, &endorsed));
    let lower = |env: &TestEnv| env.rewrite("approvals", "id = 1", |approval| approval["level"] = json!(0));
    let cases: [Case; 10] = [
        ("a row that says approved at level 2", vec![&at_level_2], None),
        ("a signature under something else", vec![], Some(("olga", &OWNER))),
        ("a stranger's signature", vec![], Some(("eve", &STRANGER))),
        ("a stranger's under her name", vec![], Some(("olga", &STRANGER))),
        ("a second first approver", vec![&first], Some(("eve", &STRANGER))),
        ("an approver who vouches for herself", vec![&vouched], Some(("eve", &STRANGER))),
        ("another key under the first one's name", vec![&exchange], Some(("olga", &STRANGER))),
        ("another first one", vec![&none, &first], Some(("eve", &STRANGER))),
        ("no approvers at all", vec![&none, &at_level_2], None),
        ("a lower level", vec![&lower], None),
    ];
    for (name, edits, forger) in cases {
        let (env, settings, ana) = pinned();
        edits.into_iter().for_each(|edit| edit(&env));
        let engine = env.reopened(&settings);
        if let Some((by, key)) = forger {
            written_in(&env, &forged(&engine, by, key), None);
        }
        shut(&engine, &ana, name);
        // Neither does answering in the ordinary way; where only the row's level was lowered, a word is taken for the row.
        decide(&engine, &person("olga"), &[1], 1, yes());
        for key in [&STRANGER, &Key::new("olga", 9)] {
            let _ = key.answer(&engine, 1, yes());
        }
        shut(&engine, &ana, name);
    }
    // With a real answer in place: what it rests on is changed afterwards.
    type Change = fn(&mut Value);
    let changes: [(&str, &str, Change); 5] = [
        ("artifacts of the task", "tasks", |task| task["artifacts"]["plan"]["sha256"] = json!("ff")),
        ("artifacts of the approval", "approvals", |approval| {
            approval["artifacts"]["plan"] = json!("ff");
            approval["digest"] = json!("ff");
        }),
        ("the reason", "approvals", |approval| approval["state"]["reason"] = json!("other")),
        ("the name", "approvals", |approval| approval["state"]["by"] = json!("sven")),
        ("the first approver's key", "approvers", |olga| olga["key"] = json!(STRANGER.public())),
    ];
    for (name, table, change) in changes {
        let (env, settings, ana) = pinned();
        OWNER.answer(&env.reopened(&settings), 1, yes()).unwrap();
        env.rewrite(table, if table == "approvers" { "name = 'olga'" } else { "id = 1" }, change);
        shut(&env.reopened(&settings), &ana, name);
    }
}

/// A row that says it was approved and signed: by a stranger with a true signature, by the owner under another statement.
fn forged(engine: &Engine, by: &str, key: &Key) -> Value {
    let approval = engine.approval(ApprovalId(1)).unwrap().unwrap();
    let mut statement = answer_statement(&engine.workspace_id().unwrap(), &approval, &yes());
    if key.public() == OWNER.public() {
        statement["approval"] = json!("A-2");
    }
    let signed = key.sign(&statement, START);
    json!({ "is": "approved", "by": by, "at": START, "level": 2, "reason": "looked at it", "signed": signed })
}

/// An answer put into the row of A-1 by hand.
pub fn written_in(env: &TestEnv, answer: &Value, level: Option<u8>) {
    env.rewrite("approvals", "id = 1", |approval| {
        approval["state"] = answer.clone();
        if let Some(level) = level {
            approval["level"] = json!(level);
        }
    });
    env.edit("UPDATE approvals SET state = 'approved' WHERE id = 1");
}

/// A level 2 gate that waits, an approver, and a machine that remembers her.
pub fn pinned() -> (TestEnv, Settings, Caller) {
    let (env, ana) = started(&format!("{{ artifact: plan }}, {LEVEL_2}"));
    OWNER.enrol_first(&env.engine);
    let ring = Keyring::in_config(&env.path("home"));
    ring.remember_first(env.engine.place(), &OWNER.public()).unwrap();
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "steps"}));
    ok(&env, &ana, "request_approval", json!({}));
    (env, Settings { keyring: Some(ring), ..Settings::default() }, ana)
}

pub fn shut(engine: &Engine, ana: &Caller, name: &str) {
    let tool = phasegate::tools::find("transition_phase").unwrap();
    match engine.call(ana, tool, json!({}), &Unwatched) {
        Err(Failure::Refused(refusal)) => assert_eq!(refusal.code.word(), "gates_unmet", "{name}: {refusal}"),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn point_10_a_revoked_approvers_unused_answer_stops_counting() {
    let (env, settings, ana) = pinned();
    let engine = env.reopened(&settings);
    SECOND.enrol(&OWNER, &["lead"], &engine).unwrap();
    SECOND.answer(&engine, 1, yes()).unwrap();
    let name = AgentName("sven".to_owned());
    let statement = phasegate::domain::approver::revocation(&engine.workspace_id().unwrap(), &name);
    env.clock.advance_seconds(1);
    assert_eq!(
        word(engine.revoke(&person("x"), name.clone(), String::new(), STRANGER.proof(&statement, engine.now()))),
        "bad_signature"
    );
    let proof = OWNER.proof(&statement, engine.now());
    engine.revoke(&OWNER.caller(), name.clone(), "left".to_owned(), proof).unwrap();
    shut(&engine, &ana, "a revoked approver");
    assert_eq!(word(SECOND.answer(&engine, 1, yes())), "approval_closed");
    assert_eq!(word(Key::new("sven", 3).enrol(&OWNER, &[], &engine)), "not_an_approver", "a name keeps its key");
    // Who takes the revocation out of the row brings nobody back in the record, but in the rows: that is not promised.
    env.rewrite("approvers", "name = 'sven'", |sven| drop(sven.as_object_mut().unwrap().remove("revoked")));
    assert!(!replay::disagreements(env.engine.backend()).unwrap().is_empty(), "the record tells");
}

#[test]
fn point_11_questions_answers_and_reasons_outlive_the_process_and_are_in_the_log() {
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    ok(&env, &ana, "request_approval", json!({"reason": "the plan is short"}));
    ok(&env, &ana, "request_approval", bash("true"));
    ok(&env, &ana, "request_approval", json!({"question": "Red?", "choices": ["red", "blue"]}));
    let lead = person("lead");
    let no = Decision::Reject { reason: "too risky".to_owned() };
    let second = env.reopened(&Settings::default());
    assert_eq!(decide(&second, &lead, &[2], 1, no), "ok");
    let blue = Decision::Approve { reason: "matches the sky".to_owned(), choice: Some("blue".to_owned()) };
    assert_eq!(decide(&second, &lead, &[3], 1, blue), "ok");
    drop(second);
    let third = env.reopened(&Settings::default());
    assert_eq!(third.approval(ApprovalId(1)).unwrap().unwrap().state.word(), "pending");
    assert_eq!(decide(&third, &lead, &[1], 1, yes()), "ok");
    let tool = phasegate::tools::find("request_approval").unwrap();
    let ask = |arguments| third.call(&ana, tool, arguments, &Unwatched).unwrap().structured;
    let blue = ask(json!({"question": "Red?", "choices": ["red", "blue"]}));
    assert_eq!((&blue["choice"], &blue["reason"]), (&json!("blue"), &json!("matches the sky")));
    assert_eq!(ask(json!({}))["reason"], "looked at it");
    let log: String = replay::records(third.backend()).unwrap().iter().map(|record| format!("{record:?}")).collect();
    for part in ["the plan is short", "too risky", "matches the sky", "looked at it"] {
        assert!(log.contains(part), "{part} is not in the log");
    }
    env.agree();
}
