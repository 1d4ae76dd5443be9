//! What was found in a text that came in: of which kind, by which rule, how often. The value itself is never here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlagKind {
    /// It opens something: a key, a token, a password.
    Secret,
    /// It is about a person: an address, a number.
    Personal,
    /// It tries to steer a model.
    Injection,
    /// What only an outside service has a name for.
    Other,
}

impl FlagKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Personal => "personal",
            Self::Injection => "injection",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    pub kind: FlagKind,
    pub rule: String,
    pub count: u32,
}

/// What was found in one text of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flagged {
    /// Which of the tasks of a submission it belongs to, counted from 0.
    pub item: usize,
    pub field: String,
    pub flags: Vec<Flag>,
    /// Said by the user's own service, whose word counts whatever the workflow says.
    pub by_service: bool,
}

/// A text that the outside service should have read, and why it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unscreened {
    pub item: usize,
    pub field: String,
    pub why: String,
}

/// What reading the texts of one call came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    pub flagged: Vec<Flagged>,
    pub unscreened: Vec<Unscreened>,
}
