//! What outcomes teach: in one process and the next, in no other workspace, and forgotten where a person says so. Over both
//! stores. The arithmetic of learning is tested where it stands (`src/routing`).

use std::process::Command;

use phasegate::config::settings::Settings;
use phasegate::domain::command::{Command as Asked, RecordOutcome, Target};
use phasegate::domain::facts::Caller;
use phasegate::domain::ids::RouteId;
use phasegate::domain::preference::Preferences;
use phasegate::domain::refusal::Code;
use phasegate::domain::workflow::ModelTier;
use phasegate::engine::{Engine, Failure};
use phasegate::store::Scope;
use serde_json::{Value, json};

use crate::support::stores::{self, Kind};
use crate::support::{TestEnv, able, agent, person};

const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

fn env(kind: Kind) -> TestEnv {
    TestEnv::over(kind, None, &Settings::default())
}

fn call(engine: &Engine, who: &Caller, tool: &str, arguments: Value) -> Value {
    let tool = phasegate::tools::find(tool).unwrap();
    match engine.call(who, tool, arguments, &phasegate::engine::Unwatched) {
        Ok(reply) => reply.structured,
        Err(failure) => panic!("{}: {failure}", tool.name),
    }
}

fn asked(engine: &Engine, what: &str) -> Value {
    call(engine, &agent("ana"), "route_model", json!({ "type": "feature", "description": what }))
}

/// Asks for a model and says how work on this tier went.
fn told(engine: &Engine, what: &str, tier: ModelTier, success: f64) {
    let route = asked(engine, what);
    let decision = RouteId(route["decision"].as_str().unwrap().to_owned());
    let outcome = RecordOutcome {
        decision: Some(decision.clone()),
        target: Target::default(),
        success,
        tier: Some(tier),
        model: None,
        micro_usd: Some(40_000),
        why: "tried".to_owned(),
    };
    let scope = Scope::Outcome { target: Target::default(), decision: Some(decision) };
    engine.command(&agent("ana"), "record_outcome", scope, Asked::RecordOutcome(outcome), Vec::new()).unwrap();
}

fn reason(route: &Value) -> &str {
    route["reason"].as_str().unwrap_or_default()
}

fn saved(engine: &Engine) -> Value {
    serde_json::from_str(engine.learned_saved().unwrap().unwrap().get()).unwrap()
}

#[test]
fn outcomes_of_one_process_choose_in_another_and_in_no_other_workspace() {
    for kind in BOTH {
        let (here, elsewhere) = (env(kind), env(kind));
        let other = here.reopened(&Settings::default());
        assert!(reason(&asked(&other, "mend the parser")).contains("by complexity;"), "{kind:?}");
        for n in 0..24 {
            told(&here.engine, &format!("mend the parser, part {n}"), ModelTier::Weak, 1.0);
        }
        let own = asked(&here.engine, "mend the parser");
        assert_eq!((&own["tier"], &own["model"]), (&json!("weak"), &json!("claude-haiku-5-5")), "{kind:?} {own}");
        assert!(reason(&own).contains("24 of 24 such tasks done by it"), "{kind:?} {own}");
        assert!(own["alternatives"][0]["success"].as_f64().unwrap() > 0.8, "{kind:?} {own}");
        // Once a second in a server.
        other.keep_learning();
        assert_eq!(asked(&other, "mend the parser")["reason"], own["reason"], "{kind:?}");
        let later = here.reopened(&Settings::default());
        let first =
            call(&later, &agent("bo"), "route_model", json!({ "type": "feature", "description": "mend the parser" }));
        assert_eq!(first["reason"], own["reason"], "{kind:?}: known from the first call on");
        elsewhere.engine.keep_learning();
        assert!(reason(&asked(&elsewhere.engine, "mend the parser")).contains("by complexity;"), "{kind:?}");
        assert_eq!(elsewhere.engine.learned_report().unwrap().outcomes, 0, "{kind:?}");
        here.agree();
    }
}

#[test]
fn what_is_forgotten_in_one_process_is_forgotten_in_all() {
    for kind in BOTH {
        let env = env(kind);
        for n in 0..24 {
            told(&env.engine, &format!("mend the parser, part {n}"), ModelTier::Weak, 1.0);
        }
        let other = env.reopened(&Settings::default());
        assert_eq!(asked(&other, "mend")["tier"], "weak", "{kind:?}");
        let Err(Failure::Refused(refusal)) = env.engine.reset_learning(&agent("ana"), String::new()) else {
            panic!("{kind:?}: an agent may not forget for others")
        };
        assert_eq!(refusal.code, Code::RoleRequired, "{kind:?}");
        assert_eq!(env.engine.reset_learning(&person("eva"), "another table".to_owned()).unwrap(), 1, "{kind:?}");
        assert!(env.kinds().contains(&"LearningReset"), "{kind:?}");
        other.keep_learning();
        for engine in [&*env.engine, &other] {
            assert!(reason(&asked(engine, "mend the parser")).contains("by complexity;"), "{kind:?}");
        }
        told(&env.engine, "mend it again", ModelTier::Weak, 0.0);
        let report = other.learned_report().unwrap();
        assert_eq!((report.outcomes, report.generation, report.forgotten), (1, 1, 24), "{kind:?}");
        env.agree();
    }
}

#[test]
fn what_was_not_kept_is_read_again() {
    for kind in BOTH {
        let env = env(kind);
        for n in 0..210 {
            told(&env.engine, &format!("mend part {n}"), ModelTier::Base, f64::from(u8::from(n % 3 > 0)));
        }
        let kept = |env: &TestEnv| {
            let upto = env.engine.view(|tx| {
                let mut upto = 0;
                tx.query("SELECT upto FROM learned", &[], &mut |row| {
                    upto = row.int(0)?.unwrap_or(0);
                    Ok(())
                })?;
                Ok(upto)
            });
            upto.unwrap()
        };
        assert_eq!(kept(&env), 0, "{kind:?}");
        env.engine.keep_learning();
        assert_eq!(kept(&env), 210, "{kind:?}");
        for n in 0..5 {
            told(&env.engine, &format!("mend more {n}"), ModelTier::Weak, 1.0);
        }
        // The process is gone before it keeps anything more; the next one begins from what is kept, another from nothing.
        let next = saved(&env.reopened(&Settings::default()));
        env.edit("DELETE FROM learned");
        let whole = saved(&env.reopened(&Settings::default()));
        for state in [&next, &whole] {
            let tries: Vec<f64> = (0..3_usize).map(|tier| state["tiers"][tier]["tries"].as_f64().unwrap()).collect();
            assert_eq!(tries, [5.0, 210.0, 0.0], "{kind:?}");
            assert_eq!(state["tiers"][1]["successes"], 140.0, "{kind:?}");
        }
        for tier in 0..3_usize {
            for what in ["words", "projects", "kinds"] {
                assert_eq!(next["tiers"][tier][what], whole["tiers"][tier][what], "{kind:?} {tier} {what}");
            }
        }
        assert_eq!(next["spread"], whole["spread"], "{kind:?}");
    }
}

#[test]
fn a_number_that_is_missing_is_waited_for_until_nobody_can_still_write_it() {
    for kind in BOTH {
        let env = env(kind);
        let ids: Vec<String> =
            (0..8).map(|n| asked(&env.engine, &format!("work {n}"))["decision"].as_str().unwrap().to_owned()).collect();
        let at = env.engine.now().0;
        let add = |number: usize, at: i64| {
            let decision = &ids[number - 1];
            env.edit(&format!(
                "INSERT INTO tries(id, at, task, phase, decision, tier, model, ran, success, judge, micro_usd, failed_before, used) \
                 VALUES ({number}, {at}, 0, '', '{decision}', 'weak', '', '', 1000, 'agent', -1, '[]', '[]')"
            ));
        };
        let known = |engine: &Engine| saved(engine)["tiers"][0]["tries"].as_f64().unwrap();
        (1..=2).for_each(|number| add(number, at));
        add(4, at);
        assert!((known(&env.engine) - 2.0).abs() < 1e-9, "{kind:?}: number 3 may still be on its way");
        add(3, at);
        assert!((known(&env.engine) - 4.0).abs() < 1e-9, "{kind:?}: both, in their order");
        add(6, at);
        assert!((known(&env.engine) - 4.0).abs() < 1e-9, "{kind:?}");
        env.clock.advance_seconds(11);
        assert!((known(&env.engine) - 5.0).abs() < 1e-9, "{kind:?}: number 5 was given up");
    }
}

const FLOW: &str = "version: 1\nname: flow\nphases:\n  build:\n    allow: [Read, Edit]\n    exit:\n      - command: [test, -e, ok]\n    next: [done]\n  done: { end: true }\n";

#[test]
fn gates_teach_by_project_and_type_and_what_is_not_known_to_have_run_teaches_nothing() {
    for (assume_followed, taught) in [(false, 0), (true, 3)] {
        let routing = Preferences { assume_followed, ..Preferences::default() };
        let env = TestEnv::over(stores::usual(), Some(FLOW), &Settings { routing, ..Settings::default() });
        let ana = able("ana", &[], 2);
        for project in ["shop", "site"] {
            let task = json!({ "title": "mend", "type": "chore", "metadata": { "project": project } });
            env.call(&person("eva"), "submit_task", task).unwrap();
        }
        let brief = env.call(&ana, "claim_task", json!({ "id": "T-1" })).unwrap();
        assert_eq!(brief["route"]["tier"], "weak", "{brief}");
        for _ in 0..2 {
            env.call(&ana, "transition_phase", json!({ "task": "T-1" })).unwrap_err();
        }
        let task = env.call(&ana, "claim_task", json!({ "id": "T-2" })).unwrap();
        env.write("ok", "");
        for id in ["T-1", "T-2"] {
            let end = json!({ "task": id, "summary": "mended", "confidence": 0.9 });
            env.call(&ana, "transition_phase", end).unwrap_or_else(|refusal| panic!("{id}: {refusal} {task}"));
        }
        let report = env.engine.learned_report().unwrap();
        assert_eq!(report.outcomes, taught, "{report:?}");
        if assume_followed {
            let group = |project: &str| report.groups[&(ModelTier::Weak, project.to_owned(), "chore".to_owned())];
            assert_eq!((group("shop").outcomes, group("shop").mean()), (1, 0.0));
            assert_eq!((group("site").outcomes, group("site").mean()), (1, 1.0));
            assert_eq!(report.raised[&ModelTier::Base].outcomes, 1, "the try after the failure: {report:?}");
        } else {
            assert_eq!(report.silent.values().sum::<u64>(), 3, "{report:?}");
        }
        env.agree();
    }
}

#[test]
fn at_the_command_line_it_is_shown_exported_and_forgotten_by_a_person() {
    let env = env(stores::usual());
    for n in 0..21 {
        told(&env.engine, &format!("mend {n}"), ModelTier::Weak, f64::from(u8::from(n > 6)));
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
        command.args(arguments).current_dir(env.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", env.folder.path());
        let output = stores::tell(&mut command, env.folder.path()).output().unwrap();
        let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), told.into_owned(), wrong.into_owned())
    };
    let (code, told, wrong) = run(&["models", "learned"]);
    assert_eq!(code, Some(0), "{wrong}");
    for words in ["teach in this workspace: 21", "they choose", "feature", "67%", "$0.0400"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&run(arguments).1).unwrap() };
    let known = json(&["models", "learned", "--json"]);
    assert_eq!((&known["chosen_by"], &known["groups"][0]["tier"]), (&json!("outcomes"), &json!("weak")), "{known}");
    let export = json(&["models", "learned", "export"]);
    assert_eq!((&export["outcomes"], &export["learned"]["tiers"][0]["tries"]), (&json!(21), &json!(21.0)), "{export}");
    let (code, _, wrong) = run(&["models", "learned", "reset"]);
    assert_eq!(code, Some(2), "nobody sits there to say yes: {wrong}");
    let (code, told, wrong) = run(&["models", "learned", "reset", "--yes", "--reason", "a new table"]);
    assert_eq!(code, Some(0), "{told} {wrong}");
    assert_eq!(json(&["models", "learned", "--json"])["outcomes"], 0);
    env.engine.keep_learning();
    assert!(reason(&asked(&env.engine, "mend")).contains("by complexity;"));
}
