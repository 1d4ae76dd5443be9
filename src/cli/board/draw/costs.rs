//! Costs: sums by whatever is asked, the whole, and what the same tokens would have cost at strong models.

use ratatui::style::Style;
use ratatui::text::Line;

use crate::cli::savings;
use crate::domain::savings::Savings;
use crate::domain::spending::dollars;
use crate::domain::view::{CostBy, CostRow, Costs};

use super::App;
use super::inbox::prose;
use super::parts::{Theme, cell, fit_right, gauge, right};

const BAR: usize = 20;

pub fn lines(app: &App, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let Some(costs) = &app.look.costs else { return Vec::new() };
    let by: Vec<&str> = costs.by.iter().map(|by| word(*by)).collect();
    let by = if by.is_empty() { "in all".to_owned() } else { format!("by {}", by.join(", ")) };
    let mut lines = vec![Line::styled(format!("Costs {by}"), theme.strong())];
    if costs.total.calls == 0 {
        lines.push(Line::styled("  Nothing was spent yet, or no transcript told of it.", theme.dim()));
        return lines;
    }
    let most = costs.rows.iter().map(|row| row.micro_usd).max().unwrap_or(0);
    lines.push(Line::styled(format!("  {:>10} {:>7} {:>12}", "cost", "calls", "tokens"), theme.dim()));
    lines.extend(costs.rows.iter().map(|row| Line::raw(self::row(row, most, wide))));
    lines.push(Line::default());
    lines.push(Line::styled(
        self::row(&CostRow { day: Some("in all".to_owned()), ..costs.total.clone() }, 0, wide),
        theme.strong(),
    ));
    if costs.total.guessed_micro_usd > 0 {
        let text = format!("  {} of it is of models without a known price", dollars(costs.total.guessed_micro_usd));
        lines.push(Line::styled(text, theme.dim()));
    }
    lines.extend(baseline(costs, theme, wide));
    lines.extend(app.look.savings.iter().flat_map(|found| saved(found, theme, wide)));
    lines
}

/// From work that has ended, which the figures above do not ask for.
fn saved(found: &Savings, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let head = format!("Work that has ended, against always strong, {}", savings::span(found));
    let mut lines = vec![Line::default(), Line::styled(fit_right(&head, wide), theme.strong())];
    let told = savings::summary(found).into_iter().map(|line| (line, false));
    let out = savings::left_out(&found.left_out).into_iter().map(|line| (format!("left out: {line}"), true));
    for (line, dim) in told.chain(out) {
        let style = if dim { theme.dim() } else { Style::new() };
        lines.extend(prose(&format!("  {line}"), wide).into_iter().map(|line| Line::styled(line, style)));
    }
    lines
}

fn word(by: CostBy) -> &'static str {
    match by {
        CostBy::Day => "day",
        CostBy::Task => "task",
        CostBy::Phase => "phase",
        CostBy::Agent => "agent",
        CostBy::Model => "model",
    }
}

fn row(row: &CostRow, most: u64, wide: usize) -> String {
    let tokens = row.tokens.counted().saturating_add(row.tokens.cache_read);
    let names = [
        row.day.as_ref().map(|day| if day.is_empty() { "before days".to_owned() } else { day.clone() }),
        row.task.map(|task| task.to_string()),
        row.phase.clone(),
        row.agent.as_ref().map(|agent| agent.0.clone()),
        row.model.clone(),
    ];
    let names: Vec<String> =
        names.into_iter().flatten().map(|name| if name.is_empty() { "–".to_owned() } else { name }).collect();
    let start = format!(
        "  {} {} {}",
        right(&dollars(row.micro_usd), 10),
        right(&row.calls.to_string(), 7),
        right(&tokens.to_string(), 12)
    );
    let bar = if most > 0 && wide >= 80 { format!("  {}", gauge(row.micro_usd, most, BAR)) } else { String::new() };
    let left = wide.saturating_sub(super::width(&start) + super::width(&bar) + 2);
    fit_right(&format!("{start}{bar}  {}", cell(&names.join("  "), left)), wide)
}

fn baseline(costs: &Costs, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let Some(known) = &costs.baseline else { return Vec::new() };
    let saved = known.micro_usd.saturating_sub(costs.total.micro_usd);
    let text = format!("{} against {} at {}", dollars(costs.total.micro_usd), dollars(known.micro_usd), known.model);
    let mut lines = vec![Line::default(), Line::styled(fit_right(&text, wide), theme.strong())];
    if saved > 0 {
        lines.push(Line::styled(format!("  up to {} less", dollars(saved)), theme.good()));
    }
    lines.extend(prose(&format!("  {}", known.method), wide).into_iter().map(|line| Line::styled(line, theme.dim())));
    lines
}
