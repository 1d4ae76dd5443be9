//! JSON Web Tokens, taken apart strictly (RFC 7519, 8725, 9068): compact, signed, of few header members, every time a number.
//! What a token says to check it by is never followed. Whose claims they are is not here (`claims`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::issuer::Algorithm;
use crate::domain::strict_json;

use super::DEPTH_MAX;
use super::jwks::KeySet;

/// Tokens with many groups reach a few kilobytes; a header line of HTTP holds no more than this.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;
const KID_CHARS_MAX: usize = 256;
/// The last second of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// What is wrong with a token. Its words are ours alone, so that nothing of a token gets into answers and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Flaw(pub &'static str);

/// A token as it says of itself; nothing is believed yet.
#[derive(Clone, Debug)]
pub struct Token<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    pub typ: Option<String>,
    claims: Map<String, Value>,
}

/// What it is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// To the letter: `https://a` and `https://a/` are two issuers.
    pub issuer: &'e str,
    pub audience: &'e str,
    pub algorithms: &'e [Algorithm],
    pub leeway_seconds: u32,
    pub now_seconds: i64,
}

/// What a token says that was checked.
#[derive(Clone, Debug)]
pub struct Verified {
    pub claims: Map<String, Value>,
    /// Seconds since 1970, without leeway.
    pub until_seconds: i64,
}

/// Why a token that may be sound cannot be checked, or is not sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It names a key that is not among those known: the issuer may have a new one.
    UnknownKey,
    Flawed(Flaw),
}

impl From<Flaw> for Unverified {
    fn from(flaw: Flaw) -> Self {
        Self::Flawed(flaw)
    }
}

pub fn read(token: &str) -> Result<Token<'_>, Flaw> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Flaw("the token is too long"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Flaw("the token is no JWT of three parts"))?;
    let (header, claims) = signed.split_once('.').ok_or(Flaw("the token is no JWT of three parts"))?;
    if claims.contains('.') {
        return Err(Flaw("the token is no JWT of three parts; encrypted ones are not read"));
    }
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw("a part of the token is not base64url"));
    let unsound = Flaw("a part of the token is not one sound JSON object");
    let object = |part: &str| strict_json::object(&decoded(part)?, DEPTH_MAX).map_err(|_| unsound);
    let (header, claims) = (object(header)?, object(claims)?);
    let signature = decoded(signature)?;
    let (algorithm, kid, typ) = of_header(&header)?;
    if signature.is_empty() {
        return Err(Flaw("the token is not signed"));
    }
    Ok(Token { signed, signature, algorithm, kid, typ, claims })
}

/// Only members that are known, and none that bring a key or the way to one.
fn of_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>, Option<String>), Flaw> {
    let (mut algorithm, mut kid, mut typ) = (None, None, None);
    for (member, value) in header {
        match (member.as_str(), value) {
            ("alg", Value::String(word)) => algorithm = Algorithm::of(word),
            ("kid", Value::String(id)) if (1..=KID_CHARS_MAX).contains(&id.len()) => kid = Some(id.clone()),
            ("typ", Value::String(word)) => typ = Some(word.to_ascii_lowercase()),
            // Only names of a certificate, and nothing is looked up by them.
            ("x5t" | "x5t#S256", Value::String(_)) => {}
            _ => return Err(Flaw("the token's header has a member that is not taken")),
        }
    }
    Ok((algorithm.ok_or(Flaw("the token's algorithm is not one that is taken"))?, kid, typ))
}

impl Token<'_> {
    /// Whom it says it is from. Only for finding whose keys to check it by.
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// The claims, once the signature and everything about time and place hold.
    pub fn verified(self, keys: &KeySet, expected: &Expected<'_>) -> Result<Verified, Unverified> {
        if !matches!(self.typ.as_deref(), None | Some("jwt" | "at+jwt" | "application/at+jwt")) {
            return Err(Flaw("the token is of another type than an access token").into());
        }
        self.signed_by(keys, expected.algorithms)?;
        let until_seconds = self.holds(expected)?;
        Ok(Verified { claims: self.claims, until_seconds })
    }

    /// Signed by the key that it names, with the one algorithm that belongs to that key.
    pub(super) fn signed_by(&self, keys: &KeySet, algorithms: &[Algorithm]) -> Result<(), Unverified> {
        if !algorithms.contains(&self.algorithm) {
            return Err(Flaw("the token's algorithm is not one that is taken").into());
        }
        let key = keys.find(self.kid.as_deref()).ok_or(Unverified::UnknownKey)?;
        if key.algorithm() != self.algorithm {
            return Err(Flaw("the token's key is for another algorithm").into());
        }
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(Flaw("the token's signature does not hold").into());
        }
        Ok(())
    }

    /// Until when it counts.
    fn holds(&self, expected: &Expected<'_>) -> Result<i64, Flaw> {
        if self.claimed_issuer() != Some(expected.issuer) {
            return Err(Flaw("the token is of another issuer"));
        }
        let meant = match self.claims.get("aud") {
            Some(Value::String(one)) => one == expected.audience,
            Some(Value::Array(several)) => {
                several.iter().all(Value::is_string) && several.iter().any(|one| one == expected.audience)
            }
            _ => false,
        };
        if !meant {
            return Err(Flaw("the token is meant for another audience"));
        }
        let leeway = i64::from(expected.leeway_seconds);
        let until = self.seconds("exp")?.ok_or(Flaw("the token does not say when it expires"))?;
        if until.saturating_add(leeway) <= expected.now_seconds {
            return Err(Flaw("the token has expired"));
        }
        for claim in ["nbf", "iat"] {
            if self.seconds(claim)?.is_some_and(|from| from > expected.now_seconds.saturating_add(leeway)) {
                return Err(Flaw("the token does not count yet"));
            }
        }
        Ok(until)
    }

    pub(super) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }

    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    fn seconds(&self, claim: &str) -> Result<Option<i64>, Flaw> {
        let Some(value) = self.claims.get(claim) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
        seconds.map(|seconds| Some(seconds as i64)).ok_or(Flaw("a time in the token is not a number of seconds"))
    }
}
