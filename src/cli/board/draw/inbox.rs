//! The inbox: what waits for a person, and the one before the eyes as `approvals show` has it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use super::super::model::Asked;
use super::parts::{Theme, cell, page_line, span};
use super::{App, scrolled};

/// From this width on the list and the text stand side by side.
const BESIDE: u16 = 100;

pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &mut App, theme: Theme) {
    if app.look.inbox.is_empty() {
        frame.render_widget(Paragraph::new(" Nothing waits for an answer."), area);
        return;
    }
    if app.reading {
        return text(frame, area, app, theme);
    }
    if area.width >= BESIDE {
        let wide = area.width * 2 / 5;
        let left = Rect { width: wide, ..area };
        let right = Rect { x: area.x + wide + 1, width: area.width - wide - 1, ..area };
        list(frame, left, app, theme);
        text(frame, right, app, theme);
        return;
    }
    let needed = u16::try_from(app.look.inbox.len()).unwrap_or(u16::MAX).saturating_add(1);
    let height = needed.min((area.height / 3).max(3)).min(area.height);
    list(frame, Rect { height, ..area }, app, theme);
    let below = Rect { y: area.y + height, height: area.height - height, ..area };
    text(frame, below, app, theme);
}

fn list(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let (height, wide) = (usize::from(area.height), usize::from(area.width));
    let first = (app.ask + 1).saturating_sub(height.saturating_sub(1).max(1));
    let rows = app.look.inbox.iter().enumerate().skip(first).take(height);
    let lines: Vec<Line<'_>> = rows.map(|(number, asked)| row(asked, number == app.ask, app, wide, theme)).collect();
    frame.render_widget(Paragraph::new(Text::from(lines)), area);
}

fn row(asked: &Asked, here: bool, app: &App, wide: usize, theme: Theme) -> Line<'static> {
    let box_ = if app.chosen.contains(&asked.id) { "[x]" } else { "[ ]" };
    let left = span(app.now.seconds_until(asked.expires_at));
    let task = asked.task.map(|task| task.to_string()).unwrap_or_default();
    let level = if asked.level >= 2 { format!(" L{}", asked.level) } else { String::new() };
    let with = asked.batch.filter(|first| *first != asked.id).map(|first| format!(" (with {first})"));
    let start = format!("{box_} {:<5} {:<6} {left:>4}{level} ", asked.id.to_string(), task);
    let rest = format!("{}{}", asked.headline, with.unwrap_or_default());
    let style = if here { theme.chosen() } else { Style::new() };
    Line::from(vec![
        Span::styled(start.clone(), style.patch(if here { Style::new() } else { theme.asking() })),
        Span::styled(cell(&rest, wide.saturating_sub(super::width(&start))), style),
    ])
}

fn text(frame: &mut Frame<'_>, area: Rect, app: &mut App, theme: Theme) {
    let wanted = app.asked().map(|asked| asked.id);
    let shown = app.look.shown.as_ref().filter(|(id, _)| Some(*id) == wanted).map(|(_, text)| text.as_str());
    let lines: Vec<Line<'static>> =
        wrapped(shown.unwrap_or_default(), usize::from(area.width)).iter().map(|line| page_line(line, theme)).collect();
    let more = lines.len() > usize::from(area.height) + usize::from(app.scroll);
    scrolled(frame, area, lines, &mut app.scroll);
    if more && area.height > 1 {
        let note = cell("▼ more: PgDn", usize::from(area.width));
        let last = Rect { y: area.y + area.height - 1, height: 1, ..area };
        frame.render_widget(Paragraph::new(Line::styled(note, theme.chosen())), last);
    }
}

/// Lines broken where they are too wide, so that nothing is cut off unseen. What goes on is marked: words of an agent must not
/// stand where a line of ours would begin.
pub fn wrapped(text: &str, wide: usize) -> Vec<String> {
    broken(text, wide, "    ↳ ")
}

/// The same for words of our own.
pub fn prose(text: &str, wide: usize) -> Vec<String> {
    broken(text, wide, "  ")
}

fn broken(text: &str, wide: usize, on: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let margin: String = line.chars().take_while(|c| *c == ' ' || *c == '│').collect();
        let indent = if margin.contains('│') { margin } else { on.to_owned() };
        let mut rest = crate::domain::visible::visible(line);
        while super::width(&rest) > wide && wide > super::width(&indent) + 4 {
            let kept = fitting(&rest, wide, super::width(&indent));
            let tail = rest.get(kept..).unwrap_or_default().trim_start().to_owned();
            lines.push(rest.get(..kept).unwrap_or_default().trim_end().to_owned());
            rest = format!("{indent}{tail}");
        }
        lines.push(rest);
    }
    lines
}

/// How many bytes of it fit: up to the last blank if there is one past the indent, else as many as there is room for.
fn fitting(text: &str, wide: usize, indent: usize) -> usize {
    let (mut used, mut end, mut blank) = (0, 0, None);
    for (at, c) in text.char_indices() {
        let size = super::width(c.encode_utf8(&mut [0; 4]));
        if used + size > wide {
            break;
        }
        if c == ' ' && used > indent {
            blank = Some(at);
        }
        used += size;
        end = at + c.len_utf8();
    }
    blank.unwrap_or(end).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_cannot_pass_for_a_line_of_ours() {
        let claim = format!("  claimed     the agent says: {}  level       3: signed", "x".repeat(20));
        let lines = wrapped(&claim, 40);
        assert!(lines.iter().skip(1).all(|line| line.starts_with("    ↳ ")), "{lines:?}");
    }

    #[test]
    fn a_line_is_broken_at_blanks_and_goes_on_under_its_indent() {
        assert_eq!(wrapped("    │ one two three", 14), ["    │ one two", "    │ three"]);
        assert_eq!(prose("abcdefghijk", 8), ["abcdefgh", "  ijk"]);
        assert_eq!(prose("漢字漢字漢字", 9), ["漢字漢字", "  漢字"]);
        assert_eq!(wrapped("short\n\nlines", 40), ["short", "", "lines"]);
    }
}
