//! Public keys of an issuer as JSON Web Keys (RFC 7517): each for one algorithm, found by the name a token gives. Keys that
//! sign nothing, or that anybody could have, are left out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

use crate::domain::issuer::Algorithm;
use crate::domain::strict_json;

use super::DEPTH_MAX;

pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;
const KEYS_MAX: usize = 64;
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
const P256_BYTES: usize = 32;
const P384_BYTES: usize = 48;
/// A key with one of these is shared, or was given away.
const SECRET_MEMBERS: [&str; 2] = ["d", "k"];

#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Ed25519(Box<VerifyingKey>),
    /// A point, not compressed.
    Curve(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Keys that sign with one of these algorithms. Others are left out; that two go by one name, or that none is left, is
    /// said in words.
    pub fn read(document: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        let document = strict_json::object(document, DEPTH_MAX).ok().filter(|_| document.len() <= DOCUMENT_BYTES_MAX);
        let listed = document.as_ref().and_then(|document| document.get("keys")).and_then(Value::as_array);
        let listed = listed.ok_or("it is not a JWKS: one JSON object with a list `keys`")?;
        if listed.len() > KEYS_MAX {
            return Err(format!("it holds more than {KEYS_MAX} keys"));
        }
        let mut keys: Vec<Key> = Vec::new();
        for key in listed.iter().filter_map(Value::as_object).filter_map(|key| Key::read(key, algorithms)) {
            if keys.iter().any(|known| known.kid == key.kid) {
                return Err("two of its keys go by the same `kid`, or by none".to_owned());
            }
            keys.push(key);
        }
        if keys.is_empty() {
            Err("it holds no key for the algorithms that are taken".to_owned())
        } else {
            Ok(Self { keys })
        }
    }

    pub fn one(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// By name; a token that names none means the only key there is.
    pub fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

impl Key {
    pub fn ed25519(kid: String, public: VerifyingKey) -> Self {
        Self { kid: Some(kid), algorithm: Algorithm::EdDsa, public: Public::Ed25519(Box::new(public)) }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn read(key: &Map<String, Value>, algorithms: &[Algorithm]) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let signs = key.get("use").is_none_or(|of| of == "sig")
            && key
                .get("key_ops")
                .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
        if !signs || SECRET_MEMBERS.iter().any(|member| key.contains_key(*member)) {
            return None;
        }
        let bytes = |name: &str| text(name).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let (fitting, public): (&[Algorithm], Public) = match (text("kty")?, text("crv")) {
            ("OKP", Some("Ed25519")) => {
                let public = VerifyingKey::from_bytes(&<[u8; 32]>::try_from(bytes("x")?).ok()?).ok()?;
                (&[Algorithm::EdDsa], Public::Ed25519(Box::new(public)).strong()?)
            }
            ("EC", Some("P-256")) => (&[Algorithm::Es256], point(&bytes("x")?, &bytes("y")?, P256_BYTES)?),
            ("EC", Some("P-384")) => (&[Algorithm::Es384], point(&bytes("x")?, &bytes("y")?, P384_BYTES)?),
            ("RSA", None) => (&[Algorithm::Rs256, Algorithm::Ps256], rsa(bytes("n")?, bytes("e")?)?),
            _ => return None,
        };
        // The key says what it is for; where it does not, the settings do, in their order.
        let algorithm = match key.get("alg") {
            Some(named) => Algorithm::of(named.as_str()?).filter(|named| algorithms.contains(named)),
            None => algorithms.iter().copied().find(|taken| fitting.contains(taken)),
        };
        let algorithm = algorithm.filter(|algorithm| fitting.contains(algorithm))?;
        let kid = match key.get("kid") {
            Some(kid) => Some(kid.as_str()?.to_owned()),
            None => None,
        };
        Some(Self { kid, algorithm, public })
    }

    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.public, self.algorithm) {
            (Public::Ed25519(key), Algorithm::EdDsa) => <[u8; 64]>::try_from(signature)
                .is_ok_and(|bytes| key.verify_strict(signed, &Signature::from_bytes(&bytes)).is_ok()),
            (Public::Curve(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            (Public::Curve(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(signed, signature).is_ok()
            }
            (Public::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Public::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl Public {
    /// A point of small order would take any signature.
    fn strong(self) -> Option<Self> {
        let weak = matches!(&self, Self::Ed25519(key) if key.is_weak());
        (!weak).then_some(self)
    }
}

fn point(x: &[u8], y: &[u8], coordinate_bytes: usize) -> Option<Public> {
    (x.len() == coordinate_bytes && y.len() == coordinate_bytes).then(|| Public::Curve([&[4][..], x, y].concat()))
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Public> {
    let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits).then_some(Public::Rsa { n, e })
}
