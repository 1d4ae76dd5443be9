//! Credentials: making one, whose secret is given out here once, finding the one a secret belongs to, revoking.

use crate::domain::canonical;
use crate::domain::command::{Command, NewCredential};
use crate::domain::credential::{Credential, Principal};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{CredentialHash, CredentialId};
use crate::domain::refusal::{Code, Refusal};
use crate::identity::cookie::SignedIn;
use crate::store::{Scope, StoreError, read};

use super::notices::link_key;
use super::secret_file::Secret;
use super::{Engine, Failure};

const PREFIX: &str = "pgt_";
/// Its length is fixed: anything else is not looked up.
const SECRET_CHARS: usize = PREFIX.len() + 64;

/// A credential to be made. Whoever signs for it signs over the hash, so the secret is there before it counts.
pub struct Draft {
    pub secret: String,
    pub hash: CredentialHash,
}

impl Engine {
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
        Ok(self.view(|tx| read::credential(tx, &hash.0))?.filter(|known| known.counts(self.now())).map(principal))
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
        let known = self.view(|tx| read::credential_of(tx, cookie.credential))?;
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
