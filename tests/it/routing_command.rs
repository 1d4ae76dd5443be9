//! `phasegate route` and `phasegate models` through the real binary: lines in and out, and tables of models from files and
//! addresses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn phasegate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = phasegate(folder, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn reset() -> Value {
    json!({ "op": "reset", "set": "s", "tiers": [
        { "tier": "weak", "model": "a", "mean_cost": 0.03 }, { "tier": "strong", "model": "b", "mean_cost": 0.7 } ] })
}

#[test]
fn outcomes_teach_and_each_question_is_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = phasegate(folder.path(), &["route", "--jsonl"]).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut tell = |value: &Value| writeln!(to, "{value}").unwrap();
    tell(&reset());
    for n in 0..80 {
        let hard = n % 2 == 0;
        let prompt = if hard { "find the deadlock in the scheduler" } else { "rename a field of the form" };
        for (tier, success, cost) in [("weak", !hard, 0.03), ("strong", true, 0.7)] {
            tell(&json!({ "op": "outcome", "id": format!("T-{n}"), "project": "p", "prompt": prompt, "tier": tier,
                "success": u8::from(success), "cost": cost }));
        }
    }
    let mut ask = |prompt: &str| -> Value {
        tell(&json!({ "op": "route", "id": prompt, "project": "p", "prompt": prompt, "failed": [] }));
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    // Answered while the input is still open.
    let (hard, easy) = (ask("another deadlock of the scheduler"), ask("rename one more field"));
    assert_eq!((hard["tier"].as_str(), easy["tier"].as_str()), (Some("strong"), Some("weak")), "{hard} {easy}");
    assert!(hard["need"].as_f64() > easy["need"].as_f64(), "{hard} {easy}");
    let complexity = hard["complexity"].as_f64().unwrap();
    assert!((1.0..=10.0).contains(&complexity) && hard["reason"].is_string(), "{hard}");
    drop(to);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_failure_is_raised_until_no_stronger_tier_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let ask =
        |failed: Value| json!({ "op": "route", "id": "x", "project": "p", "prompt": "mend it", "failed": failed });
    let input =
        format!("{}\n{}\n{}\n{}\n", reset(), ask(json!([])), ask(json!(["weak"])), ask(json!(["weak", "strong"])));
    let output = run(folder.path(), &["route", "--jsonl"], &input);
    let tiers: Vec<Value> = lines(&output).iter().map(|line| line["tier"].clone()).collect();
    assert_eq!(tiers, ["weak", "strong", "stop"], "{}", told(&output));
}

#[test]
fn a_line_that_cannot_be_read_gets_an_error_line_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        "{",
        "[]",
        "\"route\"",
        r#"{"op":"dance","id":"d"}"#,
        r#"{"op":"route"}"#,
        r#"{"op":"route","id":"r","failed":["huge"]}"#,
    ];
    let mut input = wrong.join("\n");
    input.push_str("\n\n{\"op\":\"route\",\"id\":\"last\"}");
    let output = run(folder.path(), &["route", "--jsonl"], &input);
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(lines.len(), wrong.len() + 1, "{}", told(&output));
    assert!(lines[..wrong.len()].iter().all(|line| line["error"]["message"].is_string()), "{}", told(&output));
    assert_eq!((&lines[3]["id"], &lines[3]["error"]["line"]), (&json!("d"), &json!(4)));
    assert_eq!(lines[wrong.len()]["id"], "last");
}

#[test]
fn outcomes_and_resets_have_no_reply_whatever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = [
        r#"{"op":"outcome","id":"o","tier":"weak","success":7}"#,
        r#"{"op":"outcome","id":"o","tier":"weak","success":"yes"}"#,
        r#"{"op":"outcome","id":"o","tier":"weak","success":1e999}"#,
        r#"{"op":"reset","tiers":[{"tier":"weak","mean_cost":-1}]}"#,
        r#"{"op":"reset","tiers":[]}"#,
        r#"{"op":"outcome","id":"o","tier":"weak","success":1,"cost":-5}"#,
        r#"{"op":"outcome","id":"o","tier":"weak","success":1,"cost":1e308}"#,
    ];
    let output = run(folder.path(), &["route", "--jsonl"], &wrong.join("\n"));
    assert_eq!((output.status.code(), lines(&output).len()), (Some(1), 0), "{}", told(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!((1..=wrong.len()).all(|line| said.contains(&format!("line {line}: "))), "{said}");
    assert!(said.contains("`success` is true, false or a number from 0 to 1"), "{said}");
}

#[test]
fn success_may_be_true_and_an_id_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = |success: Value| json!({ "op": "outcome", "id": 7, "tier": "weak", "success": success });
    let ids = [json!(7), json!("7"), json!(1.5), json!({ "a": [1] }), json!(null)];
    let asked = ids.iter().map(|id| json!({ "op": "route", "id": id, "prompt": "x" }));
    let input: Vec<String> = [json!(true), json!(false), json!(1), json!(0.25)]
        .map(outcome)
        .into_iter()
        .chain(asked)
        .map(|line| line.to_string())
        .collect();
    let output = run(folder.path(), &["route", "--jsonl"], &input.join("\n"));
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(lines(&output).iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), ids);
    let long = "1000000000000000000000000000000";
    let told = run(folder.path(), &["route", "--jsonl"], &format!(r#"{{"op":"route","id":{long},"prompt":"x"}}"#));
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(said.starts_with(&format!("{{\"id\":{long},")), "{said}");
}

#[test]
fn one_piece_of_work_is_routed_with_models_and_costs() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["route", "--type", "feature", "--files", "3", "add", "a", "flag", "--json"], "");
    let route = &lines(&output)[0];
    assert_eq!((&route["tier"], &route["model"]), (&json!("base"), &json!("sonnet")), "{}", told(&output));
    assert_eq!(route["alternatives"].as_array().map(Vec::len), Some(3));
    assert!(!folder.path().join(".phasegate").exists(), "asking leaves nothing behind");
    let says = "base tier: by complexity; one try about";
    assert!(route["reason"].as_str().unwrap().starts_with(says), "{}", told(&output));
    let empty = run(folder.path(), &["route"], "");
    assert_eq!(empty.status.code(), Some(2), "{}", told(&empty));
    let other = run(folder.path(), &["route", "x", "--client", "bogus"], "");
    assert!(other.status.code() == Some(2) && told(&other).contains("opencode"), "{}", told(&other));
    let huge = run(folder.path(), &["route", "x", "--context", "5000000"], "");
    assert!(
        told(&huge).contains("no model keeps 5,000,000 tokens and what its client adds in view"),
        "{}",
        told(&huge)
    );
}

#[test]
fn a_local_model_comes_first_at_the_command_line_too() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, state) = (folder.path().join(".config/phasegate"), folder.path().join(".phasegate"));
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(settings.join("config.toml"), "[routing]\nlocal = \"first\"\n").unwrap();
    let own = r#"{"date":"2026-11-22","source":"mine","models":[{"name":"mine:30b","maker":"ollama","tier":"weak",
        "input":0,"output":0,"window":262000,"local":true}]}"#;
    std::fs::write(state.join("models.json"), own).unwrap();
    let model = |client: &str| {
        let output = run(folder.path(), &["route", "--type", "feature", "--client", client, "--json"], "");
        lines(&output)[0]["model"].as_str().map(str::to_owned)
    };
    assert_eq!(model("opencode").as_deref(), Some("ollama/mine:30b"));
    assert_eq!(model("claude-code").as_deref(), Some("sonnet"), "it runs only its maker's");
}

fn served(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/prices.json", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0_u8; 2048];
        let _ = stream.read(&mut asked).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len()).unwrap();
    });
    url
}

#[test]
fn a_newer_table_is_taken_from_a_file_or_an_address_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = |name: &str| -> f64 {
        let output = run(folder.path(), &["models", "show", name, "--json"], "");
        lines(&output)[0]["input"].as_f64().unwrap_or_else(|| panic!("{}", told(&output)))
    };
    assert_eq!(input("opus"), 4.0);
    let own = r#"{"date":"2020-01-01","source":"mine","models":[{"name":"claude-opus-5-5","maker":"anthropic",
        "tier":"strong","input":5,"output":25,"window":1000000}]}"#;
    std::fs::write(folder.path().join("own.json"), own).unwrap();
    let output = run(folder.path(), &["models", "update", "own.json"], "");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!((input("opus"), input("haiku")), (5.0, 0.1));
    let output = run(folder.path(), &["models", "list"], "");
    assert!(told(&output).contains("days old"), "an old table is said to be old: {}", told(&output));

    let url = served(r#"{"claude-opus-5-5":{"input_cost_per_token":6e-6,"output_cost_per_token":3e-5}}"#);
    let output = run(folder.path(), &["models", "update", &url], "");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!((input("opus"), input("haiku")), (6.0, 0.1));

    std::fs::write(folder.path().join("bad.json"), own.replace("\"input\":5", "\"input\":-5")).unwrap();
    for source in ["bad.json", "missing.json", "http://127.0.0.1:9/nothing"] {
        let output = run(folder.path(), &["models", "update", source], "");
        assert_eq!(output.status.code(), Some(2), "{source}: {}", told(&output));
        assert_eq!(input("opus"), 6.0, "{source}");
    }
    std::fs::write(folder.path().join(".phasegate/models.json"), "{").unwrap();
    assert_eq!(input("opus"), 4.0, "the built-in table stands in for a broken file");
}

#[test]
fn tokens_are_priced_on_every_model_the_cheapest_first() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["models", "cost", "--output", "1000000", "--json"], "");
    let costs = lines(&output)[0]["costs"].as_array().cloned().unwrap();
    let dollars: Vec<f64> = costs.iter().filter_map(|row| row["usd"].as_f64()).collect();
    assert!(dollars.len() >= 11 && dollars.is_sorted(), "{dollars:?}");
    let one = run(folder.path(), &["models", "cost", "opus", "--output", "1000000", "--json"], "");
    assert_eq!(lines(&one)[0]["costs"], json!([{ "model": "claude-opus-5-5", "usd": 20.0 }]));
}
