//! Random work of several agents, against the engine and against a model too simple to be wrong in the same way. A failure
//! prints its seed; `PHASEGATE_MODEL_SEED` repeats one, `PHASEGATE_MODEL_SEEDS` says how many.

mod naive;

use std::collections::BTreeMap;

use phasegate::config::settings::Settings;
use phasegate::domain::facts::Caller;
use phasegate::domain::refusal::Refusal;
use phasegate::domain::task::Task;
use serde_json::{Value, json};

use crate::over_both_stores;
use crate::support::stores::Kind;
use crate::support::{TestEnv, able, person, replay};
use naive::{Naive, Said};

const SEEDS: u64 = 60;
const COMMANDS: usize = 80;
const YAML: &str =
    "version: 1\nname: plain\nphases:\n  work: { allow: [Read, submit_task], next: [done] }\n  done: { end: true }\n";
const WORDS: [&str; 3] = ["db", "ui", "ops"];

/// Marsaglia's xorshift64*: enough for choices, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % bound
    }

    fn of_100(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn some_words(&mut self) -> Vec<&'static str> {
        let mask = if self.of_100(60) { 0 } else { self.below(8) };
        WORDS.into_iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, word)| word).collect()
    }
}

/// One random step: who, what is asked of the engine, and the same asked of the model.
struct Step {
    who: usize,
    tool: &'static str,
    arguments: Value,
}

struct Run {
    env: TestEnv,
    dice: Dice,
    agents: Vec<Caller>,
    naive: Naive,
    /// Every handle given out, in order, as the engine wrote it.
    handles: Vec<String>,
}

impl Run {
    fn new(kind: Kind, seed: u64) -> Self {
        let agents = vec![
            able("ana", &[], 1),
            able("bo", &["db"], 1),
            able("cy", &["db", "ui", "ops"], 2),
            able("di", &["ui"], 3),
            person("lead"),
        ];
        let naive = Naive::new(&agents);
        let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let env = TestEnv::over(kind, Some(YAML), &Settings::default());
        Self { env, dice, agents, naive, handles: Vec::new() }
    }

    fn task(&mut self) -> String {
        let unknown = usize::from(self.dice.of_100(5));
        let most = self.naive.tasks.len().max(1) + unknown;
        format!("T-{}", 1 + self.dice.below(most))
    }

    /// None is a move of the clock.
    fn step(&mut self) -> Option<Step> {
        let who = self.dice.below(self.agents.len());
        let (tool, arguments) = match self.dice.below(100) {
            0..17 => ("submit_task", self.submission()),
            17..45 => ("claim_task", self.claim()),
            45..62 => ("transition_phase", self.aimed(json!({}))),
            62..68 => ("update_task", self.aimed(json!({"progress": "x"}))),
            68..72 => ("update_task", self.aimed(json!({"release": true}))),
            72..77 => {
                let for_good = self.dice.of_100(20);
                ("update_task", self.aimed(json!({"fail": "x", "for_good": for_good})))
            }
            77..81 => ("update_task", json!({"task": self.task(), "blocker": "x"})),
            81..84 => ("update_task", json!({"task": self.task(), "unblock": true})),
            84..88 => {
                let dependents = [Value::Null, json!("cancel"), json!("release")][self.dice.below(3)].clone();
                ("update_task", json!({"task": self.task(), "cancel": "x", "dependents": dependents}))
            }
            88..91 => ("update_task", json!({"task": self.task(), "reopen": "x"})),
            _ => return None,
        };
        Some(Step { who, tool, arguments })
    }

    fn submission(&mut self) -> Value {
        let priority = ["low", "medium", "high", "critical"][self.dice.below(4)];
        let attempts = 1 + self.dice.below(3);
        let mut on: Vec<String> = Vec::new();
        while !self.naive.tasks.is_empty() && self.dice.of_100(40) && on.len() < 3 {
            on.push(self.task());
        }
        json!({"title": "t", "priority": priority, "attempts": attempts, "depends_on": on,
               "capabilities": self.dice.some_words()})
    }

    fn claim(&mut self) -> Value {
        let lease = 5 + self.dice.below(60);
        match self.dice.below(10) {
            0..6 => json!({"lease_seconds": lease}),
            6 => json!({"lease_seconds": lease, "filter": {"priority": "high"}}),
            7 | 8 => json!({"lease_seconds": lease, "id": self.task()}),
            _ => match self.handles.len() {
                0 => json!({"lease_seconds": lease}),
                count => json!({"lease_seconds": lease, "claim": self.handles[self.dice.below(count)]}),
            },
        }
    }

    /// At the only task held, at one by id, or at one by a handle that may be old.
    fn aimed(&mut self, mut arguments: Value) -> Value {
        match self.dice.below(10) {
            0..6 => {}
            6 | 7 => arguments["task"] = json!(self.task()),
            _ if self.handles.is_empty() => {}
            _ => {
                let recent = self.handles.len().min(8);
                let back = self.dice.below(recent);
                arguments["claim"] = json!(self.handles[self.handles.len() - 1 - back]);
            }
        }
        arguments
    }

    fn go(&mut self) {
        for number in 0..COMMANDS {
            match self.step() {
                None => {
                    let seconds = 1 + self.dice.below(40);
                    self.env.clock.advance_seconds(i64::try_from(seconds).unwrap());
                    self.naive.now += u64::try_from(seconds).unwrap();
                    if self.dice.of_100(50) {
                        self.env.engine.sweep().unwrap();
                        self.naive.sweep();
                    }
                }
                Some(step) => {
                    let is = self.env.call(&self.agents[step.who], step.tool, step.arguments.clone());
                    let said = self.naive.call(step.who, step.tool, &step.arguments);
                    self.compare(number, &step, &is, &said);
                }
            }
            self.compare_rows(number);
        }
        self.env.agree();
    }

    fn compare(&mut self, number: usize, step: &Step, is: &Result<Value, Refusal>, said: &Said) {
        let Step { who, tool, arguments } = step;
        let place =
            || format!("command {number}: {} {tool} {arguments}: the engine says {is:?}", self.agents[*who].agent);
        match (is, said) {
            (Ok(reply), Said::Claimed { task, fence }) => {
                assert_eq!(reply["task"], json!(format!("T-{task}")), "{}", place());
                assert_eq!(reply["fence"], json!(fence), "{}", place());
                let handle = reply["claim"].as_str().unwrap().to_owned();
                self.naive.handle(handle.clone(), *task);
                self.handles.push(handle);
            }
            (Ok(_), Said::Done) => {}
            (Err(refusal), Said::Refused(codes)) => {
                assert!(codes.contains(&refusal.code.word()), "{}, the model {codes:?}", place());
            }
            _ => panic!("{}, the model {said:?}", place()),
        }
    }

    fn compare_rows(&self, number: usize) {
        let rows = self.env.engine.view(replay::rows).unwrap();
        let is: BTreeMap<u64, _> = rows.tasks.values().map(|task| (task.id.0, seen(task))).collect();
        let said: BTreeMap<u64, _> = self.naive.tasks.iter().map(|(id, task)| (*id, task.seen())).collect();
        assert_eq!(is, said, "after command {number} the rows (left) are not what the model (right) has");
    }
}

/// What the two have in common: status, holder, fence, failures.
fn seen(task: &Task) -> (String, Option<String>, u64, u32) {
    let holder = task.claim().map(|claim| claim.agent.0.clone());
    (task.status().word().to_owned(), holder, task.fence.0, task.attempts.failed)
}

over_both_stores![random_work_goes_as_the_simple_model_says];

/// Seeds run on two threads; the first that fails is printed with its panic.
fn random_work_goes_as_the_simple_model_says(kind: Kind) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds: Vec<u64> = match number("PHASEGATE_MODEL_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("PHASEGATE_MODEL_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::thread::scope(|scope| {
        let run = || {
            while let Some(seed) = seeds.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                if std::panic::catch_unwind(|| Run::new(kind, *seed).go()).is_err() {
                    return Some(*seed);
                }
            }
            None
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.into_iter().find_map(|thread| thread.join().unwrap())
    });
    if let Some(seed) = failed {
        panic!("seed {seed} fails; repeat it with PHASEGATE_MODEL_SEED={seed}");
    }
}
