//! Merging beside what others put in, in place, and out again.

use super::*;

fn handler() -> Value {
    json!({ "type": "command", "command": "phasegate", "args": ["hook", "claude-code"], "timeout": 10, "onFailure": "block" })
}

fn wants() -> Vec<Want> {
    let entry = json!({ "command": "phasegate", "args": ["serve"] });
    vec![
        Want::Server { under: "mcpServers", entry: entry.as_object().unwrap().clone() },
        Want::Listed { at: &["permissions", "allow"], text: "mcp__phasegate__*", or: &["mcp__phasegate"] },
        Want::Hook { event: "PreToolUse", matcher: Some("*"), handler: handler() },
        Want::Hook { event: "Stop", matcher: None, handler: handler() },
    ]
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const OTHERS: [&str; 5] = [
    "{}\n",
    "{\n  \"model\": \"x\"\n}\n",
    "{\n\t\"hooks\": {\n\t\t\"PreToolUse\": [\n\t\t\t{\n\t\t\t\t\"matcher\": \"Bash\",\n\t\t\t\t\"hooks\": [{\"type\": \"command\", \"command\": \"lint hook\"}]\n\t\t\t}\n\t\t]\n\t},\n\t\"mcpServers\": {\n\t\t\"github\": {\"command\": \"gh\"}\n\t}\n}",
    "{\"permissions\":{\"allow\":[\"Read\"],\"deny\":[\"Bash(rm:*)\"]},\"z\":1}",
    "{\r\n  \"permissions\": {\r\n    \"allow\": [\r\n      \"Read\"\r\n    ]\r\n  }\r\n}\r\n",
];

#[test]
fn what_others_put_in_stays_and_twice_is_once_and_out_is_as_before() {
    for text in OTHERS {
        let new = merged(Some(text), Dialect::Strict, &wants()).unwrap();
        assert_eq!(lacks(Some(&new), Dialect::Strict, &wants(), false).unwrap(), Vec::<String>::new(), "{new}");
        assert_eq!(merged(Some(&new), Dialect::Strict, &wants()).unwrap(), new);
        let back = without(&new, Dialect::Strict, &wants()).unwrap();
        match value(text).as_object().unwrap().is_empty() {
            true => assert_eq!(back, None),
            false => assert_eq!(back.as_deref(), Some(text), "{new}"),
        }
    }
}

#[test]
fn a_hook_of_ours_that_was_weakened_is_put_right() {
    let other = json!({ "type": "command", "command": "lint" });
    let mut asynchronous = handler();
    asynchronous["async"] = json!(true);
    let mut conditional = handler();
    conditional["if"] = json!("Write(*.txt)");
    let mut passes = handler();
    passes.as_object_mut().unwrap().remove("onFailure");
    let shell = json!({ "type": "command", "command": "'/a b/phasegate' hook claude-code" });
    let weak = [
        json!([{ "matcher": "*", "hooks": [asynchronous] }]),
        json!([{ "matcher": "*", "hooks": [other, conditional] }]),
        json!([{ "hooks": [passes] }]),
        json!([{ "matcher": "Bash", "hooks": [handler()] }]),
        json!([{ "matcher": "Bash", "hooks": [other, handler()] }]),
        json!([{ "matcher": "*", "hooks": [handler(), handler()] }]),
        json!([{ "matcher": "*", "hooks": [shell] }]),
    ];
    for groups in weak {
        let text = json!({ "hooks": { "PreToolUse": groups, "Stop": [{ "hooks": [handler()] }] } }).to_string();
        let told = lacks(Some(&text), Dialect::Strict, &wants(), true).unwrap();
        assert!(told.contains(&"the hook PreToolUse as it should be".to_owned()), "{text}: {told:?}");
        let new = merged(Some(&text), Dialect::Strict, &wants()).unwrap();
        assert_eq!(lacks(Some(&new), Dialect::Strict, &wants(), false).unwrap(), Vec::<String>::new(), "{new}");
        let had = text.matches("\"lint\"").count();
        assert_eq!(new.matches("\"lint\"").count(), had, "{new}");
        assert_eq!(ours(&read(&new, Dialect::Strict).unwrap(), "PreToolUse").len(), 1, "{new}");
    }
}

#[test]
fn a_server_of_ours_keeps_what_a_person_added() {
    let text =
        r#"{"mcpServers":{"phasegate":{"command":"/old/phasegate","args":["serve","--agent","ana"],"env":{"A":"1"}}}}"#;
    let new = value(&merged(Some(text), Dialect::Strict, &wants()).unwrap());
    let entry = &new["mcpServers"]["phasegate"];
    assert_eq!(entry, &json!({ "command": "phasegate", "args": ["serve", "--agent", "ana"], "env": { "A": "1" } }));
}

#[test]
fn a_file_of_another_shape_is_refused_and_says_where() {
    let table = [
        ("[]", "the file is not a JSON object"),
        (r#"{"mcpServers":[]}"#, "`mcpServers` is not an object"),
        (r#"{"permissions":{"allow":"x"}}"#, "`permissions.allow` is not a list"),
        (r#"{"hooks":{"PreToolUse":{}}}"#, "`hooks.PreToolUse` is not a list"),
        ("{\"a\":1\n\"b\":2}", "line 2, column 1: neither"),
    ];
    for (text, wanted) in table {
        let fault = merged(Some(text), Dialect::Strict, &wants()).unwrap_err();
        assert!(fault.0.starts_with(wanted), "{text}: {fault}");
    }
}

#[test]
fn a_word_that_says_the_same_counts() {
    let text = r#"{"permissions":{"allow":["mcp__phasegate"]}}"#;
    let new = value(&merged(Some(text), Dialect::Strict, &wants()).unwrap());
    assert_eq!(new["permissions"]["allow"], json!(["mcp__phasegate"]));
}
