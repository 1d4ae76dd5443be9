//! `phasegate policy test`: a team's own cases, calls and what should be said about them in a phase.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::output::visible;
use super::super::{Ended, Out, Place, workflow};
use super::{call, explain};

const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// For cases that name none.
    workflow: Option<String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// As in `policy explain`.
    call: String,
    workflow: Option<String>,
    phase: Option<String>,
    expect: Expect,
    #[serde(default)]
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Allow,
    Ask,
    Deny,
    /// An agent without a task, and no rule about it.
    None,
}

impl Expect {
    fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::None => "none",
        }
    }
}

pub fn run(place: &Place, file: &Path, out: &Out) -> Result<(), Ended> {
    let cases = read(file)?;
    let mut failed: Vec<Value> = Vec::new();
    let mut text = String::new();
    for (number, case) in cases.cases.iter().enumerate() {
        let name = case.workflow.as_deref().or(cases.workflow.as_deref());
        let workflow = workflow::named(place, name)?;
        let phase = call::phase(&workflow, case.phase.as_deref())?;
        let (tool, input) = call::read(&case.call)?;
        let told = explain::told(place, &workflow, phase, &tool, &input);
        if told.word == case.expect.word() {
            continue;
        }
        let stands = phase.map_or("unclaimed", |phase| phase.name.as_str());
        let why = if case.why.is_empty() { String::new() } else { format!(" ({})", visible(&case.why)) };
        text.push_str(&format!(
            "case {}: {} in phase {stands}: {}, expected {}{why}\n  {}\n",
            number + 1,
            visible(&case.call),
            told.word,
            case.expect.word(),
            visible(&told.verdict.reason),
        ));
        failed.push(json!({
            "case": number + 1, "call": case.call, "phase": stands, "verdict": told.word,
            "expected": case.expect.word(), "rule": told.verdict.rule, "reason": told.verdict.reason,
        }));
    }
    let (all, bad) = (cases.cases.len(), failed.len());
    text.push_str(&format!("{} of {all} cases as expected", all - bad));
    out.answer(&json!({ "cases": all, "failed": failed }), &text);
    if bad == 0 { Ok(()) } else { Err(Ended::No) }
}

fn read(file: &Path) -> Result<Cases, Ended> {
    let unreadable = |why: String| {
        Ended::usage(
            format!("{}: {why}", file.display()),
            "write `cases:` with `call`, `phase` and `expect`, or one such case as JSON on each line",
        )
    };
    let missing = |error: std::io::Error| {
        Ended::usage(
            format!("{}: {error}", file.display()),
            "name a file of cases; docs/rules.md has one to begin with",
        )
    };
    let size = std::fs::metadata(file).map_err(missing)?.len();
    if size > FILE_BYTES_MAX {
        return Err(unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    let cases = if text.trim_start().starts_with('{') && !text.trim_start().starts_with("{\"cases\"") {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(number, line): (usize, &str)| {
            serde_json::from_str::<Case>(line).map_err(|error| unreadable(format!("line {}: {error}", number + 1)))
        };
        Cases { workflow: None, cases: lines.map(read).collect::<Result<_, _>>()? }
    } else {
        serde_saphyr::from_str::<Cases>(&text).map_err(|error| unreadable(error.to_string()))?
    };
    if cases.cases.is_empty() {
        return Err(unreadable("it holds no case".to_owned()));
    }
    Ok(cases)
}
