//! The same work over both stores, at the same times by the same clock: what callers are answered, what stands in the record
//! and what people are shown is the same, letter for letter. Which store is right is said elsewhere.

use phasegate::config::settings::Settings;
use phasegate::domain::command::Decision;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{ApprovalId, TaskId};
use phasegate::domain::query::ApprovalFilter;
use phasegate::domain::view::{CostBy, CostFilter};
use phasegate::store::{Ask, Lasts, Lock, Param, Tx};
use serde_json::{Value, json};

use crate::support::keys::Key;
use crate::support::stores::{self, Kind};
use crate::support::{TestEnv, able, agent, person, replay, rows};

const FLOW: &str = "version: 1\nname: flow\nretry: { attempts: 2 }\nbudget: { usd: 5.00 }\nphases:\n  plan:\n    allow: [Read, submit_task, list_tasks, query_audit]\n    exit:\n      - artifact: plan\n      - approval: { ask: \"Build it so?\", within: 1h }\n    next: [build]\n  build:\n    allow: [Read, Edit]\n    next: [done, plan]\n  done: { end: true }\n";

/// Words that one alphabet sorts otherwise than another, and that a pattern could take for its own.
const WORDS: [&str; 14] =
    ["Zebra", "apple", "Ärger", "äpfel", "_under", "a-b", "a b", "ab", "AB", "100%", "x_y", "xzy", "ß", "日本"];

/// What was asked and answered so far, in a store of one kind.
struct Told {
    env: TestEnv,
    lines: Vec<String>,
}

impl Told {
    fn over(kind: Kind) -> Self {
        Self { env: TestEnv::over(kind, Some(FLOW), &Settings::default()), lines: Vec::new() }
    }

    fn call(&mut self, who: &Caller, tool: &str, arguments: Value) -> Value {
        let said = match self.env.call(who, tool, arguments.clone()) {
            Ok(reply) => reply,
            Err(refusal) => json!({ "code": refusal.code.word(), "message": refusal.message, "hint": refusal.hint }),
        };
        self.lines.push(format!("{} {tool} {arguments}: {said}", who.agent));
        said
    }

    fn shown(&mut self, what: &str, shown: impl std::fmt::Debug) {
        self.lines.push(format!("{what}: {shown:#?}"));
    }

    /// Everything that is looked at, and every record.
    fn look(&mut self) {
        let lead = Caller { role: Role::Auditor, ..agent("auditor") };
        for status in ["waiting", "ready", "claimed", "blocked", "done", "failed", "cancelled"] {
            self.call(&lead, "list_tasks", json!({ "status": status, "limit": 50 }));
        }
        for word in WORDS {
            self.call(&lead, "list_tasks", json!({ "labels": [word], "limit": 50 }));
            self.call(&lead, "list_tasks", json!({ "type": word }));
            self.call(&lead, "query_audit", json!({ "text": word }));
            self.call(&lead, "query_audit", json!({ "agent": word }));
        }
        for filter in
            [json!({}), json!({ "kind": "TaskClaimed" }), json!({ "task": "T-1" }), json!({ "verdict": "refused" })]
        {
            self.call(&lead, "query_audit", filter);
        }
        let engine = std::sync::Arc::clone(&self.env.engine);
        self.shown("board", engine.board().unwrap());
        self.shown("fleet", engine.fleet().unwrap());
        self.shown("agents", engine.agents().unwrap());
        self.shown("graph", engine.graph(None).unwrap());
        self.shown("counts", engine.status_counts().unwrap());
        self.shown(
            "approvals",
            engine.approvals(&ApprovalFilter { pending_only: false, id: None, limit: 50 }).unwrap(),
        );
        self.shown("approvers", engine.approvers().unwrap());
        self.shown("workflows", engine.workflows().unwrap());
        let by = vec![CostBy::Agent];
        let filter = CostFilter { by, since: None, until: None, task: Some(TaskId(1)), agent: None };
        self.shown("costs", engine.costs_by(&filter).unwrap());
        for id in 1..=6 {
            self.shown("task", engine.task_view(TaskId(id)).unwrap());
            self.shown("around", engine.surroundings(TaskId(id)).unwrap());
        }
        self.env.agree();
        let records = replay::records(engine.backend()).unwrap();
        self.lines.extend(records.iter().map(|record| format!("{record:?}")));
        self.lines.extend(rows::all(engine.backend()).unwrap());
    }
}

fn names_and_labels(told: &mut Told) {
    let lead = person("lead");
    for word in WORDS {
        told.call(
            &lead,
            "submit_task",
            json!({ "title": word, "labels": [word, "all"], "type": word, "capabilities": [word] }),
        );
    }
    told.call(&lead, "submit_task", json!({ "title": "nothing needed", "priority": "high" }));
    // Able to do everything: which comes first must not hang on an alphabet.
    for round in 0..WORDS.len() + 2 {
        let all = able(&format!("agent {}", WORDS[round % WORDS.len()]), &WORDS, 1);
        told.call(&all, "claim_task", json!({ "lease_seconds": 60 }));
    }
    for word in ["Ärger", "apple", "zoe", "Zoe", "_a"] {
        let yaml = FLOW.replace("name: flow", &format!("name: {}", word.to_lowercase().replace('ä', "ae")));
        told.env.write("other.yaml", &yaml);
        let trusted = told.env.engine.trust_file(&lead, &told.env.path("other.yaml")).map(|(name, ..)| name);
        told.shown("trusted", trusted.map_err(|failure| failure.to_string()));
    }
}

/// Many whose time is up in the same moment.
fn ties(told: &mut Told) {
    let lead = person("lead");
    let tasks: Vec<Value> = (0..12).map(|number| json!({ "title": format!("t{number}") })).collect();
    told.call(&lead, "submit_task", json!({ "tasks": tasks }));
    for name in ["c", "B", "a", "ä", "Z", "d"] {
        told.call(&agent(name), "claim_task", json!({ "lease_seconds": 5 }));
        told.call(&agent(name), "request_approval", json!({ "gate": "approval", "reason": name }));
    }
    told.env.clock.advance_seconds(5);
    told.env.engine.sweep().unwrap();
    told.look();
    told.env.clock.advance_seconds(3600);
    told.env.engine.sweep().unwrap();
}

fn a_task_from_end_to_end(told: &mut Told) {
    const OWNER: Key = Key::new("Olga", 1);
    let (ana, lead) = (able("ana", &["db"], 2), person("lead"));
    let graph = json!({"tasks": [
        {"title": "a", "ref": "a", "labels": ["x", "y"], "capabilities": ["db"], "priority": "high"},
        {"title": "b", "ref": "b", "depends_on": ["a"]}, {"title": "c", "ref": "c", "depends_on": ["a", "b"]},
        {"title": "d", "parent": "a"}, {"title": "e", "depends_on": ["c"], "attempts": 1},
    ]});
    told.call(&lead, "submit_task", graph);
    told.call(&ana, "claim_task", json!({}));
    told.call(&ana, "transition_phase", json!({}));
    told.call(
        &ana,
        "submit_artifact",
        json!({ "name": "plan", "content": "quote ' and \" and \\ and $1 and ?1 and é" }),
    );
    told.call(&ana, "request_approval", json!({ "gate": "approval" }));
    let yes = Decision::Approve { reason: "it's fine; -- so be it".to_owned(), choice: None };
    told.env.answer(&lead, ApprovalId(1), yes, 1).unwrap();
    told.call(&ana, "transition_phase", json!({}));
    told.call(&ana, "update_task", json!({ "checkpoint": { "at": 1.5e300, "big": 9_007_199_254_740_993u64 } }));
    told.call(&ana, "update_task", json!({ "progress": "half", "percent": 50 }));
    told.call(&ana, "transition_phase", json!({ "to": "done", "summary": "well" }));
    told.call(&ana, "claim_task", json!({ "id": "T-2" }));
    told.call(&ana, "update_task", json!({ "fail": "no" }));
    told.call(&lead, "update_task", json!({ "task": "T-2", "cancel": "why not", "dependents": "cancel" }));
    OWNER.enrol_first(&told.env.engine);
    for (name, seed) in [("zoe", 7), ("Ada", 8), ("ärger", 9)] {
        Key::new(name, seed).enrol(&OWNER, &["lead"], &told.env.engine).unwrap();
    }
}

fn both(story: fn(&mut Told)) {
    let [one, other] = [Kind::Sqlite, Kind::Postgres].map(|kind| {
        let mut told = Told::over(kind);
        story(&mut told);
        told.look();
        told.lines
    });
    for (sqlite, postgres) in one.iter().zip(&other) {
        assert_eq!(sqlite, postgres, "SQLite (left) and PostgreSQL (right) part here");
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn names_and_labels_are_found_and_sorted_alike() {
    both(names_and_labels);
}

#[test]
fn what_ends_in_the_same_moment_ends_in_the_same_order() {
    both(ties);
}

#[test]
fn a_task_goes_the_same_way() {
    both(a_task_from_end_to_end);
}

#[test]
fn what_was_asked_ahead_is_asked_again_after_a_write() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        stores::keep_to(kind, folder.path());
        let sql = "SELECT count(*) FROM meta WHERE key = ?1";
        let asked = move |tx: &mut dyn Tx| {
            let params = [Param::Text("ahead")];
            let mut seen = Vec::new();
            for _ in 0..2 {
                tx.ahead(&[Ask { sql, params: &params, lock: None, lasts: Lasts::Throughout }])?;
                for _ in 0..2 {
                    tx.query(sql, &params, &mut |row| {
                        seen.push(row.int(0)?);
                        Ok(())
                    })?;
                    let note = "INSERT INTO meta(key, value) VALUES (?1, 'x') ON CONFLICT(key) DO NOTHING";
                    tx.put(note, &params)?;
                }
            }
            assert_eq!(seen, [Some(0), Some(1), Some(1), Some(1)], "{kind:?}");
            Ok(())
        };
        stores::open(folder.path()).unwrap().write(Lock::ROWS, Box::new(asked)).unwrap();
    }
}
