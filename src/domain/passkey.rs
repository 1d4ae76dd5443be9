//! Answers signed by a passkey (WebAuthn, ES256): what the authenticator says it signed, checked against what was to be
//! signed. Its counter is not looked at: passkeys that lie on several devices do not have one that means anything.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::canonical::{canonical_json, sha256};

pub const KEY_PREFIX: &str = "passkey:";
/// An uncompressed point of P-256.
const POINT_BYTES: usize = 65;
const RP_BYTES_MAX: usize = 253;
const CREDENTIAL_CHARS_MAX: usize = 1400;
const RP_HASH_BYTES: usize = 32;
/// Hash, flags and counter; extensions may follow.
const AUTHENTICATOR_BYTES_MIN: usize = RP_HASH_BYTES + 5;
const PARTS_BYTES_MAX: usize = 4096;
/// As many as one answer may be about.
const TOGETHER_MAX: usize = 100;
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 4;

/// What a passkey adds to its signature. Both parts are base64 of the bytes that the browser gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Assertion {
    pub authenticator_data: String,
    pub client_data: String,
    /// Where one touch signed several statements: the SHA-256 of each, this one's among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// The name of the server whose pages may use it.
    rp: String,
    point: Vec<u8>,
    /// What the authenticator calls it: browsers are asked for a key by this.
    pub credential: String,
}

/// Of what the browser signed, what is looked at.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

impl Passkey {
    /// From `passkey:RP:POINT:CREDENTIAL`.
    pub fn read(text: &str) -> Option<Self> {
        let (rp, rest) = text.strip_prefix(KEY_PREFIX)?.split_once(':')?;
        let (point, credential) = rest.split_once(':')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let named = !rp.is_empty() && rp.len() <= RP_BYTES_MAX && rp.chars().all(plain);
        let point =
            BASE64.decode(point).ok().filter(|point| point.len() == POINT_BYTES && point.first() == Some(&4))?;
        let called = credential.len() <= CREDENTIAL_CHARS_MAX && URL_SAFE_NO_PAD.decode(credential).ok()?.len() >= 16;
        (named && called).then(|| Self { rp: rp.to_owned(), point, credential: credential.to_owned() })
    }

    /// Whether the signature is over these bytes, made by this key, on a page of its own server, by a person who was there
    /// and was recognised.
    pub fn signed(&self, bytes: &[u8], signature: &str, assertion: &Assertion) -> bool {
        self.checked(bytes, signature, assertion).is_some()
    }

    fn checked(&self, bytes: &[u8], signature: &str, assertion: &Assertion) -> Option<()> {
        let decoded = |text: &str| BASE64.decode(text).ok().filter(|bytes| bytes.len() <= PARTS_BYTES_MAX);
        let (data, client) = (decoded(&assertion.authenticator_data)?, decoded(&assertion.client_data)?);
        let (rp_hash, rest) = data.split_at_checked(RP_HASH_BYTES)?;
        let flags = rest.first().copied().filter(|_| data.len() >= AUTHENTICATOR_BYTES_MIN)?;
        let wanted = USER_PRESENT | USER_VERIFIED;
        let here = rp_hash == Sha256::digest(self.rp.as_bytes()).as_slice() && flags & wanted == wanted;
        let said: ClientData = serde_json::from_slice(&client).ok()?;
        let ours = said.kind == "webauthn.get" && !said.cross_origin && self.owns(&said.origin);
        let asked = said.challenge == URL_SAFE_NO_PAD.encode(challenge(bytes, &assertion.together)?);
        if !(here && ours && asked) {
            return None;
        }
        let signed = [data.as_slice(), Sha256::digest(&client).as_slice()].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(&signed, &decoded(signature)?).ok()
    }

    /// A page of the server or of a part of it; without TLS only on this machine.
    fn owns(&self, origin: &str) -> bool {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        let under = host.strip_suffix(&self.rp).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        under && (scheme == "https" || scheme == "http" && host == "localhost")
    }
}

/// What the authenticator is to sign: the digest of the statement, or of the list of digests it is in.
fn challenge(bytes: &[u8], together: &[String]) -> Option<[u8; 32]> {
    if together.is_empty() {
        return Some(Sha256::digest(bytes).into());
    }
    let among = together.len() <= TOGETHER_MAX && together.contains(&sha256(bytes));
    let list = json!({ "phasegate": "together/1", "of": together });
    among.then(|| Sha256::digest(canonical_json(&list)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    const ID: &str = "AAECAwQFBgcICQoLDA0ODw";

    struct Authenticator(EcdsaKeyPair);

    impl Authenticator {
        fn new() -> Self {
            let (kind, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
            let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap())
        }

        fn key(&self, rp: &str) -> Passkey {
            let text = format!("{KEY_PREFIX}{rp}:{}:{ID}", BASE64.encode(self.0.public_key().as_ref()));
            Passkey::read(&text).unwrap()
        }

        fn sign(&self, rp: &str, flags: u8, client: &str) -> (String, Assertion) {
            let data = [Sha256::digest(rp).as_slice(), &[flags, 0, 0, 0, 0]].concat();
            let signed = [data.as_slice(), Sha256::digest(client).as_slice()].concat();
            let signature = BASE64.encode(self.0.sign(&SystemRandom::new(), &signed).unwrap());
            let (authenticator_data, client_data) = (BASE64.encode(data), BASE64.encode(client));
            (signature, Assertion { authenticator_data, client_data, together: Vec::new() })
        }
    }

    fn client(kind: &str, challenge: &[u8], origin: &str) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false,"x":1}}"#)
    }

    #[test]
    fn only_an_answer_to_this_on_a_page_of_its_server_by_a_person_counts() {
        let (device, bytes) = (Authenticator::new(), b"statement");
        let key = device.key("gate.example");
        let asked: [u8; 32] = Sha256::digest(bytes).into();
        let (get, home) = ("webauthn.get", "https://gate.example");
        for (rp, flags, kind, challenge, origin, holds) in [
            ("gate.example", 5, get, asked.as_slice(), home, true),
            ("gate.example", 0x1d, get, &asked, "https://gate.example:8443", true),
            ("gate.example", 5, get, &asked, "https://eu.gate.example", true),
            ("gate.example", 5, get, &asked, "http://gate.example", false),
            ("gate.example", 5, get, &asked, "https://evilgate.example", false),
            ("gate.example", 5, get, &asked, "https://gate.example.evil", false),
            ("gate.example", 5, "webauthn.create", &asked, home, false),
            ("gate.example", 5, get, bytes, home, false),
            ("gate.example", 1, get, &asked, home, false),
            ("gate.example", 4, get, &asked, home, false),
            ("other.example", 5, get, &asked, home, false),
        ] {
            let (signature, assertion) = device.sign(rp, flags, &client(kind, challenge, origin));
            assert_eq!(key.signed(bytes, &signature, &assertion), holds, "{rp} {flags} {kind} {origin}");
            assert!(!key.signed(b"another", &signature, &assertion), "{rp} {flags} {kind} {origin}");
            assert!(!Authenticator::new().key("gate.example").signed(bytes, &signature, &assertion));
        }
        let framed = client(get, &asked, home).replace("false", "true");
        let (signature, assertion) = device.sign("gate.example", 5, &framed);
        assert!(!key.signed(bytes, &signature, &assertion), "from a frame of another page");
        let (signature, assertion) = device.sign("localhost", 5, &client(get, &asked, "http://localhost:8808"));
        assert!(device.key("localhost").signed(bytes, &signature, &assertion));
    }

    #[test]
    fn one_touch_may_sign_several_statements_and_no_other() {
        let device = Authenticator::new();
        let key = device.key("gate.example");
        let together = vec![sha256(b"one"), sha256(b"two")];
        let asked = challenge(b"one", &together).unwrap();
        let (signature, assertion) =
            device.sign("gate.example", 5, &client("webauthn.get", &asked, "https://gate.example"));
        let of = |together: &[String]| Assertion { together: together.to_vec(), ..assertion.clone() };
        for (bytes, list, holds) in [
            (b"one", together.as_slice(), true),
            (b"two", &together, true),
            (b"six", &together, false),
            (b"one", &together[..1], false),
            (b"one", &[], false),
            (b"six", &[sha256(b"one"), sha256(b"two"), sha256(b"six")], false),
        ] {
            assert_eq!(key.signed(bytes, &signature, &of(list)), holds, "{bytes:?} {list:?}");
        }
    }

    #[test]
    fn what_is_no_key_of_a_passkey_is_not_read() {
        let point = BASE64.encode([&[4][..], &[7; 64]].concat());
        for (text, sound) in [
            (format!("passkey:localhost:{point}:{ID}"), true),
            (format!("passkey:localhost:{point}"), false),
            (format!("passkey:localhost:{point}:AAEC"), false),
            (format!("passkey:localhost:{point}:{ID}=="), false),
            (format!("passkey::{point}:{ID}"), false),
            (format!("passkey:Gate.example:{point}:{ID}"), false),
            (format!("passkey:gate.example/x:{point}:{ID}"), false),
            (format!("passkey:gate.example:{}:{ID}", BASE64.encode([4; 64])), false),
            (format!("passkey:gate.example:{}:{ID}", BASE64.encode([3; 65])), false),
            (format!("ed25519:{point}:{ID}"), false),
        ] {
            assert_eq!(Passkey::read(&text).is_some(), sound, "{text}");
        }
    }
}
