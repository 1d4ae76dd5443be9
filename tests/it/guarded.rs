//! The guard as people see it, by the real binary: what settings of a client make of a session's guard, changes that do not
//! come to count, and how the log, the board and the doctor tell of judged calls and sessions.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::stores;

const FLOW: &str = r#"
version: 1
name: flow
phases:
  look:
    allow: [Read, "Bash(ls *)", "Bash(echo *)", "Edit(docs/**)"]
    exit: [ { artifact: notes } ]
    next: [done]
  done: { end: true }
"#;

/// A project that `init` has set up for Claude Code.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for made in ["p/.git", "bin", "home"] {
            std::fs::create_dir_all(world.folder.path().join(made)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_phasegate"), world.folder.path().join("bin/phasegate")).unwrap();
        std::fs::write(world.at("phasegate.yaml"), FLOW).unwrap();
        world.does(&["init", "--client", "claude-code", "--yes"], "");
        world
    }

    fn at(&self, file: &str) -> PathBuf {
        self.folder.path().join("p").join(file)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(arguments).current_dir(self.at("")).env_clear();
        command.env("PATH", self.path()).env("HOME", self.folder.path().join("home")).env("USER", "lead");
        command.env("AI_AGENT", "claude-code_2-1-329_harness").env("CLAUDE_PROJECT_DIR", self.at(""));
        command.env("CLAUDE_CODE_ENTRYPOINT", "cli");
        stores::tell(&mut command, &self.at(""));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.path().join("bin").display())
    }

    /// Must end well; what it printed.
    fn does(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn value(&self, arguments: &[&str]) -> Value {
        let said = self.does(arguments, "");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    fn hook(&self, event: Value) -> Output {
        let mut whole = json!({ "session_id": SESSION, "cwd": self.at(""), "transcript_path": self.at("none.jsonl") });
        whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        self.run(&["hook", "claude-code"], &whole.to_string())
    }

    fn begins(&self) {
        assert!(self.hook(json!({ "hook_event_name": "SessionStart", "source": "startup" })).status.success());
    }

    fn before(&self, id: &str, tool: &str, input: Value) -> Value {
        let event =
            json!({ "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input, "tool_use_id": id });
        let output = self.hook(event);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        said["hookSpecificOutput"]["permissionDecision"].clone()
    }

    /// Claims a task as the session's own agent.
    fn claims(&self) {
        self.before("toolu_claim", "mcp__phasegate__claim_task", json!({}));
        self.does(&["--agent", &self.agent(), "call", "claim_task", r#"{"new":{"title":"look around"}}"#], "");
    }

    fn agent(&self) -> String {
        let rows = self.value(&["sessions", "list", "--json"]);
        rows[0]["agent"].as_str().unwrap_or_default().to_owned()
    }

    fn settings(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.at(".claude/settings.json")).unwrap()).unwrap()
    }

    fn change(&self, file: &str, text: &str) -> Output {
        let file = self.at(".claude").join(file);
        std::fs::write(&file, text).unwrap();
        self.hook(json!({ "hook_event_name": "ConfigChange", "source": "project_settings", "file_path": file }))
    }

    fn guard(&self) -> (String, String) {
        let rows = self.value(&["sessions", "list", "--json"]);
        let text = |field: &str| rows[0][field].as_str().unwrap_or_default().to_owned();
        (text("guard"), text("why"))
    }
}

const SESSION: &str = "3798ac99-d811-4e76-9bf5-a24d1804b989";

#[test]
fn a_change_of_settings_that_would_take_the_guard_away_does_not_count() {
    let world = World::new();
    world.begins();
    assert_eq!(world.guard(), ("enforced".to_owned(), "hooks block on failure".to_owned()));
    let good = world.settings();
    let changed = |pointer: &str, value: Value| {
        let mut settings = good.clone();
        *settings.pointer_mut(pointer).unwrap() = value;
        settings.to_string()
    };
    let added = |pointer: &str, key: &str, value: Value| {
        let mut settings = good.clone();
        settings.pointer_mut(pointer).unwrap()[key] = value;
        settings.to_string()
    };
    let handler = "/hooks/PreToolUse/0/hooks/0";
    for (what, text, kept, says) in [
        ("hooks dropped", changed("/hooks", json!({})), true, "no settings file of this project"),
        ("one hook dropped", changed("/hooks/ConfigChange", json!([])), true, "lack the hook ConfigChange"),
        ("another command", changed(&format!("{handler}/command"), json!("true")), true, "PreToolUse"),
        ("asynchronous", added(handler, "async", json!(true)), true, "PreToolUse as it should be"),
        ("narrower", changed("/hooks/PreToolUse/0/matcher", json!("Write")), true, "PreToolUse as it should be"),
        ("no block", changed(&format!("{handler}/onFailure"), json!("continue")), true, "PreToolUse as it should be"),
        (
            "off in a word",
            added("", "disableAllHooks", json!("true")),
            true,
            "`disableAllHooks` in the project's settings",
        ),
        (
            "off in a number",
            added("", "disableAllHooks", json!(1)),
            true,
            "`disableAllHooks` in the project's settings",
        ),
        ("no permissions", added("", "permissions", json!(5)), true, "`permissions` must be an object"),
        ("no variables", added("", "env", json!(5)), true, "`env` must be an object"),
        ("no matcher", changed("/hooks/Stop", json!([{ "matcher": 5 }])), true, "`hooks.Stop[0].matcher` must be text"),
        ("another loader", added("", "env", json!({ "LD_AUDIT": "/evil.so" })), true, "`env.LD_AUDIT`"),
        ("off", added("", "disableAllHooks", json!(true)), true, "`disableAllHooks` in the project's settings"),
        ("broken", "{\"hooks\":".to_owned(), true, "cannot be read"),
        ("gone elsewhere", added("", "env", json!({ "PATH": "/evil" })), true, "`env.PATH`"),
        ("a permission", added("/permissions", "deny", json!(["Bash(rm *)"])), false, ""),
        ("a theme", added("", "theme", json!("dark")), false, ""),
        ("a hook beside", added("/hooks", "Notification", json!([])), false, ""),
        ("as it was", good.to_string(), false, ""),
    ] {
        let output = world.change("settings.json", &text);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(if kept { 2 } else { 0 }), "{what}: {said}");
        assert!(said.contains(says) && kept == said.contains("do not count"), "{what}: {said}");
        // What lies on disk and does not count makes the session no weaker.
        world.before("toolu_after", "Read", json!({ "file_path": world.at("a.rs") }));
        assert_eq!(world.guard().0, "enforced", "{what}");
    }
    let output = world.change("settings.local.json", r#"{"disableAllHooks":true}"#);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the project's local settings"));
    let marked = world.change("settings.local.json", "\u{feff}{\"disableAllHooks\":true}");
    assert_eq!(marked.status.code(), Some(2));
    let kept = world.does(&["audit", "query", "--kind", "session", "--json"], "");
    assert_eq!(kept.matches("\"GuardKept\"").count(), 17, "{kept}");
    assert_eq!(kept.matches("\"SessionStarted\"").count(), 1, "{kept}");
}

#[test]
fn a_session_that_is_not_guarded_is_shown_as_that() {
    let world = World::new();
    let mut settings = world.settings();
    settings["hooks"].as_object_mut().unwrap().remove("Stop");
    std::fs::write(world.at(".claude/settings.json"), settings.to_string()).unwrap();
    world.begins();
    world.claims();
    let (guard, why) = world.guard();
    assert_eq!((guard.as_str(), why.as_str()), ("advisory", "the project's settings lack the hook Stop"));
    // A change that has nothing to do with what was missing before is let through; one that mends it is noted.
    settings["theme"] = json!("dark");
    assert!(world.change("settings.json", &settings.to_string()).status.success());
    assert_eq!(world.guard().0, "advisory");
    let board = world.does(&["board"], "");
    assert!(board.contains("NOT GUARDED") && board.contains("advisory (the project's settings lack"), "{board}");
    let doctor = world.run(&["doctor"], "");
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("guard advisory: the project's settings lack the hook Stop"), "{doctor}");
    assert!(doctor.contains("1 open, 1 of them less than enforced"), "{doctor}");
    let list = world.does(&["sessions", "list"], "");
    assert!(list.contains("3798ac99") && list.contains("T-1 in look"), "{list}");
    let shown = world.does(&["sessions", "show", "3798"], "");
    for said in [SESSION, "advisory", "T-1 “look around” in phase look", &world.agent()] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let unknown = world.run(&["sessions", "show", "nothing"], "");
    assert_eq!(unknown.status.code(), Some(1));
    world.does(&["init", "--client", "claude-code", "--yes"], "");
    let mended = std::fs::read_to_string(world.at(".claude/settings.json")).unwrap();
    assert!(world.change("settings.json", &mended).status.success());
    assert_eq!(world.guard().0, "enforced");
    assert!(!world.does(&["board"], "").contains("NOT GUARDED"));
    world.hook(json!({ "hook_event_name": "SessionEnd", "reason": "exit" }));
    assert_eq!(world.value(&["sessions", "list", "--json"]), json!([]));
    assert_eq!(world.value(&["sessions", "list", "--all", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_only_plans_or_asks_is_left_to_the_client_unless_a_rule_names_it() {
    let world = World::new();
    world.begins();
    world.claims();
    assert_eq!(world.before("n0", "WebSearch", json!({ "query": "x" })), "deny");
    for tool in ["TodoWrite", "AskUserQuestion", "BashOutput", "KillShell", "ToolSearch", "ExitPlanMode"] {
        assert_eq!(world.before(&format!("n-{tool}"), tool, json!({})), Value::Null, "{tool}");
    }
    let closed = FLOW.replace("    exit:", "    deny: [AskUserQuestion]\n    exit:");
    std::fs::write(world.at("phasegate.yaml"), closed).unwrap();
    world.does(&["workflow", "trust", "--yes"], "");
    world.does(&["--agent", &world.agent(), "call", "update_task", r#"{"release":true}"#], "");
    world.claims();
    assert_eq!(world.before("n1", "AskUserQuestion", json!({})), "deny");
}

#[test]
fn nothing_is_written_in_the_place_of_phasegate() {
    let world = World::new();
    world.begins();
    let flow = FLOW.replace("Edit(docs/**)", "Edit(//**)");
    std::fs::write(world.at("phasegate.yaml"), flow).unwrap();
    world.does(&["workflow", "trust", "--yes"], "");
    world.claims();
    let linked = world.folder.path().join("bin/phasegate");
    for path in [env!("CARGO_BIN_EXE_phasegate"), "/usr/local/bin/phasegate", linked.to_str().unwrap()] {
        assert_eq!(world.before(path, "Write", json!({ "file_path": path, "content": "x" })), "deny", "{path}");
    }
    assert_eq!(world.before("w", "Write", json!({ "file_path": world.at("notes"), "content": "x" })), "allow");
}

#[test]
fn a_version_held_against_its_own_calls_changes_none_that_went_through_a_link() {
    let world = World::new();
    world.begins();
    world.claims();
    std::fs::create_dir(world.at("docs")).unwrap();
    symlink("../phasegate.yaml", world.at("docs/link")).unwrap();
    symlink("../src", world.at("docs/folder")).unwrap();
    assert_eq!(world.before("l1", "Edit", json!({ "file_path": world.at("docs/link") })), "deny");
    assert_eq!(world.before("l2", "Edit", json!({ "file_path": world.at("docs/folder/a") })), "deny");
    assert_eq!(world.before("l3", "Edit", json!({ "file_path": world.at("docs/a") })), "allow");
    let said = world.does(&["workflow", "backtest", "phasegate.yaml"], "");
    assert!(
        said.contains(" 0 verdicts would change") && said.contains("2 calls are held by where links lead"),
        "{said}"
    );
    let narrower = FLOW.replace("Edit(docs/**)", "Edit(docs/b)");
    std::fs::write(world.at("narrower.yaml"), narrower).unwrap();
    let said = world.does(&["workflow", "backtest", "narrower.yaml"], "");
    assert!(said.contains(" 1 verdicts would change") && said.contains("docs/a"), "{said}");
}

#[test]
fn an_agent_without_hooks_is_named() {
    let world = World::new();
    world.does(&["--agent", "cursor-1", "call", "claim_task", r#"{"new":{"title":"unseen"}}"#], "");
    let board = world.does(&["board"], "");
    assert!(board.contains("cursor-1") && board.contains("blind (no hook"), "{board}");
}

#[test]
fn judged_calls_are_found_in_the_log_by_verdict_tool_and_path() {
    let world = World::new();
    world.begins();
    world.claims();
    assert_eq!(world.before("toolu_1", "Bash", json!({ "command": "echo verdict deny" })), "allow");
    assert_eq!(world.before("toolu_2", "Bash", json!({ "command": "rm -rf x" })), "deny");
    assert_eq!(world.before("toolu_3", "Write", json!({ "file_path": world.at("src/a.rs"), "content": "x" })), "deny");
    assert_eq!(world.before("toolu_4", "Edit", json!({ "file_path": world.at("docs/b.md") })), "allow");
    assert_eq!(world.before("toolu_5", "NotebookEdit", json!({ "notebook_path": world.at("src/n.ipynb") })), "deny");
    assert_eq!(world.before("toolu_6", "Read", json!({ "file_path": world.at("src/a.rs") })), "allow");
    let ended = json!({ "hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": "toolu_1",
        "tool_input": { "command": "echo verdict deny" }, "tool_response": { "stdout": "verdict deny" } });
    assert!(world.hook(ended).status.success());
    let found = |arguments: &[&str]| {
        let mut all = vec!["audit", "query", "--json", "--limit", "100"];
        all.extend_from_slice(arguments);
        let said = world.does(&all, "");
        let records: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut ids: Vec<String> = records
            .iter()
            .map(|record| record["event"]["call"].as_str().unwrap_or("?").trim_start_matches("toolu_").to_owned())
            .collect();
        ids.sort();
        ids.join(" ")
    };
    for (arguments, wanted) in [
        (&["--kind", "call"][..], "1 1 2 3 4 5 6"),
        (&["--kind", "call", "--verdict", "refused"], "2 3 5"),
        (&["--kind", "CallJudged", "--verdict", "allowed"], "1 4 6"),
        (&["--tool", "Bash"], "1 1 2"),
        (&["--tool", "Bash", "--verdict", "refused"], "2"),
        (&["--path", "src/**"], "3 5 6"),
        (&["--path", "src/a.rs", "--kind", "write"], "3"),
        (&["--kind", "write"], "3 4 5"),
        (&["--path", "docs/*.md"], "4"),
        (&["--path", "lib/**"], ""),
        (&["--kind", "CallJudged,write"], "1 2 3 4 5 6"),
    ] {
        assert_eq!(found(arguments), wanted, "{arguments:?}");
    }
    let file = world.folder.path().join("log.jsonl");
    world.does(&["audit", "export", "--format", "jsonl", file.to_str().unwrap()], "");
    let from = file.to_str().unwrap();
    assert_eq!(found(&["--in", from, "--path", "src/**", "--verdict", "refused"]), "3 5");
    let counts = world.does(&["audit", "query", "--kind", "CallJudged", "--count-by", "tool,verdict"], "");
    for line in ["1 Bash refused", "1 Bash allowed", "1 Write refused"] {
        assert!(counts.lines().any(|found| found == line), "{line}: {counts}");
    }
    let text = world.does(&["audit", "query", "--kind", "call"], "");
    assert!(text.contains("deny Bash \"rm -rf x\", phase \"look\", reason "), "{text}");
    assert!(text.contains("Bash ended well"), "{text}");
    assert!(!text.contains("\"content\"") && !text.contains("open now"), "{text}");
    let csv = world.does(&["audit", "export", "--format", "csv"], "");
    let denied = csv.lines().filter(|line| line.contains(",CallJudged,T-1,refused,")).count();
    assert_eq!(denied, 3, "{csv}");
    let otel = world.does(&["audit", "export", "--format", "otel"], "");
    let otel: Value = serde_json::from_str(&otel).unwrap();
    let logs = otel["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let log = logs.iter().find(|log| log.to_string().contains("toolu_2")).unwrap().to_string();
    for said in [r#""gen_ai.tool.name","value":{"stringValue":"Bash""#, "toolu_2", SESSION, "WARN", "refused"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(!log.contains("mcp.method.name"), "{log}");
}

#[test]
fn secrets_in_calls_are_not_in_the_log_and_ids_are() {
    let world = World::new();
    world.begins();
    world.claims();
    // Put together at run time: a scanner that reads this file finds nothing.
    let token = ["gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"].concat();
    let id = "toolu_01A9xYzKq7LmN3pQrStUvWx8";
    assert_eq!(world.before(id, "Bash", json!({ "command": format!("curl -H 'Authorization: {token}' x") })), "deny");
    let content = format!("key = \"{token}\"\n");
    let write = json!({ "file_path": world.at("src/a.rs"), "content": content });
    assert_eq!(world.before("toolu_2", "Write", write), "deny");
    let said = world.does(&["audit", "query", "--kind", "call", "--json"], "");
    assert!(!said.contains(&token), "{said}");
    let records: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2);
    for record in &records {
        let event = &record["event"];
        assert_eq!(event["session"], SESSION, "{record}");
        assert!(event["input"].to_string().contains("[secret:"), "{record}");
        assert_eq!(event["verdict"], "deny");
        assert!(event["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{record}");
    }
    assert_eq!(records[1]["event"]["call"], id);
    assert!(records[1]["event"]["reason"].as_str().unwrap().contains("[secret:"), "{}", records[1]);
    let started = world.does(&["audit", "query", "--kind", "SessionStarted", "--json"], "");
    assert!(started.contains(SESSION) && !started.contains("[secret:") && !started.contains("[personal:"), "{started}");
}
