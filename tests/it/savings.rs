//! What choosing models saved, from a claim over its gates to the report: what tries took, the command, the REST read, and a
//! user's own prices.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use phasegate::config::settings::Settings;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{TaskId, Time};
use phasegate::domain::workflow::ModelTier;
use phasegate::engine::spending::{SessionFiles, Working};
use phasegate::store::routing::tries_after;
use serde_json::{Value, json};

use crate::over_both_stores;
use crate::support::served::Served;
use crate::support::stores::{self, Kind};
use crate::support::{TestEnv, able};

over_both_stores!(
    a_cheap_try_that_failed_and_a_dearer_one_that_did_it,
    work_that_goes_on_or_whose_cost_nobody_knows_is_left_out,
    a_users_own_prices_count_where_money_is_counted_and_where_it_is_compared,
);

const FLOW: &str = r#"
version: 1
name: flow
phases:
  plan: { exit: [{ artifact: plan }], next: [build] }
  build: { exit: [{ command: ["test", "-f", "built"] }], next: [done] }
  done: { end: true }
"#;
const HAIKU: &str = "claude-haiku-5-5";
const SONNET: &str = "claude-sonnet-5-5";

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

/// An answer of a model with so many thousand tokens of output, as Claude Code writes it down and phasegate reads it.
fn spend(env: &TestEnv, task: u64, id: &str, model: &str, thousands: u64) {
    let line = json!({
        "isSidechain": false, "type": "assistant", "sessionId": "s", "requestId": "req",
        "message": { "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
            "usage": { "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": thousands * 1000 } },
    });
    let transcript = env.path("home/s.jsonl");
    std::fs::create_dir_all(transcript.parent().unwrap()).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&transcript).unwrap();
    writeln!(file, "{line}").unwrap();
    let files =
        SessionFiles { client: "claude-code", session: "s", transcript: &transcript, subagent: None, all: false };
    let working = |_: Option<&str>| Working { agent: able("ana", &[], 9).agent, task: Some(TaskId(task)) };
    env.engine.read_usage(&files, &working).unwrap();
}

/// A task of this type in phase build, where a command judges.
fn building(env: &TestEnv, who: &Caller, kind: &str) -> u64 {
    let brief = ok(env, who, "claim_task", json!({ "new": { "title": "a page", "type": kind } }));
    let task = brief["task"].as_str().unwrap().to_owned();
    ok(env, who, "submit_artifact", json!({ "name": "plan", "content": "first", "task": task }));
    ok(env, who, "transition_phase", json!({ "task": task }));
    task.trim_start_matches("T-").parse().unwrap()
}

fn refuse_twice(env: &TestEnv, who: &Caller, task: u64) {
    for _ in 0..2 {
        env.call(who, "transition_phase", json!({ "task": format!("T-{task}") })).unwrap_err();
    }
}

fn cents(micro: i64) -> i64 {
    micro / 10_000
}

fn a_cheap_try_that_failed_and_a_dearer_one_that_did_it(kind: Kind) {
    let env = TestEnv::over(kind, Some(FLOW), &Settings::default());
    let ana = able("ana", &[], 9);
    let task = building(&env, &ana, "documentation");
    spend(&env, task, "a", HAIKU, 400);
    refuse_twice(&env, &ana, task);
    spend(&env, task, "b", SONNET, 100);
    env.write("built", "");
    ok(&env, &ana, "transition_phase", json!({ "task": format!("T-{task}") }));
    let tries = env.engine.view(|tx| tries_after(tx, 0, 100)).unwrap();
    let ran: Vec<(ModelTier, f64, Option<u64>, Option<&str>)> = tries
        .iter()
        .map(|known| (known.tried.tier, known.tried.success, known.tried.micro_usd, known.ran.as_deref()))
        .collect();
    let first = (ModelTier::Weak, 0.0, Some(200_000), Some(HAIKU));
    let second = (ModelTier::Base, 1.0, Some(1_000_000), Some(SONNET));
    assert_eq!(ran, [first, second], "each has what was spent in it");

    let found = env.engine.savings(None).unwrap();
    let all = &found.all;
    assert_eq!((all.pieces, all.solved, all.tries, all.failed_tries), (1, 1, 2, 1));
    // $0.20 and $1.00, against the tokens of the second on Opus.
    assert_eq!((all.micro_usd, all.baseline_micro_usd, all.by_tokens), (1_200_000, 2_000_000, 1));
    assert_eq!((cents(all.low_micro_usd), cents(all.saved_micro_usd), cents(all.high_micro_usd)), (-20, 80, 80));
    assert_eq!((found.by_type[0].name.as_str(), found.by_tier[0].name.as_str()), ("documentation", "base"));
    assert_eq!(found.spent_micro_usd, 1_200_000);
    assert!(found.method.contains("claude-opus-5-5") && found.prices == "2026-11-20", "{found:?}");
    // Nothing ended after today.
    let tomorrow = Time(env.engine.now().0 + 24 * 3600 * 1000);
    assert_eq!(env.engine.savings(Some(tomorrow)).unwrap().all.pieces, 0);

    let served = Served::over(&env.engine);
    let token = served.token("eve", Role::Auditor);
    let read = served.get(&token, "/api/v1/savings?since=2026-01-01");
    assert_eq!((read.status, &read.json()["all"]["saved_micro_usd"]), (200, &json!(800_000)), "{}", read.text);
    assert_eq!(served.get(&token, "/api/v1/savings?since=soon").status, 400);

    let json = told(env.folder.path(), &["models", "savings", "--since", "2026-01-01", "--json"]);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&value["all"], &value["since"]), (&serde_json::to_value(all).unwrap(), &json!("2026-01-01")));
    let page = told(env.folder.path(), &["models", "savings"]);
    for said in [
        "1 of 1 pieces of work done, in 2 tries, of which 1 failed",
        "$1.20 instead of $2.00: saved $0.80 (between -$0.20 and $0.80)",
        "by type",
        "documentation",
        "How this is counted: Only work that has ended",
    ] {
        assert!(page.contains(said), "`{said}` is not in\n{page}");
    }
    env.agree();
}

fn told(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    let output = stores::tell(&mut command, folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn work_that_goes_on_or_whose_cost_nobody_knows_is_left_out(kind: Kind) {
    let env = TestEnv::over(kind, Some(FLOW), &Settings::default());
    let ana = able("ana", &[], 9);
    let out = || env.engine.savings(None).unwrap().left_out;
    let open = building(&env, &ana, "documentation");
    spend(&env, open, "a", HAIKU, 10);
    refuse_twice(&env, &ana, open);
    assert_eq!(out().going_on, 1, "the next try may do it");
    ok(&env, &ana, "update_task", json!({ "task": format!("T-{open}"), "fail": "no way", "for_good": true }));
    let found = env.engine.savings(None).unwrap();
    assert_eq!((found.left_out.going_on, found.all.given_up, found.all.saved_micro_usd), (0, 1, -5_000), "{found:?}");
    let unseen = building(&env, &ana, "documentation");
    env.write("built", "");
    ok(&env, &ana, "transition_phase", json!({ "task": format!("T-{unseen}") }));
    assert_eq!(out().without_cost, 1, "no transcript told of it");
    let route = ok(&env, &ana, "route_model", json!({ "type": "test" }));
    ok(&env, &ana, "record_outcome", json!({ "decision": route["decision"], "success": true, "usd": 0.01 }));
    assert_eq!(out().without_baseline, 1, "a cost without tokens");
    let strange = building(&env, &ana, "documentation");
    spend(&env, strange, "b", "homemade-1", 10);
    ok(&env, &ana, "transition_phase", json!({ "task": format!("T-{strange}") }));
    assert_eq!((out().without_price, out().models), (1, vec!["homemade-1".to_owned()]));
    env.agree();
}

fn a_users_own_prices_count_where_money_is_counted_and_where_it_is_compared(kind: Kind) {
    let env = TestEnv::over(kind, Some(FLOW), &Settings::default());
    let own = json!({ "date": "2026-11-21", "source": "mine", "models": [
        { "name": "homemade-1", "maker": "anthropic", "tier": "weak", "input": 1, "output": 1, "window": 100_000 },
        { "name": "claude-opus-5-5", "maker": "anthropic", "tier": "strong", "input": 5, "output": 50, "window": 100_000 },
    ] });
    env.write(".phasegate/models.json", &own.to_string());
    let ana = able("ana", &[], 9);
    let task = building(&env, &ana, "documentation");
    spend(&env, task, "a", "homemade-1", 100);
    env.write("built", "");
    ok(&env, &ana, "transition_phase", json!({ "task": format!("T-{task}") }));
    let cost = env.engine.cost(TaskId(task)).unwrap().unwrap();
    assert_eq!((cost.account.spent.micro_usd, cost.costs[0].guessed_micro_usd), (100_000, 0));
    assert_eq!(cost.prices, "2026-11-21");
    let found = env.engine.savings(None).unwrap();
    assert_eq!((found.all.micro_usd, found.all.baseline_micro_usd), (100_000, 5_000_000));
    assert_eq!(found.prices, "2026-11-21");
}

/// A server on pipes, asked one thing after the other.
struct Piped {
    child: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
    asked: u64,
}

impl Piped {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(["serve", "--agent", "claude-code-ana"]).current_dir(folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
        stores::tell(&mut command, folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut piped = Self { child, output, asked: 0 };
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        piped.ask("initialize", hello);
        piped.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        piped
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server is gone");
            let reply: Value = serde_json::from_str(&line).unwrap();
            if reply["id"] == json!(id) {
                return reply["result"].clone();
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))["structuredContent"].clone()
    }
}

#[test]
fn outcomes_told_over_pipes_come_to_a_report() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phasegate.yaml"), FLOW).unwrap();
    stores::keep_to(stores::usual(), folder.path());
    told(folder.path(), &["workflow", "trust", "--yes"]);
    let mut ana = Piped::start(folder.path());
    ana.call("claim_task", json!({ "new": { "title": "a page", "type": "documentation" } }));
    ana.call("submit_artifact", json!({ "name": "plan", "content": "first" }));
    ana.call("transition_phase", json!({}));
    let judged = ana.call("record_outcome", json!({ "success": true }));
    assert_eq!(judged["code"], "wrong_state", "{judged}");
    std::fs::write(folder.path().join("built"), "").unwrap();
    assert_eq!(ana.call("transition_phase", json!({}))["status"], "done");
    // Ten strong tries of a type, told with what they cost, and a cheap one to set against their mean.
    for n in 0..11 {
        let decision = ana.call("route_model", json!({ "type": "test" }))["decision"].clone();
        let (model, usd) = if n < 10 { ("claude-opus-5-5", 2.0) } else { (HAIKU, 0.25) };
        let told = json!({ "decision": decision, "success": true, "model": model, "usd": usd });
        assert_eq!(ana.call("record_outcome", told)["known"], false);
    }
    drop(ana.child.stdin.take());
    assert!(ana.child.wait().unwrap().success());
    let found: Value = serde_json::from_str(&told(folder.path(), &["models", "savings", "--json"])).unwrap();
    assert_eq!(found["left_out"]["without_cost"], 1, "the task, of which no transcript told: {found}");
    assert_eq!((&found["all"]["pieces"], &found["all"]["by_mean"]), (&json!(11), &json!(1)));
    assert_eq!(found["all"]["saved_micro_usd"], 1_750_000, "{found}");
    assert_eq!(found["strong"][0]["tries"], 10);
}
