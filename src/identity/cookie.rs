//! PURE: what the cookie of a signed-in page holds. It is signed and kept nowhere: any process on the store reads it, and it
//! is worth nothing once its credential is not. Sending and reading the cookie is not here (`http`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::ids::{CredentialHash, CredentialId, Time};

/// A working day, and then somebody signs in again.
pub const LIFE_SECONDS: u64 = 12 * 60 * 60;
const BYTES_MAX: usize = 1024;
/// Keeps these signatures apart from any other made with the same key.
const CONTEXT: &[u8] = b"phasegate page v1\n";
/// Of the credential's hash: tells it from another that got the same number in a store put back from a backup.
const MARK_CHARS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    pub credential: CredentialId,
    pub mark: String,
    pub issued_at: Time,
    pub expires_at: Time,
    pub nonce: String,
}

impl SignedIn {
    pub fn new(credential: CredentialId, hash: &CredentialHash, now: Time, nonce: String) -> Self {
        let (mark, expires_at) = (mark(hash), now.plus_seconds(LIFE_SECONDS));
        Self { credential, mark, issued_at: now, expires_at, nonce }
    }

    /// Whether it was made for this credential, and not for an earlier one of the same number.
    pub fn is_of(&self, hash: &CredentialHash) -> bool {
        self.mark == mark(hash)
    }

    pub fn sign(&self, key: &[u8]) -> Option<String> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).ok()?);
        let signature = URL_SAFE_NO_PAD.encode(mac(key, &payload)?.finalize().into_bytes());
        Some(format!("{payload}.{signature}"))
    }

    /// Nothing where it was not signed with this key, or its time is over.
    pub fn read(key: &[u8], text: &str, now: Time) -> Option<Self> {
        let (payload, signature) = text.split_once('.').filter(|_| text.len() <= BYTES_MAX)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Nothing of the payload is read before this.
        mac(key, payload)?.verify_slice(&signature).ok()?;
        let read: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (now < read.expires_at).then_some(read)
    }
}

fn mark(hash: &CredentialHash) -> String {
    hash.0.chars().take(MARK_CHARS).collect()
}

fn mac(key: &[u8], payload: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(CONTEXT);
    mac.update(payload.as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn hash(text: &str) -> CredentialHash {
        CredentialHash(text.repeat(32))
    }

    #[test]
    fn only_what_was_signed_here_and_is_in_time_is_read() {
        let made = SignedIn::new(CredentialId(3), &hash("ab"), Time(1000), "n".to_owned());
        let text = made.sign(&KEY).unwrap();
        let over = Time(1000).plus_seconds(LIFE_SECONDS);
        let (payload, signature) = text.split_once('.').unwrap();
        let other = SignedIn { credential: CredentialId(4), ..made.clone() }.sign(&[8; 32]).unwrap();
        let swapped = format!("{}.{signature}", other.split_once('.').unwrap().0);
        let long = "a.".repeat(BYTES_MAX);
        for (text, now, read) in [
            (text.as_str(), Time(1000), true),
            (&text, Time(over.0 - 1), true),
            (&text, over, false),
            (&other, Time(1000), false),
            (&swapped, Time(1000), false),
            (payload, Time(1000), false),
            (&format!("{payload}."), Time(1000), false),
            (&format!("{text}A"), Time(1000), false),
            ("", Time(1000), false),
            (&long, Time(1000), false),
        ] {
            assert_eq!(SignedIn::read(&KEY, text, now).is_some(), read, "{text} {now}");
        }
        assert!(made.is_of(&hash("ab")) && !made.is_of(&hash("cd")));
    }
}
