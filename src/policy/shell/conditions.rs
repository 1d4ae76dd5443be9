//! `[[ ]]`: its words, the commands inside them, and the operators that evaluate arithmetic. Whether it holds is
//! not asked.

use super::names::is_identifier;
use super::place::Outcome;
use super::reader::{Read, Reader, ends_word, stop};
use super::script::Simple;
use super::word::Draft;

impl Reader<'_> {
    pub(super) fn test(&mut self) -> Read<Outcome> {
        self.at += 2;
        if !matches!(self.peek(), Some(b' ' | b'\t' | b'\n')) {
            return stop("`[[` stands without a blank behind it");
        }
        let mut last = Draft::default();
        loop {
            self.skip_lines()?;
            if self.take_keyword("]]") {
                break;
            }
            match self.peek() {
                None => return stop("`[[` is not closed"),
                Some(b'&' | b'|') => {
                    if !self.take("&&") && !self.take("||") {
                        return stop("`[[ ]]` cannot be read");
                    }
                }
                Some(b'(' | b')') => self.at += 1,
                Some(b'<' | b'>') if self.look(1) != Some(b'(') => {
                    self.at += 1;
                    if self.peek().is_none_or(ends_word) && !matches!(self.peek(), Some(b' ' | b'\t')) {
                        return stop("`[[ ]]` cannot be read");
                    }
                }
                Some(b';') => return stop("`[[ ]]` cannot be read"),
                Some(_) => last = self.operand_of_test(last)?,
            }
        }
        let folders = self.folders();
        self.found.commands.push(Simple { folders, ..Simple::default() });
        Ok(Outcome::same(&self.place))
    }

    /// One word, with the one after it where it is an operator that evaluates; the answer is the last one read.
    fn operand_of_test(&mut self, before: Draft) -> Read<Draft> {
        let draft = self.word(false)?;
        // `=~` looks like a tilde behind an equals sign.
        if draft.quoted || draft.expands.value {
            return Ok(draft);
        }
        match draft.text.as_str() {
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                self.evaluated(&before);
                let after = self.next_operand()?;
                self.evaluated(&after);
                Ok(after)
            }
            "-v" | "-R" => {
                let after = self.next_operand()?;
                if !after.is_static() || !is_identifier(&after.text) {
                    self.doubt("a test evaluates a name that is not plain");
                }
                Ok(after)
            }
            "=~" => {
                self.skip_blanks();
                self.pattern()
            }
            _ => Ok(draft),
        }
    }

    fn next_operand(&mut self) -> Read<Draft> {
        self.skip_blanks();
        if self.peek().is_none_or(ends_word) {
            return stop("`[[ ]]` cannot be read");
        }
        self.word(false)
    }

    /// What stands behind `=~`: a word that may hold parentheses and bars, but no blank inside them.
    fn pattern(&mut self) -> Read<Draft> {
        let mut draft = Draft::default();
        let start = self.at;
        let mut open = 0_usize;
        while let Some(next) = self.peek() {
            match next {
                b'(' => {
                    open += 1;
                    self.at += 1;
                }
                b')' if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                b'|' if open > 0 => self.at += 1,
                b' ' | b'\t' | b'\n' if open == 0 => break,
                _ if ends_word(next) || self.at_continuation() => {
                    return stop("the pattern behind `=~` cannot be read");
                }
                _ => self.piece(&mut draft)?,
            }
        }
        if self.at == start || open > 0 {
            return stop("the pattern behind `=~` cannot be read");
        }
        Ok(draft)
    }
}
