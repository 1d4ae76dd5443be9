//! Answers that would be longer than a client takes: what is cut, what never is, and where the whole is.

use phasegate::config::settings::Settings;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::TaskId;
use phasegate::engine::{Failure, Unwatched};
use phasegate::tools::fold::RESULT_CHARS_MAX;
use phasegate::tools::{self, Reply};
use serde_json::{Value, json};

use crate::support::{TestEnv, able, agent, person};

const PLAIN: &str =
    "version: 1\nname: plain\nphases:\n  work: { allow: [Read, submit_task], next: [done] }\n  done: { end: true }\n";

/// Both forms, and how long they are as a result of MCP.
fn sized(reply: &Reply) -> usize {
    let result = json!({
        "content": [{ "type": "text", "text": reply.text }], "structuredContent": reply.structured, "isError": false,
    });
    result.to_string().chars().count()
}

fn call(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Reply {
    match env.engine.call(who, tools::find(tool).unwrap(), arguments, &Unwatched) {
        Ok(reply) => reply,
        Err(Failure::Refused(refusal)) => {
            Reply { structured: serde_json::to_value(&refusal).unwrap(), text: refusal.to_string() }
        }
        Err(Failure::Broken(error)) => panic!("{tool}: {error}"),
    }
}

fn short(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Reply {
    let reply = call(env, who, tool, arguments);
    let size = sized(&reply);
    assert!(size < RESULT_CHARS_MAX, "{tool}: {size} characters");
    reply
}

fn big_task() -> Value {
    json!({
        "title": "t".repeat(200), "goal": "the goal", "description": "d".repeat(20_000),
        "context": { "long": "c".repeat(200_000), "deep": { "of": ["x".repeat(90_000)] }, "id": "kept" },
        "constraints": vec!["k".repeat(1000); 50], "acceptance_criteria": vec!["a".repeat(1000); 50],
        "metadata": { "m": "m".repeat(90_000) },
    })
}

#[test]
fn a_long_brief_keeps_what_its_holder_goes_on_with_and_says_where_the_rest_is() {
    let env = TestEnv::trusting(PLAIN);
    let ana = agent("ana");
    call(&env, &person("lead"), "submit_task", big_task());
    let brief = short(&env, &ana, "claim_task", json!({}));
    let told = &brief.structured;
    assert!(told["claim"].as_str().is_some_and(|handle| handle.len() == 36), "{told}");
    assert_eq!((&told["goal"], &told["context"]["id"]), (&json!("the goal"), &json!("kept")));
    assert!(told["description"].as_str().unwrap().ends_with("… (20000 characters)"), "{told}");
    let constraints = told["constraints"].as_array().unwrap();
    assert!(constraints.len() > 20 && constraints.last() == Some(&json!("… (50 in all)")), "{constraints:?}");
    for form in [told["note"].as_str().unwrap(), &brief.text] {
        assert!(form.contains("phasegate://task/T-1 has them whole"), "{form}");
    }
    let whole = env.engine.task_view(TaskId(1)).unwrap().unwrap();
    assert_eq!(whole["spec"]["context"]["long"], json!("c".repeat(200_000)));

    // What the last holder wrote down comes through where everything else is cut.
    let checkpoint = json!({ "done": "p".repeat(9000), "next": "q".repeat(9000) });
    short(&env, &ana, "update_task", json!({ "checkpoint": checkpoint }));
    assert_eq!(short(&env, &ana, "claim_task", json!({})).structured["checkpoint"], checkpoint);
    let checkpoint = json!({ "done": "p".repeat(60_000), "step": 7 });
    short(&env, &ana, "update_task", json!({ "checkpoint": checkpoint }));
    let again = short(&env, &ana, "claim_task", json!({}));
    let (shown, note) = (&again.structured["checkpoint"], again.structured["note"].as_str().unwrap());
    assert!(shown["done"].as_str().unwrap().ends_with("… (60000 characters)"), "{shown}");
    assert_eq!(shown["step"], 7);
    assert!(note.contains("the checkpoint too"), "{note}");
    assert_eq!(env.engine.task_view(TaskId(1)).unwrap().unwrap()["checkpoint"]["data"], checkpoint);
}

#[test]
fn a_list_stops_early_and_its_pages_give_all_of_it() {
    let env = TestEnv::trusting(PLAIN);
    let ana = agent("ana");
    let labels: Vec<String> = (10..30).map(|number| format!("{number}{}", "é".repeat(58))).collect();
    let items = vec![json!({ "title": "😀".repeat(200), "labels": labels }); 120];
    short(&env, &ana, "submit_task", json!({ "tasks": items }));
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = short(&env, &ana, "list_tasks", json!({ "limit": 100, "after": after }));
        let rows = page.structured["tasks"].as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["labels"].as_array().unwrap().len() == 20), "rows are whole");
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        after = page.structured["next"].clone();
        if after.is_null() {
            break;
        }
        assert_eq!(after, rows.last().unwrap()["id"]);
        assert!(page.text.contains(&format!("More: after {}", after.as_str().unwrap())), "{}", page.text);
    }
    assert_eq!(seen, (1..=120).map(|id| format!("T-{id}")).collect::<Vec<_>>());
}

#[test]
fn every_id_of_a_large_submission_is_told() {
    let env = TestEnv::trusting(PLAIN);
    let items: Vec<Value> = (0..500)
        .map(|number| json!({ "title": "t".repeat(200), "ref": format!("{number}{}", "r".repeat(50)) }))
        .collect();
    let reply = short(&env, &agent("ana"), "submit_task", json!({ "tasks": items }));
    let shown = reply.structured["tasks"].as_array().unwrap().len();
    assert!(shown > 20 && shown < 500, "{shown}");
    assert_eq!(reply.structured["waves"][0].as_array().map(Vec::len), Some(500));
    let note = reply.structured["note"].as_str().unwrap();
    assert!(note.contains(&format!("T-{} to T-500 follow in the order", shown + 1)), "{note}");
}

#[test]
fn whatever_an_agent_may_hand_in_the_answer_is_short_enough() {
    let settings = Settings { claims_per_agent: 3, ..Settings::default() };
    let schema = json!({ "type": "object", "required": ["k"], "properties":
        (0..150).map(|n| (format!("p{n}"), json!({ "type": "string", "description": "d".repeat(300) }))).collect::<serde_json::Map<_, _>>() });
    let flow = format!(
        "version: 1\nname: flow\nphases:\n  work:\n    allow: [Read, submit_task]\n    exit: [ {{ artifact: big, schema: {schema} }} ]\n    next: [done]\n  done: {{ end: true }}\n"
    );
    let env = TestEnv::with_settings(Some(&flow), &settings);
    let ana = able("ana", &[], 3);
    short(&env, &ana, "claim_task", json!({ "new": { "title": "one" } }));
    let refused = short(&env, &ana, "submit_artifact", json!({ "name": "big", "content": {} }));
    assert_eq!(refused.structured["code"], "artifact_invalid");
    assert!(refused.text.contains("does not fit its schema"), "{}", refused.text);
    let questions: Vec<Value> = (0..20).map(|n| json!({ "question": format!("{n}{}", "z".repeat(1990)) })).collect();
    let asked = short(&env, &ana, "request_approval", json!({ "batch": questions }));
    let all = std::iter::once(&asked.structured).chain(asked.structured["batch"].as_array().unwrap());
    let ids: Vec<&str> = all.map(|one| one["approval"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), ids[19]), (20, "A-20"));
    let waits = vec![json!({ "title": "waits", "depends_on": ["T-2"] }); 500];
    short(&env, &ana, "submit_task", json!({ "title": "first" }));
    short(&env, &ana, "submit_task", json!({ "tasks": waits }));
    let open = short(&env, &ana, "update_task", json!({ "task": "T-2", "cancel": "x" }));
    assert_eq!(open.structured["code"], "open_dependents");
    short(&env, &ana, "update_task", json!({ "task": "T-2", "cancel": "x", "dependents": "cancel" }));
    for blocker in 0..30 {
        short(&env, &ana, "update_task", json!({ "task": "T-1", "blocker": format!("{blocker}{}", "b".repeat(1990)) }));
    }
    short(&env, &ana, "list_tasks", json!({}));
    short(&env, &ana, "query_audit", json!({ "limit": 200 }));
}
