//! What stands behind a dollar sign or in backticks, and process substitutions. The commands inside are read in
//! place and listed; the word they stand in keeps them as written.

use super::names::{is_reserved, is_sensitive};
use super::reader::{Read, Reader, is_name_byte, stop};
use super::word::Draft;

impl Reader<'_> {
    /// At a `$`.
    pub(super) fn dollar(&mut self, draft: &mut Draft, quoted: bool) -> Read<()> {
        let start = self.at;
        let mut number = false;
        match self.look(1) {
            Some(b'(') if self.look(2) == Some(b'(') => {
                self.at += 3;
                number = true;
                self.nested(|reader| reader.arithmetic(super::arithmetic::End::Parentheses))?;
            }
            Some(b'(') => {
                self.at += 2;
                number = self.nested(Self::substitution)?;
                draft.data |= !number;
            }
            Some(b'{') => {
                self.at += 2;
                self.nested(|reader| reader.braced(draft, quoted))?;
            }
            Some(b'[') => return stop("`$[ ]` is arithmetic of an old form"),
            Some(b'\'') if !quoted => return self.ansi(draft),
            Some(b'"') if !quoted => {
                self.at += 1;
                let mut inner = Draft::default();
                self.double(&mut inner)?;
                draft.data = true;
                draft.absorb(inner);
            }
            Some(next) if next.is_ascii_alphabetic() || next == b'_' => {
                self.at += 1;
                if let Some(name) = self.identifier() {
                    self.expands(name);
                    draft.variables.push(name.to_owned());
                }
            }
            Some(next) if next.is_ascii_digit() || b"@*-".contains(&next) => {
                self.at += 2;
                draft.data = true;
            }
            Some(b'#' | b'?' | b'$' | b'!') => {
                self.at += 2;
                number = true;
            }
            Some(b'\\') if self.look(2) == Some(b'\n') => return stop("a line continuation stands after a `$`"),
            Some(next) if !next.is_ascii() => {
                return stop("a `$` stands before a letter that bash may take for a name");
            }
            _ => {
                self.at += 1;
                draft.text.push('$');
                draft.literal.push('$');
                return Ok(());
            }
        }
        draft.expanded_to_words(self.since(start), quoted || number);
        Ok(())
    }

    /// Commands up to `)`, in a shell of their own. The answer: what they print is surely a number.
    fn substitution(&mut self) -> Read<bool> {
        let place = self.place.clone();
        let moved = self.moved;
        let pending = std::mem::take(&mut self.pending);
        let outer = self.outer_pending;
        self.outer_pending |= !pending.is_empty();
        let (first, bodies) = (self.found.commands.len(), self.bodies);
        let start = self.at;
        self.list(&[], Some(b')'))?;
        // Bash writes a substitution anew from what it understood, and drops a `;` behind a here-document on the way.
        if self.bodies > bodies && self.found.commands.len() - first > 1 {
            self.doubt("a here-document stands beside other commands in a substitution");
        }
        if !self.pending.is_empty() {
            return stop("a here-document begins in a substitution and ends outside it");
        }
        let number =
            super::builtins::prints_number(self.since(start), self.found.commands.get(first..).unwrap_or_default());
        if !self.take(")") {
            return stop("a substitution is not closed");
        }
        self.place = place;
        self.moved = moved;
        self.pending = pending;
        self.outer_pending = outer;
        Ok(number)
    }

    /// `<( )` and `>( )`, which must be the whole word.
    pub(super) fn process(&mut self, draft: &mut Draft) -> Read<()> {
        let start = self.at;
        self.at += 2;
        self.nested(Self::substitution)?;
        if self.peek().is_some_and(|next| !super::reader::ends_word(next)) || self.starts("<(") || self.starts(">(") {
            return stop("a process substitution stands inside a word");
        }
        draft.data = true;
        draft.expanded(self.since(start));
        Ok(())
    }

    /// Bash takes the backslashes out of what stands between backticks and reads the rest as a text of its own.
    pub(super) fn backtick(&mut self, draft: &mut Draft, quoted: bool) -> Read<()> {
        let start = self.at;
        self.at += 1;
        let mut inner = String::new();
        loop {
            match self.bump() {
                None => return stop("a backtick is not closed"),
                Some('`') => break,
                Some('\\') => match self.bump() {
                    Some(next @ ('$' | '`' | '\\')) => inner.push(next),
                    Some('\n') => return stop("a line continuation stands inside backticks"),
                    Some('"') if quoted || self.in_document => {
                        return stop("an escaped quote stands in backticks inside quotes");
                    }
                    Some(next) => inner.extend(['\\', next]),
                    None => return stop("a backtick is not closed"),
                },
                Some(next) => inner.push(next),
            }
        }
        if !self.pending.is_empty() && inner.contains('\n') {
            return stop("a quoted text of several lines stands before a here-document");
        }
        self.nested(|outer| {
            let mut reader = Reader::new(&inner, std::mem::take(&mut outer.found));
            reader.depth = outer.depth;
            reader.place = outer.place.clone();
            let result = reader.script();
            outer.found = reader.found;
            result
        })?;
        draft.data = true;
        draft.expanded_to_words(self.since(start), quoted);
        Ok(())
    }

    /// After `${`, up to and with `}`.
    fn braced(&mut self, draft: &mut Draft, quoted: bool) -> Read<()> {
        if self.peek() == Some(b'#') && self.look(1) != Some(b'}') {
            return self.length();
        }
        if self.peek() == Some(b'!') && self.look(1) != Some(b'}') {
            return self.indirect(draft);
        }
        let name = self.parameter(draft)?;
        if self.take("[") {
            draft.data = true;
            self.nested(|reader| reader.arithmetic(super::arithmetic::End::Bracket))?;
        }
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                Ok(())
            }
            Some(b':') if !self.look(1).is_some_and(|next| b"-=?+".contains(&next)) => {
                self.at += 1;
                draft.data = true;
                self.nested(|reader| reader.arithmetic(super::arithmetic::End::Brace))
            }
            Some(b':' | b'-' | b'=' | b'?' | b'+') => {
                self.take(":");
                if self.peek() == Some(b'=') {
                    self.filled(&name, false);
                }
                self.at += 1;
                self.defaulted(draft, quoted)
            }
            Some(b'#' | b'%' | b'/' | b'^' | b',') => {
                draft.data = true;
                self.at += 1;
                self.defaulted(draft, quoted)
            }
            Some(b'@') => {
                draft.data = true;
                if self.look(1) == Some(b'P') {
                    self.doubt("`${…@P}` evaluates the value of a variable as a prompt");
                }
                let letter = self.look(1).is_some_and(|letter| b"QEUuLAaKkP".contains(&letter));
                if !letter || self.look(2) != Some(b'}') {
                    return stop("`${ }` has a form that is not known");
                }
                self.at += 3;
                Ok(())
            }
            _ => stop("`${ }` has a form that is not known"),
        }
    }

    fn expands(&mut self, name: &str) {
        if !self.place.gives(name) {
            self.found.early.insert(name.to_owned());
        }
    }

    fn parameter(&mut self, draft: &mut Draft) -> Read<String> {
        let start = self.at;
        if let Some(name) = self.identifier() {
            self.expands(name);
            draft.variables.push(name.to_owned());
            return Ok(name.to_owned());
        }
        match self.peek() {
            Some(b'0'..=b'9') => {
                while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    self.at += 1;
                }
                draft.data = true;
            }
            Some(b'@' | b'*' | b'-') => {
                self.at += 1;
                draft.data = true;
            }
            Some(b'#' | b'?' | b'$' | b'!') => self.at += 1,
            _ => return stop("`${ }` has a form that is not known"),
        }
        Ok(self.since(start).to_owned())
    }

    /// `${#x}`: a number whatever `x` is.
    fn length(&mut self) -> Read<()> {
        self.at += 1;
        let mut name = Draft::default();
        self.parameter(&mut name)?;
        if self.take("[") {
            self.nested(|reader| reader.arithmetic(super::arithmetic::End::Bracket))?;
        }
        if self.take("}") { Ok(()) } else { stop("`${#` has a form that is not known") }
    }

    /// The keys of an array and the names with a prefix are certain; all else names the variable by a value.
    fn indirect(&mut self, draft: &mut Draft) -> Read<()> {
        self.at += 1;
        draft.data = true;
        if self.identifier().is_some() && ["[@]}", "[*]}", "@}", "*}"].iter().any(|form| self.take(form)) {
            return Ok(());
        }
        stop("`${!x}` takes the name of a variable from a value")
    }

    /// The word after `:-` and the like, up to and with `}`. Quotes that mean one thing outside double quotes and another
    /// inside them are not read at all.
    fn defaulted(&mut self, draft: &mut Draft, quoted: bool) -> Read<()> {
        let literal = quoted || self.in_document;
        let mut inner = Draft::default();
        loop {
            match self.peek() {
                None => return stop("`${` is not closed"),
                Some(b'}') => break,
                Some(b'\'') if literal => return stop("a single quote stands in `${ }` inside double quotes"),
                Some(b'"') if self.in_document => return stop("a quote stands in `${ }` inside a here-document"),
                Some(b'{') => return stop("an open brace stands in `${ }`"),
                Some(b'<' | b'>') if self.look(1) == Some(b'(') => {
                    return stop("a process substitution stands inside a word");
                }
                Some(b'\n') if !self.pending.is_empty() => {
                    return stop("a quoted text of several lines stands before a here-document");
                }
                Some(b'\\') if self.look(1) == Some(b'\n') => {
                    return stop("a line continuation stands inside `${ }`");
                }
                Some(b'$') if quoted => self.dollar(&mut inner, true)?,
                Some(b'`') if quoted => self.backtick(&mut inner, true)?,
                Some(_) => self.piece(&mut inner)?,
            }
        }
        self.at += 1;
        draft.data |= !super::names::is_number(&inner.literal) && !inner.literal.is_empty();
        draft.absorb(inner);
        Ok(())
    }

    /// A variable gets a value; `number`: one that is surely a number.
    pub(super) fn assigned(&mut self, name: &str, number: bool) {
        if is_sensitive(name) {
            self.doubt(format!("`{name}` is assigned, which changes what the rest of the command means"));
        }
        if !number {
            self.found.variables.holds_data(name);
        }
    }

    /// The same, by other means than an assignment.
    pub(super) fn filled(&mut self, name: &str, number: bool) {
        self.found.filled.insert(name.to_owned());
        self.assigned(name, number);
    }

    /// The value of this word is evaluated as arithmetic.
    pub(super) fn evaluated(&mut self, draft: &Draft) {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_ +-".contains(letter);
        if draft.data {
            self.doubt("arithmetic evaluates a value that is not known to be a number");
        } else if !draft.literal.chars().all(plain) {
            self.doubt("arithmetic evaluates a text that is not a number");
        }
        for name in &draft.variables {
            self.found.variables.evaluates(name);
        }
        let name_like = |text: &&str| text.bytes().all(is_name_byte) && !is_reserved(text);
        for name in draft.literal.split([' ', '+', '-']).filter(name_like) {
            self.found.variables.evaluates(name);
        }
    }
}
