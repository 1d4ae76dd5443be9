//! A fault at every statement of every command: the first, then the second, until the command gets through. Whatever fails
//! leaves nothing behind, and trying again succeeds. Faults of the machine itself are in `tests/faults`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use phasegate::clients::hooked::{HookEvent, Hooked, Start, SubAgent, ToolCall, ToolResult};
use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::approver::{Proof, Via};
use phasegate::domain::canonical;
use phasegate::domain::command::{
    AcceptViolations, Command, DecideApprovals, Decision, FinishCall, OpenBypass, Target,
};
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::{ApprovalId, CallId, SessionId, TaskId};
use phasegate::domain::session::{Guard, Session};
use phasegate::domain::violation::{ChangeKind, TreePath, Violation, Why};
use phasegate::engine::clock::Fixed;
use phasegate::engine::hook::{TheirRules, Told};
use phasegate::engine::{Engine, Failure, Unwatched, with_backend};
use phasegate::store::{Backend, Body, Dialect, EachRow, Lock, Param, RowLock, Scope, StoreError, Tx, With};
use phasegate::tools;
use serde_json::{Value, json};

use crate::over_both_stores;
use crate::support::stores::{self, Kind};
use crate::support::{START, able, agent, at_a_terminal, person, replay, rows};

const YAML: &str = "version: 1\nname: flow\nphases:\n  plan:\n    allow: [submit_task, Read, Bash]\n    require_approval: [\"Bash(go *)\"]\n    deny: [query_audit]\n    exit:\n      - artifact: plan\n      - approval: { ask: \"Go?\", within: 1h }\n    next: [build]\n  build:\n    exit: [ { command: [\"true\"] } ]\n    next: [done, plan]\n  done: { end: true }\n";

/// When to fail, and how.
#[derive(Default)]
struct Plan {
    /// The call to fail at, counted from 1; 0: none.
    at: AtomicU64,
    calls: AtomicU64,
    hit: AtomicBool,
    panics: AtomicBool,
}

impl Plan {
    fn fail_at(&self, call: u64, panics: bool) {
        self.at.store(call, Ordering::SeqCst);
        self.calls.store(0, Ordering::SeqCst);
        self.hit.store(false, Ordering::SeqCst);
        self.panics.store(panics, Ordering::SeqCst);
    }

    fn call(&self) -> Result<(), StoreError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call != self.at.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.hit.store(true, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "injected panic at call {call}");
        Err(StoreError::Injected(call))
    }
}

/// A real store whose statements, and whose commits, fail as planned.
struct Faulty {
    real: Box<dyn Backend>,
    plan: Arc<Plan>,
}

struct FaultyTx<'t> {
    real: &'t mut dyn Tx,
    plan: &'t Plan,
}

impl Tx for FaultyTx<'_> {
    fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        self.plan.call()?;
        self.real.execute(sql, params)
    }

    fn query(&mut self, sql: &str, params: &[Param<'_>], each: EachRow<'_>) -> Result<(), StoreError> {
        self.plan.call()?;
        self.real.query(sql, params, each)
    }

    fn query_locked(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        lock: RowLock,
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        self.plan.call()?;
        self.real.query_locked(sql, params, lock, each)
    }

    fn hold(&mut self, name: &str) -> Result<(), StoreError> {
        self.real.hold(name)
    }

    fn dialect(&self) -> &'static Dialect {
        self.real.dialect()
    }
}

impl Backend for Faulty {
    fn write(&self, lock: Lock, mut body: Body) -> Result<(), StoreError> {
        let plan = Arc::clone(&self.plan);
        self.real.write(
            lock,
            Box::new(move |tx| {
                body(&mut FaultyTx { real: tx, plan: &plan })?;
                plan.call()
            }),
        )
    }

    fn write_soon(&self, lock: Lock, body: Body) {
        self.real.write_soon(lock, body);
    }

    fn restore(&self, from: &Path, body: Body) -> Result<(), StoreError> {
        self.real.restore(from, body)
    }

    /// Readings do not fail here: an answer lost after the commit is a question of retrying, not of half a change.
    fn read(&self, body: &mut dyn FnMut(&mut dyn Tx) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.real.read(body)
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.real.backup(to)
    }

    fn check(&self) -> Result<Vec<String>, StoreError> {
        self.real.check()
    }

    fn describe(&self) -> String {
        "a faulty store".to_owned()
    }
}

struct World {
    folder: tempfile::TempDir,
    engine: Engine,
    clock: Arc<Fixed>,
    plan: Arc<Plan>,
    faults: u64,
}

type Act = Box<dyn Fn(&World) -> Result<(), Failure>>;

/// One command of the story. `whole`: it is one transaction, so a fault leaves nothing at all.
struct Step {
    name: &'static str,
    whole: bool,
    ends: Ends,
    act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Well,
    Refused,
}

impl World {
    fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        stores::keep_to(kind, folder.path());
        std::fs::write(folder.path().join("phasegate.yaml"), YAML).unwrap();
        let workspace = Workspace::find(Some(folder.path()), folder.path()).unwrap();
        let (plan, clock) = (Arc::new(Plan::default()), Arc::new(Fixed::at(START)));
        let real = stores::open(folder.path()).unwrap();
        let faulty = Box::new(Faulty { real, plan: Arc::clone(&plan) });
        let engine = with_backend(faulty, workspace, &Settings::default(), clock.clone()).unwrap();
        Self { folder, engine, clock, plan, faults: 0 }
    }

    fn everything(&self) -> Vec<String> {
        rows::all(self.engine.backend()).unwrap()
    }

    fn agree(&self, name: &str) {
        let found = replay::disagreements(self.engine.backend()).unwrap();
        assert!(found.is_empty(), "after {name}: {found:#?}");
    }

    /// Fails the step at its first call, then its second, and so on, until it gets through untouched.
    fn sweep(&mut self, step: &Step, panics: bool) {
        for call in 1..500 {
            let before = self.everything();
            self.plan.fail_at(call, panics);
            let result = (step.act)(self);
            let hit = self.plan.hit.load(Ordering::SeqCst);
            self.plan.fail_at(0, false);
            match result {
                Err(Failure::Broken(error)) => {
                    assert!(hit, "{} broke by itself: {error}", step.name);
                    self.faults += 1;
                    if step.whole {
                        assert_eq!(self.everything(), before, "{} left something behind at call {call}", step.name);
                    }
                    self.agree(step.name);
                }
                Ok(()) => {
                    assert!(!hit, "{} said yes although call {call} failed", step.name);
                    assert_eq!(step.ends, Ends::Well, "{}", step.name);
                    assert!(!step.whole || self.everything() != before, "{} did nothing", step.name);
                    return self.agree(step.name);
                }
                Err(Failure::Refused(refusal)) => {
                    assert!(!hit, "{} was refused although call {call} failed: {refusal}", step.name);
                    assert_eq!(step.ends, Ends::Refused, "{}: {refusal}", step.name);
                    return self.agree(step.name);
                }
            }
        }
        panic!("{} never got through", step.name);
    }
}

fn by_tool(name: &'static str, who: Caller, tool: &'static str, arguments: Value) -> Step {
    let act = move |world: &World| {
        world.engine.call(&who, tools::find(tool).unwrap(), arguments.clone(), &Unwatched).map(drop)
    };
    Step { name, whole: true, ends: Ends::Well, act: Box::new(act) }
}

fn refused(step: Step) -> Step {
    Step { ends: Ends::Refused, ..step }
}

/// Several transactions, each whole.
fn in_parts(step: Step) -> Step {
    Step { whole: false, ..step }
}

fn answer(name: &'static str, id: u64, answer: Decision) -> Step {
    let act = move |world: &World| {
        let approvals = vec![(ApprovalId(id), None)];
        let answers = DecideApprovals { approvals, answer: answer.clone(), level: 1, via: Via::CommandLine };
        world.engine.answer(&person("lead"), answers).map(drop)
    };
    Step { name, whole: true, ends: Ends::Well, act: Box::new(act) }
}

fn echo() -> Value {
    json!({"call": {"tool": "Bash", "arguments": {"command": "true"}}})
}

fn batch() -> Value {
    json!({"batch": [{"call": {"tool": "Bash", "arguments": {"command": "true 1"}}}, {"question": "Really?"}]})
}

/// The start of an act by itself: the approval is used up, the call is running, and both or neither are on record.
fn start_call(world: &World) -> Result<(), Failure> {
    let start = Command::StartCall { approval: ApprovalId(1), limit_seconds: 60 };
    world.engine.command(&agent("ana"), "exec", Scope::Start(ApprovalId(1)), start, Vec::new()).map(drop)
}

fn finish_call(world: &World) -> Result<(), Failure> {
    let (call, summary) = (CallId(1), "well".to_owned());
    let finish = Command::FinishCall(FinishCall { call, well: true, summary, output: None });
    world.engine.command(&agent("ana"), "exec", Scope::Call(call), finish, Vec::new()).map(drop)
}

fn answer_batch(world: &World) -> Result<(), Failure> {
    let approvals = vec![(ApprovalId(2), None), (ApprovalId(3), None)];
    let answer = Decision::Approve { reason: "both".to_owned(), choice: None };
    let answers = DecideApprovals { approvals, answer, level: 1, via: Via::CommandLine };
    world.engine.answer(&person("lead"), answers).map(drop)
}

/// Start, run and end are parts. After a fault at its start it can be carried out; after one at its end it is not again.
fn carry_out(world: &World) -> Result<(), Failure> {
    match world.engine.carry_out(&agent("ana"), ApprovalId(2), &Unwatched) {
        Err(Failure::Refused(refusal)) if refusal.message.contains("has been used") => Ok(()),
        other => other.map(drop),
    }
}

fn open_bypass(world: &World) -> Result<(), Failure> {
    let proof = Proof::unsigned(1, Via::CommandLine);
    let (rules, reason) = (vec!["query_audit".to_owned()], "r".to_owned());
    let open = OpenBypass { rules, task: None, seconds: 600, reason, proof };
    world.engine.open_bypass(&person("lead"), open).map(drop)
}

fn later(name: &'static str, seconds: i64) -> Step {
    // Moved once: at the first attempt.
    let moved = AtomicBool::new(false);
    let act = move |world: &World| {
        if !moved.swap(true, Ordering::SeqCst) {
            world.clock.advance_seconds(seconds);
        }
        world.engine.sweep().map(drop)
    };
    in_parts(Step { name, whole: true, ends: Ends::Well, act: Box::new(act) })
}

fn story() -> Vec<Step> {
    let (ana, bo, lead) = (able("ana", &["db"], 2), agent("bo"), person("lead"));
    let trust =
        |world: &World| world.engine.trust_file(&person("lead"), &world.folder.path().join("phasegate.yaml")).map(drop);
    let another_key = |world: &World| world.engine.change_log_key(&person("lead"), "lost", at_a_terminal()).map(drop);
    let graph = json!({"tasks": [
        {"title": "a", "ref": "a", "labels": ["x", "y"], "capabilities": ["db"], "priority": "high"},
        {"title": "b", "ref": "b", "depends_on": ["a"]}, {"title": "c", "ref": "c", "depends_on": ["a", "b"]},
        {"title": "d", "parent": "a"}, {"title": "e", "depends_on": ["c"], "attempts": 1},
    ]});
    let yes = || Decision::Approve { reason: "fine".to_owned(), choice: None };
    let update = |name, who: &Caller, arguments| by_tool(name, who.clone(), "update_task", arguments);
    let claim = |name, who: &Caller, arguments| by_tool(name, who.clone(), "claim_task", arguments);
    let go = |name, who: &Caller| by_tool(name, who.clone(), "transition_phase", json!({"summary": "s"}));
    let hand_in = |name, text: &str| {
        by_tool(name, able("ana", &["db"], 2), "submit_artifact", json!({"name": "plan", "content": text}))
    };
    // A no stands until the agent says what is different.
    let ask = |name| {
        let question = json!({"gate": "approval", "reason": name});
        by_tool(name, able("ana", &["db"], 2), "request_approval", question)
    };
    vec![
        Step { name: "another key of the log", whole: true, ends: Ends::Well, act: Box::new(another_key) },
        Step { name: "trust", whole: true, ends: Ends::Well, act: Box::new(trust) },
        by_tool("submit", lead.clone(), "submit_task", graph),
        claim("claim the next", &ana, json!({"lease_seconds": 600})),
        claim("claim again", &ana, json!({"id": "T-1", "lease_seconds": 600})),
        refused(claim("claim what waits", &bo, json!({"id": "T-2"}))),
        refused(claim("claim what waits, again", &bo, json!({"id": "T-2"}))),
        update("progress", &ana, json!({"progress": "p", "percent": 10})),
        update("checkpoint", &ana, json!({"checkpoint": {"at": 1}})),
        by_tool("ask for a call", ana.clone(), "request_approval", echo()),
        answer("approve the call", 1, yes()),
        Step { name: "start the call", whole: true, ends: Ends::Well, act: Box::new(start_call) },
        refused(Step { name: "start it again", whole: true, ends: Ends::Well, act: Box::new(start_call) }),
        Step { name: "end the call", whole: true, ends: Ends::Well, act: Box::new(finish_call) },
        by_tool("ask for a batch", ana.clone(), "request_approval", batch()),
        Step { name: "answer the batch", whole: true, ends: Ends::Well, act: Box::new(answer_batch) },
        in_parts(Step { name: "carry one out", whole: true, ends: Ends::Well, act: Box::new(carry_out) }),
        Step { name: "bypass", whole: true, ends: Ends::Well, act: Box::new(open_bypass) },
        refused(go("leave too early", &ana)),
        hand_in("artifact", "one"),
        ask("ask"),
        answer("reject", 4, Decision::Reject { reason: "no".to_owned() }),
        ask("ask again"),
        hand_in("artifact that voids the question", "two"),
        ask("ask a third time"),
        answer("approve", 6, yes()),
        go("leave with the yes", &ana),
        in_parts(go("leave over a run, to the end", &ana)),
        claim("claim a new one", &bo, json!({"new": {"title": "mine"}, "lease_seconds": 60})),
        update("block", &bo, json!({"blocker": "b"})),
        update("block more", &lead, json!({"task": "T-6", "blocker": "c"})),
        update("unblock", &lead, json!({"task": "T-6", "unblock": true})),
        claim("claim by id", &bo, json!({"id": "T-6"})),
        update("release", &bo, json!({"release": "r"})),
        claim("claim once more", &bo, json!({"id": "T-6", "lease_seconds": 5})),
        later("a lease runs out", 5),
        claim("claim after that", &bo, json!({"id": "T-6", "lease_seconds": 5})),
        Step { name: "claim over a lapsed lease", ..lapse(claim("", &ana, json!({"id": "T-6"}))) },
        update("fail once", &ana, json!({"fail": "f"})),
        refused(update("cancel with dependents", &lead, json!({"task": "T-2", "cancel": "n"}))),
        update("cancel and release", &lead, json!({"task": "T-2", "cancel": "n", "dependents": "release"})),
        update("cancel deep", &lead, json!({"task": "T-3", "cancel": "n", "dependents": "cancel"})),
        claim("claim the child", &bo, json!({"id": "T-4"})),
        update("fail for good", &bo, json!({"fail": "f", "for_good": true})),
        update("reopen", &bo, json!({"task": "T-4", "reopen": "r"})),
        claim("claim it to ask", &ana, json!({"id": "T-4"})),
        ask("ask for the child"),
        later("its time is up, and the windows of refusals end", 7300),
    ]
}

/// The step, begun after a lease of five seconds has run out.
fn lapse(step: Step) -> Step {
    let moved = AtomicBool::new(false);
    let act = move |world: &World| {
        if !moved.swap(true, Ordering::SeqCst) {
            world.clock.advance_seconds(6);
        }
        (step.act)(world)
    };
    Step { act: Box::new(act), ..step }
}

const SESSION: &str = "s-1";

fn of_session() -> Caller {
    let digest = canonical::sha256(SESSION.as_bytes());
    agent(&format!("claude-code-{}", &digest[..8]))
}

/// An event of a client's hook, on the main thread or in a subagent.
fn hooked(name: &'static str, subagent: Option<&'static str>, event: HookEvent) -> Step {
    let act = move |world: &World| {
        let hooked = Hooked {
            session: SESSION.to_owned(),
            agent: subagent.map(|id| SubAgent { id: id.to_owned(), kind: None }),
            cwd: world.folder.path().to_path_buf(),
            transcript: None,
            model: None,
            event: event.clone(),
        };
        let weaker = matches!(hooked.event, HookEvent::SettingsChanged { .. });
        let told = Told {
            client: "claude-code",
            guard: if weaker { Guard::Advisory } else { Guard::Enforced },
            hooked,
            asks: true,
            rewrite: None,
            own_sandbox: false,
            agent: None,
            route: None,
            call_ids: true,
            text_of_result: None,
            theirs: TheirRules::default(),
            guard_why: if weaker { "its hooks are gone".to_owned() } else { String::new() },
            guard_lost: weaker,
            binary: "/nowhere/phasegate".into(),
            home: None,
            own_paths: Vec::new(),
        };
        world.engine.hook(&told).map(drop)
    };
    Step { name, whole: true, ends: Ends::Well, act: Box::new(act) }
}

fn tool(id: &str, tool: &str, input: Value) -> ToolCall {
    ToolCall { id: Some(id.to_owned()), tool: tool.to_owned(), native: input.clone(), input, also: Vec::new() }
}

fn before(name: &'static str, subagent: Option<&'static str>, id: &str, named: &str, input: Value) -> Step {
    hooked(name, subagent, HookEvent::Before(tool(id, named, input)))
}

fn note_violation(world: &World) -> Result<(), Failure> {
    let path = |name: &str| TreePath(name.as_bytes().to_vec());
    let changed = |name: &str| Violation { path: path(name), kind: ChangeKind::Added, why: Why::Outside, before: None };
    let found = vec![changed("one"), changed("two")];
    let note = Command::NoteViolations { task: TaskId(1), session: SessionId(SESSION.into()), call: None, found };
    world.engine.command(&of_session(), "hook", first_task(), note, Vec::new()).map(drop)
}

fn note_undone(world: &World) -> Result<(), Failure> {
    let note = Command::NoteUndone { task: TaskId(1), paths: vec![TreePath(b"one".to_vec())] };
    world.engine.command(&of_session(), "hook", first_task(), note, Vec::new()).map(drop)
}

fn accept_violations(world: &World) -> Result<(), Failure> {
    let proof = Proof::unsigned(1, Via::CommandLine);
    let accept = AcceptViolations { task: TaskId(1), paths: Vec::new(), reason: "fine".to_owned(), proof };
    world.engine.accept_violations(&person("lead"), accept).map(drop)
}

fn first_task() -> Scope {
    Scope::Task { target: Target { task: Some(TaskId(1)), ..Target::default() }, with: With::Nothing }
}

/// One session of a client, as its hooks tell it.
fn story_of_a_session() -> Vec<Step> {
    let trust =
        |world: &World| world.engine.trust_file(&person("lead"), &world.folder.path().join("phasegate.yaml")).map(drop);
    let whole =
        |name, act: fn(&World) -> Result<(), Failure>| Step { name, whole: true, ends: Ends::Well, act: Box::new(act) };
    let me = of_session();
    let sub = agent(&Session::subagent(&me.agent, "sub1").0);
    let read = |name: &str| json!({"file_path": name});
    let go = json!({"command": "go now"});
    let ask = json!({"call": {"tool": "Bash", "arguments": go}});
    let ended = |id: &str, named: &str, input: Value| {
        let result = ToolResult { well: true, exit_code: Some(0), ..ToolResult::default() };
        HookEvent::After { call: tool(id, named, input), result }
    };
    let settings = HookEvent::SettingsChanged { source: "project_settings".to_owned(), file: None };
    vec![
        Step { name: "trust", whole: true, ends: Ends::Well, act: Box::new(trust) },
        hooked("a session begins", None, HookEvent::SessionStarted { how: Start::Fresh }),
        before("a call of our own", None, "c0", "mcp__phasegate__claim_task", json!({})),
        by_tool("claim", me.clone(), "claim_task", json!({"new": {"title": "t"}, "lease_seconds": 600})),
        before("a call that passes", None, "c1", "Read", read("a")),
        hooked("its end", None, ended("c1", "Read", read("a"))),
        before("a call that is refused", None, "c2", "Write", read("a")),
        by_tool("ask for a call", me.clone(), "request_approval", ask),
        answer("yes", 1, Decision::Approve { reason: "go".to_owned(), choice: None }),
        before("the approved call", None, "c3", "Bash", go.clone()),
        before("it again", None, "c4", "Bash", go),
        whole("changes that are not allowed", note_violation),
        whole("one of them undone", note_undone),
        whole("the other accepted", accept_violations),
        hooked("a subagent begins", Some("sub1"), HookEvent::SubAgentStarted),
        by_tool("it claims", sub, "claim_task", json!({"new": {"title": "u"}, "lease_seconds": 600})),
        before("its call", Some("sub1"), "c5", "Read", read("b")),
        in_parts(hooked("it ends, and its task is free", Some("sub1"), HookEvent::SubAgentStopped)),
        in_parts(hooked("before it forgets", None, HookEvent::BeforeCompaction)),
        hooked("after it forgot", None, HookEvent::SessionStarted { how: Start::Compacted }),
        hooked("settings without the guard", None, settings),
        hooked("a limit", None, HookEvent::StoppedByFailure { message: "rate_limit".to_owned() }),
        hooked("its end", None, HookEvent::SessionEnded { why: "logout".to_owned() }),
    ]
}

fn told(kind: Kind, panics: bool) {
    let mut world = World::new(kind);
    let story = story();
    for step in &story {
        world.sweep(step, panics);
    }
    assert!(world.faults > 5 * story.len() as u64, "only {} faults were hit", world.faults);
    let records = replay::records(world.engine.backend()).unwrap();
    let kinds: BTreeSet<&str> = records.iter().map(|record| record.event.kind()).collect();
    let missing: Vec<_> = [
        "ApprovalExpired",
        "ApprovalCancelled",
        "ApprovalConsumed",
        "BypassClosed",
        "CallFinished",
        "CallOrphaned",
        "ClaimExpired",
        "RefusalsRepeated",
        "TaskReopened",
        "GatePassed",
    ]
    .into_iter()
    .filter(|kind| !kinds.contains(kind))
    .collect();
    assert!(missing.is_empty(), "the story never came to {missing:?}");
}

over_both_stores![
    a_command_whose_statement_fails_leaves_nothing_and_can_be_tried_again,
    a_command_that_panics_at_a_statement_leaves_nothing_and_can_be_tried_again,
    a_hook_whose_statement_fails_leaves_nothing_and_can_be_told_again,
];

fn a_command_whose_statement_fails_leaves_nothing_and_can_be_tried_again(kind: Kind) {
    told(kind, false);
}

fn a_hook_whose_statement_fails_leaves_nothing_and_can_be_told_again(kind: Kind) {
    for panics in [false, true] {
        let mut world = World::new(kind);
        let story = story_of_a_session();
        for step in &story {
            world.sweep(step, panics);
        }
        assert!(world.faults > 5 * story.len() as u64, "only {} faults were hit", world.faults);
        let records = replay::records(world.engine.backend()).unwrap();
        let count = |kind: &str| records.iter().filter(|record| record.event.kind() == kind).count();
        for (kind, wanted) in [
            ("SessionStarted", 2),
            ("CallJudged", 5),
            ("CallObserved", 1),
            ("ApprovalConsumed", 1),
            ("ViolationFound", 1),
            ("ViolationUndone", 1),
            ("ViolationAccepted", 1),
            ("SubAgentStarted", 1),
            ("SubAgentEnded", 1),
            ("ClaimReleased", 1),
            ("CheckpointSaved", 1),
            ("GuardKept", 1),
            ("ClaimParked", 1),
            ("SessionEnded", 1),
        ] {
            assert_eq!(count(kind), wanted, "{kind}");
        }
    }
}

fn a_command_that_panics_at_a_statement_leaves_nothing_and_can_be_tried_again(kind: Kind) {
    told(kind, true);
}
