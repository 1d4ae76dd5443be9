//! Refusals in the words of whoever types: the rest of phasegate speaks to agents, which call tools; a person has commands.

use crate::domain::refusal::Code;
use crate::tools::TOOLS;

use super::Ended;

/// The same refusal; a hint that only an agent can follow is exchanged for a command that does the same.
pub fn to_person(ended: Ended) -> Ended {
    let Ended::Refused(mut refusal) = ended else { return ended };
    let names_a_tool = TOOLS.iter().any(|tool| refusal.hint.contains(tool.name));
    let hint = match refusal.code {
        Code::OpenDependents => {
            "say what becomes of them: `--dependents cancel`, or `--dependents release` to let them start without it"
        }
        _ if !names_a_tool => return Ended::Refused(refusal),
        Code::UnknownTask | Code::UnknownReference | Code::DependencyCycle => {
            "`phasegate tasks list` shows what there is"
        }
        Code::NoClaim | Code::StaleClaim | Code::NotHolder | Code::WhichClaim => {
            "`phasegate board` shows who works on what; `phasegate tasks list` shows all tasks"
        }
        Code::ApprovalClosed => "the agent asks anew; `phasegate approvals list --all` shows what was asked before",
        Code::BadArguments => "nothing was done; the same command with `--help` shows what it takes",
        _ => return Ended::Refused(refusal),
    };
    refusal.hint = hint.to_owned();
    Ended::Refused(refusal)
}
