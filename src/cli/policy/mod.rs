//! `phasegate policy`: what the rules say about calls. Nothing here is carried out, and nothing is recorded.

mod call;
mod check;
mod explain;
mod given;
mod lint;
mod test;

use std::path::PathBuf;

use crate::domain::ids::TaskId;

use super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Judge calls given as JSON Lines on standard input, one answer a line. Looks at no file.
    Check,
    /// Say which rule decides about a call here, why, and what to do next.
    Explain(ExplainArgs),
    /// Find rules that grant nothing, or more than they look.
    Lint {
        /// Default: phasegate.yaml.
        file: Option<PathBuf>,
    },
    /// Run cases of your own: calls, and what should be said about them.
    Test {
        /// YAML, or JSON Lines; see `docs/rules.md`.
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// As a rule would name it: `Bash(git log -3)`, `Edit(src/main.rs)`, `WebFetch(https://example.com)`, `mcp__server__tool`.
    call: String,
    /// Default: the first phase.
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// A file, the name of a workflow in force, or a starter; default: as for `workflow explain`.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// The phase in which this task stands.
    #[arg(long, value_name = "ID", conflicts_with_all = ["phase", "workflow"])]
    task: Option<TaskId>,
}

/// `check` needs no workspace; the others find theirs.
pub fn run(args: &Args, place: impl FnOnce() -> Result<Place, Ended>, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Check => check::run(out),
        Act::Explain(args) => explain::run(args, &place()?, out),
        Act::Lint { file } => lint::run(&place()?, file.as_deref(), out),
        Act::Test { file } => test::run(&place()?, file, out),
    }
}
