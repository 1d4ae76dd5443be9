//! Who may call over HTTP, on the real binary: credentials and tokens of an issuer, what a stranger is told, what is published,
//! phase tokens on the wire. And an issuer's keys through the engine, where the clock can be moved.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use phasegate::config::settings::Settings;
use phasegate::domain::facts::Role;
use phasegate::domain::ids::Time;
use phasegate::domain::issuer::{Algorithm, Issuer, KeySource};
use phasegate::engine::credentials::Stranger;
use serde_json::{Value, json};

use super::support::TestEnv;
use crate::support::stores;

const IDP: &str = "https://idp.example";

pub fn issuer(name: &str, issuer: &str, file: &str) -> Issuer {
    Issuer {
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        audience: "phasegate".to_owned(),
        keys: KeySource::File(file.into()),
        algorithms: Algorithm::USUAL.to_vec(),
        role_claim: "roles".to_owned(),
        roles: [("pg-agent".to_owned(), Role::Agent), ("pg-auditor".to_owned(), Role::Auditor)].into(),
        name_claim: "sub".to_owned(),
        capabilities_claim: None,
        workflows_claim: None,
        leeway_seconds: 30,
        claims: 1,
        calls_per_minute: None,
    }
}

/// An issuer's key, called by its number.
struct IssuerKey(u8);

impl IssuerKey {
    fn secret(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.0; 32])
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.secret().verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.0.to_string(), "x": x })
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.0.to_string(), "typ": "at+jwt" });
        let signed = [header, claims.clone()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = self.secret().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn of(&self, subject: &str, role: &str, now: Time) -> String {
        let seconds = now.0 / 1000;
        self.token(&json!({ "iss": IDP, "aud": "phasegate", "sub": subject, "roles": [role], "exp": seconds + 99_999 }))
    }
}

fn jwks(keys: &[IssuerKey]) -> String {
    json!({ "keys": keys.iter().map(IssuerKey::jwk).collect::<Vec<_>>() }).to_string()
}

/// Answers every request with what it was last told to, and counts.
struct KeyServer {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, answer: Arc::default(), asked: Arc::default() };
        server.says(status, body);
        let (answer, asked) = (Arc::clone(&server.answer), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let answer = answer.lock().unwrap().clone();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        server
    }

    fn says(&self, status: &str, body: &str) {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        *self.answer.lock().unwrap() = format!("{head}Location: http://127.0.0.1:{}/other\r\n\r\n{body}", self.port);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn env(&self) -> TestEnv {
        let keys = KeySource::Url(format!("http://127.0.0.1:{}/jwks", self.port));
        let issuers = vec![Issuer { keys, ..issuer("corp", IDP, "") }];
        TestEnv::with_settings(None, &Settings { issuers, ..Settings::default() })
    }
}

/// What is said of a token, once keys that are wanted have been asked for.
fn shown(env: &TestEnv, token: &str) -> Result<String, String> {
    let mut found = env.engine.authenticate(token);
    if let Err(Stranger::KeysWanted(index)) = found {
        env.engine.read_issuer_keys(index);
        found = env.engine.authenticate(token);
    }
    found.map(|principal| principal.caller.agent.0).map_err(|stranger| stranger.to_string())
}

#[test]
fn keys_are_read_kept_and_read_again() {
    let (old, new) = (IssuerKey(1), IssuerKey(2));
    let server = KeyServer::start("200 OK", &jwks(&[IssuerKey(1)]));
    let env = server.env();
    let now = env.engine.now();
    let (ana, ben) = (old.of("ana", "pg-agent", now), new.of("ben", "pg-auditor", now));
    assert!(matches!(env.engine.authenticate(&ana), Err(Stranger::KeysWanted(0))), "nothing waits for the network");
    for _ in 0..3 {
        assert_eq!(shown(&env, &ana).as_deref(), Ok("corp:ana"));
    }
    assert_eq!(server.asked(), 1);
    // A new key is looked for once a minute, whoever asks for it.
    server.says("200 OK", &jwks(&[IssuerKey(2)]));
    for _ in 0..3 {
        assert!(shown(&env, &ben).unwrap_err().contains("names a key"), "read a moment ago");
    }
    assert_eq!(server.asked(), 1);
    env.clock.advance_seconds(60);
    assert_eq!(shown(&env, &ben).as_deref(), Ok("corp:ben"));
    assert_eq!(server.asked(), 2);
    assert!(shown(&env, &ana).is_err(), "the issuer took the old key back");
    // An issuer that is down for an hour or for a day.
    server.says("500 Oh", "");
    let cid = new.of("cid", "pg-agent", now);
    env.clock.advance_seconds(60 * 60);
    assert!(env.engine.authenticate_now(&cid).is_ok(), "who cannot wait takes the keys at hand");
    assert_eq!(server.asked(), 2);
    assert_eq!(shown(&env, &ben).as_deref(), Ok("corp:ben"));
    assert_eq!(server.asked(), 3);
    assert_eq!(shown(&env, &ben).as_deref(), Ok("corp:ben"));
    assert_eq!(server.asked(), 3, "not at each request");
    env.clock.advance_seconds(23 * 60 * 60);
    assert!(shown(&env, &ben).unwrap_err().contains("cannot be had"), "keys are not kept for ever");
    server.says("200 OK", &jwks(&[IssuerKey(2)]));
    env.clock.advance_seconds(60);
    assert_eq!(shown(&env, &ben).as_deref(), Ok("corp:ben"));
}

#[test]
fn answers_of_an_issuer_that_are_no_keys() {
    let token = |env: &TestEnv| IssuerKey(1).of("ana", "pg-agent", env.engine.now());
    let good = jwks(&[IssuerKey(1)]);
    let long = format!("{}{}", good, " ".repeat(300 << 10));
    for (status, body) in [
        ("302 Found", good.as_str()),
        ("404 Not Found", &good),
        ("200 OK", ""),
        ("200 OK", "<html>"),
        ("200 OK", "{\"keys\":[]}"),
        ("200 OK", &long),
    ] {
        let server = KeyServer::start(status, body);
        let env = server.env();
        assert!(shown(&env, &token(&env)).unwrap_err().contains("cannot be had"), "{status} {body:.40}");
        assert_eq!(server.asked(), 1, "{status}: redirects are not followed");
    }
}

#[test]
fn a_subject_whose_name_is_given_out_here_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, jwks(&[IssuerKey(1)])).unwrap();
    let env = TestEnv::new();
    let owner = super::support::person("owner");
    let draft = env.engine.draft_credential();
    let new = phasegate::domain::command::NewCredential {
        name: phasegate::domain::ids::AgentName("corp:ana".to_owned()),
        role: Role::Agent,
        hash: draft.hash,
        grant: Default::default(),
        expires_at: None,
        proof: super::support::at_a_terminal(),
    };
    let made = env.engine.create_credential(&owner, new).unwrap();
    // Somebody puts an issuer in the settings whose subject goes by the same name.
    let issuers = vec![issuer("corp", IDP, file.to_str().unwrap())];
    let later = env.reopened(&Settings { issuers, ..Settings::default() });
    later.read_all_issuer_keys();
    let now = later.now();
    let said = |subject: &str| later.authenticate(&IssuerKey(1).of(subject, "pg-agent", now));
    assert!(said("ana").unwrap_err().to_string().contains("is the name of a credential"));
    assert!(said("ben").is_ok());
    later.revoke_credential(&owner, made.id, String::new()).unwrap();
    assert!(said("ana").is_ok());
}

struct Served {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    log: Arc<Mutex<String>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn phasegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", folder).env("USER", "lead").stdin(Stdio::null());
    stores::tell(&mut command, folder);
    command
}

impl Served {
    /// With an issuer `corp`, whose keys lie in a file.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(".config/phasegate");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("corp.json"), jwks(&[IssuerKey(1)])).unwrap();
        let settings = format!(
            "[[issuer]]\nname = \"corp\"\nissuer = \"{IDP}\"\naudience = \"phasegate\"\njwks_file = \"corp.json\"\n\
             roles = {{ \"pg-agent\" = \"agent\", \"pg-auditor\" = \"auditor\" }}\n"
        );
        std::fs::write(config.join("config.toml"), settings).unwrap();
        let mut command = phasegate(folder.path());
        command.args(["serve", "--http", "127.0.0.1:0"]).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let port = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended: {}", log.lock().unwrap());
            let port = line.split("127.0.0.1:").nth(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
            log.lock().unwrap().push_str(&line);
            if let Some(Ok(port)) = port.map(|port| port.unwrap_or_default().parse()) {
                break port;
            }
        };
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                said.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        Self { child, port, folder, log }
    }

    fn credential(&self, role: &str, name: &str) -> String {
        let made = phasegate(self.folder.path())
            .args(["token", "create", "--json", "--role", role, "--name", name])
            .output()
            .unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Status, headers as text in lower case, and body.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, String, Value) {
        let agent =
            ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build());
        let mut request = http::Request::builder().method(method).uri(format!("http://127.0.0.1:{}{path}", self.port));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut answer = agent.run(request.body(body).unwrap()).unwrap();
        let head: Vec<String> =
            answer.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        let mut text = String::new();
        answer.body_mut().as_reader().read_to_string(&mut text).unwrap();
        // An answer as an event stream has one message that matters.
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap_or(&text);
        (answer.status().as_u16(), head.join("\n"), serde_json::from_str(data).unwrap_or(Value::Null))
    }

    fn me(&self, token: &str) -> (u16, String, Value) {
        self.ask("GET", "/api/v1/me", &[("Authorization", &format!("Bearer {token}"))], &Value::Null)
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Time(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn a_caller_is_a_credential_or_a_subject_of_an_issuer_and_a_stranger_is_told_where_to_go() {
    let served = Served::start();
    let secret = served.credential("operator", "boss");
    let (key, now) = (IssuerKey(1), now());
    let (status, _, me) = served.me(&secret);
    assert_eq!((status, &me["name"], &me["role"]), (200, &json!("boss"), &json!("operator")));
    let good = key.of("ana@corp.example", "pg-agent", now);
    let (status, _, me) = served.me(&good);
    assert_eq!((status, &me["name"], &me["role"]), (200, &json!("corp:ana@corp.example"), &json!("agent")), "{me}");
    let seconds = now.0 / 1000;
    let claims = |changed: Value| {
        let mut claims =
            json!({ "iss": IDP, "aud": "phasegate", "sub": "ana", "roles": "pg-agent", "exp": seconds + 60 });
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        key.token(&claims)
    };
    let metadata =
        format!("resource_metadata=\"http://127.0.0.1:{}/.well-known/oauth-protected-resource\"", served.port);
    for (case, token, status, error) in [
        ("expired", claims(json!({"exp": seconds - 60})), 401, "error=\"invalid_token\""),
        ("a time that is text", claims(json!({"exp": "9999999999"})), 401, "error=\"invalid_token\""),
        ("another audience", claims(json!({"aud": "other"})), 401, "error=\"invalid_token\""),
        ("an issuer with a slash", claims(json!({"iss": format!("{IDP}/")})), 401, "error=\"invalid_token\""),
        ("another key", IssuerKey(9).of("ana", "pg-agent", now), 401, "error=\"invalid_token\""),
        ("no role of ours", claims(json!({"roles": "admin"})), 403, "error=\"insufficient_scope\""),
        ("no credential", format!("pgt_{}", "0".repeat(64)), 401, "error=\"invalid_token\""),
        ("nonsense", "x".to_owned(), 401, "error=\"invalid_token\""),
    ] {
        let (answered, head, body) = served.me(&token);
        assert_eq!(answered, status, "{case}: {body}");
        let challenge = head.lines().find(|line| line.starts_with("www-authenticate: ")).unwrap_or_default();
        assert!(challenge.contains(error) && challenge.contains(&metadata), "{case}: {challenge}");
        assert!(!body.to_string().contains(&token), "{case}: {body}");
    }
    let (status, head, _) = served.ask("GET", "/api/v1/me", &[], &Value::Null);
    assert_eq!(status, 401);
    assert!(
        head.contains(&metadata) && !head.contains("error="),
        "nothing was shown, so nothing is wrong with it: {head}"
    );
    let (status, head, _) = served.ask("POST", "/mcp", &[("Content-Type", "application/json")], &json!({}));
    assert!(status == 401 && head.contains("/.well-known/oauth-protected-resource/mcp\""), "{head}");
    let (status, ..) = served.ask("GET", &format!("/api/v1/me?access_token={good}"), &[], &Value::Null);
    assert!(matches!(status, 400 | 401), "{status}");
    let audit = phasegate(served.folder.path()).args(["audit", "query", "--json"]).output().unwrap();
    let kept = String::from_utf8_lossy(&audit.stdout).into_owned() + &served.log.lock().unwrap();
    assert!(!kept.contains(&good) && !kept.contains(&secret), "a token got into the log: {kept}");
}

#[test]
fn what_is_published_says_whom_to_ask_and_how_to_check() {
    let served = Served::start();
    let here = format!("http://127.0.0.1:{}", served.port);
    for (path, resource) in [("", here.clone()), ("/mcp", format!("{here}/mcp"))] {
        let at = format!("/.well-known/oauth-protected-resource{path}");
        let (status, _, document) = served.ask("GET", &at, &[], &Value::Null);
        assert_eq!((status, &document["resource"]), (200, &json!(resource)));
        assert_eq!(document["authorization_servers"], json!([IDP]));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    }
    let (status, _, keys) = served.ask("GET", "/.well-known/jwks.json", &[], &Value::Null);
    assert_eq!((status, &keys["keys"][0]["kty"], &keys["keys"][0]["alg"]), (200, &json!("OKP"), &json!("EdDSA")));
    assert!(keys["keys"][0].get("d").is_none() && keys["keys"].as_array().unwrap().len() == 1, "{keys}");
}

#[test]
fn a_phase_token_travels_beside_what_models_read_and_stands_for_the_claim() {
    let served = Served::start();
    let bearer = format!("Bearer {}", served.credential("agent", "ana"));
    let call = |tool: &str, arguments: Value, token: Option<&str>| {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
        });
        if let Some(token) = token {
            meta["phasegate/phase_token"] = json!(token);
        }
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", tool),
        ];
        let (status, _, answer) = served.ask("POST", "/mcp", &headers, &body);
        assert_eq!(status, 200, "{answer}");
        answer["result"].clone()
    };
    let token = |result: &Value| result["_meta"]["phasegate/phase_token"].as_str().map(str::to_owned);
    let claimed = call("claim_task", json!({ "new": { "title": "a", "workflow": "quick" } }), None);
    let first = token(&claimed).unwrap_or_else(|| panic!("no token: {claimed}"));
    for read in ["content", "structuredContent"] {
        assert!(!claimed[read].to_string().contains(&first), "{read}");
    }
    let noted = call("update_task", json!({ "progress": "on" }), Some(&first));
    assert_eq!(noted["isError"], json!(false), "{noted}");
    // Over REST it is a header.
    let rest = |token: &str| {
        let headers =
            [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Phase-Token", token)];
        served.ask("POST", "/api/v1/tools/update_task", &headers, &json!({ "progress": "on" }))
    };
    let (status, head, answer) = rest(&first);
    assert_eq!(status, 200, "{answer}");
    let brought = head.lines().find_map(|line| line.strip_prefix("phase-token: ")).unwrap_or_default();
    assert_eq!(rest(brought).0, 200, "each answer brings the newest: {head}");
    let released = call("update_task", json!({ "release": "later" }), Some(&first));
    assert_eq!((&released["isError"], token(&released)), (&json!(false), None), "{released}");
    let again = call("claim_task", json!({ "id": "T-1" }), None);
    assert!(token(&again).is_some_and(|second| second != first));
    let stale = call("update_task", json!({ "progress": "on" }), Some(&first));
    assert_eq!(
        (&stale["isError"], &stale["structuredContent"]["code"]),
        (&json!(true), &json!("stale_claim")),
        "{stale}"
    );
    let (status, _, answer) = rest(&first);
    assert_eq!((status, &answer["code"]), (409, &json!("stale_claim")), "{answer}");
    let (status, _, answer) = rest("x");
    assert_eq!((status, &answer["code"]), (409, &json!("stale_claim")), "{answer}");
}
