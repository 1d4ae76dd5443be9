//! The fleet: who works and how well it is guarded, how fast it goes, what is stalled, and where tasks stand longest.

use ratatui::text::{Line, Span};

use crate::domain::spending::dollars;
use crate::domain::view::{AgentRow, Fleet, SessionCard};

use super::App;
use super::parts::{Theme, ago, bars, cell, fit_right, right, span};

pub fn lines(app: &App, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let Some(fleet) = &app.look.fleet else { return lines };
    sessions(&mut lines, app, theme, wide);
    heading(&mut lines, "Agents", theme);
    if fleet.agents.is_empty() {
        lines.push(Line::styled("  nobody has worked here yet", theme.dim()));
    }
    lines.extend(fleet.agents.iter().map(|row| agent(row, app, theme, wide)));
    hours(&mut lines, fleet, theme);
    heading(&mut lines, "Stalled", theme);
    if fleet.stalled.is_empty() {
        lines.push(Line::styled("  nothing", theme.dim()));
    }
    for task in &fleet.stalled {
        let who = task.agent.as_ref().map(|agent| format!(" ({agent})")).unwrap_or_default();
        let text = format!("  {:<7} {} {}{who}", task.task.to_string(), cell(&task.title, 24), task.why);
        lines.push(Line::styled(fit_right(&text, wide), theme.bad()));
    }
    heading(&mut lines, "Where tasks stand longest", theme);
    for place in &fleet.bottlenecks {
        let seconds = |seconds: u64| span(i64::try_from(seconds).unwrap_or(i64::MAX));
        let name = cell(&format!("{} · {}", place.workflow, place.phase), 28);
        let text = format!(
            "  {name} {} tasks   half of them for {} or more, the longest {}",
            right(&place.tasks.to_string(), 5),
            seconds(place.median_seconds),
            seconds(place.oldest_seconds)
        );
        lines.push(Line::raw(fit_right(&text, wide)));
    }
    lines
}

fn heading(lines: &mut Vec<Line<'static>>, text: &str, theme: Theme) {
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.push(Line::styled(text.to_owned(), theme.strong()));
}

fn sessions(lines: &mut Vec<Line<'static>>, app: &App, theme: Theme, wide: usize) {
    heading(lines, "Sessions", theme);
    if app.look.board.sessions.is_empty() {
        lines.push(Line::styled("  no session is open", theme.dim()));
    }
    lines.extend(app.look.board.sessions.iter().map(|session| self::session(session, app, theme, wide)));
}

fn session(session: &SessionCard, app: &App, theme: Theme, wide: usize) -> Line<'static> {
    let short: String = session.id.0.chars().take(8).collect();
    let tasks: Vec<String> = session.tasks.iter().map(ToString::to_string).collect();
    let tasks = if tasks.is_empty() { "no task".to_owned() } else { tasks.join(", ") };
    let subagents = if session.subagents > 0 { format!(", {} subagents", session.subagents) } else { String::new() };
    let why = if session.why.is_empty() { String::new() } else { format!(" ({})", session.why) };
    let rest = format!(
        " {} {} {tasks}{subagents}, {}{why}",
        cell(&session.client, 11),
        cell(&session.agent.0, 20),
        ago(session.seen, app.now)
    );
    let badge = cell(session.guard.word(), 8);
    let before = format!("  {} ", cell(&short, 8));
    let left = wide.saturating_sub(super::width(&before) + super::width(&badge));
    Line::from(vec![
        Span::raw(before),
        Span::styled(badge, theme.guard(session.guard)),
        Span::raw(fit_right(&rest, left)),
    ])
}

fn agent(row: &AgentRow, app: &App, theme: Theme, wide: usize) -> Line<'static> {
    let guard =
        row.guard.map_or(Span::raw(" ".repeat(8)), |guard| Span::styled(cell(guard.word(), 8), theme.guard(guard)));
    let tasks: Vec<String> = row.tasks.iter().map(ToString::to_string).collect();
    let seen = row.seen.map(|seen| ago(seen, app.now)).unwrap_or_default();
    let name = match &row.parent {
        Some(_) => format!("└ {}", row.name),
        None => row.name.0.clone(),
    };
    let before = format!("  {} ", cell(&name, 24));
    let rest = format!(
        "{} done {} refused {} {}  {}",
        right(&row.done.to_string(), 4),
        right(&row.refused.to_string(), 4),
        right(&dollars(row.micro_usd), 9),
        cell(&seen, 8),
        tasks.join(", ")
    );
    let left = wide.saturating_sub(super::width(&before) + 9);
    Line::from(vec![Span::raw(before), guard, Span::raw(" "), Span::raw(fit_right(&rest, left))])
}

fn hours(lines: &mut Vec<Line<'static>>, fleet: &Fleet, theme: Theme) {
    heading(lines, "The last 24 hours", theme);
    let series: [(&str, Vec<u64>); 4] = [
        ("claimed", fleet.hours.iter().map(|hour| hour.claimed).collect()),
        ("done", fleet.hours.iter().map(|hour| hour.done).collect()),
        ("failed", fleet.hours.iter().map(|hour| hour.failed).collect()),
        ("refused", fleet.hours.iter().map(|hour| hour.refused).collect()),
    ];
    for (name, values) in series {
        let sum: u64 = values.iter().sum();
        lines.push(Line::raw(format!("  {name:<8} {} {}", right(&sum.to_string(), 6), bars(&values))));
    }
}
