//! Bytes cut into lines, none longer than a limit. It does not read and does not look at what a line says.

const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// A line beyond the limit began here; the rest of it is skipped without being kept.
    TooLong,
    /// Nothing whole is left; read on.
    More,
    /// The input is over and everything has been handed out.
    End,
}

pub struct Lines {
    buf: Vec<u8>,
    start: usize,
    scanned: usize,
    skipping: bool,
    ended: bool,
    limit: usize,
}

impl Lines {
    pub fn new(limit: usize) -> Self {
        Self { buf: Vec::with_capacity(CHUNK_BYTES), start: 0, scanned: 0, skipping: false, ended: false, limit }
    }

    /// Where to append what is read next.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buf.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        if self.buf.is_empty() && self.buf.capacity() > 4 * CHUNK_BYTES {
            self.buf.shrink_to(CHUNK_BYTES);
        }
        if self.buf.capacity() - self.buf.len() < CHUNK_BYTES / 4 {
            self.buf.reserve(CHUNK_BYTES);
        }
        &mut self.buf
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    pub fn next(&mut self) -> Line<'_> {
        loop {
            let rest = self.buf.get(self.scanned..).unwrap_or_default();
            let Some(length) = newline(rest) else { return self.unfinished() };
            let (from, to) = (self.start, self.scanned + length);
            self.start = to + 1;
            self.scanned = self.start;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if to - from > self.limit {
                return Line::TooLong;
            }
            return Line::Whole(self.buf.get(from..to).unwrap_or_default());
        }
    }

    fn unfinished(&mut self) -> Line<'_> {
        let (from, to) = (self.start, self.buf.len());
        self.scanned = to;
        if self.skipping || to - from > self.limit {
            self.buf.clear();
            (self.start, self.scanned) = (0, 0);
            if !std::mem::replace(&mut self.skipping, true) {
                return Line::TooLong;
            }
        } else if self.ended && to > from {
            self.start = to;
            return Line::Whole(self.buf.get(from..to).unwrap_or_default());
        }
        if self.ended { Line::End } else { Line::More }
    }
}

/// Where the first newline is. `skip_until` is the search of the standard library that uses vector instructions.
fn newline(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let used = std::io::BufRead::skip_until(&mut rest, b'\n').unwrap_or(0);
    let last = used.checked_sub(1)?;
    (bytes.get(last) == Some(&b'\n')).then_some(last)
}
