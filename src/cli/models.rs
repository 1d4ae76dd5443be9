//! `phasegate models`: the models that can be routed to, their prices, and a newer table of them.

use std::fmt::Write;

use serde_json::json;

use crate::domain::spending::{Tokens, dollars};
use crate::domain::workflow::ModelTier;
use crate::engine::clock::{Clock, System};
use crate::engine::routing::catalogue::{Catalogue, FRESH_DAYS, Model, TABLE_SOURCE};
use crate::engine::routing::table::{self, Table};

use super::output::visible;
use super::{Ended, Out, Place, savings};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// All models: tier, prices in dollars for a million tokens, window.
    List {
        /// Of this tier only.
        #[arg(long)]
        tier: Option<TierWord>,
    },
    /// One model, by any of the names it goes by.
    Show {
        /// As `models list` or a client names it.
        model: String,
    },
    /// What recorded outcomes taught in this workspace.
    Learned(super::learned::Args),
    /// What choosing models saved against always taking a strong one, from work that has ended.
    Savings(savings::Args),
    /// Take a newer table from a file or an address: our own form, or LiteLLM's price list.
    Update {
        /// A file, or an address on the web.
        source: String,
    },
    /// What so many tokens cost, on one model or on each.
    Cost {
        /// Each of them when left out.
        model: Option<String>,
        /// Tokens that the model reads anew.
        #[arg(long, value_name = "TOKENS", default_value_t = 0)]
        input: u64,
        /// Tokens that it writes.
        #[arg(long, value_name = "TOKENS", default_value_t = 0)]
        output: u64,
        /// Tokens that come out of a cache.
        #[arg(long, value_name = "TOKENS", default_value_t = 0)]
        cache_read: u64,
        /// Tokens that are put into a cache.
        #[arg(long, value_name = "TOKENS", default_value_t = 0)]
        cache_write: u64,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TierWord {
    Weak,
    Base,
    Strong,
}

impl From<TierWord> for ModelTier {
    fn from(word: TierWord) -> Self {
        match word {
            TierWord::Weak => Self::Weak,
            TierWord::Base => Self::Base,
            TierWord::Strong => Self::Strong,
        }
    }
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Learned(args) => return super::learned::run(args, place, out),
        Act::Savings(args) => return savings::run(args, place, out),
        Act::List { .. } | Act::Show { .. } | Act::Update { .. } | Act::Cost { .. } => {}
    }
    let Table { catalogue, own, problem, .. } = table::read(&place.workspace.state);
    if let Some(problem) = problem {
        out.aside(&format!("phasegate: {}; the built-in table is used instead", visible(&problem)));
    }
    match &args.act {
        Act::Learned(_) | Act::Savings(_) => {}
        Act::Update { source } => return update(source, place, catalogue, out),
        Act::List { tier } => list(&catalogue, own, tier.map(ModelTier::from), out),
        Act::Show { model } => show(found(&catalogue, model)?, out),
        Act::Cost { model, input, output, cache_read, cache_write } => {
            let (input, output, cache_read, cache_write) = (*input, *output, *cache_read, *cache_write);
            let tokens = Tokens { input, output, cache_read, cache_write, ..Tokens::default() };
            let models = match model {
                Some(model) => vec![found(&catalogue, model)?],
                None => catalogue.models.iter().collect(),
            };
            cost(&models, &tokens, out);
        }
    }
    warn_of_age(&catalogue, out);
    Ok(())
}

fn found<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Model, Ended> {
    catalogue.find(name).ok_or_else(|| {
        Ended::usage(
            format!("no model is called `{}` here", visible(name)),
            "`phasegate models list` shows them; add one to `.phasegate/models.json`, or `phasegate models update`",
        )
    })
}

/// Its age in days, where prices may have changed since.
pub fn too_old(catalogue: &Catalogue) -> Option<i64> {
    catalogue.age_days(System.now().0.div_euclid(DAY_MS)).filter(|days| *days > FRESH_DAYS)
}

fn warn_of_age(catalogue: &Catalogue, out: &Out) {
    if let Some(days) = too_old(catalogue) {
        out.aside(&format!(
            "phasegate: this table is {days} days old, and prices change; `phasegate models update FILE|URL` takes a newer one"
        ));
    }
}

fn list(catalogue: &Catalogue, own: bool, tier: Option<ModelTier>, out: &Out) {
    let models: Vec<&Model> =
        catalogue.models.iter().filter(|model| tier.is_none_or(|tier| model.tier == tier)).collect();
    let mut text = format!(
        "{:<24} {:<7} {:>8} {:>8} {:>8} {:>9}  maker\n",
        "model", "tier", "input", "output", "cached", "window"
    );
    for model in &models {
        let cached = model.cache_read.unwrap_or(model.input);
        let _ = writeln!(
            text,
            "{:<24} {:<7} {:>8} {:>8} {:>8} {:>9}  {}",
            visible(&model.name),
            model.tier.word(),
            model.input,
            model.output,
            cached,
            model.window,
            visible(&model.maker)
        );
    }
    let from = if own { "your own table before the built-in one" } else { "the built-in table" };
    let _ = write!(
        text,
        "Dollars for a million tokens. From {from}, {}: {}.",
        visible(&catalogue.date),
        visible(&catalogue.source)
    );
    let answer = json!({ "date": catalogue.date, "source": catalogue.source, "models": models });
    out.answer(&answer, &text);
}

fn show(model: &Model, out: &Out) {
    let price = model.price();
    let dollars = |micro: u64| micro as f64 / 1e6;
    let can = [("tools", model.tools), ("images", model.images), ("runs here", model.local)];
    let can: Vec<&str> = can.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect();
    let text = format!(
        "{} ({}, {} tier)\n  dollars for a million tokens: input {}, output {}, cache read {}, cache write {} ({} for an hour)\n  \
         window: {} tokens; {}\n  in Claude Code: {}",
        visible(&model.name),
        visible(&model.maker),
        model.tier.word(),
        dollars(price.input),
        dollars(price.output),
        dollars(price.cache_read),
        dollars(price.cache_write),
        dollars(price.cache_write_long),
        model.window,
        can.join(", "),
        visible(&model.name_for("claude-code")),
    );
    out.answer(&json!(model), &text);
}

fn cost(models: &[&Model], tokens: &Tokens, out: &Out) {
    let mut rows: Vec<(&str, u64)> =
        models.iter().map(|model| (model.name.as_str(), model.price().of(tokens))).collect();
    rows.sort_by_key(|(_, micro)| *micro);
    let mut text = String::new();
    for (name, micro) in &rows {
        let _ = writeln!(text, "{:<24} {}", visible(name), dollars(*micro));
    }
    let rows: Vec<_> = rows.iter().map(|(name, micro)| json!({ "model": name, "usd": *micro as f64 / 1e6 })).collect();
    out.answer(&json!({ "tokens": tokens, "costs": rows }), &text);
}

fn update(source: &str, place: &Place, known: Catalogue, out: &Out) -> Result<(), Ended> {
    let kept = || format!("the table in use stays: {}", visible(&known.date));
    let text = table::fetch(source).map_err(|why| Ended::usage(visible(&why), kept()))?;
    let now = System.now().to_string();
    let today = now.split('T').next().unwrap_or_default();
    let new = table::understood(&text, known.clone(), today)
        .map_err(|why| Ended::usage(format!("{}: {}", visible(source), visible(&why)), kept()))?;
    let file = table::write(&place.workspace.state, &new.catalogue)
        .map_err(|why| Ended::internal(&why, "see that the state folder can be written to"))?;
    place
        .workspace
        .ignore_state()
        .map_err(|error| Ended::internal(&error, "see that the state folder can be written to"))?;
    let mut told = format!("{} models of {} are in {}", new.catalogue.models.len(), new.catalogue.date, file.display());
    if !new.missing.is_empty() {
        let _ =
            write!(told, "; not in it, so with the prices from before ({TABLE_SOURCE}): {}", new.missing.join(", "));
    }
    let answer = json!({ "file": file, "date": new.catalogue.date, "models": new.catalogue.models.len(), "missing": new.missing });
    out.answer(&answer, &visible(&told));
    Ok(())
}
