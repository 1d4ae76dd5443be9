//! The witness protocol (C2SP tlog-witness): what is sent to have a head cosigned, and what the answers mean. Sending is
//! not here (`engine`).

use super::hash::Hash;
use super::key::VerifierKey;
use super::note::{Line, Note};

/// Longer proofs are refused by witnesses.
const PROOF_LINES_MAX: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lines to put below the head.
    Cosigned(Vec<Line>),
    /// The witness knows the log at this size.
    Knows(u64),
    Refused(String),
}

pub fn request(old: u64, proof: &[Hash], note: &str) -> String {
    let proof: String = proof.iter().take(PROOF_LINES_MAX).map(|hash| format!("{}\n", hash.base64())).collect();
    format!("old {old}\n{proof}\n{note}")
}

pub fn answer(status: u16, media_type: &str, body: &str) -> Answer {
    let said = || body.trim().chars().take(200).collect::<String>();
    match status {
        200 => {
            let lines: Vec<Line> = body.lines().filter_map(|line| Line::parse(line).ok()).collect();
            if lines.is_empty() {
                Answer::Refused(format!("it sent no cosignature: {}", said()))
            } else {
                Answer::Cosigned(lines)
            }
        }
        409 if media_type.split(';').next().is_some_and(|kind| kind.trim() == "text/x.tlog.size") => {
            match body.trim_end_matches('\n').parse() {
                Ok(size) => Answer::Knows(size),
                Err(_) => Answer::Refused(format!("it named no size: {}", said())),
            }
        }
        403 => Answer::Refused("it does not know this log's key; give it what `phasegate audit key` prints".to_owned()),
        404 => Answer::Refused("it does not know this log; its operator has to add it".to_owned()),
        409 => Answer::Refused("it has seen another log of the same size: one of the two was rewritten".to_owned()),
        422 => {
            Answer::Refused("it has seen a log that this one does not go on from: this one was rewritten".to_owned())
        }
        other => Answer::Refused(format!("it answered {other}: {}", said())),
    }
}

/// When the witness with this key saw the head, in seconds since 1970; none where its cosignature is missing or forged.
pub fn seen(note: &str, cosignatures: &[Line], witness: &VerifierKey) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    let of_it = |line: &&Line| line.name == witness.name && line.id == witness.id();
    cosignatures.iter().filter(of_it).find_map(|line| witness.verify(&note.text, &line.signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::hash;
    use crate::audit::key::{Kind, Signer};

    #[test]
    fn a_request_is_laid_out_as_the_protocol_says() {
        let proof = [hash::leaf(b"a"), hash::leaf(b"b")];
        let wanted = format!("old 3\n{}\n{}\n\nlog\n5\n", proof[0].base64(), proof[1].base64());
        assert_eq!(request(3, &proof, "log\n5\n"), wanted);
        assert_eq!(request(0, &[], "log\n5\n"), "old 0\n\nlog\n5\n");
    }

    #[test]
    fn answers_are_told_apart() {
        let size = "text/x.tlog.size";
        let cosigner = Signer::new("w", Kind::Cosignature, &[3; 32]).unwrap();
        let line = cosigner.line("log\n5\n", 12);
        let table = [
            (200, "", line.as_str(), "cosigned"),
            (200, "", "nothing", "refused"),
            (409, size, "17\n", "knows 17"),
            (409, "text/plain", "17\n", "refused"),
            (409, size, "x\n", "refused"),
            (403, "", "", "refused"),
            (422, "", "", "refused"),
            (500, "", "out of order", "refused"),
        ];
        for (status, kind, body, wanted) in table {
            let told = match answer(status, kind, body) {
                Answer::Cosigned(_) => "cosigned".to_owned(),
                Answer::Knows(size) => format!("knows {size}"),
                Answer::Refused(_) => "refused".to_owned(),
            };
            assert_eq!(told, wanted, "{status} {body}");
        }
        let lines = vec![Line::parse(line.trim_end()).unwrap()];
        assert_eq!(seen("log\n5\n\n— x AAAAAAAA\n", &lines, cosigner.verifier()), Some(12));
        assert_eq!(seen("log\n6\n\n— x AAAAAAAA\n", &lines, cosigner.verifier()), None);
    }
}
