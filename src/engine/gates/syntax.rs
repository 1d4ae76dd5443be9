//! Does every given file parse? Whether it compiles or runs is not asked here. Which files have changed is `changed`.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use super::language::{Language, without_comments};
use super::output::{one_line, printable};
use super::run::{Cancel, now};
use super::{let_through, readers};

const FILE_MAX_BYTES: u64 = 2 * 1024 * 1024;
const FILE_BUDGET: Duration = Duration::from_secs(2);
const ERRORS_MAX: usize = 20;
const ERRORS_PER_FILE: usize = 3;
const BINARY_LOOK_BYTES: usize = 8 * 1024;
const EXCERPT_CHARS: usize = 100;
/// A tree is looked through at most this far: errors are nearly always found at once.
const NODES_MAX: usize = 2_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyntaxReport {
    pub checked: usize,
    /// Each with why; none of them counts against the gate.
    pub skipped: Vec<(PathBuf, String)>,
    /// The first 20, at most 3 of one file.
    pub errors: Vec<SyntaxError>,
    /// The caller ended it; the rest was not looked at.
    pub cancelled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub path: PathBuf,
    /// Both count from one; the column counts characters.
    pub line: usize,
    pub column: usize,
    /// The line and a caret under the place.
    pub excerpt: String,
    pub message: String,
}

/// `files` are relative to `root`; it blocks for at most 2 s a file.
pub fn check_files(root: &Path, files: &[PathBuf], cancel: Cancel) -> SyntaxReport {
    let mut report = SyntaxReport::default();
    let Ok(real_root) = root.canonicalize() else {
        report.skipped.push((root.to_path_buf(), "the work tree cannot be read".into()));
        return report;
    };
    let mut parser = Parser::new();
    for path in files {
        if cancel() {
            report.cancelled = true;
            break;
        }
        if report.errors.len() >= ERRORS_MAX {
            break;
        }
        match check_file(&mut parser, &real_root, path, cancel) {
            Ok(errors) => {
                report.checked += 1;
                report.errors.extend(errors);
            }
            Err(why) => report.skipped.push((path.clone(), why)),
        }
    }
    report.errors.truncate(ERRORS_MAX);
    report.cancelled |= cancel();
    report
}

fn check_file(parser: &mut Parser, root: &Path, path: &Path, cancel: Cancel) -> Result<Vec<SyntaxError>, String> {
    let by_name = Language::of_path(path);
    if by_name.is_none() && path.extension().is_some() {
        return Err("no grammar for its kind".into());
    }
    let text = read(root, path)?;
    let language = by_name.or_else(|| Language::of_first_line(&text)).ok_or("no grammar for its kind")?;
    if std::str::from_utf8(&text).is_err() {
        return Err("not UTF-8".into());
    }
    let commented = language == Language::JsonWithComments;
    let parsed = if commented { Cow::Owned(without_comments(&text)) } else { Cow::Borrowed(text.as_slice()) };
    let started = now();
    let is_over = || started.elapsed() >= FILE_BUDGET || cancel();
    let places = match readers::places(language, &parsed, &is_over)? {
        Some(places) => places,
        None => places(&parse(parser, language, &parsed, &is_over)?, &parsed, language),
    };
    Ok(places.into_iter().map(|place| place.into_error(path, &text, language)).collect())
}

/// Without following a link out of the work tree, and without waiting at a pipe.
fn read(root: &Path, path: &Path) -> Result<Vec<u8>, String> {
    let real = root.join(path).canonicalize().map_err(|error| format!("it cannot be read: {error}"))?;
    if !real.starts_with(root) {
        return Err("it leads out of the work tree".into());
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(&real, flags, Mode::empty()).map_err(|error| format!("it cannot be read: {error}"))?;
    let file = File::from(file);
    let meta = file.metadata().map_err(|error| format!("it cannot be read: {error}"))?;
    if !meta.is_file() {
        return Err("not a file".into());
    }
    let mut text = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err("larger than 2 MB".into());
    }
    if text.iter().take(BINARY_LOOK_BYTES).any(|byte| *byte == 0) {
        return Err("binary".into());
    }
    Ok(text)
}

fn parse(parser: &mut Parser, language: Language, text: &[u8], is_over: &dyn Fn() -> bool) -> Result<Tree, String> {
    let mut stop = |_: &ParseState| if is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let options = ParseOptions::new().progress_callback(&mut stop);
    let mut rest = |byte: usize, _| text.get(byte..).unwrap_or_default();
    parser.set_language(&language.grammar()).map_err(|error| format!("its grammar cannot be used: {error}"))?;
    let tree = parser.parse_with_options(&mut rest, None, Some(options));
    // What a stopped parse left behind would be taken up by the next.
    parser.reset();
    tree.ok_or_else(too_long)
}

pub(super) fn too_long() -> String {
    format!("not read to its end within {} s", FILE_BUDGET.as_secs())
}

pub(super) struct Place {
    pub byte: usize,
    pub message: String,
}

fn places(tree: &Tree, text: &[u8], language: Language) -> Vec<Place> {
    let mut places = Vec::new();
    let mut cursor = tree.walk();
    for _ in 0..NODES_MAX {
        let node = cursor.node();
        let found = node.is_error() || node.is_missing();
        if found {
            places.push(place_of(node, text));
        } else {
            places.extend(let_through::place(node, text, language));
        }
        if places.len() >= ERRORS_PER_FILE {
            break;
        }
        // Not inside an error, whose parts are consequences.
        if !found && (node.has_error() || let_through::is_looked_for(language)) && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return places;
            }
        }
    }
    places
}

fn place_of(node: Node, text: &[u8]) -> Place {
    if node.is_missing() {
        return Place { byte: node.start_byte(), message: format!("`{}` is missing", node.kind()) };
    }
    let lines = node.end_position().row.saturating_sub(node.start_position().row);
    let bytes = text.get(node.byte_range()).unwrap_or_default();
    let shown = one_line(&printable(bytes.get(..400).unwrap_or(bytes)), 40);
    let message = match (shown.is_empty(), lines) {
        (true, _) => "something is missing or too much".into(),
        (false, 0) => format!("`{shown}` is not expected"),
        (false, _) => format!("the code from `{shown}` to line {} does not parse", node.end_position().row + 1),
    };
    Place { byte: node.start_byte(), message }
}

impl Place {
    fn into_error(self, path: &Path, text: &[u8], language: Language) -> SyntaxError {
        let before = text.get(..self.byte).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let whole = text.get(line_start..).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().count() + 1;
        SyntaxError {
            path: path.to_path_buf(),
            line,
            column,
            excerpt: excerpt(whole, column),
            message: format!("{}: {}", language.name(), self.message),
        }
    }
}

/// One line, cut around the column, and a caret under it.
fn excerpt(line: &[u8], column: usize) -> String {
    let first = column.saturating_sub(EXCERPT_CHARS / 2 + 1);
    // A tab or a control character is one blank wide, so that the caret stays under its character.
    let blank = |c: char| if c.is_whitespace() || printable(c.to_string().as_bytes()).is_empty() { ' ' } else { c };
    let text: String = String::from_utf8_lossy(line).chars().skip(first).take(EXCERPT_CHARS).map(blank).collect();
    format!("{}\n{}^", text.trim_end(), " ".repeat(column.saturating_sub(first + 1)))
}
