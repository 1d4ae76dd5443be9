//! Many who claim at once in one process, where what they ask and commit is shared: of every kind that may not be given the
//! same row, or may not be believed what was read for it before another wrote. Claims by many processes are in `history.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Barrier, Mutex};

use phasegate::config::settings::Settings;
use phasegate::domain::facts::Caller;
use serde_json::{Value, json};

use crate::over_both_stores;
use crate::support::stores::Kind;
use crate::support::{TestEnv, able, agent, person};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  work: { next: [done] }\n  done: { end: true }\n";
const THREADS: usize = 16;
const TASKS: usize = 120;

fn submit(env: &TestEnv) {
    let task = |number: usize| {
        let mut task =
            json!({ "title": format!("task {number}"), "priority": (["low", "medium", "high"])[number % 3] });
        if number.is_multiple_of(4) {
            task["capabilities"] = json!(["docker"]);
        }
        if number.is_multiple_of(5) {
            task["type"] = json!("bug");
        }
        task
    };
    let tasks: Vec<Value> = (0..TASKS).map(task).collect();
    for some in tasks.chunks(40) {
        env.call(&person("lead"), "submit_task", json!({ "tasks": some })).unwrap();
    }
}

/// Who claims in a thread, and for what: most are alike, some may hold several, two go by one name.
fn caller(thread: usize) -> (Caller, Value) {
    let name = format!("agent-{}", if thread == 15 { 14 } else { thread });
    match thread % 8 {
        1 => (able(&name, &["docker"], 3), json!({})),
        2 => (able(&name, &[], 2), json!({})),
        3 => (agent(&name), json!({ "filter": { "type": "bug" } })),
        4 => (agent(&name), json!({ "filter": { "priority": "high" } })),
        _ => (agent(&name), json!({})),
    }
}

/// Everyone claims so often at the same time; who was told to hold which task, under which fence.
fn claimed(env: &TestEnv, times: usize) -> Vec<(String, String, u64)> {
    let (start, told) = (Barrier::new(THREADS), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (start, told) = (&start, &told);
            scope.spawn(move || {
                let (who, wanted) = caller(thread);
                start.wait();
                for _ in 0..times {
                    match env.call(&who, "claim_task", wanted.clone()) {
                        Ok(brief) => {
                            let task = brief["task"].as_str().unwrap().to_owned();
                            let fence = brief["fence"].as_u64().unwrap();
                            told.lock().unwrap().push((who.agent.0.clone(), task, fence));
                        }
                        Err(refusal) => assert!(
                            ["nothing_ready", "claim_limit"].contains(&refusal.code.word()),
                            "{}: {}",
                            who.agent,
                            refusal.message
                        ),
                    }
                }
            });
        }
    });
    told.into_inner().unwrap()
}

/// A task has one holder under one fence, and a holder no more than it may.
fn is_sound(told: &[(String, String, u64)], fence: u64) {
    let mut holders: BTreeMap<&str, BTreeSet<(&str, u64)>> = BTreeMap::new();
    let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (who, task, fence) in told {
        holders.entry(task).or_default().insert((who, *fence));
        held.entry(who).or_default().insert(task);
    }
    for (task, holders) in holders {
        assert_eq!(holders.len(), 1, "{task} is held by {holders:?}");
        assert!(holders.iter().all(|(_, held)| *held == fence), "{task}: {holders:?}");
    }
    for thread in 0..THREADS {
        let (who, _) = caller(thread);
        let held = held.get(who.agent.0.as_str()).map_or(0, BTreeSet::len);
        assert_eq!(held, who.claims as usize, "{}", who.agent);
    }
}

fn nobody_is_given_what_another_has(kind: Kind) {
    let env = TestEnv::over(kind, Some(FLOW), &Settings::default());
    submit(&env);
    is_sound(&claimed(&env, 4), 1);
    env.agree();
}

/// Half of them claim under another name each time, and take over what has lapsed; the others may find that theirs was taken.
fn what_has_lapsed_has_one_new_holder(kind: Kind) {
    let env = TestEnv::over(kind, Some(FLOW), &Settings::default());
    let tasks: Vec<Value> = (0..THREADS + 4).map(|number| json!({ "title": format!("task {number}") })).collect();
    env.call(&person("lead"), "submit_task", json!({ "tasks": tasks })).unwrap();
    for round in 0..5 {
        let (start, told) = (Barrier::new(THREADS), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (env, told, start) = (&env, &told, &start);
                scope.spawn(move || {
                    let who = agent(&format!("agent-{thread}-{}", if thread % 2 == 0 { 0 } else { round }));
                    start.wait();
                    // Whoever finds the first that has lapsed in another's hands finds nothing, and asks again.
                    let task = (0..1000).find_map(|_| env.call(&who, "claim_task", json!({ "lease_seconds": 5 })).ok());
                    told.lock().unwrap().push(task.map(|brief| brief["task"].as_str().unwrap().to_owned()));
                });
            }
        });
        let told = told.into_inner().unwrap();
        let tasks: BTreeSet<&String> = told.iter().flatten().collect();
        assert_eq!(tasks.len(), THREADS, "round {round}: {told:?}");
        env.clock.advance_seconds(6);
    }
    env.agree();
}

over_both_stores!(nobody_is_given_what_another_has, what_has_lapsed_has_one_new_holder);
