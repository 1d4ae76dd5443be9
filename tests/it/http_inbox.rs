//! Persons over HTTP: signing in, what a page may send, answering what was shown, signatures of keys and passkeys, links. On a
//! real server with a clock that stands still.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use phasegate::domain::command::NewCredential;
use phasegate::domain::facts::{Caller, Role};
use phasegate::domain::ids::{AgentName, ApprovalId, CredentialId, Time};
use phasegate::engine::notices::link_key;
use phasegate::http::options::Options;
use phasegate::http::{App, listen};
use phasegate::notify::link::{Link, Press, sign};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::approvals::{LEVEL_2, OWNER, SECOND, STRANGER, bash, ok, refused, started, word};
use crate::support::keys::Key;
use crate::support::replay::records;
use crate::support::{START, TestEnv, at_a_terminal, person};

const OURS: &str = "X-Phasegate: 1";

struct Server<'e> {
    env: &'e TestEnv,
    base: String,
    client: ureq::Agent,
    _runtime: tokio::runtime::Runtime,
}

struct Reply {
    status: u16,
    headers: http::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The status, and the code where it is a problem.
    fn word(&self) -> String {
        let code =
            serde_json::from_str::<Value>(&self.text).ok().and_then(|value| Some(value.get("code")?.to_string()));
        format!("{} {}", self.status, code.unwrap_or_default().trim_matches('"')).trim().to_owned()
    }
}

impl<'e> Server<'e> {
    fn over(env: &'e TestEnv) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let app = App::new(Arc::clone(&env.engine), Options::at(address));

        runtime.spawn(listen::serve(app, listener, std::future::pending()));
        let client = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .build()
            .into();
        Self { env, base: format!("http://{address}"), client, _runtime: runtime }
    }

    fn send(&self, method: &str, path: &str, headers: &[&str], body: Option<&str>) -> Reply {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for line in headers {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        if body.is_some() && !headers.iter().any(|line| line.starts_with("Content-Type")) {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(body.unwrap_or_default().to_owned()).unwrap();
        let mut reply = self.client.run(request).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        Reply { status: reply.status().as_u16(), headers: reply.headers().clone(), text }
    }

    fn get(&self, who: &str, path: &str) -> Reply {
        self.send("GET", path, &[who], None)
    }

    fn post(&self, who: &str, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[who, OURS], Some(&body.to_string()))
    }

    fn token(&self, name: &str, role: Role) -> String {
        let engine = &self.env.engine;
        let draft = engine.draft_credential();
        let new = NewCredential {
            name: AgentName(name.to_owned()),
            role,
            hash: draft.hash,
            grant: Default::default(),
            expires_at: None,
            proof: at_a_terminal(),
        };
        engine.create_credential(&person("owner"), new).unwrap_or_else(|failure| panic!("{failure}"));
        draft.secret
    }

    /// The cookie of somebody who has just signed in, as a header.
    fn cookie(&self, token: &str) -> String {
        let reply = self.send("POST", "/api/v1/sign-in", &[OURS], Some(&json!({ "token": token }).to_string()));
        assert_eq!(reply.status, 200, "{}", reply.text);
        let set = reply.headers.get("set-cookie").unwrap().to_str().unwrap();
        format!("Cookie: {}", set.split_once(';').unwrap().0)
    }

    fn signed_in(&self, name: &str, role: Role) -> String {
        self.cookie(&self.token(name, role))
    }

    fn shown(&self, who: &str, id: &str) -> Value {
        let reply = self.get(who, &format!("/api/v1/inbox/{id}"));
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    fn yes(&self, who: &str, ids: &[&str]) -> String {
        let named: Vec<Value> =
            ids.iter().map(|id| json!({ "id": id, "digest": self.shown(who, id)["digest"] })).collect();
        self.post(who, "/api/v1/approvals/answer", &json!({ "approvals": named, "answer": "approve" })).word()
    }
}

fn asked(env: &TestEnv, ana: &Caller, what: Value) -> String {
    ok(env, ana, "request_approval", what)["approval"].as_str().unwrap().to_owned()
}

#[test]
fn a_cookie_stands_for_its_credential_as_long_as_that_counts() {
    let (env, _) = started("");
    let server = Server::over(&env);
    let token = server.token("olga", Role::Operator);
    let body = json!({ "token": token }).to_string();
    let reply = server.send("POST", "/api/v1/sign-in", &[OURS], Some(&body));
    assert_eq!(reply.json(), json!({ "name": "olga", "role": "operator", "credential": "K-1" }));
    let set = reply.headers.get("set-cookie").unwrap().to_str().unwrap();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(&token), "{set}");
    let origin = format!("Origin: {}", server.base.replace("http:", "https:"));
    let reply = server.send("POST", "/api/v1/sign-in", &[OURS, &origin], Some(&body));
    assert!(reply.headers.get("set-cookie").unwrap().to_str().unwrap().ends_with("; Secure"), "behind TLS");

    let cookie = server.cookie(&token);
    assert_eq!(server.get(&cookie, "/api/v1/me").json()["name"], "olga");
    assert_eq!(server.get(&format!("{cookie}x"), "/api/v1/me").word(), "401 unauthenticated");
    assert_eq!(server.get("Cookie: phasegate=", "/api/v1/me").word(), "401 unauthenticated");
    for wrong in ["pgt_no", "", &token.to_uppercase()] {
        let body = json!({ "token": wrong }).to_string();
        assert_eq!(server.send("POST", "/api/v1/sign-in", &[OURS], Some(&body)).word(), "401 unauthenticated");
    }
    let out = server.send("POST", "/api/v1/sign-out", &[OURS, &cookie], None);
    assert!(
        out.headers.get("set-cookie").unwrap().to_str().unwrap().starts_with("phasegate=; Path=/"),
        "{}",
        out.status
    );

    env.clock.advance_seconds(12 * 3600 - 1);
    assert_eq!(server.get(&cookie, "/api/v1/me").status, 200);
    env.clock.advance_seconds(1);
    assert_eq!(server.get(&cookie, "/api/v1/me").word(), "401 unauthenticated", "its time is over");
    let cookie = server.cookie(&token);
    env.engine.revoke_credential(&person("owner"), CredentialId(1), "lost".to_owned()).unwrap();
    assert_eq!(server.get(&cookie, "/api/v1/me").word(), "401 unauthenticated", "its credential is revoked");
}

#[test]
fn what_a_cookie_changes_must_come_from_our_own_page() {
    let (env, ana) = started("");
    let server = Server::over(&env);
    let token = server.token("olga", Role::Operator);
    let (cookie, bearer) = (server.cookie(&token), format!("Authorization: Bearer {token}"));
    let own = format!("Origin: {}", server.base);
    let body = json!({ "reason": "x" }).to_string();
    for (headers, expected) in [
        (vec![cookie.as_str()], "403 another_page"),
        (vec![&cookie, &own], "403 another_page"),
        (vec![&cookie, OURS, "Sec-Fetch-Site: cross-site"], "403 another_page"),
        (vec![&cookie, OURS, &own], "200"),
        (vec![&bearer], "200"),
    ] {
        let reply = server.send("POST", "/api/v1/tasks/T-1/release", &headers, Some(&body));
        assert_eq!(reply.word(), expected, "{headers:?} {}", reply.text);
        if expected == "200" {
            ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
        }
    }
}

#[test]
fn a_person_answers_what_was_shown_and_nothing_else() {
    let (env, ana) = started("");
    let server = Server::over(&env);
    let olga = server.signed_in("olga", Role::Operator);
    let first = asked(&env, &ana, bash("rm -r build\u{202e}"));
    let shown = server.shown(&olga, &first);
    assert_eq!(shown["call"]["lines"], json!(["command: rm -r build\\u{202e}"]), "{shown}");
    assert_eq!((&shown["requested_by"], &shown["about"], &shown["level"]), (&json!("ana"), &json!("call"), &json!(1)));
    assert_eq!(shown["you"], json!({ "answer": true, "sign": 0, "why": "", "hint": "" }));
    let call = &shown["call"];
    assert_eq!((&call["warnings"], &call["starts"], call["short"].is_string()), (&json!([]), &Value::Null, true));
    assert!(shown["on_yes"].as_str().unwrap().contains("runs once"), "{shown}");
    let answer = |digest: &Value, more: Value| {
        let mut body = json!({ "approvals": [{ "id": first, "digest": digest }], "answer": "approve" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post(&olga, "/api/v1/approvals/answer", &body).word()
    };
    assert_eq!(answer(&json!("00"), json!({})), "409 approval_closed", "another digest");
    assert_eq!(answer(&shown["digest"], json!({ "choice": "a" })), "409 not_asked");
    assert_eq!(answer(&shown["digest"], json!({ "approvals": [] })), "400 bad_arguments");
    assert_eq!(answer(&shown["digest"], json!({ "arguments": {} })), "400 bad_arguments");
    assert_eq!(answer(&shown["digest"], json!({ "answer": "reject", "level": 3 })), "400 bad_arguments");
    let twice = json!([{ "id": first, "digest": shown["digest"] }, { "id": first, "digest": shown["digest"] }]);
    assert_eq!(answer(&shown["digest"], json!({ "approvals": twice })), "400 bad_arguments");
    assert_eq!(answer(&shown["digest"], json!({ "reason": "x".repeat(2001) })), "400 bad_arguments");
    assert_eq!(answer(&shown["digest"], json!({ "reason": "é".repeat(2000) })), "200");
    assert_eq!(answer(&shown["digest"], json!({})), "409 approval_closed", "answered already");
    let known = env.engine.approval(ApprovalId(1)).unwrap().unwrap();
    let answer = known.state.answer().unwrap();
    assert_eq!((answer.by.0.as_str(), answer.level, answer.via.words()), ("olga", 1, "in the inbox"));
    // Changed arguments.
    let second = asked(&env, &ana, bash("make deploy"));
    let named = json!([{ "id": second, "digest": server.shown(&olga, &second)["digest"] }]);
    let body =
        json!({ "approvals": named, "answer": "adjust", "arguments": {"command": "make check"}, "reason": "safer" });
    assert_eq!(server.post(&olga, "/api/v1/approvals/answer", &body).json()["approvals"][0]["state"], "adjusted");
    let shown = server.shown(&olga, &second);
    let changes: Vec<String> = shown["call"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["sign"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(changes.concat(), " -+ ", "{shown}");
    env.agree();
}

#[test]
fn who_asks_does_not_answer_and_agents_see_their_own() {
    let (env, ana) = started("");
    let server = Server::over(&env);
    let id = asked(&env, &ana, bash("true"));
    let (bot, other) = (server.signed_in("ana", Role::Agent), server.signed_in("bo", Role::Agent));
    assert_eq!(server.yes(&bot, &[&id]), "403 role_required");
    assert_eq!(server.get(&other, &format!("/api/v1/inbox/{id}")).word(), "404 unknown_approval");
    assert_eq!(server.get(&other, "/api/v1/inbox").json()["approvals"], json!([]));
    assert_eq!(server.get(&bot, "/api/v1/inbox").json()["approvals"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&bot, "/api/v1/credentials").word(), "403 role_required");
    let auditor = server.signed_in("aud", Role::Auditor);
    assert_eq!(server.yes(&auditor, &[&id]), "403 role_required");
    let may = server.shown(&auditor, &id)["you"].clone();
    assert_eq!((&may["answer"], &may["sign"]), (&json!(false), &json!(0)), "{may}");
    // A person who plays the agent under the same name.
    let (env, _) = started("");
    let ana = person("ana");
    drop(ok(&env, &Caller { role: Role::Agent, ..ana }, "request_approval", bash("true")));
    let server = Server::over(&env);
    let ana = server.signed_in("ana", Role::Operator);
    assert_eq!(server.yes(&ana, &["A-1"]), "409 own_approval");
    assert!(server.shown(&ana, "A-1")["you"]["why"].as_str().unwrap().contains("cannot answer it"));
    env.agree();
}

#[test]
fn what_was_asked_together_is_answered_together() {
    let (env, ana) = started("");
    let server = Server::over(&env);
    let lead = server.signed_in("lead", Role::Approver);
    ok(&env, &ana, "request_approval", json!({"batch": [bash("true"), bash("false")]}));
    asked(&env, &ana, bash("ls"));
    let shown = server.shown(&lead, "A-1");
    assert_eq!((&shown["together"], &shown["you"]["answer"]), (&json!(["A-1", "A-2"]), &json!(true)), "{shown}");
    assert_eq!(server.yes(&lead, &["A-1"]), "409 asked_together");
    assert_eq!(server.yes(&lead, &["A-1", "A-2", "A-9"].map(|id| if id == "A-9" { "A-3" } else { id })), "200");
    assert_eq!(server.get(&lead, "/api/v1/inbox").json()["approvals"], json!([]));
    env.agree();
}

/// A statement of the server, signed as a browser does with a key of its own.
fn signed(server: &Server<'_>, who: &str, key: &Key, about: &Value) -> Value {
    let given = server.post(who, "/api/v1/statement", about);
    assert_eq!(given.status, 200, "{}", given.text);
    let given = given.json();
    let at: Time = serde_json::from_value(given["at"].clone()).unwrap();
    serde_json::to_value(key.sign(&given["statements"][0]["statement"], at)).unwrap()
}

/// A passkey without a device.
struct Passkey(EcdsaKeyPair);

impl Passkey {
    fn new() -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap())
    }

    fn public(&self) -> String {
        format!("passkey:localhost:{}:AAECAwQFBgcICQoLDA0ODw", BASE64.encode(self.0.public_key().as_ref()))
    }

    fn sign(&self, server: &Server<'_>, who: &str, about: &Value) -> Value {
        let given = server.post(who, "/api/v1/statement", about).json();
        let bytes = BASE64.decode(given["statements"][0]["to_sign"].as_str().unwrap()).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
        let client =
            json!({ "type": "webauthn.get", "challenge": challenge, "origin": "http://localhost:1" }).to_string();
        let data = [Sha256::digest("localhost").as_slice(), &[5, 0, 0, 0, 0]].concat();
        let message = [data.as_slice(), Sha256::digest(&client).as_slice()].concat();
        let signature = self.0.sign(&SystemRandom::new(), &message).unwrap();
        let passkey = json!({ "authenticator_data": BASE64.encode(data), "client_data": BASE64.encode(client) });
        json!({ "key": self.public(), "at": given["at"], "signature": BASE64.encode(signature), "passkey": passkey })
    }
}

#[test]
fn levels_two_and_three_take_a_signature_of_their_kind() {
    let (env, ana) = started(&format!("{LEVEL_2}, {{ approval: {{ ask: \"Really?\", level: 3 }} }}"));
    let server = Server::over(&env);
    let olga = server.signed_in("boss", Role::Operator);
    // The first approver is taken on a person's word, the second is signed; agents enrol nobody.
    let enrol = |who: &str, name: &str, key: &str, signed: Value| {
        let body = json!({ "name": name, "key": key, "groups": [], "signed": signed });
        server.post(who, "/api/v1/approvers", &body).word()
    };
    let agent = server.signed_in("bot", Role::Agent);
    assert_eq!(enrol(&agent, "olga", &OWNER.public().0, Value::Null), "403 role_required");
    assert_eq!(enrol(&olga, "ol ga", &OWNER.public().0, Value::Null), "400 bad_arguments");
    assert_eq!(enrol(&olga, "olga", &OWNER.public().0, Value::Null), "200");
    let passkey = Passkey::new();
    let about = json!({ "act": "approver.add", "name": "olga-phone", "key": passkey.public(), "groups": [] });
    assert_eq!(enrol(&olga, "olga-phone", &passkey.public(), Value::Null), "409 signature_required");
    let by_stranger = signed(&server, &olga, &STRANGER, &about);
    assert_eq!(enrol(&olga, "olga-phone", &passkey.public(), by_stranger), "409 bad_signature");
    let by_owner = signed(&server, &olga, &OWNER, &about);
    assert_eq!(enrol(&olga, "olga-phone", &passkey.public(), by_owner), "200");
    let known = server.get(&olga, "/api/v1/approvers").json();
    let levels: Vec<&Value> = known["approvers"].as_array().unwrap().iter().map(|known| &known["level"]).collect();
    assert_eq!(levels, [&json!(2), &json!(3)], "{known}");

    let two = asked(&env, &ana, json!({"gate": "approval"}));
    let three = asked(&env, &ana, json!({"gate": "approval#2"}));
    let answered = |id: &str, signed: Value| {
        let mut named = json!({ "id": id, "digest": server.shown(&olga, id)["digest"] });
        if !signed.is_null() {
            named["signed"] = signed;
        }
        server.post(&olga, "/api/v1/approvals/answer", &json!({ "approvals": [named], "answer": "approve" })).word()
    };
    let about = |id: &str, answer: &str| {
        let named = json!([{ "id": id, "digest": server.shown(&olga, id)["digest"] }]);
        json!({ "act": "approval.answer", "approvals": named, "answer": answer })
    };
    assert_eq!(server.shown(&olga, &three)["you"]["sign"], 3);
    for id in [&two, &three] {
        assert_eq!(answered(id, Value::Null), "409 level_too_low");
        assert_eq!(answered(id, signed(&server, &olga, &OWNER, &about(id, "reject"))), "409 bad_signature");
        assert_eq!(answered(id, passkey.sign(&server, &olga, &about(id, "reject"))), "409 bad_signature");
        assert_eq!(answered(id, Passkey::new().sign(&server, &olga, &about(id, "approve"))), "409 bad_signature");
    }
    assert_eq!(answered(&three, signed(&server, &olga, &OWNER, &about(&three, "approve"))), "409 level_too_low");
    assert_eq!(answered(&two, signed(&server, &olga, &OWNER, &about(&two, "approve"))), "200");
    assert_eq!(answered(&three, passkey.sign(&server, &olga, &about(&three, "approve"))), "200");
    let level = |id| env.engine.approval(ApprovalId(id)).unwrap().unwrap().state.answer().unwrap().level;
    assert_eq!((level(1), level(2)), (2, 3));
    env.agree();
    ok(&env, &ana, "transition_phase", json!({}));
}

#[test]
fn a_row_that_claims_level_three_for_another_signature_opens_nothing() {
    let (env, ana) = started("{ approval: { ask: \"Really?\", level: 3 } }");
    OWNER.enrol_first(&env.engine);
    asked(&env, &ana, json!({"gate": "approval"}));
    assert_eq!(word(OWNER.answer(&env.engine, 1, crate::approvals::yes())), "level_too_low");
    // Written into the store: the signature itself is sound, and of level 2.
    let approval = env.engine.approval(ApprovalId(1)).unwrap().unwrap();
    let workspace = env.engine.workspace_id().unwrap();
    let statement = phasegate::domain::decide::answer_statement(&workspace, &approval, &crate::approvals::yes());
    let answer = json!({ "is": "approved", "by": OWNER.name, "at": START, "level": 3, "reason": "looked at it",
                         "via": "inbox", "signed": OWNER.sign(&statement, START) });
    crate::approvals::written_in(&env, &answer, None);
    let (code, words) = refused(&env, &ana, "transition_phase", json!({}));
    assert!(code == "gates_unmet" && words.contains("level 2"), "{code} {words}");
}

#[test]
fn revoking_takes_a_signature_too() {
    let (env, _) = started("");
    let server = Server::over(&env);
    let boss = server.signed_in("boss", Role::Operator);
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &[], &env.engine).unwrap();
    let revoke = |signed: Value| {
        let body = json!({ "name": "sven", "reason": "left", "signed": signed });
        server.post(&boss, "/api/v1/approvers/revoke", &body).word()
    };
    assert_eq!(revoke(Value::Null), "409 signature_required");
    assert_eq!(revoke(signed(&server, &boss, &OWNER, &json!({ "act": "approver.revoke", "name": "sven" }))), "200");
    env.agree();
}

#[test]
fn a_key_without_its_signature_makes_nobody_an_approver() {
    let (env, ana) = started("");
    let server = Server::over(&env);
    let id = asked(&env, &ana, bash("true"));
    let boss = server.signed_in("boss", Role::Operator);
    OWNER.enrol_first(&env.engine);
    SECOND.enrol(&OWNER, &[], &env.engine).unwrap();
    // Everybody may know the key; whoever signs here has another one.
    let forged = |about: Value| {
        let mut signed = signed(&server, &boss, &STRANGER, &about);
        signed["key"] = json!(OWNER.public());
        signed
    };
    let said = forged(json!({ "act": "approver.revoke", "name": "sven" }));
    for act in ["cancel", "release", "reopen", "unblock"] {
        let body = json!({ "reason": "mine now", "signed": said });
        assert_eq!(server.post(&boss, &format!("/api/v1/tasks/T-1/{act}"), &body).word(), "400 bad_arguments", "{act}");
    }
    let revoke = json!({ "name": "sven", "reason": "left", "signed": said });
    assert_eq!(server.post(&boss, "/api/v1/approvers/revoke", &revoke).status, 409);
    let digest = server.shown(&boss, &id)["digest"].clone();
    let about = json!({ "act": "approval.answer", "approvals": [{ "id": id, "digest": digest }], "answer": "approve" });
    let named = json!([{ "id": id, "digest": digest, "signed": forged(about) }]);
    let answer = json!({ "approvals": named, "answer": "approve" });
    assert_eq!(server.post(&boss, "/api/v1/approvals/answer", &answer).status, 409);
    let records = records(env.engine.backend()).unwrap();
    let by: Vec<_> = records.iter().filter(|record| record.agent.0 == OWNER.name).map(|record| &record.event).collect();
    assert_eq!(by.len(), 1, "only what it signed itself, the enrolment of another: {by:?}");
    env.agree();
}

fn linked(env: &TestEnv, id: u64, press: Press) -> String {
    let approval = env.engine.approval(ApprovalId(id)).unwrap().unwrap();
    let link = Link {
        approval: approval.id,
        digest: approval.digest,
        press,
        channel: "phone".to_owned(),
        expires_at: approval.expires_at,
        nonce: "n".to_owned(),
    };
    format!("/a/{}", sign(link_key(&env.engine).unwrap().as_slice(), &link).unwrap())
}

#[test]
fn a_link_shows_what_it_is_about_and_answers_once_when_it_is_pressed() {
    let (env, ana) =
        started("{ approval: { ask: \"Build it?\", level: 2 } }, { approval: { ask: \"Now?\", not_by: author } }");
    let server = Server::over(&env);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let press = |path: &str, body: &str| server.send("POST", path, &[form], Some(body)).status;
    let state = |id: u64| env.engine.approval(ApprovalId(id)).unwrap().unwrap().state.word();
    asked(&env, &ana, bash("echo '<script>alert(1)</script>'"));
    let open = linked(&env, 1, Press::Open);
    for _ in 0..2 {
        let page = server.get("Accept: text/html", &open);
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("echo &#39;&lt;script&gt;alert(1)") && !page.text.contains("<script"),
            "{}",
            page.text
        );
        for (name, value) in [("referrer-policy", "same-origin"), ("cache-control", "no-store")] {
            assert_eq!(page.headers.get(name).unwrap(), value);
        }
        assert!(
            page.headers.get("content-security-policy").unwrap().to_str().unwrap().starts_with("default-src 'none'")
        );
    }
    assert_eq!(state(1), "pending", "looking answers nothing");
    assert_eq!(server.send("HEAD", &open, &["Accept: */*"], None).status, 200);
    assert_eq!(press(&open, "answer=maybe"), 400);
    assert_eq!(press(&linked(&env, 1, Press::Reject), "answer=approve"), 409, "the link to reject approves nothing");
    assert_eq!(press(&format!("{open}x"), "answer=approve"), 404);
    assert_eq!(press(&linked(&env, 1, Press::Approve), "answer=approve&reason=fine+by+me"), 200);
    let known = env.engine.approval(ApprovalId(1)).unwrap().unwrap();
    let answer = known.state.answer().unwrap();
    let said = (answer.by.0.as_str(), answer.level, answer.via.words(), answer.reason.as_str());
    assert_eq!(said, ("channel:phone", 1, "by a link", "fine by me"));
    assert_eq!(press(&open, "answer=reject"), 409, "it was used");
    assert!(!server.get("Accept: text/html", &open).text.contains("<button"), "and offers nothing any more");
    // What a link cannot prove.
    asked(&env, &ana, json!({"gate": "approval"}));
    asked(&env, &ana, json!({"gate": "approval#2"}));
    for id in [2, 3] {
        let page = server.get("Accept: text/html", &linked(&env, id, Press::Open)).text;
        assert!(!page.contains("<button") && page.contains(&format!("/inbox/A-{id}")), "{page}");
        assert_eq!(press(&linked(&env, id, Press::Approve), "answer=approve"), 409);
        assert_eq!(state(id), "pending");
    }
    let late = linked(&env, 2, Press::Open);
    env.clock.advance_seconds(73 * 3600);
    assert_eq!(server.get("Accept: text/html", &late).status, 410);
    env.agree();
}
