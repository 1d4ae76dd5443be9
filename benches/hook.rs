//! The hook as a client pays for it: the whole process, from start to answer, with its durable record; beside `/bin/true`
//! started in the same way in the same minute, with a server on the same store, and with many tasks in it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::inside::{agent, call, fill, open};
use crate::{percentile, told};

const PROGRAM: &str = env!("CARGO_BIN_EXE_phasegate");
const CALLS: usize = 400;
const FLOW: &str = r#"version: 1
name: flow
protect: { deny: ["Read(.env)", "Read(~/.ssh/**)", "Bash(git push --force *)"] }
phases:
  build:
    allow: [Read, Grep, Glob, Edit, Write, "Bash(cargo *)", "Bash(git *)", "Bash(ls *)"]
    next: [done]
  done: { end: true }
"#;

pub fn run() {
    for size in [100, 1_000_000] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("phasegate.yaml"), FLOW).unwrap();
        let engine = open(folder.path());
        let person = phasegate::domain::facts::Caller::new("person", phasegate::domain::facts::Role::Operator);
        engine.trust_file(&person, &folder.path().join("phasegate.yaml")).unwrap();
        fill(&engine, 0, size);
        call(&engine, &agent("bench"), "claim_task", json!({ "new": { "title": "mine" } }));
        drop(engine);
        let mut server = serve(folder.path());
        let (mut bare, mut edit, mut shell) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..CALLS {
            bare.push(told_event(&mut Command::new("/bin/true"), "").0);
            let path = folder.path().join("src/main.rs");
            let input = json!({ "file_path": path, "old_string": "a", "new_string": "b" });
            edit.push(hook(folder.path(), "Edit", &input, &format!("edit-{turn}")));
            shell.push(hook(
                folder.path(),
                "Bash",
                &json!({ "command": "cargo test --lib" }),
                &format!("shell-{turn}"),
            ));
        }
        let _ = server.kill();
        let _ = server.wait();
        let middle = |micros: &[u64]| {
            let mut sorted = micros.to_vec();
            sorted.sort_unstable();
            percentile(&sorted, 0.5) as f64
        };
        let (ratio_edit, ratio_shell) = (middle(&edit) / middle(&bare), middle(&shell) / middle(&bare));
        println!("{size} tasks, /bin/true: {}", told(bare));
        println!("{size} tasks, hook, Edit: {} = {ratio_edit:.2} x", told(edit));
        println!("{size} tasks, hook, Bash: {} = {ratio_shell:.2} x", told(shell));
    }
}

fn serve(folder: &Path) -> Child {
    let mut server = Command::new(PROGRAM)
        .args(["serve", "--workspace"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } } });
    writeln!(server.stdin.as_mut().unwrap(), "{call}").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    server
}

fn hook(folder: &Path, tool: &str, input: &serde_json::Value, id: &str) -> u64 {
    let event = json!({
        "session_id": "aaaaaaaa-0001", "transcript_path": folder.join("none.jsonl"), "cwd": folder,
        "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input, "tool_use_id": id,
    });
    let mut command = Command::new(PROGRAM);
    command.args(["hook", "claude-code"]).env("CLAUDE_PROJECT_DIR", folder).env("PHASEGATE_AGENT", "bench");
    let (micros, said) = told_event(&mut command, &event.to_string());
    assert!(said.contains("\"allow\""), "{said}");
    micros
}

/// As a client starts a hook, from the start to its end; what it printed as well.
fn told_event(command: &mut Command, event: &str) -> (u64, String) {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let micros = begun.elapsed().as_micros() as u64;
    assert!(output.status.success());
    (micros, String::from_utf8_lossy(&output.stdout).into_owned())
}
