//! `phasegate migrate`: the store goes to another place, and `--reopen` takes one up again that was left.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::report::grouped;
use crate::engine::clock::{Clock, System};
use crate::engine::migrate::{Around, Move, Moved, places, reopen, run as carry_out, shown};

use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "All work in the old store ends, and it is kept as it is. The new one is compared with it row by row, and \
                  its log is checked, before work may begin there. What was interrupted goes on with the same command."
)]
pub struct Args {
    /// The store as it is: `sqlite:PATH` or `postgres://…`
    #[arg(long, value_name = "URL", required_unless_present = "reopen", requires = "to")]
    from: Option<String>,
    /// Where it is to be; there must be no store yet.
    #[arg(long, value_name = "URL", requires = "from")]
    to: Option<String>,
    /// Take a store up again that was left; what was done in the new one since is not in it.
    #[arg(long, value_name = "URL", conflicts_with_all = ["from", "to"])]
    reopen: Option<String>,
    /// Without asking.
    #[arg(long)]
    yes: bool,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let around = Around { state: &place.workspace.state, postgres: Some(&place.settings.postgres.0) };
    if let Some(url) = &args.reopen {
        return take_up(url, args.yes, around, out);
    }
    let (Some(from), Some(to)) = (args.from.as_deref(), args.to.as_deref()) else { return Ok(()) };
    if !args.yes {
        // Before anybody says yes to a move that cannot be.
        places(from, to, around)?;
    }
    let question =
        format!("Move everything from {} to {}? Work in the old one ends.", shown(from, around), shown(to, around));
    if !args.yes && !out.asks(&question)? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    let wanted = Move { from, to, around, workspace: &place.workspace, settings: &place.settings };
    let clock: Arc<dyn Clock> = Arc::new(System);
    let mut watch = |doing: &str, table: &str, rows: u64, of: u64| {
        let of = if of > 0 { format!(" of {}", grouped(of)) } else { String::new() };
        out.progress(&format!("{doing} {table}: {}{of}", grouped(rows)));
    };
    let moved = carry_out(&wanted, &clock, &mut watch);
    out.progress("");
    let moved = moved?;
    out.answer(&value(&moved), &text(&moved));
    Ok(())
}

fn take_up(url: &str, yes: bool, around: Around<'_>, out: &Out) -> Result<(), Ended> {
    let question =
        format!("Work in {} again? What was done since in the store it was moved to is not in it.", shown(url, around));
    if !yes && !out.asks(&question)? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    let note = reopen(url, around)?;
    let text = format!("{} takes work again; {} is another store from now on", note.from, note.to);
    out.answer(&json!({ "reopened": note.from, "was_moved_to": note.to }), &text);
    Ok(())
}

fn value(moved: &Moved) -> Value {
    let tables: serde_json::Map<String, Value> = moved
        .tables
        .iter()
        .map(|(name, digest)| ((*name).to_owned(), json!({ "rows": digest.rows, "sha256": digest.sha256 })))
        .collect();
    let head = moved.head.as_ref().map(|(size, root)| json!({ "size": size, "root": root }));
    json!({
        "from": moved.from,
        "to": moved.to,
        "resumed": moved.resumed,
        "was_done": moved.was_done,
        "tables": tables,
        "records": moved.report.as_ref().map(|report| report.records),
        "head": head,
        "findings": moved.report.as_ref().map(|report| report.findings.len()),
        "keys": moved.keys,
        "key_missing": moved.key_missing,
    })
}

fn text(moved: &Moved) -> String {
    let to = &moved.to;
    if moved.was_done {
        return format!("everything was moved to {to} already; work with that store");
    }
    let rows: u64 = moved.tables.values().map(|digest| digest.rows).sum();
    let mut text = format!(
        "{} rows in {} tables are in {to}, and each table has the same hash there as here",
        grouped(rows),
        moved.tables.len()
    );
    if let (Some(report), Some((size, root))) = (&moved.report, &moved.head) {
        let holds =
            if report.is_well() { "holds" } else { "has the same findings as before (`phasegate audit verify`)" };
        text.push_str(&format!(
            "\nits log of {} records {holds}; the newest head, of {} records, has the root {root}",
            grouped(report.records),
            grouped(*size)
        ));
    }
    for key in &moved.keys {
        text.push_str(&format!("\nkey copied: {}", key.display()));
    }
    if let Some(path) = &moved.key_missing {
        text.push_str(&format!(
            "\nthe key of the log was not found: put it at {}, or go on with a new one (`phasegate audit key --new`)",
            path.display()
        ));
    }
    text.push_str(&format!(
        "\n{} takes no more work; name the new store from now on: `--store`, PHASEGATE_STORE",
        moved.from
    ));
    text
}
