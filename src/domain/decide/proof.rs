//! Who stands behind an act of a person, and how well that is shown. Making a signature is not here.

use serde_json::Value;

use crate::domain::approver::{Approver, LEVEL_SIGNED, Proof, Signed};
use crate::domain::facts::{Context, Facts};
use crate::domain::refusal::{Code, Refusal};

/// A signature counts for acts near its time, so that an old one cannot be brought again.
const FRESH_SECONDS: i64 = 600;

/// The approver whose valid, fresh signature stands under the statement.
pub fn signer<'f>(
    facts: &'f Facts,
    signed: &Signed,
    statement: &Value,
    context: &Context,
) -> Result<&'f Approver, Refusal> {
    let bad = |message: String, hint: &str| Err(Refusal::new(Code::BadSignature, message, hint));
    let known = facts.approvers(context).into_iter().find(|known| known.key == signed.key);
    let Some(approver) = known else {
        let message = "no enrolled approver has the key of this signature";
        return bad(message.to_owned(), "`phasegate approver list` shows who is enrolled; another approver adds one");
    };
    if !signed.holds(statement) {
        let message = format!("the signature of `{}` is not under this act", approver.name);
        return bad(message, "sign again what is asked now");
    }
    if signed.at.seconds_until(context.now).abs() > FRESH_SECONDS {
        let message = format!("the signature is of {}, and it is {} now", signed.at, context.now);
        return bad(message, "sign again; if the clocks of two machines differ, set them right");
    }
    if approver.name != context.caller.agent {
        let message = format!("`{}` signed, and `{}` calls", approver.name, context.caller.agent);
        return bad(message, "answer under the name of the key");
    }
    Ok(approver)
}

/// The same for what no agent may do in a person's name, whether or not anybody is enrolled; gives the level shown.
pub fn person(facts: &Facts, proof: &Proof, statement: &Value, context: &Context, what: &str) -> Result<u8, Refusal> {
    entitled(facts, proof, statement, context, what)?;
    at_hand(proof, what)
}

/// No coding agent's shell, or a valid signature; gives the level shown.
pub fn at_hand(proof: &Proof, what: &str) -> Result<u8, Refusal> {
    match (&proof.signed, proof.level) {
        (Some(signed), _) => Ok(signed.key.level()),
        (None, 0) => {
            let message = format!("{what} is not done from a shell that a coding agent started");
            Err(Refusal::new(Code::LevelTooLow, message, "do it in a terminal of your own"))
        }
        (None, level) => Ok(level.min(LEVEL_SIGNED - 1)),
    }
}

/// The store knows no approver any more, and this machine remembers the first one.
pub fn forgotten() -> Refusal {
    let message = "this machine remembers a first approver of the store at this place, and the store knows none";
    let hint = "bring the store back with `phasegate restore`; if it is meant to begin anew, that approver enrols first: \
                `phasegate approver add NAME --existing`; `phasegate doctor` names the file that remembers";
    Refusal::new(Code::BadSignature, message, hint)
}

/// For acts that widen what agents may do: signed by an approver as soon as there is one.
pub fn entitled(facts: &Facts, proof: &Proof, statement: &Value, context: &Context, what: &str) -> Result<(), Refusal> {
    if let Some(signed) = &proof.signed {
        return signer(facts, signed, statement, context).map(drop);
    }
    if !facts.has_approvers(context) {
        return Ok(());
    }
    if facts.state.approvers.is_empty() {
        return Err(forgotten());
    }
    Err(unsigned(what))
}

/// The act that `what` names, without a signature where approvers are enrolled.
pub fn unsigned(what: &str) -> Refusal {
    let message = format!("{what} takes the signature of an approver, because this workspace has approvers");
    Refusal::new(Code::SignatureRequired, message, "say whose key to use: `--as NAME`")
}
