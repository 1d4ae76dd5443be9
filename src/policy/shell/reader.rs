//! The cursor over a text and what was found so far. One pass, a bound on nesting, and no way back; what each
//! construct means is in the other files.

use std::collections::BTreeSet;

use super::names::Variables;
use super::place::Place;
use super::script::Simple;

/// Constructs within constructs; each level costs a few frames of the stack.
const NESTING_MAX: usize = 40;

/// The text cannot be read on; why, in plain words.
#[derive(Debug)]
pub(super) struct Stop(pub(super) String);

pub(super) type Read<T> = Result<T, Stop>;

pub(super) fn stop<T>(why: &str) -> Read<T> {
    Err(Stop(why.to_owned()))
}

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) commands: Vec<Simple>,
    pub(super) doubt: Option<String>,
    pub(super) functions: Vec<String>,
    pub(super) variables: Variables,
    /// These two as in `Script`.
    pub(super) early: BTreeSet<String>,
    pub(super) filled: BTreeSet<String>,
    /// Here-documents so far.
    pub(super) documents: usize,
    /// A function that changes the folder is defined: from there on no folder is known.
    pub(super) wanders: bool,
}

impl Found {
    /// The first reason stands; one is enough to rely on nothing.
    pub(super) fn doubt(&mut self, why: impl Into<String>) {
        if self.doubt.is_none() {
            self.doubt = Some(why.into());
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(name) = self.variables.anything_apart() {
            self.doubt(format!("a test gets the words of `{name}`, which are not known and may evaluate a name"));
        }
        if let Some(name) = self.variables.evaluated_data() {
            self.doubt(format!("arithmetic evaluates the value of `{name}`, which is not known to be a number"));
        }
    }
}

/// A here-document whose body has not begun yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
    pub(super) number: usize,
    /// Where the command runs that reads it.
    pub(super) place: Place,
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Where reading ends: the length of the text, or the end of a here-document.
    pub(super) end: usize,
    pub(super) depth: usize,
    pub(super) found: Found,
    pub(super) place: Place,
    /// A `cd` ran in this shell since the flag was last cleared.
    pub(super) moved: bool,
    pub(super) pending: Vec<Pending>,
    /// A here-document of an outer command still waits for its body.
    pub(super) outer_pending: bool,
    pub(super) in_document: bool,
    /// Bodies of here-documents so far.
    pub(super) bodies: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, found: Found) -> Self {
        Self {
            text,
            at: 0,
            end: text.len(),
            depth: 0,
            found,
            place: Place::default(),
            moved: false,
            pending: Vec::new(),
            outer_pending: false,
            in_document: false,
            bodies: 0,
        }
    }

    pub(super) fn doubt(&mut self, why: impl Into<String>) {
        self.found.doubt(why);
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.look(0)
    }

    pub(super) fn look(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        if at < self.end { self.text.as_bytes().get(at).copied() } else { None }
    }

    pub(super) fn starts(&self, with: &str) -> bool {
        self.text.get(self.at..self.end).is_some_and(|rest| rest.starts_with(with))
    }

    pub(super) fn take(&mut self, what: &str) -> bool {
        let taken = self.starts(what);
        if taken {
            self.at += what.len();
        }
        taken
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.text.get(self.at..self.end)?.chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= NESTING_MAX {
            return stop("the command is nested too deeply");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn at_continuation(&self) -> bool {
        self.peek() == Some(b'\\') && self.look(1) == Some(b'\n')
    }

    /// Blanks, continuations and a comment: what may stand between two words of a line.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.at_continuation() => self.skip_continuation(),
                Some(b'#') => {
                    let rest = self.text.get(self.at..self.end).unwrap_or_default();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    return;
                }
                _ => return,
            }
        }
    }

    fn skip_continuation(&mut self) {
        let before = self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at)).copied();
        self.at += 2;
        if before.is_some_and(is_operator)
            && self.peek().is_some_and(|next| is_operator(next) || b"-!\\".contains(&next))
        {
            self.doubt("a line continuation stands inside an operator");
        }
        if before.is_some_and(|before| !is_operator(before) && !b" \t\n".contains(&before)) && self.peek() == Some(b'#')
        {
            self.doubt("a line continuation stands before a `#`");
        }
    }

    /// Blanks, comments and newlines, with the here-documents that begin after a newline.
    pub(super) fn skip_lines(&mut self) -> Read<()> {
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    fn newline(&mut self) -> Read<()> {
        if self.outer_pending {
            return stop("a here-document is interrupted by a substitution of several lines");
        }
        self.at += 1;
        self.documents()
    }

    /// The next bare word, cut at ten bytes: enough to know a reserved word by.
    pub(super) fn bare(&self) -> &'a str {
        let rest = self.text.as_bytes().get(self.at..self.end).unwrap_or_default();
        let length = rest.iter().take(10).take_while(|byte| !ends_word(**byte)).count();
        self.text.get(self.at..self.at + length).unwrap_or_default()
    }

    pub(super) fn take_keyword(&mut self, word: &str) -> bool {
        let found = self.bare() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    pub(super) fn expect_keyword(&mut self, word: &str) -> Read<()> {
        if self.take_keyword(word) { Ok(()) } else { stop(&format!("`{word}` is missing")) }
    }

    pub(super) fn identifier(&mut self) -> Option<&'a str> {
        let rest = self.text.as_bytes().get(self.at..self.end).unwrap_or_default();
        let first = rest.first()?;
        if !first.is_ascii_alphabetic() && *first != b'_' {
            return None;
        }
        let length = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
        let start = self.at;
        self.at += length;
        Some(self.since(start))
    }
}

pub(super) fn is_operator(byte: u8) -> bool {
    b";&|<>()".contains(&byte)
}

/// Only these end a word; other blanks of Unicode are letters to bash.
pub(super) fn ends_word(byte: u8) -> bool {
    is_operator(byte) || b" \t\n".contains(&byte)
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
