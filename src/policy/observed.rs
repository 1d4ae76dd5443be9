//! Which gate a command of the agent's own is a run of. What that run proves is not here.

use crate::domain::workflow::{Gate, GateKind, Phase};

use super::shell;
use super::shell::script::{Folders, Input};

/// The command gates of the phase that this very command line runs: one plain command, nothing before or after it.
pub fn gates<'p>(phase: &'p Phase, command: &str) -> Vec<&'p Gate> {
    let runs = |argv: &[String]| words(command).is_some_and(|words| words == argv);
    let of = |gate: &&Gate| matches!(&gate.kind, GateKind::Command { argv, .. } if runs(argv));
    phase.exit.iter().filter(of).collect()
}

/// The words of a text that is one command and nothing else; a pipe or a redirection would hide how it ended.
fn words(command: &str) -> Option<Vec<String>> {
    if command.contains(['&', '|', ';', '!', '\n', '(', '{']) {
        return None;
    }
    let script = shell::read(command);
    let [only] = script.commands.as_slice() else { return None };
    let plain = script.opaque.is_none()
        && only.assignments.is_empty()
        && only.redirections.is_empty()
        && only.input == Input::Inherited
        && only.folders == Folders::default()
        && only.words.iter().all(|word| word.expands.nothing());
    plain.then(|| only.words.iter().map(|word| word.text.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_itself_is_a_run_of_it() {
        let words = |text| words(text).unwrap_or_default().join(" ");
        assert_eq!(words("cargo test"), "cargo test");
        assert_eq!(words("cargo 'test'"), "cargo test");
        for other in [
            "cargo test || true",
            "cargo test | tail",
            "! cargo test",
            "cargo test > log",
            "A=1 cargo test",
            "cargo $x",
            "cargo test &",
        ] {
            assert_eq!(words(other), "", "{other}");
        }
    }
}
