//! `phasegate policy explain`: one call, and which rule decides about it here.

use serde_json::{Value, json};

use crate::domain::bypass::Bypass;
use crate::domain::ids::TaskId;
use crate::domain::workflow::{Enforcement, Phase, Workflow};
use crate::policy::client_call::{SHELL, confines, is_bounded};
use crate::policy::judge::{self, Decision, Verdict};
use crate::policy::undecided::{self, Undecided};
use crate::policy::{names, paths};

use super::super::output::visible;
use super::super::{Ended, Out, Place, workflow};
use super::{ExplainArgs, call};

/// What the verdict means in a phase, and why, where it is not a rule that decides.
pub struct Told {
    /// `allow`, `ask` or `deny`; `none` where the client goes by rules of its own.
    pub word: &'static str,
    /// It runs all the same where the machine can hold it.
    confined: bool,
    /// Allowed by the rules, and beyond `writes`.
    outside: bool,
    pub verdict: Verdict,
}

pub fn run(args: &ExplainArgs, place: &Place, out: &Out) -> Result<(), Ended> {
    let (tool, input) = call::read(&args.call)?;
    let (workflow, phase) = match args.task {
        Some(id) => {
            let engine = place.open_existing()?;
            let unknown = || super::super::spending::unknown(id);
            let task = engine.task(id)?.ok_or_else(unknown)?;
            let found = engine.workflow_named(Some(&task.workflow.0))?.ok_or_else(unknown)?;
            (found.1, Some(task.phase))
        }
        None => (workflow::named(place, args.workflow.as_deref())?, args.phase.clone()),
    };
    let phase = call::phase(&workflow, phase.as_deref())?;
    let told = told(place, &workflow, phase, &tool, &input);
    let stands = phase.map_or("unclaimed", |phase| phase.name.as_str());
    let bypass = told.verdict.rule.as_deref().and_then(|rule| open_bypass(place, rule, args.task));
    let next = match &bypass {
        Some(open) => format!(
            "the bypass {} of {} takes this rule away until {}; the others still count",
            open.id, open.by, open.until
        ),
        None => {
            let opens = |ahead: &Phase| {
                let there = self::told(place, &workflow, Some(ahead), &tool, &input);
                there.confined || matches!(there.word, "allow" | "ask")
            };
            next(&told, &workflow, phase, &tool, opens)
        }
    };
    let value = json!({
        "call": args.call, "workflow": workflow.name, "phase": stands, "verdict": told.word,
        "rule": told.verdict.rule, "reason": told.verdict.reason, "bypass": bypass.map(|open| open.id),
        "next": next,
    });
    let text = format!(
        "{}: {} in phase {stands} of “{}”\n  rule: {}\n  why:  {}\n  next: {next}",
        told.word,
        visible(&args.call),
        workflow.name,
        told.verdict.rule.as_deref().map_or_else(|| "none".to_owned(), visible),
        visible(&told.verdict.reason),
    );
    out.answer(&value, &text);
    Ok(())
}

/// Where there is no store, none is open.
fn open_bypass(place: &Place, rule: &str, task: Option<TaskId>) -> Option<Bypass> {
    let engine = place.open_existing().ok()?;
    let (open, now) = (engine.open_bypasses().ok()?, engine.now());
    open.into_iter().find(|known| known.covers(rule, task, now))
}

/// The verdict of the rules, with what a phase makes of it.
pub fn told(place: &Place, workflow: &Workflow, phase: Option<&Phase>, tool: &str, input: &Value) -> Told {
    let rules = call::rules(workflow, phase);
    let around = call::around(place, tool, input, &rules);
    let mut verdict = judge::judge(&rules, tool, input, &around);
    if let (Decision::Allow, Some(writes), Some(path)) =
        (verdict.decision, phase.and_then(|phase| phase.writes.as_ref()), names::written(tool, input))
        && !paths::writes_cover(writes, path, &around)
    {
        let reason = format!("`{}` is outside `writes` of the phase: {}", visible(path), writes.join(", "));
        return Told {
            word: "deny",
            confined: false,
            outside: true,
            verdict: Verdict { rule: None, decision: Decision::Deny, reason, ..verdict },
        };
    }
    let loops = verdict.decision == Decision::None && names::is_loop(tool);
    if loops {
        verdict.reason = "it is part of the loop that every phase needs, and no rule denies it".to_owned();
    }
    let becomes = |kernel| match phase {
        Some(phase) => undecided::in_phase(workflow, phase, tool, &verdict, kernel),
        None => undecided::without_task(&workflow.unclaimed, tool),
    };
    let none = verdict.decision == Decision::None;
    let word = match verdict.decision {
        Decision::None if loops => "allow",
        Decision::None => match becomes(false) {
            Undecided::Asked => "ask",
            Undecided::Confined | Undecided::Refused => "deny",
            Undecided::Left => "none",
        },
        decision => decision.word(),
    };
    Told { word, confined: none && becomes(true) == Undecided::Confined, outside: false, verdict }
}

/// The first phase that the task can come to from here and that opens the call; those beyond a no count too.
fn opener<'w>(workflow: &'w Workflow, from: &Phase, opens: impl Fn(&Phase) -> bool) -> Option<&'w str> {
    let mut ahead: Vec<&str> = from.next.iter().map(String::as_str).collect();
    let mut seen = 0;
    while let Some(phase) = ahead.get(seen).and_then(|name| workflow.phase(name)) {
        seen += 1;
        // In a phase that ends the task nobody works.
        if !phase.end && phase.name != from.name && opens(phase) {
            return workflow.phase(&phase.name).map(|phase| phase.name.as_str());
        }
        let further: Vec<&str> = phase.next.iter().map(String::as_str).filter(|name| !ahead.contains(name)).collect();
        ahead.extend(further);
    }
    None
}

fn next(told: &Told, workflow: &Workflow, phase: Option<&Phase>, tool: &str, opens: impl Fn(&Phase) -> bool) -> String {
    let waived = match workflow.enforcement {
        Enforcement::Strict => "",
        Enforcement::Warn => " (this workflow only warns: the call is carried out and recorded)",
        Enforcement::Observe => " (this workflow only observes: the call is carried out and recorded)",
    };
    let ahead = || phase.and_then(|phase| opener(workflow, phase, &opens));
    // Typed as in a shell, it is judged as a tool of that name, which is seldom meant.
    let may_be_command = told.verdict.rule.is_none()
        && names::canonical(tool) == tool
        && !tool.starts_with("mcp__")
        && tool.starts_with(|first: char| first.is_ascii_lowercase());
    let text = match (told.word, &told.verdict.rule) {
        _ if may_be_command => format!("if `{tool}` is a shell command, ask about it as `Bash({tool})`"),
        ("allow", _) if tool == SHELL && phase.is_some_and(|phase| confines(phase, true)) => {
            let held = if phase.is_some_and(is_bounded) {
                "the command is confined to what the phase may write and reach"
            } else {
                "where the machine can hold it the command is kept from phasegate's own files, the client's settings and \
                 what rules deny"
            };
            return format!("nothing; the agent may do it, and {held}");
        }
        ("allow", _) => return "nothing; the agent may do it".to_owned(),
        _ if told.outside => format!(
            "the agent writes where `writes` says{}, or a person adds the place to it",
            ahead().map(|ahead| format!(", goes on to phase {ahead}")).unwrap_or_default()
        ),
        _ if told.confined => {
            "it runs confined where the machine can hold it (`phasegate doctor`); elsewhere a person answers".to_owned()
        }
        ("ask", Some(_)) if told.verdict.decision == Decision::None => {
            "a person answers; written as plain commands that can be read it needs none".to_owned()
        }
        ("none", _) => return "nothing; the client goes by rules of its own".to_owned(),
        ("ask", Some(rule)) => format!("a person answers, each time; take `{rule}` out to stop asking"),
        ("ask", None) => "a person answers; plain commands that can be read need none".to_owned(),
        ("deny", Some(rule)) => {
            format!("a person opens `{rule}` for a while with `phasegate bypass`, or changes the workflow")
        }
        (_, None) if told.verdict.decision == Decision::Deny => {
            "a person does it, outside the agent's session".to_owned()
        }
        _ if phase.is_none() => "the agent claims a task, or a person adds a rule to `unclaimed`".to_owned(),
        _ => match ahead() {
            Some(ahead) => format!("the agent goes on to phase {ahead}, or a person adds a rule to `allow`"),
            None => "a person adds a rule to `allow`".to_owned(),
        },
    };
    format!("{text}{waived}")
}
