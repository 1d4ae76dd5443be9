//! `phasegate models learned`: what recorded outcomes taught in this workspace, as a table and as JSON; and forgetting it.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::engine::routing::learning::{Group, Report};

use super::output::visible;
use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// All of it as JSON: the counts, and the state that choices read.
    Export,
    /// Forget it, in every process; what was tried stays on record.
    Reset {
        /// Why; it stays on record.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
    },
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let report = engine.learned_report()?;
    match &args.act {
        None => out.answer(&value(&report), &text(&report)),
        Some(Act::Export) => {
            let mut all = value(&report);
            if let (Value::Object(fields), Some(saved)) = (&mut all, engine.learned_saved()?) {
                fields.insert("learned".to_owned(), serde_json::from_str(saved.get()).unwrap_or_default());
            }
            out.value(&all);
        }
        Some(Act::Reset { reason, yes }) => {
            if !yes {
                out.aside(&format!(
                    "{} outcomes teach here; choices go by the score again without them.",
                    report.outcomes
                ));
                if !out.asks("Forget what they taught? It is on record, and cannot be taken back.")? {
                    out.aside("Nothing was changed.");
                    return Err(Ended::No);
                }
            }
            let generation = engine.reset_learning(&place.person(), reason.clone())?;
            let told = format!("What {} outcomes taught is forgotten", report.outcomes);
            out.answer(&json!({ "forgotten": report.outcomes, "generation": generation }), &told);
        }
    }
    Ok(())
}

fn value(report: &Report) -> Value {
    let group = |group: &Group| json!({ "outcomes": group.outcomes, "success": group.mean(), "usd": group.mean_usd() });
    let with = |mut fields: Value, known: &Group| {
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, group(known)) {
            fields.extend(more);
        }
        fields
    };
    let groups = report.groups.iter().map(|((tier, project, kind), known)| {
        with(json!({ "tier": tier.word(), "project": project, "type": kind }), known)
    });
    let raised = report.raised.iter().map(|(tier, known)| with(json!({ "tier": tier.word() }), known));
    let silent: Vec<Value> =
        report.silent.iter().map(|(why, count)| json!({ "why": why.words(), "tries": count })).collect();
    json!({
        "outcomes": report.outcomes,
        "needed": report.needed,
        "chosen_by": if report.outcomes >= report.needed { "outcomes" } else { "score" },
        "generation": report.generation,
        "groups": groups.collect::<Vec<_>>(),
        "after_failures": raised.collect::<Vec<_>>(),
        "teach_nothing": silent,
    })
}

fn text(report: &Report) -> String {
    let by = if report.outcomes >= report.needed {
        "they choose where a phase leaves it open".to_owned()
    } else {
        format!("from {} on they choose, until then the score does", report.needed)
    };
    let mut text = format!("Outcomes that teach in this workspace: {}; {by}.\n", report.outcomes);
    if !report.groups.is_empty() {
        let _ = writeln!(
            text,
            "{:<6} {:<16} {:<14} {:>8} {:>6} {:>9}",
            "tier", "project", "type", "outcomes", "done", "a try"
        );
    }
    for ((tier, project, kind), group) in &report.groups {
        let (project, kind) = (named(project), named(kind));
        let _ = writeln!(text, "{:<6} {project:<16} {kind:<14} {}", tier.word(), numbers(group));
    }
    for (tier, group) in &report.raised {
        let _ = writeln!(text, "{:<6} {:<31} {}", tier.word(), "after a failure", numbers(group));
    }
    for (why, count) in &report.silent {
        let tries = if *count == 1 { "1 try teaches".to_owned() } else { format!("{count} tries teach") };
        let _ = writeln!(text, "{tries} nothing: {}.", why.words());
    }
    if report.generation > 0 {
        let times = if report.generation == 1 { "once".to_owned() } else { format!("{} times", report.generation) };
        let _ = match report.forgotten {
            0 => writeln!(text, "Reset {times}, before anything was tried."),
            upto => writeln!(text, "Reset {times}; what was tried before that no longer counts (up to try {upto})."),
        };
    }
    text.truncate(text.trim_end().len());
    text
}

fn named(name: &str) -> String {
    if name.is_empty() { "-".to_owned() } else { visible(name) }
}

fn numbers(group: &Group) -> String {
    let usd = group.mean_usd().map_or_else(|| "-".to_owned(), |usd| format!("${usd:.4}"));
    format!("{:>8} {:>5.0}% {usd:>9}", group.outcomes, group.mean() * 100.0)
}
