//! How fast token use is read out of transcripts: lines a second over a million lines like those of a real session, in the
//! pieces in which the engine reads them. Prints a table; nothing here fails.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark reads clocks, prints, and ends when something is wrong"
)]

use std::sync::Arc;
use std::time::Instant;

use phasegate::clients::transcript::{Format, read};
use phasegate::config::settings::Settings;
use phasegate::config::workspace::Workspace;
use phasegate::domain::ids::AgentName;
use phasegate::engine::spending::{SessionFiles, Working};
use phasegate::engine::{clock, open};

/// What the engine reads at once.
const PIECE_BYTES: usize = 4 << 20;
const LINES: usize = 1_000_000;

/// One turn of a session: an answer in two parts, the call's result, and what the client notes beside it.
fn turn(number: usize, text: &mut String) {
    let tail = "\"userType\":\"external\",\"cwd\":\"/home/ana/project\",\"sessionId\":\"96f60055-c4f4-4f55-80df\",\"version\":\"2.1.329\"}\n";
    let usage = format!(
        "{{\"parentUuid\":\"49c8d6d7-4a9b\",\"isSidechain\":false,\"message\":{{\"id\":\"msg_{number}\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":\"claude-opus-5-5\",\"usage\":{{\"input_tokens\":12,\"cache_creation_input_tokens\":900,\"cache_read_input_tokens\":40000,\
         \"output_tokens\":300,\"server_tool_use\":{{\"web_search_requests\":0}},\"cache_creation\":{{\"ephemeral_1h_input_tokens\":0,\
         \"ephemeral_5m_input_tokens\":900}},\"iterations\":[]}},\"content\":[{{\"type\":\"text\",\"text\":\""
    );
    let rest = format!(
        "\"}}]}},\"requestId\":\"req_{number}\",\"type\":\"assistant\",\"timestamp\":\"2026-11-21T01:37:19.926Z\",{tail}"
    );
    for words in [40, 60] {
        text.push_str(&usage);
        text.push_str(&"a few words of the answer ".repeat(words / 2));
        text.push_str(&rest);
    }
    text.push_str("{\"parentUuid\":\"dfde5b47\",\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":\"");
    text.push_str(&"fn main() { println!(\\\"{}\\\", usage); }\\n".repeat(60));
    text.push_str(&format!("\"}}]}},{tail}"));
    for kind in ["attachment", "api-request", "system", "file-history-snapshot"] {
        text.push_str(&format!("{{\"type\":\"{kind}\",\"note\":\"{}\",{tail}", "x".repeat(600)));
    }
}

/// What a hook pays where a session has nothing new, and where it has one more turn.
fn looks(text: &str) {
    const LOOKS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::find(Some(folder.path()), folder.path()).unwrap();
    let engine = open(workspace, &Settings::default(), Arc::new(clock::System)).unwrap();
    let transcript = folder.path().join("s.jsonl");
    std::fs::write(&transcript, text).unwrap();
    let files =
        SessionFiles { client: "claude-code", session: "s", transcript: &transcript, subagent: Some("a"), all: false };
    let working = |_: Option<&str>| Working { agent: AgentName("ana".to_owned()), task: None };
    let started = Instant::now();
    let first = engine.read_usage(&files, &working).unwrap();
    println!("\nfirst look: {} answers in {:.1} ms", first.spent.calls, started.elapsed().as_secs_f64() * 1e3);
    let mut took: Vec<f64> = Vec::new();
    for _ in 0..LOOKS {
        let started = Instant::now();
        engine.read_usage(&files, &working).unwrap();
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    println!("nothing new, {LOOKS} looks: p50 {:.0} us, p99 {:.0} us", at(50), at(99));
}

fn main() {
    let mut text = String::new();
    let mut turns = 0;
    while text.len() < PIECE_BYTES {
        turn(turns, &mut text);
        turns += 1;
    }
    let lines = text.bytes().filter(|byte| *byte == b'\n').count();
    let pieces = LINES.div_ceil(lines);
    let started = Instant::now();
    let mut answers = 0;
    for _ in 0..pieces {
        answers += read(Format::ClaudeCode, text.as_bytes(), "").used.len();
    }
    let took = started.elapsed().as_secs_f64();
    let (lines, bytes) = (lines * pieces, text.len() * pieces);
    println!("| lines | answers | MB | lines/s | MB/s |\n| --- | --- | --- | --- | --- |");
    println!(
        "| {lines} | {answers} | {} | {:.0} | {:.0} |",
        bytes >> 20,
        lines as f64 / took,
        bytes as f64 / 1e6 / took
    );
    looks(&text);
}
