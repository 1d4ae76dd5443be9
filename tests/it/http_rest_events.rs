//! Events over the production stack: resumed without a gap, of other processes too, only what the reader may see, to the end.

use phasegate::config::settings::Settings;
use phasegate::domain::facts::Role;
use phasegate::engine::Unwatched;
use phasegate::tools;
use serde_json::json;

use crate::support::served::{Served, Stream};
use crate::support::{TestEnv, agent, at_a_terminal, person};

fn kinds(stream: &mut Stream, count: usize) -> Vec<String> {
    (0..count).map(|_| stream.next().expect("an event").event).collect()
}

fn submit(engine: &phasegate::engine::Engine, title: &str) {
    let arguments = json!({ "title": title, "workflow": "quick" });
    engine.call(&agent("ann"), tools::find("submit_task").unwrap(), arguments, &Unwatched).unwrap();
}

#[test]
fn a_stream_that_was_cut_goes_on_without_a_gap() {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    let ana = served.token("ana", Role::Operator);
    let mut stream = served.events(&ana, "", None);
    let hello = stream.next().unwrap();
    let newest = env.engine.last_record().unwrap();
    assert_eq!((hello.event.as_str(), hello.id, &hello.data), ("hello", newest, &json!({ "seq": newest })));
    submit(&env.engine, "one");
    let first = stream.next().unwrap();
    assert_eq!((first.event.as_str(), first.id), ("TaskSubmitted", newest + 1));
    assert_eq!(first.data["event"]["spec"]["title"], "one");
    drop(stream);
    submit(&env.engine, "two");
    submit(&env.engine, "three");
    let mut stream = served.events(&ana, "?after=0", Some(first.id));
    assert_eq!(stream.next().map(|told| (told.event, told.id)), Some(("hello".to_owned(), first.id)));
    let missed: Vec<_> = (0..2).map(|_| stream.next().unwrap()).collect();
    assert_eq!(missed.iter().map(|told| told.id).collect::<Vec<_>>(), [newest + 2, newest + 3]);
    drop(served);
    assert_eq!(stream.next(), None, "a stream ends with its server");
}

#[test]
fn a_stream_ends_with_its_credential_however_much_happens() {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    let aud = served.token("aud", Role::Auditor);
    let mut stream = served.events(&aud, "", None);
    assert_eq!(kinds(&mut stream, 1), ["hello"]);
    submit(&env.engine, "one");
    assert_eq!(kinds(&mut stream, 1), ["TaskSubmitted"]);
    let known = env.engine.credentials_for(&person("owner")).unwrap();
    let id = known.iter().find(|known| known.name.0 == "aud").unwrap().id;
    env.engine.revoke_credential(&person("owner"), id, "left".to_owned()).unwrap();
    submit(&env.engine, "two");
    assert_eq!(stream.next(), None, "what came after the credential was revoked is still told");
}

#[test]
fn what_another_process_commits_arrives() {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    let other = env.reopened(&Settings::default());
    let mut stream = served.events(&served.token("ana", Role::Operator), "", None);
    assert_eq!(stream.next().unwrap().event, "hello");
    for title in ["one", "two"] {
        submit(&other, title);
        assert_eq!(stream.next().unwrap().data["event"]["spec"]["title"], title);
    }
}

#[test]
fn filters_and_sight_hold_on_a_stream() {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    let (ana, ben) = (served.token("ana", Role::Operator), served.token("ben", Role::Agent));
    submit(&env.engine, "one");
    submit(&env.engine, "two");
    env.call(&agent("ben"), "claim_task", json!({ "id": "T-2" })).unwrap();
    let mut claims = served.events(&ana, "?after=0&kind=claim", None);
    assert_eq!(kinds(&mut claims, 2), ["hello", "TaskClaimed"]);
    let mut of_task = served.events(&ana, "?after=0&task=T-2", None);
    assert_eq!(kinds(&mut of_task, 3), ["hello", "TaskSubmitted", "TaskClaimed"]);
    let mut of_ben = served.events(&ana, "?after=0&agent=ben", None);
    assert_eq!(kinds(&mut of_ben, 2), ["hello", "TaskClaimed"]);
    // An agent is told of the task that it holds, and of nothing before.
    let mut own = served.events(&ben, "?after=0", None);
    assert_eq!(kinds(&mut own, 3), ["hello", "TaskSubmitted", "TaskClaimed"]);
    submit(&env.engine, "three");
    env.call(&agent("ben"), "update_task", json!({ "progress": "half" })).unwrap();
    let next = own.next().unwrap();
    assert_eq!(next.data["task"], "T-2", "{next:?}");
}

#[test]
fn numbers_that_fall_are_told() {
    let env = TestEnv::new();
    let served = Served::over(&env.engine);
    let mut stream = served.events(&served.token("ana", Role::Operator), "", None);
    assert_eq!(stream.next().unwrap().event, "hello");
    env.engine.backend().backup(&env.path("old.db")).unwrap();
    for title in ["one", "two", "three"] {
        submit(&env.engine, title);
        assert_eq!(stream.next().unwrap().event, "TaskSubmitted");
    }
    env.engine.restore(&person("ana"), &env.path("old.db"), at_a_terminal()).unwrap();
    let newest = env.engine.last_record().unwrap();
    let told = stream.next().unwrap();
    assert_eq!((told.event.as_str(), told.data), ("reset", json!({ "seq": newest })));
    submit(&env.engine, "four");
    assert_eq!(stream.next().unwrap().data["event"]["spec"]["title"], "four");
}

#[test]
fn the_feed_tells_of_other_processes_and_rests_when_nobody_waits() {
    let env = TestEnv::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let other = env.reopened(&Settings::default());
    for title in ["one", "two"] {
        // A second time after all receivers were gone.
        let mut feed = env.engine.feed();
        let before = env.engine.last_record().unwrap();
        runtime.block_on(feed.wait_for(|seq| *seq == before)).unwrap();
        submit(&other, title);
        runtime.block_on(feed.wait_for(|seq| *seq == before + 1)).unwrap();
        drop(feed);
    }
}
