//! Asking the log: filters, pages, counts, bounds, who sees what; exports, and reading them back.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use phasegate::audit::export::{Export, Format};
use phasegate::domain::command::Decision;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::Time;
use phasegate::domain::record::{Record, RecordFilter};
use phasegate::engine::{Engine, Unwatched};
use phasegate::store::{Lock, Param, snapshot};
use phasegate::tools;
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{START, TestEnv, agent, person};

const FLOW: &str = "version: 1\nname: flow\nphases:\n  plan:\n    allow: [Read]\n    exit: [ { artifact: plan } ]\n    next: [build]\n  build: { next: [done] }\n  done: { end: true }\n";

/// Two agents, three tasks, an artifact from a file, refusals, an approval, a completed task.
fn busy() -> TestEnv {
    let env = TestEnv::trusting(FLOW);
    let (ana, bo) = (agent("ana"), agent("bo"));
    for title in ["The Ledger", "invoices", "idle"] {
        env.call(&person("lead"), "submit_task", json!({ "title": title })).unwrap();
    }
    let call = |caller: &Caller, tool: &str, arguments: Value| {
        env.clock.advance_seconds(60);
        env.call(caller, tool, arguments)
    };
    call(&ana, "claim_task", json!({ "id": "T-1" })).unwrap();
    call(&bo, "claim_task", json!({ "id": "T-2" })).unwrap();
    call(&bo, "claim_task", json!({ "id": "T-1" })).unwrap_err();
    call(&ana, "transition_phase", json!({})).unwrap_err();
    env.write("billing/deep/plan.md", "# plan");
    call(&ana, "submit_artifact", json!({ "name": "plan", "path": "billing/deep/plan.md" })).unwrap();
    let asked = call(&ana, "request_approval", json!({ "question": "Go on?", "reason": "said \"so\"" })).unwrap();
    let yes = Decision::Approve { reason: String::new(), choice: None };
    env.answer(&person("lead"), asked["approval"].as_str().unwrap().parse().unwrap(), yes, 1).unwrap();
    call(&ana, "transition_phase", json!({})).unwrap();
    call(&bo, "update_task", json!({ "progress": "half of the LEDGER" })).unwrap();
    call(&ana, "transition_phase", json!({ "summary": "well" })).unwrap();
    env
}

fn auditor() -> Caller {
    Caller { role: Role::Auditor, ..agent("ada") }
}

fn ask(env: &TestEnv, caller: &Caller, arguments: Value) -> Value {
    env.call(caller, "query_audit", arguments).unwrap()
}

fn seqs(page: &Value) -> Vec<u64> {
    page["records"].as_array().unwrap().iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

fn all(engine: &Engine) -> Vec<Record> {
    let filter = RecordFilter { after: Some(0), limit: 1000, ..RecordFilter::default() };
    engine.records(&filter).unwrap().records
}

fn said<'r>(record: &'r Record, field: &str) -> &'r str {
    record.event[field].as_str().unwrap_or("")
}

type Naive = fn(&Record) -> bool;

#[test]
fn each_filter_finds_what_a_naive_look_finds() {
    let env = busy();
    let minute = |minutes: i64| Time(START.0 + minutes * 60_000);
    let table: Vec<(Value, Naive)> = vec![
        (json!({ "task": "T-1" }), |r| r.task.is_some_and(|task| task.0 == 1)),
        (json!({ "agent": "bo" }), |r| r.agent.0 == "bo"),
        (json!({ "role": "operator" }), |r| r.role == "operator"),
        (json!({ "kind": "TaskClaimed" }), |r| said(r, "type") == "TaskClaimed"),
        (json!({ "kind": "TaskClaimed, PhaseEntered" }), |r| {
            ["TaskClaimed", "PhaseEntered"].contains(&said(r, "type"))
        }),
        (json!({ "kind": "write" }), |r| said(r, "type") == "ArtifactSubmitted"),
        (json!({ "verdict": "refused" }), |r| said(r, "type") == "CommandRefused"),
        (json!({ "verdict": "allowed" }), |r| said(r, "type") != "CommandRefused"),
        (json!({ "tool": "transition_phase" }), |r| r.tool == "transition_phase"),
        (json!({ "code": "gates_unmet" }), |r| said(r, "code") == "gates_unmet"),
        (json!({ "phase": "build" }), |r| said(r, "phase") == "build" || said(r, "from") == "build"),
        (json!({ "path": "billing/**" }), |r| said(r, "path").starts_with("billing/")),
        (json!({ "text": "ledger" }), |r| r.event.to_string().to_lowercase().contains("ledger")),
        (json!({ "text": "said \"SO\"" }), |r| said(r, "reason") == "said \"so\""),
        (json!({ "since": minute(3), "until": minute(6) }), |r| (3..6).contains(&((r.at.0 - START.0) / 60_000))),
        (json!({ "agent": "ana", "verdict": "refused", "task": "T-1" }), |r| {
            r.agent.0 == "ana" && said(r, "type") == "CommandRefused"
        }),
    ];
    let everything = all(&env.engine);
    for (arguments, fits) in table {
        let mut wanted: Vec<u64> = everything.iter().filter(|record| fits(record)).map(|record| record.seq).collect();
        assert!(!wanted.is_empty() && wanted.len() < everything.len(), "{arguments} tells nothing apart: {wanted:?}");
        let mut upward = arguments.clone();
        upward["after"] = json!(0);
        upward["limit"] = json!(200);
        assert_eq!(seqs(&ask(&env, &auditor(), upward)), wanted, "{arguments}, upwards");
        wanted.reverse();
        let mut downward = arguments.clone();
        downward["limit"] = json!(200);
        assert_eq!(seqs(&ask(&env, &auditor(), downward)), wanted, "{arguments}");
    }
    assert!(seqs(&ask(&env, &auditor(), json!({ "path": "src/**" }))).is_empty());
    for (arguments, says) in [
        (json!({ "verdict": "deny" }), "known: allowed, refused, waived"),
        (json!({ "count_by": "colour" }), "known: kind, agent"),
        (json!({ "count_by": "kind,agent,task" }), "one or two"),
        (json!({ "text": "" }), "`text`"),
    ] {
        let refusal = env.call(&auditor(), "query_audit", arguments).unwrap_err();
        assert!(refusal.message.contains(says), "{refusal}");
    }
}

#[test]
fn pages_stay_whole_while_records_are_added() {
    let env = busy();
    let before: Vec<u64> = all(&env.engine).iter().map(|record| record.seq).rev().collect();
    let (mut found, mut next) = (Vec::new(), Value::Null);
    loop {
        let page = ask(&env, &auditor(), json!({ "limit": 3, "before": next }));
        found.extend(seqs(&page));
        env.call(&person("lead"), "submit_task", json!({ "title": "one more" })).unwrap();
        next = page["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(found, before);
}

#[test]
fn counts_are_those_of_a_naive_count() {
    let env = busy();
    let everything = all(&env.engine);
    for (by, key) in [
        ("kind", (|r| vec![said(r, "type").to_owned()]) as fn(&Record) -> Vec<String>),
        ("agent,tool", |r| vec![r.agent.0.clone(), r.tool.clone()]),
        ("verdict", |r| vec![if said(r, "type") == "CommandRefused" { "refused" } else { "allowed" }.to_owned()]),
        ("task,day", |r| {
            vec![r.task.map(|task| task.to_string()).unwrap_or_default(), r.at.to_string()[..10].to_owned()]
        }),
        ("phase", |r| vec![said(r, "phase").to_owned()]),
    ] {
        let mut naive = std::collections::BTreeMap::new();
        for record in &everything {
            *naive.entry(key(record)).or_insert(0u64) += 1;
        }
        let page = ask(&env, &auditor(), json!({ "count_by": by }));
        let counts = page["counts"].as_array().unwrap();
        let found = counts.iter().map(|count| {
            let values = by.split(',').map(|by| count[by].as_str().unwrap().to_owned()).collect();
            (values, count["records"].as_u64().unwrap())
        });
        assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), naive, "{by}");
        assert_eq!(page["scanned"], json!(everything.len()), "{by}");
        assert!(counts.is_sorted_by(|a, b| a["records"].as_u64() >= b["records"].as_u64()), "{page}");
    }
    add(
        &env,
        1,
        &json!({ "type": "TaskCompleted", "task": "T-1", "phase": "build",
        "outcome": { "summary": "done", "data": { "usd": 0.5, "tokens": 12 } } }),
    );
    add(
        &env,
        1,
        &json!({ "type": "TaskCompleted", "task": "T-2", "phase": "build",
        "outcome": { "summary": "done", "data": { "usage": { "usd": 0.25, "input_tokens": 3, "output_tokens": 5 } } } }),
    );
    let page = ask(&env, &auditor(), json!({ "count_by": "tool", "tool": "made" }));
    assert_eq!(page["counts"], json!([{ "tool": "made", "records": 2, "usd": 0.75, "tokens": 20 }]));
}

/// Records that no tool makes, written as the store writes them.
fn add(env: &TestEnv, count: u64, event: &Value) {
    let at = START;
    let body =
        json!({ "v": 1, "at": at, "agent": "maker", "role": "agent", "tool": "made", "event": event }).to_string();
    let kind = event["type"].as_str().unwrap().to_owned();
    let write = move |tx: &mut dyn phasegate::store::Tx| {
        let sql = tx.dialect().put_event;
        let params = [Param::Int(at.0), Param::Text(&kind), Param::Null, Param::Text("maker"), Param::Text(&body)];
        (0..count).try_for_each(|_| tx.execute(sql, &params).map(drop))
    };
    env.engine.backend().write(Lock::Whole, Box::new(write)).unwrap();
}

#[test]
fn an_answer_stays_short_whatever_the_records_hold() {
    let env = TestEnv::new();
    let long = "é\"\n".repeat(20_000);
    let many: serde_json::Map<String, Value> = (0..5000).map(|n| (format!("field{n}"), json!(n))).collect();
    let names: serde_json::Map<String, Value> =
        (0..40).map(|n| (format!("{n}{}", "n".repeat(3000)), json!(n))).collect();
    for event in [
        json!({ "type": "CheckpointSaved", "data": long }),
        json!({ "type": "CheckpointSaved", "data": { "deep": [[[many]]] } }),
        json!({ "type": "CheckpointSaved", "data": (0..9000).collect::<Vec<_>>() }),
        Value::Object(std::iter::once(("type".to_owned(), json!("Wide"))).chain(many.clone()).collect()),
        Value::Object(std::iter::once(("type".to_owned(), json!("Named"))).chain(names).collect()),
        json!({ "type": "ProgressNoted", "note": "n".repeat(390) }),
    ] {
        add(&env, 60, &event);
    }
    let tool = tools::find("query_audit").unwrap();
    let (mut found, mut next) = (Vec::new(), Value::Null);
    loop {
        let arguments = json!({ "agent": "maker", "limit": 200, "before": next });
        let reply = env.engine.call(&auditor(), tool, arguments, &Unwatched).unwrap();
        let size = reply.structured.to_string().chars().count() + reply.text.chars().count();
        assert!(size < 50_000, "{size} characters");
        let page = seqs(&reply.structured);
        assert!(!page.is_empty());
        assert!(
            reply.structured["truncated"].as_str().is_some_and(|said| said.contains("cut") || said.contains("go on"))
        );
        found.extend(page);
        next = reply.structured["next"].clone();
        if next.is_null() {
            break;
        }
    }
    let wanted: Vec<u64> = all(&env.engine).iter().filter(|r| r.agent.0 == "maker").map(|r| r.seq).rev().collect();
    assert_eq!((found.len(), found == wanted), (360, true));
}

#[test]
fn a_search_without_an_index_reads_so_much_and_says_how_to_go_on() {
    let env = TestEnv::new();
    add(&env, 1, &json!({ "type": "StoreRestored" }));
    add(&env, 150_000, &json!({ "type": "Common" }));
    let page = ask(&env, &auditor(), json!({ "kind": "StoreRestored" }));
    assert_eq!(seqs(&page), [0u64; 0]);
    let scanned = page["scanned"].as_u64().unwrap();
    assert!((100_000..110_000).contains(&scanned), "{scanned}");
    assert!(page["truncated"].as_str().unwrap().contains("go on with `before`"), "{page}");
    let rest = ask(&env, &auditor(), json!({ "kind": "StoreRestored", "before": page["next"] }));
    assert_eq!((seqs(&rest).len(), &rest["next"], &rest["truncated"]), (1, &Value::Null, &Value::Null));
    let counted = env
        .engine
        .records(&RecordFilter { count_by: vec![phasegate::domain::record::CountBy::Kind], ..RecordFilter::default() });
    assert!(counted.unwrap().next.is_some());
}

#[test]
fn an_agent_sees_its_tasks_and_its_calls_and_nothing_else() {
    let env = busy();
    let everything = all(&env.engine);
    let shown = |name: &str| -> Vec<u64> {
        let page = ask(&env, &agent(name), json!({ "limit": 200, "after": 0 }));
        assert!(page["limited_to"].as_str().is_some_and(|said| said.contains("your tasks")), "{page}");
        seqs(&page)
    };
    let wanted = |name: &str, task: u64, approved: bool| -> Vec<u64> {
        let mine = |r: &&Record| {
            r.agent.0 == name
                || r.task.is_some_and(|found| found.0 == task)
                || approved && said(r, "type") == "ApprovalApproved"
        };
        everything.iter().filter(mine).map(|record| record.seq).collect()
    };
    // Ana's task is done and held by nobody; she worked on it. Bo was refused it, which is an act of his on T-1.
    assert_eq!(shown("ana"), wanted("ana", 1, true));
    assert_eq!(shown("bo"), wanted("bo", 2, false));
    assert_eq!(shown("eve"), [0u64; 0], "who has no task and did nothing sees nothing");
    let others = ask(&env, &agent("bo"), json!({ "task": "T-1", "limit": 200 }));
    assert!(others["records"].as_array().unwrap().iter().all(|record| record["agent"] == "bo"), "{others}");
    let counted = ask(&env, &agent("bo"), json!({ "count_by": "task" }));
    assert!(counted["counts"].as_array().unwrap().iter().all(|count| count["task"] != "T-3"), "{counted}");
    for caller in [auditor(), person("lead"), Caller { role: Role::Approver, ..agent("ann") }] {
        let page = ask(&env, &caller, json!({ "limit": 200 }));
        assert_eq!((seqs(&page).len(), &page["limited_to"]), (everything.len(), &Value::Null));
    }
}

#[test]
fn a_search_by_time_bears_a_clock_that_was_set_back() {
    let env = TestEnv::new();
    let lead = person("lead");
    let mut wanted = Vec::new();
    env.clock.advance_seconds(1_000_000);
    for number in 0..120 {
        // Nine minutes back, ten forward.
        env.clock.advance_seconds(if number % 2 == 1 { -540 } else { 600 });
        env.call(&lead, "submit_task", json!({ "title": format!("{number}") })).unwrap();
    }
    let (since, until) = (Time(START.0 + 1_000_000_000 + 20 * 60_000), Time(START.0 + 1_000_000_000 + 40 * 60_000));
    wanted.extend(all(&env.engine).iter().filter(|r| r.at >= since && r.at < until).map(|r| r.seq));
    assert_eq!(wanted.len(), 40);
    let page = ask(&env, &auditor(), json!({ "since": since, "until": until, "limit": 200, "after": 0 }));
    assert_eq!(seqs(&page), wanted);
}

fn exported(env: &TestEnv, format: Format) -> String {
    let mut export = Export::new(format);
    let mut next = 1;
    while let Some(last) = env.engine.export(next, u64::MAX >> 1, &mut |row| export.row(row).unwrap()).unwrap() {
        next = last + 1;
    }
    export.end();
    String::from_utf8(export.bytes).unwrap()
}

fn erase(env: &TestEnv, seq: u64) {
    let write = move |tx: &mut dyn phasegate::store::Tx| {
        tx.execute("UPDATE events SET body = '' WHERE seq = ?1", &[Param::id(seq)]).map(drop)
    };
    env.engine.backend().write(Lock::Whole, Box::new(write)).unwrap();
}

#[test]
fn json_lines_hold_the_stored_bytes() {
    let env = busy();
    erase(&env, 2);
    let mut wanted = String::new();
    let bodies = snapshot(env.engine.backend(), |tx| {
        let mut bodies = Vec::new();
        tx.query("SELECT seq, body FROM events ORDER BY seq", &[], &mut |row| {
            bodies.push((row.int(0)?.unwrap(), row.text(1)?.unwrap().to_owned()));
            Ok(())
        })?;
        Ok(bodies)
    });
    for (seq, body) in bodies.unwrap() {
        wanted += &match body.is_empty() {
            true => format!("{{\"seq\":{seq},\"erased\":\"\"}}\n"),
            false => format!("{{\"seq\":{seq},\"body\":{body}}}\n"),
        };
    }
    assert_eq!(exported(&env, Format::Jsonl), wanted);
}

#[test]
fn a_table_has_a_row_for_each_record_and_no_formula() {
    let env = busy();
    add(&env, 1, &json!({ "type": "=HYPERLINK(\"x\")" }));
    erase(&env, 2);
    let text = exported(&env, Format::Csv);
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(rows[0], "seq,at,agent,role,tool,kind,task,verdict,event");
    let records = all(&env.engine);
    assert_eq!(rows.len(), records.len() + 1);
    for (row, record) in rows[1..].iter().zip(&records) {
        let task = record.task.map(|task| task.to_string()).unwrap_or_default();
        let begins = format!("{},{},{},{},{},", record.seq, record.at, record.agent, record.role, record.tool);
        assert!(row.starts_with(&begins) && row.contains(&format!(",{task},")), "{row}");
    }
    assert!(
        rows.last().unwrap().contains(",\"'=HYPERLINK(\"\"x\"\")\",,allowed,\"{\"\"type\"\":"),
        "{}",
        rows.last().unwrap()
    );
    assert!(rows[2].ends_with(",allowed,"), "an erased record has an empty event: {}", rows[2]);
}

#[test]
fn otel_log_records_have_the_names_of_the_conventions() {
    let env = busy();
    add(&env, 2000, &json!({ "type": "Common" }));
    let text = exported(&env, Format::Otel);
    let mut logs = Vec::new();
    for line in text.lines() {
        let batch: Value = serde_json::from_str(line).unwrap();
        let resource = &batch["resourceLogs"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({ "key": "service.name", "value": { "stringValue": "phasegate" } })
        );
        let records = resource["scopeLogs"][0]["logRecords"].as_array().unwrap().clone();
        assert!(records.len() <= 1000);
        logs.extend(records);
    }
    let records = all(&env.engine);
    assert_eq!(logs.len() as u64, env.engine.last_record().unwrap());
    let attribute = |log: &Value, key: &str| {
        let found = log["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key).cloned();
        found.map(|found| found["value"]["stringValue"].as_str().unwrap_or_default().to_owned())
    };
    for (log, record) in logs.iter().zip(&records) {
        assert_eq!(log["timeUnixNano"], json!(format!("{}000000", record.at.0)));
        assert_eq!(
            (&log["eventName"], &log["attributes"][0]["value"]["intValue"]),
            (&record.event["type"], &json!(record.seq.to_string()))
        );
        assert_eq!(serde_json::from_str::<Value>(log["body"]["stringValue"].as_str().unwrap()).unwrap(), record.event);
        let by_agent = record.role == "agent";
        assert_eq!(attribute(log, "mcp.method.name").as_deref(), by_agent.then_some("tools/call"));
        assert_eq!(attribute(log, "gen_ai.operation.name").as_deref(), by_agent.then_some("execute_tool"));
        assert_eq!(attribute(log, "gen_ai.tool.name").as_deref(), by_agent.then_some(record.tool.as_str()));
        assert_eq!(attribute(log, "gen_ai.agent.name").as_deref(), Some(record.agent.0.as_str()));
        assert_eq!(attribute(log, "error.type").as_deref(), record.event["code"].as_str());
        let severity = if record.event["code"].is_string() { 13 } else { 9 };
        assert_eq!(log["severityNumber"], json!(severity));
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear().env("USER", "lead");
    stores::tell(&mut command, folder);
    command
}

fn phasegate(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn an_exported_file_answers_as_the_log_does() {
    let env = busy();
    let at = env.folder.path();
    phasegate(at, &["audit", "export", "log.jsonl"]);
    assert_eq!(std::fs::read_to_string(at.join("log.jsonl")).unwrap(), exported(&env, Format::Jsonl));
    assert_eq!(phasegate(at, &["audit", "export"]), exported(&env, Format::Jsonl));
    assert_eq!(phasegate(at, &["audit", "export", "--format", "csv"]), exported(&env, Format::Csv));
    let left: Vec<_> = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    let part = phasegate(at, &["audit", "export", "--from", "3", "--to", "4"]);
    assert!(part.starts_with("{\"seq\":3,") && part.lines().count() == 2, "{part}");
    let bare = tempfile::tempdir().unwrap();
    std::fs::copy(at.join("log.jsonl"), bare.path().join("log.jsonl")).unwrap();
    for filter in [
        &[] as &[&str],
        &["--by", "ana"],
        &["--task", "T-1", "--kind", "refusal,PhaseEntered"],
        &["--verdict", "refused"],
        &["--path", "billing/**"],
        &["--phase", "build"],
        &["--code", "gates_unmet"],
        &["--text", "LEDGER"],
        &["--role", "operator", "--tool", "submit_task"],
        &["--limit", "2"],
    ] {
        let ask = |more: [&'static str; 2]| [&["audit", "query", "--json"], filter, &more].concat();
        let file = phasegate(bare.path(), &ask(["--in", "log.jsonl"]));
        assert!(!file.is_empty(), "{filter:?}");
        assert_eq!(phasegate(at, &ask(["--after", "0"])), file, "{filter:?}");
    }
    let counts = ["audit", "query", "--json", "--count-by", "kind,agent"];
    assert_eq!(phasegate(at, &counts), phasegate(bare.path(), &[&counts[..], &["--in", "log.jsonl"]].concat()));
    std::fs::write(bare.path().join("broken"), "{\"seq\":1,\"body\":{}}\n").unwrap();
    let told = command(bare.path(), &["audit", "query", "--in", "broken"]).output().unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&told.stderr).contains("broken, line 1 is no exported record"));
    assert_eq!(std::fs::read_dir(bare.path()).unwrap().count(), 2, "a file is asked without a workspace");
}

#[test]
fn tail_shows_what_is_new_and_ends_with_its_reader() {
    let env = busy();
    let at = env.folder.path();
    let newest = phasegate(at, &["audit", "tail", "-n", "2", "--json"]);
    let numbers: Vec<u64> =
        newest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect();
    let last = env.engine.last_record().unwrap();
    assert_eq!(numbers, [last - 1, last]);

    let mut child = command(at, &["audit", "tail", "-f", "-n", "1", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    env.call(&person("lead"), "submit_task", json!({ "title": "fresh" })).unwrap();
    line.clear();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains(&format!("\"seq\":{}", last + 1)) && line.contains("fresh"), "{line}");
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe ends it, also while nothing new comes");

    let mut child = command(at, &["audit", "tail", "-f", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    let id = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
