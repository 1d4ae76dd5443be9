//! What work costs, from a transcript to a refusal: counted once, held over the tree of tasks, never overdrawn by many at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use phasegate::domain::command::ChangeBudget;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::TaskId;
use phasegate::domain::refusal::Refusal;
use phasegate::domain::spending::{LimitKind, Spent};
use phasegate::domain::workflow::Budget;
use phasegate::engine::clock::System;
use phasegate::engine::spending::{NewUsage, SessionFiles, Working};
use phasegate::engine::{Engine, Failure};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{TestEnv, able, agent, at_a_terminal, person};

const FLOW: &str = "version: 1\nname: flow\nbudget: { usd: 1.00 }\nphases:\n  work:\n    allow: [submit_task, list_tasks, route_model]\n    exit: [ { budget: within } ]\n    next: [done]\n  done: { end: true }\n";

pub fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

pub fn refused(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Refusal {
    match env.call(who, tool, arguments.clone()) {
        Ok(reply) => panic!("{tool} {arguments} was not refused: {reply}"),
        Err(refusal) => refusal,
    }
}

/// A line of Claude Code: an answer of Opus with so many tokens of output, at 20 micro-dollars each.
pub fn answer(id: &str, output: u64) -> String {
    format!(
        "{{\"isSidechain\":false,\"message\":{{\"id\":\"{id}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-5-5\",\
         \"usage\":{{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":{output}}},\
         \"content\":[]}},\"requestId\":\"req\",\"type\":\"assistant\",\"sessionId\":\"s\"}}\n"
    )
}

pub struct Session {
    transcript: PathBuf,
}

impl Session {
    pub fn of(env: &TestEnv) -> Self {
        Self { transcript: env.path("home/s.jsonl") }
    }

    pub fn add(&self, lines: &[String]) {
        add(&self.transcript, lines);
    }

    /// By one of several servers.
    pub fn read_by(&self, engine: &Engine, task: u64) -> NewUsage {
        let files = SessionFiles {
            client: "claude-code",
            session: "s",
            transcript: &self.transcript,
            subagent: None,
            all: false,
        };
        let working = |_: Option<&str>| Working { agent: agent("ana").agent, task: Some(TaskId(task)) };
        engine.read_usage(&files, &working).unwrap()
    }

    fn read_for(
        &self,
        env: &TestEnv,
        subagent: Option<&str>,
        all: bool,
        task: impl Fn(Option<&str>) -> u64,
    ) -> NewUsage {
        let files = SessionFiles { client: "claude-code", session: "s", transcript: &self.transcript, subagent, all };
        let working = |sub: Option<&str>| Working {
            agent: agent(sub.unwrap_or("ana")).agent,
            task: Some(task(sub)).filter(|task| *task > 0).map(TaskId),
        };
        env.engine.read_usage(&files, &working).unwrap()
    }

    pub fn read(&self, env: &TestEnv, task: u64) -> u64 {
        self.read_for(env, None, false, |_| task).spent.micro_usd
    }
}

fn add(path: &Path, lines: &[String]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
}

fn spent(env: &TestEnv, task: u64) -> u64 {
    env.engine.cost(TaskId(task)).unwrap().unwrap().account.spent.micro_usd
}

/// A workspace under a cap of one dollar, its task T-1 claimed by `ana`.
fn started() -> (TestEnv, Caller) {
    let env = TestEnv::trusting(FLOW);
    let ana = able("ana", &[], 3);
    ok(&env, &ana, "claim_task", json!({"new": {"title": "all of it"}}));
    (env, ana)
}

#[test]
fn an_answer_is_counted_once_however_often_it_is_met() {
    let (env, _) = started();
    let session = Session::of(&env);
    assert_eq!(session.read(&env, 1), 0, "there is no transcript yet");
    session.add(&[answer("a", 100), answer("a", 1000), answer("b", 500)]);
    assert_eq!(session.read(&env, 1), 30_000);
    assert_eq!(session.read(&env, 1), 0, "nothing is new");
    session.add(&[answer("b", 700)]);
    assert_eq!(session.read(&env, 1), 4_000, "only what it grew by");
    let line = answer("c", 100);
    let (start, rest) = line.split_at(80);
    session.add(&[start.to_owned()]);
    assert_eq!(session.read(&env, 1), 0, "half a line");
    session.add(&[rest.to_owned()]);
    assert_eq!(session.read(&env, 1), 2_000);
    // A fork is another file that begins with the same answers.
    let fork = Session { transcript: env.path("home/fork.jsonl") };
    fork.add(&[answer("a", 1000), answer("b", 700), answer("d", 50)]);
    assert_eq!(fork.read(&env, 1), 1_000);
    assert_eq!(spent(&env, 1), 37_000);
    env.agree();
}

#[test]
fn a_transcript_that_was_cut_or_replaced_is_read_anew() {
    let (env, _) = started();
    let session = Session::of(&env);
    session.add(&[answer("a", 100), answer("b", 100)]);
    assert_eq!(session.read(&env, 1), 4_000);
    std::fs::write(&session.transcript, answer("x", 100)).unwrap();
    assert_eq!(session.read(&env, 1), 2_000, "shorter than it was");
    let longer = [answer("y", 100), answer("x", 100), answer("z", 100), answer("z2", 100)].concat();
    std::fs::write(&session.transcript, longer).unwrap();
    assert_eq!(session.read(&env, 1), 6_000, "longer, but not a continuation; x was counted before");
}

#[test]
fn subagents_spend_for_the_tasks_they_hold() {
    let (env, ana) = started();
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1"}));
    let session = Session::of(&env);
    session.add(&[answer("a", 100)]);
    add(&env.path("home/s/subagents/agent-sub1.jsonl"), &[answer("b", 200)]);
    add(&env.path("home/s/subagents/agent-sub2.jsonl"), &[answer("c", 400)]);
    let task = |sub: Option<&str>| if sub == Some("sub1") { 2 } else { 1 };
    assert_eq!(session.read_for(&env, Some("sub1"), false, task).spent.micro_usd, 6_000, "its own and the main thread");
    assert_eq!(session.read_for(&env, None, true, task).spent.micro_usd, 8_000, "the rest");
    assert_eq!((spent(&env, 1), spent(&env, 2)), (14_000, 4_000), "a task has what is below it, too");
    let by: Vec<(String, u64)> = env
        .engine
        .cost(TaskId(1))
        .unwrap()
        .unwrap()
        .costs
        .iter()
        .map(|cost| (format!("{} {} {}", cost.on.task.unwrap(), cost.on.agent, cost.on.phase), cost.micro_usd))
        .collect();
    let rows = [("T-1 ana work", 2_000), ("T-1 sub2 work", 8_000), ("T-2 sub1 work", 4_000)];
    assert_eq!(by, rows.map(|(name, usd)| (name.to_owned(), usd)));
}

#[test]
fn a_limit_of_the_service_is_told() {
    let (env, _) = started();
    let session = Session::of(&env);
    let limit = "{\"type\":\"assistant\",\"message\":{\"id\":\"u\",\"model\":\"<synthetic>\",\"usage\":{\"input_tokens\":0},\"content\":[{\"type\":\"text\",\"text\":\"Claude AI usage limit reached|1795241449\"}]},\"isApiErrorMessage\":true,\"apiErrorStatus\":429}\n";
    session.add(&[answer("a", 100), limit.to_owned()]);
    let limit = session.read_for(&env, None, false, |_| 1).limit.unwrap();
    assert_eq!((limit.kind, limit.resets_at), (LimitKind::UsedUp, Some(1_795_241_449)));
}

#[test]
fn a_budget_that_is_used_up_refuses_work_but_not_its_end() {
    let (env, ana) = started();
    let session = Session::of(&env);
    session.add(&[answer("a", 49_999)]);
    session.read(&env, 1);
    ok(&env, &ana, "route_model", json!({}));
    assert_eq!(ok(&env, &ana, "claim_task", json!({"id": "T-1"}))["budget_left"]["usd"], json!(0.00002));
    session.add(&[answer("b", 1000)]);
    session.read(&env, 1);
    for (tool, arguments) in
        [("route_model", json!({})), ("list_tasks", json!({})), ("submit_task", json!({"title": "more"}))]
    {
        let refusal = refused(&env, &ana, tool, arguments);
        assert_eq!(refusal.code.word(), "budget_exceeded", "{tool}: {refusal}");
        assert!(refusal.message.contains("the budget of T-1 is $1.00: $1.0200 spent"), "{refusal}");
        assert!(refusal.hint.contains("phasegate tasks budget T-1 --usd 2.00"), "{refusal}");
    }
    let unmet = refused(&env, &ana, "transition_phase", json!({}));
    assert!(unmet.message.contains("the budget of T-1 is $1.00: $1.0200 spent"), "{unmet}");
    ok(&env, &ana, "update_task", json!({"progress": "as far as it goes"}));
    ok(&env, &ana, "query_audit", json!({}));
    ok(&env, &ana, "claim_task", json!({"id": "T-1"}));

    raise(&env, &person("lead"), 1, 2.0).unwrap();
    ok(&env, &ana, "route_model", json!({}));
    assert_eq!(ok(&env, &ana, "transition_phase", json!({}))["status"], "done");
    assert!(env.kinds().contains(&"BudgetChanged"), "{:?}", env.kinds());
    env.agree();
}

pub fn raise(env: &TestEnv, who: &Caller, task: u64, usd: f64) -> Result<(), Failure> {
    let budget = Budget { usd: Some(usd), ..Budget::default() };
    let change = ChangeBudget { task: TaskId(task), budget, reason: "more to do".to_owned(), proof: at_a_terminal() };
    env.engine.change_budget(who, change).map(drop)
}

#[test]
fn only_a_person_raises_a_cap_and_to_a_sound_amount() {
    let (env, ana) = started();
    let code = |result: Result<(), Failure>| match result {
        Err(Failure::Refused(refusal)) => refusal.code.word(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(raise(&env, &ana, 1, 5.0)), "role_required");
    assert_eq!(code(raise(&env, &person("lead"), 1, 0.0)), "bad_arguments");
    assert_eq!(code(raise(&env, &person("lead"), 1, f64::NAN)), "bad_arguments");
    assert_eq!(code(raise(&env, &person("lead"), 9, 5.0)), "unknown_task");
    raise(&env, &person("lead"), 1, 5.0).unwrap();
    let cost = env.engine.cost(TaskId(1)).unwrap().unwrap();
    assert_eq!(cost.caps.usd, Some(5.0));
}

#[test]
fn a_task_whose_cap_nothing_fits_under_is_not_taken_in() {
    let (env, ana) = started();
    for budget in [json!({"usd": 0}), json!({"usd": 1e-9}), json!({"usd": 5, "calls": 0}), json!({"minutes": 0})] {
        let refusal = refused(&env, &ana, "submit_task", json!({"title": "tiny", "budget": budget}));
        assert_eq!(refusal.code.word(), "bad_arguments", "{budget}: {refusal}");
        assert!(refusal.message.starts_with("the budget of `tiny`: a cap is above 0"), "{budget}: {refusal}");
    }
    ok(&env, &ana, "submit_task", json!({"title": "tiny", "budget": {"usd": 0.000_001, "calls": 1}}));
}

#[test]
fn a_task_is_held_to_the_budget_of_what_it_is_a_part_of() {
    let (env, ana) = started();
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1", "budget": {"usd": 50}}));
    ok(&env, &ana, "submit_task", json!({"title": "part of it", "parent": "T-2"}));
    ok(&env, &ana, "submit_task", json!({"title": "another"}));
    let session = Session::of(&env);
    session.add(&[answer("a", 60_000)]);
    session.read(&env, 3);
    let refusal = refused(&env, &agent("bo"), "claim_task", json!({"id": "T-3"}));
    assert_eq!(refusal.code.word(), "budget_exceeded");
    assert!(refusal.message.contains("the budget of T-1 is $1.00: $1.20 spent, which T-3 is a part of"), "{refusal}");
    let next = ok(&env, &agent("bo"), "claim_task", json!({}));
    assert_eq!(next["task"], "T-4", "what its budget keeps back does not keep others waiting");
    let refusal = refused(&env, &agent("cy"), "claim_task", json!({}));
    assert_eq!(refusal.code.word(), "budget_exceeded", "{refusal}");
    assert!(!refusal.hint.contains("release") && refusal.hint.contains("claim_task {\"new\""), "{refusal}");
    raise(&env, &person("lead"), 1, 2.0).unwrap();
    assert_eq!(ok(&env, &agent("cy"), "claim_task", json!({}))["task"], "T-2");
}

#[test]
fn work_that_only_warns_goes_on_and_says_so() {
    let env = TestEnv::trusting(&FLOW.replacen("budget:", "enforcement: warn\nbudget:", 1));
    let ana = agent("ana");
    ok(&env, &ana, "claim_task", json!({"new": {"title": "all of it"}}));
    let session = Session::of(&env);
    session.add(&[answer("a", 60_000)]);
    session.read(&env, 1);
    let note = ok(&env, &ana, "submit_task", json!({"title": "more"}))["note"].clone();
    assert!(note.as_str().unwrap().contains("the budget of T-1 is $1.00: $1.20 spent"), "{note}");
}

fn dollars(cents: u64) -> Spent {
    Spent { micro_usd: cents * 10_000, ..Spent::default() }
}

#[test]
fn what_is_set_aside_counts_until_it_is_settled_or_its_holder_is_gone() {
    let (env, ana) = started();
    let soon = env.engine.now().plus_seconds(60);
    let reserve = |cents: u64| env.engine.reserve(&ana, TaskId(1), dollars(cents), soon);
    let first = reserve(60).unwrap();
    let Err(Failure::Refused(refusal)) = reserve(50) else { panic!("a dollar was overdrawn") };
    assert!(refusal.message.contains("$1.00: $0.00 spent, $0.60 set aside, and $0.50 more is asked for"), "{refusal}");
    reserve(40).unwrap();
    assert!(env.engine.settle(first).unwrap());
    assert!(!env.engine.settle(first).unwrap(), "it is given back once");
    reserve(60).unwrap();
    assert!(reserve(1).is_err());
    env.clock.advance_seconds(61);
    env.engine.sweep().unwrap();
    let account = env.engine.cost(TaskId(1)).unwrap().unwrap().account;
    assert_eq!(account.reserved, Spent::default(), "nobody was heard of for a minute");
    let later = env.engine.now().plus_seconds(60);
    env.engine.reserve(&ana, TaskId(1), dollars(100), later).unwrap();
}

#[test]
fn sixty_four_threads_at_once_do_not_overdraw_a_cap() {
    let (env, _) = started();
    let until = env.engine.now().plus_seconds(600);
    let (barrier, granted) = (Barrier::new(64), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (env, barrier, granted) = (&env, &barrier, &granted);
            // Each for itself: the commands of one agent come one after the other anyway.
            let who = agent(&format!("ana-{number}"));
            scope.spawn(move || {
                barrier.wait();
                if env.engine.reserve(&who, TaskId(1), dollars(3), until).is_ok() {
                    granted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(granted.into_inner(), 33, "a dollar holds thirty-three times three cents");
    assert_eq!(env.engine.cost(TaskId(1)).unwrap().unwrap().account.reserved, dollars(99));
}

const STORE: &str = "PHASEGATE_TEST_RESERVE_IN";

/// Not a test: one of the processes of the test below, which runs this binary again.
#[test]
#[ignore = "started by another test"]
fn a_process_that_reserves() {
    let Ok(folder) = std::env::var(STORE) else { return };
    let folder = PathBuf::from(folder);
    let engine: Engine = stores::engine(&folder, std::sync::Arc::new(System));
    let until = engine.now().plus_seconds(600);
    let who = agent(&format!("ana-{}", std::process::id()));
    let granted = (0..20).filter(|_| engine.reserve(&who, TaskId(1), dollars(3), until).is_ok()).count();
    std::fs::write(folder.join(format!("granted-{}", std::process::id())), granted.to_string()).unwrap();
}

#[test]
fn eight_processes_at_once_do_not_overdraw_a_cap() {
    let (env, _) = started();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["spending::a_process_that_reserves", "--exact", "--ignored"])
            .env(STORE, env.folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let granted: Vec<u64> = std::fs::read_dir(env.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("granted-"))
        .map(|path| std::fs::read_to_string(path).unwrap().parse().unwrap())
        .collect();
    assert_eq!(granted.len(), 8, "each process came to its end");
    assert_eq!(granted.iter().sum::<u64>(), 33, "{granted:?}");
}

/// What may happen to the money of a chain of three tasks, each with a cap of its own.
#[derive(Clone, Debug)]
enum Step {
    Spend { task: usize, cents: u64 },
    Reserve { task: usize, cents: u64 },
    Settle { which: usize },
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 1..30_u64).prop_map(|(task, cents)| Step::Spend { task, cents }),
        (0..3_usize, 1..60_u64).prop_map(|(task, cents)| Step::Reserve { task, cents }),
        (0..3_usize, 1..60_u64).prop_map(|(task, cents)| Step::Reserve { task, cents }),
        (0..8_usize).prop_map(|which| Step::Settle { which }),
        Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accounts_are_what_a_plain_reckoning_says(steps in prop::collection::vec(step(), 1..40)) {
        const CAPS: [u64; 3] = [100, 80, 50];
        let (env, ana) = started();
        ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1", "budget": {"usd": 0.8}}));
        ok(&env, &ana, "submit_task", json!({"title": "part of it", "parent": "T-2", "budget": {"usd": 0.5}}));
        let session = Session::of(&env);
        let mut spent = [0_u64; 3];
        let mut open: Vec<(u64, usize, u64)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Spend { task, cents } => {
                    session.add(&[answer(&format!("m{number}"), cents * 500)]);
                    session.read(&env, task as u64 + 1);
                    spent.iter_mut().take(task + 1).for_each(|sum| *sum += cents);
                }
                Step::Reserve { task, cents } => {
                    let aside = |part: usize| open.iter().filter(|(_, at, _)| *at >= part).map(|(_, _, cents)| cents).sum::<u64>();
                    let fits = (0..=task).all(|part| spent[part] + aside(part) + cents <= CAPS[part]);
                    let until = env.engine.now().plus_seconds(60);
                    match env.engine.reserve(&ana, TaskId(task as u64 + 1), dollars(cents), until) {
                        Ok(id) => {
                            prop_assert!(fits, "step {number} was let in");
                            open.push((id, task, cents));
                        }
                        Err(refusal) => prop_assert!(!fits, "step {number}: {refusal:?}"),
                    }
                }
                Step::Settle { which } => {
                    if which < open.len() {
                        prop_assert!(env.engine.settle(open.swap_remove(which).0).unwrap());
                    }
                }
                Step::Wait => {
                    env.clock.advance_seconds(61);
                    env.engine.sweep().unwrap();
                    open.clear();
                }
            }
            for (part, spent) in spent.iter().enumerate() {
                let aside: u64 = open.iter().filter(|(_, at, _)| *at >= part).map(|(_, _, cents)| cents).sum();
                let account = env.engine.cost(TaskId(part as u64 + 1)).unwrap().unwrap().account;
                prop_assert_eq!(account.spent.micro_usd, spent * 10_000);
                prop_assert_eq!(account.reserved.micro_usd, aside * 10_000);
            }
        }
    }
}

#[test]
fn what_a_person_sees_of_the_cost() {
    let (env, ana) = started();
    ok(&env, &ana, "submit_task", json!({"title": "part", "parent": "T-1"}));
    let session = Session::of(&env);
    session.add(&[answer("a", 1000), answer("b", 1000).replace("claude-opus-5-5", "made-up-9")]);
    session.read(&env, 1);
    session.add(&[answer("c", 2500)]);
    session.read(&env, 2);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.arg("--workspace").arg(env.folder.path()).args(arguments).env_clear();
        let done = stores::tell(&mut command, env.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", env.folder.path())
            .env("USER", "lead")
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let minutes = |text: String| {
        text.split(" minutes")
            .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()))
            .collect::<Vec<_>>()
            .join("# minutes")
    };
    insta::assert_snapshot!(minutes(run(&["tasks", "cost", "T-1"])));
    let value: Value = serde_json::from_str(&run(&["tasks", "cost", "T-1", "--json"])).unwrap();
    assert_eq!(value["account"]["spent"], json!({"micro_usd": 120_000, "tokens": 4500, "calls": 3}));
    assert_eq!(value["by"]["task"]["T-2"], json!({"micro_usd": 50_000, "tokens": 2500, "calls": 1}));
    assert_eq!(value["by"]["model"]["made-up-9"]["micro_usd"], 50_000);
    assert!(run(&["tasks", "show", "T-1"]).contains("$0.12 of $1.00"));
    assert!(run(&["board"]).contains("$0.12"));
    let board: Value = serde_json::from_str(&run(&["board", "--json"])).unwrap();
    let cards = board["columns"].as_array().unwrap().iter().flat_map(|column| column["cards"].as_array().unwrap());
    let second: Vec<&Value> = cards.filter(|card| card["id"] == "T-2").collect();
    assert_eq!(second[0]["account"]["spent"]["micro_usd"], 50_000, "{board}");
    let raised = run(&["tasks", "budget", "T-1", "--usd", "5", "--reason", "worth it", "--yes"]);
    assert!(raised.contains("of $5.00"), "{raised}");
    env.agree();
}
