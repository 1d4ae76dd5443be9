//! The command line: one file a group of commands. It reads flags, calls the engine, prints; it decides nothing.

mod approvals;
mod approver;
mod audit;
pub mod board;
mod bypass;
mod call;
mod channels;
mod context;
mod demo;
mod doctor;
mod exec;
mod hook;
mod hook_guard;
mod hook_server;
mod init;
mod keep;
mod learned;
mod log;
mod migrate;
mod models;
mod output;
mod parse;
mod place;
mod policy;
mod route;
mod savings;
mod schemas;
mod serve;
mod serve_http;
mod sessions;
mod signing;
mod spending;
mod tasks;
mod token;
mod told;
mod violations;
mod welcome;
mod workflow;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::telemetry::{LogFormat, log_format};

pub use output::Ended;
use output::Out;
pub use parse::read;
use place::Place;
pub use schemas::{SCHEMAS, schema};

/// The control point for AI coding agents: hands out work, keeps it to phases, records everything.
#[derive(Debug, Parser)]
#[command(name = "phasegate", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Alone on a terminal: the state of this workspace. With a pipe on stdin: the MCP server over stdio.\n\
                        Exit codes: 0 done, 1 refused, 2 usage (what was typed cannot be meant), 3 internal."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// Folder of the workspace; default: the nearest `.phasegate/` upwards, else the git root, else here.
    #[arg(long, global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Where the state lies: `sqlite:PATH`, `postgres://…` [env: PHASEGATE_STORE]
    #[arg(long, global = true, value_name = "URL")]
    store: Option<String>,
    /// The name to work under [env: PHASEGATE_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    agent: Option<String>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    /// How the log on standard error is written [env: PHASEGATE_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<Log>,
}

impl Global {
    fn start_log(&self) {
        log::start(self.log_format.map_or_else(|| log_format().unwrap_or_default(), LogFormat::from));
    }

    /// A hook does not ask: it is not to fail for how its log looks.
    fn checked_log(&self) -> Result<(), Ended> {
        match log_format() {
            Err(word) if self.log_format.is_none() => {
                let message = format!("PHASEGATE_LOG_FORMAT is `{word}`, and a log is written as `text` or `json`");
                Err(Ended::usage(message, "set it to one of them, or unset it"))
            }
            _ => Ok(()),
        }
    }

    /// Nothing was said on the command line.
    fn is_plain(&self) -> bool {
        let Self { workspace, store, agent, json, log_format } = self;
        workspace.is_none() && store.is_none() && agent.is_none() && !json && log_format.is_none()
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Log {
    Text,
    Json,
}

impl From<Log> for LogFormat {
    fn from(log: Log) -> Self {
        match log {
            Log::Text => Self::Text,
            Log::Json => Self::Json,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up this repository and the clients that are here; `--undo` takes it back.
    Init(Box<init::Args>),
    /// Run the MCP server, over stdio or HTTP.
    Serve(Box<serve::Args>),
    /// See the product at work: a scripted agent goes through a whole task, in a temporary folder.
    Demo,
    /// Call one tool as an agent would.
    Call(call::Args),
    /// What runs, who waits for whom.
    Board(board::Args),
    /// List, show and tend tasks.
    Tasks(tasks::Args),
    /// Runs of clients: who works in them, and how well each is guarded.
    Sessions(sessions::Args),
    /// See and answer what agents ask a person.
    Approvals(approvals::Args),
    /// Who may answer with a signature, and their keys.
    Approver(approver::Args),
    /// Credentials for those who call over HTTP.
    Token(token::Args),
    /// Carry out an approved act, once, as approved.
    Exec(exec::Args),
    /// Judge one event of a client: called by its hooks, with the event on standard input.
    Hook(hook::Args),
    /// A recorded hole in named rules, for a time.
    Bypass(bypass::Args),
    /// List and test the ways to reach people.
    Channels(channels::Args),
    /// Judge calls by the rules: check, explain, lint, test.
    Policy(policy::Args),
    /// Make a text shorter for a query, or split it for several readers.
    Context(Box<context::Args>),
    /// Models that can be routed to, what they cost, and newer prices.
    Models(models::Args),
    /// Which tier of model a piece of work deserves; `--jsonl` learns from outcomes as it goes.
    Route(route::Args),
    /// Trust, check, explain and compare workflows.
    Workflow(workflow::Args),
    /// Ask the log what happened.
    Audit(Box<audit::Args>),
    /// Print the JSON Schema of a tool, of events, of the workflow file or of the settings.
    Schema(schemas::Args),
    /// Copy the store, while it is in use, to a file.
    Backup(keep::BackupArgs),
    /// Bring a backup back in place of the store.
    Restore(keep::RestoreArgs),
    /// Move the store to another place, such as from SQLite to PostgreSQL.
    Migrate(migrate::Args),
    /// Check the whole set-up.
    Doctor,
    /// Print a completion script for your shell.
    Completions {
        /// The shell that reads it.
        shell: clap_complete::Shell,
    },
}

/// The two that stand before each call of a client, read without the rest of the command line being built up. Nothing where
/// it is anything else, be it the same with an option more.
pub fn at_once(arguments: impl Iterator<Item = OsString>) -> Option<u8> {
    let words: Vec<String> = arguments.take(5).map(OsString::into_string).collect::<Result<_, _>>().ok()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["hook", client] if !client.starts_with('-') => {
            Some(hook::run(&hook::Args::of(client), &Global::default(), &Out::new(false)))
        }
        ["exec", "--from", folder, id] => exec::confined(&exec::Args::waiting(folder, id)?),
        _ => None,
    }
}

/// Runs what the command line asks for; the exit code is the result.
pub fn run(cli: Cli) -> u8 {
    // Before anything that takes time or a thread: it stands between a shell and each of its commands.
    if let Some(Command::Exec(args)) = &cli.command
        && let Some(code) = exec::confined(args)
    {
        return code;
    }
    let out = Out::new(cli.global.json);
    // It starts the log itself, where it needs one.
    if let Some(Command::Hook(args)) = &cli.command {
        return hook::run(args, &cli.global, &out);
    }
    cli.global.start_log();
    let ended = cli.global.checked_log().and_then(|()| dispatch(&cli, &out));
    // The two that agents run as well: `call` is theirs, and `exec` knows who runs it.
    let for_agents = matches!(cli.command, Some(Command::Call(_) | Command::Exec(_)));
    out.end(if for_agents { ended } else { ended.map_err(told::to_person) })
}

fn dispatch(cli: &Cli, out: &Out) -> Result<(), Ended> {
    let place = || Place::of(&cli.global);
    match &cli.command {
        // A server says nothing that is asked for with `--json`.
        None if !out.stdin_is_terminal() && !out.is_json() => serve::run(place()?),
        None => welcome::run(&place()?, out),
        Some(Command::Init(args)) => init::run(args, &place()?, out),
        Some(Command::Serve(args)) => serve::chosen(args, place()?, out),
        Some(Command::Demo) => demo::run(out),
        Some(Command::Call(args)) => call::run(args, &place()?, out),
        Some(Command::Board(args)) => board::run(args, &place()?, out),
        Some(Command::Tasks(args)) => tasks::run(args, &place()?, out),
        Some(Command::Sessions(args)) => sessions::run(args, &place()?, out),
        Some(Command::Approvals(args)) => approvals::run(args, &place()?, out),
        Some(Command::Approver(args)) => approver::run(args, &place()?, out),
        Some(Command::Token(args)) => token::run(args, &place()?, out),
        Some(Command::Exec(args)) => exec::run(args, &place()?, out),
        Some(Command::Bypass(args)) => bypass::run(args, &place()?, out),
        Some(Command::Channels(args)) => channels::run(args, &place()?, out),
        Some(Command::Policy(args)) => policy::run(args, place, out),
        Some(Command::Context(args)) => context::run(args, place, out),
        Some(Command::Models(args)) => models::run(args, &place()?, out),
        Some(Command::Route(args)) => route::run(args, place, out),
        Some(Command::Workflow(args)) => workflow::run(args, &place()?, out),
        Some(Command::Audit(args)) => audit::run(args, &place()?, out),
        Some(Command::Schema(args)) => schemas::run(args, out),
        Some(Command::Backup(args)) => keep::backup(args, &place()?, out),
        Some(Command::Restore(args)) => keep::restore(args, &place()?, out),
        Some(Command::Migrate(args)) => migrate::run(args, &place()?, out),
        // Answered before anything else could print.
        Some(Command::Hook(_)) => Ok(()),
        Some(Command::Doctor) => doctor::run(&place()?, out),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "phasegate", &mut script);
            out.text(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_says_what_it_is() {
        // Not gone through yet.
        const LATER: [&str; 4] = ["approvals", "approver", "bypass", "workflow"];
        let (mut commands, mut silent) = (vec![(String::new(), Cli::command())], Vec::new());
        while let Some((path, command)) = commands.pop() {
            let unsaid = command.get_arguments().filter(|known| !known.is_hide_set() && known.get_help().is_none());
            silent.extend(unsaid.map(|known| format!("{path} {}", known.get_id())));
            let below = command.get_subcommands().filter(|known| !LATER.contains(&known.get_name()));
            commands.extend(below.map(|known| (format!("{path} {}", known.get_name()), known.clone())));
        }
        assert!(silent.is_empty(), "{silent:#?}");
    }
}
