//! One task: its phases, its gates with what is missing, what it costs, and its story.

use ratatui::text::{Line, Span};

use crate::domain::decide::words;
use crate::domain::evidence::Tier;
use crate::domain::spending::dollars;
use crate::domain::view::{GateView, Surroundings};
use crate::domain::warning::DANGER;

use super::super::model::TaskLook;
use super::App;
use super::inbox::{prose, wrapped};
use super::parts::{Theme, ago, cell, fit, gauge, mark, plain, span};

pub fn lines(app: &App, theme: Theme, wide: usize) -> Vec<Line<'static>> {
    let Some(task) = app.look.task.as_ref().filter(|task| Some(task.id) == app.task) else {
        return vec![Line::raw(" This task is not there.")];
    };
    let card = &task.around.card;
    let row = &card.row;
    let title = fit(&format!("{} {} {}", mark(row.status), row.id, row.title), wide);
    let mut lines = vec![Line::styled(title, theme.strong())];
    lines.extend(wrapped(&where_it_stands(app, task), wide).into_iter().map(Line::raw));
    if let Some(guard) = card.guard {
        lines.push(Line::from(vec![Span::raw("guard "), Span::styled(guard.word(), theme.guard(guard))]));
    }
    lines.push(phases(&task.around, theme));
    let mut say = |name: &str, text: &str, style| {
        for line in wrapped(&format!("{name:<11} {}", plain(text)), wide) {
            lines.push(Line::styled(line, style));
        }
    };
    for (name, text) in &task.said {
        say(name, text, ratatui::style::Style::new());
    }
    for violation in &task.around.violations {
        say("violation", &crate::domain::violation::named(std::slice::from_ref(violation)), theme.bad());
    }
    if !row.blocked_by.is_empty() {
        say("blocked", &row.blocked_by.join("; "), theme.bad());
    }
    if !row.waiting_on.is_empty() {
        say("waits for", &words(row.waiting_on.iter()), theme.asking());
    }
    if !card.approvals.is_empty() {
        say("asks", &words(card.approvals.iter()), theme.asking());
    }
    lines.extend(prose(&cost(&task.around), wide).into_iter().map(Line::raw));
    lines.extend(foreseen(&task.around, theme));
    gates(&mut lines, app, &task.around, theme, wide);
    others(&mut lines, &task.around, theme, wide);
    lines.push(Line::default());
    lines.push(Line::styled("Story", theme.strong()));
    lines.extend(task.story.iter().flat_map(|line| wrapped(&format!("  {}", plain(line)), wide)).map(Line::raw));
    lines
}

fn where_it_stands(app: &App, task: &TaskLook) -> String {
    let card = &task.around.card;
    let row = &card.row;
    let mut text = format!("{} in {} · {}", row.status.word(), row.workflow, row.phase);
    if let Some(agent) = &row.agent {
        let left = row.lease_until.map_or(0, |until| app.now.seconds_until(until));
        text.push_str(&format!(", held by {agent}, lease {} left", span(left)));
    }
    if let Some(active) = card.last_activity {
        text.push_str(&format!(", active {}", ago(active, app.now)));
    }
    if card.failed_attempts > 0 {
        text.push_str(&format!(", {} tries failed", card.failed_attempts));
    }
    text
}

/// `scout ▸ plan ▸ [build] ▸ done`.
fn phases(around: &Surroundings, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for step in &around.phases {
        if !spans.is_empty() {
            spans.push(Span::styled(" ▸ ", theme.dim()));
        }
        spans.push(match (step.current, step.visited) {
            (true, _) => Span::styled(format!(" {} ", plain(&step.name)), theme.chosen()),
            (false, true) => Span::styled(plain(&step.name), theme.good()),
            (false, false) => Span::styled(plain(&step.name), theme.dim()),
        });
    }
    Line::from(spans)
}

fn cost(around: &Surroundings) -> String {
    let (account, cap) = (&around.card.account, &around.card.cap);
    let mut text = format!("{:<11} {}", "cost", dollars(account.spent.micro_usd));
    if let Some(most) = cap.micro_usd {
        text.push_str(&format!(" of {} {}", dollars(most), gauge(account.spent.micro_usd, most, 12)));
    }
    let of = cap.calls.map(|most| format!(" of {most}")).unwrap_or_default();
    text.push_str(&format!(
        ", {}{of} calls, {} tokens, {} min",
        account.spent.calls, account.spent.tokens, cap.minutes_used
    ));
    text
}

/// When its caps are reached, and what such a task usually comes to.
fn foreseen(around: &Surroundings, theme: Theme) -> Vec<Line<'static>> {
    let style = |percent| if percent >= DANGER { theme.bad() } else { theme.dim() };
    let caps = around.forecasts.iter().filter(|cap| cap.minutes_left.is_some() || cap.percent >= DANGER);
    let mut lines: Vec<Line<'static>> =
        caps.map(|cap| Line::styled(format!("{:<11} {}", "", cap.words()), style(cap.percent))).collect();
    lines.extend(around.usual.map(|usual| {
        let (usd, minutes, tasks) = (dollars(usual.micro_usd), usual.minutes, usual.tasks);
        let words = format!("{:<11} usual: {usd}, {minutes} min (median of {tasks} done tasks like it)", "");
        Line::styled(words, theme.dim())
    }));
    lines
}

fn gates(lines: &mut Vec<Line<'static>>, app: &App, around: &Surroundings, theme: Theme, wide: usize) {
    if around.gates.is_empty() {
        return;
    }
    lines.push(Line::default());
    lines.push(Line::styled("To leave this phase", theme.strong()));
    for gate in &around.gates {
        let (sign, style) = if gate.met { ("✔", theme.good()) } else { ("✗", theme.bad()) };
        let shown = shown(gate, app);
        lines.push(Line::from(vec![
            Span::styled(format!("  {sign} "), style),
            Span::raw(fit(&format!("{}{shown}", gate.asks), wide.saturating_sub(4))),
        ]));
        for text in gate.why.iter().map(|why| format!("    {}", plain(why))) {
            lines.extend(wrapped(&text, wide).into_iter().map(Line::raw));
        }
        for text in gate.how.iter().map(|how| format!("    next: {}", plain(how))) {
            lines.extend(wrapped(&text, wide).into_iter().map(|line| Line::styled(line, theme.dim())));
        }
    }
}

fn shown(gate: &GateView, app: &App) -> String {
    let tier = gate.tier.map(|tier| match tier {
        Tier::Claimed => "claimed",
        Tier::Observed => "observed",
        Tier::Executed => "executed",
        Tier::Signed => "signed",
    });
    let when = gate.at.map(|at| ago(at, app.now));
    let parts: Vec<String> = tier.map(str::to_owned).into_iter().chain(when).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn others(lines: &mut Vec<Line<'static>>, around: &Surroundings, theme: Theme, wide: usize) {
    for (name, rows) in [("Wait for it", &around.waits_for_it), ("Its parts", &around.children)] {
        if rows.is_empty() {
            continue;
        }
        lines.push(Line::default());
        lines.push(Line::styled(name, theme.strong()));
        lines.extend(rows.iter().map(|row| {
            let text = format!(
                "{} {} {} {}",
                mark(row.status),
                cell(&row.id.to_string(), 7),
                cell(row.status.word(), 9),
                row.title
            );
            Line::raw(format!("  {}", fit(&text, wide.saturating_sub(2))))
        }));
    }
}
