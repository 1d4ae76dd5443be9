//! What every client's hooks say and are told, as tables over all clients.

use serde_json::json;

use super::hooked::{HookEvent, Start};
use super::*;

#[test]
fn each_client_is_found_by_its_name_and_no_other_is() {
    for client in &CLIENTS {
        assert_eq!(find(client.name).map(|found| found.title), Some(client.title));
    }
    assert!(find("claude").is_none());
}

#[test]
fn what_cannot_be_read_never_lets_a_call_run() {
    let deep = "[".repeat(10_000);
    let cases: [&[u8]; 10] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        deep.as_bytes(),
        br#"{"hook_event_name":"PreToolUse","hook_event_name":"Stop","session_id":"s","cwd":"/p"}"#,
        br#"{"hook_event_name":"PreToolUse","session_id":"s","cwd":"/p"}"#,
        br#"{"hook_event_name":"BeforeTool","session_id":"s","cwd":"/p","tool_name":"x","tool_input":"y"}"#,
    ];
    for client in &CLIENTS {
        for case in cases {
            // A client does not know the names of another's events, and has nothing to say to them.
            let read = (client.read)(case);
            let other = matches!(read, Ok(Hooked { event: HookEvent::Other { .. }, .. }));
            assert!(read.is_err() || other, "{}: {}", client.name, String::from_utf8_lossy(case));
            let printed = (client.failed)(case, "why");
            let shown = (printed.code, printed.stdout.as_str(), printed.stderr.contains("why"));
            assert_eq!(shown, (2, "", true), "{}: {}", client.name, String::from_utf8_lossy(case));
        }
    }
}

fn event(client: &str, fields: Value) -> Result<Hooked, String> {
    let mut whole = json!({"session_id": "s-1", "session": "s-1", "cwd": "/p"});
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    (find(client).unwrap().read)(whole.to_string().as_bytes())
}

fn claude(name: &str, fields: Value) -> HookEvent {
    let mut whole = json!({"hook_event_name": name, "transcript_path": "/h/s-1.jsonl", "permission_mode": "default"});
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let hooked = event("claude-code", whole).unwrap();
    assert_eq!((hooked.session.as_str(), hooked.cwd.to_str()), ("s-1", Some("/p")));
    assert_eq!(hooked.transcript.as_deref().and_then(|path| path.to_str()), Some("/h/s-1.jsonl"));
    hooked.event
}

#[test]
fn events_of_claude_code_are_read() {
    let changed =
        HookEvent::SettingsChanged { source: "project_settings".into(), file: Some("/p/.claude/settings.json".into()) };
    let cases = [
        ("SessionStart", json!({"source": "startup"}), HookEvent::SessionStarted { how: Start::Fresh }),
        (
            "SessionStart",
            json!({"source": "resume", "context_tokens": 1}),
            HookEvent::SessionStarted { how: Start::Resumed },
        ),
        ("SessionStart", json!({"source": "fork"}), HookEvent::SessionStarted { how: Start::Resumed }),
        ("SessionStart", json!({"source": "clear"}), HookEvent::SessionStarted { how: Start::Cleared }),
        (
            "SessionStart",
            json!({"source": "compact", "model": "m"}),
            HookEvent::SessionStarted { how: Start::Compacted },
        ),
        ("UserPromptSubmit", json!({"prompt": "Go."}), HookEvent::PromptSubmitted),
        ("SubagentStart", json!({"agent_id": "a", "agent_type": "Explore"}), HookEvent::SubAgentStarted),
        (
            "SubagentStop",
            json!({"agent_id": "a", "agent_type": "", "stop_hook_active": false}),
            HookEvent::SubAgentStopped,
        ),
        ("PreCompact", json!({"trigger": "manual"}), HookEvent::BeforeCompaction),
        ("ConfigChange", json!({"source": "project_settings", "file_path": "/p/.claude/settings.json"}), changed),
        ("Stop", json!({"stop_hook_active": false}), HookEvent::Stopping { again: false }),
        ("Stop", json!({"stop_hook_active": true}), HookEvent::Stopping { again: true }),
        ("StopFailure", json!({"error": "rate_limit"}), HookEvent::StoppedByFailure { message: "rate_limit".into() }),
        ("SessionEnd", json!({"reason": "other"}), HookEvent::SessionEnded { why: "other".into() }),
        ("PostToolBatch", json!({"tool_calls": []}), HookEvent::Other { name: "PostToolBatch".into() }),
        ("NotYetKnown", json!({"x": [1]}), HookEvent::Other { name: "NotYetKnown".into() }),
    ];
    for (name, fields, wanted) in cases {
        assert_eq!(claude(name, fields.clone()), wanted, "{name} {fields}");
    }
}

#[test]
fn a_call_of_claude_code_is_read_with_its_caller() {
    let fields = json!({"hook_event_name": "PreToolUse", "agent_id": "a-1", "agent_type": "general-purpose",
        "tool_name": "mcp__plugin_phasegate_phasegate__claim_task", "tool_input": {"task": "T-1"}, "tool_use_id": "toolu_1",
        "mcp_server": {"name": "plugin:phasegate:phasegate", "source": "plugin"}});
    let hooked = event("claude-code", fields).unwrap();
    let agent = hooked.agent.unwrap();
    assert_eq!((agent.id.as_str(), agent.kind.as_deref()), ("a-1", Some("general-purpose")));
    let HookEvent::Before(call) = hooked.event else { panic!("{:?}", hooked.event) };
    assert_eq!((call.tool.as_str(), call.id.as_deref()), ("mcp__phasegate__claim_task", Some("toolu_1")));
    assert_eq!((&call.input, &call.native), (&json!({"task": "T-1"}), &json!({"task": "T-1"})));
}

#[test]
fn results_are_read() {
    let bash = json!({"tool_name": "Bash", "tool_input": {"command": "x"}, "tool_use_id": "t"});
    let with = |name: &str, fields: Value| {
        let mut whole = bash.clone();
        whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let HookEvent::After { result, .. } = claude(name, whole) else { panic!("{name}") };
        (result.well, result.exit_code, result.interrupted, result.output)
    };
    let out = |more: Value| {
        let mut whole = json!({"stdout": "o", "stderr": "e", "interrupted": false});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"tool_response": whole})
    };
    let cases = [
        ("PostToolUse", out(json!({})), (true, Some(0), false, "o\ne".to_owned())),
        ("PostToolUse", out(json!({"interrupted": true})), (true, None, true, "o\ne".to_owned())),
        ("PostToolUse", out(json!({"backgroundTaskId": "b"})), (true, None, false, "o\ne".to_owned())),
        ("PostToolUse", out(json!({"returnCodeInterpretation": "none"})), (true, None, false, "o\ne".to_owned())),
        ("PostToolUse", json!({"tool_response": "{\"ok\":true}"}), (true, None, false, "{\"ok\":true}".to_owned())),
        (
            "PostToolUse",
            json!({"tool_response": [{"type": "text", "text": "hi"}]}),
            (true, None, false, "hi".to_owned()),
        ),
        (
            "PostToolUseFailure",
            json!({"error": "Exit code 3\nboom"}),
            (false, Some(3), false, "Exit code 3\nboom".to_owned()),
        ),
        ("PostToolUseFailure", json!({"error": "no", "is_interrupt": true}), (false, None, true, "no".to_owned())),
    ];
    for (name, fields, wanted) in cases {
        assert_eq!(with(name, fields.clone()), wanted, "{name} {fields}");
    }
}

#[test]
fn events_of_the_others_are_read() {
    let cases = [
        ("codex", json!({"hook_event_name": "Interrupt"}), "Other { name: \"Interrupt\" }"),
        ("codex", json!({"hook_event_name": "Stop", "stop_hook_active": true}), "Stopping { again: true }"),
        ("gemini", json!({"hook_event_name": "SessionStart", "source": "resume"}), "SessionStarted { how: Resumed }"),
        ("gemini", json!({"hook_event_name": "BeforeAgent", "prompt": "x"}), "PromptSubmitted"),
        ("gemini", json!({"hook_event_name": "PreCompress", "trigger": "auto"}), "BeforeCompaction"),
        ("gemini", json!({"hook_event_name": "AfterAgent", "stop_hook_active": false}), "Stopping { again: false }"),
        ("gemini", json!({"hook_event_name": "AfterModel"}), "Other { name: \"AfterModel\" }"),
        ("gemini", json!({"hook_event_name": "PreToolUse"}), "Other { name: \"PreToolUse\" }"),
        ("opencode", json!({"event": "started"}), "SessionStarted { how: Fresh }"),
        ("opencode", json!({"event": "compacted"}), "SessionStarted { how: Compacted }"),
        ("opencode", json!({"event": "idle"}), "Stopping { again: true }"),
        ("opencode", json!({"event": "agent_started", "agent": "s-2"}), "SubAgentStarted"),
    ];
    for (client, fields, wanted) in cases {
        assert_eq!(format!("{:?}", event(client, fields.clone()).unwrap().event), wanted, "{client} {fields}");
    }
    let after = json!({"hook_event_name": "AfterTool", "tool_name": "run_shell_command", "tool_input": {"command": "x"},
        "tool_response": {"llmContent": "Output: no\nExit Code: 3\nSignal: 0", "returnDisplay": "no"}});
    let HookEvent::After { result, call } = event("gemini", after).unwrap().event else { panic!("no result") };
    assert_eq!((result.well, result.exit_code, call.tool.as_str()), (false, Some(3), "Bash"));
}

/// A call of each client before it runs.
fn before(client: &str) -> Hooked {
    let fields = match client {
        "gemini" => {
            json!({"hook_event_name": "BeforeTool", "tool_name": "run_shell_command", "tool_input": {"command": "x"}})
        }
        "opencode" => json!({"event": "before", "tool": "bash", "args": {"command": "x"}, "call": "c"}),
        _ => {
            json!({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "x"}, "tool_use_id": "t"})
        }
    };
    event(client, fields).unwrap()
}

fn said(client: &str, hooked: &Hooked, answer: &HookAnswer) -> (Value, u8) {
    let printed = (find(client).unwrap().answer)(hooked, answer);
    assert!(printed.stdout.is_empty() || printed.stderr.is_empty(), "{printed:?}");
    let text = if printed.stdout.is_empty() { "null" } else { &printed.stdout };
    (serde_json::from_str(text).unwrap(), printed.code)
}

#[test]
fn an_answer_before_a_call_is_in_the_words_of_the_client() {
    let why = || "why".to_owned();
    let input = json!({"command": "y"});
    let pre = |said: Value| {
        let mut named = json!({"hookEventName": "PreToolUse"});
        named.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        json!({"hookSpecificOutput": named})
    };
    let elsewhere = names::ask_elsewhere("why");
    let deny = |reason: &str| pre(json!({"permissionDecision": "deny", "permissionDecisionReason": reason}));
    let allow = HookAnswer::Allow { input: Some(input.clone()), note: Some("note".into()) };
    let rewritten = pre(json!({"permissionDecision": "allow", "updatedInput": input, "additionalContext": "note"}));
    let bare = HookAnswer::Allow { input: None, note: None };
    let ask = |word: &str| pre(json!({"permissionDecision": word, "permissionDecisionReason": "why"}));
    let gemini = json!({"decision": "allow", "systemMessage": "note",
        "hookSpecificOutput": {"hookEventName": "BeforeTool", "tool_input": input}});
    let no = |reason: &str| json!({"decision": "deny", "reason": reason});
    let cases = [
        ("claude-code", HookAnswer::Nothing, Value::Null),
        ("claude-code", HookAnswer::Deny { reason: why() }, deny("why")),
        ("claude-code", HookAnswer::Block { reason: why() }, deny("why")),
        ("claude-code", HookAnswer::Ask { reason: why() }, ask("ask")),
        ("claude-code", HookAnswer::Defer { reason: why() }, ask("defer")),
        ("claude-code", HookAnswer::Tell { context: why() }, pre(json!({"additionalContext": "why"}))),
        ("claude-code", bare.clone(), pre(json!({"permissionDecision": "allow"}))),
        ("claude-code", allow.clone(), rewritten.clone()),
        ("codex", HookAnswer::Nothing, Value::Null),
        ("codex", bare.clone(), Value::Null),
        ("codex", allow.clone(), rewritten),
        ("codex", HookAnswer::Deny { reason: why() }, deny("why")),
        ("codex", HookAnswer::Ask { reason: why() }, deny(&elsewhere)),
        ("codex", HookAnswer::Defer { reason: why() }, deny(&elsewhere)),
        ("gemini", bare, json!({"decision": "allow"})),
        ("gemini", allow.clone(), gemini),
        ("gemini", HookAnswer::Deny { reason: why() }, no("why")),
        ("gemini", HookAnswer::Ask { reason: why() }, no(&elsewhere)),
        ("gemini", HookAnswer::Defer { reason: why() }, no(&elsewhere)),
        ("opencode", allow, json!({"args": {"command": "y"}, "context": "note"})),
        ("opencode", HookAnswer::Deny { reason: why() }, json!({"deny": "why"})),
        ("opencode", HookAnswer::Ask { reason: why() }, json!({"deny": elsewhere})),
        ("opencode", HookAnswer::Tell { context: why() }, json!({"context": "why"})),
    ];
    for (client, answer, wanted) in cases {
        assert_eq!(said(client, &before(client), &answer), (wanted, 0), "{client} {answer:?}");
    }
}

#[test]
fn answers_at_other_moments_are_in_the_words_of_claude_code() {
    let block = || HookAnswer::Block { reason: "why".into() };
    let tell = || HookAnswer::Tell { context: "ctx".into() };
    let call = json!({"tool_name": "Bash", "tool_input": {}, "error": "Exit code 1"});
    let context = |name: &str| json!({"hookSpecificOutput": {"hookEventName": name, "additionalContext": "ctx"}});
    let blocked = json!({"decision": "block", "reason": "why"});
    let refused = json!({"hookSpecificOutput": {"hookEventName": "PermissionRequest",
        "decision": {"behavior": "deny", "message": "why"}}});
    let cases = [
        ("SessionStart", tell(), context("SessionStart"), 0),
        ("UserPromptSubmit", tell(), context("UserPromptSubmit"), 0),
        ("UserPromptSubmit", block(), blocked.clone(), 0),
        ("SubagentStart", tell(), context("SubagentStart"), 0),
        ("PostToolUse", tell(), context("PostToolUse"), 0),
        ("PostToolUse", block(), blocked.clone(), 0),
        ("PostToolUseFailure", tell(), context("PostToolUseFailure"), 0),
        ("PermissionRequest", block(), refused, 0),
        ("PermissionRequest", tell(), Value::Null, 0),
        ("Stop", block(), blocked.clone(), 0),
        ("SubagentStop", block(), blocked, 0),
        ("Stop", tell(), json!({"systemMessage": "ctx"}), 0),
        ("ConfigChange", block(), Value::Null, 2),
        ("SessionEnd", tell(), Value::Null, 0),
    ];
    for (name, answer, wanted, code) in cases {
        let mut fields = json!({"hook_event_name": name});
        fields.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
        let hooked = event("claude-code", fields).unwrap();
        assert_eq!(said("claude-code", &hooked, &answer), (wanted, code), "{name} {answer:?}");
    }
}

#[test]
fn a_shell_call_gets_another_command_in_the_form_of_its_client() {
    let cases = [
        ("claude-code", json!({"command": "a", "timeout": 5}), json!({"command": "b", "timeout": 5})),
        ("codex", json!({"cmd": "a", "workdir": "/q", "yield_time_ms": 1}), json!({"cmd": "b", "yield_time_ms": 1})),
        ("codex", json!({"command": ["bash", "-lc", "a"]}), json!({"command": ["bash", "-c", "b"]})),
        ("gemini", json!({"command": "a", "dir_path": "q"}), json!({"command": "b", "dir_path": "q"})),
        ("opencode", json!({"command": "a", "workdir": "q"}), json!({"command": "b"})),
    ];
    for (client, native, wanted) in cases {
        assert_eq!((find(client).unwrap().rewrite_shell)(&native, "b"), wanted, "{client}");
    }
}

#[test]
fn only_claude_code_lets_the_model_of_a_subagent_be_chosen() {
    let native = json!({"prompt": "p", "model": "opus"});
    let chosen = |client: &str, tier| (find(client).unwrap().set_model)(&native, tier);
    assert_eq!(chosen("claude-code", ModelTier::Weak), Some(json!({"prompt": "p", "model": "haiku"})));
    assert_eq!(chosen("claude-code", ModelTier::Base), Some(json!({"prompt": "p", "model": "sonnet"})));
    assert_eq!(chosen("claude-code", ModelTier::Strong), Some(json!({"prompt": "p", "model": "opus"})));
    for client in ["codex", "gemini", "opencode"] {
        assert_eq!(chosen(client, ModelTier::Weak), None, "{client}");
    }
}

#[test]
fn only_the_end_of_a_turn_is_not_held_up_by_a_fault() {
    let cases: [(&str, Value, u8); 6] = [
        ("claude-code", json!({"hook_event_name": "Stop"}), 1),
        ("codex", json!({"hook_event_name": "SubagentStop"}), 1),
        ("gemini", json!({"hook_event_name": "AfterAgent"}), 1),
        ("claude-code", json!({"hook_event_name": "ConfigChange"}), 2),
        // The words of a call are the agent's: they cannot make it an end of a turn.
        ("claude-code", json!({"hook_event_name": "PreToolUse", "tool_input": {"hook_event_name": "Stop"}}), 2),
        ("claude-code", json!({"hook_event_name": "Stop", "tool_name": "Bash"}), 2),
    ];
    for (client, event, wanted) in cases {
        assert_eq!(
            (find(client).unwrap().failed)(event.to_string().as_bytes(), "why").code,
            wanted,
            "{client} {event}"
        );
    }
}
