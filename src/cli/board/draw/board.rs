//! The board itself: phases side by side, or one below the other where the terminal is narrow.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::domain::decide::words;
use crate::domain::spending::dollars;
use crate::domain::view::{Card, Column};

use super::parts::{Theme, ago, cell, fit, mark, span};
use super::{App, NARROW};

/// A column is no narrower.
const COLUMN: u16 = 28;

pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    if app.look.board.columns.is_empty() {
        let text = "No workflow is in force. A person runs `phasegate workflow trust`.";
        frame.render_widget(Paragraph::new(text), area);
    } else if area.width < NARROW {
        list(frame, area, app, theme);
    } else {
        columns(frame, area, app, theme);
    }
}

fn columns(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let all = &app.look.board.columns;
    let fit_in = usize::from((area.width / COLUMN).max(1)).min(all.len());
    // The chosen one is among those that are seen.
    let first = app.column.saturating_sub(fit_in.saturating_sub(1)).min(all.len().saturating_sub(fit_in));
    let wide = area.width / u16::try_from(fit_in).unwrap_or(1).max(1);
    for (place, (number, column)) in (0..).zip(all.iter().enumerate().skip(first).take(fit_in)) {
        let x = area.x.saturating_add(wide.saturating_mul(place));
        let part = Rect { x, width: wide, ..area }.intersection(area);
        let text_wide = usize::from(wide).saturating_sub(2);
        let beyond = (place == 0 && first > 0, usize::from(place) + 1 == fit_in && first + fit_in < all.len());
        let title = title(column, number == app.column, beyond, text_wide, theme);
        let row = (number == app.column).then_some(app.row);
        let height = usize::from(area.height).saturating_sub(1);
        let mut lines = vec![title];
        lines.extend(cards(column, row, height, app, text_wide, theme));
        frame.render_widget(Paragraph::new(Text::from(lines)), part);
    }
}

fn title(column: &Column, chosen: bool, beyond: (bool, bool), wide: usize, theme: Theme) -> Line<'static> {
    let count = u64::try_from(column.cards.len()).unwrap_or(0).saturating_add(column.more);
    let before = if beyond.0 { "◀ " } else { "" };
    let after = if beyond.1 { " ▶" } else { "" };
    let name = format!("{before}{} · {} {count}{after}", column.workflow, column.phase);
    let style = theme.strong();
    Line::styled(cell(&name, wide), if chosen { style.patch(theme.chosen()) } else { style })
}

/// As many cards as there is room for, the chosen one among them.
fn cards(
    column: &Column,
    row: Option<usize>,
    height: usize,
    app: &App,
    wide: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let drawn: Vec<Vec<Line<'static>>> = column
        .cards
        .iter()
        .enumerate()
        .map(|(number, known)| card(known, row == Some(number), app, wide, theme))
        .collect();
    let mut first = 0;
    let chosen = row.unwrap_or(0);
    let used = |from: usize| drawn.iter().skip(from).take(chosen + 1 - from).map(|card| card.len() + 1).sum::<usize>();
    while first < chosen && used(first) > height {
        first += 1;
    }
    let mut lines = Vec::new();
    for card in drawn.into_iter().skip(first) {
        lines.extend(card);
        lines.push(Line::default());
    }
    if column.cards.is_empty() {
        lines.push(Line::styled("–", theme.dim()));
    }
    if column.more > 0 {
        lines.push(Line::styled(format!("… and {} more", column.more), theme.dim()));
    }
    lines
}

/// Two lines, and a third where something is in its way.
fn card(card: &Card, chosen: bool, app: &App, wide: usize, theme: Theme) -> Vec<Line<'static>> {
    let row = &card.row;
    let name = cell(&format!("{} {} {}", mark(row.status), row.id, row.title), wide);
    let mut lines = vec![Line::styled(name, if chosen { theme.chosen() } else { theme.strong() })];
    let mut facts: Vec<Span<'static>> = Vec::new();
    let mut fact = |text: String, style| {
        if !facts.is_empty() {
            facts.push(Span::raw(" "));
        }
        facts.push(Span::styled(text, style));
    };
    let cost = cost(card);
    if let Some(agent) = &row.agent {
        let left = row.lease_until.map_or(0, |until| app.now.seconds_until(until));
        if let Some(guard) = card.guard {
            fact(guard.word().to_owned(), theme.guard(guard));
        }
        fact(format!("{} {}", fit(&agent.0, wide.saturating_sub(22).max(6)), span(left)), Style::new());
    } else if let Some(active) = card.last_activity {
        fact(format!("{} {}", row.status.word(), ago(active, app.now)), theme.dim());
    }
    if !cost.is_empty() {
        fact(cost, theme.dim());
    }
    lines.push(Line::from(facts));
    if let Some((text, style)) = in_its_way(card, theme) {
        lines.push(Line::styled(fit(&text, wide), style));
    }
    lines
}

fn cost(card: &Card) -> String {
    let spent = card.account.spent.micro_usd;
    match card.cap.micro_usd {
        Some(cap) => format!("{}/{}", dollars(spent), dollars(cap)),
        None if spent > 0 => dollars(spent),
        None => String::new(),
    }
}

fn in_its_way(card: &Card, theme: Theme) -> Option<(String, Style)> {
    let row = &card.row;
    if card.violations > 0 {
        return Some((format!("{} violations", card.violations), theme.bad()));
    }
    if !card.approvals.is_empty() {
        return Some((format!("asks {}", words(card.approvals.iter())), theme.asking()));
    }
    if !row.blocked_by.is_empty() {
        return Some((row.blocked_by.join("; "), theme.bad()));
    }
    if let Some(percent) = card.near_its_end() {
        return Some((format!("{percent} % of its budget"), theme.bad()));
    }
    if !row.waiting_on.is_empty() {
        return Some((format!("waits for {}", words(row.waiting_on.iter())), theme.dim()));
    }
    if card.failed_attempts > 0 {
        return Some((format!("{} tries failed", card.failed_attempts), theme.bad()));
    }
    row.progress.clone().map(|note| (note, theme.dim()))
}

/// All columns in one list, the chosen card in sight.
fn list(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let wide = usize::from(area.width);
    let (mut lines, mut at) = (Vec::new(), 0);
    for (number, column) in app.look.board.columns.iter().enumerate() {
        lines.push(title(column, number == app.column && column.cards.is_empty(), (false, false), wide, theme));
        if number == app.column {
            at = lines.len();
        }
        for (place, known) in column.cards.iter().enumerate() {
            let chosen = number == app.column && place == app.row;
            if chosen {
                at = lines.len();
            }
            lines.extend(card(known, chosen, app, wide, theme));
        }
        if column.more > 0 {
            lines.push(Line::styled(format!("… and {} more", column.more), theme.dim()));
        }
    }
    let height = usize::from(area.height);
    let first = at.saturating_sub(height / 2).min(lines.len().saturating_sub(height));
    let shown: Vec<Line<'_>> = lines.into_iter().skip(first).take(height).collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), area);
}
