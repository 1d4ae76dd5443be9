//! Phase tokens: a claim on a task as a signed token for programs, good for one agent, one claim and one phase. Whether that
//! phase still stands is decided where the call is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::ids::{AgentName, Fence, TaskId, WorkflowHash};
use crate::domain::issuer::Algorithm;

use super::jwks::{Key, KeySet};
use super::jwt::{self, Flaw, Unverified};

/// No other kind of token is taken for one of these, nor one of these for another.
const TYP: &str = "phasegate-phase+jwt";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseClaims {
    /// The workspace.
    pub iss: String,
    pub sub: AgentName,
    pub task: TaskId,
    pub phase: String,
    /// Which stay in that phase: coming back to it is another.
    pub visit: u32,
    pub fence: Fence,
    pub workflow: WorkflowHash,
    /// Seconds since 1970, as everywhere in such tokens.
    pub iat: i64,
    /// The end of the lease.
    pub exp: i64,
}

pub struct PhaseKey {
    secret: SigningKey,
    kid: String,
}

impl PhaseKey {
    pub fn new(seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let x = URL_SAFE_NO_PAD.encode(secret.verifying_key().as_bytes());
        // RFC 7638: the members that make the key, in this order.
        let kid = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self { secret, kid: URL_SAFE_NO_PAD.encode(kid) }
    }

    /// The public half, for whoever wants to check tokens.
    pub fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.secret.verifying_key().as_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "alg": "EdDSA", "use": "sig" })
    }

    pub fn sign(&self, claims: &PhaseClaims) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": TYP }).to_string();
        let claims = serde_json::to_string(claims).unwrap_or_default();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.secret.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    /// What a token of this workspace says that has not expired.
    pub fn read(&self, token: &str, workspace: &str, now_seconds: i64) -> Result<PhaseClaims, Flaw> {
        let token = jwt::read(token)?;
        if token.typ.as_deref() != Some(TYP) {
            return Err(Flaw("it is not a phase token"));
        }
        let keys = KeySet::one(Key::ed25519(self.kid.clone(), self.secret.verifying_key()));
        token.signed_by(&keys, &[Algorithm::EdDsa]).map_err(|unverified| match unverified {
            Unverified::UnknownKey => Flaw("it was not signed by this workspace"),
            Unverified::Flawed(flaw) => flaw,
        })?;
        let unsound = Flaw("it does not say what a phase token says");
        let claims: PhaseClaims = serde_json::from_value(Value::Object(token.into_claims())).map_err(|_| unsound)?;
        if claims.iss != workspace {
            return Err(Flaw("it is of another workspace"));
        }
        if claims.exp <= now_seconds {
            return Err(Flaw("it has expired with its lease"));
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> PhaseClaims {
        PhaseClaims {
            iss: "w1".to_owned(),
            sub: AgentName("ana".to_owned()),
            task: TaskId(4),
            phase: "build".to_owned(),
            visit: 1,
            fence: Fence(2),
            workflow: WorkflowHash("ab".to_owned()),
            iat: 1000,
            exp: 2000,
        }
    }

    #[test]
    fn a_token_is_good_for_its_time_its_workspace_and_its_key() {
        let key = PhaseKey::new(&[7; 32]);
        let token = key.sign(&claims());
        assert_eq!(key.read(&token, "w1", 1999), Ok(claims()));
        for (case, read) in [
            ("expired", key.read(&token, "w1", 2000)),
            ("another workspace", key.read(&token, "w2", 1500)),
            ("another key", PhaseKey::new(&[8; 32]).read(&token, "w1", 1500)),
        ] {
            assert!(read.is_err(), "{case}");
        }
        let mut parts: Vec<&str> = token.split('.').collect();
        let forged =
            URL_SAFE_NO_PAD.encode(serde_json::to_string(&PhaseClaims { fence: Fence(3), ..claims() }).unwrap());
        parts[1] = &forged;
        assert!(key.read(&parts.join("."), "w1", 1500).is_err());
    }

    #[test]
    fn the_published_key_checks_the_token_and_a_phase_token_is_no_access_token() {
        let key = PhaseKey::new(&[7; 32]);
        let (token, document) = (key.sign(&claims()), json!({ "keys": [key.jwk()] }).to_string());
        let keys = KeySet::read(document.as_bytes(), &[Algorithm::EdDsa]).unwrap();
        let read = jwt::read(&token).unwrap();
        assert_eq!(read.signed_by(&keys, &[Algorithm::EdDsa]), Ok(()));
        let expected = jwt::Expected {
            issuer: "w1",
            audience: "",
            algorithms: &[Algorithm::EdDsa],
            leeway_seconds: 0,
            now_seconds: 1500,
        };
        assert!(read.verified(&keys, &expected).is_err());
    }
}
