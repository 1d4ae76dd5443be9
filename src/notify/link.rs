//! PURE: signed links by which a person answers from a message. A link stands for one answer to one exact thing, until the
//! approval's own time is over. Used once, since the answer closes the approval. Who serves links is not here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::domain::ids::{ApprovalId, Time};

pub const KEY_BYTES: usize = 32;
const TOKEN_BYTES_MAX: usize = 2048;
/// Keeps these signatures apart from any other made with the same key.
const CONTEXT: &[u8] = b"phasegate link v1\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Press {
    /// Shows the approval and asks there.
    Open,
    Approve,
    Reject,
}

impl Press {
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub approval: ApprovalId,
    /// Of what was asked: a link never answers anything else.
    pub digest: String,
    pub press: Press,
    /// Where it was sent, and so who stands behind an answer.
    pub channel: String,
    pub expires_at: Time,
    pub nonce: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    #[error("this is not a link of phasegate; open the newest message, or run `phasegate approvals list`")]
    Malformed,
    #[error("this link was not signed here, or it was changed; run `phasegate approvals list`")]
    Forged,
    #[error("the time of this link is over; run `phasegate approvals list` to see what still waits")]
    Expired,
    #[error("what this link was made for has changed; open the newest message, or run `phasegate approvals list`")]
    OtherContent,
}

fn mac(key: &[u8], payload: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(CONTEXT);
    mac.update(payload.as_bytes());
    Some(mac)
}

pub fn sign(key: &[u8], link: &Link) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(link).ok()?);
    let signature = URL_SAFE_NO_PAD.encode(mac(key, &payload)?.finalize().into_bytes());
    Some(format!("{payload}.{signature}"))
}

/// What the link stands for. `digest` is that of the approval as it is now; whether it still waits is for the caller to ask.
pub fn verify(
    key: &[u8],
    token: &str,
    now: Time,
    digest: impl FnOnce(ApprovalId) -> Option<String>,
) -> Result<Link, BadLink> {
    let (payload, signature) =
        token.split_once('.').filter(|_| token.len() <= TOKEN_BYTES_MAX).ok_or(BadLink::Malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadLink::Malformed)?;
    // Nothing of the payload is read before this.
    mac(key, payload).ok_or(BadLink::Forged)?.verify_slice(&signature).map_err(|_| BadLink::Forged)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| BadLink::Malformed)?;
    let link: Link = serde_json::from_slice(&payload).map_err(|_| BadLink::Malformed)?;
    if link.expires_at <= now {
        return Err(BadLink::Expired);
    }
    if digest(link.approval).as_deref() != Some(link.digest.as_str()) {
        return Err(BadLink::OtherContent);
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

    fn link() -> Link {
        Link {
            approval: ApprovalId(3),
            digest: "d1".to_owned(),
            press: Press::Approve,
            channel: "ops".to_owned(),
            expires_at: Time(1000),
            nonce: "n".to_owned(),
        }
    }

    fn read(key: &[u8], token: &str, now: i64, digest: &str) -> Result<Link, BadLink> {
        verify(key, token, Time(now), |_| Some(digest.to_owned()))
    }

    #[test]
    fn a_link_says_what_it_was_made_for_and_nothing_else_passes() {
        let token = sign(&KEY, &link()).unwrap();
        assert_eq!(read(&KEY, &token, 999, "d1"), Ok(link()));
        let (payload, signature) = token.split_once('.').unwrap();
        let reject = sign(&[8; KEY_BYTES], &Link { press: Press::Reject, ..link() }).unwrap();
        let swapped = format!("{}.{signature}", reject.split_once('.').unwrap().0);
        for (token, now, digest, wanted) in [
            (token.as_str(), 1000, "d1", BadLink::Expired),
            (token.as_str(), 999, "d2", BadLink::OtherContent),
            (&reject, 999, "d1", BadLink::Forged),
            (&swapped, 999, "d1", BadLink::Forged),
            (&format!("{payload}."), 999, "d1", BadLink::Forged),
            (&format!("{token}A"), 999, "d1", BadLink::Forged),
            (payload, 999, "d1", BadLink::Malformed),
            ("", 999, "d1", BadLink::Malformed),
            (&"a.".repeat(TOKEN_BYTES_MAX), 999, "d1", BadLink::Malformed),
        ] {
            assert_eq!(read(&KEY, token, now, digest), Err(wanted), "{token}");
        }
        assert_eq!(verify(&KEY, &token, Time(1), |_| None), Err(BadLink::OtherContent));
    }
}
