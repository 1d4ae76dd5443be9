//! Pieces that every page is drawn with: text that is safe and fits, colours that are readable on light and dark, times.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::domain::ids::Time;
use crate::domain::session::Guard;
use crate::domain::task::Status;
use crate::domain::visible::visible;

/// Without colours, weight and inversion say the same.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    pub colours: bool,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn asking(self) -> Style {
        self.colour(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// Yellow letters are unreadable on white, so yellow is a ground.
    pub fn warning(self) -> Style {
        if self.colours {
            Style::new().fg(Color::Black).bg(Color::Yellow)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    pub fn alarm(self) -> Style {
        if self.colours {
            Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD)
        }
    }

    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub fn guard(self, guard: Guard) -> Style {
        match guard {
            Guard::Enforced => self.good(),
            Guard::Advisory => self.warning(),
            Guard::Blind => self.alarm(),
        }
    }
}

/// Of somebody else, on one line of ours.
pub fn plain(text: &str) -> String {
    let joined: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect();
    visible(&joined.join(" ⏎ "))
}

pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// On one line, safe to look at, and no wider than asked.
pub fn fit(text: &str, most: usize) -> String {
    let text = plain(text);
    if width(&text) <= most {
        return text;
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        if used + wide + 1 > most {
            break;
        }
        used += wide;
        kept.push(c);
    }
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// The same, filled up with blanks: a cell of a table.
pub fn cell(text: &str, wide: usize) -> String {
    let text = fit(text, wide);
    let blanks = wide.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(blanks))
}

/// Cut, with the blanks before it kept.
pub fn fit_right(text: &str, most: usize) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    format!("{}{}", " ".repeat(indent.min(most)), fit(text.trim_start_matches(' '), most.saturating_sub(indent)))
}

pub fn right(text: &str, wide: usize) -> String {
    let text = fit(text, wide);
    format!("{}{text}", " ".repeat(wide.saturating_sub(width(&text))))
}

pub fn mark(status: Status) -> &'static str {
    match status {
        Status::Waiting => "◌",
        Status::Ready => "○",
        Status::Claimed => "●",
        Status::Blocked => "■",
        Status::Done => "✔",
        Status::Failed => "✗",
        Status::Cancelled => "–",
    }
}

/// How long, in two digits or three and a unit.
pub fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

pub fn ago(then: Time, now: Time) -> String {
    format!("{} ago", span(then.seconds_until(now)))
}

/// Of a page of ours, line by line: headings stand out, what others wrote is marked already.
pub fn page_line(line: &str, theme: Theme) -> Line<'static> {
    let text = visible(line);
    if !text.starts_with(' ') && !text.is_empty() {
        return Line::styled(text, theme.strong());
    }
    if text.trim_start().starts_with('│') {
        return Line::raw(text);
    }
    // A name of ours before what it names.
    match text.strip_prefix("  ").and_then(|rest| rest.split_once("  ")) {
        Some((name, rest)) if !name.is_empty() && !name.starts_with(' ') => {
            Line::from(vec![Span::styled(format!("  {name}  "), theme.dim()), Span::raw(rest.to_owned())])
        }
        _ => Line::raw(text),
    }
}

/// Bars from eighths, the largest as high as a line.
pub fn bars(values: &[u64]) -> String {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let bar = |value: &u64| {
        let eighths = value.saturating_mul(8).div_ceil(most);
        usize::try_from(eighths).ok().and_then(|eighths| EIGHTHS.get(eighths)).copied().unwrap_or('█')
    };
    values.iter().map(bar).collect()
}

/// A share of a line, for budgets and sums.
pub fn gauge(part: u64, whole: u64, wide: usize) -> String {
    let wide_u64 = u64::try_from(wide).unwrap_or(0);
    let full = part.min(whole).saturating_mul(wide_u64).checked_div(whole).unwrap_or(0);
    let full = usize::try_from(full).unwrap_or(wide).min(wide);
    // Something is never shown as nothing.
    let full = if part > 0 { full.max(1).min(wide) } else { full };
    format!("{}{}", "█".repeat(full), "░".repeat(wide - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown_and_what_is_too_wide_is_cut() {
        assert_eq!(fit("ok\u{1b}[2J\u{202e}", 40), "ok\\u{1b}[2J\\u{202e}");
        assert_eq!(fit("one\ntwo", 40), "one ⏎ two");
        assert_eq!((fit("abcdef", 4), fit("漢字漢字", 5)), ("abc…".to_owned(), "漢字…".to_owned()));
        assert_eq!((fit("ab", 0), cell("漢", 4)), (String::new(), "漢  ".to_owned()));
    }

    #[test]
    fn bars_and_gauges_show_something_wherever_there_is_something() {
        assert_eq!(bars(&[0, 1, 100]), " ▁█");
        assert_eq!(
            (gauge(1, 1000, 4), gauge(0, 10, 4), gauge(20, 10, 4)),
            ("█░░░".into(), "░░░░".into(), "████".into())
        );
        assert_eq!(gauge(5, 0, 4), "█░░░");
    }
}
