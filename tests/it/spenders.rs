//! Many who spend at once, over several tasks under one cap, from three processes of which one is killed in the middle: no cap
//! is exceeded, of money, tokens or calls, in either kind of store; and many who decide on the last of a cap in one moment. What
//! is counted is in `spending.rs`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phasegate::domain::decide::budget::within;
use phasegate::domain::facts::Facts;
use phasegate::domain::ids::{AgentName, TaskId, Time};
use phasegate::domain::spending::{On, Spent, Tokens};
use phasegate::engine::clock::System;
use phasegate::engine::{Engine, Failure};
use phasegate::store::spending::{COUNTED, Charge, lapse, record, reserve};
use phasegate::store::{By, Lock, Redaction};
use serde_json::json;

use crate::support::stores::{self, Kind};
use crate::support::{TestEnv, agent, person};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  work: { next: [done] }\n  done: { end: true }\n";
/// What each wants at a time. A cap holds it thirty-three times, and not once more.
const WISH: Spent = Spent { micro_usd: 30_000, tokens: 3_000, calls: 1 };
const TIMES: u64 = 33;
/// One parent for each kind of cap, with so many tasks below it.
const PARENTS: u64 = 3;
const CHILDREN: u64 = 4;
/// Of the three processes; sixty-four in all.
const SPENDERS: [u64; 3] = [22, 21, 21];

const FOLDER: &str = "PHASEGATE_TEST_SPEND_IN";
const THREADS: &str = "PHASEGATE_TEST_SPENDERS";

fn started(kind: Kind) -> TestEnv {
    let env = TestEnv::over(kind, Some(FLOW), &phasegate::config::settings::Settings::default());
    for budget in [json!({"usd": 1.0}), json!({"tokens": 100_000}), json!({"calls": TIMES})] {
        env.call(&person("lead"), "submit_task", json!({"title": "all of it", "budget": budget})).unwrap();
    }
    for number in 0..PARENTS * CHILDREN {
        let parent = format!("T-{}", number % PARENTS + 1);
        env.call(&person("lead"), "submit_task", json!({"title": "part", "parent": parent})).unwrap();
    }
    env
}

/// The task below a parent that a spender works on.
fn child(parent: u64, spender: u64) -> TaskId {
    TaskId(PARENTS + spender % CHILDREN * PARENTS + parent)
}

fn count(engine: &Engine, task: TaskId, id: String) {
    let on = On { task: Some(task), phase: "work".into(), agent: "a".into(), session: "s".into(), model: "m".into() };
    let tokens = Tokens { output: WISH.tokens, ..Tokens::default() };
    let charge = Charge { id, on, day: "2026-11-21".to_owned(), tokens, micro_usd: WISH.micro_usd, guessed: false };
    let now = engine.now();
    let count = move |tx: &mut dyn phasegate::store::Tx| record(tx, std::slice::from_ref(&charge), now).map(drop);
    engine.backend().write(Lock::named([COUNTED.to_owned()]), Box::new(count)).unwrap();
}

/// Sets aside, spends what it set aside, gives back; until it is refused.
fn spend(engine: &Engine, name: &str, task: TaskId) {
    let who = agent(name);
    for round in 0.. {
        match engine.reserve(&who, task, WISH, engine.now().plus_seconds(600)) {
            Ok(reservation) => {
                count(engine, task, format!("{name}-{round}"));
                assert!(engine.settle(reservation).unwrap());
            }
            Err(Failure::Refused(refusal)) => {
                assert_eq!(refusal.code.word(), "budget_exceeded");
                return;
            }
            Err(Failure::Broken(error)) => panic!("{error}"),
        }
    }
}

/// Not a test: one of the processes of the test below, which runs this binary again.
#[test]
#[ignore = "started by another test"]
fn a_process_that_spends() {
    let (Ok(folder), Ok(threads)) = (std::env::var(FOLDER), std::env::var(THREADS)) else { return };
    let engine = stores::engine(Path::new(&folder), std::sync::Arc::new(System));
    let process = std::process::id();
    std::thread::scope(|scope| {
        for spender in 0..threads.parse::<u64>().unwrap() {
            let engine = &engine;
            let task = child(spender % PARENTS + 1, spender / PARENTS);
            scope.spawn(move || spend(engine, &format!("p{process}-{spender}"), task));
        }
    });
}

fn process(folder: &Path, kind: Kind, threads: u64) -> Child {
    let word = if kind == Kind::Postgres { "postgres" } else { "sqlite" };
    Command::new(std::env::current_exe().unwrap())
        .args(["spenders::a_process_that_spends", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(THREADS, threads.to_string())
        .env("PHASEGATE_TEST_STORE", word)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn spent(env: &TestEnv, parent: u64) -> Spent {
    env.engine.cost(TaskId(parent)).unwrap().unwrap().account.spent
}

fn all() -> Spent {
    Spent { micro_usd: TIMES * WISH.micro_usd, tokens: TIMES * WISH.tokens, calls: TIMES }
}

fn sixty_four_spenders(kind: Kind) {
    let env = started(kind);
    let folder: PathBuf = env.folder.path().to_path_buf();
    let mut processes: Vec<Child> = SPENDERS.iter().map(|threads| process(&folder, kind, *threads)).collect();
    // One dies while all of them spend.
    let began = Instant::now();
    while (1..=PARENTS).map(|parent| spent(&env, parent).calls).sum::<u64>() < 10 {
        assert!(began.elapsed() < Duration::from_secs(120), "nobody spends");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut killed = processes.remove(0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    for parent in 1..=PARENTS {
        let spent = spent(&env, parent);
        assert!(spent.calls <= TIMES, "{kind:?}: T-{parent} is overdrawn: {spent:?}");
    }
    // What the dead process had set aside comes back, and then the rest of each cap can be had, to the last of it.
    let late = Box::new(|tx: &mut dyn phasegate::store::Tx| lapse(tx, Time(i64::MAX / 2)).map(drop));
    env.engine.backend().write(Lock::named([COUNTED.to_owned()]), late).unwrap();
    for parent in 1..=PARENTS {
        spend(&env.engine, &format!("last-{parent}"), child(parent, 0));
        assert_eq!(spent(&env, parent), all(), "{kind:?}: T-{parent}");
        let below: u64 = (0..CHILDREN)
            .map(|number| env.engine.cost(child(parent, number)).unwrap().unwrap().account.spent.calls)
            .sum();
        assert_eq!(below, TIMES, "{kind:?}: what the parts of T-{parent} spent is what it spent");
        let account = env.engine.cost(TaskId(parent)).unwrap().unwrap().account;
        assert_eq!(account.reserved, Spent::default(), "{kind:?}: T-{parent}");
    }
}

/// All decide within the same moment, each for another task: what the first set aside must be there for the second to see.
fn the_last_of_a_cap(kind: Kind) {
    const AT_ONCE: u64 = 16;
    const LEFT: u64 = 4;
    let env = TestEnv::over(kind, Some(FLOW), &phasegate::config::settings::Settings::default());
    env.call(&person("lead"), "submit_task", json!({"title": "all of it", "budget": {"calls": LEFT}})).unwrap();
    for _ in 0..AT_ONCE {
        env.call(&person("lead"), "submit_task", json!({"title": "part", "parent": "T-1"})).unwrap();
    }
    let (now, together) = (env.engine.now(), Barrier::new(usize::try_from(AT_ONCE).unwrap()));
    let wish = Spent { calls: 1, ..Spent::default() };
    let got = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for spender in 0..AT_ONCE {
            let (env, together, got) = (&env, &together, &got);
            scope.spawn(move || {
                let (agent, task) = (AgentName(format!("a{spender}")), TaskId(2 + spender));
                let (role, tool, redaction) = ("operator".into(), "reserve".into(), Redaction::default());
                let by = By { agent, role, tool, at: now, redaction };
                let decide = move |facts: &Facts| {
                    let decided = within(facts, task, wish, now);
                    // Others decide meanwhile, where nothing keeps them from it.
                    std::thread::sleep(Duration::from_millis(10));
                    decided
                };
                together.wait();
                let reserved = reserve(env.engine.backend(), by, task, wish, now.plus_seconds(600), decide).unwrap();
                got.fetch_add(u64::from(reserved.is_ok()), Ordering::Relaxed);
            });
        }
    });
    let account = env.engine.cost(TaskId(1)).unwrap().unwrap().account;
    assert_eq!((got.into_inner(), account.reserved.calls), (LEFT, LEFT), "{kind:?}: {account:?}");
}

#[test]
fn the_last_of_a_cap_is_set_aside_once_though_many_decide_in_the_same_moment_in_a_file() {
    the_last_of_a_cap(Kind::Sqlite);
}

#[test]
fn the_last_of_a_cap_is_set_aside_once_though_many_decide_in_the_same_moment_in_a_database() {
    the_last_of_a_cap(Kind::Postgres);
}

#[test]
fn sixty_four_spenders_under_one_cap_never_exceed_it_though_one_process_is_killed_in_a_file() {
    sixty_four_spenders(Kind::Sqlite);
}

#[test]
fn sixty_four_spenders_under_one_cap_never_exceed_it_though_one_process_is_killed_in_a_database() {
    sixty_four_spenders(Kind::Postgres);
}
