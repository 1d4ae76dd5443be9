//! `phasegate demo`: a scripted agent drives the real server over stdio through a whole task, in a temporary folder.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::config::settings;

use super::{Ended, Out};

const WORKFLOW: &str = include_str!("demo.yaml");

/// Variables that a child of the demo gets.
const PASSED: [&str; 4] = ["PATH", "TMPDIR", "LANG", "LC_ALL"];
/// Who answers.
const PERSON: &str = "you";

struct Demo<'o> {
    out: &'o Out,
    folder: PathBuf,
    program: PathBuf,
    server: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    id: u64,
    /// What was done, for programs.
    steps: Vec<Value>,
}

fn broken(error: &dyn std::fmt::Display) -> Ended {
    Ended::internal(error, "run the demo again; if it fails again, that is a fault worth reporting")
}

pub fn run(out: &Out) -> Result<(), Ended> {
    let folder = temporary_folder()?;
    let result = Demo::start(out, folder.clone()).and_then(|mut demo| {
        let played = demo.play();
        if out.is_json() && played.is_ok() {
            out.value(&json!({ "steps": demo.steps }));
        }
        drop(demo.server.kill());
        drop(demo.server.wait());
        played
    });
    // What the demo made goes with it.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn temporary_folder() -> Result<PathBuf, Ended> {
    use crate::engine::clock::{Clock, System};
    let folder = std::env::temp_dir().join(format!("phasegate-demo-{}", System.random_hex(6)));
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(|error| {
        Ended::usage(format!("{}: {error}", folder.display()), "name a folder for what is temporary with TMPDIR")
    })?;
    std::fs::canonicalize(&folder).map_err(|error| broken(&error))
}

/// With nothing of who runs the demo but where programs lie: their store, settings and keys are not the demo's.
#[expect(clippy::disallowed_methods, reason = "the demo starts the real server and the real command line")]
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let passed = settings::environment_variables().filter(|(name, _)| PASSED.iter().any(|passed| name == passed));
    command.env_clear().envs(passed).env("HOME", folder).env("USER", PERSON).current_dir(folder);
    command
}

/// What a child said was wrong.
fn complaint(child: &Output) -> String {
    let said = String::from_utf8_lossy(&child.stderr);
    said.trim().trim_start_matches("phasegate: ").to_owned()
}

impl<'o> Demo<'o> {
    fn start(out: &'o Out, folder: PathBuf) -> Result<Self, Ended> {
        let program = std::env::current_exe().map_err(|error| broken(&error))?;
        for (name, text) in [("phasegate.yaml", WORKFLOW), ("limit.json", "{ \"per_minute\": 60, }\n")] {
            std::fs::write(folder.join(name), text).map_err(|error| broken(&error))?;
        }
        let trusted = command(&program, &folder)
            .args(["workflow", "trust", "phasegate.yaml", "--yes", "--workspace", "."])
            .output()
            .map_err(|error| broken(&error))?;
        if !trusted.status.success() {
            return Err(broken(&complaint(&trusted)));
        }
        let mut server = command(&program, &folder)
            .args(["serve", "--workspace", ".", "--agent", "demo-agent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| broken(&error))?;
        let pipes = server.stdin.take().zip(server.stdout.take());
        let (input, output) = pipes.ok_or_else(|| broken(&"the server has no pipes"))?;
        Ok(Self { out, folder, program, server, input, output: BufReader::new(output), id: 0, steps: Vec::new() })
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Ended> {
        self.id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        writeln!(self.input, "{message}").map_err(|error| broken(&error))?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(|error| broken(&error))? == 0 {
                return Err(broken(&"the server ended before it answered"));
            }
            let reply: Value = serde_json::from_str(&line).map_err(|error| broken(&error))?;
            if reply.get("id").and_then(Value::as_u64) == Some(self.id) {
                return Ok(reply);
            }
        }
    }

    /// One tool call, told; true when it went through.
    fn call(&mut self, tool: &str, arguments: Value) -> Result<bool, Ended> {
        let shown = arguments.to_string();
        self.say(&format!("\nagent ▸ {tool} {}", crate::engine::views::shortened(&shown, 110)));
        let reply = self.request("tools/call", json!({ "name": tool, "arguments": arguments }))?;
        let result = reply.get("result").ok_or_else(|| broken(&reply))?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
        let refused = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        for line in super::output::visible(text).lines() {
            self.say(&format!("  {} {line}", if refused { "✗" } else { "│" }));
        }
        self.steps.push(json!({ "agent": tool, "arguments": arguments, "refused": refused, "text": text }));
        Ok(!refused)
    }

    fn must(&mut self, wanted: bool, tool: &str, arguments: Value) -> Result<(), Ended> {
        if self.call(tool, arguments)? == wanted {
            return Ok(());
        }
        let what = if wanted { "refused" } else { "allowed" };
        Err(broken(&format!("{tool} was {what}, and should not have been")))
    }

    /// To people: a program gets one value at the end.
    fn say(&self, text: &str) {
        if !self.out.is_json() {
            self.out.text(text);
        }
    }

    fn person(&mut self, args: &[&str]) -> Result<(), Ended> {
        let typed = |arg: &&str| if arg.contains(' ') { format!("\"{arg}\"") } else { (*arg).to_owned() };
        let line: Vec<String> = args.iter().map(typed).collect();
        self.say(&format!("\nperson ▸ phasegate {}", line.join(" ")));
        let ran = command(&self.program, &self.folder)
            .args(args)
            .args(["--workspace", "."])
            .output()
            .map_err(|error| broken(&error))?;
        for line in String::from_utf8_lossy(&ran.stdout).lines() {
            self.say(&format!("  │ {line}"));
        }
        if ran.status.success() { Ok(()) } else { Err(broken(&complaint(&ran))) }
    }

    fn play(&mut self) -> Result<(), Ended> {
        self.say("A scripted agent works through the real MCP server. The workflow: plan → build → done.");
        self.say(
            "To leave plan: an artifact and a person's yes. To leave build: a check that runs, and files that parse.",
        );
        self.request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "demo", "version": "1" } }))?;
        writeln!(self.input, "{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .map_err(|error| broken(&error))?;

        self.must(
            true,
            "claim_task",
            json!({ "new": { "title": "Limit the API to 30 calls a minute", "goal": "limit.json says 30" } }),
        )?;
        self.say("\n— It tries to skip the plan. Refused: every missing thing is named.");
        self.must(false, "transition_phase", json!({ "to": "build" }))?;
        self.say("\n— It hands in a plan that does not fit the schema. The place is named.");
        self.must(false, "submit_artifact", json!({ "name": "plan", "content": { "steps": "just do it" } }))?;
        self.must(
            true,
            "submit_artifact",
            json!({ "name": "plan", "content": { "steps": ["set per_minute to 30", "check that it parses"] } }),
        )?;
        self.must(true, "request_approval", json!({ "reason": "Small change, one file." }))?;
        self.say("\n— Only a person can answer, and not through the agent's tools.");
        self.person(&["approvals", "approve", "A-1", "--yes", "--reason", "go ahead"])?;
        self.must(true, "transition_phase", json!({}))?;
        self.say("\n— Now it may build. The file has a stray comma: phasegate runs the gates itself, and they fail.");
        self.must(false, "transition_phase", json!({}))?;
        self.say("\nagent ▸ writes limit.json");
        std::fs::write(self.folder.join("limit.json"), "{ \"per_minute\": 30 }\n").map_err(|error| broken(&error))?;
        self.must(true, "transition_phase", json!({ "summary": "30 calls a minute", "confidence": 0.95 }))?;
        self.say("\n— Everything is on record, the refusals too:");
        self.person(&["audit", "query", "--task", "T-1", "--kind", "CommandRefused"])?;
        self.person(&["tasks", "list"])?;
        self.say("\nThat is phasegate: enforced, not suggested. Next: put it into your client (README), or `phasegate --help`.");
        Ok(())
    }
}
