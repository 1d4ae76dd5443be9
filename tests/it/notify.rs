//! People are told: through real servers on this machine, by every kind of channel; what fails is tried again, and nothing is
//! told twice.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use phasegate::config::settings::{self, ClientEnvironment, Environment, Settings};
use phasegate::domain::command::Decision;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::ApprovalId;
use phasegate::domain::notice::{BreakerState, NoticeState, What};
use phasegate::engine::Engine;
use phasegate::engine::notices::{Dispatcher, Outbox, link_key};
use phasegate::notify::link::{BadLink, Press, verify};
use serde_json::{Value, json};

use crate::support::receivers::{Answer, Receiver, http, smtp};
use crate::support::stores;
use crate::support::{TestEnv, agent, person};

/// Settings as a user writes them, with a secret in a file beside them.
fn settings(env: &TestEnv, toml: &str) -> Settings {
    let folder = env.path("home/phasegate");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hush"), "s3cret\n").unwrap();
    std::fs::set_permissions(folder.join("hush"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.join("config.toml"), toml).unwrap();
    let environment = Environment {
        store: None,
        agent: None,
        user: None,
        capabilities: None,
        inside_agent: false,
        config_home: Some(env.path("home")),
        home: None,
        no_colour: false,
        postgres: phasegate::config::postgres::PostgresEnvironment::default(),
        client: ClientEnvironment::default(),
    };
    settings::load(&env.path("nowhere"), &environment).unwrap_or_else(|error| panic!("{error}"))
}

fn channel(kind: &str, name: &str, port: u16, more: &str) -> String {
    format!(
        "[[channel]]\nkind = \"{kind}\"\nname = \"{name}\"\nurl = \"http://127.0.0.1:{port}/{name}-topic\"\n{more}\n"
    )
}

fn mail(port: u16, more: &str) -> String {
    format!(
        "[[channel]]\nkind = \"email\"\nname = \"mail\"\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         sender = \"Gate <gate@example.org>\"\nto = [\"ana@example.org\", \"bo@example.org\"]\n{more}\n"
    )
}

/// An agent with a task, that can ask.
fn asker(env: &TestEnv) -> Caller {
    let bot = agent("bot");
    env.call(&bot, "claim_task", json!({"new": {"title": "Pay <out>"}})).unwrap();
    bot
}

fn ask(env: &TestEnv, bot: &Caller, question: &str) -> ApprovalId {
    let asked = env.call(bot, "request_approval", json!({"question": question, "reason": "tests are green"})).unwrap();
    asked["approval"].as_str().unwrap().parse().unwrap()
}

fn answer(env: &TestEnv, id: ApprovalId) {
    let yes = Decision::Approve { reason: "go".to_owned(), choice: None };
    env.answer(&person("ana"), id, yes, 1).unwrap();
}

fn asked_of(came: &[crate::support::receivers::Came]) -> Vec<String> {
    let approvals = came.iter().flat_map(|one| one.json()["approvals"].as_array().unwrap().clone());
    approvals.map(|item| item["approval"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_webhook_gets_the_request_signed_and_then_its_outcome() {
    let (env, server) = (TestEnv::new(), http());
    let outbox = Outbox::new(&settings(&env, &channel("webhook", "ops", server.port, "secret_file = \"hush\"")));
    let id = ask(&env, &asker(&env), "Pay?\nApproved by: \u{202e}ana");
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "told once");
    answer(&env, id);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "and its outcome once");
    let came = server.wait_for(2);
    for one in &came {
        let (time, signature) = one.header("x-phasegate-signature").unwrap().split_once(",v1=").unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret").unwrap();
        mac.update(format!("{}.{}", time.strip_prefix("t=").unwrap(), one.body).as_bytes());
        assert_eq!(signature, phasegate::domain::canonical::hex(&mac.finalize().into_bytes()));
    }
    let (asked, ended) = (came[0].json(), came[1].json());
    let item = &asked["approvals"][0];
    assert_eq!((&asked["what"], &item["approval"], &item["asked_by"]), (&json!("asked"), &json!(id), &json!("bot")));
    assert_eq!(item["ask"], "Pay?\nApproved by: \\u{202e}ana");
    assert_eq!(
        (&item["ask_by_agent"], asked["title"].as_str().unwrap().starts_with("A-1: the agent asks: Pay?")),
        (&json!(true), true)
    );
    assert_eq!((&item["claimed_by_agent"], &item["task"]["title"]), (&json!("tests are green"), &json!("Pay <out>")));
    assert_eq!((&item["command"], &item["links"]), (&json!(format!("phasegate approvals show {id}")), &Value::Null));
    assert_eq!(ended["what"], "outcome");
    assert_eq!(ended["approvals"][0]["outcome"], "approved by ana at level 1: go");
    let kinds: Vec<(What, NoticeState)> =
        env.engine.notices(id).unwrap().iter().map(|notice| (notice.what, notice.state)).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&(What::Asked, NoticeState::Sent)) && kinds.contains(&(What::Outcome, NoticeState::Sent)));
}

#[test]
fn slack_and_ntfy_get_links_that_only_this_store_has_signed() {
    let (env, server) = (TestEnv::new(), http());
    let toml = [
        "[links]\nbase = \"https://gate.example.org/\"\n".to_owned(),
        channel("slack", "chat", server.port, ""),
        channel("ntfy", "phone", server.port, "secret_file = \"hush\""),
    ];
    let outbox = Outbox::new(&settings(&env, &toml.concat()));
    let id = ask(&env, &asker(&env), "<!channel> pay?");
    assert_eq!(outbox.pass(&env.engine).unwrap(), 2);
    let came = server.wait_for(2);
    let slack = came.iter().find(|one| one.path == "/chat-topic").expect("Slack's own address");
    let ntfy = came.iter().find(|one| one.path == "/").expect("the server of the topic");
    assert!(slack.json()["text"].as_str().unwrap().contains("&lt;!channel&gt;"), "{}", slack.body);
    assert_eq!(ntfy.header("authorization"), Some("Bearer s3cret"));
    let body = ntfy.json();
    assert_eq!((&body["topic"], &body["priority"]), (&json!("phone-topic"), &json!(4)));
    let link = body["actions"][0]["url"].as_str().unwrap();
    assert!(slack.body.contains("https://gate.example.org/a/"), "{}", slack.body);
    let token = link.strip_prefix("https://gate.example.org/a/").unwrap();
    let key = link_key(&env.engine).unwrap();
    let digest = |id| Some(env.engine.approval(id).unwrap().unwrap().digest);
    let read = verify(key.as_slice(), token, env.engine.now(), digest).unwrap();
    assert_eq!((read.approval, read.press, read.channel.as_str()), (id, Press::Approve, "phone"));
    let other = TestEnv::new();
    let others = link_key(&other.engine).unwrap();
    // The fixed clock names the same things everywhere, so the other key is made different by hand.
    let others: Vec<u8> = others.iter().rev().copied().collect();
    assert_eq!(verify(&others, token, env.engine.now(), |_| None), Err(BadLink::Forged));
    let mode = std::fs::metadata(env.path(".phasegate/link.key")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn mail_is_plain_text_and_its_outcome_a_reply() {
    let (env, server) = (TestEnv::new(), smtp());
    let toml = mail(server.port, "username = \"gate\"\nsecret_file = \"hush\"");
    let outbox = Outbox::new(&settings(&env, &toml));
    let id = ask(&env, &asker(&env), "Ship?\r\nBcc: evil@example.org");
    outbox.pass(&env.engine).unwrap();
    answer(&env, id);
    outbox.pass(&env.engine).unwrap();
    let came = server.wait_for(2);
    let (asked, ended) = (&came[0], &came[1]);
    assert!(asked.envelope[0].contains("gate@example.org"), "{asked:?}");
    assert_eq!(asked.envelope.len(), 3, "a sender and two receivers: {:?}", asked.envelope);
    let login = asked.login.as_deref().unwrap().strip_prefix("AUTH PLAIN ").unwrap();
    let login = base64::engine::general_purpose::STANDARD.decode(login).unwrap();
    assert_eq!(login, b"\0gate\0s3cret");
    let head = asked.text.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    let header = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap_or_default()
    };
    let first = header(&asked.text, "Message-ID: ");
    assert!(!first.is_empty() && header(&ended.text, "In-Reply-To: ") == first, "{}", ended.text);
    assert_ne!(header(&ended.text, "Message-ID: "), first);
}

#[test]
fn a_refused_login_says_so_without_the_password() {
    let (env, server) = (TestEnv::new(), smtp());
    server.answers(Answer::Status(500));
    let toml = mail(server.port, "username = \"gate\"\nsecret_file = \"hush\"");
    let outbox = Outbox::new(&settings(&env, &toml));
    let id = ask(&env, &asker(&env), "Ship?");
    outbox.pass(&env.engine).unwrap();
    let notice = env.engine.notices(id).unwrap().remove(0);
    let error = notice.error.unwrap();
    assert!(
        error.contains("535") && error.contains("check username and password") && !error.contains("s3cret"),
        "{error}"
    );
    assert!(matches!(notice.state, NoticeState::Failed { again: Some(_) }), "{:?}", notice.state);
}

#[test]
fn failing_channels_are_tried_again_and_hold_up_no_other() {
    let (env, good, bad, slow) = (TestEnv::new(), http(), http(), http());
    bad.answers(Answer::Status(500));
    slow.answers(Answer::Hang);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let toml = [("good", good.port), ("bad", bad.port), ("slow", slow.port), ("refused", closed)]
        .map(|(name, port)| channel("webhook", name, port, ""));
    let settings = settings(&env, &toml.concat());
    let bot = asker(&env);
    let dispatcher = Dispatcher::start(&env.engine, &settings).unwrap().expect("channels are set up");
    let start = Instant::now();
    let first = ask(&env, &bot, "one?");
    good.wait_for(1);
    eprintln!("a notice left after {:?}, beside a channel that hangs", start.elapsed());
    let second = ask(&env, &bot, "two?");
    assert_eq!(asked_of(&good.wait_for(2)), ["A-1", "A-2"]);
    for id in [first, second] {
        until("the failures are noted", || {
            let notices = env.engine.notices(id).unwrap().into_iter();
            let failed: Vec<String> =
                notices.filter_map(|one| Some(format!("{}: {}", one.channel, one.error?))).collect();
            let has = |text: &str| failed.iter().any(|line| line.contains(text));
            has("bad: 127.0.0.1 answered 500: no: /…") && has("refused: 127.0.0.1")
        });
    }
    assert!(env.engine.approval(first).unwrap().unwrap().state.is_pending(), "the approval itself is untouched");
    bad.answers(Answer::Status(200));
    env.clock.advance_seconds(30);
    let came = bad.wait_for(2);
    let mut both = asked_of(&came);
    both.sort();
    assert_eq!(both, ["A-1", "A-2"], "both are told after all");
    assert_eq!(good.came().len(), 2, "and nobody twice");
    drop(dispatcher);
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn redirects_are_not_followed_and_an_error_shows_no_address() {
    let (env, server) = (TestEnv::new(), http());
    let outbox = Outbox::new(&settings(&env, &channel("slack", "chat", server.port, "")));
    let id = ask(&env, &asker(&env), "one?");
    for (status, says) in [(302, "redirects are not followed"), (404, "check the address"), (403, "check the token")] {
        server.answers(Answer::Status(status));
        assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
        let error = env.engine.notices(id).unwrap().remove(0).error.unwrap();
        assert!(error.contains(says) && error.contains(&status.to_string()), "{error}");
        assert!(!error.contains("http://"), "{error}");
        env.clock.advance_seconds(30);
    }
}

#[test]
fn a_channel_that_keeps_failing_is_left_alone_then_tried_once() {
    let (env, server) = (TestEnv::new(), http());
    server.answers(Answer::Status(503));
    let outbox = Outbox::new(&settings(&env, &channel("webhook", "ops", server.port, "")));
    let bot = asker(&env);
    for number in 0..5 {
        ask(&env, &bot, &format!("number {number}?"));
        // Four at most in one round, so all five failures take two.
    }
    let mut tried = 0;
    while tried < 5 {
        tried += outbox.pass(&env.engine).unwrap();
    }
    let state = || env.engine.breakers().unwrap()["ops"].state(env.engine.now());
    assert!(matches!(state(), BreakerState::Open(_)), "{:?}", state());
    env.clock.advance_seconds(30);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "left alone, although tries are due");
    env.clock.advance_seconds(31);
    assert_eq!(state(), BreakerState::HalfOpen);
    server.answers(Answer::Status(200));
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1, "one message tries");
    assert_eq!(state(), BreakerState::Closed);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 4, "then the others");
    assert_eq!(server.wait_for(5).len(), 5);
}

#[test]
fn a_digest_gathers_and_a_reminder_comes_before_the_end() {
    let (env, server) = (TestEnv::new(), http());
    let toml = channel("webhook", "ops", server.port, "digest_seconds = 300\nremind_before = \"1h\"");
    let outbox = Outbox::new(&settings(&env, &toml));
    let bot = asker(&env);
    let first = ask(&env, &bot, "one?");
    ask(&env, &bot, "two?");
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0);
    env.clock.advance_seconds(300);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    assert_eq!(asked_of(&server.wait_for(1)), ["A-1", "A-2"]);
    answer(&env, first);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    env.clock.advance_seconds(71 * 3600);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    env.clock.advance_seconds(60);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "reminded once");
    let came = server.wait_for(3);
    assert_eq!((came[1].json()["what"].clone(), came[2].json()["what"].clone()), (json!("outcome"), json!("reminder")));
    assert_eq!(asked_of(&came[2..]), ["A-2"], "who was answered is not reminded of");
    env.clock.advance_seconds(3600);
    env.engine.sweep().unwrap();
    outbox.pass(&env.engine).unwrap();
    assert_eq!(server.wait_for(4)[3].json()["approvals"][0]["outcome"], "expired, with no answer");
}

fn second_engine(env: &TestEnv) -> Arc<Engine> {
    Arc::new(env.reopened(&Settings::default()))
}

#[test]
fn two_processes_on_one_store_tell_everything_once() {
    let (env, server) = (TestEnv::new(), http());
    let settings = settings(&env, &channel("webhook", "ops", server.port, ""));
    let (bot, other) = (asker(&env), second_engine(&env));
    let dispatchers =
        [&env.engine, &other].map(|engine| Dispatcher::start(engine, &settings).unwrap().expect("a dispatcher"));
    let wanted: Vec<String> = (0..24).map(|number| ask(&env, &bot, &format!("number {number}?")).to_string()).collect();
    let mut told = asked_of(&server.wait_for(wanted.len()));
    // Both look once more, with time for a second message that must not come.
    std::thread::sleep(Duration::from_secs(3));
    told.extend(asked_of(&server.came()[told.len()..]));
    told.sort_by_key(|id| id.parse::<ApprovalId>().unwrap());
    assert_eq!(told, wanted);
    drop(dispatchers);
}

#[test]
fn what_a_process_took_and_never_sent_is_sent_by_another_after_the_lease() {
    let (env, server) = (TestEnv::new(), http());
    let settings = settings(&env, &channel("webhook", "ops", server.port, ""));
    let id = ask(&env, &asker(&env), "one?");
    // Taken, and then the process is gone.
    assert_eq!(Outbox::new(&settings).take(&env.engine, |_| true).unwrap().len(), 1);
    let other = second_engine(&env);
    let outbox = Outbox::new(&settings);
    assert_eq!(outbox.pass(&other).unwrap(), 0, "still leased");
    env.clock.advance_seconds(241);
    assert_eq!(outbox.pass(&other).unwrap(), 1);
    let notice = other.notices(id).unwrap().remove(0);
    assert_eq!((notice.state, notice.attempts), (NoticeState::Sent, 2));
    server.wait_for(1);
}

#[test]
fn a_result_that_comes_after_the_lease_changes_nothing() {
    let (env, server) = (TestEnv::new(), http());
    let settings = settings(&env, &channel("webhook", "ops", server.port, ""));
    let id = ask(&env, &asker(&env), "one?");
    let outbox = Outbox::new(&settings);
    let late = outbox.take(&env.engine, |_| true).unwrap().remove(0);
    env.clock.advance_seconds(241);
    let newer = outbox.take(&env.engine, |_| true).unwrap().remove(0);
    outbox.finish(&env.engine, &late.job, phasegate::engine::notices::Sent::Unsent).unwrap();
    assert!(matches!(env.engine.notices(id).unwrap()[0].state, NoticeState::Leased { .. }));
    let sent = outbox.send(&newer);
    outbox.finish(&env.engine, &newer.job, sent).unwrap();
    assert_eq!(env.engine.notices(id).unwrap()[0].state, NoticeState::Sent);
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn the_desktop_gets_text_as_arguments_and_a_failure_is_told() {
    let env = TestEnv::new();
    let (program, seen) = (env.path("notify-send"), env.path("seen"));
    script(
        &program,
        &format!("#!/bin/sh\nfor one in \"$@\"; do printf '%s\\n--\\n' \"$one\"; done > {}\n", seen.display()),
    );
    let toml = format!("[[channel]]\nkind = \"desktop\"\nname = \"here\"\nprogram = \"{}\"\n", program.display());
    let outbox = Outbox::new(&settings(&env, &toml));
    let bot = asker(&env);
    ask(&env, &bot, "$(touch /tmp/never) `id` --help <b>");
    assert_eq!(outbox.pass(&env.engine).unwrap(), 1);
    let text = std::fs::read_to_string(&seen).unwrap();
    let arguments: Vec<&str> = text.split("\n--\n").collect();
    assert_eq!(arguments[0], "--app-name=phasegate");
    assert!(text.contains("A-1: the agent asks: $(touch /tmp/never) `id` --help <b>"), "{text}");
    script(&program, "#!/bin/sh\necho no session >&2\nexit 3\n");
    let id = ask(&env, &bot, "two?");
    outbox.pass(&env.engine).unwrap();
    let error = env.engine.notices(id).unwrap().remove(0).error.unwrap();
    assert!(error.contains("no session") && error.contains('3'), "{error}");
}

fn phasegate(home: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.args(arguments).current_dir(home).stdin(std::process::Stdio::null()).env_clear();
    stores::tell(&mut command, home.parent().unwrap());
    let output = command.env("PATH", std::env::var_os("PATH").unwrap()).env("XDG_CONFIG_HOME", home).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_person_lists_and_tests_channels_at_the_command_line() {
    let (env, server): (TestEnv, Receiver<_>) = (TestEnv::new(), http());
    settings(&env, &channel("slack", "chat", server.port, ""));
    let home = env.path("home");
    let (code, text) = phasegate(&home, &["channels", "test", "chat"]);
    assert_eq!(code, 0, "{text}");
    assert!(server.wait_for(1)[0].body.contains("This is a test"));
    server.answers(Answer::Status(410));
    let (code, text) = phasegate(&home, &["channels", "test", "chat"]);
    assert!(code == 1 && text.contains("127.0.0.1 answered 410; check the address"), "{code} {text}");
    assert!(!text.contains("chat-topic"), "the address is a secret: {text}");
    let (code, text) = phasegate(&home, &["channels", "list", "--json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &list[0]["name"], &list[0]["leads_to"]), (0, &json!("chat"), &json!("127.0.0.1")), "{text}");
    let (code, text) = phasegate(&home, &["channels", "test", "nope"]);
    assert!(code == 2 && text.contains("known: chat"), "{code} {text}");
}

#[test]
fn a_channel_whose_secret_is_not_there_is_no_channel_that_works() {
    let (env, server): (TestEnv, Receiver<_>) = (TestEnv::new(), http());
    settings(&env, &channel("webhook", "hook", server.port, "secret_env = \"NOWHERE\""));
    let home = env.path("home");
    let missing = "the environment variable NOWHERE is not set here";
    for shows in [&["channels", "list"] as &[&str], &["doctor"]] {
        let (_, text) = phasegate(&home, shows);
        assert!(text.contains("cannot send from here") && text.matches(missing).count() == 1, "{shows:?}: {text}");
    }
    let doctor = phasegate(&home, &["doctor"]).1;
    assert!(doctor.contains("BAD   channel        hook (webhook)"), "{doctor}");
}

#[test]
fn a_budget_that_nears_its_end_is_told_once_on_every_channel_and_again_after_it_was_raised() {
    let flow =
        "version: 1\nname: flow\nbudget: { usd: 1.00 }\nphases:\n  work: { next: [done] }\n  done: { end: true }\n";
    let (env, server) = (TestEnv::trusting(flow), http());
    let channels = ["one", "two"].map(|name| channel("webhook", name, server.port, "")).concat();
    let strict = channel("webhook", "strict", server.port, "least_level = 2");
    let outbox = Outbox::new(&settings(&env, &format!("{channels}{strict}")));
    asker(&env);
    let session = crate::spending::Session::of(&env);
    let spend = |id: &str, cents: u64| {
        session.add(&[crate::spending::answer(id, cents * 500)]);
        session.read(&env, 1);
    };
    spend("a", 79);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0);
    spend("b", 3);
    server.answers(Answer::Status(500));
    assert_eq!(outbox.pass(&env.engine).unwrap(), 2, "tried on both");
    server.answers(Answer::Status(200));
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "not at once again");
    env.clock.advance_seconds(5);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 2);
    env.clock.advance_seconds(600);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "told once");
    let came = server.wait_for(2);
    let told = came[1].json();
    assert_eq!((&told["what"], &told["title"]), (&json!("warning"), &json!("T-1: 82 % of the budget is used")));
    assert_eq!(
        told["budgets"][0]["cap"],
        json!({"task": "T-1", "unit": "micro_usd", "cap": 1_000_000, "spent": 820_000, "percent": 82})
    );
    assert!(
        told["text"].as_str().unwrap().contains("T-1 “Pay <out>”\n  budget    budget of T-1: $0.82 of $1.00 spent"),
        "{told}"
    );
    crate::spending::raise(&env, &person("lead"), 1, 2.0).unwrap();
    assert_eq!(outbox.pass(&env.engine).unwrap(), 0, "there is room again");
    spend("c", 100);
    assert_eq!(outbox.pass(&env.engine).unwrap(), 2);
    env.clock.advance_seconds(3 * 24 * 3600);
    assert_eq!(
        Outbox::new(&settings(&env, &channel("webhook", "new", server.port, ""))).pass(&env.engine).unwrap(),
        0,
        "old news"
    );
}
