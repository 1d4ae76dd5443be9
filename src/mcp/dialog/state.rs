//! What a client keeps for us between a dialog and its answer: readable, bound to one call of one agent, and sealed.
//! That it is used once follows from the approval, which is closed by its first answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::ids::{AgentName, ApprovalId, Time};

/// So that no other use of a key could make a seal that fits here.
const PURPOSE: &[u8] = b"phasegate/dialog/1\0";
const STATE_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub agent: AgentName,
    pub approval: ApprovalId,
    /// Of what the person is asked about.
    pub digest: String,
    /// Digest of the call's arguments.
    pub call: String,
    pub until: Time,
}

pub struct Key(Zeroizing<String>);

impl Key {
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    fn mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(PURPOSE);
        mac.update(body);
        Some(mac)
    }

    pub fn seal(&self, state: &State) -> Option<String> {
        let body = serde_json::to_vec(state).ok()?;
        let tag = self.mac(&body)?.finalize().into_bytes();
        Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(tag)))
    }

    /// The state, if this key sealed it.
    pub fn open(&self, sealed: &str) -> Option<State> {
        if sealed.len() > STATE_BYTES_MAX {
            return None;
        }
        let (body, tag) = sealed.split_once('.')?;
        let (body, tag) = (URL_SAFE_NO_PAD.decode(body).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
        self.mac(&body)?.verify_slice(&tag).ok()?;
        serde_json::from_slice(&body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            agent: AgentName("ana".into()),
            approval: ApprovalId(3),
            digest: "d".into(),
            call: "c".into(),
            until: Time(1_795_000_000_000),
        }
    }

    #[test]
    fn only_the_key_that_sealed_opens() {
        let key = Key::new("one".into());
        let sealed = key.seal(&state()).unwrap();
        assert_eq!(key.open(&sealed), Some(state()));
        assert_eq!(Key::new("two".into()).open(&sealed), None);
    }

    #[test]
    fn any_change_of_one_character_is_seen() {
        let key = Key::new("one".into());
        let sealed = key.seal(&state()).unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            // Far enough apart that it is never only an unused bit of the last character.
            bytes[at] = if bytes[at] == b'A' { b'z' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key.open(&changed), None, "{changed}");
        }
        for other in ["", ".", "a.b", &sealed[..sealed.len() - 4], &"x".repeat(STATE_BYTES_MAX + 1)] {
            assert_eq!(key.open(other), None, "{other}");
        }
    }
}
