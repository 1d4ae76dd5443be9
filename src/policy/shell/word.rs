//! One word: quotes, escapes and what is left for bash to expand when it runs. Expansions themselves are read next
//! door.

use super::reader::{Read, Reader, ends_word, stop};
use super::script::{Expands, Word};

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    /// Only what bash takes as it stands; expansions leave nothing here.
    pub(super) literal: String,
    pub(super) expands: Expands,
    pub(super) quoted: bool,
    /// The variables whose values flow in.
    pub(super) variables: Vec<String>,
    /// Something else flows in that only running would show: a command's output, a parameter.
    pub(super) data: bool,
    brace: bool,
    comma: bool,
    bracket: bool,
}

impl Draft {
    pub(super) fn into_word(self) -> Word {
        Word { text: self.text, expands: self.expands }
    }

    /// Bash reads past the end of a line here, and nothing before it or behind it means more than its letters: no name of
    /// a variable is made longer.
    fn goes_on_with(&self, next: u8) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./,:@%+".contains(&byte);
        let last = self.text.bytes().last();
        let of_option = last == Some(b'=') && self.text.starts_with('-');
        self.is_static() && !self.quoted && is_plain(next) && (of_option || last.is_some_and(is_plain))
    }

    pub(super) fn is_static(&self) -> bool {
        self.expands.nothing()
    }

    fn push(&mut self, next: char) {
        if next == ',' || next == '.' && self.text.ends_with('.') {
            self.comma = self.brace;
        }
        self.text.push(next);
        self.literal.push(next);
    }

    fn push_quoted(&mut self, next: char) {
        self.quoted = true;
        self.push(next);
    }

    fn push_bare(&mut self, next: char) {
        match next {
            '*' | '?' => self.expands.glob = true,
            '[' => self.bracket = true,
            ']' if self.bracket => self.expands.glob = true,
            '{' => self.brace = true,
            '}' if self.comma => self.expands.brace = true,
            '~' if self.text.is_empty() || self.text.ends_with(['=', ':']) => self.expands.tilde = true,
            _ => {}
        }
        self.push(next);
    }

    pub(super) fn expanded(&mut self, written: &str) {
        self.text.push_str(written);
        self.expands.value = true;
    }

    /// The same, where bash parts the value into words unless it stands in double quotes.
    pub(super) fn expanded_to_words(&mut self, written: &str, quoted: bool) {
        // `"$@"` and `"${a[@]}"` are several words all the same.
        let list = written.starts_with("$@") || (written.starts_with("${") && written.contains('@'));
        self.expands.splits |= !quoted || list;
        self.expanded(written);
    }

    /// What an inner word brings into this one, but for its text.
    pub(super) fn absorb(&mut self, inner: Self) {
        self.variables.extend(inner.variables);
        self.data |= inner.data;
    }
}

impl Reader<'_> {
    /// Reads up to what ends a word. `glued`: text of the same word stands before, such as `name=`.
    pub(super) fn word(&mut self, glued: bool) -> Read<Draft> {
        self.word_over_lines(glued, false)
    }

    /// `joins`: the word is no name, keyword or assignment, so that a line may end inside it.
    pub(super) fn word_over_lines(&mut self, glued: bool, joins: bool) -> Read<Draft> {
        let mut draft = Draft::default();
        let mut joined = false;
        let start = self.at;
        while let Some(next) = self.peek() {
            if matches!(next, b'<' | b'>') && self.look(1) == Some(b'(') {
                if glued || self.at > start {
                    return stop("a process substitution stands inside a word");
                }
                self.process(&mut draft)?;
                break;
            }
            if ends_word(next) {
                break;
            }
            if self.at_continuation() {
                match self.look(2) {
                    None | Some(b' ' | b'\t' | b'\n') => break,
                    Some(b';' | b'&' | b'|') if joins => break,
                    Some(next) if joins && draft.goes_on_with(next) => self.at += 2,
                    Some(_) => return stop("a line continuation stands inside a word"),
                }
                joined = true;
                continue;
            }
            self.piece(&mut draft)?;
        }
        if joined && matches!(self.peek(), Some(b'<' | b'>')) && draft.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return stop("a line continuation stands inside the number of a redirection");
        }
        Ok(draft)
    }

    /// One piece of a word outside double quotes.
    pub(super) fn piece(&mut self, draft: &mut Draft) -> Read<()> {
        match self.peek() {
            Some(b'\'') => self.single(draft),
            Some(b'"') => self.double(draft),
            Some(b'$') => self.dollar(draft, false),
            Some(b'`') => self.backtick(draft, false),
            Some(b'\\') => {
                self.at += 1;
                match self.bump() {
                    Some(next) => draft.push_quoted(next),
                    None => return stop("the command ends in a backslash"),
                }
                Ok(())
            }
            _ => {
                if let Some(next) = self.bump() {
                    draft.push_bare(next);
                }
                Ok(())
            }
        }
    }

    fn single(&mut self, draft: &mut Draft) -> Read<()> {
        draft.quoted = true;
        self.at += 1;
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let Some(length) = rest.find('\'') else { return stop("a single quote is not closed") };
        let inner = rest.get(..length).unwrap_or_default();
        self.lines_pass(inner)?;
        inner.chars().for_each(|next| draft.push(next));
        self.at += length + 1;
        Ok(())
    }

    /// Bash begins a here-document at the next newline that is a token; to tell which, none may stand inside quotes.
    fn lines_pass(&self, quoted: &str) -> Read<()> {
        if !self.pending.is_empty() && quoted.contains('\n') {
            return stop("a quoted text of several lines stands before a here-document");
        }
        Ok(())
    }

    pub(super) fn double(&mut self, draft: &mut Draft) -> Read<()> {
        draft.quoted = true;
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return stop("a double quote is not closed"),
                Some(b'"') => break,
                Some(b'$') => self.dollar(draft, true)?,
                Some(b'`') => self.backtick(draft, true)?,
                Some(b'\\') => {
                    self.at += 1;
                    match self.bump() {
                        None => return stop("a double quote is not closed"),
                        Some('\n') => {}
                        Some(next @ ('$' | '`' | '"' | '\\')) => draft.push(next),
                        Some(next) => {
                            draft.push('\\');
                            draft.push(next);
                        }
                    }
                }
                Some(_) => {
                    if let Some(next) = self.bump() {
                        draft.push(next);
                    }
                }
            }
        }
        self.at += 1;
        self.lines_pass(self.since(start))
    }

    /// `$'…'`. What needs the locale, or is no text, leaves the word as expanded when it runs.
    pub(super) fn ansi(&mut self, draft: &mut Draft) -> Read<()> {
        draft.quoted = true;
        let start = self.at;
        self.at += 2;
        let mut known = String::new();
        let mut certain = true;
        loop {
            match self.bump() {
                None => return stop("a `$'` quote is not closed"),
                Some('\'') => break,
                Some('\\') => match self.escape() {
                    Some(next) => known.push(next),
                    None => certain = false,
                },
                Some(next) => known.push(next),
            }
        }
        self.lines_pass(self.since(start))?;
        if certain {
            known.chars().for_each(|next| draft.push(next));
        } else {
            draft.expanded(self.since(start));
            draft.data = true;
        }
        Ok(())
    }

    /// After a backslash in `$'…'`; nothing where the result is not certain.
    fn escape(&mut self) -> Option<char> {
        let kind = self.bump()?;
        Some(match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' | 'E' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '?' => kind,
            'x' => return self.digits(16, 2, 0),
            'u' => return self.digits(16, 4, 0),
            'U' => return self.digits(16, 8, 0),
            '0'..='7' => return self.digits(8, 2, kind.to_digit(8)?),
            _ => return None,
        })
    }

    fn digits(&mut self, radix: u32, most: usize, first: u32) -> Option<char> {
        let mut value = first;
        let mut count = 0;
        while count < most
            && let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix))
        {
            value = value.checked_mul(radix)?.checked_add(digit)?;
            count += 1;
            self.at += 1;
        }
        let some = count > 0 || radix == 8;
        // Beyond ASCII it depends on the locale; NUL ends the word, and bash uses the other two for itself.
        char::from_u32(value).filter(|next| some && next.is_ascii() && !matches!(next, '\0' | '\u{1}' | '\u{7f}'))
    }
}
