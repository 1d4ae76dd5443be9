//! `phasegate audit export`: the whole log, or a part of it, for other programs.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::audit::export::{Export, Format};
use crate::engine::{Engine, StoreError};

use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// The first record.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
    /// The last record; the newest when left out.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Written whole or not at all; standard output when left out.
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    /// One record a line, as it is stored; `audit query --in` reads it.
    Jsonl,
    /// For spreadsheets; no cell can be a formula.
    Csv,
    /// OpenTelemetry log records in OTLP/JSON, up to 1000 in one object a line.
    Otel,
}

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 << 10;
/// Records between two words on how far it has come.
const PROGRESS_RECORDS: u64 = 100_000;

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let to = engine.last_record()?.min(args.to.unwrap_or(u64::MAX));
    let format = match args.format {
        Form::Jsonl => Format::Jsonl,
        Form::Csv => Format::Csv,
        Form::Otel => Format::Otel,
    };
    let mut work = Work { engine: &engine, export: Export::new(format), to, records: 0, bytes: 0, out };
    let Some(file) = args.file.as_ref().filter(|file| file.as_os_str() != "-") else {
        return match work.run(args.from, &mut out.stream()) {
            Err(Stop::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            ended => ended.map_err(|stop| stop.told("standard output")),
        };
    };
    if file.is_dir() {
        return Err(Ended::usage(format!("{} is a folder", file.display()), "name a file"));
    }
    let partial = partial(file);
    let written = whole(&mut work, args.from, &partial, file);
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written.map_err(|stop| stop.told(&file.display().to_string()))?;
    let text = format!("{} holds {} records ({} bytes)", file.display(), work.records, work.bytes);
    out.answer(&json!({ "file": file, "records": work.records, "bytes": work.bytes, "to": to }), &text);
    Ok(())
}

/// Beside the file, so that the rename stays on one file system.
fn partial(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

fn whole(work: &mut Work<'_>, from: u64, partial: &Path, file: &Path) -> Result<(), Stop> {
    // One that a process with the same number left behind. The log is for nobody else's eyes, as the store is.
    let _ = std::fs::remove_file(partial);
    let opened = File::options().write(true).create_new(true).mode(0o600).open(partial);
    let mut open = opened.map_err(Stop::Write)?;
    work.run(from, &mut open)?;
    open.sync_all().map_err(Stop::Write)?;
    std::fs::rename(partial, file).map_err(Stop::Write)
}

/// What ends an export early.
enum Stop {
    Write(std::io::Error),
    Unreadable { seq: u64, why: String },
    Store(StoreError),
}

impl Stop {
    fn told(self, place: &str) -> Ended {
        match self {
            Self::Write(error) => {
                let message = format!("{place} could not be written: {error}; the export is not there");
                Ended::Internal { message, hint: "make room, or name another file".to_owned() }
            }
            Self::Unreadable { seq, why } => {
                let message = format!("record {seq} cannot be read: {why}");
                let hint = "`--format jsonl` writes it as it is; `phasegate audit verify` checks the log";
                Ended::Internal { message, hint: hint.to_owned() }
            }
            Self::Store(error) => error.into(),
        }
    }
}

struct Work<'w> {
    engine: &'w Engine,
    export: Export,
    to: u64,
    records: u64,
    bytes: u64,
    out: &'w Out,
}

impl Work<'_> {
    fn run(&mut self, from: u64, target: &mut dyn Write) -> Result<(), Stop> {
        let mut next = from.max(1);
        loop {
            let (export, count) = (&mut self.export, &mut self.records);
            let mut unreadable = None;
            let batch = self.engine.export(next, self.to, &mut |row| {
                if unreadable.is_none() {
                    unreadable = export.row(row).err().map(|why| (row.seq, why));
                    *count += 1;
                }
            });
            let last = batch.map_err(Stop::Store)?;
            if let Some((seq, why)) = unreadable {
                return Err(Stop::Unreadable { seq, why });
            }
            let Some(last) = last else { break };
            if self.export.bytes.len() >= WRITE_BYTES {
                self.write(target)?;
            }
            if last / PROGRESS_RECORDS != next / PROGRESS_RECORDS {
                self.out.progress(&format!("{last} of {} records", self.to));
            }
            next = last.saturating_add(1);
        }
        self.export.end();
        self.write(target)?;
        target.flush().map_err(Stop::Write)?;
        self.out.progress("");
        Ok(())
    }

    fn write(&mut self, target: &mut dyn Write) -> Result<(), Stop> {
        target.write_all(&self.export.bytes).map_err(Stop::Write)?;
        self.bytes += u64::try_from(self.export.bytes.len()).unwrap_or(0);
        self.export.bytes.clear();
        Ok(())
    }
}
