//! `phasegate route --jsonl`: outcomes teach one router, questions are answered by it, line by line. What it learned ends
//! with the command.

use std::io::{BufRead, Read};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::{Ended, Out};
use crate::domain::preference::Scoring;
use crate::domain::route::Work;
use crate::domain::workflow::ModelTier;
use crate::engine::routing::{Piece, Router, complexity, features, index};

/// Of one line, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What tiers cost where no `reset` has said it: only their order matters then.
const COSTS_UNTOLD: [Option<f64>; 3] = [Some(0.1), Some(1.0), Some(2.0)];

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Op {
    Reset { tiers: Vec<Tier> },
    Outcome(Told),
    Route(Asked),
}

#[derive(Debug, Deserialize)]
struct Tier {
    tier: ModelTier,
    mean_cost: f64,
}

#[derive(Debug, Deserialize)]
struct Told {
    id: Value,
    #[serde(default)]
    project: String,
    #[serde(default)]
    prompt: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    tier: ModelTier,
    #[serde(deserialize_with = "success")]
    success: f64,
    cost: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    id: Value,
    #[serde(default)]
    project: String,
    #[serde(default)]
    prompt: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    failed: Vec<ModelTier>,
}

/// What of a line can be read says whether somebody waits for a reply.
#[derive(Deserialize)]
struct Head {
    op: Option<String>,
}

const SUCCESS: &str = "`success` is true, false or a number from 0 to 1";
/// As `record_outcome` takes it: sums of more would mean nothing.
const USD_MAX: f64 = 1_000_000.0;
const COST: &str = "it is dollars, from 0 to 1,000,000";
const HINT: &str = "op is reset, outcome or route; see docs/routing.md";

fn success<'de, D: Deserializer<'de>>(told: D) -> Result<f64, D::Error> {
    match Value::deserialize(told)? {
        Value::Bool(done) => Ok(f64::from(u8::from(done))),
        other => other.as_f64().ok_or_else(|| de::Error::custom(SUCCESS)),
    }
}

/// Equal ids are one piece of work.
fn name(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

pub fn run(out: &Out) -> Result<(), Ended> {
    let mut input = std::io::stdin().lock();
    let mut router = Router::new(COSTS_UNTOLD);
    let (mut number, mut wrong) = (0_u64, 0_u64);
    let broken = |error: std::io::Error| Ended::internal(&error, "look at where the lines come from");
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(broken)?;
        if read == 0 || out.is_gone() {
            break;
        }
        number += 1;
        let cut = line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n");
        if cut {
            input.skip_until(b'\n').map_err(broken)?;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let answer = if cut { Err(format!("the line is longer than {LINE_BYTES_MAX} bytes")) } else { read_op(&line) };
        match answer.and_then(|op| answered(&mut router, op)) {
            Ok(Some(reply)) => out.text(&with_id(&line, reply)),
            Ok(None) => {}
            Err(why) => {
                wrong += 1;
                refused(out, &line, number, &why);
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(Ended::No) }
}

/// Outcomes and resets have no reply: whoever reads one line for each question would take an error for the next answer.
fn refused(out: &Out, line: &[u8], number: u64, why: &str) {
    let head = serde_json::from_slice::<Head>(line).ok();
    match head {
        Some(Head { op: Some(op), .. }) if matches!(op.as_str(), "outcome" | "reset") => {
            out.aside(&format!("phasegate: line {number}: {why}; {HINT}"));
        }
        _ => out.text(&with_id(line, json!({ "error": { "line": number, "message": why, "hint": HINT } }))),
    }
}

/// A reply under the id of its line, to the letter: numbers that are too long for us are not for whoever asks.
fn with_id(line: &[u8], reply: Value) -> String {
    #[derive(Deserialize)]
    struct Id<'l> {
        #[serde(borrow)]
        id: &'l RawValue,
    }
    #[derive(Serialize)]
    struct Reply<'l> {
        id: Option<&'l RawValue>,
        #[serde(flatten)]
        rest: Value,
    }
    let id = serde_json::from_slice::<Id<'_>>(line).ok().map(|known| known.id);
    serde_json::to_string(&Reply { id, rest: reply }).unwrap_or_default()
}

fn read_op(line: &[u8]) -> Result<Op, String> {
    serde_json::from_slice(line).map_err(|error| format!("the line cannot be read: {error}"))
}

fn answered(router: &mut Router, op: Op) -> Result<Option<Value>, String> {
    match op {
        Op::Reset { tiers } => {
            *router = Router::new(costs(&tiers)?);
            Ok(None)
        }
        Op::Outcome(told) => {
            if !(0.0..=1.0).contains(&told.success) {
                return Err(format!("{SUCCESS}, not {}", told.success));
            }
            if let Some(cost) = told.cost.filter(|cost| !is_cost(*cost)) {
                return Err(format!("`cost` is {cost}; {COST}"));
            }
            let features = features::read(&told.prompt);
            let kind = told.kind.as_deref();
            let id = name(&told.id);
            let piece = Piece { id: &id, project: &told.project, kind, features: &features };
            router.outcome(&piece, told.tier, told.success, told.cost);
            Ok(None)
        }
        Op::Route(asked) => Ok(Some(routed(router, asked))),
    }
}

fn is_cost(usd: f64) -> bool {
    (0.0..=USD_MAX).contains(&usd)
}

fn costs(tiers: &[Tier]) -> Result<[Option<f64>; 3], String> {
    let mut costs = [None; 3];
    for tier in tiers {
        if !is_cost(tier.mean_cost) {
            return Err(format!("`mean_cost` is {}; {COST}", tier.mean_cost));
        }
        if let Some(cost) = costs.get_mut(index(tier.tier)) {
            *cost = Some(tier.mean_cost);
        }
    }
    if costs.iter().all(Option::is_none) {
        return Err("`tiers` names none of weak, base, strong".to_owned());
    }
    Ok(costs)
}

fn routed(router: &mut Router, asked: Asked) -> Value {
    let features = features::read(&asked.prompt);
    let kind = asked.kind.as_deref();
    let id = name(&asked.id);
    let piece = Piece { id: &id, project: &asked.project, kind, features: &features };
    let decided = router.route(&piece, &asked.failed);
    let work = Work { kind: asked.kind.clone(), description: Some(asked.prompt), ..Work::default() };
    let choice = decided.choice;
    let tier = choice.tier.map_or("stop", ModelTier::word);
    let expected = |tier: ModelTier| decided.estimates.iter().find(|estimate| estimate.tier == tier);
    let says = choice.tier.and_then(expected).map(|estimate| format!("; expected success {:.2}", estimate.success));
    json!({
        "tier": tier,
        "need": choice.need,
        "complexity": complexity::score(&complexity::parts(&work, &Scoring::default())),
        "reason": format!("{}{}", choice.why.words(), says.unwrap_or_default()),
    })
}
