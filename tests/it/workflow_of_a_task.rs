//! A task from claim to end, through the engine: what holds, what is refused and what is said.

use serde_json::json;

use crate::support::{TestEnv, agent};

#[test]
fn a_task_goes_through_its_phases_only_when_the_gates_are_met() {
    let env = TestEnv::new();
    let ana = agent("ana");
    let brief = env.call(&ana, "claim_task", json!({"new": {"title": "Add a limit"}})).unwrap();
    assert_eq!((brief["task"].as_str(), brief["phase"].as_str()), (Some("T-1"), Some("scout")));
    let refused = env.call(&ana, "transition_phase", json!({})).unwrap_err();
    assert_eq!(refused.code.word(), "gates_unmet", "{refused}");
    assert!(refused.hint.contains("submit_artifact"), "{refused}");
    let wrong = env.call(&ana, "submit_artifact", json!({"name": "findings", "content": {"summary": 1}})).unwrap_err();
    assert_eq!(wrong.code.word(), "artifact_invalid", "{wrong}");
}
