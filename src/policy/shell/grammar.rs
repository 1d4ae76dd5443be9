//! Lists, pipelines and compound commands, and how the folder passes through them.

use super::arithmetic::End;
use super::builtins::COUNTING;
use super::names::{is_builtin, is_number, is_reserved};
use super::place::{Outcome, Place};
use super::reader::{Read, Reader, ends_word, stop};
use super::script::{Folders, Input, Simple};

impl Reader<'_> {
    /// The whole text.
    pub(super) fn script(&mut self) -> Read<()> {
        self.list(&[], None)?;
        if !self.pending.is_empty() {
            return stop("a here-document has no body");
        }
        Ok(())
    }

    /// Commands up to one of `words`, to `closer`, or to the end of the text where neither is asked for. What ends it
    /// stays.
    pub(super) fn list(&mut self, words: &[&str], closer: Option<u8>) -> Read<Outcome> {
        let mut outcome = Outcome::same(&self.place);
        loop {
            self.skip_lines()?;
            match self.peek() {
                None if closer.is_none() && words.is_empty() => return Ok(outcome),
                None => return stop("a construct is not closed"),
                Some(next) if Some(next) == closer => return Ok(outcome),
                Some(b';') if words.contains(&"esac") && self.case_separator().is_some() => return Ok(outcome),
                Some(_) if words.contains(&self.bare()) => return Ok(outcome),
                Some(_) => {}
            }
            let before = self.place.clone();
            outcome = self.chain()?;
            self.skip_blanks();
            match self.peek() {
                Some(b'&') => {
                    self.at += 1;
                    outcome = Outcome::same(&before);
                    if self.peek() == Some(b';') {
                        return stop("`&;` is not bash");
                    }
                }
                Some(b';') if self.case_separator().is_none() => self.at += 1,
                None | Some(b'\n' | b';' | b')') => {}
                Some(_) if words.contains(&self.bare()) => {}
                Some(_) => return stop("a separator is missing between two commands"),
            }
            self.place = outcome.clone().any();
        }
    }

    fn case_separator(&self) -> Option<&'static str> {
        [";;&", ";;", ";&"].into_iter().find(|mark| self.starts(mark))
    }

    /// Pipelines joined by `&&` and `||`.
    fn chain(&mut self) -> Read<Outcome> {
        let mut outcome = self.pipeline()?;
        loop {
            self.skip_blanks();
            let and = self.starts("&&");
            if !and && !self.starts("||") {
                return Ok(outcome);
            }
            self.at += 2;
            self.skip_lines()?;
            let (next, kept) = if and { (outcome.good, outcome.bad) } else { (outcome.bad, outcome.good) };
            self.place = next;
            let last = self.pipeline()?;
            outcome = if and {
                Outcome { good: last.good, bad: last.bad.or(kept) }
            } else {
                Outcome { good: last.good.or(kept), bad: last.bad }
            };
        }
    }

    fn pipeline(&mut self) -> Read<Outcome> {
        self.skip_blanks();
        if self.bare() == "!" {
            self.at += 1;
            if !matches!(self.peek(), Some(b' ' | b'\t')) {
                return stop("`!` stands without a blank behind it");
            }
            self.skip_blanks();
            if ["!", "time"].contains(&self.bare()) {
                return stop("`!` stands before another `!` or `time`");
            }
            return Ok(self.stages()?.swapped());
        }
        if self.take_keyword("time") {
            let mut blank = matches!(self.peek(), Some(b' ' | b'\t'));
            self.skip_blanks();
            for option in ["-p", "--"] {
                if self.bare() == option {
                    self.at += option.len();
                    blank = matches!(self.peek(), Some(b' ' | b'\t'));
                    self.skip_blanks();
                }
            }
            let plain = self.peek().is_some_and(|next| !ends_word(next) || next == b'(') && !self.starts("-");
            if !blank || !plain || ["!", "time"].contains(&self.bare()) {
                return stop("`time` stands in a form that is not known");
            }
        }
        self.stages()
    }

    fn stages(&mut self) -> Read<Outcome> {
        let before = self.place.clone();
        let moved = self.moved;
        let mut outcome = self.command()?;
        let mut piped = false;
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'|') || self.starts("||") {
                break;
            }
            self.at += if self.starts("|&") { 2 } else { 1 };
            self.skip_lines()?;
            piped = true;
            self.place = before.clone();
            let first = self.found.commands.len();
            if self.bare() == "time" {
                self.doubt("`time` stands in a form that is not known");
                self.take_keyword("time");
                self.skip_blanks();
            }
            self.command()?;
            self.feed(first, Input::Pipe);
        }
        if piped {
            self.moved = moved;
            outcome = Outcome::same(&before);
        }
        Ok(outcome)
    }

    /// Commands that read what their surroundings read now read this.
    fn feed(&mut self, first: usize, input: Input) {
        for command in self.since_command(first) {
            if command.input == Input::Inherited {
                command.input = input;
            }
        }
    }

    fn since_command(&mut self, first: usize) -> &mut [Simple] {
        self.found.commands.get_mut(first..).unwrap_or_default()
    }

    fn command(&mut self) -> Read<Outcome> {
        self.skip_blanks();
        let before = self.place.clone();
        let first = self.found.commands.len();
        let outcome = match self.bare() {
            "" if self.starts("((") => self.nested(Self::numbers)?,
            "" if self.peek() == Some(b'(') => self.nested(Self::subshell)?,
            "{" if self.look(1).is_some_and(|next| b" \t\n".contains(&next)) => self.nested(Self::group)?,
            "if" => self.nested(Self::condition)?,
            "while" | "until" => self.nested(Self::repeat)?,
            "for" => self.nested(Self::each)?,
            "case" => self.nested(Self::choice)?,
            "[[" => self.nested(Self::test)?,
            "function" => return self.function_keyword(),
            "select" | "coproc" => return stop("`select` and `coproc` are not read"),
            word if is_reserved(word) && !word.is_empty() => return stop(&format!("`{word}` is not expected here")),
            _ => return self.simple(),
        };
        self.redirected(first, before)?;
        Ok(outcome)
    }

    /// Redirections behind a compound command: they are opened where it begins, and all in it reads from them.
    fn redirected(&mut self, first: usize, before: Place) -> Read<()> {
        let after = std::mem::replace(&mut self.place, before);
        let mut own = Simple { folders: self.folders(), ..Simple::default() };
        let mut any = false;
        loop {
            self.skip_blanks();
            if !self.at_redirection() {
                break;
            }
            any = true;
            self.redirection(&mut own)?;
        }
        if any {
            self.feed(first, own.input);
            self.found.commands.push(own);
        }
        self.place = after;
        Ok(())
    }

    pub(super) fn folders(&self) -> Folders {
        if self.found.wanders { Folders::Unknown } else { self.place.folders() }
    }

    fn numbers(&mut self) -> Read<Outcome> {
        self.at += 2;
        self.arithmetic(End::Parentheses)?;
        self.nothing();
        Ok(Outcome::same(&self.place))
    }

    /// A test or a calculation: it starts nothing, and the list of commands must not be empty for it.
    fn nothing(&mut self) {
        let folders = self.folders();
        self.found.commands.push(Simple { folders, ..Simple::default() });
    }

    fn subshell(&mut self) -> Read<Outcome> {
        let (before, moved) = (self.place.clone(), self.moved);
        self.at += 1;
        self.list(&[], Some(b')'))?;
        self.at += 1;
        self.moved = moved;
        Ok(Outcome::same(&before))
    }

    fn group(&mut self) -> Read<Outcome> {
        self.at += 1;
        let outcome = self.list(&["}"], None)?;
        self.expect_keyword("}")?;
        Ok(outcome)
    }

    fn condition(&mut self) -> Read<Outcome> {
        self.expect_keyword("if")?;
        let mut ends = Place::nowhere();
        loop {
            let asked = self.list(&["then"], None)?;
            self.expect_keyword("then")?;
            self.place = asked.good;
            ends = ends.or(self.list(&["elif", "else", "fi"], None)?.any());
            self.place = asked.bad;
            if self.take_keyword("elif") {
                continue;
            }
            if self.take_keyword("else") {
                self.place = self.list(&["fi"], None)?.any();
            }
            self.expect_keyword("fi")?;
            return Ok(Outcome::same(&ends.or(self.place.clone())));
        }
    }

    fn repeat(&mut self) -> Read<Outcome> {
        self.at += "while".len();
        let moved = std::mem::take(&mut self.moved);
        let (first, before) = (self.found.commands.len(), self.place.clone());
        self.list(&["do"], None)?;
        self.body()?;
        Ok(self.looped(first, before, moved))
    }

    fn body(&mut self) -> Read<()> {
        self.expect_keyword("do")?;
        self.list(&["done"], None)?;
        self.expect_keyword("done")
    }

    /// A loop that changes the folder may have changed it any number of times.
    fn looped(&mut self, first: usize, before: Place, moved: bool) -> Outcome {
        let place = if self.moved { before.anywhere() } else { before };
        if self.moved {
            self.since_command(first).iter_mut().for_each(|command| command.folders = Folders::Unknown);
        }
        self.moved |= moved;
        Outcome::same(&place)
    }

    fn each(&mut self) -> Read<Outcome> {
        self.expect_keyword("for")?;
        self.skip_blanks();
        let moved = std::mem::take(&mut self.moved);
        let (first, before) = (self.found.commands.len(), self.place.clone());
        if self.take("((") {
            self.arithmetic(End::Loop)?;
            self.nothing();
        } else {
            let Some(name) = self.identifier() else { return stop("the name of a `for` loop cannot be read") };
            if !self.peek().is_none_or(|next| b" \t\n;".contains(&next)) {
                return stop("the name of a `for` loop cannot be read");
            }
            self.skip_lines()?;
            let numbers = self.take_keyword("in") && self.elements()?;
            self.filled(name, numbers);
            self.place = before.clone().with(name);
        }
        self.skip_blanks();
        self.take(";");
        self.skip_lines()?;
        self.body()?;
        Ok(self.looped(first, before, moved))
    }

    /// The words of a `for` loop; whether all are numbers.
    fn elements(&mut self) -> Read<bool> {
        let mut numbers = true;
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return stop("a construct is not closed"),
                Some(b'\n' | b';') => return Ok(numbers),
                Some(b'<' | b'>') if self.look(1) == Some(b'(') => {}
                Some(next) if ends_word(next) => return stop("the words of a `for` loop cannot be read"),
                Some(_) => {}
            }
            let draft = self.word(false)?;
            numbers &= draft.yields_number() || is_range(&draft.text);
        }
    }

    fn choice(&mut self) -> Read<Outcome> {
        self.expect_keyword("case")?;
        self.skip_blanks();
        if self.peek().is_none_or(ends_word) {
            return stop("the word of a `case` cannot be read");
        }
        self.word(false)?;
        self.skip_lines()?;
        self.expect_keyword("in")?;
        let before = self.place.clone();
        let mut ends = before.clone();
        loop {
            self.skip_lines()?;
            if self.take_keyword("esac") {
                return Ok(Outcome::same(&ends));
            }
            self.patterns()?;
            // `;&` goes on in the next branch, so each may begin where an earlier one ended.
            self.place = ends.clone();
            ends = ends.or(self.list(&["esac"], None)?.any());
            if let Some(mark) = self.case_separator() {
                self.at += mark.len();
            }
        }
    }

    fn patterns(&mut self) -> Read<()> {
        self.take("(");
        loop {
            self.skip_blanks();
            if self.peek().is_none_or(ends_word) {
                return stop("a pattern of a `case` cannot be read");
            }
            self.word(false)?;
            self.skip_blanks();
            if self.take(")") {
                return Ok(());
            }
            if !self.take("|") {
                return stop("a pattern of a `case` cannot be read");
            }
        }
    }

    fn function_keyword(&mut self) -> Read<Outcome> {
        self.expect_keyword("function")?;
        self.skip_blanks();
        let draft = self.word(false)?;
        self.skip_blanks();
        if self.take("(") {
            self.skip_blanks();
            if !self.take(")") {
                return stop("the definition of a function cannot be read");
            }
        }
        if draft.quoted || !draft.is_static() {
            return stop("the name of a function is not plain");
        }
        self.function_body(&draft.text)
    }

    /// After `name ()`.
    pub(super) fn function_body(&mut self, name: &str) -> Read<Outcome> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.:+".contains(letter);
        if name.is_empty() || !name.chars().all(plain) || is_reserved(name) || is_number(name) {
            return stop("the name of a function is not plain");
        }
        if is_builtin(name) || COUNTING.contains(&name) {
            self.doubt(format!("a function takes the place of `{name}`"));
        }
        self.found.functions.push(name.to_owned());
        self.skip_lines()?;
        if self.bare() != "{" && self.peek() != Some(b'(') {
            return stop("the body of a function is neither `{ }` nor `( )`");
        }
        let before = self.place.clone();
        let moved = std::mem::take(&mut self.moved);
        let first = self.found.commands.len();
        self.place = before.clone().anywhere();
        self.command()?;
        // Nothing is known of where and behind what the function will be called.
        self.since_command(first).iter_mut().for_each(|command| command.folders = Folders::Unknown);
        self.feed(first, Input::Pipe);
        self.found.wanders |= self.moved;
        self.moved |= moved;
        self.place = before;
        Ok(Outcome::same(&self.place))
    }
}

/// `{1..9}`
fn is_range(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.is_some_and(|inner| inner.contains("..") && inner.split("..").all(is_number))
}
