//! Programs that start another program named by their own words: where that one begins. What it may do is not here.

mod managers;
mod runners;
mod shells;
#[cfg(test)]
mod tests;
mod xargs;

use super::super::shell::script::{Input, Word};
use super::effects::base;
use super::{subcommands, table};
use runners::{LOOSE, loose};
pub use shells::READS_TEXT;

/// What stands inside a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A command that starts at this word and goes to the end.
    From(usize),
    /// The same, where it is not certain that it starts there.
    Perhaps(usize),
    /// The words from this one on, with others filled in when it runs.
    Filled { at: usize, words: Vec<Word> },
    /// Words of their own.
    Words(Vec<Word>),
    /// A shell text.
    Text(String),
    /// The same, where it is not certain that it is one.
    PerhapsText(String),
    /// Something runs that cannot be seen.
    Closed(&'static str),
}

#[derive(Debug, Default)]
pub struct Found {
    pub inner: Vec<Inner>,
    /// An allow rule may look through: what runs is exactly the inner command.
    pub transparent: bool,
}

/// How a wrapper reads its own words.
struct Wrapper {
    name: &'static str,
    /// Letters and names of options whose value is the next word.
    letters: &'static str,
    names: &'static [&'static str],
    /// Letters and names of options without one.
    flags: &'static str,
    flag_names: &'static [&'static str],
    /// Operands of its own before the command.
    operands: usize,
    /// `NAME=value` may stand before the command, and a lone dash.
    assigns: bool,
    transparent: bool,
}

const fn through(
    name: &'static str,
    letters: &'static str,
    names: &'static [&'static str],
    flags: &'static str,
    flag_names: &'static [&'static str],
    operands: usize,
) -> Wrapper {
    Wrapper { name, letters, names, flags, flag_names, operands, assigns: false, transparent: true }
}

const fn inside(
    name: &'static str,
    letters: &'static str,
    names: &'static [&'static str],
    flags: &'static str,
    operands: usize,
) -> Wrapper {
    Wrapper { name, letters, names, flags, flag_names: &[], operands, assigns: false, transparent: false }
}

/// Where an option that is not listed here appears, every later word is taken as a possible start.
const WRAPPERS: &[Wrapper] = &[
    through("builtin", "", &[], "", &[], 0),
    through("command", "", &[], "p", &[], 0),
    through("nice", "n", &["adjustment"], "0123456789", &[], 0),
    through("noglob", "", &[], "", &[], 0),
    through("nohup", "", &[], "", &[], 0),
    through("stdbuf", "ioe", &["input", "output", "error"], "", &[], 0),
    through("time", "", &[], "pv", &["portability", "verbose"], 0),
    through("timeout", "ks", &["kill-after", "signal"], "vfp", &["preserve-status", "foreground", "verbose"], 1),
    Wrapper { assigns: true, ..inside("env", "uC", &["unset", "chdir", "argv0"], "i0v", 0) },
    Wrapper {
        assigns: true,
        ..inside(
            "sudo",
            "ugpCchrtTUDR",
            &["user", "group", "prompt", "host", "role", "type", "chdir", "chroot", "close-from"],
            "AbBEHnPSkis",
            0,
        )
    },
    Wrapper { assigns: true, ..inside("doas", "uC", &[], "nLs", 0) },
    inside("chroot", "", &["groups", "userspec"], "", 1),
    inside("chrt", "TPD", &[], "abfiormv", 1),
    inside("exec", "a", &[], "cl", 0),
    inside("ionice", "cn", &["class", "classdata"], "t", 0),
    inside("noexec", "", &[], "", 0),
    inside("pkexec", "", &["user"], "", 0),
    inside("setsid", "", &[], "cfw", 0),
    inside("taskset", "", &[], "ac", 1),
    inside("unbuffer", "", &[], "p", 0),
];

pub fn look_inside(words: &[Word], input: Input) -> Found {
    let Some(first) = words.first() else { return Found::default() };
    let name = base(&first.text);
    if table::SHELLS.contains(&name) {
        return closed_to_allow(shells::shell(words, input));
    }
    match name {
        "eval" => return closed_to_allow(shells::eval(words)),
        "find" => return closed_to_allow(shells::find(words)),
        "git" => return closed_to_allow(shells::git(words)),
        "xargs" => return xargs::look_inside(words),
        "parallel" | "sem" => {
            let mut inner = loose(words, 1);
            inner.push(Inner::Closed("`parallel` makes commands of what it reads"));
            return closed_to_allow(inner);
        }
        // Arguments of a package's own script are arguments; only these run what they are given.
        "npm" | "pnpm" | "yarn" | "bun" | "deno" | "go" | "cargo" => {
            let runs = subcommands::subcommands(name, words)
                .into_iter()
                .find(|(_, sub)| matches!(*sub, "exec" | "x" | "dlx") || (name == "cargo" && *sub == "watch"));
            return closed_to_allow(runs.map_or_else(Vec::new, |(at, _)| loose(words, at + 1)));
        }
        "ip" => {
            let exec = words.iter().skip(2).position(|word| !word.text.is_empty() && "exec".starts_with(&word.text));
            return closed_to_allow(exec.map_or_else(Vec::new, |at| loose(words, at + 3)));
        }
        "command" if words.get(1).is_some_and(|word| matches!(word.text.as_str(), "-v" | "-V" | "-pv" | "-pV")) => {
            return Found::default();
        }
        _ => {}
    }
    // A transparent wrapper is one by its bare name only: another program may lie at a path.
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
        let mut found = precise(wrapper, words);
        found.transparent &= first.text == name;
        if name == "env" {
            found.inner.extend(shells::split_string(words));
        }
        return found;
    }
    if let Some(found) = managers::look_inside(name, words) {
        return found;
    }
    closed_to_allow(if is_loose(name) { loose(words, 1) } else { runners::perhaps(words) })
}

/// Each word may be the program that it runs.
pub fn is_loose(name: &str) -> bool {
    LOOSE.contains(&name) || table::RUNS_OTHERS.contains(&name)
}

fn closed_to_allow(inner: Vec<Inner>) -> Found {
    Found { inner, transparent: false }
}

fn precise(wrapper: &Wrapper, words: &[Word]) -> Found {
    let mut at = 1;
    let mut operands = 0;
    let mut ended = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        let taken = if !ended && text == "--" {
            ended = true;
            1
        } else if wrapper.assigns && text == "-" {
            1
        } else if !ended && text.starts_with('-') && text.len() > 1 {
            match option(wrapper, text) {
                Some(taken) => taken,
                None => return closed_to_allow(loose(words, at)),
            }
        } else if wrapper.assigns && text.contains('=') && !text.starts_with('=') {
            1
        } else if operands < wrapper.operands {
            // One that is an option when it runs shifts all that follows.
            if word.expands.value {
                return unclear(words, at);
            }
            operands += 1;
            1
        } else {
            break;
        };
        if words.iter().skip(at).take(taken).any(|word| word.expands.any_number()) {
            return unclear(words, at);
        }
        at += taken;
    }
    if at >= words.len() {
        return Found::default();
    }
    Found { inner: vec![Inner::From(at)], transparent: wrapper.transparent }
}

/// Where the program begins is not known before it runs.
fn unclear(words: &[Word], at: usize) -> Found {
    let mut inner = loose(words, at);
    inner.push(Inner::Closed("where the program begins that it starts is not known before it runs"));
    closed_to_allow(inner)
}

/// How many words an option takes; nothing where it is not known.
fn option(wrapper: &Wrapper, text: &str) -> Option<usize> {
    if let Some(name) = text.strip_prefix("--") {
        let (name, attached) = name.split_once('=').map_or((name, false), |(name, _)| (name, true));
        return if wrapper.names.contains(&name) {
            Some(if attached { 1 } else { 2 })
        } else {
            wrapper.flag_names.contains(&name).then_some(1)
        };
    }
    let letters = text.strip_prefix('-')?;
    for (place, letter) in letters.char_indices() {
        if wrapper.letters.contains(letter) {
            return Some(if place + letter.len_utf8() == letters.len() { 2 } else { 1 });
        }
        if !wrapper.flags.contains(letter) {
            return None;
        }
    }
    Some(1)
}
