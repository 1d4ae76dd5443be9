//! What a shell command would start, read without running it: a parser of our own for the part of bash that can be
//! read for certain, in one pass and with bounds. Which of it may run is not here.

mod arithmetic;
mod builtins;
mod conditions;
mod documents;
mod expansion;
mod grammar;
mod lexical;
mod names;
mod place;
mod reader;
pub mod script;
mod simple;
#[cfg(test)]
mod tests;
mod word;

use reader::{Found, Reader};
use script::{Script, Simple};

/// Longer texts are not read, only searched; a person or a model writes nothing of that length in one go.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What looks like a command in a text that is too long to be read.
pub fn searched(text: &str) -> Vec<Simple> {
    lexical::commands(text)
}

/// All commands that `text` would start, and whether that can be relied on.
pub fn read(text: &str) -> Script {
    if let Some(why) = unreadable(text) {
        return Script { commands: lexical::commands(text), opaque: Some(why.to_owned()), ..Script::default() };
    }
    let mut reader = Reader::new(text, Found::default());
    let stopped = reader.script().err();
    let mut found = reader.found;
    if let Some(stop) = stopped {
        found.doubt(stop.0);
        found.commands.append(&mut lexical::commands(text));
    }
    if found.commands.is_empty() {
        found.doubt("the command holds nothing that runs");
    }
    found.finish();
    let Found { commands, doubt: opaque, functions, early, filled, .. } = found;
    Script { commands, opaque, functions, early, filled }
}

fn unreadable(text: &str) -> Option<&'static str> {
    if text.len() > TEXT_BYTES_MAX {
        return Some("the command is longer than 16 KB");
    }
    let bad = text.bytes().find(|byte| matches!(byte, 0 | 1 | b'\r' | 0x7f))?;
    Some(match bad {
        0 => "the command holds a NUL character",
        b'\r' => "the command holds a carriage return",
        _ => "the command holds a control character that bash uses for itself",
    })
}
