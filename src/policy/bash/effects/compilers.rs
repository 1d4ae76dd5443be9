//! What compilers hand on to the programs behind them, and options that come from a file.

use super::super::super::shell::script::Input;
use super::{Effect, Risk, Word, risks_of};

/// `@file` stands for the options in that file.
const OPTIONS_FROM_FILES: &[&str] = &[
    "addr2line",
    "ar",
    "as",
    "c++filt",
    "cc",
    "clang",
    "clang-tidy",
    "cpp",
    "csc",
    "dotnet",
    "elfedit",
    "g++",
    "gcc",
    "gprof",
    "jar",
    "java",
    "javac",
    "javadoc",
    "kotlinc",
    "ld",
    "msbuild",
    "mypy",
    "nm",
    "objcopy",
    "objdump",
    "ranlib",
    "readelf",
    "rustdoc",
    "scalac",
    "size",
    "strings",
    "strip",
];

const COMPILERS: &[&str] = &["cc", "clang", "g++", "gcc"];

/// How a compiler is told what to hand on: joined by commas, or one word at a time.
const HANDED_ON: &[(&str, &str, &str)] =
    &[("ld", "-Wl,", "-Xlinker"), ("as", "-Wa,", "-Xassembler"), ("cpp", "-Wp,", "-Xpreprocessor")];

pub fn risks(name: &str, words: &[Word], found: &mut Vec<Risk>) {
    if OPTIONS_FROM_FILES.contains(&name) {
        let end = if name == "java" { end_of_java(words) } else { words.len() };
        let own = words.iter().take(end);
        let files = own.enumerate().skip(1).filter(|(_, word)| word.text.len() > 1 && word.text.starts_with('@'));
        found.extend(files.map(|(at, _)| Risk { at, effect: Effect::Runs, target: None }));
    }
    // `-oout`, which no other option of its begins with.
    let joined =
        words.iter().enumerate().skip(1).filter_map(|(at, word)| Some((at, word, word.text.strip_prefix("-o")?)));
    for (at, word, path) in joined.filter(|(.., path)| name == "ld" && !path.is_empty()) {
        let target = Word { text: path.to_owned(), expands: word.expands };
        found.push(Risk { at, effect: Effect::Writes, target: Some(target) });
    }
    for (behind, joined, single) in HANDED_ON.iter().filter(|_| COMPILERS.contains(&name)) {
        let given = handed_on(words, joined, single);
        let (places, mut command): (Vec<usize>, Vec<Word>) = given.into_iter().unzip();
        command.insert(0, Word { text: (*behind).to_owned(), ..Word::default() });
        for risk in risks_of(behind, &command, Input::Inherited) {
            let at = risk.at.checked_sub(1).and_then(|at| places.get(at)).copied();
            found.extend(at.map(|at| Risk { at, ..risk }));
        }
    }
}

/// What stands behind the program that java runs is for that program; a class behind an option may be its value.
fn end_of_java(words: &[Word]) -> usize {
    let is_program = |pair: &[Word]| match pair {
        [before, word] => word.text == "-jar" || !(before.text.starts_with('-') || word.text.starts_with(['-', '@'])),
        _ => false,
    };
    words.windows(2).position(is_program).map_or(words.len(), |at| at + 1)
}

/// The words for the program behind, each with the place where it is given.
fn handed_on(words: &[Word], joined: &str, single: &str) -> Vec<(usize, Word)> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate().skip(1) {
        let before = words.get(at - 1).map_or("", |before| before.text.as_str());
        let whole = Some(word.text.as_str()).filter(|_| before == single);
        let parts = word.text.strip_prefix(joined).map(|parts| parts.split(','));
        let texts = whole.into_iter().chain(parts.into_iter().flatten());
        found.extend(texts.map(|text| (at, Word { text: text.to_owned(), expands: word.expands })));
    }
    found
}
