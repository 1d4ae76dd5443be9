//! A search for commands in a text that could not be read: quotes are taken out and every operator separates, so
//! that what is denied is found. It finds too much and is never enough to allow.

use super::names::is_reserved;
use super::script::{Expands, Folders, Redirection, Simple, Way, Word};

/// What is searched; no client takes commands of this length.
const SEARCH_BYTES_MAX: usize = 512 * 1024;

pub(super) fn commands(text: &str) -> Vec<Simple> {
    let mut end = text.len().min(SEARCH_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut search = Search::default();
    let mut rest = text.get(..end).unwrap_or_default().chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\'' | '"' | '\0' => {}
            '\\' => match rest.next() {
                Some('\n' | '"' | '\'' | '`') | None => {}
                Some(next) => search.word.push(next),
            },
            ' ' | '\t' => search.end_word(),
            ';' | '&' | '|' | '\n' | '\r' | '(' | ')' | '`' => search.end_command(),
            '{' | '}' if search.word.is_empty() && rest.peek().is_none_or(|next| " \t\n;".contains(*next)) => {
                search.end_command();
            }
            '<' | '>' => search.mark(next),
            '$' if rest.peek() == Some(&'(') => search.end_command(),
            '$' if rest.peek() == Some(&'\'') => {}
            _ => search.word.push(next),
        }
    }
    search.end_command();
    search.found
}

#[derive(Default)]
struct Search {
    found: Vec<Simple>,
    command: Simple,
    word: String,
    /// A redirection whose target comes next.
    way: Option<Way>,
}

impl Search {
    fn end_word(&mut self) {
        let text = std::mem::take(&mut self.word);
        if text.is_empty() {
            return;
        }
        let word = Word { expands: expands(&text), text };
        if let Some(way) = self.way.take() {
            self.command.redirections.push(Redirection { way, target: word });
            return;
        }
        let leads = self.command.words.is_empty() && (is_reserved(&word.text) || is_assignment(&word.text));
        if !leads {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.way = None;
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() || !command.redirections.is_empty() {
            self.found.push(Simple { folders: Folders::Unknown, ..command });
        }
    }

    fn mark(&mut self, mark: char) {
        // `2>file`, `{name}>file`.
        let inner = self.word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        if self.word.bytes().all(|byte| byte.is_ascii_digit()) || inner.is_some_and(super::names::is_identifier) {
            self.word.clear();
        }
        self.end_word();
        self.way = Some(match (mark, self.way.take()) {
            ('>', Some(Way::Write)) => Way::Append,
            ('>', Some(Way::Read)) => Way::ReadWrite,
            ('>', _) => Way::Write,
            _ => Way::Read,
        });
    }
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| super::names::is_identifier(name.trim_end_matches('+')))
}

fn expands(text: &str) -> Expands {
    Expands {
        value: text.contains('$'),
        glob: text.contains(['*', '?']) || text.contains('[') && text.contains(']'),
        brace: text.contains('{') && text.contains('}') && (text.contains(',') || text.contains("..")),
        tilde: text.starts_with('~'),
        splits: text.contains('$'),
    }
}
