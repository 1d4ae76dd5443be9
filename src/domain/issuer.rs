//! An issuer of tokens that the user trusts: whose keys, for whom, and what its claims mean here. Reading a token is not here
//! (`identity`), and neither is fetching keys (`engine`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::Role;

/// What a key may be used with. There is no shared secret among them, and none that is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
}

impl Algorithm {
    /// Taken where the settings name none.
    pub const USUAL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Rs256];

    /// As a token and a key spell it: exactly so.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "EdDSA" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }
}

/// Where the issuer's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    Url(String),
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its name here: the first half of the names its subjects work under.
    pub name: String,
    /// The `iss` of its tokens, to the letter.
    pub issuer: String,
    pub audience: String,
    pub keys: KeySource,
    pub algorithms: Vec<Algorithm>,
    pub role_claim: String,
    pub roles: BTreeMap<String, Role>,
    pub name_claim: String,
    pub capabilities_claim: Option<String>,
    pub workflows_claim: Option<String>,
    pub leeway_seconds: u32,
    /// How many tasks each of its subjects may hold at once.
    pub claims: u32,
    pub calls_per_minute: Option<u32>,
}
