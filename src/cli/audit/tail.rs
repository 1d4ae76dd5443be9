//! `phasegate audit tail`: the newest records, oldest first, and with `-f` each new one as it comes.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::domain::record::{Record, RecordFilter};
use crate::engine::Engine;

use super::super::{Ended, Out, Place};
use super::filter::FilterArgs;
use super::query::show;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// How many to begin with.
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: usize,
    /// Go on with each new record, until Ctrl-C or until nobody reads.
    #[arg(short, long)]
    follow: bool,
}

/// One look is a single row by its number.
const LOOK: Duration = Duration::from_millis(200);
const PAGE: usize = 1000;

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let filter = args.filter.filter(engine.now(), None)?;
    if !args.follow {
        begin(&engine, &filter, args.lines, out)?;
        return Ok(());
    }
    let broken = |error: std::io::Error| Ended::internal(&error, "start it again");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    runtime.block_on(async {
        // Before the first word, so that whoever has seen that may end it well.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
        let mut last = begin(&engine, &filter, args.lines, out)?;
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
            let newest = engine.last_record()?;
            // Where a backup was put back, the numbers begin again at its end.
            last = last.min(newest);
            if newest > last {
                last = shown_after(&engine, &filter, last, out)?;
            }
            if out.has_no_reader() {
                return Ok(());
            }
        }
    })
}

/// The newest records that fit; the number up to which everything has been looked at.
fn begin(engine: &Engine, filter: &RecordFilter, lines: usize, out: &Out) -> Result<u64, Ended> {
    // First the end, then what lies before it: what comes in between is shown as new, and nothing twice.
    let last = engine.last_record()?;
    newest(engine, filter, last, lines)?.iter().rev().for_each(|record| show(record, out));
    Ok(last)
}

fn newest(engine: &Engine, filter: &RecordFilter, last: u64, lines: usize) -> Result<Vec<Record>, Ended> {
    let mut found = Vec::new();
    let mut filter = RecordFilter { before: Some(last.saturating_add(1)), ..filter.clone() };
    while found.len() < lines {
        filter.limit = (lines - found.len()).min(PAGE);
        let page = engine.records(&filter)?;
        found.extend(page.records);
        let Some(next) = page.next else { break };
        filter.before = Some(next);
    }
    Ok(found)
}

/// Shows what is new and fits; the number up to which everything has been looked at.
fn shown_after(engine: &Engine, filter: &RecordFilter, last: u64, out: &Out) -> Result<u64, Ended> {
    let until = engine.last_record()?;
    let mut filter = RecordFilter { after: Some(last), limit: PAGE, ..filter.clone() };
    loop {
        let page = engine.records(&filter)?;
        // What came since is shown in this round too, and must not be shown again in the next.
        let seen = page.records.last().map_or(until, |record| record.seq.max(until));
        page.records.iter().for_each(|record| show(record, out));
        let Some(next) = page.next.filter(|_| !out.is_gone()) else { return Ok(seen) };
        filter.after = Some(next);
    }
}
