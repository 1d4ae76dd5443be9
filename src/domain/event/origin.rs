//! Where a workflow that is in force comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a trusted workflow comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A starter inside the binary, in force only until a person trusts something.
    Builtin,
    /// A person trusted it.
    Person,
}
