//! Variables that programs obey: what they hold is run, or says what is. Which variables are harmless is in `assignments`.

use super::super::shell::script::{Assignment, Expands, Word};
use super::effects::base;

/// Their value is a command.
const COMMANDS: &[&str] = &[
    "BROWSER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "EDITOR",
    "FZF_DEFAULT_COMMAND",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "LESSCLOSE",
    "LESSOPEN",
    "MANPAGER",
    "PAGER",
    "PROMPT_COMMAND",
    "RUSTC",
    "RUSTC_WRAPPER",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "SYSTEMD_EDITOR",
    "SYSTEMD_PAGER",
    "VISUAL",
    "npm_config_script_shell",
];

/// Their value is options, of which some run a command: those that hold one of these words.
const OPTIONS: &[(&str, &[&str])] =
    &[("GOFLAGS", &["exec"]), ("MAKEFLAGS", &["SHELL"]), ("TAR_OPTIONS", &["command", "exec", "checkpoint"])];

/// Programs that people name in such variables, and that no rule is about.
const USUAL: &[&str] = &[
    "", ":", "bat", "cat", "ccache", "code", "delta", "echo", "emacs", "false", "less", "more", "nano", "nvim",
    "sccache", "true", "vi", "vim",
];

/// The first of them that starts what a rule of deny may be about.
pub fn assigned(assignments: &[Assignment]) -> Option<&str> {
    assignments.iter().find(|one| runs(&one.name, &one.value.text, one.value.expands)).map(|one| one.name.as_str())
}

/// The same among the words of a command that gives variables to another, or exports them.
pub fn handed(words: &[Word]) -> Option<&str> {
    let name = words.first().map(|word| base(&word.text))?;
    if !["declare", "doas", "env", "export", "local", "readonly", "sudo", "typeset"].contains(&name) {
        return None;
    }
    let is_run = |word: &Word| {
        let (variable, value) = word.text.split_once('=')?;
        let begins_a_shell = variable == "BASH_ENV" && !value.is_empty();
        (begins_a_shell || runs(variable, value, word.expands)).then_some(variable.len())
    };
    words.iter().skip(1).find_map(|word| word.text.get(..is_run(word)?))
}

fn runs(name: &str, value: &str, expands: Expands) -> bool {
    if COMMANDS.contains(&name) {
        let usual = USUAL.contains(&value.strip_prefix("/usr/bin/").or(value.strip_prefix("/bin/")).unwrap_or(value));
        return !(usual && expands.nothing());
    }
    OPTIONS.iter().any(|(known, parts)| *known == name && parts.iter().any(|part| value.contains(part)))
}
