//! A request that is sent again under the same `Idempotency-Key` gets the first answer again and changes nothing. Answers can
//! hold secrets (a claim's handle), so they are kept sealed by a key that lies beside the store and not in it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use crate::domain::canonical;
use crate::domain::credential::Principal;
use crate::domain::refusal::{Code, Refusal};
use crate::store::{StoreError, idempotency};

use super::secret_file;
use super::{Engine, Failure};

const FILE: &str = "answers.key";
/// How long a key counts.
const KEPT_SECONDS: u64 = 24 * 60 * 60;
/// Keys of one caller that count at once; with answers of at most 50,000 characters this bounds what they take.
const KEYS_MAX: i64 = 10_000;
const NONCE_BYTES: usize = 24;

/// The first answer, as its front door gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub status: u16,
    pub json: String,
    pub text: String,
}

#[derive(Debug)]
pub enum Once {
    /// To be done now, and to be ended under this ticket.
    First(Ticket),
    Again(Kept),
    /// Begun and not answered.
    Open,
    /// Another request came under this key before.
    Other,
}

#[derive(Debug)]
pub struct Ticket {
    id: String,
}

impl Engine {
    /// Takes the key for this request, durably, before anything is done. What is asked is known by its digest.
    pub fn begin_once(&self, who: &Principal, key: &str, digest: String) -> Result<Once, Failure> {
        let (caller, now) = (name_of(who), self.now());
        let id = canonical::digest(&json!({ "caller": caller, "key": key }));
        let until = now.plus_seconds(KEPT_SECONDS);
        let asked = idempotency::Asked { id: id.clone(), caller: caller.clone(), digest, until };
        Ok(match idempotency::begin(self.backend.as_ref(), asked, now, KEYS_MAX)? {
            idempotency::Begun::First => Once::First(Ticket { id }),
            idempotency::Begun::Open => Once::Open,
            idempotency::Begun::Other => Once::Other,
            idempotency::Begun::TooMany => return Err(too_many(&caller).into()),
            // An answer whose key was taken away cannot be given again, and must not be made again.
            idempotency::Begun::Answered(sealed) => self.unsealed(&id, &sealed)?.map_or(Once::Open, Once::Again),
        })
    }

    /// Without an answer nothing was done, and the key is free again.
    pub fn end_once(&self, ticket: Ticket, answer: Option<&Kept>) -> Result<(), StoreError> {
        let sealed = answer.map(|answer| self.sealed(&ticket.id, answer)).transpose()?;
        idempotency::end(self.backend.as_ref(), ticket.id, sealed)
    }

    fn answers_cipher(&self) -> Result<XChaCha20Poly1305, StoreError> {
        let path = self.workspace.state.join(FILE);
        let secret =
            secret_file::open(&path, self.clock.as_ref()).map_err(|source| StoreError::File { path, source })?;
        Ok(XChaCha20Poly1305::new((&*secret).into()))
    }

    fn sealed(&self, id: &str, answer: &Kept) -> Result<Vec<u8>, StoreError> {
        let text = Zeroizing::new(serde_json::to_vec(answer).unwrap_or_default());
        let nonce = self.random::<NONCE_BYTES>();
        let payload = Payload { msg: &text, aad: id.as_bytes() };
        let sealed = self.answers_cipher()?.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| unreadable("it could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn unsealed(&self, id: &str, sealed: &[u8]) -> Result<Option<Kept>, StoreError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| unreadable("it is too short"))?;
        let payload = Payload { msg: sealed, aad: id.as_bytes() };
        let opened = self.answers_cipher()?.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new);
        let Ok(opened) = opened else { return Ok(None) };
        serde_json::from_slice(&opened).map(Some).map_err(|error| unreadable(&error.to_string()))
    }
}

/// A credential, or the name that an issuer's token carries: two of them never share keys.
fn name_of(who: &Principal) -> String {
    match who.credential {
        Some(id) => id.to_string(),
        None => format!("name:{}", who.caller.agent),
    }
}

fn unreadable(why: &str) -> StoreError {
    StoreError::BadRow { table: "idempotency", why: why.to_owned() }
}

fn too_many(caller: &str) -> Refusal {
    let message = format!("`{caller}` has {KEYS_MAX} idempotency keys that still count");
    Refusal::new(Code::TooMany, message, "a key counts for 24 hours; call without one, or with fewer of them")
}
