//! The board drawn: frame, head and foot, and the page in between. What is drawn is in `model`; nothing is changed here but how
//! far a page is scrolled.

mod asking;
mod board;
mod costs;
mod fleet;
mod inbox;
pub mod parts;
mod task;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::domain::session::Guard;
use crate::domain::spending::dollars;

use super::app::App;
use super::model::Tab;
use parts::{Theme, fit, span, width};

/// Narrower than this a list takes the place of columns.
pub const NARROW: u16 = 60;
const BANNERS_MAX: usize = 3;

pub fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let theme = Theme { colours: app.colours };
    let area = frame.area();
    let banners = banners(app, theme, usize::from(area.width));
    let above = 1 + u16::try_from(banners.len()).unwrap_or(0);
    let body = Rect { y: area.y.saturating_add(above), height: area.height.saturating_sub(above + 1), ..area };
    frame.render_widget(Paragraph::new(head(app, theme, usize::from(area.width))), row(area, 0));
    for (banner, line) in banners.into_iter().zip(1..) {
        frame.render_widget(Paragraph::new(banner), row(area, line));
    }
    if body.height > 0 {
        page(frame, body, app, theme);
    }
    let foot = Line::styled(fit(&keys(app), usize::from(area.width)), theme.dim());
    frame.render_widget(Paragraph::new(foot), row(area, area.height.saturating_sub(1)));
    if let Some(asking) = &mut app.asking {
        asking::draw(frame, body, asking, theme);
    }
}

fn row(area: Rect, line: u16) -> Rect {
    Rect { y: area.y.saturating_add(line), height: 1, ..area }.intersection(area)
}

fn page(frame: &mut Frame<'_>, body: Rect, app: &mut App, theme: Theme) {
    if app.task.is_some() {
        let lines = task::lines(app, theme, usize::from(body.width));
        return scrolled(frame, body, lines, &mut app.scroll);
    }
    match app.tab {
        Tab::Board => board::draw(frame, body, app, theme),
        Tab::Inbox => inbox::draw(frame, body, app, theme),
        Tab::Fleet => scrolled(frame, body, fleet::lines(app, theme, usize::from(body.width)), &mut app.scroll),
        Tab::Costs => scrolled(frame, body, costs::lines(app, theme, usize::from(body.width)), &mut app.scroll),
    }
}

/// Lines from where they are scrolled to, and no further than to their end.
pub fn scrolled(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>, scroll: &mut u16) {
    let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
    *scroll = (*scroll).min(most);
    let from = usize::from(*scroll);
    let shown: Vec<Line<'_>> = lines.into_iter().skip(from).take(usize::from(area.height)).collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), area);
}

/// Pages, and what there is of everything.
fn head(app: &App, theme: Theme, wide: usize) -> Line<'static> {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        let waiting = app.look.board.waiting.approvals;
        let count = if tab == Tab::Inbox && waiting > 0 { format!(" {waiting}") } else { String::new() };
        let style = if tab == app.tab {
            theme.chosen().patch(theme.strong())
        } else if count.is_empty() {
            theme.strong()
        } else {
            theme.asking()
        };
        spans.push(Span::styled(format!(" {}{count} ", tab.word()), style));
        spans.push(Span::raw(" "));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let left = wide.saturating_sub(used);
    let sums = sums(app);
    if width(&sums) < left {
        spans.push(Span::raw(" ".repeat(left - width(&sums))));
        spans.push(Span::styled(sums, theme.dim()));
    }
    Line::from(spans)
}

fn sums(app: &App) -> String {
    let board = &app.look.board;
    let mut parts: Vec<String> =
        board.counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
    if board.micro_usd_today > 0 {
        parts.push(format!("{} today", dollars(board.micro_usd_today)));
    }
    parts.join("  ")
}

/// What nobody may overlook: open holes in the rules, and who works without a guard.
fn banners(app: &App, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let board = &app.look.board;
    let filled = |text: String, style| Line::styled(parts::cell(&text, wide), style);
    let mut lines: Vec<Line<'static>> = board
        .bypasses
        .iter()
        .map(|open| {
            let only = open.task.map(|task| format!(" for {task}")).unwrap_or_default();
            let left = span(app.now.seconds_until(open.until));
            let rules = open.rules.join(", ");
            filled(format!(" BYPASS {} OPEN{only}, {left} left: {rules} ({})", open.id, open.by), theme.alarm())
        })
        .collect();
    let weak = board.sessions.iter().filter(|session| session.guard != Guard::Enforced);
    let mut names: Vec<String> = weak.map(|session| format!("{} {}", session.agent, session.guard.word())).collect();
    names.extend(board.blind.iter().map(|agent| format!("{agent} blind")));
    names.sort();
    names.dedup();
    if !names.is_empty() {
        lines.push(filled(format!(" NOT GUARDED: {}", names.join(", ")), theme.warning()));
    }
    lines.truncate(BANNERS_MAX);
    lines
}

/// What can be pressed here.
fn keys(app: &App) -> String {
    if app.task.is_some() {
        return " j k scroll   Esc back   q quit".to_owned();
    }
    match app.tab {
        Tab::Board => " hjkl move   Enter open   i its question   Tab next page   ? help   q quit".to_owned(),
        Tab::Inbox if app.look.inbox.is_empty() => " Tab next page   ? help   q quit".to_owned(),
        Tab::Inbox if app.only_reads.is_some() => " j k move   Enter read   t task   ? help   q quit".to_owned(),
        Tab::Inbox => {
            " a approve   r reject   e adjust   Space choose   Enter read   t task   ? help   q quit".to_owned()
        }
        Tab::Fleet => " j k scroll   Tab next page   ? help   q quit".to_owned(),
        Tab::Costs => " by: d day  t task  p phase  a agent  m model   j k scroll   q quit".to_owned(),
    }
}
