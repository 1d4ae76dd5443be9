//! `phasegate audit query`: records of the log, newest first.

use crate::domain::ids::{TaskId, Time};
use crate::domain::query::RecordFilter;

use super::super::output::visible;
use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    task: Option<TaskId>,
    /// Who did it.
    #[arg(long)]
    by: Option<String>,
    /// Such as TaskClaimed or CommandRefused.
    #[arg(long)]
    kind: Option<String>,
    /// A time, or how long ago: 30m, 24h, 30d.
    #[arg(long)]
    since: Option<String>,
    #[arg(long)]
    until: Option<String>,
    /// Read upwards from this number.
    #[arg(long)]
    after: Option<u64>,
    /// All of them when left out with --json; 50 otherwise.
    #[arg(long)]
    limit: Option<usize>,
}

const PAGE: usize = 1000;
const SHOWN_DEFAULT: usize = 50;

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let Args { task, by, kind, since, until, after, limit } = args;
    let engine = place.open_existing()?;
    let now = engine.now();
    let mut left = limit.unwrap_or(if out.is_json() { usize::MAX } else { SHOWN_DEFAULT });
    let mut filter = RecordFilter {
        task: *task,
        agent: by.clone(),
        kind: kind.clone(),
        since: since.as_deref().map(|text| moment(text, now)).transpose()?,
        until: until.as_deref().map(|text| moment(text, now)).transpose()?,
        after: *after,
        before: None,
        limit: PAGE,
    };
    let mut any = false;
    while left > 0 {
        filter.limit = left.min(PAGE);
        let page = engine.records(&filter)?;
        left = left.saturating_sub(page.records.len());
        any |= !page.records.is_empty();
        for record in &page.records {
            if out.is_json() {
                out.value(&serde_json::to_value(record).unwrap_or_default());
            } else {
                out.text(&visible(&crate::tools::query_audit::line(record)));
            }
        }
        match page.next {
            Some(next) if filter.after.is_some() => filter.after = Some(next),
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    if !any && !out.is_json() {
        out.text("No record fits.");
    }
    Ok(())
}

/// `2026-11-20T14:00:00Z`, or how long before now.
fn moment(text: &str, now: Time) -> Result<Time, Ended> {
    if let Ok(seconds) = crate::domain::duration::parse(text) {
        let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        return Ok(Time(now.0.saturating_sub(ms)));
    }
    text.parse().map_err(|_| {
        Ended::usage(format!("`{text}` is not a time"), "write `2026-11-20T14:00:00Z`, or how long ago: 30m, 24h, 30d")
    })
}
