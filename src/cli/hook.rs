//! `phasegate hook CLIENT`: one event on standard input, one answer in the client's own words. Whatever goes wrong, a call
//! that was to be judged does not run.

use std::io::Read;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use crate::clients::hooked::{HookAnswer, HookEvent, Printed};
use crate::clients::{self, Client, EVENT_BYTES_MAX};
use crate::config::settings::Environment;
use crate::engine::hook::Told;
use crate::engine::{self, Failure, clock};

use super::hook_guard::Settings;
use super::{Ended, Global, Out, Place};

/// Far inside what clients grant a hook, so that the word is ours and not their time limit's.
const WITHIN: Duration = Duration::from_secs(6);

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
        let known: Vec<&str> = clients::CLIENTS.iter().map(|client| client.name).collect();
        let message = format!("phasegate: `{}` is no client whose hooks are known: {}", args.client, known.join(", "));
        return print(out, &Printed { stderr: message, code: 2, ..Printed::default() });
    };
    print(out, &answered(client, global))
}

fn input() -> Result<Vec<u8>, String> {
    let mut event = Vec::new();
    let most = u64::try_from(EVENT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    match std::io::stdin().lock().take(most).read_to_end(&mut event) {
        Ok(_) => Ok(event),
        Err(error) => Err(failed(&format!("its input could not be read: {error}"), "")),
    }
}

fn print(out: &Out, printed: &Printed) -> u8 {
    if !printed.stdout.is_empty() {
        out.text(&printed.stdout);
    }
    if !printed.stderr.is_empty() {
        out.aside(&printed.stderr);
    }
    // An answer that nobody got is none.
    if out.was_lost() { 2 } else { printed.code }
}

/// On a thread of its own, so that neither an input that does not end nor a store that hangs can make the hook hang.
fn answered(client: &'static Client, global: &Global) -> Printed {
    let (tell, told) = mpsc::channel();
    let global = global.clone();
    // What was read is kept for the answer to a fault: the end of a turn is not held up by one.
    let event = Arc::new(OnceLock::new());
    let known = Arc::clone(&event);
    let work = move || {
        let result = input().and_then(|bytes| answer(client, &global, known.get_or_init(|| bytes)));
        let _ = tell.send(result);
    };
    let started = std::thread::Builder::new().name("phasegate-hook".to_owned()).spawn(work);
    let why = match started {
        Ok(_) => match told.recv_timeout(WITHIN) {
            Ok(Ok(printed)) => return printed,
            Ok(Err(why)) => why,
            Err(mpsc::RecvTimeoutError::Timeout) => failed(
                &format!("it could not decide within {} s", WITHIN.as_secs()),
                "another program may hold the store; `phasegate doctor` looks",
            ),
            Err(mpsc::RecvTimeoutError::Disconnected) => failed("it broke", "`phasegate doctor` checks the set-up"),
        },
        Err(error) => failed(&format!("it could not start: {error}"), "free some memory, then try again"),
    };
    (client.failed)(event.get().map_or(&[], Vec::as_slice), &why)
}

fn failed(what: &str, hint: &str) -> String {
    let hint = if hint.is_empty() { String::new() } else { format!("\nnext: {hint}") };
    format!("phasegate could not judge this, so it does not run: {what}{hint}")
}

fn answer(client: &'static Client, global: &Global, event: &[u8]) -> Result<Printed, String> {
    let hooked = (client.read)(event).map_err(|why| failed(&why, "this client may be newer than this phasegate"))?;
    let environment = Environment::read();
    // Not where the call runs: that may be the agent's choice, and another folder has no workspace to judge it.
    let project = environment.client.project.clone().or_else(|| std::env::current_dir().ok());
    let here = project.unwrap_or_else(|| hooked.cwd.clone());
    let home = environment.home.clone();
    let config = environment.config_home.as_ref().map(|folder| folder.join("phasegate"));
    let surroundings = environment.client.clone();
    let place = Place::from(global, &here, environment).map_err(|ended| said(&ended))?;
    if !governs(&place) {
        return Ok((client.answer)(&hooked, &HookAnswer::Nothing));
    }
    let engine = engine::open_for_one(place.workspace.clone(), &place.settings, Arc::new(clock::System))
        .map_err(|failure| said(&failure.into()))?;
    let project = surroundings.project.as_deref().unwrap_or(&place.workspace.root);
    let settings = Settings::of(client, project, home.as_deref(), surroundings.claude_config.as_deref());
    let binary = std::env::current_exe().map_err(|error| failed(&error.to_string(), ""))?;
    let guard = settings.guard(client, &surroundings, &binary);
    let told = Told {
        client: client.name,
        guard: guard.guard,
        guard_why: guard.why,
        guard_lost: guard.lost,
        call_ids: client.abilities.call_ids,
        asks: client.abilities.asks && surroundings.entrypoint.as_deref().is_none_or(|how| how == "cli"),
        rewrite: client.abilities.rewrites.then_some(client.rewrite_shell),
        route: client.abilities.rewrites.then_some(client.set_model),
        text_of_result: client.text_of_result,
        theirs: settings.their_rules(),
        binary,
        home,
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
