//! `phasegate models savings`: what choosing models saved against always taking a strong one, how that is counted, and what is
//! left out of it. The arithmetic is in `routing::savings`.

use std::fmt::Write;

use crate::domain::ids::Time;
use crate::domain::savings::{LeftOut, SavedRow, Savings};
use crate::domain::spending::dollars;

use super::output::visible;
use super::{Ended, Out, Place};

/// Of the method, in characters.
const WIDE: usize = 100;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// From this day on, in UTC, such as 2026-11-20; or how long ago, such as 30d. Default: from the start.
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let since = args.since.as_deref().map(|text| moment(text, engine.now())).transpose()?;
    let found = engine.savings(since)?;
    out.answer(&serde_json::to_value(&found).unwrap_or_default(), &visible(&page(&found)));
    Ok(())
}

fn moment(text: &str, now: Time) -> Result<Time, Ended> {
    if let Ok(seconds) = crate::domain::duration::parse(text) {
        let ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        return Ok(Time(now.0.saturating_sub(ms)));
    }
    let day = if text.len() == "2026-11-20".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    day.parse()
        .map_err(|_| Ended::usage(format!("`{text}` is not a day"), "write `2026-11-20`, or how long ago: 7d, 30d"))
}

fn page(found: &Savings) -> String {
    let mut text = format!("Against always strong, {}\n", span(found));
    for line in summary(found) {
        let _ = writeln!(text, "  {line}");
    }
    for (by, rows) in [("type", &found.by_type), ("tier", &found.by_tier), ("project", &found.by_project)] {
        if rows.is_empty() || (by == "project" && rows.len() == 1) {
            continue;
        }
        let head = ["pieces", "done", "tries", "cost", "strong", "saved"];
        let [pieces, done, tries, cost, strong, saved] = head;
        let _ = writeln!(
            text,
            "\n{:<18} {pieces:>6} {done:>5} {tries:>5} {cost:>10} {strong:>10} {saved:>10}  between",
            format!("by {by}")
        );
        for row in rows {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    if !found.strong.is_empty() {
        text.push_str("\nStrong models here, at fresh work:\n");
        for row in &found.strong {
            let mean = dollars(row.mean_micro_usd);
            let _ = writeln!(text, "  {}: {} of {} tries done, {mean} a try", row.kind, row.solved, row.tries);
        }
    }
    for line in left_out(&found.left_out) {
        let _ = write!(text, "\nLeft out: {line}");
    }
    let _ = write!(text, "\n{}\n\n{}", spent(found), wrapped(&format!("How this is counted: {}", found.method)));
    text
}

/// In which time, at which prices.
pub fn span(found: &Savings) -> String {
    let since = found.since.as_ref().map_or_else(|| "from the start".to_owned(), |day| format!("since {day}"));
    format!("{since}, at the prices of {}", found.prices)
}

/// The whole in a few lines, for people in a hurry.
pub fn summary(found: &Savings) -> Vec<String> {
    let all = &found.all;
    if all.pieces == 0 {
        return vec!["No work has ended yet whose outcome and cost are known.".to_owned()];
    }
    let mut lines = vec![format!(
        "{} of {} pieces of work done, in {} tries, of which {} failed",
        all.solved, all.pieces, all.tries, all.failed_tries
    )];
    let (cost, strong) = (dollars(all.micro_usd), dollars(all.baseline_micro_usd));
    let saved = if all.saved_micro_usd < 0 { "it cost more, by" } else { "saved" };
    lines.push(format!(
        "{cost} instead of {strong}: {saved} {} (between {} and {})",
        dollars(all.saved_micro_usd.unsigned_abs()),
        signed(all.low_micro_usd),
        signed(all.high_micro_usd)
    ));
    if all.strong_known > 0 {
        lines.push(format!(
            "of {} pieces of types that a strong model was tried at often enough it would have done about {}",
            all.strong_known, all.strong_solves
        ));
    }
    if all.strong_failed > 0 {
        lines.push(format!("at {} a strong model failed as well", all.strong_failed));
    }
    if all.given_up > 0 {
        lines.push(format!("{} not done and not tried by a strong model: only their cost counts", all.given_up));
    }
    lines
}

fn line(row: &SavedRow) -> String {
    format!(
        "  {:<16} {:>6} {:>5} {:>5} {:>10} {:>10} {:>10}  {} and {}",
        row.name.chars().take(16).collect::<String>(),
        row.pieces,
        row.solved,
        row.tries,
        dollars(row.micro_usd),
        dollars(row.baseline_micro_usd),
        signed(row.saved_micro_usd),
        signed(row.low_micro_usd),
        signed(row.high_micro_usd)
    )
}

fn signed(micro_usd: i64) -> String {
    let minus = if micro_usd < 0 { "-" } else { "" };
    format!("{minus}{}", dollars(micro_usd.unsigned_abs()))
}

/// What has no part in the sums, each with how often and why.
pub fn left_out(out: &LeftOut) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |count: u64, why: &str| {
        if count > 0 {
            lines.push(format!("{count} {why}"));
        }
    };
    line(out.going_on, "that still go on");
    line(out.without_cost, "whose cost nobody knows");
    line(out.without_price, &format!("on models without a known price ({})", out.models.join(", ")));
    line(out.without_baseline, "whose cost was told, with no tokens and no mean to set against it");
    if out.older {
        lines.push("tries before the newest 100,000".to_owned());
    }
    lines
}

pub fn spent(found: &Savings) -> String {
    format!(
        "{} was spent in this time in all; the rest went to work that nobody judged.",
        dollars(found.spent_micro_usd)
    )
}

fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
