//! `phasegate hook CLIENT`: one event on standard input, one answer in the client's own words. Whatever goes wrong, a call
//! that was to be judged does not run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;

use crate::clients::hooked::{HookAnswer, HookEvent, Printed};
use crate::clients::setup::session::turns;
use crate::clients::{self, Client, EVENT_BYTES_MAX};
use crate::config::settings::{Environment, asked_variables, environment_variables};
use crate::domain::ids::AgentName;
use crate::engine::clock::{self, Stopwatch};
use crate::engine::hook::Told;
use crate::engine::{self, Engine, Failure};

use super::hook_guard::Settings;
use super::{Ended, Global, Out, Place, hook_server};

/// Far inside what clients grant a hook, so that the word is ours and not their time limit's.
const WITHIN: Duration = Duration::from_secs(6);

const PIECE_BYTES: usize = 4096;
const PIECE_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// claude-code, codex, gemini or opencode.
    client: String,
}

impl Args {
    pub fn of(client: &str) -> Self {
        Self { client: client.to_owned() }
    }
}

pub fn run(args: &Args, global: &Global, out: &Out) -> u8 {
    let Some(client) = clients::find(&args.client) else {
        global.start_log();
        let known: Vec<&str> = clients::CLIENTS.iter().map(|client| client.name).collect();
        let message = format!("phasegate: `{}` is no client whose hooks are known: {}", args.client, known.join(", "));
        return print(out, &Printed { stderr: message, code: 2, ..Printed::default() });
    };
    out.says_it_waits(
        "waits for one event of the client on its input, as JSON; its hooks start this, a person need not.",
    );
    answered(client, global, out)
}

/// All of it, within the time.
fn input(taken: &Stopwatch) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| failed(&format!("its input could not be read: {error}"), "");
    let stdin = std::io::stdin();
    let (mut event, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    while event.len() <= EVENT_BYTES_MAX {
        let left = WITHIN.saturating_sub(taken.elapsed());
        let time = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], time.as_ref()) {
            Ok(0) => return Err(unsent()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(fault(error.into())),
        }
        match rustix::io::read(&stdin, &mut piece) {
            Ok(0) => break,
            Ok(read) => {
                event.extend_from_slice(piece.get(..read).unwrap_or_default());
                // Most events are short; each page that is touched costs a microsecond or two.
                piece.resize(event.len().clamp(PIECE_BYTES, PIECE_BYTES_MAX), 0);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(fault(error.into())),
        }
    }
    Ok(event)
}

/// Whoever started it sends nothing, or does not say that this was all.
fn unsent() -> String {
    let what = format!("its input had not ended after {} s", WITHIN.as_secs());
    failed(&what, "a client's hook starts this, writes one event to its input as JSON, and closes it")
}

fn late() -> String {
    let what = format!("it could not decide within {} s", WITHIN.as_secs());
    failed(&what, "another program may hold the store; `phasegate doctor` looks")
}

fn print(out: &Out, printed: &Printed) -> u8 {
    // Written to nobody it would look well said, and a client that hears nothing lets the call pass.
    if let Some(reason) = to_be_heard(printed).filter(|_| is_unheard()) {
        out.aside(&reason);
        return 2;
    }
    // Nothing to say is said too: a client that reads no object cannot tell it from a hook that broke.
    match printed.stdout.as_str() {
        "" if printed.code == 0 => out.text("{}"),
        "" => {}
        stdout => out.text(stdout),
    }
    if !printed.stderr.is_empty() {
        out.aside(&printed.stderr);
    }
    // An answer that nobody got is none.
    if out.was_lost() { 2 } else { printed.code }
}

/// Standard output goes nowhere: it was closed, and the runtime put /dev/null in its place, or it is open for reading only.
fn is_unheard() -> bool {
    use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
    let stdout = std::io::stdout();
    let is_read = fcntl_getfl(&stdout).map_or(true, |flags| flags & OFlags::RWMODE == OFlags::RDONLY);
    let (Ok(known), Ok(null)) = (fstat(&stdout), stat("/dev/null")) else { return true };
    let is_device = FileType::from_raw_mode(known.st_mode) == FileType::CharacterDevice;
    is_read || is_device && known.st_rdev == null.st_rdev
}

/// Why what was to happen must not go on where this answer does not arrive: a no, a question, and a yes to another form of
/// the call only. Words for the model are lost without harm, and a plain yes leaves the client to its own rules.
fn to_be_heard(printed: &Printed) -> Option<String> {
    if printed.code != 0 || printed.stdout.is_empty() {
        return None;
    }
    let Ok(said) = serde_json::from_str::<Value>(&printed.stdout) else { return Some(printed.stdout.clone()) };
    let at = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let words = [
        ("/hookSpecificOutput/permissionDecision", "/hookSpecificOutput/permissionDecisionReason"),
        ("/hookSpecificOutput/decision/behavior", "/hookSpecificOutput/decision/message"),
        ("/decision", "/reason"),
        ("/deny", "/deny"),
    ];
    let no = words.iter().find(|(decision, _)| at(decision).is_some_and(|word| word != "allow"));
    let others = [
        "/hookSpecificOutput/updatedInput",
        "/hookSpecificOutput/decision/updatedInput",
        "/hookSpecificOutput/tool_input",
        "/args",
    ];
    match no {
        Some((_, reason)) => Some(at(reason).unwrap_or("phasegate: this does not run").to_owned()),
        None => others.iter().find(|input| said.pointer(input).is_some()).map(|_| {
            "phasegate lets this run only in another form, and its answer does not reach the client: standard output is closed"
                .to_owned()
        }),
    }
}

/// A server of the same workspace answers at once, where one runs; it has the store open. Else the store is opened here.
fn answered(client: &'static Client, global: &Global, out: &Out) -> u8 {
    let taken = Stopwatch::start();
    let event = match input(&taken) {
        Ok(event) => event,
        Err(why) => {
            global.start_log();
            return print(out, &(client.failed)(&[], &why));
        }
    };
    let mut variables = global.is_plain().then(asked_variables).flatten();
    if let Some(variables) = &mut variables {
        // So that what settings set already is known to be set.
        let turning =
            environment_variables().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        variables.extend(turning.filter(|(name, _)| turns(name)));
    }
    let served = variables.and_then(|variables| hook_server::ask(client, &event, variables));
    match served {
        Some(printed) => print(out, &printed),
        None => answered_here(client, global, out, event, WITHIN.saturating_sub(taken.elapsed())),
    }
}

/// Somebody else watches the time, so that a store that hangs cannot make the hook hang. The work stays on the first thread:
/// a second one would begin with memory of its own, page by page.
fn answered_here(client: &'static Client, global: &Global, out: &Out, event: Vec<u8>, within: Duration) -> u8 {
    // No sooner: reading its filter takes longer than asking a server.
    global.start_log();
    let event = Arc::new(event);
    let is_answered = Arc::new(AtomicBool::new(false));
    let (_working, watched) = mpsc::channel::<()>();
    let (known, taken) = (Arc::clone(&event), Arc::clone(&is_answered));
    let watch = move || {
        let is_late = matches!(watched.recv_timeout(within), Err(mpsc::RecvTimeoutError::Timeout));
        if is_late && !taken.swap(true, Ordering::SeqCst) {
            end(print(&Out::new(false), &(client.failed)(&known, &late())));
        }
    };
    let work = || answer(client, global, &event);
    let result = match std::thread::Builder::new().name("phasegate-watch".to_owned()).spawn(watch) {
        Ok(_) => catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(failed("it broke", "`phasegate doctor` checks the set-up"))),
        Err(error) => Err(failed(&format!("it could not start: {error}"), "free some memory, then try again")),
    };
    while is_answered.swap(true, Ordering::SeqCst) {
        // Too late: the watcher has the word, and ends the process.
        std::thread::park();
    }
    // What was read is there for the answer to a fault: the end of a turn is not held up by one.
    print(out, &result.unwrap_or_else(|why| (client.failed)(&event, &why)))
}

#[expect(clippy::disallowed_methods, reason = "the first thread hangs, so nobody else can")]
fn end(code: u8) -> ! {
    std::process::exit(code.into())
}

fn failed(what: &str, hint: &str) -> String {
    let hint = if hint.is_empty() { String::new() } else { format!("\nnext: {hint}") };
    format!("phasegate could not judge this, so it does not run: {what}{hint}")
}

/// Who asks: the hook's own process, or one that a server answers for.
pub struct Asking<'a> {
    pub client: &'static Client,
    pub event: &'a [u8],
    pub environment: Environment,
    /// Where its process runs.
    pub here: Option<PathBuf>,
    pub binary: PathBuf,
    pub is_set: &'a dyn Fn(&str, &str) -> bool,
}

fn answer(client: &'static Client, global: &Global, event: &[u8]) -> Result<Printed, String> {
    let asking = Asking {
        client,
        event,
        environment: Environment::read(),
        here: std::env::current_dir().ok(),
        binary: std::env::current_exe().map_err(|error| failed(&error.to_string(), ""))?,
        is_set: &|name, value| environment_variables().any(|(known, set)| known == name && set == value),
    };
    let mut opened = None;
    let printed = judged(asking, global, |place| {
        let engine = engine::open_for_one(place.workspace.clone(), &place.settings, Arc::new(clock::System));
        let engine = Arc::new(engine.map_err(|failure| said(&failure.into()))?);
        opened = Some(Arc::clone(&engine));
        Ok(engine)
    });
    if let Some(engine) = opened {
        engine.after_hook();
        // Not closed: the process ends now. Whoever closes a store last writes all of it back, which takes longer than the
        // rest.
        std::mem::forget(engine);
    }
    printed
}

pub fn judged(
    asking: Asking<'_>,
    global: &Global,
    open: impl FnOnce(&Place) -> Result<Arc<Engine>, String>,
) -> Result<Printed, String> {
    let Asking { client, event, environment, here, binary, is_set } = asking;
    let hooked = (client.read)(event).map_err(|why| failed(&why, "this client may be newer than this phasegate"))?;
    // Not where the call runs: that may be the agent's choice, and another folder has no workspace to judge it.
    let project = environment.client.project.clone().or(here);
    let here = project.unwrap_or_else(|| hooked.cwd.clone());
    let home = environment.home.clone();
    let config = environment.config_home.as_ref().map(|folder| folder.join("phasegate"));
    let surroundings = environment.client.clone();
    let place = Place::from(global, &here, environment).map_err(|ended| said(&ended))?;
    if !governs(&place) {
        return Ok((client.answer)(&hooked, &HookAnswer::Nothing));
    }
    let engine = open(&place)?;
    let project = surroundings.project.as_deref().unwrap_or(&place.workspace.root);
    let settings = Settings::of(client, project, home.as_deref(), surroundings.claude_config.as_deref());
    let guard = settings.guard(client, &surroundings, &binary, is_set);
    let told = Told {
        client: client.name,
        guard: guard.guard,
        guard_why: guard.why,
        guard_lost: guard.lost,
        call_ids: client.abilities.call_ids,
        asks: client.abilities.asks && surroundings.entrypoint.as_deref().is_none_or(|how| how == "cli"),
        rewrite: client.abilities.rewrites.then_some(client.rewrite_shell),
        own_sandbox: client.abilities.confines || settings.has_sandbox(),
        route: client.abilities.rewrites.then_some(client.set_model),
        text_of_result: client.text_of_result,
        theirs: settings.their_rules(),
        binary,
        home,
        agent: place.settings.agent.clone().map(AgentName),
        own_paths: config.into_iter().collect(),
        hooked,
    };
    let answer = match engine.hook(&told) {
        Ok(answer) => answer,
        Err(Failure::Refused(refusal)) if matches!(told.hooked.event, HookEvent::Before(_)) => {
            HookAnswer::Deny { reason: format!("phasegate: {refusal}") }
        }
        Err(Failure::Refused(refusal)) => HookAnswer::Tell { context: format!("phasegate: {refusal}") },
        Err(Failure::Broken(error)) => return Err(failed(&error.to_string(), error.hint())),
    };
    Ok((client.answer)(&told.hooked, &answer))
}

/// Hooks of a user or a plugin run everywhere; a folder that has nothing of phasegate is left alone.
fn governs(place: &Place) -> bool {
    place.has_store() || place.workspace.workflow_file().exists()
}

fn said(ended: &Ended) -> String {
    let (message, hint) = ended.said();
    failed(&message, &hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_and_another_form_have_to_be_heard_and_words_do_not() {
        for (stdout, wanted) in [
            ("", None),
            (r#"{"hookSpecificOutput":{"permissionDecision":"allow","additionalContext":"x"}}"#, None),
            (r#"{"hookSpecificOutput":{"additionalContext":"x"}}"#, None),
            (r#"{"systemMessage":"x"}"#, None),
            (r#"{"decision":"allow"}"#, None),
            (r#"{"hookSpecificOutput":{"permissionDecision":"deny","permissionDecisionReason":"r"}}"#, Some("r")),
            (r#"{"hookSpecificOutput":{"permissionDecision":"ask","permissionDecisionReason":"r"}}"#, Some("r")),
            (r#"{"hookSpecificOutput":{"decision":{"behavior":"deny","message":"r"}}}"#, Some("r")),
            (r#"{"decision":"block","reason":"r"}"#, Some("r")),
            (r#"{"deny":"r"}"#, Some("r")),
            (r#"{"hookSpecificOutput":{"permissionDecision":"allow","updatedInput":{}}}"#, Some("another form")),
            (r#"{"decision":"allow","hookSpecificOutput":{"tool_input":{}}}"#, Some("another form")),
            (r#"{"args":{}}"#, Some("another form")),
        ] {
            let said = to_be_heard(&Printed { stdout: stdout.to_owned(), ..Printed::default() });
            assert_eq!(said.is_some(), wanted.is_some(), "{stdout}: {said:?}");
            assert!(said.unwrap_or_default().contains(wanted.unwrap_or_default()), "{stdout}");
        }
    }
}
