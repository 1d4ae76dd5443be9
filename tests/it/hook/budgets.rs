//! Budgets as an agent meets them at the hook and at the server: a word before the end, and asking for more at it.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Heard, Server, World, told};

fn file(world: &World, name: &str) -> Value {
    json!({"file_path": world.at(name), "content": "x"})
}

/// So many answers of a model, of so many tokens each.
fn answers(world: &World, count: usize, tokens: u64) {
    let line = |number: usize| {
        let usage = json!({"input_tokens": 0, "output_tokens": tokens});
        let message =
            json!({"id": format!("m{number}"), "role": "assistant", "model": "claude-sonnet-4-5", "usage": usage});
        format!("{}\n", json!({"type": "assistant", "requestId": "r", "sessionId": "s", "message": message}))
    };
    let lines: String = (0..count).map(line).collect();
    std::fs::write(world.home().join("transcript.jsonl"), lines).unwrap();
}

#[test]
fn an_agent_is_told_once_at_its_next_call_that_its_budget_nears_its_end() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--tokens", "1060", "--reason", "small", "--yes"]);
    answers(&world, 10, 85);
    session.after_as("none", "Read", file(&world, "a"), json!("x"));
    let told = session.before("Read", file(&world, "a"));
    let words = "budget of T-1: 850 tokens of 1060 tokens spent";
    assert_eq!(told.verdict(), "allow", "{told:?}");
    assert!(format!("{}{}", told.reason(), told.context()).contains(words), "{told:?}");
    let again = session.before("Read", file(&world, "b"));
    assert!(!format!("{}{}", again.reason(), again.context()).contains("budget"), "{again:?}");
    assert_eq!(world.events("BudgetWarned").len(), 1);
    // Whatever its person says, it is said again.
    let prompted = session.tell("UserPromptSubmit", json!({"prompt": "go on"}));
    assert!(prompted.context().contains(words), "{prompted:?}");
}

#[test]
fn what_was_spent_since_the_last_call_counts_before_the_next() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--tokens", "100", "--reason", "small", "--yes"]);
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "allow");
    answers(&world, 3, 85);
    let told = session.before("Read", file(&world, "a"));
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("255 tokens spent"), "{told:?}");
}

#[test]
fn an_agent_at_its_cap_may_still_ask_for_more() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    world.well(&["tasks", "budget", "T-1", "--calls", "3", "--reason", "small", "--yes"]);
    answers(&world, 3, 10);
    session.after_as("none", "Read", file(&world, "a"), json!("x"));
    let told = session.before("Read", file(&world, "a"));
    assert_eq!(told.verdict(), "deny", "{told:?}");
    assert!(told.reason().contains("the budget of T-1 is 3 answers: 3 answers spent"), "{told:?}");
    assert!(
        told.reason().contains(r#"{"call":{"tool":"raise_budget","arguments":{"calls":6,"task":"T-1"}}}"#),
        "{told:?}"
    );
    let more = json!({"call": {"tool": "raise_budget", "arguments": {"calls": 6}}, "reason": "two files left"});
    let asked = session.own(&mut server, "request_approval", more.clone());
    assert_eq!((&asked["approval"], &asked["state"]), (&json!("A-1"), &json!("pending")), "{asked}");
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "deny");
    let shown = world.well(&["approvals", "show", "A-1"]);
    assert!(shown.contains("May the budget of T-1 be 6 answers? It is 3 answers now."), "{shown}");
    world.well(&["approvals", "approve", "A-1", "--yes"]);
    let answered = session.own(&mut server, "request_approval", more);
    assert_eq!(answered["next"], "The budget is raised: go on.", "{answered}");
    assert_eq!(session.before("Read", file(&world, "a")).verdict(), "allow");
    let changed = &world.events("BudgetChanged")[1];
    assert_eq!((&changed["approval"], &changed["budget"]), (&json!("A-1"), &json!({"calls": 6})), "{changed}");
}

/// Without any hook: a client that only speaks MCP over stdio.
#[test]
fn a_higher_cap_is_asked_for_and_given_over_mcp_alone() {
    let world = World::new(FLOW);
    let mut server = Server::of(&world);
    let mut call = |tool: &str, arguments: Value| server.call(tool, arguments, None);
    call("claim_task", json!({"new": {"title": "all of it"}}));
    world.well(&["tasks", "budget", "T-1", "--usd", "5", "--reason", "enough", "--yes"]);
    let more = json!({"call": {"tool": "raise_budget", "arguments": {"usd": 8}}});
    assert_eq!(call("request_approval", more.clone())["state"], "pending");
    world.well(&["approvals", "adjust", "A-1", r#"{"usd":7}"#, "--reason", "seven will do", "--yes"]);
    let told = call("request_approval", more);
    assert_eq!((&told["state"], &told["reason"]), (&json!("consumed"), &json!("seven will do")), "{told}");
    assert_eq!(call("claim_task", json!({"id": "T-1"}))["budget_left"]["usd"], 7.0);
}

const SHARED: &str =
    "version: 1\nname: flow\nphases:\n  work: { allow: [Read, submit_task], next: [done] }\n  done: { end: true }\n";

/// One of many who work on parts of T-1, with a transcript of its own.
struct Worker<'w> {
    world: &'w World,
    name: String,
}

impl Worker<'_> {
    fn tell(&self, name: &str, more: Value) -> Heard {
        let transcript = self.transcript();
        let mut event = json!({"session_id": self.name, "cwd": self.world.at(""), "hook_event_name": name,
            "transcript_path": transcript});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut command = self.world.command(&["hook", "claude-code"]);
        command.env("PHASEGATE_AGENT", &self.name);
        told(command, event.to_string().as_bytes())
    }

    fn transcript(&self) -> std::path::PathBuf {
        self.world.home().join(format!("{}.jsonl", self.name))
    }

    fn answer(&self, number: usize, output: u64) {
        let usage = json!({"input_tokens": 0, "output_tokens": output});
        let id = format!("{}-{number}", self.name);
        let message = json!({"id": id, "role": "assistant", "model": "claude-opus-5-5", "usage": usage});
        let line = json!({"type": "assistant", "requestId": "r", "sessionId": self.name, "message": message});
        let known = std::fs::read_to_string(self.transcript()).unwrap_or_default();
        std::fs::write(self.transcript(), format!("{known}{line}\n")).unwrap();
    }

    fn call(&self, tool: &str, arguments: &Value) -> (bool, Value) {
        let words = ["call", tool, &arguments.to_string(), "--json", "--agent", &self.name];
        let output = self.world.run(&words);
        (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
    }

    fn before(&self, call: &str) -> Heard {
        self.tell("PreToolUse", json!({"tool_name": "Read", "tool_input": {"file_path": "a"}, "tool_use_id": call}))
    }

    fn after(&self, call: &str) {
        let more =
            json!({"tool_name": "Read", "tool_input": {"file_path": "a"}, "tool_use_id": call, "tool_response": "x"});
        self.tell("PostToolUse", more);
    }

    fn start(&self) {
        self.tell("SessionStart", json!({"source": "startup", "model": "claude-opus-5-5"}));
    }
}

fn workers<'w>(world: &'w World, count: usize, budget: &Value) -> Vec<Worker<'w>> {
    let lead = Worker { world, name: "boss".to_owned() };
    let (taken, reply) = lead.call("submit_task", &json!({"title": "all of it", "budget": budget}));
    assert!(taken, "{reply}");
    let worker = |number| {
        assert!(lead.call("submit_task", &json!({"title": "part", "parent": "T-1"})).0);
        Worker { world, name: format!("w{number}") }
    };
    (0..count).map(worker).collect()
}

fn account(world: &World) -> Value {
    let cost: Value = serde_json::from_str(&world.well(&["tasks", "cost", "T-1", "--json"])).unwrap();
    cost["account"].clone()
}

/// What a call set aside counts until the answer after it does, whatever was told of the call meanwhile.
#[test]
fn many_who_are_in_the_middle_of_an_answer_do_not_spend_more_than_their_cap() {
    const EACH: u64 = 10_000;
    let world = World::new(SHARED);
    let mut working = workers(&world, 6, &json!({"tokens": 10 * EACH}));
    let mut answers = 0;
    for (worker, task) in working.iter().zip(2..) {
        let (claimed, reply) = worker.call("claim_task", &json!({"id": format!("T-{task}")}));
        assert!(claimed, "{reply}");
        worker.start();
    }
    for round in 0..4 {
        for worker in &working {
            worker.answer(round, EACH);
        }
        answers += u64::try_from(working.len()).unwrap();
        working.retain(|worker| {
            let call = format!("{}-{round}", worker.name);
            let allowed = worker.before(&call).verdict() == "allow";
            worker.after(&call);
            allowed
        });
    }
    assert_eq!(account(&world)["spent"]["tokens"], answers * EACH);
    assert_eq!((answers, working.len()), (10, 0), "all of the cap, and no more");
    assert_eq!(account(&world)["reserved"]["tokens"], 0, "whoever is refused holds nothing back");
}

#[test]
fn while_no_answer_is_known_one_at_a_time_is_let_through_a_small_cap() {
    let world = World::new(SHARED);
    let workers = workers(&world, 2, &json!({"usd": 0.05}));
    let [one, two] = workers.as_slice() else { panic!("two") };
    assert!(one.call("claim_task", &json!({"id": "T-2"})).0);
    one.start();
    assert_eq!(account(&world)["reserved"]["micro_usd"], 50_000, "a first answer is taken to need more than the cap");
    let (claimed, refusal) = two.call("claim_task", &json!({"id": "T-3"}));
    assert!(!claimed, "{refusal}");
    let words = refusal["error"].to_string();
    assert!(
        words.contains("$0.05 set aside") && words.contains("try again when what others have set aside"),
        "{words}"
    );
    assert_eq!(one.before("c1").verdict(), "allow", "alone it may");
    assert_eq!(one.before("c2").verdict(), "allow", "a second call of the same answer asks for nothing more");
    one.after("c1");
    one.after("c2");
    one.answer(0, 500);
    assert_eq!(one.before("c3").verdict(), "allow");
    let after = account(&world);
    assert_eq!((&after["spent"]["micro_usd"], &after["reserved"]["micro_usd"]), (&json!(10_000), &json!(10_000)));
    assert!(two.call("claim_task", &json!({"id": "T-3"})).0, "now it is known what answers cost");
    one.tell("Stop", json!({"stop_hook_active": true}));
    two.start();
    two.tell("SessionEnd", json!({"reason": "exit"}));
    assert_eq!(account(&world)["reserved"]["micro_usd"], 0, "no answer follows");
}
