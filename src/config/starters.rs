//! The workflows that come with phasegate and can be named without a file.
//! They fit any repository, so none of them runs a test command: add yours as a `command` gate.

use super::workflow_file::{self, Problem};
use crate::domain::workflow::Workflow;

/// Name and source, the plainest first.
pub const STARTERS: [(&str, &str); 6] = [
    ("quick", include_str!("starters/quick.yaml")),
    ("feature", include_str!("starters/feature.yaml")),
    ("bugfix", include_str!("starters/bugfix.yaml")),
    ("research", include_str!("starters/research.yaml")),
    ("scout-plan-build", include_str!("starters/scout-plan-build.yaml")),
    ("account-review", include_str!("starters/account-review.yaml")),
];

pub fn source(name: &str) -> Option<&'static str> {
    STARTERS.iter().find(|(starter, _)| *starter == name).map(|(_, source)| *source)
}

/// The starter of that name, compiled; `None` where there is none. No starter needs a schema file.
pub fn starter(name: &str) -> Option<Result<Workflow, Vec<Problem>>> {
    source(name).map(|source| workflow_file::read(source, &mut |file| Err(format!("a starter has no file `{file}`"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::workflow_text::lint;

    #[test]
    fn every_starter_is_valid_and_carries_its_name() {
        for (name, _) in STARTERS {
            let workflow = starter(name).unwrap().unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
            assert_eq!(workflow.name, name);
        }
        assert!(starter("nothing").is_none());
    }

    #[test]
    fn the_only_warnings_are_meant() {
        for (name, _) in STARTERS {
            let workflow = starter(name).unwrap().unwrap();
            for warning in lint::lint(&workflow) {
                // No starter can know the commands of a repository, so the phases that build leave the shell open.
                let open = workflow
                    .phase(&warning.phase)
                    .is_some_and(|phase| phase.rules.allow.iter().any(|rule| rule == "Bash"));
                let meant =
                    warning.message.contains("run any command") || warning.message.contains("reach the network");
                assert!(open && meant, "{name}: {warning:?}");
            }
        }
    }
}
