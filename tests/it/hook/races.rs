//! Many hooks at once on one store: each call gets its answer, and each answer is on record once.

use std::collections::BTreeSet;

use serde_json::json;

use super::FLOW;
use super::world::{Server, World};

const PROCESSES: u32 = 8;
const EACH: u32 = 8;

#[test]
fn sixty_four_hooks_at_once_are_each_answered_and_recorded_once() {
    let world = World::new(FLOW);
    let session = world.session("5e55-1");
    session.start("startup");
    session.claim(&mut Server::of(&world));
    std::thread::scope(|scope| {
        for process in 0..PROCESSES {
            let world = &world;
            scope.spawn(move || {
                let sub = world.session("5e55-1").subagent(&format!("a{process}"), "general-purpose");
                for number in 0..EACH {
                    let (name, verdict) = if number % 2 == 0 { ("a", "allow") } else { (".env", "deny") };
                    let told = sub.before("Read", json!({"file_path": world.at(name)}));
                    assert_eq!(told.verdict(), verdict, "{told:?}");
                }
            });
        }
    });
    let judged: Vec<_> = world.events("CallJudged").into_iter().filter(|event| event["tool"] == "Read").collect();
    let calls: BTreeSet<String> = judged.iter().map(|event| event["call"].to_string()).collect();
    let wanted = usize::try_from(PROCESSES * EACH).unwrap();
    assert_eq!((judged.len(), calls.len()), (wanted, wanted));
    assert_eq!(judged.iter().filter(|event| event["verdict"] == "deny").count(), wanted / 2);
    assert_eq!(world.events("SubAgentStarted").len(), usize::try_from(PROCESSES).unwrap());
}

#[test]
fn one_approval_lets_one_of_many_hooks_at_once_through() {
    let yaml = FLOW.replace(
        "allow: [Read, \"Bash(ls *)\"",
        "require_approval: [\"Bash(go *)\"]\n    allow: [Read, \"Bash(ls *)\"",
    );
    let world = World::new(&yaml);
    let session = world.session("5e55-1");
    session.start("startup");
    let mut server = Server::of(&world);
    session.claim(&mut server);
    let input = json!({"command": "go now"});
    session.own(&mut server, "request_approval", json!({"call": {"tool": "Bash", "arguments": input}}));
    world.well(&["approvals", "approve", "A-1", "--yes"]);
    let passed: u32 = std::thread::scope(|scope| {
        let hooks: Vec<_> = (0..PROCESSES)
            .map(|process| {
                let (world, input) = (&world, &input);
                scope.spawn(move || {
                    let told =
                        world.session("5e55-1").before_as(&format!("toolu_race{process}"), "Bash", input.clone());
                    assert!(["allow", "deny"].contains(&told.verdict()), "{told:?}");
                    u32::from(told.verdict() == "allow")
                })
            })
            .collect();
        hooks.into_iter().map(|hook| hook.join().unwrap()).sum()
    });
    assert_eq!((passed, world.events("ApprovalConsumed").len()), (1, 1));
}
