//! Carrying out an approved act: its start uses up the approval, then it runs as it was approved, then its end is on
//! record. What runs is taken from the approval, never from whoever asks for it.

use std::time::Duration;

use serde_json::Value;

use crate::domain::canonical;
use crate::domain::command::{Command, FinishCall};
use crate::domain::decide::raise;
use crate::domain::event::Event;
use crate::domain::facts::Caller;
use crate::domain::ids::{ApprovalId, CallId};
use crate::domain::refusal::{Code, Refusal};
use crate::store::{Attachment, Scope};

use super::gates::run::{Outcome, Program, run};
use super::{Engine, Failure, Watch};

/// The client's shell, by the name its calls have.
const SHELL: &str = "Bash";
const WITHIN_SECONDS: u64 = 600;
const WITHIN_MOST: u64 = 7200;
/// What the record of the end may take beyond the act itself.
const GRACE_SECONDS: u64 = 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub call: CallId,
    pub well: bool,
    pub summary: String,
    pub output: String,
}

impl Engine {
    /// Once, as approved. Whatever happens on the way, the approval is used up by the start.
    pub fn carry_out(&self, caller: &Caller, id: ApprovalId, watch: &dyn Watch) -> Result<Carried, Failure> {
        let known = self.approval(id)?;
        let within = match known.as_ref().and_then(|known| known.call()) {
            Some((SHELL, arguments)) => shell(arguments).1,
            Some((tool, _)) => {
                let message = format!("{id} is about a call of `{tool}`, which phasegate does not carry out");
                let hint = if crate::tools::find(tool).is_ok() {
                    "tools of phasegate are called as usual, with the approved arguments"
                } else {
                    "the agent does it with its own tool; phasegate does not see it"
                };
                return Err(Refusal::new(Code::ApprovalClosed, message, hint).into());
            }
            // The command has the words for everything else.
            None => WITHIN_SECONDS,
        };
        let start = Command::StartCall { approval: id, limit_seconds: within + GRACE_SECONDS };
        let started = self.command(caller, "exec", Scope::Start(id), start, Vec::new())?;
        let call = started.events.iter().find_map(|event| match event {
            Event::CallStarted { call, .. } => Some(*call),
            _ => None,
        });
        // As it stands in the transaction of the start: a look before that may be of another answer.
        let approved = started.facts.state.approvals.get(&id).and_then(|known| known.call());
        let (command, _) = approved.map_or_else(|| shell(&Value::Null), |(_, arguments)| shell(arguments));
        let argv = ["bash", "-c", &command].map(str::to_owned);
        let program = Program {
            argv: &argv,
            root: &self.workspace.root,
            env: &self.gate_environment,
            within: Duration::from_secs(within),
            stdin: None,
            stderr_apart: false,
        };
        let stop = || {
            let _ = self.renew_after_read(&caller.agent);
            watch.cancelled()
        };
        let report = run(&program, &stop, &|progress| watch.progress(&progress.last_line));
        let (well, summary) = match &report.outcome {
            Outcome::Exited(0) => (true, format!("it ended well after {} ms", report.elapsed_ms)),
            Outcome::Exited(code) => (false, format!("it ended with exit code {code} after {} ms", report.elapsed_ms)),
            Outcome::Signalled(signal) => (false, format!("it was killed by signal {signal}")),
            Outcome::TimedOut => (false, format!("it was ended at its limit of {within} s")),
            Outcome::Cancelled => (false, "it was cancelled while it ran".to_owned()),
            Outcome::NotStarted(why) => (false, format!("it could not be started: {why}")),
        };
        let call = call.unwrap_or(CallId(0));
        // What is kept is the record of it; whoever asked for it sees it as it was.
        let content = self.screening.clean(report.output.clone()).into_bytes();
        let sha256 = canonical::sha256(&content);
        let output = (!content.is_empty()).then(|| sha256.clone());
        let finish = Command::FinishCall(FinishCall { call, well, summary: summary.clone(), output });
        let kept = vec![Attachment::Blob { sha256, content }];
        self.command(caller, "exec", Scope::Call(call), finish, kept)?;
        Ok(Carried { call, well, summary, output: report.output })
    }
}

/// What could not run, or would run without its limit, is not worth a person's time.
pub fn could_run(tool: &str, arguments: &Value) -> Result<(), Refusal> {
    if tool == raise::RAISE {
        return raise::readable(arguments);
    }
    if tool != SHELL {
        return Ok(());
    }
    let command = arguments.get("command").and_then(Value::as_str).unwrap_or_default();
    let timeout = arguments.get("timeout").is_none_or(Value::is_u64);
    if !command.trim().is_empty() && !command.contains('\0') && timeout {
        return Ok(());
    }
    let message = "a call of `Bash` takes `command`, a text that is not empty, and may take `timeout` in milliseconds";
    Err(Refusal::new(
        Code::BadArguments,
        message,
        "such as {\"tool\":\"Bash\",\"arguments\":{\"command\":\"make deploy\"}}",
    ))
}

/// The command line and its time limit in seconds. A call without a command runs nothing, and bash says so.
fn shell(arguments: &Value) -> (String, u64) {
    let command = arguments.get("command").and_then(Value::as_str).unwrap_or("exit 127").to_owned();
    // Clients give the limit in milliseconds.
    let within = arguments.get("timeout").and_then(Value::as_u64).map_or(WITHIN_SECONDS, |ms| ms.div_ceil(1000));
    (command, within.clamp(1, WITHIN_MOST))
}
