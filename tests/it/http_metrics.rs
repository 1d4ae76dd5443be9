//! What those who run a server see of it, on the real binary: figures, readiness and the log. Nothing of anybody's work is
//! among it, and no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::stores::{self, Kind};

/// For whatever must come at some time.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    pub child: Child,
    pub port: u16,
    pub token: String,
    folder: tempfile::TempDir,
    log: Arc<Mutex<String>>,
}

pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub fn phasegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
    for name in ["PHASEGATE_LOG", "PHASEGATE_LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
        command.env_remove(name);
    }
    stores::tell(&mut command, folder);
    command
}

impl Server {
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::started(None, environment, &["--http", "127.0.0.1:0"])
    }

    /// With this workflow in force.
    pub fn started(yaml: Option<&str>, environment: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::over(stores::usual(), yaml, environment, flags)
    }

    /// For what is about the file of SQLite.
    fn in_a_file() -> Self {
        Self::over(Kind::Sqlite, None, &[], &["--http", "127.0.0.1:0"])
    }

    fn over(kind: Kind, yaml: Option<&str>, environment: &[(&str, &str)], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        stores::keep_to(kind, folder.path());
        if let Some(yaml) = yaml {
            std::fs::write(folder.path().join("phasegate.yaml"), yaml).unwrap();
            let trusted = phasegate(folder.path()).args(["workflow", "trust", "--yes"]).output().unwrap();
            assert!(trusted.status.success(), "{trusted:?}");
        }
        let made = phasegate(folder.path()).args(["token", "create", "--role", "agent", "--json"]).output().unwrap();
        let token = serde_json::from_slice::<Value>(&made.stdout).unwrap()["token"].as_str().unwrap().to_owned();
        let mut command = phasegate(folder.path());
        command.arg("serve").args(flags).envs(environment.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::<Mutex<String>>::default();
        let mut port = None;
        while port.is_none() {
            let line = lines.next().expect("it ended").unwrap();
            port = line.contains("listening").then(|| port_in(&line));
            log.lock().unwrap().push_str(&format!("{line}\n"));
        }
        let keep = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keep.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self { child, port: port.unwrap(), token, folder, log }
    }

    fn asked(&self, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        let agent = ureq::Agent::new_with_config(config.proxy(None).build());
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = match body {
            None => headers.iter().fold(agent.get(url), |request, (name, value)| request.header(*name, *value)).call(),
            Some(body) => {
                let request = agent.post(url).header("Content-Type", "application/json");
                let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                request.send(body.to_string())
            }
        };
        let mut answer = answer.unwrap();
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let text = answer.body_mut().read_to_string().unwrap();
        Answer { status: answer.status().as_u16(), kind: kind.unwrap_or_default(), text }
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.asked(path, headers, None)
    }

    pub fn call(&self, tool: &str, arguments: &Value, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers: Vec<(&str, &str)> = [("Authorization", bearer.as_str())].iter().chain(headers).copied().collect();
        self.asked(&format!("/api/v1/tools/{tool}"), &headers, Some(arguments))
    }

    /// Figures as they are once the last look at the store does not count any more.
    fn scraped(&self) -> Figures {
        std::thread::sleep(Duration::from_millis(1100));
        Figures::read(&self.get("/metrics", &[]).text, false)
    }

    fn ready_is(&self, status: u16) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.get("/ready", &[]);
            if answer.status == status {
                return answer.json();
            }
            assert!(start.elapsed() < PATIENCE, "it stays {}: {}", answer.status, answer.text);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Told to, and in its own time.
    pub fn end(&mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end; it said {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in a line of the log, plain or JSON: the number behind the last colon that one follows.
fn port_in(line: &str) -> u16 {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    line.rsplit(':').find_map(|part| digits(part).parse().ok().filter(|port| *port > 1000)).expect("a port")
}

/// A scrape, read strictly: every sample belongs to a family that was announced, and none comes twice.
#[derive(Debug, Default)]
struct Figures {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Figures {
    fn read(text: &str, openmetrics: bool) -> Self {
        let mut found = Self::default();
        let (mut family, mut closed) = (String::new(), BTreeSet::new());
        assert_eq!(text.ends_with("\n# EOF\n"), openmetrics);
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap().to_owned();
                assert!(closed.insert(family.clone()), "{family} is announced twice");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, family, "{line}");
                found.kinds.insert(family.clone(), kind.to_owned());
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} stands under {family}"));
                let allowed: &[&str] = match (found.kinds[&family].as_str(), openmetrics) {
                    ("counter", true) => &["_total"],
                    ("histogram", _) => &["_sum", "_count", "_bucket"],
                    _ => &[""],
                };
                assert!(allowed.contains(&suffix), "{line}");
                let labels = labels.strip_suffix('}').unwrap().split(',').filter(|label| !label.is_empty());
                let label = |label: &str| {
                    let (name, value) = label.split_once('=').unwrap();
                    (name.to_owned(), value.strip_prefix('"').unwrap().strip_suffix('"').unwrap().to_owned())
                };
                let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
                let before = found.samples.insert((name.to_owned(), labels.map(label).collect()), value);
                assert!(before.is_none(), "{line} comes twice");
            }
        }
        found
    }

    /// The sum over all series that have these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |found: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| found.get(*name).is_some_and(|found| found == value))
        };
        self.samples.iter().filter(|((found, labels), _)| found == name && fits(labels)).map(|(_, value)| value).sum()
    }
}

fn new_task(title: &str) -> Value {
    json!({ "new": { "title": title, "goal": "that it is done" } })
}

#[test]
fn a_scrape_tells_what_was_done_by_this_process_and_by_others() {
    let server = Server::start(&[]);
    let before = server.scraped();
    assert_eq!(server.call("claim_task", &new_task("a hushed title"), &[]).status, 200);
    assert_eq!(server.call("transition_phase", &json!({}), &[]).status, 409);
    assert_eq!(server.call("list_tasks", &json!({}), &[]).status, 200);
    // Another process, as a client over stdio would be.
    let folder = server.folder.path();
    let title = r#"{"title":"another hushed title"}"#;
    let other = phasegate(folder).args(["call", "submit_task", title]).output().unwrap();
    assert!(other.status.success(), "{other:?}");
    let after = server.scraped();
    let grown = |name: &str, labels: &[(&str, &str)]| after.sum(name, labels) - before.sum(name, labels);
    for (name, labels, wanted) in [
        ("orchestrator_tools_total", [("tool", "claim_task"), ("outcome", "ok")].as_slice(), 1.0),
        ("orchestrator_tools_total", &[("tool", "transition_phase"), ("outcome", "refused")], 1.0),
        ("orchestrator_tools_total", &[("tool", "submit_task")], 0.0),
        ("orchestrator_tools_errors_total", &[("tool", "transition_phase"), ("code", "gates_unmet")], 1.0),
        ("orchestrator_tools_duration_seconds_count", &[], 3.0),
        ("orchestrator_tasks_total", &[("status", "submitted")], 2.0),
        ("orchestrator_tasks_total", &[("status", "claimed")], 1.0),
        ("orchestrator_tasks_open", &[("status", "claimed")], 1.0),
        ("orchestrator_tasks_open", &[("status", "ready")], 1.0),
        ("orchestrator_claims_active", &[], 1.0),
        ("orchestrator_refusals_total", &[("code", "gates_unmet")], 1.0),
        ("orchestrator_http_requests_total", &[("route", "/api/v1/tools/{name}"), ("status", "2xx")], 2.0),
        ("orchestrator_http_requests_total", &[("route", "/api/v1/tools/{name}"), ("status", "4xx")], 1.0),
        (
            "orchestrator_log_records_total",
            &[],
            after.sum("orchestrator_log_records_total", &[]) - before.sum("orchestrator_log_records_total", &[]),
        ),
    ] {
        assert_eq!(grown(name, labels), wanted, "{name} {labels:?}");
    }
    assert!(grown("orchestrator_store_write_duration_seconds_count", &[]) >= 2.0);
    assert_eq!(after.sum("orchestrator_store_up", &[]), 1.0);
    let text = server.get("/metrics", &[]).text;
    let folder = folder.to_str().unwrap();
    for hushed in ["hushed", "T-1", "agent-", &server.token, folder] {
        assert!(!text.contains(hushed), "`{hushed}` is among the figures");
    }
}

#[test]
fn both_forms_hold_together_and_the_names_that_were_promised_are_there() {
    let server = Server::start(&[]);
    server.call("list_tasks", &json!({}), &[]);
    let plain = server.get("/metrics", &[("Accept", "text/plain;version=0.0.4, */*;q=0.1")]);
    let open = server.get("/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]);
    assert!(
        plain.kind.starts_with("text/plain; version=0.0.4") && open.kind.starts_with("application/openmetrics-text")
    );
    let (plain, open) = (Figures::read(&plain.text, false), Figures::read(&open.text, true));
    for (name, kind) in [
        ("orchestrator_tools_total", "counter"),
        ("orchestrator_tools_duration_seconds", "histogram"),
        ("orchestrator_tools_errors_total", "counter"),
        ("orchestrator_tasks_total", "counter"),
        ("orchestrator_tasks_duration_seconds", "histogram"),
        ("orchestrator_sessions_active", "gauge"),
        ("orchestrator_sessions_total", "counter"),
        ("orchestrator_approvals_waiting", "gauge"),
        ("orchestrator_verdicts_total", "counter"),
        ("orchestrator_store_wal_bytes", "gauge"),
        ("orchestrator_log_unsealed_age_seconds", "gauge"),
    ] {
        if name == "orchestrator_store_wal_bytes" && stores::usual() == Kind::Postgres {
            continue;
        }
        assert_eq!(plain.kinds.get(name).map(String::as_str), Some(kind), "{name}");
        let announced = if kind == "counter" { name.strip_suffix("_total").unwrap() } else { name };
        assert_eq!(open.kinds.get(announced).map(String::as_str), Some(kind), "{announced}");
    }
    assert!(!plain.samples.keys().any(|(name, _)| name.contains("_total_total")));
    for ((name, labels), count) in plain.samples.iter().filter(|((name, _), _)| name.ends_with("_count")) {
        let name = name.replace("_count", "_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for ((found, of), hits) in &plain.samples {
            let same = labels.iter().all(|(label, value)| of.get(label) == Some(value));
            if *found == name && same {
                buckets.push((of["le"].replace("+Inf", "inf").parse().unwrap(), *hits));
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
    }
}

#[test]
fn figures_need_a_credential_where_others_can_reach_us() {
    let server = Server::started(None, &[], &["--http", "0.0.0.0:0", "--insecure-plain-http"]);
    assert_eq!(server.get("/metrics", &[]).status, 401);
    let bearer = format!("Bearer {}", server.token);
    assert_eq!(server.get("/metrics", &[("Authorization", &bearer)]).status, 200);
    assert_eq!((server.get("/health", &[]).status, server.get("/ready", &[]).status), (200, 200));
}

#[test]
fn a_store_that_is_gone_or_damaged_is_not_ready_and_the_process_still_lives() {
    let server = Server::in_a_file();
    assert_eq!(server.ready_is(200)["status"], "ready");
    let (state, away) = (server.folder.path().join(".phasegate"), server.folder.path().join("elsewhere"));
    std::fs::rename(&state, &away).unwrap();
    let said = server.ready_is(503);
    assert_eq!(said["status"], "not_ready");
    let failed: Vec<&Value> = said["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false).collect();
    assert!(failed.iter().any(|check| check["name"] == "store_read"), "{said}");
    assert!(!said.to_string().contains(server.folder.path().to_str().unwrap()), "{said}");
    let health = server.get("/health", &[]);
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    std::fs::rename(&away, &state).unwrap();
    server.ready_is(200);
    let database = std::fs::OpenOptions::new().write(true).open(state.join("phasegate.db")).unwrap();
    database.write_all_at(&[0x5a; 4096], 0).unwrap();
    // What lies in the write-ahead log counts before the file does.
    std::fs::OpenOptions::new().write(true).open(state.join("phasegate.db-wal")).unwrap().set_len(0).unwrap();
    server.ready_is(503);
    assert_eq!(server.get("/health", &[]).status, 200);
}

#[test]
fn a_store_that_was_taken_away_takes_no_work_even_where_another_lies_in_its_place() {
    let server = Server::in_a_file();
    let (state, away) = (server.folder.path().join(".phasegate"), server.folder.path().join("elsewhere"));
    let status = || server.call("submit_task", &json!({ "title": "kept?" }), &[]).status;
    assert_eq!(status(), 200);
    std::fs::rename(&state, &away).unwrap();
    assert_eq!(status(), 500);
    let made = phasegate(server.folder.path()).args(["tasks", "add", "another store"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(status(), 500);
    let failed = server.ready_is(503);
    assert!(
        failed["checks"].as_array().unwrap().iter().any(|check| check["name"] == "store_write" && check["ok"] == false)
    );
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();
    assert_eq!(status(), 200);
}

#[test]
fn the_log_is_json_with_request_ids_and_holds_no_secret() {
    let mut server = Server::start(&[("PHASEGATE_LOG", "trace"), ("PHASEGATE_LOG_FORMAT", "json")]);
    let token = server.token.clone();
    let claimed = server.call("claim_task", &new_task("a task"), &[("X-Request-Id", "asked-once")]);
    let handle = claimed.json()["claim_handle"].as_str().or(claimed.json()["handle"].as_str()).map(str::to_owned);
    // Where a secret has no business: the address, a header, an argument, a wrong place in a tool call.
    server.get(&format!("/api/v1/me?token={token}"), &[]);
    server.get(&format!("/{token}"), &[]);
    server.get("/api/v1/me", &[("X-Request-Id", &token), ("Authorization", &format!("Basic {token}"))]);
    server.get("/api/v1/me", &[("Authorization", &format!("Bearer {token}x"))]);
    server.call(&token, &json!({ "task": token }), &[]);
    server.call("update_task", &json!({ "progress": token, token.clone(): 1 }), &[]);
    server.get("/metrics", &[("traceparent", &token)]);
    server.end();
    let log = server.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    for line in &lines {
        for field in ["time", "level", "target"] {
            assert!(line[field].is_string(), "{line}");
        }
    }
    let answered = |line: &&Value| line["message"] == "answered" && line["request_id"] == "asked-once";
    let line = lines.iter().find(answered).unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&line["route"], &line["status"]), (&json!("/api/v1/tools/{name}"), &json!(200)));
    assert!(!log.contains(&token), "the credential is in the log");
    if let Some(handle) = handle {
        assert!(!log.contains(&handle), "the claim handle is in the log");
    }
}
