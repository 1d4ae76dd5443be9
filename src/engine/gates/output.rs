//! What a program wrote, kept bounded and made safe to show. Reading it is not here (`run`).

use std::collections::VecDeque;

const LAST_LINE_BYTES: usize = 400;
const LAST_LINE_CHARS: usize = 160;
/// An escape string (a title, a link) longer than this is taken for an unfinished one, and ended.
const ESCAPE_MAX_BYTES: usize = 2 * 1024;

/// The first and the last bytes of a stream, and a count of all.
#[derive(Debug)]
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_max: usize,
    tail_max: usize,
    left_out: u64,
    total: u64,
    filter: Option<Filter>,
}

impl Capture {
    /// Text for people: control sequences never reach it, so none can be cut in half.
    pub(super) fn text(head_max: usize, tail_max: usize) -> Self {
        Self { filter: Some(Filter::default()), ..Self::bytes(head_max, tail_max) }
    }

    /// Bytes for a parser, as they came.
    pub(super) fn bytes(head_max: usize, tail_max: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), head_max, tail_max, left_out: 0, total: 0, filter: None }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        match self.filter.take() {
            None => self.keep(bytes),
            Some(mut filter) => {
                let mut clean = Vec::with_capacity(bytes.len());
                filter.push(bytes, &mut clean);
                self.filter = Some(filter);
                self.keep(&clean);
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.head_max.saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let (skipped, kept) = rest.split_at(rest.len().saturating_sub(self.tail_max));
        let over = (self.tail.len() + kept.len()).saturating_sub(self.tail_max);
        self.tail.drain(..over);
        self.tail.extend(kept);
        self.left_out += (skipped.len() + over) as u64;
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn truncated(&self) -> bool {
        self.left_out > 0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        bytes.extend(self.tail);
        bytes
    }

    pub(super) fn into_text(mut self) -> String {
        let left_out = self.left_out;
        let tail = self.tail.make_contiguous();
        if left_out == 0 {
            self.head.extend_from_slice(tail);
            return printable(&self.head);
        }
        // The cut may fall inside a character on either side.
        let whole = self.head.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        self.head.truncate(self.head.len() - whole);
        let start = tail.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
        let tail = printable(tail.get(start..).unwrap_or_default());
        format!("{}\n[... {left_out} bytes left out ...]\n{tail}", printable(&self.head).trim_end_matches('\n'))
    }

    /// The newest line that says anything, for a sign of life.
    pub(super) fn last_line(&self) -> String {
        let mut bytes: Vec<u8> = self.tail.iter().rev().take(LAST_LINE_BYTES).copied().collect();
        let missing = LAST_LINE_BYTES - bytes.len();
        bytes.extend(self.head.iter().rev().take(missing));
        bytes.reverse();
        let text = printable(&bytes);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(LAST_LINE_CHARS).collect()
    }
}

/// Lossy UTF-8 without what a terminal would obey instead of show.
pub(super) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| is_shown(*c)).collect()
}

/// One line of bounded length out of foreign text, for the middle of a message.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.retain(is_shown);
    if words.chars().count() > chars_max {
        words = words.chars().take(chars_max).collect();
        words.push('…');
    }
    words
}

/// At most `max` bytes from the start, and a word about the rest.
pub(super) fn bounded(mut text: String, max: usize) -> String {
    if text.len() > max {
        let left_out = text.len() - text.floor_char_boundary(max);
        text.truncate(text.len() - left_out);
        text.push_str(&format!("\n[... {left_out} bytes left out ...]"));
    }
    text
}

/// At most `max` bytes from the end, in whole lines where there are any; nothing where nothing is said.
pub(in crate::engine) fn end(text: &str, max: usize) -> Option<String> {
    let text = text.trim_end();
    let last = text.get(text.ceil_char_boundary(text.len().saturating_sub(max))..).unwrap_or_default();
    let lines = if last.len() < text.len() { last.split_once('\n').map_or(last, |(_, lines)| lines) } else { last };
    (!lines.trim().is_empty()).then(|| lines.to_owned())
}

/// Not a control character, nor one that turns the direction of the text after it.
fn is_shown(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns)
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    Text,
    TextEscape,
}

/// Takes terminal sequences out of a byte stream, wherever its pieces are cut.
#[derive(Debug, Default)]
struct Filter {
    state: State,
    in_escape: usize,
    after_cr: bool,
}

impl Filter {
    fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = bytes.split_first() {
            let plain = if self.state == State::Ground && !self.after_cr {
                bytes.iter().position(|b| is_special(*b)).unwrap_or(bytes.len())
            } else {
                0
            };
            if plain > 0 {
                let (run, after) = bytes.split_at(plain);
                out.extend_from_slice(run);
                bytes = after;
            } else {
                self.step(*first, out);
                bytes = rest;
            }
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.in_escape += 1;
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Escape => match byte {
                b'[' => self.enter(State::Csi),
                b']' | b'P' | b'X' | b'^' | b'_' => self.enter(State::Text),
                // Intermediates, as in `ESC ( B`; the byte that ends them follows.
                0x20..=0x2F => {}
                0x30..=0x7E => self.enter(State::Ground),
                _ => self.leave(byte, out),
            },
            State::Csi => match byte {
                0x20..=0x3F => {}
                0x40..=0x7E => self.enter(State::Ground),
                _ => self.leave(byte, out),
            },
            State::Text => match byte {
                0x07 | 0x18 | 0x1A => self.enter(State::Ground),
                0x1B => self.state = State::TextEscape,
                b'\n' => self.leave(byte, out),
                _ if self.in_escape > ESCAPE_MAX_BYTES => self.leave(byte, out),
                _ => {}
            },
            State::TextEscape => match byte {
                b'\\' => self.enter(State::Ground),
                _ => {
                    self.enter(State::Escape);
                    self.step(byte, out);
                }
            },
        }
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) {
        // A progress line redrawn in place becomes lines; a Windows line end stays one.
        let redrawn = std::mem::take(&mut self.after_cr) && !matches!(byte, b'\n' | b'\r');
        if redrawn {
            out.push(b'\n');
        }
        match byte {
            0x1B => self.enter(State::Escape),
            b'\r' => self.after_cr = true,
            _ if is_special(byte) => {}
            _ => out.push(byte),
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.in_escape = 0;
    }

    fn leave(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.enter(State::Ground);
        self.ground(byte, out);
    }
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(pieces: &[&[u8]]) -> String {
        let mut capture = Capture::text(1024, 1024);
        pieces.iter().for_each(|piece| capture.push(piece));
        capture.into_text()
    }

    #[test]
    fn sequences_are_removed_wherever_they_are_cut() {
        let whole: &[u8] =
            b"a\x1b[1;31mred\x1b[0m\x1b]0;title\x07b\x1b]8;;http://x\x1b\\link\x1b(Bc\x08\x00d\r\n10%\r20%\r\n";
        let wanted = "aredblinkcd\n10%\n20%\n";
        assert_eq!(cleaned(&[whole]), wanted);
        for cut in 0..whole.len() {
            assert_eq!(cleaned(&[&whole[..cut], &whole[cut..]]), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn an_unfinished_sequence_does_not_swallow_what_follows() {
        assert_eq!(cleaned(&[b"\x1b]0;never ended\nnext"]), "\nnext");
        let mut long = b"\x1b]".to_vec();
        long.extend([b'x'; 5000]);
        assert!(cleaned(&[&long]).len() > 2000);
        assert_eq!(cleaned(&["\u{9b}31mx\u{202e}y".as_bytes()]), "31mxy");
    }

    #[test]
    fn both_ends_are_kept_and_the_gap_is_counted() {
        let mut capture = Capture::text(10, 10);
        for number in 0..1000 {
            capture.push(format!("{number:04}\n").as_bytes());
        }
        assert_eq!((capture.total(), capture.truncated()), (5000, true));
        assert_eq!(capture.last_line(), "0999");
        assert_eq!(capture.into_text(), "0000\n0001\n[... 4980 bytes left out ...]\n0998\n0999\n");
    }

    #[test]
    fn the_end_of_a_text_is_whole_lines_where_there_are_any() {
        for (text, max, wanted) in [
            ("", 10, None),
            (" \n\n", 10, None),
            ("one\ntwo\n", 10, Some("one\ntwo")),
            ("one\ntwo\nthree\n", 8, Some("three")),
            ("one long line", 4, Some("line")),
            ("äöü", 3, Some("ü")),
        ] {
            assert_eq!(end(text, max).as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_cut_inside_a_character_leaves_no_broken_one() {
        let mut capture = Capture::text(4, 4);
        capture.push("äöüäöüäöü€".repeat(3).as_bytes());
        assert_eq!(capture.into_text(), "äö\n[... 55 bytes left out ...]\n€");
        let mut capture = Capture::text(3, 3);
        capture.push("äöüäöü".as_bytes());
        assert_eq!(capture.into_text(), "ä\n[... 6 bytes left out ...]\nü");
    }
}
