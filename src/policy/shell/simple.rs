//! One simple command: assignments, words, redirections. What a builtin does with its words is next door.

use super::arithmetic::End;
use super::builtins::takes_assignments;
use super::names::{is_number, is_reserved};
use super::place::Outcome;
use super::reader::{Read, Reader, ends_word, is_name_byte, stop};
use super::script::{Assignment, Expands, Input, Redirection, Simple, Way};
use super::word::Draft;

impl Draft {
    /// What it expands to is surely a number.
    pub(super) fn yields_number(&self) -> bool {
        let literal = self.literal.is_empty() && !self.is_static() || is_number(&self.literal);
        literal
            && !self.data
            && self.variables.is_empty()
            && !self.expands.glob
            && !self.expands.tilde
            && !self.expands.brace
    }
}

impl Reader<'_> {
    pub(super) fn simple(&mut self) -> Read<Outcome> {
        let mut simple = Simple { folders: self.folders(), ..Simple::default() };
        let mut drafts: Vec<Draft> = Vec::new();
        loop {
            self.skip_blanks();
            if self.at_redirection() {
                self.redirection(&mut simple)?;
                continue;
            }
            match self.peek() {
                None | Some(b'\n' | b';' | b'|' | b'&' | b')') => break,
                Some(b'(') => {
                    if let [name] = drafts.as_slice()
                        && simple.assignments.is_empty()
                        && simple.redirections.is_empty()
                        && !name.quoted
                        && name.is_static()
                    {
                        let name = name.text.clone();
                        self.at += 1;
                        self.skip_blanks();
                        return if self.take(")") {
                            self.function_body(&name)
                        } else {
                            stop("a parenthesis stands where bash takes none")
                        };
                    }
                    return stop("a parenthesis stands where bash takes none");
                }
                Some(_) => {}
            }
            if drafts.is_empty() && self.at_assignment() {
                self.assignment(&mut simple)?;
            } else {
                let draft = self.argument(&drafts)?;
                drafts.push(draft);
            }
        }
        self.finished(simple, drafts)
    }

    fn finished(&mut self, mut simple: Simple, drafts: Vec<Draft>) -> Read<Outcome> {
        let documents = simple.input == Input::Text;
        if drafts.is_empty() && simple.assignments.is_empty() && simple.redirections.is_empty() && !documents {
            return stop("a command is missing");
        }
        let mut outcome = self.run(&simple, &drafts);
        // What stands before a program is given to that program alone.
        if drafts.is_empty() {
            outcome = simple.assignments.iter().fold(outcome, |outcome, given| outcome.with(&given.name));
        }
        simple.words = drafts.into_iter().map(Draft::into_word).collect();
        self.found.commands.push(simple);
        Ok(outcome)
    }

    /// A word of a command; builtins that assign take arrays as well.
    fn argument(&mut self, before: &[Draft]) -> Read<Draft> {
        let assigns = before.first().is_some_and(|name| takes_assignments(&name.text));
        if assigns && self.at_assignment() {
            let start = self.at;
            self.identifier();
            if self.peek() == Some(b'[') {
                return stop("a builtin evaluates the place in an array");
            }
            self.take("+");
            self.take("=");
            if self.peek() == Some(b'(') {
                let mut draft = Draft::default();
                self.array(&mut draft)?;
                draft.literal = self.since(start).split('=').next().unwrap_or_default().to_owned();
                draft.text = self.since(start).to_owned();
                draft.expands.value = true;
                return Ok(draft);
            }
            self.at = start;
        }
        let start = self.at;
        let draft = self.word_over_lines(false, !before.is_empty() && !assigns)?;
        if matches!(self.peek(), Some(b'<' | b'>')) && self.since(start).starts_with('{') {
            return stop("a redirection names its descriptor by a variable");
        }
        Ok(draft)
    }

    /// At `name=`, `name+=` or `name[`.
    fn at_assignment(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at..self.end).unwrap_or_default();
        let name = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
        let starts = rest.first().is_some_and(|first| !first.is_ascii_digit());
        let next = rest.get(name).copied();
        name > 0
            && starts
            && (matches!(next, Some(b'=' | b'[')) || next == Some(b'+') && rest.get(name + 1) == Some(&b'='))
    }

    fn assignment(&mut self, simple: &mut Simple) -> Read<()> {
        let start = self.at;
        let Some(name) = self.identifier() else { return stop("an assignment cannot be read") };
        if self.take("[") {
            self.nested(|reader| reader.arithmetic(End::Bracket))?;
        }
        let whole = self.since(start).to_owned();
        self.take("+");
        if !self.take("=") {
            return stop("a word may be an assignment or a pattern");
        }
        let mut draft = Draft::default();
        if self.peek() == Some(b'(') {
            let from = self.at;
            self.array(&mut draft)?;
            draft.text = self.since(from).to_owned();
            if self.peek().is_some_and(|next| !ends_word(next)) {
                return stop("text is glued to an array");
            }
        } else {
            draft = self.word(true)?;
        }
        if ["$(", "${", "`"].iter().any(|code| draft.literal.contains(code)) {
            self.doubt(format!("`{name}` is given a text that bash may run later"));
        }
        let reading_only = name == "IFS" && self.before_read();
        if !reading_only {
            self.assigned(name, draft.yields_number());
            if draft.data && !draft.yields_number() {
                self.found.variables.holds_anything(name);
            }
        }
        simple.assignments.push(Assignment { name: whole, value: draft.into_word() });
        Ok(())
    }

    /// `IFS= read …` sets it for that command only.
    fn before_read(&self) -> bool {
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t']);
        next.len() < rest.len() && next.strip_prefix("read").is_some_and(|rest| rest.starts_with([' ', '\t']))
    }

    /// `( … )` behind `name=`. Its words flow into `all`.
    fn array(&mut self, all: &mut Draft) -> Read<()> {
        self.at += 1;
        all.data = true;
        loop {
            self.skip_lines()?;
            match self.peek() {
                None => return stop("an array is not closed"),
                Some(b')') => break,
                Some(b'<' | b'>') if self.look(1) == Some(b'(') => {}
                Some(next) if ends_word(next) => return stop("an array cannot be read"),
                Some(_) => {}
            }
            let keyed = self.take("[");
            if keyed {
                self.nested(|reader| reader.arithmetic(End::Bracket))?;
                if !self.take("=") {
                    return stop("a word of an array may be a place or a pattern");
                }
            }
            let draft = self.word(keyed)?;
            all.literal.push_str(&draft.literal);
            all.literal.push(' ');
            let (brace, glob, tilde, value) =
                (draft.expands.brace, draft.expands.glob, draft.expands.tilde, draft.expands.value);
            all.expands.brace |= brace;
            all.expands.glob |= glob;
            all.expands.tilde |= tilde;
            all.expands.value |= value;
        }
        self.at += 1;
        Ok(())
    }

    /// At `<`, `>`, `&>`, or at a number before one of the first two.
    pub(super) fn at_redirection(&self) -> bool {
        let rest = self.text.as_bytes().get(self.at..self.end).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match (rest.get(digits), rest.get(digits + 1)) {
            (Some(b'<' | b'>'), Some(b'(')) => digits > 0,
            (Some(b'<' | b'>'), _) => true,
            (Some(b'&'), Some(b'>')) => digits == 0,
            _ => false,
        }
    }

    pub(super) fn redirection(&mut self, simple: &mut Simple) -> Read<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at - start > 4 || self.at > start && self.look(1) == Some(b'(') {
            return stop("the number before a redirection cannot be read");
        }
        let input = self.at == start || self.since(start) == "0";
        const MARKS: [&str; 12] = ["&>>", "&>", "<<<", "<<-", "<<", "<>", "<&", "<", ">>", ">|", ">&", ">"];
        let Some(mark) = MARKS.into_iter().find(|mark| self.starts(mark)) else {
            return stop("a redirection cannot be read");
        };
        self.at += mark.len();
        match mark {
            "<<" | "<<-" => {
                if input {
                    simple.input = Input::Text;
                } else {
                    simple.input = self.other(simple.input);
                }
                self.delimiter(mark == "<<-")?;
                (simple.document, simple.text) = (self.found.documents, None);
                return Ok(());
            }
            "<&" | ">&" => return self.duplicate(mark == ">&", input, simple),
            _ => {}
        }
        let target = self.target()?;
        let way = match mark {
            "<<<" => {
                simple.input = Input::Text;
                (simple.document, simple.text) = (0, target.is_static().then(|| target.text.clone()));
                return Ok(());
            }
            "<" => Way::Read,
            "<>" => Way::ReadWrite,
            ">>" | "&>>" => Way::Append,
            _ => Way::Write,
        };
        if input && matches!(way, Way::Read | Way::ReadWrite) {
            simple.input = Input::File;
        }
        simple.redirections.push(Redirection { way, target: target.into_word() });
        Ok(())
    }

    /// A text at another descriptor may be handed on as input; it counts as such.
    fn other(&self, input: Input) -> Input {
        if input == Input::Inherited { Input::Text } else { input }
    }

    fn target(&mut self) -> Read<Draft> {
        self.skip_blanks();
        let process = self.starts("<(") || self.starts(">(");
        if self.peek().is_none_or(ends_word) && !process {
            return stop("a redirection has no target");
        }
        self.word(false)
    }

    /// `2>&1`, `>&-`, `>& file`. Bash ends `>&-` at the dash, whatever follows.
    fn duplicate(&mut self, output: bool, input: bool, simple: &mut Simple) -> Read<()> {
        let draft = self.target()?;
        let plain = draft.is_static() && !draft.quoted;
        let number = draft.text.strip_suffix('-').unwrap_or(&draft.text);
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let way = if plain && digits {
            Way::Descriptor
        } else if !plain || !output || draft.text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return stop("the target of a copied descriptor cannot be read");
        } else {
            Way::Write
        };
        if input && !output && way == Way::Descriptor && simple.input == Input::Inherited {
            simple.input = Input::File;
        }
        simple.redirections.push(Redirection { way, target: draft.into_word() });
        Ok(())
    }

    /// Names of programs that would be taken for something else than they look like.
    pub(super) fn check_name(&mut self, name: &Draft) {
        // Whatever home is, the program is called by its last name.
        let below_home = Expands { tilde: false, ..name.expands }.nothing() && name.text.starts_with("~/");
        if !name.is_static() && !below_home {
            self.doubt("the name of a program is known only when it runs");
        } else if name.text.is_empty() {
            self.doubt("the name of a program is empty");
        } else if is_reserved(&name.text) {
            self.doubt(format!("the reserved word `{}` stands as a program", name.text));
        } else if name.text.starts_with('-') {
            self.doubt("the name of a program begins with a dash");
        } else if !name.text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            self.doubt("the name of a program holds characters that are not plain ASCII");
        }
    }
}
