//! Code in units: definitions with what stands before them, their documentation apart, blocks between blank lines. It goes by
//! indentation and common forms, not by a grammar, since a context often begins and ends in the middle of a file.

use std::ops::Range;

use super::lines::{is_attribute, is_comment, is_definition, is_file_head, is_import};
use super::{Builder, Role, Unit};

/// Lines of one unit.
const LINES_MAX: usize = 24;
/// A unit smaller than this is not ended at a blank line.
const LINES_MIN: usize = 6;
/// Documentation shorter than this stays with its code.
const DOC_LINES_MIN: usize = 3;
/// Definitions around a unit that are told: its own and the one around that.
const NAMES_MAX: usize = 2;

struct Line {
    bytes: Range<usize>,
    indent: usize,
    blank: bool,
    role: Role,
    defines: bool,
    attribute: bool,
}

pub fn cut(text: &str) -> Vec<Unit> {
    let lines = read(text);
    let borders = borders(&lines);
    let mut builder = Builder::new();
    let mut around: Vec<(usize, Range<usize>)> = Vec::new();
    let (mut section, mut count, mut last_blank, mut names) = (0, 0, None, Vec::new());
    let mut role = Role::Code;
    let mut first = 0;
    for (number, line) in lines.iter().enumerate() {
        let border = borders.get(number).copied().unwrap_or(Border::None);
        let big = count >= LINES_MAX;
        let fresh = last_blank.filter(|blank: &usize| *blank > first + LINES_MIN && *blank <= number);
        if number > first && (border == Border::Always || border == Border::Blank && count >= LINES_MIN || big) {
            // A unit that has grown too long ends after its last blank line, where it has one.
            let cut_at = if big && border == Border::None { fresh.unwrap_or(number) } else { number };
            let end = lines.get(cut_at).map_or(line.bytes.start, |line| line.bytes.start);
            builder.close(text, end, section, role, std::mem::take(&mut names));
            (first, count, last_blank) = (cut_at, number - cut_at, None);
            names = told(&around);
            role = Role::Blank;
        }
        if line.role == Role::FileHead {
            section += 1;
            around.clear();
            names.clear();
        }
        leave(&mut around, line);
        if count == 0 {
            names = told(&around);
        }
        if line.defines {
            around.push((line.indent, line.bytes.clone()));
        }
        role = if count == 0 || role == Role::Blank { line.role } else { mixed(role, line.role) };
        count += 1;
        if line.blank {
            last_blank = Some(number + 1);
        }
    }
    builder.close(text, text.len(), section, role, names);
    builder.units
}

fn mixed(role: Role, line: Role) -> Role {
    match (role, line) {
        (role, Role::Blank) => role,
        (Role::FileHead, _) => Role::FileHead,
        (Role::Imports, Role::Imports | Role::Doc) | (Role::Doc, Role::Imports) => Role::Imports,
        (Role::Doc, Role::Doc) => Role::Doc,
        (_, _) => Role::Code,
    }
}

/// Code at the depth of a definition or before it is outside of it; a closing bracket still belongs to it.
fn leave(around: &mut Vec<(usize, Range<usize>)>, line: &Line) {
    if line.blank || line.role == Role::Doc {
        return;
    }
    while around.last().is_some_and(|(depth, _)| *depth >= line.indent) {
        around.pop();
    }
}

fn told(around: &[(usize, Range<usize>)]) -> Vec<Range<usize>> {
    around.iter().rev().take(NAMES_MAX).map(|(_, bytes)| bytes.clone()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Border {
    None,
    Blank,
    Always,
}

fn borders(lines: &[Line]) -> Vec<Border> {
    let mut borders = vec![Border::None; lines.len()];
    let mut mark = |at: usize, border: Border| {
        if let Some(slot) = borders.get_mut(at)
            && *slot != Border::Always
        {
            *slot = border;
        }
    };
    let role = |at: usize| lines.get(at).map(|line| line.role);
    let mut at = 0;
    while at < lines.len() {
        let Some(line) = lines.get(at) else { break };
        if line.role == Role::FileHead {
            mark(at, Border::Always);
            mark(at + 1, Border::Always);
        }
        if line.blank && lines.get(at + 1).is_some_and(|next| !next.blank) {
            mark(at + 1, Border::Blank);
        }
        if line.defines {
            let before = lines.iter().take(at).rev();
            let own = before.take_while(|line| line.attribute || line.role == Role::Doc && !line.blank).count();
            mark(at - own, Border::Always);
        }
        if line.role == Role::Doc && at.checked_sub(1).and_then(role) != Some(Role::Doc) {
            let length = lines.iter().skip(at).take_while(|line| line.role == Role::Doc).count();
            // What stands above a definition goes with it, unless it is long.
            if length >= DOC_LINES_MIN {
                mark(at, Border::Always);
                mark(at + length, Border::Always);
            }
        }
        let starts_imports = line.role == Role::Imports && at.checked_sub(1).and_then(role) != Some(Role::Imports);
        if starts_imports && at.checked_sub(1).and_then(role) == Some(Role::Doc) {
            mark(at, Border::Always);
        }
        at += 1;
    }
    borders
}

fn read(text: &str) -> Vec<Line> {
    let mut lines = Vec::with_capacity(text.len() / 32);
    let (mut at, mut quotes) = (0, Quotes::default());
    for line in text.split_inclusive('\n') {
        let bytes = at..at + line.len();
        at = bytes.end;
        let trimmed = line.trim();
        let indent = line.len() - line.trim_start().len();
        let head = is_file_head(line);
        let defines = !head && is_definition(trimmed) && !is_comment(trimmed);
        if head || defines && trimmed.ends_with([':', '{']) || is_import(line) {
            quotes = Quotes::default();
        }
        let doc = !head && (quotes.read(trimmed) || is_comment(trimmed));
        let role = match () {
            () if head => Role::FileHead,
            () if doc => Role::Doc,
            () if trimmed.is_empty() => Role::Blank,
            () if is_import(line) => Role::Imports,
            () => Role::Code,
        };
        lines.push(Line {
            bytes,
            indent,
            blank: trimmed.is_empty(),
            role,
            defines: defines && !doc,
            attribute: is_attribute(trimmed),
        });
    }
    lines
}

/// Texts over several lines: docstrings and block comments.
#[derive(Default)]
struct Quotes {
    open: Option<&'static str>,
    doc: bool,
}

impl Quotes {
    /// Whether this line is documentation.
    fn read(&mut self, trimmed: &str) -> bool {
        if let Some(mark) = self.open {
            if trimmed.contains(mark) {
                self.open = None;
            }
            return self.doc;
        }
        let bare = trimmed.trim_start_matches(['r', 'R', 'u', 'b', 'f']);
        for mark in ["\"\"\"", "'''"] {
            let odd = trimmed.matches(mark).count() % 2 == 1;
            if odd {
                (self.open, self.doc) = (Some(mark), bare.starts_with(mark));
                return self.doc;
            }
            if bare.starts_with(mark) && trimmed.ends_with(mark) {
                return true;
            }
        }
        if trimmed.starts_with("/*") && !trimmed.contains("*/") {
            (self.open, self.doc) = (Some("*/"), true);
        }
        trimmed.starts_with("/*")
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kinds::Kind;
    use super::super::cut;
    use super::Role;

    const TEXT: &str = "# file: a/writer.py\nimport os\nimport re\n\n\nclass Writer(Base):\n    \"\"\"Writes.\n\n    Much is said\n    here.\n    \"\"\"\n\n    @property\n    def kind(self):\n        return 'w'\n\n    def run(self):\n        data = [\n            1,\n        ]\n        return data\n\n\ndef main():\n    pass\n";

    #[test]
    fn code_is_cut_at_definitions_and_its_documentation_stands_apart() {
        let units = cut(TEXT, Kind::Code);
        let shown: Vec<(Role, &str)> =
            units.iter().map(|unit| (unit.role, unit.text(TEXT).lines().next().unwrap_or_default().trim())).collect();
        assert_eq!(
            shown,
            [
                (Role::FileHead, "# file: a/writer.py"),
                (Role::Imports, "import os"),
                (Role::Code, "class Writer(Base):"),
                (Role::Doc, "\"\"\"Writes."),
                (Role::Blank, ""),
                (Role::Code, "@property"),
                (Role::Code, "def run(self):"),
                (Role::Code, "def main():"),
            ]
        );
        assert_eq!(units.iter().map(|unit| unit.text(TEXT)).collect::<String>(), TEXT);
    }

    #[test]
    fn a_unit_knows_what_it_is_inside_of() {
        let units = cut(TEXT, Kind::Code);
        let doc = units.iter().find(|unit| unit.role == Role::Doc).expect("a docstring");
        assert_eq!(doc.names.iter().map(|name| &TEXT[name.clone()]).collect::<Vec<_>>(), ["class Writer(Base):\n"]);
    }
}
