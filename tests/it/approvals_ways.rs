//! Ways of asking and answering beside the plain yes: batches, changed arguments, questions, waiting, rules that ask about our
//! own tools, bypasses, and trust once there is an approver. What every approval promises is in `approvals`.

use std::sync::atomic::{AtomicU64, Ordering};

use phasegate::config::settings::Settings;
use phasegate::domain::approval::{About, Approval};
use phasegate::domain::approver::{Proof, Via};
use phasegate::domain::command::{DecideApprovals, Decision, OpenBypass};
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{ApprovalId, BypassId, TaskId, Time};
use phasegate::engine::{Failure, Unwatched, Watch};
use serde_json::{Value, json};

use crate::approvals::{LEVEL_2, OWNER, SECOND, STRANGER, bash, decide, flow, ok, pinned, refused, started, word, yes};
use crate::support::{TestEnv, agent, person};

fn adjust(arguments: Value) -> Decision {
    Decision::Adjust { reason: "safer".to_owned(), arguments }
}

#[test]
fn a_reason_that_is_too_long_answers_nothing_whichever_answer_it_is_of() {
    let (env, ana) = started("");
    ok(&env, &ana, "request_approval", bash("true"));
    let lead = person("lead");
    let all = |reason: String| {
        let arguments = json!({"command": "ls"});
        [
            Decision::Approve { reason: reason.clone(), choice: None },
            Decision::Adjust { reason: reason.clone(), arguments },
            Decision::Reject { reason },
        ]
    };
    for answer in all("x".repeat(2_001)) {
        assert_eq!(decide(&env.engine, &lead, &[1], 1, answer), "bad_arguments");
    }
    assert_eq!(states(&env, &[1]), ["pending"]);
    let [_, _, no] = all("x".repeat(2_000));
    assert_eq!(decide(&env.engine, &lead, &[1], 1, no), "ok");
}

fn states(env: &TestEnv, ids: &[u64]) -> Vec<String> {
    let state = |id: &u64| env.engine.approval(ApprovalId(*id)).unwrap().unwrap().state.word().to_owned();
    ids.iter().map(state).collect()
}

#[test]
fn a_batch_is_answered_whole_or_not_at_all() {
    let (env, ana) = started("{ artifact: plan }, { approval: { ask: \"Build?\" } }");
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "one"}));
    let batch = json!({"batch": [{"gate": "approval"}, bash("true"), bash("touch made"), {"question": "Why?"}]});
    let asked = ok(&env, &ana, "request_approval", batch.clone());
    assert_eq!(asked["batch"].as_array().unwrap().len(), 3, "{asked}");
    let lead = person("lead");
    for ids in [vec![1], vec![2], vec![1, 2, 3], vec![2, 3, 4]] {
        assert_eq!(decide(&env.engine, &lead, &ids, 1, yes()), "asked_together", "{ids:?}");
    }
    // One of them becomes void: none can be answered, and none has been.
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "two"}));
    assert_eq!(decide(&env.engine, &lead, &[1, 2, 3, 4], 1, yes()), "approval_closed");
    assert_eq!(states(&env, &[1, 2, 3, 4]), ["pending"; 4]);
    // A level that is too low for one, a choice that one does not have: the same.
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    ok(&env, &ana, "request_approval", batch);
    assert_eq!(decide(&env.engine, &lead, &[1, 2, 3, 4], 0, yes()), "level_too_low");
    assert_eq!(decide(&env.engine, &lead, &[1, 2, 3, 4], 1, adjust(json!({"command": "ls"}))), "not_asked");
    assert_eq!(states(&env, &[1, 2, 3, 4]), ["pending"; 4]);
    assert_eq!(decide(&env.engine, &lead, &[4, 2, 3, 1], 1, yes()), "ok");
    assert_eq!(states(&env, &[1, 2, 3, 4]), ["approved"; 4]);
    // Each is then used by itself.
    assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(3), &Unwatched)), "ok");
    assert_eq!(states(&env, &[1, 2, 3, 4]), ["approved", "approved", "consumed", "approved"]);
    env.agree();
}

#[test]
fn only_the_call_that_the_person_changed_passes() {
    let (env, ana) = started("");
    let lead = person("lead");
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "submit_task", "arguments": {"title": "big"}}}));
    for (arguments, expected) in [
        (json!({"title": ""}), "bad_arguments"),
        (json!({"title": "small", "nonsense": 1}), "bad_arguments"),
        (json!({"title": "big"}), "not_asked"),
        (json!(["title"]), "bad_arguments"),
    ] {
        assert_eq!(decide(&env.engine, &lead, &[1], 1, adjust(arguments.clone())), expected, "{arguments}");
    }
    assert_eq!(states(&env, &[1]), ["pending"]);
    let approvals = vec![(ApprovalId(1), None)];
    let adjusted =
        DecideApprovals { approvals, answer: adjust(json!({"titel": "x"})), level: 1, via: Via::CommandLine };
    let Err(Failure::Refused(refusal)) = env.engine.answer(&lead, adjusted) else { panic!("it was taken") };
    assert!(refusal.hint.contains("the fields it may have are `title`, `goal`"), "{refusal}");
    assert_eq!(decide(&env.engine, &lead, &[1], 1, adjust(json!({"title": "small"}))), "ok");
    let told =
        ok(&env, &ana, "request_approval", json!({"call": {"tool": "submit_task", "arguments": {"title": "big"}}}));
    assert_eq!((&told["state"], &told["arguments"]), (&json!("adjusted"), &json!({"title": "small"})));
    assert_eq!(told["digest"], json!(env.engine.approval(ApprovalId(1)).unwrap().unwrap().effective_digest()));
    let (code, words) = refused(&env, &ana, "submit_task", json!({"title": "big"}));
    assert!(code == "approval_required", "the original is not approved: {words}");
    ok(&env, &ana, "submit_task", json!({"title": "small"}));
    assert_eq!(refused(&env, &ana, "submit_task", json!({"title": "small"})).0, "approval_required");
    // A command line: what runs is what the person wrote.
    ok(&env, &ana, "request_approval", bash("touch theirs"));
    assert_eq!(decide(&env.engine, &lead, &[2], 1, adjust(json!({"command": "touch mine"}))), "ok");
    env.engine.carry_out(&ana, ApprovalId(2), &Unwatched).unwrap();
    assert!(env.path("mine").exists() && !env.path("theirs").exists());
    assert_eq!(
        refused(&env, &ana, "request_approval", json!({"call": {"tool": "submit_task", "arguments": {}}})).0,
        "bad_arguments"
    );
    env.agree();
}

#[test]
fn a_gate_and_a_question_have_no_arguments_to_change_and_a_question_is_answered_once() {
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    let question = json!({"question": "Which?", "choices": ["red", "blue"]});
    ok(&env, &ana, "request_approval", json!({}));
    ok(&env, &ana, "request_approval", question.clone());
    for id in [1, 2] {
        assert_eq!(decide(&env.engine, &person("lead"), &[id], 1, adjust(json!({}))), "not_asked");
    }
    let red = Decision::Approve { reason: String::new(), choice: Some("red".to_owned()) };
    assert_eq!(decide(&env.engine, &person("lead"), &[2], 0, red), "ok", "anybody may answer a free question");
    let again = ok(&env, &ana, "request_approval", question);
    assert_eq!((&again["approval"], &again["choice"]), (&json!("A-2"), &json!("red")));
    assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(2), &Unwatched)), "approval_closed");
    for bad in [
        json!({"question": "x", "choices": ["one"]}),
        json!({"choices": ["a", "b"]}),
        json!({"question": "x", "gate": "approval"}),
        json!({"batch": [{"question": "x"}]}),
        json!({"batch": [{"question": "x"}, {}]}),
        json!({"batch": [{"question": "x"}, {"batch": []}]}),
        json!({"batch": [{"question": "x"}, {"question": "y"}], "gate": "approval"}),
    ] {
        assert_eq!(refused(&env, &ana, "request_approval", bad.clone()).0, "bad_arguments", "{bad}");
    }
}

#[test]
fn asking_for_the_same_finds_the_same_and_at_most_fifty_wait() {
    let (env, ana) = started("");
    let first = ok(&env, &ana, "request_approval", bash("true"));
    assert_eq!(ok(&env, &ana, "request_approval", bash("true")), first);
    let same = json!({"batch": [bash("true"), bash("true"), bash("false")]});
    assert_eq!(ok(&env, &ana, "request_approval", same)["batch"].as_array().unwrap().len(), 2);
    assert_eq!(env.kinds().iter().filter(|kind| **kind == "ApprovalRequested").count(), 2);
    for number in 3..=50 {
        ok(&env, &ana, "request_approval", bash(&format!("echo {number}")));
    }
    assert_eq!(refused(&env, &ana, "request_approval", bash("echo 51")).0, "too_many");
    ok(&env, &ana, "request_approval", bash("echo 50"));
    assert_eq!(decide(&env.engine, &person("lead"), &[3], 1, Decision::Reject { reason: "no".to_owned() }), "ok");
    ok(&env, &ana, "request_approval", bash("echo 51"));
    // A refused call may be asked about again, as something new, by who says what is different now.
    assert_eq!(decide(&env.engine, &person("lead"), &[4], 1, Decision::Reject { reason: "no".to_owned() }), "ok");
    assert_eq!(ok(&env, &ana, "request_approval", bash("echo 4"))["state"], "rejected");
    let mut again = bash("echo 4");
    again["reason"] = json!("the disk is free now");
    assert_eq!(ok(&env, &ana, "request_approval", again)["approval"], "A-52");
    env.agree();
}

/// Answers while the call waits, as a person would.
struct Answers<'e>(&'e TestEnv, AtomicU64);

impl Watch for Answers<'_> {
    fn waiting(&self, approval: &Approval, until: Time) -> Time {
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            assert_eq!(decide(&self.0.engine, &person("lead"), &[approval.id.0], 1, yes()), "ok");
        }
        until
    }
}

#[test]
fn a_call_that_waits_is_answered_as_soon_as_the_person_answers() {
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    let tool = phasegate::tools::find("request_approval").unwrap();
    let watch = Answers(&env, AtomicU64::new(0));
    let reply = env.engine.call(&ana, tool, json!({"wait_seconds": 300}), &watch).unwrap().structured;
    assert_eq!((&reply["state"], &reply["answered_by"]), (&json!("approved"), &json!("lead")), "{reply}");
    assert_eq!(refused(&env, &ana, "request_approval", json!({"wait_seconds": 301})).0, "bad_arguments");
}

#[test]
fn a_tool_that_reads_and_a_tool_of_several_steps_wait_for_a_person_too() {
    let yaml = "version: 1\nname: flow\nprotect: { ask: [query_audit] }\nphases:\n  work:\n    require_approval: [transition_phase]\n    exit: [ { command: [\"test\", \"-f\", \"ready\"] } ]\n    next: [done]\n  done: { end: true }\n";
    let env = TestEnv::trusting(yaml);
    let (ana, lead) = (agent("ana"), person("lead"));
    ok(&env, &ana, "claim_task", json!({"new": {"title": "one"}}));
    assert_eq!(refused(&env, &ana, "query_audit", json!({"limit": 5})).0, "approval_required");
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "query_audit", "arguments": {"limit": 5}}}));
    assert_eq!(decide(&env.engine, &lead, &[1], 1, yes()), "ok");
    assert_eq!(refused(&env, &ana, "query_audit", json!({"limit": 6})).0, "approval_required");
    ok(&env, &ana, "query_audit", json!({"limit": 5}));
    assert_eq!(refused(&env, &ana, "query_audit", json!({"limit": 5})).0, "approval_required");

    let leave = json!({"summary": "s"});
    assert_eq!(refused(&env, &ana, "transition_phase", leave.clone()).0, "approval_required");
    assert!(!env.kinds().contains(&"GateStarted"), "no gate runs for a call that nobody approved");
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "transition_phase", "arguments": leave}}));
    assert_eq!(decide(&env.engine, &lead, &[2], 1, yes()), "ok");
    assert_eq!(refused(&env, &ana, "transition_phase", leave.clone()).0, "gates_unmet");
    assert_eq!(states(&env, &[2]), ["approved"], "a transition that did not happen has used nothing up");
    env.write("ready", "");
    assert_eq!(ok(&env, &ana, "transition_phase", leave)["status"], "done");
    assert_eq!(states(&env, &[1, 2]), ["consumed"; 2]);
    let used = env.kinds().into_iter().filter(|kind| *kind == "ApprovalConsumed").count();
    assert_eq!(used, 2, "each once");
    env.agree();
}

fn hole(rules: &[&str], task: Option<u64>, seconds: u64, proof: Proof) -> OpenBypass {
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    OpenBypass { rules, task: task.map(TaskId), seconds, reason: "the scanner is down".to_owned(), proof }
}

fn at_level(level: u8) -> Proof {
    Proof::unsigned(level, Via::CommandLine)
}

#[test]
fn a_bypass_opens_the_named_rule_for_its_task_and_its_time_and_each_use_is_on_record() {
    let yaml = "version: 1\nname: flow\nprotect: { deny: [query_audit] }\nphases:\n  work:\n    deny: [route_model]\n    require_approval: [submit_task]\n    next: [done]\n  done: { end: true }\n";
    let env = TestEnv::trusting(yaml);
    let (ana, bo, lead) = (agent("ana"), agent("bo"), person("lead"));
    for who in [&ana, &bo] {
        ok(&env, who, "claim_task", json!({"new": {"title": "one"}}));
    }
    let route = || json!({"description": "x"});
    let open = |who: &Caller, what| word(env.engine.open_bypass(who, what));
    assert_eq!(open(&ana, hole(&["route_model"], None, 600, at_level(1))), "role_required");
    assert_eq!(open(&lead, hole(&["route_model"], None, 600, at_level(0))), "level_too_low");
    assert_eq!(open(&lead, hole(&["list_tasks"], None, 600, at_level(1))), "unknown_bypass");
    assert_eq!(open(&lead, hole(&["route_model"], None, 86_401, at_level(1))), "too_large");
    assert_eq!(open(&lead, hole(&["route_model"], Some(9), 600, at_level(1))), "unknown_task");
    assert_eq!(open(&lead, hole(&["route_model"], Some(1), 600, at_level(1))), "ok");
    let reply = ok(&env, &ana, "route_model", route());
    assert!(reply["note"].as_str().is_some_and(|note| note.contains("bypass")), "{reply}");
    assert_eq!(refused(&env, &bo, "route_model", route()).0, "not_open", "another task");
    assert_eq!(refused(&env, &ana, "query_audit", json!({})).0, "not_open", "another rule");
    assert_eq!(refused(&env, &ana, "submit_task", json!({"title": "x"})).0, "approval_required", "another rule");
    let board = env.engine.board_text().unwrap();
    assert!(board.contains("BYPASS") && board.contains("route_model") && board.contains("T-1"), "{board}");
    env.clock.advance_seconds(600);
    assert_eq!(refused(&env, &ana, "route_model", route()).0, "not_open", "its time is up, swept or not");
    env.engine.sweep().unwrap();
    assert!(env.kinds().contains(&"BypassClosed"));
    assert!(!env.engine.board_text().unwrap().contains("BYPASS"));
    // For every task, of a rule that waits for a person; closed by a person.
    for who in ["ana", "bo"] {
        ok(&env, &agent(who), "claim_task", json!({"id": if who == "ana" { "T-1" } else { "T-2" }}));
    }
    assert_eq!(open(&lead, hole(&["submit_task"], None, 600, at_level(1))), "ok");
    ok(&env, &ana, "submit_task", json!({"title": "a"}));
    ok(&env, &bo, "submit_task", json!({"title": "b"}));
    assert_eq!(word(env.engine.close_bypass(&bo, BypassId(2), String::new())), "role_required");
    assert_eq!(word(env.engine.close_bypass(&lead, BypassId(2), String::new())), "ok");
    assert_eq!(word(env.engine.close_bypass(&lead, BypassId(2), String::new())), "unknown_bypass");
    assert_eq!(refused(&env, &ana, "submit_task", json!({"title": "c"})).0, "approval_required");
    assert_eq!(env.kinds().iter().filter(|kind| **kind == "RuleWaived").count(), 3);
    env.agree();
}

#[test]
fn what_widens_the_rules_takes_a_signature_once_there_is_an_approver() {
    let env = TestEnv::trusting(&flow(LEVEL_2));
    let (lead, file) = (person("lead"), env.path("phasegate.yaml"));
    OWNER.enrol_first(&env.engine);
    let workspace = env.engine.workspace_id().unwrap();
    env.write("phasegate.yaml", &flow(""));
    assert_eq!(word(env.engine.trust_file(&lead, &file)), "signature_required");
    let (workflow, source) = phasegate::engine::read_workflow(&file).unwrap();
    let statement = env.engine.trust_statement(&workflow, true).unwrap();
    let trust = |who: &Caller, proof| word(env.engine.trust(who, &workflow, source.clone(), true, proof));
    assert_eq!(trust(&STRANGER.caller(), STRANGER.proof(&statement, env.engine.now())), "bad_signature");
    assert_eq!(trust(&SECOND.caller(), OWNER.proof(&statement, env.engine.now())), "bad_signature", "another's name");
    let old = OWNER.proof(&statement, Time(env.engine.now().0 - 601_000));
    assert_eq!(trust(&OWNER.caller(), old), "bad_signature", "an old signature is not brought again");
    let other = env.engine.trust_statement(&workflow, false).unwrap();
    assert_eq!(trust(&OWNER.caller(), OWNER.proof(&other, env.engine.now())), "bad_signature");
    assert_eq!(trust(&OWNER.caller(), OWNER.proof(&statement, env.engine.now())), "ok");

    let what = hole(&["submit_task"], None, 600, at_level(1));
    let said = phasegate::domain::decide::bypass_statement(&workspace, &what.rules, None, 600, &what.reason);
    assert_eq!(word(env.engine.open_bypass(&lead, what.clone())), "signature_required");
    let signed = |seconds| OpenBypass { seconds, proof: OWNER.proof(&said, env.engine.now()), ..what.clone() };
    assert_eq!(word(env.engine.open_bypass(&OWNER.caller(), signed(6000))), "bad_signature", "signed for ten minutes");
    assert_eq!(word(env.engine.open_bypass(&OWNER.caller(), signed(600))), "ok");

    let role = Caller { role: Role::Approver, ..agent("sven") };
    assert_eq!(word(SECOND.enrol(&STRANGER, &[], &env.engine)), "bad_signature");
    let unsigned = env.engine.enrol(&role, role.agent.clone(), SECOND.public(), Default::default(), at_level(1));
    assert_eq!(word(unsigned), "signature_required");
    assert_eq!(word(SECOND.enrol(&OWNER, &["lead"], &env.engine)), "ok");
    assert_eq!(word(env.engine.revoke(&lead, role.agent, String::new(), at_level(1))), "signature_required");
    env.agree();
}

#[test]
fn a_backup_brings_back_nobody_who_was_revoked_since() {
    let env = TestEnv::trusting(&flow(LEVEL_2));
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &["lead"], &env.engine).unwrap();
    let workspace = env.engine.workspace_id().unwrap();
    let signed = |statement: &Value| OWNER.proof(statement, env.engine.now());
    let backup = env.path("saved");
    env.engine.backend().backup(&backup).unwrap();
    let restore = || {
        let proof = signed(&env.engine.restore_statement(&backup).unwrap());
        env.engine.restore(&OWNER.caller(), &backup, proof).unwrap();
    };
    restore();
    let name = SECOND.caller().agent;
    let sven = || env.engine.approvers().unwrap().0.into_iter().find(|known| known.name == name).unwrap();
    assert!(sven().revoked.is_none(), "nobody revoked him");
    let proof = signed(&phasegate::domain::approver::revocation(&workspace, &name));
    env.engine.revoke(&OWNER.caller(), name.clone(), "left".to_owned(), proof).unwrap();
    restore();
    assert!(sven().revoked.is_some());
    env.agree();
}

#[test]
fn a_gate_for_some_takes_the_signature_of_one_of_them() {
    let env = TestEnv::trusting(&flow("{ approval: { ask: \"Build?\", from: [lead], level: 2 } }"));
    let ana = agent("ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "one"}}));
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &["lead"], &env.engine).unwrap();
    ok(&env, &ana, "request_approval", json!({}));
    assert_eq!(decide(&env.engine, &person("lead"), &[1], 1, yes()), "signature_required", "a name proves nothing");
    assert_eq!(word(OWNER.answer(&env.engine, 1, yes())), "not_an_approver");
    // Who takes `from` out of the row gets an answer into the row, and the gate goes by the workflow.
    env.rewrite("approvals", "id = 1", |approval| drop(approval.as_object_mut().unwrap().remove("from")));
    let engine = env.reopened(&Settings::default());
    assert_eq!(word(OWNER.answer(&engine, 1, yes())), "ok");
    let (_, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(words.contains("signed by olga, and this is for lead"), "{words}");
    let (env, ana) = started("{ approval: { ask: \"Build?\", from: [lead], level: 2 } }");
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &["lead"], &env.engine).unwrap();
    ok(&env, &ana, "request_approval", json!({}));
    assert_eq!(word(SECOND.answer(&env.engine, 1, yes())), "ok");
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["phase"], "build");
}

#[test]
fn approvers_whose_rows_are_gone_or_doubtful_do_not_make_an_unsigned_word_count_again() {
    let doubt = |env: &TestEnv| {
        env.edit("INSERT INTO approvers SELECT 'eve', body FROM approvers");
        env.rewrite("approvers", "name = 'eve'", |eve| {
            eve["name"] = json!("eve");
            eve["key"] = json!("x");
        });
    };
    for tampering in ["DELETE FROM approvers", "one more, of whom nothing is known"] {
        let (env, settings, _) = pinned();
        let bo = agent("bo");
        let yaml =
            flow("{ approval: { ask: \"Build?\", from: [lead], level: 1 } }").replace("name: flow", "name: other");
        env.write("other.yaml", &yaml);
        let (workflow, source) = phasegate::engine::read_workflow(&env.path("other.yaml")).unwrap();
        let statement = env.engine.trust_statement(&workflow, false).unwrap();
        let proof = OWNER.proof(&statement, env.engine.now());
        env.engine.trust(&OWNER.caller(), &workflow, source, false, proof).unwrap();
        ok(&env, &bo, "claim_task", json!({"new": {"title": "two", "workflow": "other"}}));
        ok(&env, &bo, "request_approval", json!({}));
        if tampering.starts_with("DELETE") {
            env.edit(tampering)
        } else {
            doubt(&env)
        }
        let engine = env.reopened(&settings);
        assert_eq!(decide(&engine, &person("lead"), &[2], 1, yes()), "signature_required", "{tampering}");
        let trusted = engine.trust_file(&person("lead"), &env.path("phasegate.yaml"));
        let unsigned = if tampering.starts_with("DELETE") { "bad_signature" } else { "signature_required" };
        assert_eq!(word(trusted), unsigned, "{tampering}");
        let opened = engine.open_bypass(&person("lead"), hole(&["submit_task"], None, 600, at_level(1)));
        assert_eq!(word(opened), unsigned, "{tampering}");
    }
}

#[test]
fn a_signature_of_somebody_who_has_worked_on_it_since_is_no_other_persons() {
    let (env, ana) = started("{ approval: { ask: \"Build?\", not_by: author, level: 2 } }");
    OWNER.enrol_first(&env.engine);
    ok(&env, &ana, "request_approval", json!({}));
    assert_eq!(word(OWNER.answer(&env.engine, 1, yes())), "ok");
    ok(&env, &ana, "update_task", json!({"release": "x"}));
    ok(&env, &agent("olga"), "claim_task", json!({"id": "T-1"}));
    let (_, words) = refused(&env, &agent("olga"), "transition_phase", json!({}));
    assert!(words.contains("answered by olga, an author of the task"), "{words}");
}

#[test]
fn a_call_is_carried_out_by_the_holder_of_its_task_or_a_person_and_by_nobody_else() {
    let (env, ana) = started("");
    ok(&env, &ana, "request_approval", bash("echo $((6*7)); exit 3"));
    ok(&env, &ana, "request_approval", json!({"call": {"tool": "Write", "arguments": {"file_path": "x"}}}));
    for id in [1, 2] {
        assert_eq!(decide(&env.engine, &person("lead"), &[id], 1, yes()), "ok");
    }
    ok(&env, &agent("bo"), "claim_task", json!({"new": {"title": "two"}}));
    assert_eq!(word(env.engine.carry_out(&agent("bo"), ApprovalId(1), &Unwatched)), "not_holder");
    assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(2), &Unwatched)), "approval_closed");
    assert_eq!(word(env.engine.carry_out(&ana, ApprovalId(9), &Unwatched)), "unknown_approval");
    let done = env.engine.carry_out(&ana, ApprovalId(1), &Unwatched).unwrap();
    assert!(!done.well && done.output.contains("42") && done.summary.contains("exit code 3"), "{done:?}");
    assert!(env.kinds().contains(&"CallFailed"));
    match env.engine.carry_out(&person("lead"), ApprovalId(1), &Unwatched) {
        Err(Failure::Refused(refusal)) => assert!(refusal.message.contains("has been used"), "{refusal}"),
        other => panic!("{other:?}"),
    }
    let used = env.engine.approval(ApprovalId(1)).unwrap().unwrap();
    assert!(matches!(used.about, About::Call { .. }));
    assert_eq!(env.engine.call_of(ApprovalId(1)).unwrap().unwrap().digest, used.digest);
    env.agree();
}

#[test]
fn an_answer_of_one_dialog_does_not_reach_a_level_it_cannot_prove() {
    let (env, ana) = started("{ approval: { ask: \"Build?\", level: 2 } }");
    ok(&env, &ana, "request_approval", json!({}));
    for level in [0, 1, 2, 3] {
        let approvals = vec![(ApprovalId(1), None)];
        let answers = DecideApprovals { approvals, answer: yes(), level, via: Via::Dialog };
        assert_eq!(word(env.engine.answer(&person("lead"), answers)), "level_too_low", "{level}");
    }
}

#[test]
fn questions_of_one_batch_that_differ_in_their_words_only_are_all_asked() {
    let (env, ana) = started("{ approval: { ask: \"Build?\" } }");
    let batch = json!({"batch": [{"question": "Red?"}, {"question": "Blue?"}, {"question": "Red?"}]});
    let asked = ok(&env, &ana, "request_approval", batch);
    assert_eq!(
        (&asked["ask"], &asked["batch"][0]["ask"], &asked["batch"][1]["approval"]),
        (&json!("Red?"), &json!("Blue?"), &json!("A-1"))
    );
}
