//! Signing what a person decides with the key on this machine. What a signature is worth is decided in `domain`.

use std::io::BufRead;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::keyring::{KeyError, OpenKey};
use crate::domain::approver::{Proof, Signed, Via};
use crate::domain::decide::{forgotten, unsigned};
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::AgentName;
use crate::engine::Engine;

use super::{Ended, Out, Place};

#[derive(Clone, Debug, Default, clap::Args)]
pub struct SignArgs {
    /// Sign with the key of this approver; default: the only one on this machine, where a signature is needed.
    #[arg(long = "as", value_name = "NAME")]
    sign_as: Option<String>,
    /// Read the key's passphrase from standard input instead of asking for it.
    #[arg(long)]
    passphrase_stdin: bool,
}

/// Who acts, and with what key, if any.
pub struct Signer {
    pub caller: Caller,
    key: Option<OpenKey>,
    level: u8,
}

impl Signer {
    pub fn without_key(place: &Place) -> Self {
        Self { caller: place.person(), key: None, level: place.level() }
    }

    pub fn open(place: &Place, name: &str, passphrase: &str) -> Result<Self, Ended> {
        let key = place.keyring()?.open(name, passphrase)?;
        let caller = Caller { agent: AgentName(name.to_owned()), role: Role::Approver, ..place.person() };
        Ok(Self { caller, key: Some(key), level: place.level() })
    }

    pub fn signed(&self, engine: &Engine, statement: &Value) -> Option<Signed> {
        self.key.as_ref().map(|key| key.sign(statement, engine.now()))
    }

    pub fn proof(&self, engine: &Engine, statement: &Value) -> Proof {
        Proof { level: self.level, via: Via::CommandLine, signed: self.signed(engine, statement) }
    }

    pub fn level(&self) -> u8 {
        self.level
    }
}

impl From<KeyError> for Ended {
    fn from(error: KeyError) -> Self {
        let hint = match &error {
            KeyError::File { .. } => "check who may read and write there",
            KeyError::Exposed { .. } => "chmod 600 it; if others may have read it, revoke the key and make another",
            KeyError::Exists { .. } => {
                "enrol that key with `--existing`, or choose another name, or move the file away"
            }
            KeyError::Missing { .. } => "`phasegate approver add NAME` makes one; answer on the machine that holds it",
            KeyError::Unreadable { .. } => "bring the file back from a backup, or enrol a new key",
            KeyError::Passphrase(_) => "try again; a lost passphrase cannot be brought back",
            KeyError::Short => "choose a longer one: whoever copies the key file can try guesses",
        };
        Self::usage(error.to_string(), hint)
    }
}

impl SignArgs {
    pub fn reads_stdin(&self) -> bool {
        self.passphrase_stdin
    }

    pub fn named(sign_as: Option<String>) -> Self {
        Self { sign_as, passphrase_stdin: false }
    }

    /// Whose key signs, if one is to; it lies on this machine.
    pub fn key_of(&self, place: &Place, engine: &Engine, needed: bool) -> Result<Option<String>, Ended> {
        let name = self.chosen(place, engine, needed)?;
        if let Some(name) = &name {
            place.keyring()?.public(name)?;
        }
        Ok(name)
    }

    /// Before a person is asked for a yes: that the act which `what` names can be signed from here, where it must be.
    pub fn ready(&self, place: &Place, engine: &Engine, what: &str) -> Result<Option<String>, Ended> {
        let needed = engine.has_approvers()?;
        let key = self.key_of(place, engine, needed)?;
        if key.is_none() && needed {
            let known = !engine.approvers()?.0.is_empty();
            return Err(if known { unsigned(what) } else { forgotten() }.into());
        }
        Ok(key)
    }

    /// Opens the key that is named, or the only one where a signature is needed; else the person acts without one.
    pub fn signer(&self, place: &Place, engine: &Engine, needed: bool, out: &Out) -> Result<Signer, Ended> {
        // Before anybody types: there may be no such key here.
        let Some(name) = self.key_of(place, engine, needed)? else { return Ok(Signer::without_key(place)) };
        let passphrase = passphrase(&format!("Passphrase of {name}"), self.passphrase_stdin, out)?;
        Signer::open(place, &name, &passphrase)
    }

    fn chosen(&self, place: &Place, engine: &Engine, needed: bool) -> Result<Option<String>, Ended> {
        if self.sign_as.is_some() || !needed {
            return Ok(self.sign_as.clone());
        }
        let (all, standing) = engine.approvers()?;
        let enrolled = all.into_iter().filter(|known| standing.contains(&known.name) && known.revoked.is_none());
        let Ok(ring) = place.keyring() else { return Ok(None) };
        let here: Vec<String> = enrolled
            .map(|known| (known.name.0, known.key))
            .filter(|(name, key)| ring.public(name).is_ok_and(|own| own == *key))
            .map(|(name, _)| name)
            .collect();
        match here.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            several => {
                let message = format!("this machine holds the keys of several approvers: {}", several.join(", "));
                Err(Ended::usage(message, "say which one signs: `--as NAME`"))
            }
        }
    }
}

/// From the terminal without an echo, or the next line of standard input.
pub fn passphrase(prompt: &str, from_stdin: bool, out: &Out) -> Result<Zeroizing<String>, Ended> {
    let unread = |error: std::io::Error| Ended::internal(&error, "type it again, or give it with `--passphrase-stdin`");
    if from_stdin {
        let mut line = Zeroizing::new(String::new());
        // An empty line is a wrong passphrase; no line at all is something else.
        if std::io::stdin().lock().read_line(&mut line).map_err(unread)? == 0 {
            return Err(Ended::usage(
                format!("standard input ended, and one more line was to come: {prompt}"),
                "give one line for each: first the passphrase of the approver who signs, then that of a new key",
            ));
        }
        return Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()));
    }
    if !out.stdin_is_terminal() {
        return Err(Ended::usage(
            "the key's passphrase is needed, and nobody sits at this terminal",
            "give it with `--passphrase-stdin`",
        ));
    }
    rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new).map_err(unread)
}
