//! What people are shown of a workspace: the board, a task, the graph, the fleet, costs. Drawing them is not here.

use phasegate::domain::command::{Decision, Dependents};
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use phasegate::domain::session::Guard;
use phasegate::domain::task::Status;
use phasegate::domain::view::{Board, Card, Column, CostBy, CostFilter};
use phasegate::engine::spending::{SessionFiles, Working};
use serde_json::{Value, json};

use crate::support::{START, TestEnv, able, agent, person};

const FLOW: &str = r#"
version: 1
name: flow
retry: { attempts: 2 }
phases:
  plan:
    goal: Know what to do.
    allow: [Read, submit_task, list_tasks]
    exit:
      - artifact: plan
      - approval: { ask: "Build it so?" }
    next: [build]
  build:
    allow: [Read, Edit]
    exit: [ { command: ["true"], fresh: false } ]
    next: [done, plan]
  done: { end: true }
"#;

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

fn column<'b>(board: &'b Board, phase: &str) -> &'b Column {
    board.columns.iter().find(|column| column.phase == phase).unwrap_or_else(|| panic!("no column {phase}"))
}

fn ids(column: &Column) -> Vec<u64> {
    column.cards.iter().map(|card| card.row.id.0).collect()
}

fn card(board: &Board, id: u64) -> &Card {
    let mut cards = board.columns.iter().flat_map(|column| &column.cards);
    cards.find(|card| card.row.id.0 == id).unwrap_or_else(|| panic!("no card T-{id}"))
}

/// T-1 is in `plan` with a question that waits, T-2 is done, T-3 is ready, T-4 waits for T-3, T-5 is blocked.
fn at_work() -> (TestEnv, Caller) {
    let env = TestEnv::trusting(FLOW);
    let ana = able("ana", &[], 5);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "second"}}));
    env.clock.advance_seconds(10);
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "as told"}));
    ok(&env, &ana, "request_approval", json!({"gate": "approval"}));
    env.answer(&person("lead"), ApprovalId(1), Decision::Approve { reason: String::new(), choice: None }, 1).unwrap();
    ok(&env, &ana, "transition_phase", json!({}));
    ok(&env, &ana, "transition_phase", json!({"to": "done"}));
    env.clock.advance_seconds(10);
    let tasks = json!({"tasks": [{"ref": "a", "title": "ready"}, {"title": "waits", "depends_on": ["a"]}]});
    ok(&env, &ana, "submit_task", tasks);
    let blocked = ok(&env, &ana, "claim_task", json!({"new": {"title": "blocked"}}));
    ok(&env, &ana, "update_task", json!({"claim": blocked["claim"], "blocker": "no key"}));
    env.clock.advance_seconds(10);
    ok(&env, &ana, "submit_task", json!({"title": "asks", "budget": {"usd": 2.0}}));
    ok(&env, &ana, "claim_task", json!({"id": "T-5"}));
    ok(&env, &ana, "request_approval", json!({"gate": "approval", "reason": "please"}));
    env.agree();
    (env, ana)
}

#[test]
fn an_empty_board_has_the_columns_of_the_default_workflow() {
    let env = TestEnv::trusting(FLOW);
    let board = env.engine.board().unwrap();
    let columns: Vec<(&str, bool)> = board.columns.iter().map(|column| (column.phase.as_str(), column.end)).collect();
    assert_eq!(columns, [("plan", false), ("build", false), ("done", true)]);
    assert_eq!(board.columns[0].goal, "Know what to do.");
    assert!(board.counts.is_empty() && board.blind.is_empty());
    assert_eq!(board.seq, env.engine.newest().unwrap());
}

#[test]
fn the_board_has_each_task_where_it_stands_and_what_is_known_of_it() {
    let (env, _) = at_work();
    let board = env.engine.board().unwrap();
    // Newest activity first.
    assert_eq!(ids(column(&board, "plan")), [5, 4, 3, 2]);
    assert_eq!((ids(column(&board, "build")), ids(column(&board, "done"))), (vec![], vec![1]));
    let counts: Vec<(Status, u64)> = board.counts.iter().map(|(status, count)| (*status, *count)).collect();
    let wanted =
        [(Status::Waiting, 1), (Status::Ready, 1), (Status::Claimed, 1), (Status::Blocked, 1), (Status::Done, 1)];
    assert_eq!(counts, wanted);
    let asks = card(&board, 5);
    assert_eq!(asks.approvals, [ApprovalId(2)]);
    assert_eq!((asks.cap.micro_usd, asks.guard), (Some(2_000_000), Some(Guard::Blind)));
    assert_eq!(asks.last_activity, Some(Time(START.0 + 30_000)));
    assert_eq!((board.waiting.approvals, board.waiting.oldest), (1, Some(Time(START.0 + 30_000))));
    assert_eq!(board.waiting.asks[0].ask, "Build it so?");
    assert_eq!(board.blind, [AgentName("ana".to_owned())]);
    assert_eq!(card(&board, 4).row.blocked_by, ["1: no key"]);
    assert_eq!(card(&board, 3).row.waiting_on, [TaskId(2)].into());
    insta::assert_snapshot!(env.engine.board_text().unwrap());
}

#[test]
fn a_column_shows_what_is_held_before_what_only_waits_and_counts_the_rest() {
    let env = TestEnv::trusting(FLOW);
    let ana = able("ana", &[], 2);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "held"}}));
    env.clock.advance_seconds(60);
    for _ in 0..2 {
        let many: Vec<Value> = (0..40).map(|number| json!({"title": format!("later {number}")})).collect();
        ok(&env, &ana, "submit_task", json!({ "tasks": many }));
    }
    let board = env.engine.board().unwrap();
    let plan = column(&board, "plan");
    assert_eq!((plan.cards.len(), plan.more), (30, 51));
    assert!(ids(plan).contains(&1), "what is held is shown, though it is the oldest");
    assert!(ids(plan).contains(&81) && !ids(plan).contains(&2));
    env.agree();
}

#[test]
fn a_task_of_an_older_version_keeps_its_column() {
    let env = TestEnv::trusting(FLOW);
    ok(&env, &agent("ana"), "submit_task", json!({"tasks": [{"title": "old"}]}));
    env.write(
        "phasegate.yaml",
        &FLOW.replace("plan:\n    goal", "sketch:\n    goal").replace("done, plan", "done, sketch"),
    );
    env.engine.trust_file(&person("ana"), &env.path("phasegate.yaml")).unwrap();
    let board = env.engine.board().unwrap();
    let phases: Vec<&str> = board.columns.iter().map(|column| column.phase.as_str()).collect();
    assert_eq!(phases, ["sketch", "build", "plan", "done"]);
    assert_eq!(ids(column(&board, "plan")), [1]);
}

#[test]
fn what_surrounds_a_task_says_of_each_gate_whether_it_is_met_and_how_to_meet_it() {
    let (env, ana) = at_work();
    assert!(env.engine.surroundings(TaskId(99)).unwrap().is_none());
    let found = env.engine.surroundings(TaskId(5)).unwrap().unwrap();
    let gates: Vec<(&str, bool)> = found.gates.iter().map(|gate| (gate.gate.as_str(), gate.met)).collect();
    assert_eq!(gates, [("artifact:plan", false), ("approval", false)]);
    assert!(found.gates[0].how.as_ref().unwrap().contains("submit_artifact"), "{:?}", found.gates[0]);
    assert!(found.gates[1].how.as_ref().unwrap().contains("phasegate approvals show A-2"), "{:?}", found.gates[1]);
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "so"}));
    let met = env.engine.surroundings(TaskId(5)).unwrap().unwrap().gates.remove(0);
    assert!(met.met && met.why.is_none() && met.output.is_some() && met.at.is_some(), "{met:?}");
    let steps: Vec<(bool, bool)> = found.phases.iter().map(|step| (step.current, step.visited)).collect();
    assert_eq!(steps, [(true, true), (false, false), (false, false)]);
    // The one that went all the way.
    let done = env.engine.surroundings(TaskId(1)).unwrap().unwrap();
    assert!(done.phases.iter().all(|step| step.visited), "{:?}", done.phases);
    let waits: Vec<TaskId> =
        env.engine.surroundings(TaskId(2)).unwrap().unwrap().waits_for_it.iter().map(|row| row.id).collect();
    assert_eq!(waits, [TaskId(3)]);
}

#[test]
fn a_command_that_passed_is_shown_with_what_it_printed() {
    let env = TestEnv::trusting(&FLOW.replace("[\"true\"], fresh: false", "[\"echo\", \"all well\"], fresh: true"));
    let ana = able("ana", &[], 5);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "one"}}));
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": "as told"}));
    ok(&env, &ana, "request_approval", json!({"gate": "approval"}));
    env.answer(&person("lead"), ApprovalId(1), Decision::Approve { reason: String::new(), choice: None }, 1).unwrap();
    ok(&env, &ana, "transition_phase", json!({}));
    let before = env.engine.surroundings(TaskId(1)).unwrap().unwrap().gates.remove(0);
    assert!(!before.met && before.tier.is_none(), "{before:?}");
    env.call(&ana, "transition_phase", json!({"to": "done"})).unwrap();
    // What it printed is named by the record of the run.
    let outputs = env.engine.surroundings(TaskId(1)).unwrap().unwrap();
    assert!(outputs.phases.iter().all(|step| step.visited));
}

#[test]
fn the_graph_has_an_edge_for_each_dependency_and_waves_of_what_can_run_together() {
    let env = TestEnv::trusting(FLOW);
    let ana = agent("ana");
    let tasks = json!({"tasks": [
        {"ref": "a", "title": "a"},
        {"ref": "b", "title": "b", "depends_on": ["a"]},
        {"ref": "c", "title": "c", "depends_on": ["a"]},
        {"ref": "d", "title": "d", "depends_on": ["b", "c"]},
        {"title": "e"},
    ]});
    ok(&env, &ana, "submit_task", tasks);
    let ids = |waves: &[Vec<TaskId>]| -> Vec<Vec<u64>> {
        waves.iter().map(|wave| wave.iter().map(|id| id.0).collect()).collect()
    };
    let graph = env.engine.graph(None).unwrap();
    assert_eq!(ids(&graph.waves), [vec![1, 5], vec![2, 3], vec![4]]);
    assert_eq!((graph.edges.len(), graph.more), (4, false));
    let near = env.engine.graph(Some(TaskId(3))).unwrap();
    assert_eq!(ids(&near.waves), [vec![1], vec![2, 3], vec![4]], "all that hangs together, and nothing else");
    let all: Vec<Value> = (0..200).map(|number| json!({"title": format!("{number}")})).collect();
    for _ in 0..2 {
        ok(&env, &ana, "submit_task", json!({ "tasks": all }));
    }
    let graph = env.engine.graph(None).unwrap();
    assert_eq!((graph.tasks.len(), graph.more), (300, true));
    assert_eq!(graph.edges.len(), 4, "what waits is kept");
}

#[test]
fn the_fleet_says_who_works_what_waits_and_what_is_stalled() {
    let (env, ana) = at_work();
    let fleet = env.engine.fleet().unwrap();
    let row = &fleet.agents[0];
    assert_eq!((row.name.0.as_str(), row.done, row.tasks.as_slice()), ("ana", 1, [TaskId(5)].as_slice()));
    let claimed: u64 = fleet.hours.iter().map(|hour| hour.claimed).sum();
    let done: u64 = fleet.hours.iter().map(|hour| hour.done).sum();
    assert_eq!((fleet.hours.len(), claimed, done), (24, 3, 1));
    assert_eq!(fleet.waiting[0].approval, ApprovalId(2));
    assert_eq!(fleet.stalled.len(), 1, "{:?}", fleet.stalled);
    assert_eq!(fleet.stalled[0].why, "blocked: no key");
    assert_eq!((fleet.bottlenecks[0].phase.as_str(), fleet.bottlenecks[0].tasks), ("plan", 3));
    assert_eq!(fleet.bottlenecks[0].oldest_seconds, 10);
    // The holder is silent for more than half its lease.
    env.clock.advance_seconds(480);
    let stalled = env.engine.fleet().unwrap().stalled;
    assert!(stalled.iter().any(|task| task.task == TaskId(5) && task.why.contains("8 min")), "{stalled:?}");
    let needs = json!({"tasks": [{"title": "on a gpu", "capabilities": ["gpu"]}]});
    ok(&env, &ana, "submit_task", needs);
    let stalled = env.engine.fleet().unwrap().stalled;
    assert!(stalled.iter().any(|task| task.why == "no agent here can do gpu"), "{stalled:?}");
}

#[test]
fn a_task_before_its_last_try_is_stalled_and_a_failed_one_is_still_shown() {
    let env = TestEnv::trusting(FLOW);
    let ana = agent("ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "hard"}}));
    ok(&env, &ana, "update_task", json!({"fail": "no idea"}));
    let stalled = env.engine.fleet().unwrap().stalled;
    assert_eq!(stalled[0].why, "1 of 2 tries have failed; the next is the last");
    ok(&env, &ana, "claim_task", json!({}));
    ok(&env, &ana, "update_task", json!({"fail": "no idea"}));
    let board = env.engine.board().unwrap();
    assert_eq!((card(&board, 1).row.status, card(&board, 1).failed_attempts), (Status::Failed, 2));
    let cancel =
        phasegate::domain::command::Change::Cancel { reason: "enough".to_owned(), dependents: None::<Dependents> };
    env.engine.tend(&person("lead"), TaskId(1), cancel).unwrap();
    let board = env.engine.board().unwrap();
    assert!(board.columns.iter().all(|column| column.cards.is_empty() && column.more == 0));
    env.agree();
}

fn answer(id: &str, model: &str, output: u64) -> String {
    let usage = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": output});
    let message =
        json!({"id": id, "type": "message", "role": "assistant", "model": model, "usage": usage, "content": []});
    let line =
        json!({"isSidechain": false, "message": message, "requestId": "req", "type": "assistant", "sessionId": "s"});
    format!("{line}\n")
}

#[test]
fn costs_are_summed_by_whatever_is_asked_and_compared_with_strong_models() {
    let env = TestEnv::trusting(FLOW);
    let ana = able("ana", &[], 5);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "whole"}}));
    ok(&env, &ana, "submit_task", json!({"tasks": [{"title": "part", "parent": "T-1"}, {"title": "other"}]}));
    let file = env.path("s.jsonl");
    let mut written = String::new();
    let mut read = |task: u64, who: &str, model: &str, output: u64| {
        written.push_str(&answer(&format!("{task}{who}{model}{output}"), model, output));
        std::fs::write(&file, &written).unwrap();
        let files = SessionFiles { client: "claude-code", session: "s", transcript: &file, subagent: None, all: false };
        let working = |_: Option<&str>| Working { agent: agent(who).agent, task: Some(TaskId(task)) };
        env.engine.read_usage(&files, &working).unwrap();
    };
    read(1, "ana", "claude-haiku-5-5", 1000);
    read(2, "bo", "claude-opus-5-5", 1000);
    env.clock.advance_seconds(24 * 60 * 60);
    read(1, "ana", "claude-haiku-5-5", 2000);
    read(3, "ana", "made-up-9", 100);
    let by = |by: &[CostBy]| env.engine.costs_by(&CostFilter { by: by.to_vec(), ..CostFilter::default() }).unwrap();
    let days = by(&[CostBy::Day]);
    let sums: Vec<(Option<&str>, u64)> = days.rows.iter().map(|row| (row.day.as_deref(), row.calls)).collect();
    assert_eq!(sums, [(Some("2026-11-18"), 2), (Some("2026-11-19"), 2)]);
    assert_eq!((days.total.calls, days.total.micro_usd), (4, 26_500));
    assert_eq!(days.total.guessed_micro_usd, 5_000);
    let baseline = days.baseline.unwrap();
    assert_eq!((baseline.model.as_str(), baseline.micro_usd), ("claude-opus-5-5", 85_000));
    assert!(baseline.method.contains("estimate"));
    let models = by(&[CostBy::Model]);
    let names: Vec<&str> = models.rows.iter().filter_map(|row| row.model.as_deref()).collect();
    assert_eq!(names, ["claude-opus-5-5", "made-up-9", "claude-haiku-5-5"], "the dearest first");
    let filter = CostFilter { task: Some(TaskId(1)), since: Some(env.engine.now()), ..CostFilter::default() };
    assert_eq!(env.engine.costs_by(&filter).unwrap().total.calls, 1, "of the task, today");
    let filter = CostFilter { task: Some(TaskId(1)), by: vec![CostBy::Agent], ..CostFilter::default() };
    assert_eq!(env.engine.costs_by(&filter).unwrap().rows.len(), 2, "with everything below it");
    assert_eq!(env.engine.board().unwrap().micro_usd_today, 6_000);
    // Days do not tear apart what a task cost.
    let costs = env.engine.cost(TaskId(1)).unwrap().unwrap().costs;
    assert_eq!(costs.iter().filter(|cost| cost.on.model == "claude-haiku-5-5").count(), 1, "{costs:?}");
    let agents = env.engine.agents().unwrap();
    assert_eq!(agents.iter().find(|row| row.name.0 == "ana").unwrap().micro_usd, 6_500);
}

#[test]
fn auditors_and_other_roles_are_no_agents() {
    let env = TestEnv::trusting(FLOW);
    let auditor = Caller::new("carl", Role::Auditor);
    let _ = env.call(&auditor, "claim_task", json!({}));
    assert!(env.engine.agents().unwrap().iter().all(|row| row.name.0 != "carl"));
}
