//! The gates that have to be run to be known, one file each, and one report for all. What a result means for a task
//! is decided in `domain`.

pub mod artifact;
pub mod changed;
pub mod find;
mod git;
pub mod hook;
pub mod language;
mod let_through;
pub(in crate::engine) mod output;
mod readers;
pub mod run;
pub mod syntax;
pub mod tree;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::domain::visible::shell_words;
use crate::domain::workflow::{GateKind, SyntaxFiles};
use changed::Chosen;
use hook::Verdict;
use output::{bounded, one_line};
use run::{Cancel, OnProgress, Outcome, Program, RunReport, millis, now};
use syntax::SyntaxReport;

const SYNTAX_BYTES: usize = 64 * 1024;
const SKIPPED_SHOWN: usize = 20;
const SHOWN_CHARS: usize = 80;

/// Where and for whom a gate is run.
#[derive(Clone, Debug)]
pub struct GateContext<'a> {
    pub root: &'a Path,
    pub task: &'a str,
    pub phase: &'a str,
    pub gate: &'a str,
    /// As `find::clean_environment` leaves it; the runners add `PHASEGATE_TASK`, `PHASEGATE_PHASE` and `CI`.
    pub env: &'a [(OsString, OsString)],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReport {
    pub passed: bool,
    /// One line, such as `cargo test` passed in 41 s.
    pub summary: String,
    /// Of what a program printed its first 8 KiB and last 56 KiB, which `run` has kept.
    pub detail: String,
    pub elapsed_ms: u64,
    /// The gate gave no answer, which refuses as well; the program or its place has to be mended, not the work.
    pub error: bool,
}

/// Runs one gate to its end; blocks the thread.
pub fn run(gate: &GateKind, ctx: &GateContext, cancel: Cancel, progress: OnProgress) -> GateReport {
    let started = now();
    let mut report = match gate {
        GateKind::Command { argv, within_seconds, .. } => {
            with_program(ctx, argv, *within_seconds, |program| of_command(program, cancel, progress))
        }
        GateKind::Hook { argv, within_seconds, .. } => {
            with_program(ctx, argv, *within_seconds, |program| of_hook(program, ctx, cancel, progress))
        }
        GateKind::Syntax { files } => of_syntax(files, ctx, cancel),
        GateKind::Artifact { .. }
        | GateKind::Approval(_)
        | GateKind::Children
        | GateKind::Tasks { .. }
        | GateKind::Budget => failed("this gate is not one that is run; its state follows from the task".into(), true),
    };
    report.elapsed_ms = millis(started.elapsed());
    report
}

fn with_program(
    ctx: &GateContext,
    argv: &[String],
    within_seconds: u64,
    run: impl FnOnce(&Program) -> GateReport,
) -> GateReport {
    let own = [("PHASEGATE_TASK", ctx.task), ("PHASEGATE_PHASE", ctx.phase), ("CI", "true")];
    let mut env = ctx.env.to_vec();
    env.extend(own.map(|(name, value)| (OsString::from(name), OsString::from(value))));
    let within = Duration::from_secs(within_seconds);
    run(&Program { argv, root: ctx.root, env: &env, within, stdin: None, stderr_apart: false })
}

fn of_command(program: &Program, cancel: Cancel, progress: OnProgress) -> GateReport {
    let report = run::run(program, cancel, progress);
    let (shown, took) = (shown(program.argv), took(report.elapsed_ms));
    let (summary, error) = match &report.outcome {
        Outcome::Exited(0) => (format!("{shown} passed in {took}"), false),
        Outcome::Exited(code) => (format!("{shown} failed with exit code {code} after {took}"), false),
        Outcome::Signalled(signal) => (format!("{shown} was killed by signal {signal} after {took}"), true),
        Outcome::TimedOut => (format!("{shown} was ended at its limit of {} s", program.within.as_secs()), false),
        Outcome::Cancelled => (format!("{shown} was cancelled after {took}"), true),
        Outcome::NotStarted(reason) => (reason.clone(), true),
    };
    let passed = report.outcome == Outcome::Exited(0);
    GateReport { passed, summary, detail: report.output, elapsed_ms: report.elapsed_ms, error }
}

fn of_hook(program: &Program, ctx: &GateContext, cancel: Cancel, progress: OnProgress) -> GateReport {
    let work_tree = ctx.root.to_string_lossy();
    let input = json!({"task": ctx.task, "phase": ctx.phase, "gate": ctx.gate, "work_tree": work_tree});
    let report = hook::ask(program, &input, cancel, progress);
    let RunReport { output, elapsed_ms, .. } = report.run;
    let shown = shown(program.argv);
    match report.verdict {
        Verdict::Pass => {
            let summary = format!("{shown} passed in {}", took(elapsed_ms));
            GateReport { passed: true, summary, detail: output, elapsed_ms, error: false }
        }
        Verdict::Refuse(reason) => GateReport {
            detail: reason.clone(),
            ..failed(format!("{shown} refused: {}", one_line(&reason, 200)), false)
        },
        Verdict::Error(why) => GateReport { detail: output, ..failed(format!("{shown} gave no answer: {why}"), true) },
    }
}

fn of_syntax(files: &SyntaxFiles, ctx: &GateContext, cancel: Cancel) -> GateReport {
    let chosen = match files {
        SyntaxFiles::Changed => changed::changed_files(ctx.root, ctx.env, cancel),
        SyntaxFiles::Matching(globs) => changed::matching_files(ctx.root, globs, ctx.env, cancel),
    };
    match chosen {
        Ok(chosen) => told(&chosen, &syntax::check_files(ctx.root, &chosen.files, cancel)),
        Err(why) => failed(why, true),
    }
}

fn told(chosen: &Chosen, report: &SyntaxReport) -> GateReport {
    let mut summary = match (report.errors.first(), report.errors.len()) {
        _ if report.cancelled => "the syntax check was cancelled".into(),
        (None, _) if chosen.files.is_empty() => "no files to check".into(),
        (None, _) => format!("{} parse", counted(report.checked, "file")),
        (Some(first), 1) => format!("{}:{} does not parse", first.path.display(), first.line),
        (Some(first), count) => {
            format!("{}:{} and {} do not parse", first.path.display(), first.line, counted(count - 1, "other place"))
        }
    };
    if !report.skipped.is_empty() {
        summary.push_str(&format!(", {} skipped", report.skipped.len()));
    }
    if let Some(note) = &chosen.note {
        summary.push_str(&format!(" ({note})"));
    }
    let mut detail = String::new();
    for error in &report.errors {
        let place = format!("{}:{}:{}", error.path.display(), error.line, error.column);
        detail.push_str(&format!("{place}: {}\n{}\n", error.message, error.excerpt));
    }
    for (path, why) in report.skipped.iter().take(SKIPPED_SHOWN) {
        detail.push_str(&format!("skipped {}: {why}\n", path.display()));
    }
    if report.skipped.len() > SKIPPED_SHOWN {
        detail.push_str(&format!("skipped {} more\n", report.skipped.len() - SKIPPED_SHOWN));
    }
    let detail = bounded(output::printable(detail.as_bytes()), SYNTAX_BYTES);
    let passed = report.errors.is_empty() && !report.cancelled;
    GateReport { passed, summary: one_line(&summary, 300), detail, elapsed_ms: 0, error: report.cancelled }
}

fn failed(summary: String, error: bool) -> GateReport {
    GateReport { passed: false, summary, detail: String::new(), elapsed_ms: 0, error }
}

fn shown(argv: &[String]) -> String {
    format!("`{}`", one_line(&shell_words(argv), SHOWN_CHARS))
}

fn took(elapsed_ms: u64) -> String {
    if elapsed_ms < 1000 { format!("{elapsed_ms} ms") } else { format!("{} s", elapsed_ms / 1000) }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
