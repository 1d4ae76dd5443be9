//! The edge of HTTP, on the real binary and raw sockets: what is not let through, who is too slow or too many, and how it
//! ends. No test asserts a time; each waits, within bounds, for what must come.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::stores;

/// For whatever must come at some time.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Of the whole process, in a debug build; each of these attacks would take a gigabyte if it could.
const MEMORY_MAX_KB: u64 = 400 << 10;

fn phasegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME").env_remove("PHASEGATE_LOG");
    stores::tell(&mut command, folder);
    command
}

pub struct Served {
    pub child: Child,
    pub port: u16,
    pub token: String,
    pub folder: tempfile::TempDir,
    pub said: Arc<Mutex<String>>,
}

impl Served {
    pub fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = phasegate(folder.path()).args(["token", "create", "--role", "operator", "--json"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let token = made["token"].as_str().unwrap().to_owned();
        Self::start_in(folder, token, flags)
    }

    fn start_in(folder: tempfile::TempDir, token: String, flags: &[&str]) -> Self {
        let mut command = phasegate(folder.path());
        command.args(["serve", "--http", "127.0.0.1:0"]).args(flags);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let port = listened(child.stderr.take().unwrap(), &said);
        Self { child, port, token, folder, said }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The head and the body of the answer to bytes on a connection of their own. `$` in them is the port.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.replace('$', &self.port.to_string()).as_bytes()).unwrap();
        answer(&mut BufReader::new(stream))
    }

    pub fn get(&self, path: &str, headers: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost:$\r\n{headers}\r\n"))
    }

    fn me(&self) -> String {
        self.get("/api/v1/me", &self.bearer())
    }

    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }

    fn memory_peak_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn still_serves_in_bounds(&self) {
        let me = self.me();
        assert!(me.starts_with("HTTP/1.1 200"), "{me}");
        let peak = self.memory_peak_kb();
        assert!(peak < MEMORY_MAX_KB, "{peak} kB were in use");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end; it said {}", self.said.lock().unwrap());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port out of the line that says where it listens; what else is said is kept.
fn listened(stderr: ChildStderr, said: &Arc<Mutex<String>>) -> u16 {
    let mut lines = BufReader::new(stderr).lines();
    let mut first = String::new();
    let port = loop {
        let line = lines.next().unwrap_or_else(|| panic!("it ended and said {first}")).unwrap();
        first.push_str(&line);
        let address = line.split_once("listening at ").and_then(|(_, address)| address.split_once("://127.0.0.1:"));
        if let Some((_, rest)) = address {
            break rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        }
    };
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            said.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    port
}

/// One answer, by its length; empty if the connection ends before its head does.
pub fn answer(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return head;
        }
    }
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    head + &String::from_utf8_lossy(&body)
}

pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// Waits until the other end has closed; what came before that.
pub fn ended(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("the connection is still open")
        }
        // A reset ends it as well.
        _ => String::from_utf8_lossy(&rest).into_owned(),
    }
}

#[test]
fn what_the_guard_lets_through_and_what_not() {
    let served = Served::start(&["--host", "board.example.com", "--origin", "https://pages.example.com"]);
    let bearer = served.bearer();
    let own = "Host: localhost:$\r\n";
    let table: [(&str, &str, &str, &str); 36] = [
        ("GET /api/v1/me", "Host: localhost:$\r\n", "", "200"),
        ("GET /api/v1/me", "Host: 127.0.0.1:$\r\n", "", "200"),
        ("GET /api/v1/me", "Host: [::1]:$\r\n", "", "200"),
        ("GET /api/v1/me", "HOST: LocalHost:$\r\n", "", "200"),
        ("GET http://localhost:$/api/v1/me", "Host: localhost:$\r\n", "", "200"),
        ("GET /api/v1/me", "Host: board.example.com\r\n", "", "200"),
        ("GET /api/v1/me", "Host: board.example.com:8443\r\n", "", "200"),
        ("GET /api/v1/me", "Host: evil.test:8808\r\n", "", "403"),
        ("GET /api/v1/me", "Host: evil.test:$\r\n", "", "403"),
        ("GET /api/v1/me", "Host: localhost.evil.test:$\r\n", "", "403"),
        ("GET /api/v1/me", "Host: localhost:1\r\n", "", "403"),
        ("GET /api/v1/me", "Host: board.example.com.evil.test\r\n", "", "403"),
        ("GET /api/v1/me", "Host: localhost:$\r\nHost: evil.test\r\n", "", "400"),
        ("GET http://evil.test/api/v1/me", "Host: localhost:$\r\n", "", "400"),
        ("GET /api/v1/me", "", "", "400"),
        ("GET /api/v1/me", own, "Origin: http://localhost:$\r\n", "200"),
        ("GET /api/v1/me", own, "Origin: https://pages.example.com\r\n", "200"),
        ("GET /api/v1/me", own, "Origin: http://localhost.evil.test\r\n", "403"),
        ("GET /api/v1/me", own, "Origin: http://localhost:$.evil.test\r\n", "403"),
        ("GET /api/v1/me", own, "Origin: http://localhost:1\r\n", "403"),
        ("GET /api/v1/me", own, "Origin: https://pages.example.com.evil.test\r\n", "403"),
        ("GET /api/v1/me", own, "Origin: null\r\n", "403"),
        ("GET /api/v1/me?access_token=x", own, "", "400"),
        ("GET /api/v1/me?a=b&%74oken=x", own, "", "400"),
        ("POST /mcp", own, "Content-Type: text/plain\r\nContent-Length: 2\r\n", "415"),
        ("POST /mcp", own, "Content-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n", "415"),
        ("POST /mcp", own, "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n", "415"),
        ("POST /api/v1/tools/list_tasks", own, "Content-Length: 2\r\n", "415"),
        ("POST /mcp", own, "Content-Type: application/json\r\nContent-Length: 1073741824\r\n", "413"),
        (
            "POST /mcp",
            own,
            "Content-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "400",
        ),
        (
            "POST /mcp",
            own,
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "400",
        ),
        ("GET /api/v1/me", own, "Origin: http://localhost:$\r\nOrigin: http://evil.test\r\n", "400"),
        (
            "POST /mcp",
            own,
            "Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n",
            "400",
        ),
        ("POST /mcp", own, "Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n", "400"),
        ("POST /mcp", own, "Content-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n", "501"),
        ("GET /nothing/here", own, "", "404"),
    ];
    for (target, host, headers, expected) in table {
        let body = if headers.contains("Length: 2\r") { "{}" } else { "" };
        let got = served.raw(&format!("{target} HTTP/1.1\r\n{host}{headers}{bearer}\r\n{body}"));
        assert_eq!(status(&got), expected, "{target} {host} {headers}: {got}");
        if expected != "200" {
            assert!(got.contains("application/problem+json") && got.contains("\"hint\""), "{target} {headers}: {got}");
        }
        assert!(got.contains("x-content-type-options: nosniff"), "{got}");
        assert!(got.contains("frame-ancestors 'none'"), "{got}");
    }
}

#[test]
fn a_request_keeps_its_own_id_where_that_is_fit() {
    let served = Served::start(&[]);
    let got = served.get("/nothing", "X-Request-Id: build-7.a\r\n");
    assert!(got.contains("x-request-id: build-7.a\r\n"), "{got}");
    let got = served.get("/nothing", "X-Request-Id: a b<script>\r\n");
    assert!(got.contains("x-request-id: ") && !got.contains("script"), "{got}");
}

#[test]
fn pages_of_an_allowed_origin_are_told_that_they_may() {
    let served = Served::start(&["--origin", "https://pages.example.com"]);
    let asked = "OPTIONS /mcp HTTP/1.1\r\nHost: localhost:$\r\nAccess-Control-Request-Method: POST\r\nOrigin: ";
    let got = served.raw(&format!("{asked}https://pages.example.com\r\n\r\n"));
    assert_eq!(status(&got), "204", "{got}");
    assert!(got.contains("access-control-allow-origin: https://pages.example.com"), "{got}");
    assert!(!got.contains("access-control-allow-credentials"), "{got}");
    let got = served.raw(&format!("{asked}https://evil.test\r\n\r\n"));
    assert_eq!(status(&got), "403", "{got}");
    assert!(!got.contains("access-control"), "{got}");
}

#[test]
fn malformed_heads_are_refused_and_the_next_is_served() {
    let served = Served::start(&[]);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost:$\r\nX: {}\r\n\r\n", "y".repeat(100 << 10));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost:$\r\n{}\r\n", "X: y\r\n".repeat(500));
    let target = format!("GET /{} HTTP/1.1\r\nHost: localhost:$\r\n\r\n", "y".repeat(100 << 10));
    let table = [
        ("\0\0\0\0\r\n\r\n", "400"),
        ("GET / HTTP/9.9\r\nHost: localhost:$\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost localhost\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: localhost:$\r\nX : y\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: localhost:$\r\nX: a\0b\r\n\r\n", "400"),
        ("POST /mcp HTTP/1.1\r\nHost: localhost:$\r\nContent-Length: -1\r\n\r\n", "400"),
        ("POST /mcp HTTP/1.1\r\nHost: localhost:$\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
        ("POST /mcp HTTP/1.1\r\nHost: localhost:$\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
        // HTTP/2 is not spoken; the connection just ends.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "none"),
        (&long, "431"),
        (&many, "431"),
        (&target, "431"),
    ];
    for (request, expected) in table {
        let got = served.raw(request);
        let shown: String = request.chars().take(80).collect();
        assert!(status(&got) == expected || got.is_empty() && request.len() > 60_000, "{shown:?}: {got}");
    }
    served.still_serves_in_bounds();
}

#[test]
fn a_body_without_end_is_cut_off_and_takes_no_memory() {
    let served = Served::start(&[]);
    let head = format!(
        "POST /api/v1/tools/list_tasks HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n{}",
        served.port,
        served.bearer()
    );
    let mut stream = served.connect();
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let piece = format!("{:x}\r\n{}\r\n", 64 << 10, " ".repeat(64 << 10));
    // A gigabyte, if anybody takes it.
    let sent = (0..16_384).take_while(|_| stream.write_all(piece.as_bytes()).is_ok()).count();
    assert!(sent < 2048, "{sent} pieces of 64 KiB were taken");
    served.still_serves_in_bounds();
}

#[test]
fn an_idle_flood_of_two_thousand_leaves_room_for_others() {
    more_files();
    let served = Served::start(&["--connections", "2100"]);
    let flood: Vec<TcpStream> = (0..2000).map(|_| served.connect()).collect();
    served.still_serves_in_bounds();
    drop(flood);
    served.still_serves_in_bounds();
}

/// Both ends of a flood are files of this process and of the server.
fn more_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn whoever_comes_when_all_places_are_taken_is_told_so_and_idle_ones_make_room() {
    let served = Served::start(&["--connections", "20"]);
    let mut working = BufReader::new(served.connect());
    let request = format!("GET /api/v1/me HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n", served.port, served.bearer());
    working.get_mut().write_all(request.as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut working)), "200");
    let _idle: Vec<TcpStream> = (0..19).map(|_| served.connect()).collect();
    let turned_away = served.me();
    assert_eq!(status(&turned_away), "503", "{turned_away}");
    let (_, body) = turned_away.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], "too_many_connections");
    // One that works is served all the while.
    working.get_mut().write_all(request.as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut working)), "200");
    until(|| status(&served.me()) == "200");
}

fn until(mut comes: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 50 {
        if comes() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not come");
}

#[test]
fn slow_heads_and_slow_bodies_are_ended_while_others_are_served() {
    let served = Served::start(&["--read-seconds", "1"]);
    let head = format!(
        "POST /api/v1/tools/list_tasks HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n{}",
        served.port,
        served.bearer()
    );
    let mut slow: Vec<TcpStream> = (0..100).map(|_| served.connect()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let begun =
            if number % 2 == 0 { "GET / HTTP/1.1\r\nX: " } else { &format!("{head}Content-Length: 50\r\n\r\n{{") };
        stream.write_all(begun.as_bytes()).unwrap();
    }
    // One byte each, as a slow attacker does it.
    for _ in 0..3 {
        for stream in &mut slow {
            let _ = stream.write_all(b" ");
        }
        assert_eq!(status(&served.me()), "200");
        std::thread::sleep(Duration::from_millis(100));
    }
    for stream in &mut slow {
        ended(stream);
    }
    served.still_serves_in_bounds();
}

#[test]
fn a_head_that_never_ends_is_ended_however_busily_it_comes() {
    let served = Served::start(&["--read-seconds", "1"]);
    let mut stream = served.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    until(|| {
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(b"y").is_err()
    });
}

#[test]
fn a_connection_without_requests_is_closed() {
    let served = Served::start(&["--idle-seconds", "1"]);
    let mut stream = served.connect();
    let request = format!("GET /api/v1/me HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n", served.port, served.bearer());
    stream.write_all(request.as_bytes()).unwrap();
    assert!(ended(&mut stream).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_peer_that_takes_nothing_of_its_answers_is_dropped() {
    let served = Served::start(&["--write-seconds", "1"]);
    let request = format!("GET /api/v1/me HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n", served.port, served.bearer());
    let many = request.repeat(200);
    let mut stream = served.connect();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Asks on and on, reads never: at some point the server takes no more, and then ends it.
    until(|| match stream.write(many.as_bytes()) {
        Ok(_) => false,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    });
    served.still_serves_in_bounds();
}

#[test]
fn connections_that_break_off_leave_nothing() {
    let served = Served::start(&["--connections", "30"]);
    for number in 0..120 {
        let mut stream = served.connect();
        stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localh").unwrap();
        if number % 2 == 0 {
            stream.shutdown(Shutdown::Write).unwrap();
            ended(&mut stream);
        }
    }
    until(|| status(&served.me()) == "200");
    served.still_serves_in_bounds();
}

#[test]
fn a_credential_has_its_calls_of_a_minute() {
    let served = Served::start(&["--calls-per-minute", "5"]);
    let statuses: Vec<String> = (0..6).map(|_| status(&served.me()).to_owned()).collect();
    assert_eq!(statuses, ["200", "200", "200", "200", "200", "429"]);
    let refused = served.me();
    assert!(refused.contains("retry-after: ") && refused.contains("too_many_calls"), "{refused}");
}

#[test]
fn whoever_tries_credentials_has_to_wait_and_others_behind_the_address_do_not() {
    let served = Served::start(&[]);
    let wrong = format!("Authorization: Bearer pgt_{}\r\n", "0".repeat(64));
    let tried: Vec<String> = (0..40).map(|_| status(&served.get("/api/v1/me", &wrong)).to_owned()).collect();
    assert_eq!(tried.first().map(String::as_str), Some("401"));
    assert_eq!(tried.last().map(String::as_str), Some("429"), "{tried:?}");
    assert_eq!(status(&served.me()), "200", "a credential that counts is locked out");
    assert_eq!(status(&served.get("/nothing", "")), "404", "who brings no credential is locked out");
}

#[test]
fn a_request_in_flight_is_finished_when_the_server_is_told_to_stop() {
    let mut served = Served::start(&[]);
    let mut stream = BufReader::new(served.connect());
    let head = format!(
        "POST /api/v1/tools/list_tasks HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n{}",
        served.port,
        served.bearer()
    );
    stream.get_mut().write_all(format!("{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n").as_bytes()).unwrap();
    // Whoever reads the body has begun to.
    assert_eq!(status(&answer(&mut stream)), "100");
    served.signal("-TERM");
    until(|| TcpStream::connect(("127.0.0.1", served.port)).is_err());
    stream.get_mut().write_all(b"{}").unwrap();
    let got = answer(&mut stream);
    assert_eq!(status(&got), "200", "{got}");
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut served = Served::start(&["--drain-seconds", "3600", "--read-seconds", "3600"]);
    let mut stream = served.connect();
    let head =
        format!("POST /api/v1/tools/list_tasks HTTP/1.1\r\nHost: localhost:{}\r\n{}", served.port, served.bearer());
    let rest = "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
    assert_eq!(status(&answer(&mut BufReader::new(&mut stream))), "100");
    served.signal("-TERM");
    until(|| TcpStream::connect(("127.0.0.1", served.port)).is_err());
    assert!(served.child.try_wait().unwrap().is_none(), "it did not wait for the request");
    served.signal("-TERM");
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn what_cannot_be_listened_at_is_said_in_words() {
    let served = Served::start(&[]);
    let taken = format!("127.0.0.1:{}", served.port);
    let table: [(&[&str], &str); 6] = [
        (&["--http", &taken], "another program listens there"),
        (&["--http", "0.0.0.0:0"], "--insecure-plain-http"),
        (&["--http", "[::]:0"], "--insecure-plain-http"),
        (&["--http", "127.0.0.1:0", "--tls-cert", "no.pem", "--tls-key", "no.pem"], "cannot be read from no.pem"),
        (&["--http", "127.0.0.1:0", "--tls-cert", "no.pem"], "--tls-key"),
        (&["--tls-cert", "no.pem", "--tls-key", "no.pem"], "--http"),
    ];
    for (flags, expected) in table {
        let ended = phasegate(served.folder.path()).arg("serve").args(flags).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
}

#[test]
fn stdio_and_http_are_served_by_one_process_and_end_with_the_input() {
    let mut served = Served::start(&["--stdio"]);
    let mut input = served.child.stdin.take().unwrap();
    let mut output = BufReader::new(served.child.stdout.take().unwrap());
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    writeln!(input, "{hello}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["id"], 1, "{line}");
    assert_eq!(status(&served.me()), "200");
    drop(input);
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn a_handler_that_panics_is_an_answer_and_bare_text_becomes_a_problem() {
    use axum::routing::{get, post};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let address = runtime.block_on(async {
        async fn panics() {
            panic!("on purpose");
        }
        let router = axum::Router::new()
            .route("/panics", get(panics))
            .route("/json", post(|_: axum::Json<Value>| async {}))
            .route("/fine", get(|| async { "fine" }))
            .layer(axum::middleware::from_fn(phasegate::http::problem::caught));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    });
    let table = [
        ("GET /panics HTTP/1.1\r\n", "", "500", "internal"),
        ("DELETE /panics HTTP/1.1\r\n", "", "405", "method_not_allowed"),
        (
            "POST /json HTTP/1.1\r\n",
            "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
            "400",
            "bad_request",
        ),
        ("POST /json HTTP/1.1\r\n", "Content-Length: 2\r\n\r\n{}", "415", "not_json"),
    ];
    for (target, rest, expected, code) in table {
        let rest = if rest.is_empty() { "\r\n" } else { rest };
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{target}Host: t\r\n{rest}").as_bytes()).unwrap();
        let got = answer(&mut BufReader::new(stream));
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert_eq!(status(&got), expected, "{target}: {got}");
        assert!(head.contains("application/problem+json"), "{target}: {got}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], code, "{target}: {got}");
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /fine HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    assert!(answer(&mut BufReader::new(stream)).ends_with("fine"));
}
