//! `phasegate audit export`: the whole log, or a part of it, for other programs.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::engine::Engine;
use crate::engine::log::{ExportStop, Exported, Format};

use super::super::keep::has_folder;
use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// For which kind of program.
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
    let mut work = Work { engine: &engine, format, range: (args.from, to), out };
    let Some(file) = args.file.as_ref().filter(|file| file.as_os_str() != "-") else {
        return match work.run(&mut out.stream()) {
            Err(ExportStop::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            ended => ended.map(drop).map_err(|stop| told(stop, "standard output")),
        };
    };
    if file.is_dir() {
        return Err(Ended::usage(format!("{} is a folder", file.display()), "name a file"));
    }
    has_folder(file)?;
    let partial = partial(file);
    let written = whole(&mut work, &partial, file);
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    let Exported { records, bytes } = written.map_err(|stop| told(stop, &file.display().to_string()))?;
    let text = format!("{} holds {records} records ({bytes} bytes)", file.display());
    out.answer(&json!({ "file": file, "records": records, "bytes": bytes, "to": to }), &text);
    Ok(())
}

/// Beside the file, so that the rename stays on one file system.
fn partial(file: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

fn whole(work: &mut Work<'_>, partial: &Path, file: &Path) -> Result<Exported, ExportStop> {
    // One that a process with the same number left behind. The log is for nobody else's eyes, as the store is.
    let _ = std::fs::remove_file(partial);
    let opened = File::options().write(true).create_new(true).mode(0o600).open(partial);
    let mut open = opened.map_err(ExportStop::Write)?;
    let done = work.run(&mut open)?;
    open.sync_all().map_err(ExportStop::Write)?;
    std::fs::rename(partial, file).map_err(ExportStop::Write)?;
    Ok(done)
}

fn told(stop: ExportStop, place: &str) -> Ended {
    match stop {
        ExportStop::Write(error) => {
            let message = format!("{place} could not be written: {error}; the export is not there");
            Ended::Internal { message, hint: "make room, or name another file".to_owned() }
        }
        ExportStop::Unreadable { .. } => {
            let hint = "`--format jsonl` writes it as it is; `phasegate audit verify` checks the log";
            Ended::Internal { message: stop.to_string(), hint: hint.to_owned() }
        }
        ExportStop::Store(error) => error.into(),
    }
}

struct Work<'w> {
    engine: &'w Engine,
    format: Format,
    range: (u64, u64),
    out: &'w Out,
}

impl Work<'_> {
    fn run(&mut self, target: &mut dyn Write) -> Result<Exported, ExportStop> {
        let (out, to, mut told) = (self.out, self.range.1, 0);
        let done = self.engine.export_to(self.format, self.range, &mut |bytes, last| {
            if last / PROGRESS_RECORDS != told {
                told = last / PROGRESS_RECORDS;
                out.progress(&format!("{last} of {to} records"));
            }
            target.write_all(bytes)
        })?;
        target.flush().map_err(ExportStop::Write)?;
        out.progress("");
        Ok(done)
    }
}
