//! Text that is typed: one line, or some lines with a cursor. What becomes of it is not here.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroize;

/// Lines under a cursor; a single line is one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    lines: Vec<Vec<char>>,
    line: usize,
    column: usize,
    many: bool,
}

/// No more than anybody means to type.
const CHARS_MAX: usize = 20_000;

impl Input {
    pub fn line() -> Self {
        Self { lines: vec![Vec::new()], line: 0, column: 0, many: false }
    }

    pub fn of_lines(text: &str) -> Self {
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        Self { lines: if lines.is_empty() { vec![Vec::new()] } else { lines }, line: 0, column: 0, many: true }
    }

    pub fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| line.iter().collect()).collect();
        lines.join("\n")
    }

    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.lines.iter().map(|line| line.iter().collect())
    }

    /// Line and column of the cursor.
    pub fn cursor(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    pub fn chars(&self) -> usize {
        self.lines.iter().map(Vec::len).sum()
    }

    pub fn paste(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' && self.many {
                self.split();
            } else {
                self.put(c);
            }
        }
    }

    /// True when the key meant something here.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                if let Some(line) = self.lines.get_mut(self.line) {
                    line.clear();
                }
                self.column = 0;
            }
            KeyCode::Char(c) if !control => self.put(c),
            KeyCode::Enter if self.many => self.split(),
            KeyCode::Backspace => self.back(),
            KeyCode::Left => self.column = self.column.saturating_sub(1),
            KeyCode::Right => self.column = (self.column + 1).min(self.length()),
            KeyCode::Home => self.column = 0,
            KeyCode::End => self.column = self.length(),
            KeyCode::Up if self.many => self.move_to(self.line.saturating_sub(1)),
            KeyCode::Down if self.many => self.move_to((self.line + 1).min(self.lines.len().saturating_sub(1))),
            _ => return false,
        }
        true
    }

    fn length(&self) -> usize {
        self.lines.get(self.line).map_or(0, Vec::len)
    }

    fn move_to(&mut self, line: usize) {
        self.line = line;
        self.column = self.column.min(self.length());
    }

    fn put(&mut self, c: char) {
        if c.is_control() || self.chars() >= CHARS_MAX {
            return;
        }
        let column = self.column;
        if let Some(line) = self.lines.get_mut(self.line) {
            line.insert(column.min(line.len()), c);
            self.column += 1;
        }
    }

    fn split(&mut self) {
        let column = self.column;
        let Some(line) = self.lines.get_mut(self.line) else { return };
        let rest = line.split_off(column.min(line.len()));
        self.lines.insert(self.line + 1, rest);
        (self.line, self.column) = (self.line + 1, 0);
    }

    fn back(&mut self) {
        if self.column > 0 {
            self.column -= 1;
            let column = self.column;
            if let Some(line) = self.lines.get_mut(self.line).filter(|line| column < line.len()) {
                line.remove(column);
            }
        } else if self.line > 0 {
            let rest = self.lines.remove(self.line);
            self.line -= 1;
            self.column = self.length();
            if let Some(line) = self.lines.get_mut(self.line) {
                line.extend(rest);
            }
        }
    }
}

impl Drop for Input {
    /// A passphrase may have been typed.
    fn drop(&mut self) {
        for line in &mut self.lines {
            line.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(input: &mut Input, keys: &[KeyCode]) {
        for key in keys {
            input.key(KeyEvent::new(*key, KeyModifiers::NONE));
        }
    }

    #[test]
    fn lines_are_typed_split_and_joined() {
        let mut input = Input::of_lines("{\n}");
        typed(&mut input, &[KeyCode::End, KeyCode::Enter, KeyCode::Char('a')]);
        assert_eq!(input.text(), "{\na\n}");
        typed(&mut input, &[KeyCode::Down, KeyCode::Home, KeyCode::Backspace]);
        assert_eq!((input.text().as_str(), input.cursor()), ("{\na}", (1, 1)));
        input.paste("x\ny");
        assert_eq!(input.text(), "{\nax\ny}");
    }

    #[test]
    fn a_single_line_takes_no_break_and_no_control_character() {
        let mut input = Input::line();
        input.paste("no\n\u{1b}[2Jway");
        assert!(!input.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
        assert_eq!(input.text(), "no[2Jway");
        input.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(input.text(), "");
    }
}
