//! The exit gates of a phase as people see them: met or not, by what, and how to meet the others. Judging is in `gates`.

use std::collections::BTreeMap;

use crate::domain::brief::gate_words;
use crate::domain::evidence::{Evidence, Tier};
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::{RunId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::state::evidence_key;
use crate::domain::task::Task;
use crate::domain::view::GateView;
use crate::domain::workflow::{Gate, GateKind, Phase};

use super::gates::{Unmet, all_unmet, latest_approval};

/// `outputs` are digests of what runs printed.
pub fn gate_views(
    facts: &Facts,
    task: &Task,
    outputs: &BTreeMap<RunId, String>,
    context: &Context,
) -> Result<Vec<GateView>, Refusal> {
    let phase = facts.phase_of(task)?;
    let unmet = all_unmet(facts, task, None, context)?;
    let gates = phase.exit.iter().map(|gate| {
        let missing = unmet.iter().find(|unmet| unmet.gate == gate.id);
        view(facts, task, phase, gate, missing, outputs)
    });
    // What is none of the phase's gates and keeps it closed all the same.
    let beside = unmet.iter().filter(|unmet| !phase.exit.iter().any(|gate| gate.id == unmet.gate)).map(|unmet| {
        let asks = "nothing is changed against the rules of the phase".to_owned();
        GateView { asks, ..closed(unmet) }
    });
    Ok(beside.chain(gates).collect())
}

fn closed(unmet: &Unmet) -> GateView {
    let (why, how) = (Some(unmet.missing.clone()), Some(unmet.how.clone()));
    let (gate, asks) = (unmet.gate.clone(), String::new());
    GateView { gate, asks, met: false, why, how, tier: None, at: None, output: None }
}

fn view(
    facts: &Facts,
    task: &Task,
    phase: &Phase,
    gate: &Gate,
    unmet: Option<&Unmet>,
    outputs: &BTreeMap<RunId, String>,
) -> GateView {
    let shown = seen(facts, task, phase, gate, outputs);
    let start = GateView {
        gate: gate.id.clone(),
        asks: gate_words(gate),
        met: unmet.is_none(),
        why: unmet.map(|unmet| unmet.missing.clone()),
        how: unmet.map(|unmet| unmet.how.clone()),
        tier: shown.tier,
        at: shown.at,
        output: shown.output,
    };
    if unmet.is_some() && shown.passed {
        // Nobody has looked at the work tree for this view.
        let why = Some("passed; whether it still holds is looked at on leaving".to_owned());
        return GateView { met: true, why, how: None, ..start };
    }
    start
}

#[derive(Default)]
struct Shown {
    tier: Option<Tier>,
    at: Option<Time>,
    output: Option<String>,
    /// A run of this visit ended well; files may have changed since.
    passed: bool,
}

/// What there is to show for a gate, whether or not it is enough.
fn seen(facts: &Facts, task: &Task, phase: &Phase, gate: &Gate, outputs: &BTreeMap<RunId, String>) -> Shown {
    match &gate.kind {
        GateKind::Artifact { name, .. } => task.artifacts.get(name).map_or_else(Shown::default, |artifact| Shown {
            tier: Some(artifact.tier),
            at: Some(artifact.at),
            output: Some(artifact.sha256.clone()),
            passed: false,
        }),
        GateKind::Command { .. } | GateKind::Hook { .. } | GateKind::Syntax { .. } => {
            let key = evidence_key(&phase.name, &gate.id);
            match task.evidence.get(&key).or_else(|| task.observed.get(&key)) {
                Some(Evidence::Passed(verdict)) => Shown {
                    tier: Some(verdict.tier),
                    at: Some(verdict.at),
                    output: verdict.run.and_then(|run| outputs.get(&run)).cloned(),
                    passed: verdict.visit == task.visit,
                },
                Some(Evidence::Refused(verdict)) => Shown {
                    tier: Some(verdict.tier),
                    at: Some(verdict.at),
                    output: verdict.run.and_then(|run| outputs.get(&run)).cloned(),
                    passed: false,
                },
                Some(Evidence::Running { since, .. }) => Shown { at: Some(*since), ..Shown::default() },
                None => Shown::default(),
            }
        }
        GateKind::Approval(_) => {
            let answer = latest_approval(facts, task, phase, &gate.id).and_then(|known| known.state.answer());
            answer.map_or_else(Shown::default, |answer| Shown {
                tier: answer.signed.as_ref().map(|_| Tier::Signed),
                at: Some(answer.at),
                ..Shown::default()
            })
        }
        GateKind::Children | GateKind::Tasks { .. } | GateKind::Budget => Shown::default(),
    }
}
