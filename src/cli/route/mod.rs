//! `phasegate route`: the tier of model that a piece of work deserves. `--jsonl` is one router for lines of outcomes and
//! questions (`lines.rs`). Nothing here chooses.

mod lines;

use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::clients::CLIENTS;
use crate::domain::route::{Risk, Work};
use crate::engine::routing::{table, unlearned};

use super::output::visible;
use super::{Ended, Out, Place};
use crate::tools::Output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is to be done.
    words: Vec<String>,
    /// Such as feature, bugfix, review, research, documentation.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// How many files it touches.
    #[arg(long)]
    files: Option<u64>,
    /// Tokens that must be kept in view.
    #[arg(long, value_name = "TOKENS")]
    context: Option<u64>,
    /// What goes wrong where it goes wrong.
    #[arg(long)]
    risk: Option<RiskWord>,
    /// Tries that failed before.
    #[arg(long)]
    failed: Option<u32>,
    /// Name models as this client does.
    #[arg(long, default_value = "claude-code", value_parser = PossibleValuesParser::new(CLIENTS.map(|client| client.name)))]
    client: String,
    /// Read lines of JSON: `reset`, `outcome` and `route`; one reply a `route`, at once.
    #[arg(long, conflicts_with_all = ["words", "kind", "files", "context", "risk", "failed"])]
    jsonl: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RiskWord {
    Low,
    Medium,
    High,
}

impl From<RiskWord> for Risk {
    fn from(word: RiskWord) -> Self {
        match word {
            RiskWord::Low => Self::Low,
            RiskWord::Medium => Self::Medium,
            RiskWord::High => Self::High,
        }
    }
}

pub fn run(args: &Args, place: impl FnOnce() -> Result<Place, Ended>, out: &Out) -> Result<(), Ended> {
    if args.jsonl {
        return lines::run(out);
    }
    if args.words.is_empty() && args.kind.is_none() {
        return Err(Ended::usage(
            "nothing says what the work is",
            "give words or `--type`, such as `phasegate route --type bugfix mend the parser`; or `--jsonl`",
        ));
    }
    let work = Work {
        kind: args.kind.clone(),
        description: (!args.words.is_empty()).then(|| args.words.join(" ")),
        context_tokens: args.context,
        files: args.files,
        risk: args.risk.map(Risk::from),
        failed_attempts: args.failed,
    };
    let place = place()?;
    let table = table::read(&place.workspace.state);
    if let Some(route) = unlearned(&work, &place.settings.routing, &table, &args.client) {
        out.answer(&json!(route), &visible(&route.text()));
    }
    Ok(())
}
