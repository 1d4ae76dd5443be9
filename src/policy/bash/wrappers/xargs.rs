//! `xargs`: where the command it runs begins, and which of its words are filled in when it runs.

use super::super::super::shell::script::{Expands, Word};
use super::{Found, Inner, runners::loose};

/// Options whose value may stand in the next word, with those of BSD.
const LETTERS: &str = "adEILnPsJRS";
/// Options whose value stands in the same word or is missing.
const ATTACHED: &str = "eil";
const FLAGS: &str = "0oprtx";
const NAMES: &[&str] = &["arg-file", "delimiter", "max-args", "max-chars", "max-procs", "process-slot-var"];
const FLAG_NAMES: &[&str] = &[
    "null",
    "open-tty",
    "interactive",
    "no-run-if-empty",
    "verbose",
    "exit",
    "show-limits",
    "eof",
    "max-lines",
    "replace",
];

const USUAL_MARK: &str = "{}";

pub fn look_inside(words: &[Word]) -> Found {
    let mut at = 1;
    let mut mark = None;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            at += 1;
            break;
        }
        if !text.starts_with('-') || text.len() < 2 {
            break;
        }
        let option = option(text).filter(|_| !word.expands.any_number());
        let value = words.get(at + 1).filter(|value| !value.expands.any_number());
        match option {
            Some(Given { name, attached: None, takes: true }) => {
                let Some(value) = value else { return unclear(words, at) };
                if marks(name) {
                    mark = Some(value.text.as_str());
                }
                at += 2;
            }
            Some(Given { name, attached, .. }) => {
                if marks(name) {
                    mark = Some(attached.unwrap_or(USUAL_MARK));
                }
                at += 1;
            }
            None => return unclear(words, at),
        }
    }
    let Some(run) = words.get(at..).filter(|run| !run.is_empty()) else { return Found::default() };
    let inner = vec![Inner::Filled { at, words: filled(run, mark) }];
    Found { inner, transparent: at == 1 && words.first().is_some_and(|first| first.text == "xargs") }
}

fn unclear(words: &[Word], at: usize) -> Found {
    let mut inner = loose(words, at);
    inner.push(Inner::Closed("the options of `xargs` are not known"));
    Found { inner, transparent: false }
}

struct Given<'a> {
    name: &'a str,
    attached: Option<&'a str>,
    takes: bool,
}

/// The last option in a word; those before it take no value.
fn option(text: &str) -> Option<Given<'_>> {
    if let Some(long) = text.strip_prefix("--") {
        let (name, attached) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let takes = NAMES.contains(&name);
        return (takes || FLAG_NAMES.contains(&name)).then_some(Given { name, attached, takes });
    }
    let letters = text.strip_prefix('-')?;
    for (place, letter) in letters.char_indices() {
        let end = place + letter.len_utf8();
        let takes = LETTERS.contains(letter);
        if takes || ATTACHED.contains(letter) {
            let attached = letters.get(end..).filter(|rest| !rest.is_empty());
            return Some(Given { name: letters.get(place..end)?, attached, takes });
        }
        if !FLAGS.contains(letter) {
            return None;
        }
    }
    Some(Given { name: "", attached: None, takes: false })
}

fn marks(name: &str) -> bool {
    matches!(name, "I" | "J" | "i" | "replace")
}

/// With a mark, the words that hold it; else any words stand behind the last.
fn filled(run: &[Word], mark: Option<&str>) -> Vec<Word> {
    let unknown =
        |splits| Word { text: "$@".to_owned(), expands: Expands { value: true, splits, ..Expands::default() } };
    let Some(mark) = mark else { return run.iter().cloned().chain([unknown(true)]).collect() };
    let fill = |word: &Word| {
        if word.text == mark {
            unknown(false)
        } else if mark.is_empty() || word.text.contains(mark) {
            Word { expands: Expands { value: true, ..word.expands }, ..word.clone() }
        } else {
            word.clone()
        }
    };
    run.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        text.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect()
    }

    #[test]
    fn what_is_filled_in_stands_for_anything() {
        for (text, expected) in [
            ("xargs grep x", Some("1: grep x $@")),
            ("xargs -n1 git", Some("2: git $@")),
            ("xargs -n 1 -0 git", Some("4: git $@")),
            ("xargs -0rn 1 -- git", Some("4: git $@")),
            ("xargs -I{} {}", Some("2: $@")),
            ("xargs -I % mv % a/%", Some("3: mv $@ a/%?")),
            ("xargs --replace cp {} x", Some("2: cp $@ x")),
            ("xargs --max-args=3 rm", Some("2: rm $@")),
            ("xargs --max-a 3 rm", None),
            ("xargs -n1", None),
        ] {
            let words = words(text);
            let found = look_inside(&words);
            let shown = match found.inner.first() {
                Some(Inner::Filled { at, words }) => {
                    let mark = |word: &Word| if word.expands.value && word.text != "$@" { "?" } else { "" };
                    let words: Vec<String> = words.iter().map(|word| format!("{}{}", word.text, mark(word))).collect();
                    Some(format!("{at}: {}", words.join(" ")))
                }
                _ => None,
            };
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }
}
