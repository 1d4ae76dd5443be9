//! Who may approve, and how it is shown that they did: by signatures over exact statements. Where a private key lies, and
//! how it is locked, is not here.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canonical::canonical_json;
use super::ids::{AgentName, Time};
use super::passkey::{Assertion, Passkey};

const KEY_PREFIX: &str = "ed25519:";
pub const LEVEL_SIGNED: u8 = 2;
pub const LEVEL_PASSKEY: u8 = 3;

/// `ed25519:` and the key in base64; or `passkey:`, then parted by `:` the name of the server it is for, the point in base64,
/// and the credential's id in base64url.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct PublicKey(pub String);

impl PublicKey {
    pub fn of(bytes: &[u8; 32]) -> Self {
        Self(format!("{KEY_PREFIX}{}", BASE64.encode(bytes)))
    }

    fn read(&self) -> Option<Key> {
        if let Some(passkey) = Passkey::read(&self.0) {
            return Some(Key::Passkey(passkey));
        }
        let bytes = BASE64.decode(self.0.strip_prefix(KEY_PREFIX)?).ok()?;
        VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok().filter(|key| !key.is_weak()).map(Key::Ed25519)
    }

    pub fn is_sound(&self) -> bool {
        self.read().is_some()
    }

    /// What a signature of it shows: that somebody knew a passphrase, or that a person touched what holds the key.
    pub fn level(&self) -> u8 {
        match self.read() {
            Some(Key::Passkey(_)) => LEVEL_PASSKEY,
            Some(Key::Ed25519(_)) => LEVEL_SIGNED,
            None => 0,
        }
    }
}

enum Key {
    Ed25519(VerifyingKey),
    Passkey(Passkey),
}

/// A signature, and what its maker added to the statement: the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    pub key: PublicKey,
    pub at: Time,
    /// Base64.
    pub signature: String,
    /// Of passkeys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<Box<Assertion>>,
}

impl Signed {
    pub fn holds(&self, statement: &Value) -> bool {
        let bytes = to_sign(statement, self.at);
        match (self.key.read(), &self.passkey) {
            (Some(Key::Ed25519(key)), None) => {
                let signature =
                    BASE64.decode(&self.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
                signature.is_some_and(|signature| key.verify_strict(&bytes, &signature).is_ok())
            }
            (Some(Key::Passkey(key)), Some(assertion)) => key.signed(&bytes, &self.signature, assertion),
            (Some(_) | None, _) => false,
        }
    }
}

/// The bytes under a signature: the statement, its time, and a word that keeps them from meaning anything elsewhere.
pub fn to_sign(statement: &Value, at: Time) -> Vec<u8> {
    canonical_json(&json!({ "phasegate": "statement/1", "at": at, "statement": statement })).into_bytes()
}

/// How well it is shown that a person did something, and by what way it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Without a signature: 1 where only the rules keep agents away from the place it was done at, 0 elsewhere.
    pub level: u8,
    pub via: Via,
    pub signed: Option<Signed>,
}

impl Proof {
    pub fn unsigned(level: u8, via: Via) -> Self {
        Self { level, via, signed: None }
    }
}

/// The way an answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Via {
    #[default]
    #[serde(rename = "command line")]
    CommandLine,
    /// A dialog of the agent's client.
    #[serde(rename = "dialog")]
    Dialog,
    /// A signed one-time link.
    #[serde(rename = "link")]
    Link,
    /// The inbox in a browser.
    #[serde(rename = "inbox")]
    Inbox,
}

impl Via {
    pub fn words(self) -> &'static str {
        match self {
            Self::CommandLine => "at the command line",
            Self::Dialog => "in the client's dialog",
            Self::Link => "by a link",
            Self::Inbox => "in the inbox",
        }
    }
}

/// A person whose key this workspace knows. Its name is never given to another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    pub name: AgentName,
    pub key: PublicKey,
    pub groups: BTreeSet<String>,
    pub enrolled_by: AgentName,
    pub enrolled_at: Time,
    /// By an approver who stood already; absent for the first, whom nobody could sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Time>,
}

impl Approver {
    /// Goes by one of these names or belongs to one of these groups.
    pub fn is_among(&self, names: &[String]) -> bool {
        names.iter().any(|name| *name == self.name.0 || self.groups.contains(name))
    }
}

pub type Approvers = BTreeMap<AgentName, Approver>;

/// What is signed when somebody is enrolled.
pub fn enrolment(workspace: &str, name: &AgentName, key: &PublicKey, groups: &BTreeSet<String>) -> Value {
    json!({ "act": "approver.add", "workspace": workspace, "name": name, "key": key, "groups": groups })
}

pub fn revocation(workspace: &str, name: &AgentName) -> Value {
    json!({ "act": "approver.revoke", "workspace": workspace, "name": name })
}

/// Those whose enrolment leads back to the first approver by valid signatures. A row that somebody wrote into the store
/// is not among them, and where this machine remembers the first one's key, neither is an exchanged first one.
pub fn standing<'a>(
    approvers: &'a Approvers,
    workspace: &str,
    first: Option<&PublicKey>,
) -> BTreeMap<&'a AgentName, &'a Approver> {
    let mut roots = approvers.values().filter(|known| known.signed.is_none());
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) if first.is_none_or(|pinned| *pinned == root.key) => root,
        _ => return BTreeMap::new(),
    };
    let mut found = BTreeMap::from([(&root.name, root)]);
    loop {
        let signers: BTreeMap<&PublicKey, &Approver> = found.values().map(|known| (&known.key, *known)).collect();
        let endorsed = |known: &&Approver| {
            let Some(signed) = &known.signed else { return false };
            let signer = signers.get(&signed.key);
            signer.is_some_and(|signer| signer.revoked.is_none_or(|at| signed.at < at))
                && signed.holds(&enrolment(workspace, &known.name, &known.key, &known.groups))
        };
        let more: Vec<&Approver> =
            approvers.values().filter(|known| !found.contains_key(&known.name)).filter(endorsed).collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more.into_iter().map(|known| (&known.name, known)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(key: &SigningKey) -> PublicKey {
        PublicKey::of(key.verifying_key().as_bytes())
    }

    fn sign(key: &SigningKey, statement: &Value, at: Time) -> Signed {
        let signature = BASE64.encode(key.sign(&to_sign(statement, at)).to_bytes());
        Signed { key: public(key), at, signature, passkey: None }
    }

    fn enrolled(name: &str, seed: u8, by: Option<u8>) -> Approver {
        let (name, key_of) = (AgentName(name.to_owned()), public(&key(seed)));
        let statement = enrolment("w", &name, &key_of, &BTreeSet::new());
        Approver {
            signed: by.map(|by| sign(&key(by), &statement, Time(5))),
            name,
            key: key_of,
            groups: BTreeSet::new(),
            enrolled_by: AgentName("x".to_owned()),
            enrolled_at: Time(5),
            revoked: None,
        }
    }

    fn all(list: Vec<Approver>) -> Approvers {
        list.into_iter().map(|known| (known.name.clone(), known)).collect()
    }

    fn names(approvers: &Approvers, first: Option<&PublicKey>) -> Vec<String> {
        standing(approvers, "w", first).keys().map(|name| name.0.clone()).collect()
    }

    #[test]
    fn a_signature_is_for_one_statement_one_time_and_one_key() {
        let statement = json!({"act": "x"});
        let signed = sign(&key(1), &statement, Time(7));
        assert!(signed.holds(&statement));
        assert!(!signed.holds(&json!({"act": "y"})));
        assert!(!Signed { at: Time(8), ..signed.clone() }.holds(&statement));
        assert!(!Signed { key: public(&key(2)), ..signed.clone() }.holds(&statement));
        for signature in ["", "AAAA", "not base64"] {
            assert!(!Signed { signature: signature.to_owned(), ..signed.clone() }.holds(&statement));
        }
    }

    #[test]
    fn only_who_was_enrolled_by_a_standing_approver_stands() {
        let good = all(vec![enrolled("ana", 1, None), enrolled("ben", 2, Some(1)), enrolled("cy", 3, Some(2))]);
        assert_eq!(names(&good, None), ["ana", "ben", "cy"]);
        assert_eq!(names(&good, Some(&public(&key(1)))), ["ana", "ben", "cy"]);
        // A first one that this machine does not know, a second first one, a stranger's signature: nobody or not them.
        assert!(names(&good, Some(&public(&key(9)))).is_empty());
        assert!(names(&all(vec![enrolled("ana", 1, None), enrolled("eve", 9, None)]), None).is_empty());
        assert_eq!(names(&all(vec![enrolled("ana", 1, None), enrolled("eve", 9, Some(9))]), None), ["ana"]);
        let mut widened = good.clone();
        if let Some(ben) = widened.get_mut(&AgentName("ben".to_owned())) {
            ben.groups.insert("lead".to_owned());
        }
        assert_eq!(names(&widened, None), ["ana"]);
    }

    #[test]
    fn what_was_signed_before_a_revocation_stands() {
        let mut known = all(vec![enrolled("ana", 1, None), enrolled("ben", 2, Some(1))]);
        for (at, standing) in [(9, 2), (3, 1)] {
            if let Some(ana) = known.get_mut(&AgentName("ana".to_owned())) {
                ana.revoked = Some(Time(at));
            }
            assert_eq!(names(&known, None).len(), standing, "{at}");
        }
    }
}
