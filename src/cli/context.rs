//! `phasegate context`: a text made shorter for a query, split for several readers, and what that has saved. It reads a file or
//! standard input and writes only its answer.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Ended, Out, Place};
use crate::context::delegate::{PARTS_MAX, Part, Plan, delegate};
use crate::context::{Ask, Budget, Reduced, exact, reduce};
use crate::domain::strict_json;

/// Of a text, or of one line of a batch, in bytes.
/// A line has no need to go deeper.
const DEPTH_MAX: usize = 16;
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Print what of a text a query needs, within a budget of tokens.
    Reduce(ReduceArgs),
    /// Split a text by its files and topics into parts with budgets, and say what is in each.
    Delegate(DelegateArgs),
    /// What agents had reduced, what that saved, and what is known of models' token counts.
    Stats,
    /// Forget what was learned of models' token counts, so that they are estimates again.
    Forget {
        /// Only of this model, by its name in `context stats`.
        #[arg(long, value_name = "NAME")]
        model: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// Default: standard input.
    file: Option<PathBuf>,
    /// What the text is needed for: a question, a task, a report.
    #[arg(long, value_name = "TEXT", default_value = "")]
    query: String,
    /// Share of the tokens that may stay, 0 to 1; default: 0.5, and all of them for `delegate`.
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "tokens")]
    keep: Option<f64>,
    /// Tokens that may stay.
    #[arg(long, value_name = "N")]
    tokens: Option<u64>,
}

#[derive(Debug, clap::Args)]
struct ReduceArgs {
    #[command(flatten)]
    wanted: Wanted,
    /// Judge each line by what stands before it alone: as the text grows, what was printed before stays the same.
    #[arg(long)]
    append_only: bool,
    /// Count by the vocabulary `o200k_base` instead of by estimate, where it is built in.
    #[arg(long, conflicts_with = "append_only")]
    exact: bool,
    /// Lines `{"id","query","context","keep"}` on standard input, one answer a line.
    #[arg(long, conflicts_with_all = ["file", "query", "keep", "tokens", "append_only"])]
    jsonl: bool,
}

#[derive(Debug, clap::Args)]
struct DelegateArgs {
    #[command(flatten)]
    wanted: Wanted,
    /// How many readers there are.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=PARTS_MAX as i64))]
    parts: u16,
}

const KEEP_DEFAULT: f64 = 0.5;

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "give a number from 0 to 1, such as 0.5".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("give a number from 0 to 1, such as 0.5".to_owned()) }
}

impl Wanted {
    fn budget(&self, keep: f64) -> Budget {
        self.tokens.map_or(Budget::Share(self.keep.unwrap_or(keep)), Budget::Tokens)
    }

    fn text(&self) -> Result<String, Ended> {
        let bytes = match self.file.as_deref() {
            Some(file) => from_file(file)?,
            None => {
                Out::new(false).says_it_waits("waits for the text on its input; Ctrl-D ends it.");
                bounded(std::io::stdin().lock(), "standard input")?
            }
        };
        // Bytes that are no text would not come back as they were.
        String::from_utf8(bytes).map_err(|error| {
            let hint = "give it a text file; a picture or an archive cannot be reduced";
            Ended::usage(format!("this is not UTF-8 text: {error}"), hint)
        })
    }
}

fn from_file(file: &Path) -> Result<Vec<u8>, Ended> {
    let shown = file.display();
    let hint = "name a file, or pipe the text in";
    let open =
        std::fs::File::open(file).map_err(|error| Ended::usage(format!("`{shown}` cannot be read: {error}"), hint))?;
    bounded(open, &format!("`{shown}`"))
}

fn bounded(source: impl Read, name: &str) -> Result<Vec<u8>, Ended> {
    let mut bytes = Vec::new();
    let read = source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Ended::usage(format!("{name} cannot be read: {error}"), "name another file, or pipe the text in")
    })?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        let message = format!("{name} is longer than {TEXT_BYTES_MAX} bytes");
        return Err(Ended::usage(message, "give it in pieces"));
    }
    Ok(bytes)
}

pub fn run(args: &Args, place: impl FnOnce() -> Result<Place, Ended>, out: &Out) -> Result<(), Ended> {
    match &args.act {
        Act::Reduce(args) if args.exact && exact::count("").is_none() => Err(not_built_in()),
        Act::Reduce(args) if args.jsonl => batch(args.exact, out),
        Act::Reduce(args) => one(args, out),
        Act::Delegate(args) => split(args, out),
        Act::Stats => stats(&place()?, out),
        Act::Forget { model } => forget(&place()?, model.clone(), out),
    }
}

fn not_built_in() -> Ended {
    let message =
        "`--exact` counts by a vocabulary that is not built into this phasegate, which has the estimate alone";
    Ended::usage(message, "leave `--exact` out, or build it in: `cargo install --path . --features exact-tokens`")
}

fn by(exactly: bool, ask: &Ask<'_>) -> Reduced {
    let exact = if exactly { exact::reduced(ask) } else { None };
    exact.unwrap_or_else(|| reduce(ask))
}

fn one(args: &ReduceArgs, out: &Out) -> Result<(), Ended> {
    let text = args.wanted.text()?;
    let mut ask = Ask::new(&text, &args.wanted.query, args.wanted.budget(KEEP_DEFAULT));
    ask.append_only = args.append_only;
    let reduced = by(args.exact, &ask);
    if out.is_json() {
        out.value(&shown(&reduced));
        return Ok(());
    }
    if out.stderr_is_terminal() {
        let Reduced { tokens_before, tokens_after, kind, .. } = &reduced;
        out.aside(&format!(
            "{tokens_after} of {tokens_before} tokens stay ({}), {} gaps",
            kind.word(),
            reduced.gaps.len()
        ));
    }
    if !reduced.text.is_empty() {
        out.text(&reduced.text);
    }
    Ok(())
}

fn shown(reduced: &Reduced) -> Value {
    let gaps: Vec<Value> = reduced.gaps.iter().map(|gap| json!([gap.first_line, gap.last_line])).collect();
    json!({
        "kind": reduced.kind.word(), "tokens_before": reduced.tokens_before, "tokens_after": reduced.tokens_after,
        "gaps": gaps, "repeats": reduced.repeats_here, "text": reduced.text,
    })
}

/// One line in, one line out, whatever the line is.
fn batch(exactly: bool, out: &Out) -> Result<(), Ended> {
    let mut input = std::io::stdin().lock();
    let (mut number, mut failed) = (0_u64, 0_u64);
    let broken = |error| Ended::internal(&error, "look at where the lines come from");
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(TEXT_BYTES_MAX).read_until(b'\n', &mut line).map_err(broken)?;
        if read == 0 || out.is_gone() {
            break;
        }
        number += 1;
        let cut = line.len() as u64 == TEXT_BYTES_MAX && !line.ends_with(b"\n");
        if cut {
            input.skip_until(b'\n').map_err(broken)?;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let asked = if cut {
            Err(format!("line {number} is longer than {TEXT_BYTES_MAX} bytes"))
        } else {
            strict_json::object(&line, DEPTH_MAX).map(Value::Object).map_err(|why| format!("line {number} {why}"))
        };
        let id = asked.as_ref().ok().and_then(|asked| asked.get("id")).cloned().unwrap_or(Value::Null);
        match asked.and_then(|asked| answered(&asked, exactly).map_err(|why| format!("line {number}: {why}"))) {
            Ok(reduced) => out.value(&json!({
                "id": id, "context": reduced.text,
                "tokens_before": reduced.tokens_before, "tokens_after": reduced.tokens_after,
            })),
            Err(why) => {
                failed += 1;
                out.aside(&format!("phasegate: {why}"));
                out.value(&json!({ "id": id, "error": { "code": "usage", "message": why, "hint": FORM } }));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Ended::No) }
}

const FORM: &str = "a line is {\"id\":1,\"query\":\"what for\",\"context\":\"the text\",\"keep\":0.5}";

fn answered(asked: &Value, exactly: bool) -> Result<Reduced, String> {
    let text = |name: &str| match asked.get(name) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("`{name}` is not a string")),
        None => Err(format!("`{name}` is missing")),
    };
    let keep = match (asked.get("keep"), asked.get("tokens")) {
        (Some(keep), None) => keep.as_f64().filter(|keep| (0.0..=1.0).contains(keep)).map(Budget::Share),
        (None, Some(tokens)) => tokens.as_u64().map(Budget::Tokens),
        _ => return Err("give either `keep` or `tokens`".to_owned()),
    };
    let budget = keep.ok_or("`keep` is a number from 0 to 1, `tokens` a whole number")?;
    let query = if asked.get("query").is_some() { text("query")? } else { "" };
    Ok(by(exactly, &Ask::new(text("context")?, query, budget)))
}

fn split(args: &DelegateArgs, out: &Out) -> Result<(), Ended> {
    let text = args.wanted.text()?;
    let budget = args.wanted.budget(1.0);
    let parts = delegate(&Plan { text: &text, query: &args.wanted.query, parts: usize::from(args.parts), budget });
    let listed: Vec<Value> = parts.iter().enumerate().map(|(number, part)| listed(number, part)).collect();
    if out.is_json() {
        out.value(&json!({ "parts": listed }));
        return Ok(());
    }
    let mut shown = String::new();
    for (number, part) in parts.iter().enumerate() {
        let Part { titles, tokens, tokens_after, share, .. } = part;
        shown.push_str(&format!(
            "==> part {} of {}: {tokens_after} of {tokens} tokens, {:.0} % of what is asked for: {} <==\n{}",
            number + 1,
            parts.len(),
            share * 100.0,
            titles.join(", "),
            part.text
        ));
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    out.text(&shown);
    Ok(())
}

fn listed(number: usize, part: &Part) -> Value {
    json!({
        "part": number + 1, "titles": part.titles, "lines": part.lines, "tokens": part.tokens, "budget": part.budget,
        "share": (part.share * 1000.0).round() / 1000.0, "tokens_after": part.tokens_after, "context": part.text,
    })
}

fn stats(place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let (rows, models) = (engine.contexts()?, engine.token_factors()?);
    if out.is_json() {
        let models = models.iter().map(|(known, factor)| {
            let factor = (factor * 1000.0).round() / 1000.0;
            json!({ "model": known.model, "factor": factor, "pairs": known.pairs, "at": known.at })
        });
        out.value(&json!({ "agents": rows, "models": models.collect::<Vec<_>>() }));
        return Ok(());
    }
    let mut shown = String::new();
    for row in &rows {
        let saved = 100.0 - 100.0 * row.tokens_after as f64 / row.tokens_before.max(1) as f64;
        shown.push_str(&format!(
            "{}  {} calls ({} of them results of tools), {} of {} tokens stayed ({saved:.0} % less), {} parts it had already\n",
            row.agent, row.calls, row.results, row.tokens_after, row.tokens_before, row.repeats
        ));
    }
    if rows.is_empty() {
        shown.push_str("Nobody has had a context reduced here yet: agents do it with `optimize_context`, the hook where a workflow has `context`.\n");
    }
    for (known, factor) in &models {
        shown.push_str(&format!("{}  {factor:.3} tokens for one estimated, from {} pairs\n", known.model, known.pairs));
    }
    if models.is_empty() {
        shown.push_str("No transcript has said how a model counts: all counts are estimates.\n");
    }
    out.text(&shown);
    Ok(())
}

fn forget(place: &Place, model: Option<String>, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let gone = engine.forget_token_factors(model.clone())?;
    if gone == 0
        && let Some(model) = model
    {
        return Err(Ended::usage(
            format!("nothing is known of the token counts of `{model}`"),
            "`phasegate context stats` lists the models",
        ));
    }
    out.answer(
        &json!({ "forgotten": gone }),
        &format!("Counts are estimates again: what was known of {gone} is forgotten."),
    );
    Ok(())
}
