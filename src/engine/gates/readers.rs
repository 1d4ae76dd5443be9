//! Data is judged by readers of it, as programs have them; the grammars let more through. Code is not read here (`syntax`).

use serde::de::IgnoredAny;
use serde_saphyr::granit_parser::{self, Parser};

use super::language::Language;
use super::syntax::{Place, too_long};

/// `None`: no reader for it, or the reader's own limit was met.
pub(super) fn places(
    language: Language,
    text: &[u8],
    is_over: &dyn Fn() -> bool,
) -> Result<Option<Vec<Place>>, String> {
    match (language, std::str::from_utf8(text)) {
        (Language::Json | Language::JsonWithComments, _) => Ok(json(language, text)),
        (Language::Toml, Ok(text)) => Ok(toml(text)),
        (Language::Yaml, Ok(text)) => yaml(text, is_over),
        _ => Ok(None),
    }
}

fn toml(text: &str) -> Option<Vec<Place>> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Err(error) = toml::from_str::<toml::Table>(body) else { return Some(Vec::new()) };
    if error.message().contains("recursion limit") {
        return None;
    }
    let byte = error.span().map_or(0, |span| span.start) + (text.len() - body.len());
    Some(vec![Place { byte: byte.min(text.len()), message: error.message().replace('\n', "; ") }])
}

/// Any number of documents, and any tags: what they stand for is known to whoever wrote them. Where nothing is found the
/// grammar looks as well, which knows that no tab indents.
fn yaml(text: &str, is_over: &dyn Fn() -> bool) -> Result<Option<Vec<Place>>, String> {
    let options = granit_parser::options! { emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        if is_over() {
            return Err(too_long());
        }
        let Err(error) = event else { continue };
        let info = error.info();
        if info.contains("recursion") || info.contains("nesting") {
            return Ok(None);
        }
        let at = error.marker();
        let byte =
            at.byte_offset().unwrap_or_else(|| text.char_indices().nth(at.index()).map_or(text.len(), |at| at.0));
        let message = info.lines().next().unwrap_or_default().to_owned();
        return Ok(Some(vec![Place { byte: byte.min(text.len()), message }]));
    }
    Ok(None)
}

/// JSON is judged by a reader: the grammar lets through comments, two documents and an empty file, and refuses
/// `1e+5`. `None`: the reader's own limit was met; the grammar has none.
fn json(language: Language, text: &[u8]) -> Option<Vec<Place>> {
    let body = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if language == Language::JsonWithComments && body.iter().all(u8::is_ascii_whitespace) {
        return Some(Vec::new());
    }
    let Err(error) = serde_json::from_slice::<IgnoredAny>(body) else { return Some(Vec::new()) };
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    if message.contains("recursion limit") {
        return None;
    }
    let start = text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len);
    // Column 0 is the line break before it.
    let byte = (start.sum::<usize>() + error.column()).saturating_sub(1);
    let message = match message {
        _ if text.get(byte..).is_some_and(|rest| rest.starts_with(b"/")) => "JSON has no comments here; remove it",
        "expected ident" => "only `true`, `false` and `null` stand without quotes",
        "trailing characters" => "nothing may follow the end of the document",
        other => other,
    };
    Some(vec![Place { byte: byte.min(text.len()), message: message.into() }])
}
