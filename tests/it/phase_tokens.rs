//! Phase tokens: good for one agent, one claim, one stay in a phase, and no longer than the lease.

use phasegate::domain::facts::Caller;
use phasegate::domain::ids::TaskId;
use phasegate::domain::refusal::{Code, Refusal};
use phasegate::engine::Failure;
use serde_json::{Value, json};

use super::support::{TestEnv, agent};

const WORKFLOW: &str = "version: 1
name: walk
unclaimed: { allow: [Read] }
phases:
  here: { goal: a, allow: [Read], next: [there] }
  there: { goal: b, allow: [Read], next: [end, here] }
  end: { end: true }
";

struct Holding {
    env: TestEnv,
    ana: Caller,
}

impl Holding {
    fn new() -> Self {
        let (env, ana) = (TestEnv::trusting(WORKFLOW), agent("ana"));
        env.call(&ana, "claim_task", json!({ "new": { "title": "a" } })).unwrap();
        Self { env, ana }
    }

    fn token(&self) -> String {
        self.env.engine.phase_token(&self.ana, TaskId(1)).expect("a token")
    }

    fn under(&self, token: &str, tool: &str, arguments: Value) -> Result<Value, Refusal> {
        match self.env.engine.under_phase_token(&self.ana, token) {
            Ok(caller) => self.env.call(&caller, tool, arguments),
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Broken(error)) => panic!("{error}"),
        }
    }

    fn code(&self, token: &str) -> Option<Code> {
        self.under(token, "update_task", json!({ "progress": "on" })).err().map(|refusal| refusal.code)
    }
}

#[test]
fn a_token_is_over_with_the_phase_and_with_a_step_back_to_it() {
    let holding = Holding::new();
    let first = holding.token();
    assert_eq!(holding.code(&first), None);
    let entered = holding.under(&first, "transition_phase", json!({ "to": "there" })).unwrap();
    assert_eq!(entered["phase"], "there");
    let refused = holding.under(&first, "update_task", json!({ "progress": "on" })).unwrap_err();
    assert_eq!(refused.code, Code::StaleClaim);
    assert!(refused.message.contains("earlier stay in phase `here`"), "{refused}");
    let second = holding.token();
    assert_eq!(holding.code(&second), None);
    holding.under(&second, "transition_phase", json!({ "to": "here" })).unwrap();
    assert_eq!(holding.code(&second), Some(Code::StaleClaim));
    assert_eq!(holding.code(&first), Some(Code::StaleClaim), "it was here before, and is here again");
    assert_eq!(holding.code(&holding.token()), None);
    holding.env.agree();
}

#[test]
fn a_token_is_over_with_its_claim_and_with_its_lease() {
    let holding = Holding::new();
    let first = holding.token();
    holding.env.call(&holding.ana, "update_task", json!({ "release": "for another" })).unwrap();
    assert_eq!(holding.code(&first), Some(Code::StaleClaim));
    assert_eq!(holding.env.engine.phase_token(&holding.ana, TaskId(1)), None, "nothing is held");
    holding.env.call(&holding.ana, "claim_task", json!({ "id": "T-1" })).unwrap();
    assert_eq!(holding.code(&first), Some(Code::StaleClaim), "a new claim is another");
    let second = holding.token();
    assert_eq!(holding.code(&second), None);
    holding.env.clock.advance_seconds(24 * 60 * 60);
    let refused = holding.under(&second, "update_task", json!({ "progress": "on" })).unwrap_err();
    assert_eq!(refused.code, Code::StaleClaim);
    assert!(refused.message.contains("expired with its lease"), "{refused}");
}

#[test]
fn a_token_is_of_its_agent_its_workspace_and_its_task() {
    let (holding, other) = (Holding::new(), Holding::new());
    let token = holding.token();
    let refused = match holding.env.engine.under_phase_token(&agent("eve"), &token) {
        Err(Failure::Refused(refusal)) => refusal.code,
        found => panic!("{found:?}"),
    };
    assert_eq!(refused, Code::NotHolder);
    assert_eq!(holding.env.engine.phase_token(&agent("eve"), TaskId(1)), None);
    // The clock of tests gives each workspace the same secrets, unless one has given one out before.
    let _ = other.env.engine.secret();
    assert_eq!(holding.code(&other.token()), Some(Code::StaleClaim), "another workspace has another key");
    for wrong in ["", "x", "a.b.c", &format!("{token}A"), &token[..token.len() - 2]] {
        assert_eq!(holding.code(wrong), Some(Code::StaleClaim), "{wrong}");
    }
    let named = holding.under(&token, "update_task", json!({ "progress": "on", "task": "T-2" })).unwrap_err();
    assert_eq!(named.code, Code::BadArguments);
    // A second process on the store reads what the first one wrote.
    let second = holding.env.reopened(&Default::default());
    assert!(second.under_phase_token(&holding.ana, &token).is_ok());
    assert_eq!(second.phase_keys().unwrap(), holding.env.engine.phase_keys().unwrap());
}

#[test]
fn a_token_says_which_of_several_tasks_is_meant() {
    let env = TestEnv::trusting(WORKFLOW);
    let ana = Caller { claims: 2, ..agent("ana") };
    for title in ["a", "b"] {
        env.call(&ana, "claim_task", json!({ "new": { "title": title } })).unwrap();
    }
    let which = env.call(&ana, "update_task", json!({ "progress": "on" })).unwrap_err();
    assert_eq!(which.code, Code::WhichClaim);
    let token = env.engine.phase_token(&ana, TaskId(2)).unwrap();
    let under = env.engine.under_phase_token(&ana, &token).unwrap();
    let moved = env.call(&under, "transition_phase", json!({ "to": "there" })).unwrap();
    assert_eq!((&moved["task"], &moved["phase"]), (&json!("T-2"), &json!("there")));
}
