//! Recorded calls held against another version of a workflow: every verdict that would change. It changes nothing.

use serde::Serialize;
use serde_json::Value;

use crate::domain::ids::{TaskId, Time};
use crate::domain::record::{Record, RecordFilter};
use crate::domain::spending::Spent;
use crate::domain::workflow::Workflow;
use crate::policy::backtest::would;
use crate::policy::client_call::ClientCall;
use crate::policy::judge::{self, Around, Decision, RuleSet};
use crate::sandbox::Rung;

use super::links::links;
use super::{Engine, StoreError};

const PAGE: usize = 1000;
/// What a shortened text ends with in the record (`domain::decide::session`).
const SHORTENED: &str = "more characters]";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Backtest {
    pub calls: u64,
    /// Calls of phases that this version does not have.
    pub without_phase: u64,
    pub changed: Vec<Changed>,
    pub changes: u64,
    /// Calls whose verdict stays only because of where links lead now; the record does not hold where they led.
    #[serde(skip_serializing_if = "is_zero")]
    pub through_links: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub seq: u64,
    pub at: Time,
    pub task: Option<TaskId>,
    pub phase: String,
    pub call: String,
    pub was: String,
    pub would_be: &'static str,
    pub rule: Option<String>,
    pub reason: String,
    /// The record holds the call shortened or without its secrets, so the verdict may differ from that of the call itself.
    pub inexact: bool,
}

impl Engine {
    /// Over all calls on record since then; the first `most` changes are given, all are counted.
    pub fn backtest(&self, workflow: &Workflow, since: Option<Time>, most: usize) -> Result<Backtest, StoreError> {
        let kinds = std::iter::once("CallJudged".to_owned()).collect();
        let mut filter = RecordFilter { kinds, since, after: Some(0), limit: PAGE, ..RecordFilter::default() };
        let mut found = Backtest::default();
        loop {
            let page = self.records(&filter)?;
            for record in &page.records {
                self.again(workflow, record, most, &mut found);
            }
            match page.next {
                Some(next) => filter.after = Some(next),
                None => return Ok(found),
            }
        }
    }

    fn again(&self, workflow: &Workflow, record: &Record, most: usize, found: &mut Backtest) {
        let text = |name: &str| record.event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (tool, phase, was) = (text("tool"), text("phase"), text("verdict"));
        let claimed = record.event.get("task").is_some_and(Value::is_string);
        found.calls += 1;
        let there = workflow.phase(&phase);
        if claimed && there.is_none() {
            found.without_phase += 1;
            return;
        }
        let input = record.event.get("input").cloned().unwrap_or_default();
        let whole = crate::domain::canonical::digest(&serde_json::json!({ "tool": tool, "input": input }));
        let inexact = whole != text("digest") || input.to_string().contains(SHORTENED);
        let root = self.workspace.root.display().to_string();
        let base = Some(root.clone());
        let around = Around { cwd: text("folder"), home: self.home(), root, base, ..Around::default() };
        let theirs = RuleSet::default();
        // As the machine could hold it then, where it held it.
        let kernel = text("confined") == Rung::Full.word();
        let mut call = ClientCall { tool, input, also: Vec::new(), around, theirs, kernel, first: Spent::default() };
        let phase_then = there.filter(|_| claimed);
        let mut said = would(workflow, phase_then, &call);
        if was != word(said.allowed) {
            // No file is looked at where the words alone say the same.
            call.around.links = links(&judge::paths(&call.tool, &call.input, &call.around));
            if !call.around.links.is_empty() {
                said = would(workflow, phase_then, &call);
                found.through_links += u64::from(was == word(said.allowed));
            }
        }
        let would_be = word(said.allowed);
        if was == would_be {
            return;
        }
        found.changes += 1;
        if found.changed.len() < most {
            let (rule, reason) = (said.rule, said.reason);
            let task = record.event.get("task").and_then(Value::as_str).and_then(|id| id.parse().ok());
            let (seq, at) = (record.seq, record.at);
            found.changed.push(Changed {
                seq,
                at,
                task,
                phase,
                call: call.shown(),
                was,
                would_be,
                rule,
                reason,
                inexact,
            });
        }
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Ask => "ask",
        Decision::Deny => "deny",
        Decision::None => "left",
    }
}
