//! A project with a trusted workflow, the real binary over it, and sessions of clients that tell their hooks' events.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::stores::{self, Kind};

pub struct World {
    folder: tempfile::TempDir,
}

/// What a hook has answered.
#[derive(Debug)]
pub struct Heard {
    pub code: i32,
    pub said: Value,
    pub stderr: String,
}

impl World {
    pub fn new(yaml: &str) -> Self {
        Self::over(stores::usual(), yaml)
    }

    /// For what is about the file of SQLite.
    pub fn in_a_file(yaml: &str) -> Self {
        Self::over(Kind::Sqlite, yaml)
    }

    fn over(kind: Kind, yaml: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(world.root().join("src")).unwrap();
        std::fs::create_dir_all(world.home()).unwrap();
        stores::keep_to(kind, &world.root());
        world.trust(yaml);
        world
    }

    pub fn trust(&self, yaml: &str) {
        self.write("phasegate.yaml", yaml);
        self.well(&["workflow", "trust", "--yes"]);
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root().join(name), text).unwrap();
    }

    pub fn at(&self, name: &str) -> String {
        self.root().join(name).display().to_string()
    }

    /// The binary as a person runs it: nothing of the test's own environment but where programs are.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(words).current_dir(self.root()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home()).env("USER", "lead");
        stores::tell(&mut command, &self.root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().unwrap()
    }

    pub fn well(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}{error}");
        out
    }

    pub fn tell(&self, client: &str, event: &Value) -> Heard {
        told(self.command(&["hook", client]), event.to_string().as_bytes())
    }

    pub fn session<'w>(&'w self, id: &str) -> Session<'w> {
        Session { world: self, id: id.to_owned(), sub: None, calls: Cell::new(0) }
    }

    /// Records, oldest first.
    pub fn records(&self) -> Vec<Value> {
        let text = self.well(&["audit", "query", "--after", "0", "--json"]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn events(&self, kind: &str) -> Vec<Value> {
        let records = self.records().into_iter().map(|mut record| record["event"].take());
        records.filter(|event| event["type"] == kind).collect()
    }

    pub fn task(&self, id: &str) -> Value {
        serde_json::from_str(&self.well(&["tasks", "show", id, "--json"])).unwrap()
    }
}

pub fn told(mut command: Command, event: &[u8]) -> Heard {
    let mut child = command.spawn().unwrap();
    // Who does not read all of it has closed its end.
    let _ = child.stdin.take().unwrap().write_all(event);
    heard(&child.wait_with_output().unwrap())
}

pub fn heard(output: &Output) -> Heard {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().unwrap_or(-1);
    let said: Value = match serde_json::from_str(&stdout) {
        // It has nothing to say.
        Ok(Value::Object(fields)) if fields.is_empty() => Value::Null,
        Ok(said) => said,
        Err(_) if code != 0 && stdout.is_empty() => Value::Null,
        Err(_) => panic!("not one JSON object: {stdout}"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Heard { code, said, stderr }
}

impl Heard {
    fn specific(&self, key: &str) -> &Value {
        &self.said["hookSpecificOutput"][key]
    }

    /// `allow`, `deny`, `ask`, `fault` for a hook that says no by its exit code, else `left`.
    pub fn verdict(&self) -> &str {
        match self.code {
            0 => self.specific("permissionDecision").as_str().unwrap_or("left"),
            _ => "fault",
        }
    }

    pub fn reason(&self) -> &str {
        self.specific("permissionDecisionReason").as_str().unwrap_or_default()
    }

    pub fn context(&self) -> &str {
        self.specific("additionalContext").as_str().unwrap_or_default()
    }

    pub fn input(&self) -> &Value {
        self.specific("updatedInput")
    }

    /// Why a turn may not end, or settings do not count.
    pub fn block(&self) -> &str {
        self.said["reason"].as_str().unwrap_or_default()
    }
}

/// One session of Claude Code, or a subagent in it.
pub struct Session<'w> {
    pub world: &'w World,
    pub id: String,
    sub: Option<(String, String)>,
    calls: Cell<u32>,
}

impl<'w> Session<'w> {
    pub fn subagent(&self, id: &str, kind: &str) -> Session<'w> {
        let sub = Some((id.to_owned(), kind.to_owned()));
        Session { world: self.world, id: self.id.clone(), sub, calls: Cell::new(0) }
    }

    pub fn event(&self, name: &str, more: Value) -> Value {
        let mut event = json!({"session_id": self.id, "cwd": self.world.at(""), "hook_event_name": name,
            "transcript_path": self.world.at("../home/transcript.jsonl")});
        if let Some((id, kind)) = &self.sub {
            event["agent_id"] = json!(id);
            event["agent_type"] = json!(kind);
        }
        let Value::Object(more) = more else { panic!("{more}") };
        event.as_object_mut().unwrap().extend(more);
        event
    }

    pub fn tell(&self, name: &str, more: Value) -> Heard {
        self.world.tell("claude-code", &self.event(name, more))
    }

    pub fn start(&self, source: &str) -> Heard {
        self.tell("SessionStart", json!({"source": source}))
    }

    pub fn next_call(&self) -> String {
        self.calls.set(self.calls.get() + 1);
        let sub = self.sub.as_ref().map_or("", |(id, _)| id);
        format!("toolu_{}{sub}{}", self.id, self.calls.get())
    }

    pub fn before(&self, tool: &str, input: Value) -> Heard {
        self.before_as(&self.next_call(), tool, input)
    }

    pub fn before_as(&self, call: &str, tool: &str, input: Value) -> Heard {
        self.tell("PreToolUse", json!({"tool_name": tool, "tool_input": input, "tool_use_id": call}))
    }

    pub fn after_as(&self, call: &str, tool: &str, input: Value, response: Value) -> Heard {
        let more = json!({"tool_name": tool, "tool_input": input, "tool_use_id": call, "tool_response": response});
        self.tell("PostToolUse", more)
    }

    pub fn failed_as(&self, call: &str, tool: &str, input: Value, error: &str) -> Heard {
        let more = json!({"tool_name": tool, "tool_input": input, "tool_use_id": call, "error": error});
        self.tell("PostToolUseFailure", more)
    }

    /// A whole shell call: judged, what it does done by `act`, and its good end told.
    pub fn shell(&self, command: &str, act: impl FnOnce()) -> (Heard, Heard) {
        let (call, input) = (self.next_call(), json!({"command": command}));
        let before = self.before_as(&call, "Bash", input.clone());
        act();
        let response = json!({"stdout": "well", "stderr": "", "interrupted": false});
        (before, self.after_as(&call, "Bash", input, response))
    }

    /// A call of one of phasegate's own tools as the client makes it: hook, server, hook.
    pub fn own(&self, server: &mut Server, tool: &str, arguments: Value) -> Value {
        let (call, name) = (self.next_call(), format!("mcp__phasegate__{tool}"));
        let before = self.before_as(&call, &name, arguments.clone());
        assert_eq!(before.verdict(), "allow", "{before:?}");
        let reply = server.call(tool, arguments.clone(), Some(&call));
        self.after_as(&call, &name, arguments, json!([]));
        reply
    }

    pub fn claim(&self, server: &mut Server) -> Value {
        let reply = self.own(server, "claim_task", json!({"new": {"title": format!("work of {}", self.id)}}));
        assert!(reply["task"].is_string(), "{reply}");
        reply
    }
}

/// `phasegate serve` on pipes.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    calls: u32,
}

impl Server {
    pub fn of(world: &World) -> Self {
        let mut child = world.command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, input, output, calls: 0 };
        server.say(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "claude-code", "version": "2"}}}));
        server.hear();
        server.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn say(&mut self, message: &Value) {
        self.input.as_mut().unwrap().write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The structured answer; of a refusal `{"refused": text}`.
    pub fn call(&mut self, tool: &str, arguments: Value, call: Option<&str>) -> Value {
        self.calls += 1;
        let mut params = json!({"name": tool, "arguments": arguments});
        if let Some(call) = call {
            params["_meta"] = json!({"claudecode/toolUseId": call});
        }
        self.say(&json!({"jsonrpc": "2.0", "id": self.calls, "method": "tools/call", "params": params}));
        let mut reply = self.hear();
        let mut result = reply["result"].take();
        if result["isError"] == true {
            return json!({"refused": result["content"][0]["text"].take()});
        }
        result["structuredContent"].take()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
