//! The real binary over pipes against a bare rmcp echo server in the same run: start, calls, memory.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{percentile, told};

const ROUNDS: usize = 7;
const CALLS: usize = 4000;

struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Session {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, line: String::new() }
    }

    fn ask(&mut self, message: &str) -> &str {
        self.input.write_all(message.as_bytes()).unwrap();
        self.line.clear();
        assert!(self.output.read_line(&mut self.line).unwrap() > 0, "the server ended");
        &self.line
    }

    fn initialize(&mut self) {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } });
        self.ask(&message(0, "initialize", params));
        let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        writeln!(self.input, "{done}").unwrap();
    }

    fn calls(&mut self, tool: &str, arguments: &Value, count: usize) -> Vec<u64> {
        (1..=count)
            .map(|id| {
                let message = message(id, "tools/call", json!({ "name": tool, "arguments": arguments }));
                let start = Instant::now();
                let reply = self.ask(&message);
                assert!(reply.contains("\"result\"") && !reply.contains("\"isError\":true"), "{reply}");
                start.elapsed().as_micros() as u64
            })
            .collect()
    }

    fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn message(id: usize, method: &str, params: Value) -> String {
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

fn bare() -> PathBuf {
    // Benchmarks lie in `deps`, beside `examples`.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/echo_bare")
}

fn ours(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.arg("serve").arg("--workspace").arg(folder).env_remove("PHASEGATE_STORE");
    command
}

pub fn run() {
    assert!(bare().exists(), "build it first: cargo build --release --example echo_bare");
    let folder = tempfile::tempdir().unwrap();
    start(folder.path());
    let (mut ratios_pipes, mut ratios_plain, mut ratios_route) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let echo = json!({ "text": "hello" });
        let middle = |mut micros: Vec<u64>| {
            micros.sort_unstable();
            percentile(&micros, 0.5) as f64
        };
        let mut pipes = Session::start(&mut Command::new(bare()));
        pipes.initialize();
        let of_pipes = middle(pipes.calls("echo", &echo, CALLS));
        let mut plain = Session::start(Command::new(bare()).arg("stdio"));
        plain.initialize();
        let of_plain = middle(plain.calls("echo", &echo, CALLS));
        let mut server = Session::start(&mut ours(folder.path()));
        server.initialize();
        let of_list = middle(server.calls("list_tasks", &json!({}), CALLS));
        let of_route = middle(server.calls("route_model", &json!({ "type": "feature" }), CALLS));
        println!(
            "round {round}: list_tasks p50 {of_list:.0} us, route_model {of_route:.0} us; bare echo {of_plain:.0} us on rmcp stdio(), {of_pipes:.0} us on its pipes"
        );
        ratios_pipes.push(of_list / of_pipes);
        ratios_plain.push(of_list / of_plain);
        ratios_route.push(of_route / of_pipes);
    }
    let median = |mut ratios: Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    println!(
        "read call / bare echo, median of {ROUNDS}: {:.2} against stdio(), {:.2} against its pipes (route_model {:.2})",
        median(ratios_plain),
        median(ratios_pipes),
        median(ratios_route)
    );
}

fn start(folder: &Path) {
    let discover = message(
        1,
        "server/discover",
        json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} } }),
    );
    let mut measured = Vec::new();
    let fresh = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut first = Session::start(&mut ours(fresh.path()));
    first.ask(&discover);
    println!("start to first answer, new workspace: {} us", begun.elapsed().as_micros());
    for _ in 0..40 {
        let begun = Instant::now();
        let mut session = Session::start(&mut ours(folder));
        assert!(session.ask(&discover).contains("supportedVersions"));
        measured.push(begun.elapsed().as_micros() as u64);
    }
    println!("start to first answer: {}", told(measured));
    let mut idle = Session::start(&mut ours(folder));
    idle.initialize();
    idle.calls("list_tasks", &json!({}), 10);
    std::thread::sleep(Duration::from_secs(3));
    println!("idle: {:.1} MB resident", idle.resident_mb());
}
