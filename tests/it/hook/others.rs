//! Codex, Gemini CLI and opencode: the same calls get the same verdicts, each in the client's own words.

use serde_json::{Value, json};

use super::FLOW;
use super::world::{Heard, World};

/// Whether the client lets the call run: a fault and a no of any form do not.
fn runs(client: &str, heard: &Heard) -> bool {
    let said = &heard.said;
    let no = match client {
        "codex" => said["hookSpecificOutput"]["permissionDecision"] == "deny",
        "gemini" => said["decision"] == "deny",
        _ => said["deny"].is_string(),
    };
    heard.code == 0 && !no
}

fn event(world: &World, client: &str, tool: &str, input: Value) -> Value {
    let cwd = world.at("");
    match client {
        "codex" => json!({"session_id": "c0de", "cwd": cwd, "hook_event_name": "PreToolUse", "turn_id": "t",
            "tool_name": tool, "tool_input": input, "tool_use_id": "call_1"}),
        "gemini" => json!({"session_id": "9e31", "cwd": cwd, "hook_event_name": "BeforeTool", "timestamp": "t",
            "tool_name": tool, "tool_input": input}),
        _ => json!({"session": "ses_1", "cwd": cwd, "event": "before", "tool": tool, "args": input, "call": "c1"}),
    }
}

#[test]
fn calls_of_every_client_get_the_same_verdicts() {
    let world = World::new(FLOW);
    let (inside, secret) = (world.at("a"), world.at(".env"));
    for (client, tool, input, wanted) in [
        ("codex", "read_file", json!({"path": inside}), true),
        ("codex", "read_file", json!({"path": secret}), false),
        ("codex", "shell", json!({"command": ["bash", "-lc", "rm -rf src"]}), false),
        ("codex", "apply_patch", json!({"command": "*** Begin Patch\n*** Delete File: a\n*** End Patch"}), false),
        ("gemini", "read_file", json!({"file_path": inside}), true),
        ("gemini", "read_file", json!({"file_path": secret}), false),
        ("gemini", "run_shell_command", json!({"command": "rm -rf src"}), false),
        ("gemini", "write_file", json!({"file_path": inside, "content": "x"}), false),
        ("opencode", "read", json!({"filePath": inside}), true),
        ("opencode", "read", json!({"filePath": secret}), false),
        ("opencode", "bash", json!({"command": "rm -rf src"}), false),
        ("opencode", "phasegate_claim_task", json!({}), true),
        ("opencode", "batch", json!({}), false),
    ] {
        let heard = world.tell(client, &event(&world, client, tool, input.clone()));
        assert_eq!(runs(client, &heard), wanted, "{client} {tool} {input}: {heard:?}");
    }
}

#[test]
fn a_fault_is_a_no_in_the_words_of_every_client() {
    let world = World::in_a_file(FLOW);
    std::fs::write(world.root().join(".phasegate/phasegate.db"), "no store").unwrap();
    for (client, tool, input) in [
        ("codex", "read_file", json!({"path": "a"})),
        ("gemini", "read_file", json!({"file_path": "a"})),
        ("opencode", "read", json!({"filePath": "a"})),
    ] {
        let heard = world.tell(client, &event(&world, client, tool, input));
        assert_eq!(heard.code, 2, "{client}: {heard:?}");
        assert!(heard.stderr.contains("phasegate could not judge this"), "{client}: {heard:?}");
    }
}

#[test]
fn the_end_of_a_turn_is_told_once_to_every_client_that_can_hear_it() {
    let world = World::new(FLOW);
    for (client, session) in [("codex", "c0de"), ("gemini", "9e31")] {
        let mut begun = event(&world, client, "x", json!({}));
        begun["hook_event_name"] = json!("SessionStart");
        assert_eq!(world.tell(client, &begun).code, 0);
        let started = world.events("SessionStarted");
        let agent = started.iter().find(|event| event["session"] == session).unwrap()["agent"].clone();
        let title = json!({"new": {"title": client}}).to_string();
        world.well(&["call", "claim_task", &title, "--agent", agent.as_str().unwrap()]);
        for (again, blocks) in [(false, true), (true, false)] {
            let mut stop = event(&world, client, "x", json!({}));
            stop["hook_event_name"] = json!(if client == "codex" { "Stop" } else { "AfterAgent" });
            stop["stop_hook_active"] = json!(again);
            let heard = world.tell(client, &stop);
            assert_eq!(
                heard.said["reason"].as_str().is_some_and(|why| why.contains("notes")),
                blocks,
                "{client}: {heard:?}"
            );
        }
    }
}
