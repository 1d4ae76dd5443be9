//! Arithmetic: its end, the commands inside, and the variables it evaluates. Only characters that can stand nowhere
//! else are taken, so that nested subshells are never read as arithmetic. Nothing is computed.

use super::names::is_sensitive;
use super::reader::{Read, Reader, is_name_byte, stop};
use super::word::Draft;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `))`
    Parentheses,
    /// `))`, with semicolons before it.
    Loop,
    Bracket,
    Brace,
}

impl Reader<'_> {
    /// Up to and with the end.
    pub(super) fn arithmetic(&mut self, end: End) -> Read<()> {
        let mut open = 0_usize;
        while let Some(next) = self.peek() {
            match next {
                b')' if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                b')' if matches!(end, End::Parentheses | End::Loop) && self.take("))") => return Ok(()),
                b']' if end == End::Bracket && open == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                b'}' if end == End::Brace && open == 0 => {
                    self.at += 1;
                    return Ok(());
                }
                b'(' => {
                    open += 1;
                    self.at += 1;
                }
                b';' if end == End::Loop => self.at += 1,
                b'@' if end == End::Bracket => self.at += 1,
                b'<' | b'>' if self.look(1) == Some(b'(') => {
                    return stop("a process substitution stands in arithmetic");
                }
                b'\n' if !self.pending.is_empty() || self.outer_pending => {
                    return stop("a quoted text of several lines stands before a here-document");
                }
                _ => self.operand(next)?,
            }
        }
        stop("arithmetic is not closed")
    }

    fn operand(&mut self, next: u8) -> Read<()> {
        let mut draft = Draft::default();
        match next {
            b'0'..=b'9' => {
                while self.peek().is_some_and(|byte| is_name_byte(byte) || byte == b'#' || byte == b'@') {
                    self.at += 1;
                }
            }
            b'$' => self.dollar(&mut draft, true)?,
            b'`' => self.backtick(&mut draft, true)?,
            b'"' => self.double(&mut draft)?,
            b' ' | b'\t' | b'\n' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|'
            | b'^' | b'~' | b'?' | b':' | b',' => self.at += 1,
            _ => match self.identifier() {
                Some(name) => {
                    let before = self.text.get(..self.at - name.len()).unwrap_or_default().trim_end();
                    let stepped = before.ends_with("++") || before.ends_with("--");
                    self.found.variables.evaluates(name);
                    if is_sensitive(name) {
                        self.doubt(format!("`{name}` may be assigned by arithmetic"));
                    }
                    if self.take("[") {
                        self.nested(|reader| reader.arithmetic(End::Bracket))?;
                    }
                    if stepped || self.at_assigning() {
                        self.found.filled.insert(name.to_owned());
                    }
                }
                None => {
                    return stop("this may be arithmetic or a nested subshell; write a blank between the parentheses");
                }
            },
        }
        self.evaluated(&draft);
        Ok(())
    }

    /// At an operator that gives the variable before it a value.
    fn at_assigning(&self) -> bool {
        let rest = self.text.get(self.at..self.end).unwrap_or_default().trim_start_matches([' ', '\t', '\n', '\\']);
        let operators = ["++", "--", "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="];
        operators.iter().any(|operator| rest.starts_with(operator)) && !rest.starts_with("==")
    }
}
