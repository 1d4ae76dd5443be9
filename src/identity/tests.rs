//! Every way in which a token has been taken that should not have been (RFC 8725): each is one change of a token that counts.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use sha2::Sha256;

use super::jwks::KeySet;
use super::jwt::{self, Expected, TOKEN_BYTES_MAX, Unverified};
use crate::domain::issuer::Algorithm;

const NOW: i64 = 1_800_000_000;

struct Keys {
    ed: SigningKey,
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Keys {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let rsa = STANDARD.decode(include_str!("rsa_test_key.txt").replace('\n', "")).unwrap();
        Self {
            ed: SigningKey::from_bytes(&[3; 32]),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
            rsa: RsaKeyPair::from_der(&rsa).unwrap(),
        }
    }

    /// One key for each algorithm, called by its name.
    fn document(&self) -> Value {
        let ec = self.ec.public_key().as_ref();
        let rsa: ring::rsa::PublicKeyComponents<Vec<u8>> = self.rsa.public().into();
        let (n, e) = (URL_SAFE_NO_PAD.encode(&rsa.n), URL_SAFE_NO_PAD.encode(&rsa.e));
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": URL_SAFE_NO_PAD.encode(self.ed.verifying_key().as_bytes()) },
            { "kty": "EC", "crv": "P-256", "kid": "ES256", "alg": "ES256", "use": "sig",
              "x": URL_SAFE_NO_PAD.encode(&ec[1..33]), "y": URL_SAFE_NO_PAD.encode(&ec[33..]) },
            { "kty": "RSA", "kid": "RS256", "n": n, "e": e },
            { "kty": "RSA", "kid": "PS256", "alg": "PS256", "key_ops": ["verify"], "n": n, "e": e },
        ]})
    }

    fn sign(&self, algorithm: &str, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(padding, &random, text, &mut signature).unwrap();
            signature
        };
        match algorithm {
            "ES256" => self.ec.sign(&random, text).unwrap().as_ref().to_vec(),
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            _ => self.ed.sign(text).to_bytes().to_vec(),
        }
    }

    fn token(&self, header: &str, claims: &str, algorithm: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn claims() -> Value {
    json!({ "iss": "https://idp.example", "aud": "phasegate", "sub": "ana", "iat": NOW - 10, "exp": NOW + 600 })
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": "EdDSA", "typ": "at+jwt" })
}

/// Changes members; null takes one out.
fn changed(mut value: Value, changes: &Value) -> String {
    for (name, change) in changes.as_object().unwrap() {
        let fields = value.as_object_mut().unwrap();
        if change.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), change.clone());
        }
    }
    value.to_string()
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256];

fn checked(keys: &Keys, token: &str) -> Result<(), Unverified> {
    checked_with(keys, token, &ALGORITHMS)
}

fn checked_with(keys: &Keys, token: &str, algorithms: &[Algorithm]) -> Result<(), Unverified> {
    let set = KeySet::read(keys.document().to_string().as_bytes(), &ALGORITHMS).unwrap();
    let expected = Expected {
        issuer: "https://idp.example",
        audience: "phasegate",
        algorithms,
        leeway_seconds: 30,
        now_seconds: NOW,
    };
    jwt::read(token)?.verified(&set, &expected).map(drop)
}

#[test]
fn a_token_counts_with_each_algorithm_and_with_no_other_key_than_its_own() {
    let keys = Keys::new();
    let names = ["EdDSA", "ES256", "RS256", "PS256"];
    for algorithm in names {
        for kid in names {
            let token =
                keys.token(&json!({"alg": algorithm, "kid": kid}).to_string(), &claims().to_string(), algorithm);
            assert_eq!(checked(&keys, &token).is_ok(), algorithm == kid, "{algorithm} with the key {kid}");
        }
        let token =
            keys.token(&json!({"alg": algorithm, "kid": algorithm}).to_string(), &claims().to_string(), algorithm);
        let others: Vec<_> = ALGORITHMS.into_iter().filter(|one| Algorithm::of(algorithm) != Some(*one)).collect();
        assert!(checked_with(&keys, &token, &others).is_err(), "{algorithm} is not among those taken");
    }
}

#[test]
fn headers_that_are_not_taken() {
    let keys = Keys::new();
    let jwk = keys.document()["keys"][0].clone();
    for (changes, counts) in [
        (json!({}), true),
        (json!({"typ": null}), true),
        (json!({"typ": "JWT"}), true),
        (json!({"typ": "application/at+jwt"}), true),
        (json!({"x5t": "thumb"}), true),
        (json!({"typ": "id+jwt"}), false),
        (json!({"typ": "phasegate-phase+jwt"}), false),
        (json!({"typ": 1}), false),
        (json!({"alg": "none"}), false),
        (json!({"alg": "nOnE"}), false),
        (json!({"alg": "None"}), false),
        (json!({"alg": ""}), false),
        (json!({"alg": null}), false),
        (json!({"alg": ["EdDSA"]}), false),
        (json!({"alg": "eddsa"}), false),
        (json!({"alg": "Ed25519"}), false),
        (json!({"alg": "HS256"}), false),
        (json!({"alg": "RS256"}), false),
        (json!({"alg": "ES256"}), false),
        (json!({"kid": null}), false),
        (json!({"kid": ""}), false),
        (json!({"kid": "unknown"}), false),
        (json!({"kid": "../../../../dev/null"}), false),
        (json!({"kid": "EdDSA' OR '1'='1"}), false),
        (json!({"kid": "EdDSA\u{0}"}), false),
        (json!({"kid": 1}), false),
        (json!({"kid": "x".repeat(300)}), false),
        (json!({"jwk": jwk}), false),
        (json!({"jku": "https://evil.example/jwks"}), false),
        (json!({"x5u": "https://evil.example/cert"}), false),
        (json!({"x5c": ["MIIB"]}), false),
        (json!({"crit": ["b64"], "b64": false}), false),
        (json!({"b64": false}), false),
        (json!({"crit": []}), false),
        (json!({"cty": "JWT"}), false),
        (json!({"zip": "DEF"}), false),
        (json!({"enc": "A256GCM"}), false),
    ] {
        let token = keys.token(&changed(header(), &changes), &claims().to_string(), "EdDSA");
        assert_eq!(checked(&keys, &token).is_ok(), counts, "{changes}");
    }
    let unknown = keys.token(&changed(header(), &json!({"kid": "new"})), &claims().to_string(), "EdDSA");
    assert_eq!(checked(&keys, &unknown), Err(Unverified::UnknownKey), "the issuer is asked again for this one");
}

#[test]
fn claims_that_are_not_taken() {
    let keys = Keys::new();
    for (changes, counts) in [
        (json!({}), true),
        (json!({"exp": NOW as f64 + 600.5}), true),
        (json!({"exp": NOW - 29}), true),
        (json!({"exp": NOW - 30}), false),
        (json!({"exp": null}), false),
        (json!({"exp": "9999999999"}), false),
        (json!({"exp": -1}), false),
        (json!({"exp": 1e300}), false),
        (json!({"exp": [NOW + 600]}), false),
        (json!({"exp": true}), false),
        (json!({"nbf": NOW + 30}), true),
        (json!({"nbf": NOW + 31}), false),
        (json!({"nbf": "1"}), false),
        (json!({"iat": NOW + 3600}), false),
        (json!({"iat": "yesterday"}), false),
        (json!({"iss": "https://idp.example/"}), false),
        (json!({"iss": "HTTPS://idp.example"}), false),
        (json!({"iss": "https://idp.example.evil.example"}), false),
        (json!({"iss": "http://idp.example"}), false),
        (json!({"iss": ["https://idp.example"]}), false),
        (json!({"iss": null}), false),
        (json!({"aud": ["other", "phasegate"]}), true),
        (json!({"aud": []}), false),
        (json!({"aud": null}), false),
        (json!({"aud": "other"}), false),
        (json!({"aud": "phasegate "}), false),
        (json!({"aud": "https://phasegate"}), false),
        (json!({"aud": ["phasegate", 1]}), false),
        (json!({"aud": {"phasegate": true}}), false),
    ] {
        let token = keys.token(&header().to_string(), &changed(claims(), &changes), "EdDSA");
        assert_eq!(checked(&keys, &token).is_ok(), counts, "{changes}");
    }
}

#[test]
fn forms_that_are_not_taken() {
    let keys = Keys::new();
    let good = keys.token(&header().to_string(), &claims().to_string(), "EdDSA");
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let raw = |header: &str, claims: &str| keys.token(header, claims, "EdDSA");
    let twice = r#"{"iss":"https://evil.example","iss":"https://idp.example","aud":"phasegate","exp":9999999999}"#;
    let padded = |part: &str| URL_SAFE.encode(URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[5] ^= 1;
    let other = SigningKey::from_bytes(&[4; 32]).sign(format!("{head}.{body}").as_bytes());
    let public = keys.ed.verifying_key();
    let shared = |secret: &[u8]| {
        let head = URL_SAFE_NO_PAD.encode(changed(header(), &json!({"alg": "HS256"})));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("{head}.{body}").as_bytes());
        format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    };
    // The order of the curve's group, added to the second half of a signature, gives another that a lax reader takes.
    let malleable = malleable(&URL_SAFE_NO_PAD.decode(signature).unwrap());
    assert_eq!(checked(&keys, &good), Ok(()));
    for (case, token) in [
        ("empty", String::new()),
        ("one part", head.to_owned()),
        ("two parts", format!("{head}.{body}")),
        ("no signature", format!("{head}.{body}.")),
        ("four parts", format!("{good}.x")),
        ("five parts, as encrypted ones have", format!("{good}.x.y")),
        ("a cut signature", format!("{head}.{body}.{}", &signature[..signature.len() - 4])),
        ("a longer signature", format!("{good}AAAA")),
        ("a changed signature", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(flipped))),
        ("zeros for a signature", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
        ("another signature of the same", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(malleable))),
        ("another key", format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(other.to_bytes()))),
        ("the public key as a shared secret", shared(public.as_bytes())),
        ("an empty shared secret", shared(b"")),
        ("padded", format!("{}.{body}.{signature}", padded(head))),
        ("a padded signature", format!("{head}.{body}.{}", padded(signature))),
        ("white space", format!("{head}.{body}.{signature}\n")),
        ("white space inside", format!("{head}. {body}.{signature}")),
        ("plain base64", format!("{head}.{body}.{}", signature.replace('-', "+").replace('_', "/") + "==")),
        ("a key twice", raw(&header().to_string(), twice)),
        ("alg twice", raw(r#"{"alg":"none","alg":"EdDSA","kid":"EdDSA"}"#, &claims().to_string())),
        ("something after the object", raw(&header().to_string(), &(claims().to_string() + "{}"))),
        ("a list for claims", raw(&header().to_string(), "[]")),
        ("a token in a token", raw(&header().to_string(), &good)),
        ("nested deep", raw(&header().to_string(), &changed(claims(), &json!({"x": [[[[[[[[[[1]]]]]]]]]]})))),
        ("too long", raw(&header().to_string(), &changed(claims(), &json!({"x": "y".repeat(TOKEN_BYTES_MAX)})))),
        ("not text", "ÿ.ÿ.ÿ".to_owned()),
    ] {
        assert!(checked(&keys, &token).is_err(), "{case}");
    }
}

/// S + L, where L is the order of the group, little-endian.
fn malleable(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut made = signature.to_vec();
    let mut carry = 0u16;
    for (byte, order) in made[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    made
}

#[test]
fn keys_that_are_not_taken() {
    let keys = Keys::new();
    let document = keys.document();
    let key = |index: usize, changes: Value| {
        let key: Value = serde_json::from_str(&changed(document["keys"][index].clone(), &changes)).unwrap();
        json!({ "keys": [key] }).to_string()
    };
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for (case, document, taken) in [
        ("Ed25519", key(0, json!({})), true),
        ("P-256", key(1, json!({})), true),
        ("RSA", key(2, json!({})), true),
        ("the key of a shared secret", json!({"keys": [{"kty": "oct", "k": "AAAA"}]}).to_string(), false),
        ("RSA of 1024 bits", key(2, json!({"n": short})), false),
        ("a private key", key(0, json!({"d": "AAAA"})), false),
        ("for encryption", key(1, json!({"use": "enc"})), false),
        ("for signing only", key(1, json!({"key_ops": ["sign"]})), false),
        ("RSA that says ES256", key(2, json!({"alg": "ES256"})), false),
        ("an algorithm that is not taken", key(2, json!({"alg": "RS512"})), false),
        ("a point of small order", key(0, json!({"x": URL_SAFE_NO_PAD.encode([0; 32])})), false),
        ("half a point", key(1, json!({"y": "AAAA"})), false),
        ("another curve", key(1, json!({"crv": "secp256k1"})), false),
        ("two of one name", json!({"keys": [document["keys"][0], document["keys"][0]]}).to_string(), false),
        ("no keys", json!({"keys": []}).to_string(), false),
        ("no JWKS", json!([]).to_string(), false),
        ("keys twice", r#"{"keys":[],"keys":[]}"#.to_owned(), false),
    ] {
        assert_eq!(KeySet::read(document.as_bytes(), &ALGORITHMS).is_ok(), taken, "{case}");
    }
    // A key that does not say what it is for gets what the settings say first.
    let set = KeySet::read(key(2, json!({})).as_bytes(), &[Algorithm::Ps256, Algorithm::Rs256]).unwrap();
    assert_eq!(set.find(Some("RS256")).map(|key| key.algorithm()), Some(Algorithm::Ps256));
}

#[test]
fn a_token_that_names_no_key_means_the_only_one() {
    let keys = Keys::new();
    let token = keys.token(&json!({"alg": "EdDSA"}).to_string(), &claims().to_string(), "EdDSA");
    let expected = Expected {
        issuer: "https://idp.example",
        audience: "phasegate",
        algorithms: &ALGORITHMS,
        leeway_seconds: 0,
        now_seconds: NOW,
    };
    let only = json!({ "keys": [keys.document()["keys"][0]] }).to_string();
    let only = KeySet::read(only.as_bytes(), &ALGORITHMS).unwrap();
    assert!(jwt::read(&token).unwrap().verified(&only, &expected).is_ok());
    assert_eq!(checked(&keys, &token), Err(Unverified::UnknownKey));
}
