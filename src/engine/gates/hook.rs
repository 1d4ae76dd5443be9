//! A gate that asks a program: exit 0 passes, exit 2 refuses with its stderr as the reason, anything else is an error
//! and refuses. Which programs may be asked is not decided here.

use serde_json::Value;

use super::run::{Cancel, OnProgress, Outcome, Program, RunReport, run};

const REASON_BYTES: usize = 4 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// The program's own reason.
    Refuse(String),
    /// It did not answer; what happened.
    Error(String),
}

#[derive(Clone, Debug)]
pub struct HookReport {
    pub verdict: Verdict,
    pub run: RunReport,
}

/// Gives the program one JSON object on stdin and reads its answer; `program.stdin` is overwritten.
pub fn ask(program: &Program, input: &Value, cancel: Cancel, progress: OnProgress) -> HookReport {
    let line = format!("{input}\n");
    let program = Program { stdin: Some(line.as_bytes()), stderr_apart: true, ..program.clone() };
    let run = run(&program, cancel, progress);
    let verdict = match &run.outcome {
        Outcome::Exited(0) => Verdict::Pass,
        Outcome::Exited(2) => Verdict::Refuse(reason(&run)),
        Outcome::Exited(code) => Verdict::Error(format!("it ended with exit code {code}; only 0 and 2 are answers")),
        Outcome::Signalled(signal) => Verdict::Error(format!("it was killed by signal {signal}")),
        Outcome::TimedOut => Verdict::Error(format!("it did not answer within {} s", program.within.as_secs())),
        Outcome::Cancelled => Verdict::Error("it was cancelled".into()),
        Outcome::NotStarted(reason) => Verdict::Error(reason.clone()),
    };
    HookReport { verdict, run }
}

fn reason(run: &RunReport) -> String {
    let said = super::output::bounded(run.stderr.trim().to_owned(), REASON_BYTES);
    if said.is_empty() { "it gave no reason on stderr".into() } else { said }
}
