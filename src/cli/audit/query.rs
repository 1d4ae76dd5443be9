//! `phasegate audit query`: records of the log, newest first, or how many there are; of this workspace or of exported files.

use std::path::PathBuf;

use crate::audit::tally::Tally;
use crate::domain::ids::Time;
use crate::domain::record::{Count, Record, RecordFilter};
use crate::engine::clock::{self, Clock};

use super::super::output::visible;
use super::super::{Ended, Out, Place};
use super::files;
use super::filter::FilterArgs;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Read upwards from this number.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Only records before this number.
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    before: Option<u64>,
    /// All of them when left out with --json; 50 otherwise.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// How many there are by one or two of kind, agent, tool, verdict, task, day, phase.
    #[arg(long, value_name = "WHAT")]
    count_by: Option<String>,
    /// Ask files that `audit export --format jsonl` wrote, in their order, and not this workspace.
    #[arg(long = "in", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
}

const PAGE: usize = 1000;
const SHOWN_DEFAULT: usize = 50;

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let asked = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let left = asked.unwrap_or(if out.is_json() { usize::MAX } else { SHOWN_DEFAULT });
    let filter = |now: Time| -> Result<RecordFilter, Ended> {
        let filter = args.filter.filter(now, args.count_by.as_deref())?;
        Ok(RecordFilter { after: args.after, before: args.before, ..filter })
    };
    if !args.files.is_empty() {
        return files::query(&args.files, &filter(clock::System.now())?, left, out);
    }
    let engine = place.open_existing()?;
    let mut filter = filter(engine.now())?;
    let mut tally = (!filter.count_by.is_empty()).then(|| Tally::new(&filter.count_by));
    let (mut left, mut any) = (left, false);
    while left > 0 && !out.is_gone() {
        filter.limit = left.min(PAGE);
        let page = engine.records(&filter)?;
        left = left.saturating_sub(page.records.len());
        any |= !page.records.is_empty();
        for record in &page.records {
            show(record, out);
        }
        if let (Some(tally), Some(counts)) = (&mut tally, page.counts) {
            tally.merge(counts);
        }
        match page.next {
            Some(next) if filter.after.is_some() => filter.after = Some(next),
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    match tally {
        Some(tally) => show_counts(&tally.counts(), out),
        None if !any && !out.is_json() => out.text("No record fits."),
        None => {}
    }
    Ok(())
}

/// One record a line, for programs as for people.
pub fn show(record: &Record, out: &Out) {
    if out.is_json() {
        out.value(&serde_json::to_value(record).unwrap_or_default());
    } else {
        out.text(&visible(&crate::tools::query_audit::line(record)));
    }
}

pub fn show_counts(counts: &[Count], out: &Out) {
    for count in counts {
        if out.is_json() {
            out.value(&serde_json::to_value(count).unwrap_or_default());
        } else {
            out.text(&visible(&crate::tools::query_audit::count_line(count)));
        }
    }
    if counts.is_empty() && !out.is_json() {
        out.text("No record fits.");
    }
}
