//! What commands of one text do together and none of them alone: one makes what another runs, one finds what another stops.

use super::super::judge::Around;
use super::super::rule::Rule;
use super::super::shell::script::{Input, Redirection, Way, Word};
use super::clients::names_settings;
use super::effects::{base, is_interpreter};
use super::guard::{KILLERS, Mention, NETWORK, PASSIVE, TOUCHES, names_state, runs_text_of_others};
use super::views::{Seen, View};

/// They put a file elsewhere as it is.
const COPIERS: &[&str] = &["cp", "ln", "install", "dd", "mv", "cat", "rsync", "scp", "link", "tee"];

/// They tell the numbers of processes.
const FINDERS: &[&str] = &["lsof", "ss", "netstat", "fuser", "pgrep", "pidof"];

/// They run what a file says that another command of the text may have written.
pub const RUNS_FILES: &[(&str, &[&str])] = &[
    ("make", &["Makefile", "makefile", "GNUmakefile"]),
    ("gmake", &["Makefile", "makefile", "GNUmakefile"]),
    ("just", &["justfile", "Justfile", ".justfile"]),
    ("task", &["Taskfile.yml", "Taskfile.yaml"]),
    ("npm", &["package.json"]),
    ("pnpm", &["package.json"]),
    ("yarn", &["package.json"]),
    ("bun", &["package.json"]),
];

pub fn verdict(seen: &[Seen<'_>], text: &str, mention: &Mention, around: &Around) -> Option<String> {
    let views: Vec<&View> = seen.iter().flat_map(|one| &one.views).collect();
    let runs = || if mention.decides { runs_us(seen, &views) } else { None };
    let finds = || finds_us(&views, around).then(|| TOUCHES.to_owned());
    let asks = || {
        let told = views.iter().any(|view| view.input == Input::Text && NETWORK.contains(&program(view)));
        let ours = told && around.guard.ports.iter().any(|port| text.contains(&format!(":{port}")));
        ours.then(|| "it would speak to phasegate itself".to_owned())
    };
    let names = || is_told_of_us(&views, text, around);
    runs()
        .or_else(finds)
        .or_else(asks)
        .or_else(|| names().then(|| "a text in it names what holds an agent to its phase".to_owned()))
}

fn program(view: &View) -> &str {
    view.words().first().map_or("", |first| base(&first.text))
}

fn runs_us(seen: &[Seen<'_>], views: &[&View]) -> Option<String> {
    let copies = |view: &&&View| COPIERS.contains(&program(view));
    let ours = |word: &Word| base(word.text.trim_start_matches("if=")) == "phasegate";
    if views.iter().filter(copies).any(|view| view.words().iter().skip(1).any(ours)) {
        return Some("it would run phasegate under another name".to_owned());
    }
    let runs = runs_what_it_made(seen);
    runs.then(|| "it would have a command of phasegate run that only a person may give".to_owned())
}

/// Whether one command runs a file that another of the text has written.
pub fn runs_what_it_made(seen: &[Seen<'_>]) -> bool {
    let views: Vec<&View> = seen.iter().flat_map(|one| &one.views).collect();
    let written = |known: &&Redirection| matches!(known.way, Way::Write | Way::Append);
    let redirected = seen.iter().flat_map(|one| &one.simple.redirections).filter(written);
    let mut made: Vec<&str> = redirected.map(|known| known.target.text.as_str()).collect();
    for view in views.iter().filter(|view| COPIERS.contains(&program(view))) {
        made.extend(view.words().iter().skip(1).map(|word| word.text.as_str()));
    }
    let made = |path: &str| {
        let path = path.trim_start_matches("./");
        !path.is_empty() && made.iter().any(|made| made.trim_start_matches("./") == path)
    };
    views.iter().any(|view| {
        let (name, words) = (program(view), view.words());
        let rules = RUNS_FILES.iter().find(|(known, _)| *known == name);
        rules.is_some_and(|(_, files)| files.iter().any(|file| made(file)))
            || (runs_text_of_others(name) && words.iter().skip(1).any(|word| made(&word.text)))
            || words.first().is_some_and(|first| first.text.contains('/') && made(&first.text))
    })
}

/// Whether what a rule is about stands in a text, word by word.
pub fn stands_in(rule: &Rule, text: &str) -> bool {
    let Some(spec) = rule.spec.as_deref() else { return false };
    let names: Vec<&str> = if rule.tool.matches("Bash") {
        let literal = spec.split(['*', ':']).next().unwrap_or_default();
        literal.split(' ').map(base).filter(|word| !word.is_empty()).collect()
    } else {
        spec.rsplit('/').find(|name| !name.is_empty() && !name.contains('*')).into_iter().collect()
    };
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let alone = |name: &str, at: usize| {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        let begins = !before.ends_with(part) || before.ends_with("\\n") || before.ends_with("\\t");
        begins && !rest.get(name.len()..).is_some_and(|after| after.starts_with(part))
    };
    !names.is_empty() && names.iter().all(|name| text.match_indices(name).any(|(at, _)| alone(name, at)))
}

/// One command finds phasegate's process, and another stops it or looks into it.
fn finds_us(views: &[&View], around: &Around) -> bool {
    let ports: Vec<String> = around.guard.ports.iter().map(ToString::to_string).collect();
    let ours = |word: &Word| {
        base(&word.text) == "phasegate"
            || around.guard.programs.contains(&word.text)
            || word.text.starts_with("phasegate ")
            || ports.iter().any(|port| word.text.contains(port))
    };
    let finds = |view: &&View| FINDERS.contains(&program(view)) && view.words().iter().skip(1).any(ours);
    let touches =
        |view: &&View| KILLERS.contains(&program(view)) || view.words().iter().any(|word| word.text.contains("/proc/"));
    views.iter().any(touches) && views.iter().any(finds)
}

/// A program or a patch that comes on the input.
fn is_told_of_us(views: &[&View], text: &str, around: &Around) -> bool {
    let told = || views.iter().filter(|view| view.input == Input::Text);
    let names_us = |text: &str| names_settings(text) || names_state(text, around);
    let patches = |view: &&&View| {
        let applies = view.words().iter().any(|word| word.text == "apply");
        program(view) == "patch" || (program(view) == "git" && applies)
    };
    let mut heads = text.lines().filter(|line| line.starts_with("+++ ") || line.starts_with("--- "));
    // `while read f; do rm $f; done <<< name`: the word that is filled in may be what stands in the text.
    let reads =
        |view: &&View| view.input != Input::Inherited && matches!(program(view), "mapfile" | "read" | "readarray");
    let prints = |view: &&&View| matches!(program(view), "echo" | "printf");
    let fills_in =
        |view: &&View| !PASSIVE.contains(&program(view)) && view.words().iter().skip(1).any(|word| word.expands.value);
    let printed = || {
        let words = views.iter().filter(prints).flat_map(|view| view.words());
        words.into_iter().any(|word| names_us(&word.text)) || (text.contains("<<") && names_us(text))
    };
    (views.iter().any(reads) && views.iter().any(fills_in) && printed())
        || (told().any(|view| is_interpreter(program(view))) && names_us(text))
        || (told().any(|view| patches(&view)) && heads.any(names_us))
}
