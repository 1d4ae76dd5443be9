//! Contexts made shorter: `phasegate context` through the real binary, and `optimize_context` as agents call it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use phasegate::domain::refusal::Code;
use serde_json::{Value, json};

use crate::support::{TestEnv, agent};

fn context(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.arg("context").args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Files with functions, of which one is asked for.
fn code() -> String {
    let unit = |n: usize| {
        format!(
            "def handle_{n}(event):\n    total = event.total + {n}\n    if total > {n}0:\n        return None\n    return total\n\n\n"
        )
    };
    let file = |file: usize| {
        format!("# file: app/part_{file}.py\nimport os\n\n{}", (0..12).map(|n| unit(file * 12 + n)).collect::<String>())
    };
    (0..6).map(file).collect()
}

#[test]
fn a_batch_is_answered_line_by_line_whatever_the_lines_are() {
    let folder = tempfile::tempdir().unwrap();
    let code = code();
    let lines = [
        json!({ "id": 1, "query": "handle_40 is wrong", "context": code, "keep": 0.3 }).to_string(),
        "no JSON".to_owned(),
        json!({ "id": "b", "query": "x", "keep": 0.5 }).to_string(),
        json!({ "id": "c", "query": "x", "context": "y", "keep": 7 }).to_string(),
        json!({ "id": "d", "query": "", "context": "", "keep": 0.5 }).to_string(),
        json!([1]).to_string(),
        json!({ "id": 2, "query": "handle_40", "context": code, "tokens": 100 }).to_string(),
    ];
    let output = context(folder.path(), &["reduce", "--jsonl"], &lines.join("\n"));
    let answers: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(null), &json!("b"), &json!("c"), &json!("d"), &json!(null), &json!(2)]);
    assert_eq!(output.status.code(), Some(1), "lines that could not be answered are told by the exit code");
    let first = &answers[0];
    assert!(first["context"].as_str().unwrap().contains("def handle_40(event):"), "{first}");
    let (before, after) = (first["tokens_before"].as_u64().unwrap(), first["tokens_after"].as_u64().unwrap());
    assert!(after as f64 <= before as f64 * 0.3 + 1.0 && after > 0, "{after} of {before}");
    assert_eq!(answers[4]["context"], "");
    assert!(answers[6]["tokens_after"].as_u64().unwrap() <= 100, "{}", answers[6]);
    for (answer, told) in [(1, "not sound JSON"), (2, "`context` is missing"), (3, "from 0 to 1"), (5, "not an object")]
    {
        let error = &answers[answer]["error"];
        assert!(error["message"].as_str().unwrap().contains(told), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("\"keep\""), "{error}");
    }
}

#[test]
fn a_file_is_reduced_to_its_budget_and_gaps_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.py"), code()).unwrap();
    let output = context(folder.path(), &["reduce", "all.py", "--query", "handle_17", "--tokens", "300"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output);
    assert!(shown.contains("def handle_17(event):") && shown.contains("[..."), "{shown}");
    let piped = context(folder.path(), &["--json", "reduce", "--query", "handle_17", "--keep", "0.2"], &code());
    let piped: Value = serde_json::from_str(&text(&piped)).unwrap();
    assert_eq!(piped["kind"], "code");
    assert!(!piped["gaps"].as_array().unwrap().is_empty(), "{piped}");
    for (arguments, told) in [
        (vec!["reduce", "none.py"], "cannot be read"),
        (vec!["reduce", "all.py", "--keep", "2"], "from 0 to 1"),
        (vec!["reduce", "all.py", "--keep", "0.5", "--tokens", "3"], "cannot be used with"),
        #[cfg(not(feature = "exact-tokens"))]
        (vec!["reduce", "all.py", "--exact"], "not built into this phasegate"),
    ] {
        let output = context(folder.path(), &arguments, "");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn what_was_printed_of_a_growing_text_stays() {
    let folder = tempfile::tempdir().unwrap();
    let session: String =
        (0..400).map(|n| format!("$ run step_{}\nok: /srv/out/part_{}.log in {n} ms\n", n % 50, n % 70)).collect();
    let mut before = String::new();
    for end in [2000, 6000, 12_000] {
        let end = session[..end].rfind('\n').unwrap() + 1;
        let arguments = ["reduce", "--append-only", "--keep", "0.4", "--query", "step_7"];
        let now = text(&context(folder.path(), &arguments, &session[..end]));
        assert!(now.starts_with(&before) && now.len() > before.len(), "{before}\n---\n{now}");
        before = now;
    }
}

#[test]
fn a_text_is_split_into_parts_that_say_what_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--json", "delegate", "--query", "handle_40", "--parts", "3", "--tokens", "900"];
    let output = context(folder.path(), &arguments, &code());
    let answer: Value = serde_json::from_str(&text(&output)).unwrap();
    let parts = answer["parts"].as_array().unwrap();
    let files: usize = parts.iter().map(|part| part["titles"].as_array().unwrap().len()).sum();
    assert_eq!((parts.len(), files), (3, 6), "{answer}");
    let budgets: u64 = parts.iter().map(|part| part["budget"].as_u64().unwrap()).sum();
    assert!(budgets <= 900, "{budgets}");
    for part in parts {
        assert!(part["tokens_after"].as_u64() <= part["budget"].as_u64(), "{part}");
    }
    assert!(parts.iter().any(|part| part["context"].as_str().unwrap().contains("def handle_40(")), "{answer}");
}

#[test]
fn what_was_left_out_comes_back_by_its_handle_and_only_to_its_agent() {
    let env = TestEnv::new();
    let (ana, bo) = (agent("ana"), agent("bo"));
    let code = code();
    let ask = json!({ "text": code, "query": "handle_40 is wrong", "keep": 0.3 });
    let first = env.call(&ana, "optimize_context", ask).unwrap();
    let shown = first["text"].as_str().unwrap();
    assert!(shown.contains("def handle_40(event):") && !shown.contains("def handle_60(event):"), "{shown}");
    let mark = shown.lines().find(|line| line.starts_with("[...")).unwrap();
    let lines = mark.trim_start_matches("[...").trim_end_matches(']');
    let back = env.call(&ana, "optimize_context", json!({ "handle": first["handle"], "lines": lines })).unwrap();
    let (from, to) = lines.split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let wanted: String = code.split_inclusive('\n').skip(from - 1).take(to + 1 - from).collect();
    assert_eq!(back["text"], wanted);
    let other = json!({ "handle": first["handle"], "query": "handle_60", "keep": 200 });
    let again = env.call(&ana, "optimize_context", other.clone()).unwrap();
    assert!(again["text"].as_str().unwrap().contains("def handle_60(event):"), "{again}");
    assert!(again["tokens_after"].as_u64().unwrap() <= 200, "{again}");
    assert_eq!(env.call(&bo, "optimize_context", other).unwrap_err().code, Code::UnknownContext);
}

#[test]
fn what_an_earlier_call_had_is_left_out_and_named() {
    let env = TestEnv::new();
    let (ana, bo) = (agent("ana"), agent("bo"));
    let paragraph = |n: usize| {
        format!("Town {n}\nTown {n} lies on the river number {} and has {} people in it.\n\n", n % 9, n * 731)
    };
    let text: String = (0..40).map(paragraph).collect();
    let first = env.call(&ana, "optimize_context", json!({ "text": text, "query": "Town 7", "keep": 0.5 })).unwrap();
    assert_eq!(first["had"], 0);
    let had: Vec<&str> = first["text"].as_str().unwrap().lines().filter(|line| line.starts_with("Town ")).collect();
    let second = env.call(&ana, "optimize_context", json!({ "text": text, "query": "Town 7", "keep": 1 })).unwrap();
    assert_eq!(second["had_from"], json!([first["handle"]]), "{second}");
    let shown = second["text"].as_str().unwrap();
    assert!(!shown.contains("Town 7 lies"), "it had that: {shown}");
    // What was left out the first time was not had.
    let missing =
        (0..40).map(|n| format!("Town {n} lies")).find(|line| !had.iter().any(|had| had.starts_with(line.as_str())));
    assert!(shown.contains(&missing.unwrap()), "{shown}");
    let other = env.call(&bo, "optimize_context", json!({ "text": text, "query": "Town 7", "keep": 1 })).unwrap();
    assert_eq!(other["text"], text.as_str(), "another agent has had nothing");
    let sums = env.engine.contexts().unwrap();
    let calls: Vec<(String, u64)> = sums.iter().map(|sum| (sum.agent.to_string(), sum.calls)).collect();
    assert_eq!(calls, [("ana".to_owned(), 2), ("bo".to_owned(), 1)]);
}

#[test]
fn an_answer_stays_within_what_a_client_takes() {
    let env = TestEnv::new();
    let text: String = (0..6000).map(|n| format!("src/file_{n}.rs:{n}: let value_{n} = read({n});\n")).collect();
    for more in [json!({ "keep": 1 }), json!({ "keep": 900_000 }), json!({ "keep": 0.9, "append_only": true })] {
        let mut ask = json!({ "text": text, "query": "value_77" });
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = env.call(&agent("ana"), "optimize_context", ask).unwrap();
        assert!(reply.to_string().len() < 25_000, "{more}: {}", reply.to_string().len());
        assert!(reply["truncated"].as_str().is_some(), "{more}");
    }
    let long = env.call(&agent("ana"), "optimize_context", json!({ "text": "x".repeat(2_000_000), "query": "y" }));
    assert_eq!(long.unwrap_err().code, Code::TooLarge);
}

#[test]
fn what_went_from_a_long_line_comes_back_by_its_bytes() {
    let env = TestEnv::new();
    let ana = agent("ana");
    let object = |n: usize| format!("{{\"id\":{n},\"name\":\"Zoë {n}\",\"key\":\"v{}\"}}", n * 7);
    let text = format!("[{}]", (0..2000).map(object).collect::<Vec<_>>().join(","));
    let asked = json!({ "text": text, "query": "Zoë 1500", "keep": 0.1 });
    let reply = env.call(&ana, "optimize_context", asked).unwrap();
    let (handle, mut shown) = (reply["handle"].clone(), reply["text"].as_str().unwrap().to_owned());
    assert!(reply["tokens_after"].as_u64().unwrap() * 10 <= reply["tokens_before"].as_u64().unwrap(), "{reply}");
    let part =
        |ask: &str, range: &str| env.call(&ana, "optimize_context", json!({ "handle": handle, ask: range })).unwrap();
    let whole = |ask: &str, range: &str| {
        let mut got = part(ask, range);
        let mut all = got["text"].as_str().unwrap().to_owned();
        while let Some(more) = got["truncated"].as_str() {
            got = part("bytes", more.split("`bytes`: ").nth(1).unwrap());
            all.push_str(got["text"].as_str().unwrap());
        }
        all
    };
    assert_eq!(whole("lines", "1-1"), text, "nothing of a line is out of reach");
    let mut told = 0;
    while let Some((before, after)) = shown.split_once("[...bytes ") {
        let (range, after) = after.split_once("] ").unwrap();
        shown = format!("{before}{}{}", whole("bytes", range), after.trim_start_matches('\n'));
        told += 1;
    }
    assert!(told > 1 && !shown.contains("Zoë 1501\"[...]"), "{told}: {shown}");
    assert!(shown.contains("[...] ") || shown == text, "what is told fills its gap");
    assert_eq!(part("bytes", "999999999")["truncated"], format!("the text has {} bytes", text.len()));
    let split = text.find('ë').unwrap() + 2;
    assert_eq!(part("bytes", &format!("{split}-{split}"))["text"], "ë", "no character is cut");
}

#[test]
fn what_an_answer_had_no_room_for_was_not_given() {
    let env = TestEnv::new();
    let ana = agent("ana");
    let line =
        |n: usize| format!("2026-01-01T10:00:00Z INFO request number_{n} came from host_{} to /srv/x{n}\n", n * 7);
    let text: String = (0..900).map(line).collect();
    let ask = json!({ "text": text, "keep": 1, "append_only": true });
    let first = env.call(&ana, "optimize_context", ask).unwrap();
    let given = first["text"].as_str().unwrap();
    let more = first["truncated"].as_str().unwrap();
    let is_given = |n: &usize| given.contains(&format!("number_{n} "));
    let next = (0..900).filter(is_given).max().unwrap() + 2;
    assert!(more.ends_with(&format!("`lines`: {next}-900")), "{more}");
    assert_eq!(first["lines_left_out"], 900 - (0..900).filter(is_given).count());
    let tail: String = (860..900).map(line).collect();
    let second = env.call(&ana, "optimize_context", json!({ "text": tail, "keep": 1 })).unwrap();
    assert_eq!((&second["had"], &second["text"]), (&json!(0), &json!(tail)));
    let head: String = (0..20).map(line).collect();
    let third = env.call(&ana, "optimize_context", json!({ "text": head, "keep": 1 })).unwrap();
    assert_eq!(third["had"], (0..20).filter(is_given).count(), "{third}");
}
