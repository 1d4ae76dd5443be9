//! Signed notes (C2SP signed-note): a text, a blank line, signature lines. Signatures of unknown keys are passed over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{Signer, VerifierKey};

/// A note of ours has three or four lines; witnesses add theirs, some of them long.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
const SIGNATURES_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// With its last newline: what is signed.
    pub text: String,
    pub signatures: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub id: [u8; 4],
    pub signature: Vec<u8>,
    /// As it stood in the note.
    pub whole: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("it is not a signed note: {0}")]
    Form(&'static str),
    #[error("no key that is trusted here has signed it; it bears {0}")]
    Unsigned(String),
    #[error("the signature of `{0}` does not fit the text: one of the two was changed")]
    Forged(String),
}

impl Line {
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let bad = NoteError::Form("a signature line is not `— NAME BASE64`");
        let (name, signature) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(bad.clone())?;
        let bytes = STANDARD.decode(signature).map_err(|_| bad.clone())?;
        let (id, signature) = bytes.split_first_chunk::<4>().ok_or(bad.clone())?;
        if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace()) || signature.is_empty() {
            return Err(bad);
        }
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec(), whole: line.to_owned() })
    }

    fn is_of(&self, key: &VerifierKey) -> bool {
        self.name == key.name && self.id == key.id()
    }
}

impl Note {
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Form("it is too long"));
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Form("it holds control characters"));
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Form("no blank line stands before the signatures"))?;
        let (text, lines) = (note.get(..=split), note.get(split + 2..));
        let lines = lines.unwrap_or_default().strip_suffix('\n').ok_or(NoteError::Form("its last line has no end"))?;
        let signatures: Vec<Line> = lines.split('\n').map(Line::parse).collect::<Result<_, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form("it bears too many signatures"));
        }
        Ok(Self { text: text.unwrap_or_default().to_owned(), signatures })
    }

    pub fn sign(text: String, signer: &Signer) -> String {
        let line = signer.line(&text, 0);
        format!("{text}\n{line}")
    }

    /// The key of `keys` that signed it. A signature of a trusted key that does not hold spoils the note.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<&'k VerifierKey, NoteError> {
        let mut signed = None;
        for line in &self.signatures {
            for key in keys.iter().filter(|key| line.is_of(key)) {
                key.verify(&self.text, &line.signature).ok_or_else(|| NoteError::Forged(line.name.clone()))?;
                signed = signed.or(Some(key));
            }
        }
        signed.ok_or_else(|| {
            let names: Vec<&str> = self.signatures.iter().take(4).map(|line| line.name.as_str()).collect();
            NoteError::Unsigned(format!("signatures of {}", names.join(", ")))
        })
    }
}

/// The notes in a file to which one after the other was appended.
pub fn all(text: &str) -> Vec<&str> {
    let (mut notes, mut from, mut at, mut signed) = (Vec::new(), 0, 0, false);
    for line in text.split_inclusive('\n') {
        let signature = line.starts_with("— ");
        if signed && !signature {
            notes.extend(text.get(from..at));
            from = if line == "\n" { at + 1 } else { at };
        }
        signed = signature;
        at += line.len();
    }
    notes.extend(text.get(from..).filter(|rest| !rest.trim().is_empty()));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::key::Kind;

    fn signer(name: &str, kind: Kind, seed: u8) -> Signer {
        Signer::new(name, kind, &[seed; 32]).unwrap()
    }

    #[test]
    fn a_note_is_verified_by_the_known_key_among_several_signatures() {
        let log = signer("log", Kind::Note, 1);
        let witness = signer("witness", Kind::Cosignature, 2);
        let stranger = signer("stranger", Kind::Note, 3);
        let text = "log\n3\nAAAA\n".to_owned();
        let signed = Note::sign(text.clone(), &log);
        let many = format!("{}{}{}", signed, stranger.line("something else", 0), witness.line(&text, 17));
        let note = Note::parse(&many).unwrap();
        assert_eq!(note.text, text);
        assert_eq!(note.verify(&[log.verifier().clone()]).unwrap(), log.verifier());
