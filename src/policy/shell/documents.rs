//! Here-documents: their bodies, and the commands in bodies whose delimiter is not quoted.

use super::reader::{Pending, Read, Reader, ends_word, stop};
use super::word::Draft;

impl Reader<'_> {
    /// After `<<` or `<<-`: the delimiter.
    pub(super) fn delimiter(&mut self, strip_tabs: bool) -> Read<()> {
        if self.in_document {
            return stop("a here-document begins inside a here-document");
        }
        self.skip_blanks();
        let mut delimiter = String::new();
        let mut quoted = false;
        let start = self.at;
        while let Some(next) = self.peek().filter(|next| !ends_word(*next)) {
            match next {
                b'$' | b'`' => return stop("the delimiter of a here-document is expanded"),
                b'\'' | b'"' => {
                    quoted = true;
                    self.at += 1;
                    let rest = self.text.get(self.at..self.end).unwrap_or_default();
                    let inner = rest.split(char::from(next)).next().unwrap_or_default();
                    if inner.len() == rest.len() || inner.contains(['\n', '\\', '$', '`']) {
                        return stop("the delimiter of a here-document cannot be read");
                    }
                    delimiter.push_str(inner);
                    self.at += inner.len() + 1;
                }
                b'\\' => {
                    quoted = true;
                    self.at += 1;
                    match self.bump() {
                        Some('\n') | None => return stop("the delimiter of a here-document cannot be read"),
                        Some(next) => delimiter.push(next),
                    }
                }
                _ => delimiter.extend(self.bump()),
            }
        }
        if self.at == start {
            return stop("a here-document has no delimiter");
        }
        self.found.documents += 1;
        let number = self.found.documents;
        self.pending.push(Pending { delimiter, quoted, strip_tabs, number, place: self.place.clone() });
        Ok(())
    }

    /// After a newline: the bodies that begin there.
    pub(super) fn documents(&mut self) -> Read<()> {
        for document in std::mem::take(&mut self.pending) {
            self.bodies += 1;
            let start = self.at;
            let (body_end, next) = self.extent(&document)?;
            self.keep_text(&document, start, body_end);
            if !document.quoted {
                // A `cd` behind it in the line has not run yet where the command begins that it belongs to.
                let after = std::mem::replace(&mut self.place, document.place.clone());
                self.expand_body(start, body_end)?;
                self.place = after;
            }
            self.at = next;
        }
        Ok(())
    }

    fn keep_text(&mut self, document: &Pending, start: usize, end: usize) {
        let body = self.text.get(start..end).unwrap_or_default();
        if !document.quoted && body.contains(['$', '`', '\\']) {
            return;
        }
        let bare =
            |line: &str| if document.strip_tabs { line.trim_start_matches('\t').to_owned() } else { line.to_owned() };
        let text = body.split_inclusive('\n').map(bare).collect();
        if let Some(command) = self.found.commands.iter_mut().rev().find(|command| command.document == document.number)
        {
            command.text = Some(text);
        }
    }

    /// Where the body ends and where the text goes on.
    fn extent(&self, document: &Pending) -> Read<(usize, usize)> {
        let rest = self.text.get(self.at..self.end).unwrap_or_default();
        let mut at = self.at;
        let mut continued = false;
        for line in rest.split_inclusive('\n') {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let bare = if document.strip_tabs { bare.trim_start_matches('\t') } else { bare };
            if bare == document.delimiter {
                if continued {
                    return stop("a line continuation stands before the end of a here-document");
                }
                return Ok((at, at + line.len()));
            }
            at += line.len();
            let escapes = bare.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
            if !document.quoted && escapes && document.delimiter.starts_with(bare.trim_end_matches('\\')) {
                return stop("a line continuation stands before the end of a here-document");
            }
            continued = !document.quoted && escapes;
        }
        stop("a here-document has no end")
    }

    fn expand_body(&mut self, start: usize, body_end: usize) -> Read<()> {
        let (end, inside) = (self.end, self.in_document);
        (self.at, self.end, self.in_document) = (start, body_end, true);
        let mut draft = Draft::default();
        while let Some(next) = self.peek() {
            match next {
                b'\\' => {
                    self.at += 1;
                    self.bump();
                }
                b'$' => self.dollar(&mut draft, true)?,
                b'`' => self.backtick(&mut draft, true)?,
                _ => self.at += 1,
            }
        }
        (self.end, self.in_document) = (end, inside);
        Ok(())
    }
}
