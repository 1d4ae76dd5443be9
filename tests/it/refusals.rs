//! Every refusal an agent can meet, brought about for real, as one page: what is said, and what is advised.

use phasegate::domain::facts::{Caller, Sighting};
use phasegate::domain::refusal::Code;
use phasegate::mcp::server::published;
use phasegate::tools::TOOLS;
use serde_json::{Value, json};

use crate::support::{TestEnv, agent};

const FLOW: &str = r#"
version: 1
name: flow
protect: { deny: ["route_model"] }
phases:
  plan:
    allow: [Read]
    require_approval: [list_tasks]
    exit:
      - artifact: plan
        schema: { type: object, required: [steps] }
      - approval: { ask: "Build it?", level: 0 }
      - approval: { ask: "Really?", level: 2 }
    next: [build]
  build: { allow: [Read, submit_task], next: [done] }
  done: { end: true }
"#;

struct Page {
    env: TestEnv,
    text: String,
    codes: Vec<Code>,
}

impl Page {
    fn refused(&mut self, who: &Caller, tool: &str, arguments: Value) {
        match self.env.call(who, tool, arguments.clone()) {
            Ok(reply) => panic!("{tool} {arguments} was not refused: {reply}"),
            Err(refusal) => {
                self.codes.push(refusal.code);
                advised(&refusal.hint);
                self.text.push_str(&format!("{tool} {arguments}\n  {}\n\n", refusal.to_string().replace('\n', "\n  ")));
            }
        }
    }

    fn ok(&self, who: &Caller, tool: &str, arguments: Value) -> Value {
        self.env.call(who, tool, arguments).unwrap_or_else(|refusal| panic!("{tool}: {refusal}"))
    }
}

/// Calls that a hint writes out fit what `tools/list` says of the tool.
fn advised(hint: &str) {
    for tool in &TOOLS {
        for (at, _) in hint.match_indices(&format!("{} {{", tool.name)) {
            let rest = &hint[at + tool.name.len()..];
            let call = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next();
            // What is left open is no JSON: `{…}` and `[…]`.
            let Some(Ok(call)) = call else { continue };
            let known = serde_json::to_value(published(tool)).unwrap()["inputSchema"].clone();
            let fits = jsonschema::validator_for(&known).unwrap();
            let wrong: Vec<String> = fits.iter_errors(&call).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{} {call} in “{hint}”: {wrong:?}", tool.name);
        }
    }
}

/// The same of every hint that stands in the code, whoever meets it.
#[test]
fn calls_that_are_written_out_in_the_code_fit_their_schemas() {
    let mut seen = 0;
    for file in crate::tidy::files(&crate::surface::root().join("src"), "rs") {
        let code = std::fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        // As the text reads once it is said: quotes and braces bare, a place where an id comes filled in.
        let said =
            code.replace("\"\\n", "").replace("\\\"", "\"").replace("\"{}\"", "\"T-1\"").replace("\"{id}\"", "\"T-1\"");
        let said = said.replace("{{", "{").replace("}}", "}");
        seen += said.matches("claim_task {\"").count();
        advised(&said);
    }
    assert!(seen > 5, "{seen} calls of claim_task are written out");
}

/// One whose client's hook has not told of the call.
fn unseen() -> Caller {
    Caller { sighting: Sighting::Unseen, ..agent("dan") }
}

const ELSEWHERE: [Code; 25] = [
    // Asked of people, or met only in a race, between two processes, or with many claims: in `decisions` and `history`;
    // or with a client that shows dialogs: in `dialogs`.
    Code::UnknownApproval,
    Code::WorkflowUntrusted,
    Code::WorkflowInvalid,
    Code::WhichClaim,
    Code::UnknownArtifact,
    Code::GateSuperseded,
    Code::ApprovalClosed,
    Code::OwnApproval,
    Code::NotAsked,
    Code::LevelTooLow,
    Code::DialogMismatch,
    Code::TooMany,
    Code::Cancelled,
    Code::AskedTogether,
    Code::UnknownApprover,
    Code::NotAnApprover,
    Code::SignatureRequired,
    Code::BadSignature,
    Code::UnknownBypass,
    Code::CallClosed,
    // In `credentials`.
    Code::UnknownCredential,
    Code::NameTaken,
    // In `spending`.
    Code::BudgetExceeded,
    // In `screening` and `screening_service`.
    Code::Screened,
    Code::ScreeningUnavailable,
];

#[test]
fn what_an_agent_reads_when_it_is_refused() {
    let mut page = Page { env: TestEnv::trusting(FLOW), text: String::new(), codes: Vec::new() };
    let (ana, bo, cy) = (agent("ana"), agent("bo"), agent("cy"));
    page.refused(&ana, "claim_task", json!({"idd": 1, "lease_seconds": 2}));
    page.refused(&ana, "merge", json!({}));
    page.refused(&ana, "claim_task", json!({}));
    page.refused(&ana, "claim_task", json!({"id": "T-9"}));
    page.refused(&ana, "route_model", json!({}));
    page.refused(&ana, "optimize_context", json!({"handle": "ctx_0123456789abcdef"}));
    page.refused(&ana, "record_outcome", json!({"success": true, "decision": "R-000000000000"}));
    page.refused(&ana, "record_outcome", json!({"success": 2}));
    page.refused(&ana, "update_task", json!({"progress": "half"}));
    page.refused(&ana, "submit_task", json!({"title": "x", "workflow": "nope"}));
    page.refused(&ana, "submit_task", json!({"title": "x", "depends_on": ["y"]}));
    let circle = json!({"tasks": [{"title": "a", "ref": "a", "depends_on": ["b"]}, {"title": "b", "ref": "b", "depends_on": ["a"]}]});
    page.refused(&ana, "submit_task", circle);
    page.ok(
        &ana,
        "submit_task",
        json!({"tasks": [
            {"title": "first", "ref": "first"}, {"title": "second", "depends_on": ["first"]},
            {"title": "third", "capabilities": ["gpu"]}
        ]}),
    );
    page.refused(&bo, "claim_task", json!({"id": "T-2"}));
    page.refused(&bo, "claim_task", json!({"id": "T-3"}));
    let handle = page.ok(&ana, "claim_task", json!({"id": "T-1"}))["claim"].clone();
    page.refused(&bo, "claim_task", json!({"id": "T-1"}));
    page.refused(&unseen(), "claim_task", json!({"new": {"title": "unseen"}}));
    page.refused(&bo, "update_task", json!({"task": "T-1", "progress": "mine"}));
    page.refused(&ana, "claim_task", json!({"new": {"title": "another"}}));
    page.refused(&ana, "submit_task", json!({"title": "from plan"}));
    page.refused(&ana, "transition_phase", json!({}));
    page.refused(&ana, "transition_phase", json!({"to": "done"}));
    page.refused(&ana, "submit_artifact", json!({"name": "plan", "content": {"step": 1}}));
    page.refused(&ana, "submit_artifact", json!({"name": "plan", "path": "../outside.md"}));
    page.refused(&ana, "submit_artifact", json!({"name": "plan", "content": "x".repeat(2 << 20)}));
    page.refused(&ana, "request_approval", json!({}));
    page.refused(&ana, "list_tasks", json!({"limit": 5}));
    page.ok(&ana, "request_approval", json!({"call": {"tool": "list_tasks", "arguments": {"limit": 6}}}));
    page.refused(&ana, "list_tasks", json!({"limit": 6}));
    page.refused(&ana, "list_tasks", json!({"limit": 7}));
    page.refused(&ana, "update_task", json!({"unblock": true}));
    page.refused(&ana, "update_task", json!({"cancel": "no longer wanted"}));
    page.refused(&bo, "update_task", json!({"task": "T-2", "cancel": "not mine"}));
    page.ok(&ana, "update_task", json!({"release": true}));
    page.ok(&cy, "claim_task", json!({"id": "T-1"}));
    page.refused(&ana, "update_task", json!({"progress": "late", "claim": handle}));
    let met: Vec<&str> = page.codes.iter().map(|code| code.word()).collect();
    for code in Code::ALL.iter().filter(|code| !ELSEWHERE.contains(code)) {
        assert!(met.contains(&code.word()), "{code} is not on the page");
    }
    insta::assert_snapshot!("refusals", page.text.replace(&"x".repeat(2 << 20), "…2 MB…"));
}
