//! Ed25519 keys of a log and of its witnesses, in the text form of C2SP signed notes: `name+id+base64(kind, public key)`.
//! Making one and keeping it is not here (`engine`).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::domain::canonical;

pub const SEED_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const TIME_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Signs the text of a note.
    Note,
    /// Signs the text of a checkpoint and the time at which it was seen.
    Cosignature,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

/// What others need to check a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    pub name: String,
    kind: Kind,
    public: VerifyingKey,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a verifier key: {why}; it looks like `phasegate/7d…+0a1b2c3d+Ab…`")]
pub struct BadKey {
    text: String,
    why: &'static str,
}

impl VerifierKey {
    pub fn new(name: &str, kind: Kind, public: &[u8; 32]) -> Option<Self> {
        let named = !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace() || c.is_control());
        let public = VerifyingKey::from_bytes(public).ok().filter(|key| named && !key.is_weak())?;
        Some(Self { name: name.to_owned(), kind, public })
    }

    pub fn id(&self) -> [u8; 4] {
        let mut id = Sha256::new();
        id.update(&self.name);
        id.update([b'\n', self.kind.byte()]);
        id.update(self.public.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(id.finalize());
        [a, b, c, d]
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether `signature` was made over `text` by this key; for a cosignature also when, in seconds since 1970.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Option<u64> {
        let (time, signature, said) = match self.kind {
            Kind::Note => (0, signature, text.to_owned()),
            Kind::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<TIME_BYTES>()?;
                let time = u64::from_be_bytes(*time);
                (time, signature, cosigned(text, time))
            }
        };
        let signature = Signature::from_bytes(<&[u8; SIGNATURE_BYTES]>::try_from(signature).ok()?);
        self.public.verify_strict(said.as_bytes(), &signature).ok()?;
        Some(time)
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = vec![self.kind.byte()];
        material.extend(self.public.as_bytes());
        write!(f, "{}+{}+{}", self.name, canonical::hex(&self.id()), STANDARD.encode(material))
    }
}

impl FromStr for VerifierKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        let bad = |why| BadKey { text: text.chars().take(120).collect(), why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it has not three parts joined by `+`"));
        };
        let material = STANDARD.decode(material).map_err(|_| bad("its last part is not base64"))?;
        let kind = match material.first() {
            Some(1) => Kind::Note,
            Some(4) => Kind::Cosignature,
            _ => return Err(bad("it is of a kind that is not known here")),
        };
        let public = material.get(1..).and_then(|public| <[u8; 32]>::try_from(public).ok());
        let public = public.ok_or_else(|| bad("its key is not 32 bytes"))?;
        let key = Self::new(name, kind, &public).ok_or_else(|| bad("its name or its key cannot be"))?;
        if canonical::hex(&key.id()) != id {
            return Err(bad("name and key do not belong to the id between them"));
        }
        Ok(key)
    }
}

/// The secret half.
pub struct Signer {
    verifier: VerifierKey,
    secret: SigningKey,
}

impl Signer {
    pub fn new(name: &str, kind: Kind, seed: &[u8; SEED_BYTES]) -> Option<Self> {
        let secret = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, kind, secret.verifying_key().as_bytes())?;
        Some(Self { verifier, secret })
    }

    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The line that goes below a note. `time` counts only for a cosignature.
    pub fn line(&self, text: &str, time: u64) -> String {
        let mut bytes = self.verifier.id().to_vec();
        match self.verifier.kind {
            Kind::Note => bytes.extend(self.secret.sign(text.as_bytes()).to_bytes()),
            Kind::Cosignature => {
                bytes.extend(time.to_be_bytes());
                bytes.extend(self.secret.sign(cosigned(text, time).as_bytes()).to_bytes());
            }
        }
        format!("— {} {}\n", self.verifier.name, STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_what_it_prints_and_refuses_what_was_changed() {
        for kind in [Kind::Note, Kind::Cosignature] {
            let key = Signer::new("phasegate/ab", kind, &[7; 32]).unwrap().verifier().clone();
            let text = key.to_string();
            assert_eq!(text.parse(), Ok(key));
            let other = text.replacen("/ab", "/ac", 1);
            for bad in ["", "a+b", &other, &text[1..], &text[..text.len() - 4], &text.replace("+", " ")] {
                assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn names_that_would_break_a_note_cannot_be() {
        for bad in ["", "a b", "a+b", "a\nb", "a\u{2003}b"] {
            assert!(Signer::new(bad, Kind::Note, &[7; 32]).is_none(), "{bad:?}");
        }
    }
}
