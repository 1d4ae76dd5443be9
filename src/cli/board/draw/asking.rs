//! What is asked of a person, over the page: the question is always at the bottom, what it is about above it.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::super::asking::Asking;
use super::super::input::Input;
use super::inbox::{prose, wrapped};
use super::parts::{Theme, cell, fit, page_line, width};

const HELP: [&str; 24] = [
    "Everywhere",
    "  1 2 3 4, Tab     Board, Inbox, Fleet, Costs",
    "  h j k l, arrows  move; g G first and last; PgUp PgDn scroll",
    "  Esc              back",
    "  q, Ctrl-C        quit",
    "Board",
    "  Enter            the task: gates, what is missing, cost, story",
    "  i                the question it waits for",
    "Inbox",
    "  Enter            read it on the whole screen",
    "  Space            choose several: all are answered, or none",
    "  a                approve",
    "  r                reject, with a reason that the agent reads",
    "  e                approve a call with other arguments",
    "  t                its task",
    "  Nothing is answered before a y on the page that shows it whole.",
    "Costs",
    "  d t p a m        by day, task, phase, agent, model",
    "Signs",
    "  ● held  ○ ready  ◌ waits  ■ blocked  ✔ done  ✗ failed",
    "  enforced         its hooks block",
    "  advisory         a hook that fails lets a call pass",
    "  blind            nothing guards its tools",
    "  after a holder   what is left of its lease",
];

pub fn draw(frame: &mut Frame<'_>, area: Rect, asking: &mut Asking, theme: Theme) {
    match asking {
        Asking::Help { scroll } => {
            let lines = HELP.iter().map(|line| page_line(line, theme)).collect();
            page(frame, area, "Help", lines, scroll, "j k scroll   any other key goes back", theme);
        }
        Asking::Said(text) => {
            let lines = wrapped(text, inner(area)).into_iter().map(Line::raw).collect();
            page(frame, area, "", lines, &mut 0, "any key goes back", theme);
        }
        Asking::Choice { choices, at, .. } => {
            let line = |(number, choice): (usize, &String)| {
                let text = fit(&format!(" {choice}"), inner(area));
                if number == *at { Line::styled(text, theme.chosen()) } else { Line::raw(text) }
            };
            let lines = choices.iter().enumerate().map(line).collect();
            page(frame, area, "Which answer?", lines, &mut 0, "j k move   Enter take it   Esc back", theme);
        }
        Asking::Confirm { answer, text, scroll, read } => {
            let lines = wrapped(text, inner(area)).iter().map(|line| page_line(line, theme)).collect();
            let keys = format!("{}   y yes   n no   r give a reason   j k scroll", answer.question());
            *read |= page(frame, area, "", lines, scroll, &keys, theme);
        }
        Asking::Reason { answer, input } => {
            let question = answer.question();
            typed(frame, area, &question, input, None, "Why? (the agent reads it)   Enter on   Esc back", theme);
        }
        Asking::Arguments { input, wrong, .. } => {
            let keys = "Ctrl-S on   Esc back";
            typed(frame, area, "The call, with these arguments", input, wrong.as_deref(), keys, theme);
        }
        Asking::Passphrase { name, input, wrong, .. } => {
            let hidden = "•".repeat(input.chars());
            let mut lines: Vec<Line<'_>> =
                wrong.iter().map(|wrong| Line::styled(fit(wrong, inner(area)), theme.bad())).collect();
            lines.push(Line::raw(fit(&hidden, inner(area))));
            let title = format!("Passphrase of {name}, to sign this answer");
            page(frame, area, &title, lines, &mut 0, "Enter sign   Esc back", theme);
        }
    }
}

fn inner(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(2))
}

/// Lines from where they are scrolled to, and no further than to their end; whether that is in view.
fn page(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    lines: Vec<Line<'_>>,
    scroll: &mut u16,
    keys: &str,
    theme: Theme,
) -> bool {
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(fit(title, inner(area)));
    let within = block.inner(area);
    frame.render_widget(block, area);
    let questions: Vec<String> = prose(keys, usize::from(within.width));
    let below = u16::try_from(questions.len()).unwrap_or(1).min(within.height);
    let above = Rect { height: within.height - below, ..within };
    let most = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(above.height);
    *scroll = (*scroll).min(most);
    let from = usize::from(*scroll);
    let more = lines.len() > from + usize::from(above.height);
    let shown: Vec<Line<'_>> = lines.into_iter().skip(from).take(usize::from(above.height)).collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), above);
    if more && above.height > 0 {
        let last = Rect { y: above.y + above.height - 1, height: 1, ..above };
        frame.render_widget(
            Paragraph::new(Line::styled(cell("▼ more: j, PgDn", usize::from(above.width)), theme.chosen())),
            last,
        );
    }
    let question = Rect { y: above.y + above.height, height: below, ..within };
    let lines: Vec<Line<'_>> = questions.into_iter().map(|line| Line::styled(line, theme.asking())).collect();
    frame.render_widget(Paragraph::new(Text::from(lines)), question);
    !more
}

fn typed(frame: &mut Frame<'_>, area: Rect, title: &str, input: &Input, wrong: Option<&str>, keys: &str, theme: Theme) {
    let (line, column) = input.cursor();
    let wrong = wrong.map(|wrong| Line::styled(fit(wrong, inner(area)), theme.bad()));
    let above = u16::from(wrong.is_some());
    let height = usize::from(area.height.saturating_sub(3 + above));
    // The cursor stays in sight: lines are scrolled, and a line that is too long is moved.
    let first = (line + 1).saturating_sub(height);
    let texts: Vec<String> = input.lines().collect();
    let before: String = texts.get(line).map(|text| text.chars().take(column).collect()).unwrap_or_default();
    let moved = (width(&before) + 1).saturating_sub(inner(area));
    let shown = texts.iter().skip(first).map(|text| Line::raw(text.chars().skip(moved).collect::<String>()));
    page(frame, area, title, wrong.into_iter().chain(shown).collect(), &mut 0, keys, theme);
    let x = area.x + 1 + u16::try_from(width(&before).saturating_sub(moved)).unwrap_or(0);
    let y = area.y + 1 + above + u16::try_from(line - first.min(line)).unwrap_or(0);
    if x < area.right() && y < area.bottom() {
        frame.set_cursor_position(Position { x, y });
    }
}
