//! Tokens of issuers the user trusts: whose they are, by keys that are read from the issuer, kept, and read again. Nobody waits
//! for an issuer here but whoever asks for that (`read_keys`).

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::canonical;
use crate::domain::credential::Principal;
use crate::domain::ids::Time;
use crate::domain::issuer::{Issuer, KeySource};
use crate::identity::claims::{self, Denied};
use crate::identity::jwks::{DOCUMENT_BYTES_MAX, KeySet};
use crate::identity::jwt::{self, Expected, Unverified};
use crate::notify::http::agent;
use crate::notify::settings::host_of;

const MS: i64 = 1000;
/// Keys are read again after this time, from an address and from a file.
const FRESH_MS: i64 = 60 * 60 * MS;
const FRESH_FILE_MS: i64 = 60 * MS;
/// Where an issuer cannot be reached, its keys count so long; it could not take one back meanwhile.
const KEPT_MS: i64 = 24 * 60 * 60 * MS;
/// Between two tries: tokens with made-up key names must not become traffic.
const AGAIN_MS: i64 = 60 * MS;
const AGAIN_WITHOUT_KEYS_MS: i64 = 5 * MS;
const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(5);
/// A token that was checked is not checked again for so long.
const CHECKED_MS: i64 = 60 * MS;
const CHECKED_MAX: usize = 4096;

/// Why a token shows nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    Unsound(String),
    /// It is sound, and the settings give its bearer no role.
    NoRole {
        issuer: String,
    },
    /// The issuer's keys have to be read first.
    KeysWanted(usize),
    /// They cannot be had now.
    NoKeys {
        issuer: String,
    },
}

pub struct Issuers {
    known: Vec<Known>,
    checked: Mutex<HashMap<String, (Time, Principal)>>,
}

struct Known {
    issuer: Issuer,
    keys: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    set: Option<(Arc<KeySet>, Time)>,
    tried_at: Option<Time>,
}

impl Issuers {
    pub fn new(issuers: Vec<Issuer>) -> Self {
        let known = issuers.into_iter().map(|issuer| Known { issuer, keys: Mutex::default() }).collect();
        Self { known, checked: Mutex::default() }
    }

    pub fn is_none(&self) -> bool {
        self.known.is_empty()
    }

    /// The `iss` of each.
    pub fn names(&self) -> Vec<String> {
        self.known.iter().map(|known| known.issuer.issuer.clone()).collect()
    }

    /// All whose keys have not been read yet.
    pub fn unread(&self) -> Vec<usize> {
        let unread = self.known.iter().enumerate().filter(|(_, known)| known.kept().set.is_none());
        unread.map(|(index, _)| index).collect()
    }

    /// Whose token this is. `taken` says whether somebody else goes by that name; it is asked once the token is checked.
    pub fn principal<E: From<Unproven>>(
        &self,
        token: &str,
        now: Time,
        may_read: bool,
        taken: impl FnOnce(&Principal) -> Result<bool, E>,
    ) -> Result<Principal, E> {
        let digest = canonical::sha256(token.as_bytes());
        if let Some((until, principal)) = self.checked().get(&digest)
            && now < *until
        {
            return Ok(principal.clone());
        }
        let (principal, until) = self.checks(token, now, may_read)?;
        if taken(&principal)? {
            let why = format!("`{}` is the name of a credential or an approver here", principal.caller.agent);
            return Err(Unproven::Unsound(why).into());
        }
        let mut checked = self.checked();
        if checked.len() >= CHECKED_MAX {
            checked.clear();
        }
        checked.insert(digest, (until, principal.clone()));
        Ok(principal)
    }

    fn checks(&self, token: &str, now: Time, may_read: bool) -> Result<(Principal, Time), Unproven> {
        let unsound = |why: jwt::Flaw| Unproven::Unsound(why.to_string());
        let token = jwt::read(token).map_err(unsound)?;
        let claimed = token.claimed_issuer().map(str::to_owned);
        let found = self.known.iter().enumerate().find(|(_, known)| Some(&known.issuer.issuer) == claimed.as_ref());
        let (index, Known { issuer, .. }) =
            found.ok_or_else(|| Unproven::Unsound("the token is of an issuer that is not known here".to_owned()))?;
        let (keys, may_read) = self.keys(index, now, may_read)?;
        let expected = Expected {
            issuer: &issuer.issuer,
            audience: &issuer.audience,
            algorithms: &issuer.algorithms,
            leeway_seconds: issuer.leeway_seconds,
            now_seconds: now.0.div_euclid(MS),
        };
        let verified = token.verified(&keys, &expected).map_err(|unverified| match unverified {
            Unverified::UnknownKey if may_read => Unproven::KeysWanted(index),
            Unverified::UnknownKey => {
                Unproven::Unsound("the token names a key that its issuer does not have".to_owned())
            }
            Unverified::Flawed(flaw) => unsound(flaw),
        })?;
        let principal = claims::principal(issuer, &verified.claims).map_err(|denied| match denied {
            Denied::Flawed(flaw) => unsound(flaw),
            Denied::NoRole => Unproven::NoRole { issuer: issuer.name.clone() },
        })?;
        let ends = (verified.until_seconds.saturating_add(i64::from(issuer.leeway_seconds))).saturating_mul(MS);
        Ok((principal, Time(ends.min(now.0.saturating_add(CHECKED_MS)))))
    }

    /// Keys to check by now, and whether they may be read anew if one is missing.
    fn keys(&self, index: usize, now: Time, may_read: bool) -> Result<(Arc<KeySet>, bool), Unproven> {
        let known = self.known.get(index).ok_or(Unproven::KeysWanted(index))?;
        let kept = known.kept();
        let may_read = may_read && kept.may_read(now);
        let age = kept.set.as_ref().map(|(_, at)| now.0.saturating_sub(at.0));
        match (&kept.set, age) {
            (Some((set, _)), Some(age)) if age < known.fresh_ms() || (!may_read && age < KEPT_MS) => {
                Ok((Arc::clone(set), may_read))
            }
            _ if may_read => Err(Unproven::KeysWanted(index)),
            _ => Err(Unproven::NoKeys { issuer: known.issuer.name.clone() }),
        }
    }

    /// Reads an issuer's keys, unless that was tried just now. Waits for the network.
    pub fn read_keys(&self, index: usize, now: Time) {
        let Some(known) = self.known.get(index) else { return };
        {
            let mut kept = known.kept();
            if !kept.may_read(now) {
                return;
            }
            kept.tried_at = Some(now);
        }
        let document = match &known.issuer.keys {
            KeySource::Url(url) => over_http(url),
            KeySource::File(path) => in_file(path),
        };
        match document.and_then(|document| KeySet::read(&document, &known.issuer.algorithms)) {
            Ok(set) => {
                known.kept().set = Some((Arc::new(set), now));
                // A key may have been taken back.
                self.checked().clear();
            }
            Err(why) => tracing::warn!(issuer = known.issuer.name, why, "the keys of an issuer could not be read"),
        }
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<String, (Time, Principal)>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_ms(&self) -> i64 {
        match self.issuer.keys {
            KeySource::Url(_) => FRESH_MS,
            KeySource::File(_) => FRESH_FILE_MS,
        }
    }
}

impl Kept {
    fn may_read(&self, now: Time) -> bool {
        let gap = if self.set.is_some() { AGAIN_MS } else { AGAIN_WITHOUT_KEYS_MS };
        self.tried_at.is_none_or(|at| now.0.saturating_sub(at.0) >= gap)
    }
}

fn in_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut document = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = file.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut document);
    read.map(|_| document).map_err(|error| format!("{}: {error}", path.display()))
}

fn over_http(url: &str) -> Result<Vec<u8>, String> {
    let agent = agent(host_of(url).unwrap_or_default(), CONNECT, TOTAL);
    let mut response = agent.get(url).header("Accept", "application/json").call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("its address answered with status {}", response.status().as_u16()));
    }
    let body = response.body_mut().with_config().limit(DOCUMENT_BYTES_MAX as u64).read_to_vec();
    body.map_err(|error| error.to_string())
}
