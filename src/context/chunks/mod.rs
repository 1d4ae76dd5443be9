//! Cuts a text into units at its natural borders: definitions and blank lines, paragraphs, turns, elements. Every byte is in
//! exactly one unit, in order, and no border lies inside an identifier, a number or a path. What a unit is worth is not said here.

pub mod code;
mod json;
pub mod lines;

use std::ops::Range;

use super::kinds::Kind;
use super::tokens;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Says which file follows.
    FileHead,
    Imports,
    Code,
    /// Docstrings and comments.
    Doc,
    Text,
    /// Nothing but blank lines.
    Blank,
}

#[derive(Clone, Debug)]
pub struct Unit {
    pub bytes: Range<usize>,
    /// Number of its first line, from 1, and how many it has.
    pub line: usize,
    pub lines: usize,
    /// File, chapter or turn that it is a part of.
    pub section: usize,
    pub role: Role,
    /// Lines that name what it is inside of: definitions around it, its heading.
    pub names: Vec<Range<usize>>,
    pub weight: f64,
}

impl Unit {
    pub fn text<'t>(&self, whole: &'t str) -> &'t str {
        whole.get(self.bytes.clone()).unwrap_or_default()
    }
}

/// Of one unit of prose; a longer paragraph is cut after a sentence.
const PROSE_BYTES_MAX: usize = 1600;
/// Of one unit of a line; a longer line is cut between words or elements.
const LINE_BYTES_MAX: usize = 400;

/// Of one unit where a budget is too small for larger ones.
const FINE_BYTES_MAX: usize = 80;

pub fn cut(text: &str, kind: Kind) -> Vec<Unit> {
    let mut units = match kind {
        Kind::Code => code::cut(text),
        Kind::Prose => paragraphs(text),
        Kind::Log | Kind::Json | Kind::Transcript => by_line(text, kind == Kind::Json),
    };
    for unit in &mut units {
        unit.weight = tokens::weigh(unit.text(text));
    }
    units
}

/// Gathers lines to units and keeps count.
pub(super) struct Builder {
    pub units: Vec<Unit>,
    line: usize,
    at: usize,
}

impl Builder {
    pub fn new() -> Self {
        Self { units: Vec::new(), line: 1, at: 0 }
    }

    /// Ends a unit at this byte.
    pub fn close(&mut self, text: &str, end: usize, section: usize, role: Role, names: Vec<Range<usize>>) {
        let Some(piece) = text.get(self.at..end).filter(|piece| !piece.is_empty()) else { return };
        let breaks = piece.bytes().filter(|byte| *byte == b'\n').count();
        let lines = if piece.ends_with('\n') { breaks } else { breaks + 1 };
        let role = if piece.trim().is_empty() { Role::Blank } else { role };
        let bytes = self.at..end;
        self.units.push(Unit { bytes, line: self.line, lines, section, role, names, weight: 0.0 });
        self.line += breaks;
        self.at = end;
    }

    pub fn open_bytes(&self, end: usize) -> usize {
        end - self.at
    }
}

/// Paragraphs, each with the title on its first line; a heading names what follows it.
fn paragraphs(text: &str) -> Vec<Unit> {
    let mut builder = Builder::new();
    let (mut at, mut section, mut heading) = (0, 0, None);
    let mut open: Option<Range<usize>> = None;
    for line in text.split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        if line.trim().is_empty() {
            if open.take().is_some() {
                builder.close(text, range.end, section, Role::Text, heading.iter().cloned().collect());
            }
            continue;
        }
        if line.starts_with('#') && open.is_none() {
            section += 1;
            heading = Some(range.clone());
        }
        open = Some(open.map_or(range.clone(), |open| open.start..range.end));
        while builder.open_bytes(at) > PROSE_BYTES_MAX {
            let from = builder.at;
            // A line without sentences is cut as those of logs are.
            let words = || word_end(text.get(..at)?, from, from + LINE_BYTES_MAX);
            let Some(end) = sentence_end(text, from, from + PROSE_BYTES_MAX).or_else(words) else { break };
            builder.close(text, end, section, Role::Text, heading.iter().cloned().collect());
        }
    }
    builder.close(text, text.len(), section, Role::Text, heading.iter().cloned().collect());
    builder.units
}

/// Behind the last end of a sentence in these bytes.
fn sentence_end(text: &str, from: usize, to: usize) -> Option<usize> {
    let to = (from..=to.min(text.len())).rev().find(|at| text.is_char_boundary(*at))?;
    let piece = text.get(from..to)?;
    let end = [". ", "! ", "? ", ".\n", "!\n", "?\n"].iter().filter_map(|mark| piece.rfind(mark)).max();
    end.map(|end| from + end + 2).or_else(|| piece.rfind('\n').map(|end| from + end + 1)).filter(|end| *end > from)
}

/// One line a unit; a section is a turn. A long line of JSON is cut between its elements.
fn by_line(text: &str, is_json: bool) -> Vec<Unit> {
    let mut builder = Builder::new();
    let (mut at, mut section) = (0, 0);
    for line in text.split_inclusive('\n') {
        section += usize::from(lines::is_turn(line));
        let end = at + line.len();
        let elements =
            if is_json && line.len() > LINE_BYTES_MAX { json::ends(line, LINE_BYTES_MAX) } else { Vec::new() };
        for element in elements {
            close_words(&mut builder, text, at + element, section);
        }
        close_words(&mut builder, text, end, section);
        at = end;
    }
    builder.units
}

/// Up to this byte, cut between words where that is long.
fn close_words(builder: &mut Builder, text: &str, end: usize, section: usize) {
    while let Some(piece) = text.get(..end).filter(|_| builder.open_bytes(end) > LINE_BYTES_MAX) {
        let Some(cut) = word_end(piece, builder.at, builder.at + LINE_BYTES_MAX) else { break };
        builder.close(text, cut, section, Role::Text, Vec::new());
    }
    builder.close(text, end, section, Role::Text, Vec::new());
}

/// The same, with units above a weight cut finer: what weighs more than a budget holds could not stay at all.
pub fn finer(text: &str, units: Vec<Unit>, weight_max: f64) -> Vec<Unit> {
    if units.iter().all(|unit| unit.weight <= weight_max) {
        return units;
    }
    let mut out = Vec::with_capacity(units.len());
    for unit in units {
        if unit.weight <= weight_max || unit.bytes.len() <= FINE_BYTES_MAX {
            out.push(unit);
            continue;
        }
        let mut builder = Builder { units: Vec::new(), line: unit.line, at: unit.bytes.start };
        while let Some(rest) = text.get(builder.at..unit.bytes.end).filter(|rest| !rest.is_empty()) {
            let line = rest.bytes().take(FINE_BYTES_MAX).position(|byte| byte == b'\n').map(|end| end + 1);
            let length = line.or_else(|| word_end(rest, 0, FINE_BYTES_MAX)).unwrap_or(rest.len());
            let end = builder.at + length;
            builder.close(text, end, unit.section, unit.role, unit.names.clone());
        }
        out.extend(builder.units.into_iter().map(|piece| Unit { weight: tokens::weigh(piece.text(text)), ..piece }));
    }
    out
}

/// Behind the last place in these bytes where neither an identifier, nor a number, nor a path is cut; nothing where there is none.
fn word_end(text: &str, from: usize, to: usize) -> Option<usize> {
    let piece = text.get(from..)?;
    let mut best = None;
    let mut before = ' ';
    for (at, character) in piece.char_indices() {
        // A very long word is passed over whole.
        if at > to - from && best.is_some() {
            break;
        }
        let between = before.is_whitespace() || matches!(before, ',' | ';') && !character.is_ascii_digit();
        if at > 0 && between && !character.is_whitespace() {
            best = Some(from + at);
        }
        before = character;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, kind: Kind) -> Vec<&str> {
        let units = cut(text, kind);
        assert_eq!(units.iter().map(|unit| unit.text(text)).collect::<String>(), text, "every byte is in one unit");
        units.iter().map(|unit| unit.text(text)).collect()
    }

    #[test]
    fn prose_is_cut_at_paragraphs_and_long_ones_after_a_sentence() {
        assert_eq!(pieces("Title\nOne. Two.\n\nThree.\n", Kind::Prose), ["Title\nOne. Two.\n\n", "Three.\n"]);
        let long = "A sentence of some words. ".repeat(200);
        for piece in pieces(&long, Kind::Prose) {
            assert!(piece.len() <= PROSE_BYTES_MAX && piece.ends_with(". "), "{piece}");
        }
    }

    #[test]
    fn long_lines_are_cut_between_words_and_never_inside_one() {
        let path = "/var/lib/some-long/path/to.the-file_";
        let text = (0..200).map(|n| format!("{path}{n}=1,000,{n} ")).collect::<String>();
        for piece in pieces(&text, Kind::Log) {
            assert!(piece.starts_with("/var/lib") && piece.ends_with(' '), "{piece}");
        }
        let json =
            format!("[{}]", (0..300).map(|n| format!("{{\"id\":{n},\"name\":\"a b\"}}")).collect::<Vec<_>>().join(","));
        assert_eq!(pieces(&json, Kind::Json).len(), 302, "each element, and the brackets around them");
        let blob = "x".repeat(5000);
        assert_eq!(pieces(&blob, Kind::Log).len(), 1);
    }

    #[test]
    fn what_a_budget_cannot_hold_is_cut_finer_and_the_rest_stays() {
        let text = format!("# short\n\na b c\n{}\n  {}\nend\n", "word ".repeat(60), "x".repeat(300));
        let whole = cut(&text, Kind::Prose);
        let fine = finer(&text, whole.clone(), 40.0);
        assert_eq!((whole.len(), fine[0].bytes.clone()), (2, whole[0].bytes.clone()));
        assert_eq!(fine.iter().map(|unit| unit.text(&text)).collect::<String>(), text, "every byte is in one unit");
        assert!(fine.iter().all(|unit| unit.weight <= 40.0 || unit.text(&text).contains('x')), "{fine:?}");
        assert_eq!(fine.last().map(|unit| (unit.line, unit.text(&text))), Some((6, "end\n")));
        assert_eq!(finer(&text, whole.clone(), 1e9).len(), whole.len());
    }

    #[test]
    fn lines_are_counted_from_one() {
        let text = "a\nb\n\nc\n";
        let units = cut(text, Kind::Prose);
        assert_eq!(units.iter().map(|unit| (unit.line, unit.lines)).collect::<Vec<_>>(), [(1, 3), (4, 1)]);
    }
}
