//! Programs that read their options in a way of their own, or hand some on.

use super::super::super::shell::script::Input;
use super::super::subcommands::subcommand;
use super::{Effect, Risk, Word, risks_of};

pub fn risks(name: &str, words: &[Word], found: &mut Vec<Risk>) {
    for (at, word) in words.iter().enumerate().skip(1) {
        let effect = effect_of(name, at, &word.text);
        found.extend(effect.map(|effect| Risk { at, effect, target: None }));
    }
    let Some(dashes) = words.iter().position(|word| word.text == "--") else { return };
    let Some((_, sub)) = subcommand(name, words) else { return };
    let behind = || words.iter().enumerate().skip(dashes + 1);
    match (name, sub) {
        // To the compiler.
        ("cargo", "clippy") => {
            const OF_RUSTC: &[&str] = &["-C", "-Z", "-o", "--codegen", "--emit", "--out-dir"];
            let acting = behind().filter(|(_, word)| OF_RUSTC.iter().any(|option| word.text.starts_with(option)));
            found.extend(acting.map(|(at, _)| Risk { at, effect: Effect::Runs, target: None }));
        }
        // To the tests.
        ("cargo", "bench" | "t" | "test") => {
            let writing = behind().filter(|(_, word)| word.text.starts_with("--logfile"));
            found.extend(writing.map(|(at, _)| Risk { at, effect: Effect::Writes, target: None }));
        }
        // To `git clone`.
        ("gh", "repo") => {
            let named = |text: &str| Word { text: text.to_owned(), ..Word::default() };
            let options = behind().map(|(_, word)| word.clone());
            let clone: Vec<Word> = [named("git"), named("clone")].into_iter().chain(options).collect();
            let more = risks_of("git", &clone, Input::Inherited);
            // Two words stand before them there.
            found.extend(
                more.into_iter().map(|risk| Risk { at: risk.at.saturating_add(dashes).saturating_sub(1), ..risk }),
            );
        }
        _ => {}
    }
}

fn effect_of(name: &str, at: usize, text: &str) -> Option<Effect> {
    let bundle = text.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    match name {
        // `-lf log`, two letters for one option, also within a bundle.
        "zip" => bundle.filter(|letters| letters.contains("lf")).map(|_| Effect::Writes),
        // `tar cgf record archive`, without a dash.
        "tar" => (at == 1 && !text.starts_with('-') && text.contains('g')).then_some(Effect::Writes),
        "exiftool" => (text.contains("${") && text.contains(';')).then_some(Effect::Runs),
        // A program to write to.
        "psql" => (text.starts_with('|') || text.contains("=|") || text.starts_with("-o|")).then_some(Effect::Runs),
        "mlr" => {
            let acts = ["exec", "system", "tee"].iter().any(|function| text.contains(function));
            let written = text.split(['>', '|']).skip(1).any(|rest| rest.trim_start().starts_with('"'));
            (acts || written).then_some(Effect::Runs)
        }
        _ => None,
    }
}
