//! Exported files asked as the log itself is asked: the same filters, the same words, and no store.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::audit::lines::{self, Head, Line};
use crate::audit::sieve::{Columns, Sieve};
use crate::audit::tally::Tally;
use crate::domain::ids::AgentName;
use crate::domain::record::{Record, RecordFilter};

use super::super::{Ended, Out};
use super::query::{show, show_counts};

/// No record of ours is as long; a file without line ends must not fill the memory.
const LINE_BYTES_MAX: u64 = 64 << 20;
const BUFFER_BYTES: usize = 1 << 20;

/// In the order of the files. `-` is the standard input.
pub fn query(files: &[PathBuf], filter: &RecordFilter, limit: usize, out: &Out) -> Result<(), Ended> {
    let mut asked =
        Asked { sieve: Sieve::new(filter), filter, tally: Tally::new(&filter.count_by), left: limit, any: false };
    for path in files {
        let unreadable = |error: std::io::Error| {
            Ended::usage(format!("{} cannot be read: {error}", path.display()), "name a file of `audit export`")
        };
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path).map_err(unreadable)?)
        };
        let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
        let (mut line, mut number) = (Vec::new(), 0u64);
        while asked.left > 0 && !out.is_gone() {
            line.clear();
            number += 1;
            if (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
                break;
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.is_empty() {
                continue;
            }
            asked.line(text, out).map_err(|why| {
                let message = format!("{}, line {number} is no exported record: {why}", path.display());
                Ended::usage(message, "`phasegate audit export --format jsonl FILE` writes what can be read here")
            })?;
        }
    }
    if !filter.count_by.is_empty() {
        show_counts(&asked.tally.counts(), out);
    } else if !asked.any && !out.is_json() {
        out.text("No record fits.");
    }
    Ok(())
}

struct Asked<'f> {
    sieve: Sieve<'f>,
    filter: &'f RecordFilter,
    tally: Tally,
    left: usize,
    any: bool,
}

impl Asked<'_> {
    fn line(&mut self, text: &[u8], out: &Out) -> Result<(), String> {
        // What was erased has nothing left to ask for but its number.
        let Line::Record { seq, head, body } = lines::read(text)? else { return Ok(()) };
        if self.filter.after.is_some_and(|after| seq <= after) || self.filter.before.is_some_and(|before| seq >= before)
        {
            return Ok(());
        }
        let columns = Columns { at: head.at, agent: &head.agent, kind: &head.kind, task: head.task };
        if !self.sieve.fits_columns(&columns)
            || (self.sieve.needs_body(&head.kind) && !self.sieve.fits_body(&head, body))
        {
            return Ok(());
        }
        if !self.filter.count_by.is_empty() {
            self.tally.add(&columns, Some(&head));
            return Ok(());
        }
        show(&record(seq, &head)?, out);
        self.any = true;
        self.left = self.left.saturating_sub(1);
        Ok(())
    }
}

fn record(seq: u64, head: &Head<'_>) -> Result<Record, String> {
    let event = serde_json::from_str(head.event).map_err(|error| error.to_string())?;
    let [agent, role, tool] = [&head.agent, &head.role, &head.tool].map(|text| text.clone().into_owned());
    Ok(Record { seq, at: head.at, agent: AgentName(agent), role, tool, task: head.task, event })
}
