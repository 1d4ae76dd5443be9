//! Programs of all kinds that get phasegate's name among their words, or a pattern that it fits. Its own commands are in `guard`.

use regex::RegexBuilder;

use super::super::judge::Around;
use super::super::shell::script::Word;
use super::effects::base;
use super::guard::{DECIDES, Mention, PASSIVE, is_our_name};
use super::reach::{could_meet, names};

/// They take programs off the machine.
const PACKAGES: &[&str] = &[
    "apt", "apt-get", "brew", "cargo", "dnf", "dpkg", "gem", "npm", "pacman", "pip", "pip3", "pipx", "pnpm", "port",
    "snap", "uv", "yarn", "yum", "zypper", "nix-env", "flatpak",
];

/// Words of `DECIDES` that mean little with other programs.
pub const STRONG: &[&str] = &[
    "approve",
    "approvals",
    "approver",
    "bypass",
    "trust",
    "token",
    "reject",
    "adjust",
    "unlock",
    "grant",
    "downstream",
];

/// Longer patterns of `pkill` are no name.
const MAX_PATTERN: usize = 100;
/// With more of them one may fit, as may one that is larger when it is built.
const MAX_PATTERNS: usize = 16;
const BUILT_BYTES_MAX: usize = 64 * 1024;

/// Whether a name that is expanded when it runs can become phasegate's.
pub fn may_be_ours(first: &Word) -> bool {
    let last = base(&first.text);
    first.expands.value || first.expands.brace || could_meet(&names(&format!("/{last}")), &names("/phasegate"))
}

/// Programs of all kinds that get phasegate's name with a command for a person, or that take it off the machine.
pub fn gets_our_name(name: &str, words: &[Word], mention: &Mention, around: &Around) -> Option<String> {
    let named = |word: &Word| {
        let last = base(&word.text);
        is_our_name(last) || last.ends_with("#phasegate") || around.guard.programs.contains(&word.text)
    };
    let rest = words.get(1..).unwrap_or_default();
    let at = rest.iter().position(named);
    let removes = |word: &Word| {
        matches!(
            word.text.as_str(),
            "uninstall" | "remove" | "purge" | "rm" | "un" | "erase" | "autoremove" | "-R" | "-e" | "-r"
        )
    };
    if PACKAGES.contains(&name) && rest.iter().any(removes) && rest.iter().any(|word| word.text.contains("phasegate")) {
        return Some("it would take phasegate off this machine".to_owned());
    }
    // Of a package of that name, not of the program.
    let builds = name == "cargo" && !rest.iter().any(|word| matches!(word.text.as_str(), "run" | "r" | "install"));
    if PASSIVE.contains(&name) || builds {
        return None;
    }
    // Whatever its program is called here: a copy of ours, or a build.
    let decides = |pair: &[Word]| matches!(pair, [group, act] if group.text == "approvals" && ["approve", "reject", "adjust"].contains(&act.text.as_str()));
    if rest.windows(2).any(decides) {
        return Some("deciding an approval is for a person".to_owned());
    }
    let for_a_person = |words: &[Word]| words.iter().any(|word| DECIDES.contains(&word.text.as_str()));
    let braced = rest.iter().any(|word| word.expands.brace && word.text.contains("phasegate") && mention.decides);
    if braced || at.is_some_and(|at| rest.get(at + 1..).is_some_and(for_a_person)) {
        return Some("it would have a command of phasegate run that only a person may give".to_owned());
    }
    if matches!(name, "xargs" | "parallel") && (at.is_some() || (mention.decides && for_a_person(rest))) {
        return Some("which command of phasegate it is is not known before it runs".to_owned());
    }
    None
}

/// A pattern for names or command lines that phasegate's server fits.
pub fn by_pattern(name: &str, words: &[Word]) -> bool {
    if !matches!(name, "pkill" | "killall") {
        return false;
    }
    let whole =
        words.iter().any(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('f'));
    let ours = if whole { "phasegate serve" } else { "phasegate" };
    let patterns = words.iter().skip(1).filter(|word| !word.text.starts_with('-'));
    let fits = |word: &Word| match RegexBuilder::new(&word.text).size_limit(BUILT_BYTES_MAX).build() {
        Ok(pattern) => pattern.is_match(ours),
        Err(error) => matches!(error, regex::Error::CompiledTooBig(_)),
    };
    let patterns: Vec<&Word> = patterns.filter(|word| word.text.len() < MAX_PATTERN).collect();
    patterns.len() > MAX_PATTERNS || patterns.into_iter().any(fits)
}
