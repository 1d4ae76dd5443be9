//! Programs of which a word is a shell text, or whose options hold commands: shells, `env -S`, `find`, `git`.

use super::super::super::shell::script::{Input, Word};
use super::Inner;

/// More texts than this in one command are not read.
const MAX_TEXTS: usize = 16;

pub const READS_TEXT: &str = "a shell reads its commands from a text or a file";
const MADE_LATER: Inner = Inner::Closed("a shell is given a text that is made when it runs");

/// A shell text, and that it is not whole where something is put into it when it runs.
pub fn text(words: &[Word]) -> Vec<Inner> {
    let mut inner = vec![Inner::Text(rest(words, 0))];
    if !words.iter().all(|word| word.expands.nothing()) {
        inner.push(MADE_LATER);
    }
    inner
}

pub fn rest(words: &[Word], from: usize) -> String {
    let texts: Vec<&str> = words.iter().skip(from).map(|word| word.text.as_str()).collect();
    texts.join(" ")
}

/// `eval -- text`.
pub fn eval(words: &[Word]) -> Vec<Inner> {
    let from = if words.get(1).is_some_and(|word| word.text == "--") { 2 } else { 1 };
    text(words.get(from..).unwrap_or_default())
}

/// `env -S 'text'`, whose words are read by `env` itself: what stands behind it belongs to the same command.
pub fn split_string(words: &[Word]) -> Vec<Inner> {
    for (at, word) in words.iter().enumerate().skip(1) {
        let text = word.text.as_str();
        let attached = text.strip_prefix("--split-string=").or_else(|| {
            let (before, after) = text.strip_prefix('-')?.split_once('S')?;
            before.chars().all(|letter| letter.is_ascii_alphanumeric()).then_some(after)
        });
        let (value, next) = match attached.filter(|text| !text.is_empty()) {
            Some(value) => (value, at + 1),
            None if attached.is_some() || text == "--split-string" => {
                (words.get(at + 1).map_or("", |word| word.text.as_str()), at + 2)
            }
            None => continue,
        };
        let blank = ["\\_", "\\t", "\\n", "\\v", "\\f", "\\r"];
        let value = blank.iter().fold(value.to_owned(), |text, escape| text.replace(escape, " "));
        let mut inner = vec![Inner::Text(format!("env {value} {}", rest(words, next)))];
        if words.iter().take(next).any(|word| !word.expands.nothing()) {
            inner.push(MADE_LATER);
        }
        return inner;
    }
    Vec::new()
}

pub fn shell(words: &[Word], input: Input) -> Vec<Inner> {
    let mut at = 1;
    let mut text_follows = false;
    let mut inner = Vec::new();
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if !(text.starts_with('-') || text.starts_with('+')) || text.len() < 2 {
            break;
        }
        at += 1;
        if let Some(name) = text.strip_prefix("--") {
            match name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value))) {
                ("command" | "init-command", Some(value)) => {
                    inner.push(Inner::Text(value.to_owned()));
                    inner.extend((!word.expands.nothing()).then_some(MADE_LATER));
                    return inner;
                }
                ("command", None) => text_follows = true,
                ("rcfile" | "init-file", value) => {
                    at += usize::from(value.is_none());
                    inner.push(Inner::Closed("a shell reads a file of settings first"));
                }
                ("", _) => break,
                _ => {}
            }
            continue;
        }
        text_follows |= text.starts_with('-') && text.contains('c');
        if text.ends_with(['o', 'O']) {
            at += 1;
        }
    }
    inner.extend(match words.get(at) {
        Some(word) if text_follows => self::text(std::slice::from_ref(word)),
        _ if !inner.is_empty() => Vec::new(),
        operand => reads(words, operand, input),
    });
    inner
}

/// A shell without a text: what it reads its commands from.
fn reads(words: &[Word], operand: Option<&Word>, input: Input) -> Vec<Inner> {
    match operand {
        Some(word)
            if word.expands.nothing()
                && !matches!(word.text.as_str(), "-" | "/dev/stdin")
                && !word.text.starts_with("/dev/fd")
                && !word.text.starts_with("/proc") =>
        {
            Vec::new()
        }
        Some(_) => vec![Inner::Closed("a shell reads what is made when it runs")],
        None if words.iter().skip(1).any(|word| matches!(word.text.as_str(), "--version" | "--help")) => Vec::new(),
        None => vec![Inner::Closed(match input {
            Input::Inherited => "a shell reads its commands from its input",
            Input::Pipe => "a shell reads its commands from a pipe",
            Input::Text | Input::File => READS_TEXT,
        })],
    }
}

pub fn find(words: &[Word]) -> Vec<Inner> {
    let mut inner = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if !matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
            continue;
        }
        let run: Vec<Word> =
            words.iter().skip(at).take_while(|word| !matches!(word.text.as_str(), ";" | "\\;")).cloned().collect();
        at += run.len();
        let mut run = run;
        for word in &mut run {
            if word.text.contains("{}") {
                word.expands.value = true;
            }
        }
        inner.push(if run.is_empty() { Inner::Closed("find is to run what is not named") } else { Inner::Words(run) });
    }
    inner
}

pub fn git(words: &[Word]) -> Vec<Inner> {
    let mut inner = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        if inner.len() > MAX_TEXTS {
            inner.push(Inner::Closed("it has too many words to look through"));
            break;
        }
        let given = word.text.as_str();
        // `-c alias.x='!rm …'` and its kin.
        if let Some((_, command)) = given.split_once("=!") {
            inner.push(Inner::Text(command.to_owned()));
            inner.extend((!word.expands.nothing()).then_some(MADE_LATER));
        }
        let next = words.get(at + 1..).unwrap_or_default();
        let is_option = |word: &&Word| word.text.starts_with('-');
        match given {
            "foreach" => {
                let options = next.iter().take_while(is_option).count();
                inner.extend(text(next.get(options..).unwrap_or_default()));
            }
            "-x" | "--exec" | "--tree-filter" | "--index-filter" | "--msg-filter" | "--env-filter"
            | "--parent-filter" | "--commit-filter" | "--tag-name-filter" => {
                inner.extend(next.first().map(std::slice::from_ref).map(text).unwrap_or_default());
            }
            "merge-index" => inner.push(Inner::From(at + 1 + next.iter().take_while(is_option).count())),
            "remote-ext" => inner.extend(text(next.get(1..).unwrap_or_default())),
            "run" if words.iter().take(at).any(|word| word.text == "bisect") => inner.push(Inner::From(at + 1)),
            _ => {
                if let Some(command) = given.strip_prefix("--exec=") {
                    inner.push(Inner::Text(command.to_owned()));
                    inner.extend((!word.expands.nothing()).then_some(MADE_LATER));
                }
            }
        }
    }
    inner.retain(|inner| !matches!(inner, Inner::From(at) if *at >= words.len()));
    inner
}
