//! Who calls over HTTP: credentials, whose secrets are given out here once, and tokens of issuers. What they may do is decided
//! elsewhere.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::domain::canonical;
use crate::domain::command::{Command, NewCredential};
use crate::domain::credential::{Credential, Principal};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{CredentialHash, CredentialId};
use crate::domain::issuer::Issuer;
use crate::domain::refusal::{Code, Refusal};
use crate::identity::cookie::SignedIn;
use crate::identity::phase_token::PhaseKey;
use crate::store::{Scope, StoreError, read};

use super::issuers::{Issuers, Unproven};
use super::notices::link_key;
use super::secret_file::Secret;
use super::{Engine, Failure, log_key};

pub(super) const PHASE_KEY_FILE: &str = "phase.key";
const PREFIX: &str = "pgt_";
/// Its length is fixed: anything else is not looked up.
const SECRET_CHARS: usize = PREFIX.len() + 64;

/// A credential to be made. Whoever signs for it signs over the hash, so the secret is there before it counts.
pub struct Draft {
    pub secret: String,
    pub hash: CredentialHash,
}

/// What tells callers apart beside the store: issuers that are trusted, and the key of phase tokens.
pub struct Identity {
    pub(super) issuers: Issuers,
    pub(super) phase_key: OnceLock<PhaseKey>,
    pub(super) phase_key_file: PathBuf,
}

impl Identity {
    pub(super) fn new(issuers: Vec<Issuer>, database: &Path) -> Self {
        let phase_key_file = log_key::beside(database, PHASE_KEY_FILE);
        Self { issuers: Issuers::new(issuers), phase_key: OnceLock::new(), phase_key_file }
    }
}

/// Why nobody stands behind what was sent.
#[derive(Debug, thiserror::Error)]
pub enum Stranger {
    #[error("{message}")]
    Unknown { message: String, hint: &'static str },
    #[error("the token of the issuer `{issuer}` gives its bearer no role here")]
    NoRole { issuer: String },
    /// Ask again after `read_issuer_keys`, which may wait.
    #[error("the keys of an issuer have to be read first")]
    KeysWanted(usize),
    #[error("the keys of the issuer `{issuer}` cannot be had now")]
    NoKeys { issuer: String },
    #[error(transparent)]
    Broken(#[from] StoreError),
}

impl From<Unproven> for Stranger {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Unsound(message) => {
                Self::Unknown { message, hint: "get a new token for this server from its issuer" }
            }
            Unproven::NoRole { issuer } => Self::NoRole { issuer },
            Unproven::KeysWanted(index) => Self::KeysWanted(index),
            Unproven::NoKeys { issuer } => Self::NoKeys { issuer },
        }
    }
}

impl Engine {
    /// Who sends this token: a credential of ours, or a token of an issuer that is trusted. Never waits for an issuer.
    pub fn authenticate(&self, token: &str) -> Result<Principal, Stranger> {
        self.shown_by(token, true)
    }

    /// The same where nobody can read keys meanwhile: those at hand count as long as any do.
    pub fn authenticate_now(&self, token: &str) -> Result<Principal, Stranger> {
        self.shown_by(token, false)
    }

    fn shown_by(&self, token: &str, may_read: bool) -> Result<Principal, Stranger> {
        if token.starts_with(PREFIX) || self.identity.issuers.is_none() {
            let unknown = || Stranger::Unknown {
                message: "this credential does not count".to_owned(),
                hint: "it is unknown, expired or revoked; `phasegate token list` shows which count",
            };
            return self.bearer(token)?.ok_or_else(unknown);
        }
        self.identity.issuers.principal(token, self.now(), may_read, |found| self.goes_by(found))
    }

    /// Reads the keys of an issuer that `authenticate` named. For a thread that may wait.
    pub fn read_issuer_keys(&self, index: usize) {
        self.identity.issuers.read_keys(index, self.now());
    }

    /// The same for all that have none yet.
    pub fn read_all_issuer_keys(&self) {
        self.identity.issuers.unread().into_iter().for_each(|index| self.read_issuer_keys(index));
    }

    /// The `iss` of every issuer that is trusted.
    pub fn issuers(&self) -> Vec<String> {
        self.identity.issuers.names()
    }

    /// Whether the name of an issuer's subject is one that was given out here: then nobody could tell the two apart.
    fn goes_by(&self, found: &Principal) -> Result<bool, Stranger> {
        let (name, now) = (&found.caller.agent, self.now());
        let is_person = matches!(found.caller.role, Role::Approver | Role::Operator);
        Ok(self.view(|tx| {
            let credential = read::credentials_of(tx, name)?.iter().any(|known| known.counts(now));
            Ok(credential || (!is_person && read::approvers(tx)?.contains_key(name)))
        })?)
    }

    pub fn draft_credential(&self) -> Draft {
        let secret = format!("{PREFIX}{}", self.secret());
        let hash = hash(&secret);
        Draft { secret, hash }
    }

    pub fn create_credential(&self, caller: &Caller, new: NewCredential) -> Result<Credential, Failure> {
        let scope = Scope::Credential { id: None, name: Some(new.name.clone()) };
        let hash = new.hash.clone();
        let outcome = self.command(caller, "token", scope, Command::CreateCredential(new), Vec::new())?;
        let made = outcome.facts.state.credentials.into_values().find(|known| known.hash == hash);
        Ok(made.ok_or_else(|| Refusal::new(Code::UnknownCredential, "the credential is gone", "make it again"))?)
    }

    pub fn revoke_credential(&self, caller: &Caller, id: CredentialId, reason: String) -> Result<(), Failure> {
        let scope = Scope::Credential { id: Some(id), name: None };
        let command = Command::RevokeCredential { credential: id, reason };
        self.command(caller, "token", scope, command, Vec::new()).map(drop)
    }

    pub fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.view(read::credentials)
    }

    /// For a person to look at; an agent sees none.
    pub fn credentials_for(&self, caller: &Caller) -> Result<Vec<Credential>, Failure> {
        match caller.role {
            Role::Approver | Role::Operator | Role::Auditor | Role::System => Ok(self.credentials()?),
            Role::Agent => {
                let message = "the list of credentials is not for agents";
                Err(Refusal::new(Code::RoleRequired, message, "an operator, approver or auditor looks at it").into())
            }
        }
    }

    /// Who bears this secret, if it is one of ours and counts now.
    pub fn bearer(&self, secret: &str) -> Result<Option<Principal>, StoreError> {
        if secret.len() != SECRET_CHARS || !secret.starts_with(PREFIX) {
            return Ok(None);
        }
        let hash = hash(secret);
        Ok(self.glance(|tx| read::credential(tx, &hash.0))?.filter(|known| known.counts(self.now())).map(principal))
    }

    /// The cookie of a page that somebody signs in to with this secret.
    pub fn signed_in(&self, secret: &str) -> Result<Option<(Principal, String)>, StoreError> {
        let Some(principal) = self.bearer(secret)? else { return Ok(None) };
        let made = principal.credential.and_then(|id| {
            let cookie = SignedIn::new(id, &hash(secret), self.now(), self.clock.random_hex(8));
            cookie.sign(self.cookie_key()?.as_slice())
        });
        Ok(made.map(|cookie| (principal, cookie)))
    }

    /// Who signed in to get this cookie, if their credential still counts.
    pub fn cookie(&self, text: &str) -> Result<Option<Principal>, StoreError> {
        let read = self.cookie_key().and_then(|key| SignedIn::read(key.as_slice(), text, self.now()));
        let Some(cookie) = read else { return Ok(None) };
        let known = self.glance(|tx| read::credential_of(tx, cookie.credential))?;
        Ok(known.filter(|known| known.counts(self.now()) && cookie.is_of(&known.hash)).map(principal))
    }

    /// That of the links: whoever takes it away signs everybody out as well.
    fn cookie_key(&self) -> Option<Secret> {
        link_key(self)
            .inspect_err(|error| tracing::warn!(%error, "nobody can sign in: the link key cannot be read"))
            .ok()
    }
}

fn principal(known: Credential) -> Principal {
    Principal { caller: known.caller(), credential: Some(known.id), calls_per_minute: known.grant.calls_per_minute }
}

fn hash(secret: &str) -> CredentialHash {
    CredentialHash(canonical::sha256(secret.as_bytes()))
}
