//! `phasegate policy` through the real binary: cases as lines, explanations, findings, and a team's own cases.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn policy(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.arg("policy").args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const WORKFLOW: &str = r#"
version: 1
name: small
protect: { deny: ["Read(.env)"] }
phases:
  look:
    allow: [Read, "Read(src/**)", "Bash(git log *)", "Bash(npx *)"]
    exit: [{ artifact: notes }]
    next: [build]
  build:
    allow: [Read, Edit]
    writes: ["src/**"]
    exit: [{ artifact: notes }]
    next: [done, shell]
  shell:
    allow: [Bash]
    writes: ["src/**"]
    exit: [{ artifact: notes }]
    next: [done, loose]
  loose:
    allow: [Bash]
    sandbox: { confine: off }
    exit: [{ artifact: notes }]
    next: [done]
  done: { end: true }
"#;

#[test]
fn where_a_rule_of_deny_cannot_be_read_nothing_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let case = |rules: Value| {
        json!({ "id": 1, "tool": "Bash", "input": { "command": "ls" }, "context": { "cwd": "/p" }, "rules": rules })
            .to_string()
    };
    let lines = [
        case(json!({ "deny": ["Bash(rm *"], "allow": ["Bash"] })),
        case(json!({ "denny": ["Bash(rm *)"], "allow": ["Bash"] })),
        case(json!({ "deny": ["Bash(rm *)"], "allow": ["Bash(ls", "Bash"] })),
    ];
    let output = policy(folder.path(), &["check"], &lines.join("\n"));
    let verdicts: Vec<String> = text(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(verdicts, ["none", "none", "allow"]);
    // What says nothing of its own size is not read without end.
    let output = policy(folder.path(), &["lint", "/dev/zero"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("larger than 262144 bytes"), "{output:?}");
}

#[test]
fn cases_are_judged_line_by_line_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let case = |id: Value, tool: &str, input: Value| {
        json!({ "id": id, "tool": tool, "input": input, "context": { "cwd": "/p", "home": "/h", "settings_source": "/p",
            "symlinks": { "/p/link": "/h/.ssh" } },
            "rules": { "deny": ["Read(~/.ssh/**)"], "ask": ["mcp__a__b"], "allow": ["Read", "mcp__a"] } })
    };
    let lines = [
        case(json!("a"), "Read", json!({ "file_path": "x" })).to_string(),
        "no JSON".to_owned(),
        case(json!(2), "Read", json!({ "file_path": "link/id" })).to_string(),
        json!({ "id": "c", "tool": "Read" }).to_string(),
        case(json!("twice"), "Read", json!({ "file_path": "x" }))
            .to_string()
            .replace("\"file_path\"", "\"file_path\":\"y\",\"file_path\""),
        case(json!("d"), "mcp__a__b", json!({})).to_string(),
        case(json!("e"), "Edit", json!({ "file_path": "x" })).to_string(),
    ];
    let output = policy(folder.path(), &["check"], &lines.join("\n"));
    let answers: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(Value, &str)> =
        answers.iter().map(|answer| (answer["id"].clone(), answer["verdict"].as_str().unwrap())).collect();
    let expected = [
        (json!("a"), "allow"),
        (Value::Null, "none"),
        (json!(2), "deny"),
        (json!("c"), "none"),
        (json!("twice"), "none"),
        (json!("d"), "ask"),
        (json!("e"), "none"),
    ];
    assert_eq!(told, expected);
    assert_eq!(answers[2]["rule"], json!("Read(~/.ssh/**)"));
    assert_eq!(code(&output), 1);
    let all_well = policy(folder.path(), &["check"], &lines[0]);
    assert_eq!((code(&all_well), std::fs::read_dir(folder.path()).unwrap().count()), (0, 0));
}

#[test]
fn a_call_is_explained_in_the_phase_where_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phasegate.yaml"), WORKFLOW).unwrap();
    for (call, phase, verdict) in [
        ("Bash(git log -3)", "look", "allow"),
        ("Edit(src/a.rs)", "look", "deny"),
        ("Edit(src/a.rs)", "build", "allow"),
        ("Edit(docs/a.md)", "build", "deny"),
        ("Read(.env)", "build", "deny"),
        ("claim_task", "look", "allow"),
        ("submit_task", "look", "deny"),
        ("WebSearch", "unclaimed", "none"),
    ] {
        let output = policy(folder.path(), &["explain", call, "--phase", phase, "--json"], "");
        let value: Value = serde_json::from_str(&text(&output)).unwrap();
        assert_eq!(value["verdict"], json!(verdict), "{call} in {phase}: {value}");
        assert!(value["next"].as_str().is_some_and(|next| !next.is_empty()), "{value}");
    }
    let shown = text(&policy(folder.path(), &["explain", "Read(.env)", "--phase", "look"], ""));
    assert!(shown.contains("deny") && shown.contains("rule: Read(.env)") && shown.contains("next: "), "{shown}");
    for (call, phase, said) in [
        ("Edit(docs/a.md)", "build", "the agent writes where `writes` says, or a person adds"),
        ("Edit(docs/a.md)", "shell", "next: a person adds a rule to `allow`"),
        ("Bash(git log -3)", "look", "the command is confined to what the phase may write"),
        ("Bash(eval \"$X\")", "build", "goes on to phase shell"),
        ("Bash(git push)", "look", "goes on to phase shell"),
        ("Edit(src/a.rs)", "look", "goes on to phase build"),
        ("Bash(eval \"$X\")", "shell", "runs confined where the machine can hold it"),
        ("Bash(git log -3)", "loose", "nothing; the agent may do it"),
    ] {
        let shown = text(&policy(folder.path(), &["explain", call, "--phase", phase], ""));
        assert!(shown.contains(said), "{call} in {phase}: {shown}");
    }
    let typed = text(&policy(folder.path(), &["explain", "ls", "--phase", "look"], ""));
    assert!(typed.contains("ask about it as `Bash(ls)`"), "{typed}");
    assert_eq!(code(&policy(folder.path(), &["explain", "Read(x)", "--phase", "nowhere"], "")), 2);
    assert_eq!(code(&policy(folder.path(), &["explain", "Read(x"], "")), 2);
    let misspelt = policy(folder.path(), &["explain", "Bsh(git push)"], "");
    let said = String::from_utf8_lossy(&misspelt.stderr).into_owned();
    assert!(code(&misspelt) == 2 && said.contains("did you mean `Bash`?"), "{said}");
}

#[test]
fn lint_names_what_is_wide_and_what_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("phasegate.yaml"), WORKFLOW).unwrap();
    let output = policy(folder.path(), &["lint"], "");
    let shown = text(&output);
    assert!(shown.contains("`Bash(npx *)` is as wide as `Bash`") && shown.contains("findings"), "{shown}");
    assert!(shown.contains("`Read(src/**)` adds nothing, since `Read` covers it"), "{shown}");
    assert_eq!(code(&output), 1);
}

#[test]
fn a_teams_own_cases_are_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("phasegate.yaml"), WORKFLOW).unwrap();
    let good = "cases:\n  - { call: \"Bash(git log -3)\", phase: look, expect: allow }\n  - { call: \"Edit(src/a.rs)\", phase: look, expect: deny }\n";
    std::fs::write(at("good.yaml"), good).unwrap();
    std::fs::write(at("bad.jsonl"), "{\"call\":\"Read(.env)\",\"phase\":\"look\",\"expect\":\"allow\"}\n").unwrap();
    for (name, source) in [
        ("unknown.yaml", "cases:\n  - { call: Read, expects: allow }\n"),
        ("alias.yaml", "cases: &a [*a]\n"),
        ("two.yaml", "cases: []\n---\ncases: []\n"),
        ("empty.yaml", "cases: []\n"),
    ] {
        std::fs::write(at(name), source).unwrap();
        assert_eq!(code(&policy(folder.path(), &["test", name], "")), 2, "{name}");
    }
    assert_eq!(code(&policy(folder.path(), &["test", "good.yaml"], "")), 0);
    let bad = policy(folder.path(), &["test", "bad.jsonl"], "");
    assert!(text(&bad).contains("Read(.env) in phase look: deny, expected allow"), "{}", text(&bad));
    assert_eq!(code(&bad), 1);
}
