//! The board in a terminal: what is drawn on each page in three sizes, what keys do, and the real program in a real terminal.

use std::path::Path;
use std::process::Command;

use phasegate::cli::board::app::{App, Step};
use phasegate::cli::board::model::{Answering, Tab, What};
use phasegate::cli::board::{begin, draw::draw, prepare, renew};
use phasegate::domain::bypass::Bypass;
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::{AgentName, ApprovalId, BypassId, SessionId, TaskId, Time};
use phasegate::domain::session::{Guard, Session};
use phasegate::engine::spending::{SessionFiles, Working};
use phasegate::store::{Lock, Param};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use crate::support::stores;
use crate::support::{START, TestEnv, able, agent};

const FLOW: &str = r#"
version: 1
name: flow
phases:
  scout:
    goal: Find out what is there.
    allow: [Read, submit_task, list_tasks]
    exit: [ { artifact: findings } ]
    next: [plan]
  plan:
    allow: [Read, submit_task]
    exit:
      - artifact: plan
      - approval: { ask: "Build it so?" }
    next: [build]
  build:
    allow: [Read, Edit]
    require_approval: ["Bash(rm *)"]
    exit: [ { command: ["true"], fresh: false } ]
    next: [review]
  review:
    allow: [Read]
    next: [done]
  done: { end: true }
"#;

const SIZES: [(u16, u16); 3] = [(80, 24), (140, 40), (40, 30)];

fn ok(env: &TestEnv, who: &Caller, tool: &str, arguments: Value) -> Value {
    env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
}

/// Some of everything: held and guarded, blind, asking, blocked, waiting, done; costs of two models; a bypass.
fn at_work() -> TestEnv {
    let env = TestEnv::trusting(FLOW);
    let (ana, bo) = (able("ana", &[], 5), able("bo/sub1", &[], 5));
    ok(
        &env,
        &ana,
        "submit_task",
        json!({"tasks": [
            {"ref": "a", "title": "Add a limit to how often the API may be called", "budget": {"usd": 2.0}},
            {"title": "Tell of it in the docs", "depends_on": ["a"]},
            {"title": "Look at \u{202e}backwards"},
            {"title": "Nobody has begun with this"},
        ]}),
    );
    ok(&env, &ana, "claim_task", json!({"id": "T-1"}));
    ok(&env, &ana, "submit_artifact", json!({"name": "findings", "content": "there is none yet"}));
    ok(&env, &ana, "transition_phase", json!({}));
    ok(&env, &ana, "submit_artifact", json!({"name": "plan", "content": {"steps": ["count", "refuse"]}}));
    let reason = "the plan is small\nA-9 is approved";
    ok(&env, &ana, "request_approval", json!({"gate": "approval", "reason": reason}));
    ok(&env, &ana, "request_approval", json!({"question": "Per user or per key?", "choices": ["user", "key"]}));
    ok(&env, &bo, "claim_task", json!({"id": "T-3"}));
    ok(&env, &bo, "update_task", json!({"progress": "half of \u{1b}[31mit\u{1b}[0m is read"}));
    env.clock.advance_seconds(120);
    session(&env, "ana", Guard::Enforced, "hooks block on failure");
    session(&env, "carl", Guard::Advisory, "its hooks pass when they fail");
    spend(&env);
    bypass(&env);
    env
}

fn session(env: &TestEnv, who: &str, guard: Guard, why: &str) {
    let session = Session {
        id: SessionId(format!("0123456789-{who}")),
        client: "claude-code".to_owned(),
        agent: AgentName(who.to_owned()),
        guard,
        why: why.to_owned(),
        folder: "/p".to_owned(),
        model: Some("claude-opus-5-5".to_owned()),
        since: START,
        subagents: [].into(),
        ended: None,
    };
    let body = serde_json::to_string(&session).unwrap();
    let write = env.engine.backend().write(
        Lock::Whole,
        Box::new(move |tx| {
            let row =
                [Param::Text(&session.id.0), Param::Text(&session.agent.0), Param::Int(START.0), Param::Text(&body)];
            tx.execute("INSERT INTO sessions(id, agent, open, seen_at, body) VALUES (?1, ?2, 1, ?3, ?4)", &row)
                .map(drop)
        }),
    );
    write.unwrap();
}

fn bypass(env: &TestEnv) {
    let until = Time(START.0 + 720_000);
    let (rules, by) = (vec!["route_model".to_owned()], AgentName("lead".to_owned()));
    let reason = "the scanner is down".to_owned();
    let open = Bypass { id: BypassId(1), rules, task: None, reason, by, level: 1, since: START, until, closed: None };
    let body = serde_json::to_string(&open).unwrap();
    let write = env.engine.backend().write(
        Lock::Whole,
        Box::new(move |tx| {
            let row = [Param::Int(until.0), Param::Text(&body)];
            tx.execute("INSERT INTO bypasses(id, open_until, body) VALUES (1, ?1, ?2)", &row).map(drop)
        }),
    );
    write.unwrap();
}

fn spend(env: &TestEnv) {
    let line = |id: &str, model: &str, output: u64| {
        let usage = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": output});
        let message =
            json!({"id": id, "type": "message", "role": "assistant", "model": model, "usage": usage, "content": []});
        json!({"isSidechain": false, "message": message, "requestId": "r", "type": "assistant", "sessionId": "s"})
    };
    let file = env.path("s.jsonl");
    let lines = format!("{}\n{}\n", line("a", "claude-haiku-5-5", 40_000), line("b", "claude-opus-5-5", 20_000));
    std::fs::write(&file, lines).unwrap();
    let files = SessionFiles { client: "claude-code", session: "s", transcript: &file, subagent: None, all: false };
    let working = |_: Option<&str>| Working { agent: agent("ana").agent, task: Some(TaskId(1)) };
    env.engine.read_usage(&files, &working).unwrap();
}

fn press(app: &mut App, key: KeyCode) -> Step {
    app.key(KeyEvent::new(key, KeyModifiers::NONE))
}

fn typed(app: &mut App, keys: &str) {
    for key in keys.chars() {
        press(app, KeyCode::Char(key));
    }
}

fn drawn(app: &mut App, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let text = terminal.backend().to_string();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    text
}

/// The page after these keys, in each size.
fn pictures(env: &TestEnv, keys: &[KeyCode]) -> String {
    let mut all = String::new();
    for size in SIZES {
        let mut app = begin(&env.engine, None, true).unwrap();
        for key in keys {
            press(&mut app, *key);
            renew(&mut app, &env.engine).unwrap();
        }
        all.push_str(&format!("{} x {}\n{}\n", size.0, size.1, drawn(&mut app, size)));
    }
    all
}

#[test]
fn the_board_is_drawn_in_columns_and_as_a_list_where_it_is_narrow() {
    insta::assert_snapshot!(pictures(&at_work(), &[KeyCode::Char('l')]));
}

#[test]
fn a_task_is_drawn_with_its_gates_and_its_story() {
    let env = at_work();
    insta::assert_snapshot!(pictures(&env, &[KeyCode::Char('l'), KeyCode::Enter]));
}

#[test]
fn the_inbox_is_drawn_with_the_question_before_the_eyes() {
    insta::assert_snapshot!(pictures(&at_work(), &[KeyCode::Char('2')]));
}

#[test]
fn the_fleet_is_drawn() {
    insta::assert_snapshot!(pictures(&at_work(), &[KeyCode::Char('3')]));
}

#[test]
fn costs_are_drawn() {
    insta::assert_snapshot!(pictures(&at_work(), &[KeyCode::Char('4'), KeyCode::Char('m')]));
}

#[test]
fn help_is_drawn() {
    insta::assert_snapshot!(pictures(&at_work(), &[KeyCode::Char('?')]));
}

#[test]
fn no_terminal_is_too_small_to_draw_on() {
    let env = at_work();
    for keys in ["", "l", "2", "3", "4", "?"] {
        let mut app = begin(&env.engine, None, false).unwrap();
        typed(&mut app, keys);
        renew(&mut app, &env.engine).unwrap();
        for size in [(1, 1), (2, 3), (5, 2), (20, 4), (300, 3)] {
            drawn(&mut app, size);
        }
        press(&mut app, KeyCode::Enter);
        press(&mut app, KeyCode::Char('a'));
        drawn(&mut app, (3, 3));
    }
}

#[test]
fn nothing_is_answered_before_a_yes_to_the_whole_of_it() {
    let env = at_work();
    let mut app = begin(&env.engine, None, true).unwrap();
    typed(&mut app, "2");
    renew(&mut app, &env.engine).unwrap();
    let step = press(&mut app, KeyCode::Char('a'));
    let Step::Prepare(answer) = step else { panic!("{step:?}") };
    assert_eq!(answer, Answering::new(vec![ApprovalId(1)], What::Approve { choice: None }));
    app.asking = prepare(&env.engine, answer.clone()).unwrap();
    drawn(&mut app, (80, 12));
    assert_eq!(press(&mut app, KeyCode::Char('y')), Step::Stay, "its end was not in view");
    assert!(drawn(&mut app, (80, 12)).contains("▼ more"));
    insta::assert_snapshot!(drawn(&mut app, (80, 40)));
    for key in ['q', 'a', ' ', 'Y'] {
        assert_eq!(press(&mut app, KeyCode::Char(key)), Step::Stay, "{key} is no yes");
    }
    assert_eq!(press(&mut app, KeyCode::Char('y')), Step::Send(answer));
    assert_eq!(app.asking, None);
}

#[test]
fn a_no_takes_a_reason_a_choice_is_chosen_and_several_are_answered_in_one_go() {
    let env = at_work();
    let mut app = begin(&env.engine, None, true).unwrap();
    typed(&mut app, "2 j ");
    assert_eq!(app.chosen, [ApprovalId(1), ApprovalId(2)].into());
    press(&mut app, KeyCode::Char('r'));
    typed(&mut app, "too much q");
    let step = press(&mut app, KeyCode::Enter);
    let Step::Prepare(answer) = step else { panic!("{step:?}") };
    assert_eq!((answer.ids.len(), answer.what, answer.reason.as_str()), (2, What::Reject, "too much q"));
    typed(&mut app, "k j");
    assert_eq!(app.chosen, [ApprovalId(2)].into(), "a blank takes back what was chosen");
    typed(&mut app, "aj");
    let step = press(&mut app, KeyCode::Enter);
    let Step::Prepare(answer) = step else { panic!("{step:?}") };
    assert_eq!(answer.what, What::Approve { choice: Some("key".to_owned()) });
}

#[test]
fn from_an_agents_shell_the_inbox_is_only_read() {
    let env = at_work();
    let mut app = begin(&env.engine, Some("a coding agent started this shell".to_owned()), true).unwrap();
    typed(&mut app, "2");
    renew(&mut app, &env.engine).unwrap();
    for key in ['a', 'r', 'e'] {
        assert_eq!(press(&mut app, KeyCode::Char(key)), Step::Stay);
        assert!(drawn(&mut app, (80, 24)).contains("a coding agent started this shell"));
        press(&mut app, KeyCode::Esc);
    }
    assert!(!drawn(&mut app, (80, 24)).contains("a approve"));
}

#[test]
fn what_was_chosen_stays_chosen_while_the_board_moves_on() {
    let env = at_work();
    let mut app = begin(&env.engine, None, true).unwrap();
    let first = app.card().unwrap().row.id;
    ok(&env, &able("ana", &[], 5), "submit_task", json!({"title": "newer than all"}));
    assert!(renew(&mut app, &env.engine).unwrap());
    assert_eq!(app.card().unwrap().row.id, first);
    assert!(!renew(&mut app, &env.engine).unwrap(), "nothing has changed, so nothing is drawn");
    assert_eq!(app.tab, Tab::Board);
    for _ in 0..50 {
        typed(&mut app, "jlG");
    }
    assert!(app.column < app.look.board.columns.len());
}

/// Runs the board in a terminal of its own; see the program for what it looks at.
#[test]
fn the_program_follows_changes_of_others_answers_and_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let flow = FLOW.replace("ask: \"Build it so?\"", "ask: \"Build it so?\", level: 2");
    assert_ne!(flow, FLOW);
    std::fs::write(folder.path().join("phasegate.yaml"), flow).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/board_tui.py");
    let mut command = Command::new("python3");
    command.arg(program).env_clear();
    let output = stores::tell(&mut command, folder.path())
        .arg(env!("CARGO_BIN_EXE_phasegate"))
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("USER", "lead")
        .env("TERM", "xterm-256color")
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
