//! The real binary over HTTP, with a credential and every guard, against a bare rmcp echo server in the same run: reads in both
//! eras, and writes that are durable when they are answered. The load comes from this process and checks every answer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{inside, percentile, raw};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);
const CONNECTIONS: [usize; 3] = [1, 16, 64];
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Says where it listens on the first line with an address, on either output.
    fn start(command: &mut Command, on_stderr: bool) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output: Box<dyn std::io::Read + Send> =
            if on_stderr { Box::new(child.stderr.take().unwrap()) } else { Box::new(child.stdout.take().unwrap()) };
        let mut lines = BufReader::new(output).lines();
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("127.0.0.1:"))).unwrap().unwrap();
        let (_, rest) = line.split_once("127.0.0.1:").unwrap();
        let port = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }

    fn ours(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(["serve", "--http", "127.0.0.1:0", "--calls-per-minute", "1000000000", "--workspace"]).arg(folder);
        Self::start(command.env_remove("PHASEGATE_STORE"), true)
    }

    fn bare() -> Self {
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let path = path.join("examples/echo_http");
        assert!(path.exists(), "build it first: cargo build --release --example echo_http");
        Self::start(&mut Command::new(path), false)
    }

    /// Seconds of processor time so far.
    fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token(folder: &Path, name: &str) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_phasegate"))
        .args(["token", "create", "--role", "agent", "--name", name, "--json", "--workspace"])
        .arg(folder)
        .env_remove("PHASEGATE_STORE")
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
    made["token"].as_str().unwrap().to_owned()
}

/// One keep-alive connection in one of the eras.
struct Line {
    stream: TcpStream,
    port: u16,
    token: String,
    session: Option<String>,
    buffer: Vec<u8>,
}

impl Line {
    async fn open(port: u16, token: &str, era: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut line =
            Self { stream, port, token: token.to_owned(), session: None, buffer: Vec::with_capacity(64 << 10) };
        if era == LEGACY {
            let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } });
            let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
            let head = line.ask(&line.request("", &hello)).await;
            let lower = head.to_ascii_lowercase();
            let (_, rest) = lower.split_once("mcp-session-id: ").unwrap_or_else(|| panic!("{head}"));
            line.session = Some(rest.lines().next().unwrap().to_owned());
            let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            line.ask(&line.request("", &done)).await;
        }
        line
    }

    fn request(&self, headers: &str, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        let session = self.session.as_ref().map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{session}{headers}Content-Length: {}\r\n\r\n{body}",
            self.port,
            self.token,
            body.len()
        )
        .into_bytes()
    }

    fn call(&self, tool: &str, arguments: &Value) -> Vec<u8> {
        let mut params = json!({ "name": tool, "arguments": arguments });
        let headers = if self.session.is_some() {
            format!("MCP-Protocol-Version: {LEGACY}\r\n")
        } else {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            });
            format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n")
        };
        self.request(&headers, &json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }))
    }

    /// The whole answer, head and body, once it is there.
    async fn ask(&mut self, request: &[u8]) -> String {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server ended: {}", String::from_utf8_lossy(&self.buffer));
            if whole(&self.buffer) {
                return String::from_utf8_lossy(&self.buffer).into_owned();
            }
        }
    }

    async fn checked(&mut self, request: &[u8]) {
        let answer = self.ask(request).await;
        let sound = answer.starts_with("HTTP/1.1 200") && answer.contains("\"id\":7") && answer.contains("\"result\":");
        assert!(sound && !answer.contains("\"isError\":true"), "{answer}");
    }
}

/// By its length, or by the last piece of it.
fn whole(answer: &[u8]) -> bool {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()) {
        Some(length) => answer.len() >= end + 4 + length,
        None if head.contains("transfer-encoding: chunked") => answer.ends_with(b"\r\n0\r\n\r\n"),
        None => true,
    }
}

struct Figures {
    per_second: f64,
    p50: u64,
    p99: u64,
    processor_us: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { per_second, p50, p99, processor_us } = self;
        write!(f, "{per_second:.0}/s, p50 {p50} us, p99 {p99} us, {processor_us:.0} us of processor a call")
    }
}

/// The same call from so many connections, again and again.
async fn load(
    server: &Server,
    tokens: &[String],
    era: &'static str,
    connections: usize,
    calls: &[(&str, Value)],
) -> Figures {
    let mut lines = Vec::new();
    for index in 0..connections {
        lines.push(Line::open(server.port, &tokens[index % tokens.len()], era).await);
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + TIME;
    let before = Arc::new(std::sync::OnceLock::new());
    let running: Vec<_> = lines
        .into_iter()
        .map(|mut line| {
            let requests: Vec<Vec<u8>> = calls.iter().map(|(tool, arguments)| line.call(tool, arguments)).collect();
            tokio::spawn(async move {
                let mut micros = Vec::new();
                while Instant::now() < end {
                    for request in &requests {
                        let start = Instant::now();
                        line.checked(request).await;
                        if start >= begin {
                            micros.push(start.elapsed().as_micros() as u64);
                        }
                    }
                }
                micros
            })
        })
        .collect();
    tokio::time::sleep_until(begin.into()).await;
    let _ = before.set(server.processor_seconds());
    let mut micros = Vec::new();
    for line in running {
        micros.append(&mut line.await.unwrap());
    }
    let used = server.processor_seconds() - before.get().copied().unwrap_or(0.0);
    micros.sort_unstable();
    let count = micros.len() as f64;
    Figures {
        per_second: count / begin.elapsed().as_secs_f64(),
        p50: percentile(&micros, 0.5),
        p99: percentile(&micros, 0.99),
        processor_us: used * 1e6 / count,
    }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}

pub fn reads() {
    block_on(compared_reads());
}

pub fn writes() {
    block_on(claims());
}

async fn compared_reads() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = [token(folder.path(), "reader")];
    let echo = [("echo", json!({ "text": "hello" }))];
    let list = [("list_tasks", json!({}))];
    for era in [MODERN, LEGACY] {
        for connections in CONNECTIONS {
            let mut ratios = Vec::new();
            for round in 1..=ROUNDS {
                let server = Server::bare();
                let bare = load(&server, &tokens, era, connections, &echo).await;
                drop(server);
                let server = Server::ours(folder.path());
                let ours = load(&server, &tokens, era, connections, &list).await;
                println!("{era} {connections:>2} connections, round {round}: list_tasks {ours}; bare echo {bare}");
                ratios.push(ours.per_second / bare.per_second);
            }
            ratios.sort_by(f64::total_cmp);
            println!(
                "{era} {connections:>2} connections: {:.2} of the bare server's calls a second",
                ratios[ROUNDS / 2]
            );
        }
    }
}

/// Claim and complete, by 64 agents.
async fn claims() {
    const AGENTS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let engine = inside::fresh(folder.path());
    inside::fill(&engine, 0, 100_000);
    drop(engine);
    let tokens: Vec<String> = (0..AGENTS).map(|index| token(folder.path(), &format!("agent-{index}"))).collect();
    let pair = [("claim_task", json!({})), ("transition_phase", json!({ "to": "done" }))];
    for round in 1..=ROUNDS {
        let bare = raw::group_commit(folder.path(), AGENTS, 200, 1, TIME);
        let server = Server::ours(folder.path());
        let ours = load(&server, &tokens, MODERN, AGENTS, &pair).await;
        println!(
            "writes, {AGENTS} connections, round {round}: {ours}; one bare row a command by 64 threads {bare:.0}/s, ratio {:.2}",
            ours.per_second / bare
        );
    }
}
