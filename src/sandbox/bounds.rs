//! What a confined command may do, as data, and how much of that a machine can hold. How it is held is not here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How much the kernel of this machine can hold, in rising order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// Nothing is held.
    #[default]
    None,
    /// Direct writes (Landlock) and sockets of a closed network (seccomp). Modes and times of files outside stay open,
    /// and so does what may not be read.
    Writes,
    /// User or root mount namespace, Landlock, network namespace, seccomp: files, their modes, reading, network.
    Full,
}

impl Rung {
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Writes => "writes",
            Self::Full => "full",
        }
    }
}

/// What becomes of the sockets of running services, which would do work for the command without its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sockets {
    /// All can be reached.
    Allow,
    /// Those that are known to run things (containers, message buses, terminals, the client) are out of reach.
    #[default]
    Mask,
    /// No unix socket can be made at all.
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The phase, for messages only.
    pub phase: String,
    /// The work tree, absolute.
    pub root: PathBuf,
    /// Patterns relative to `root`, as the workflow file has them; nothing: files may be written anywhere.
    pub writes: Option<Vec<String>>,
    /// More places to write: absolute, relative to `root`, or below `~/`. Made if they are not there.
    #[serde(default)]
    pub grants: Vec<String>,
    /// What the tools of the project write (`target/`, `node_modules/`, …) may be written too, as `build_grants` finds it.
    #[serde(default = "yes")]
    pub build_grants: bool,
    /// Patterns that may not be read: absolute, below `~/`, else relative to `root`; `**/NAME` is looked for in the tree.
    #[serde(default)]
    pub read_denied: Vec<String>,
    /// Never written, whatever is granted: phasegate's own state and files, settings of the client.
    #[serde(default)]
    pub write_denied: Vec<String>,
    pub network: bool,
    #[serde(default)]
    pub sockets: Sockets,
    /// The least that must be held; below it the command does not run.
    #[serde(default)]
    pub needs: Rung,
    /// The most that is used, for `confine: writes` and `confine: off`.
    #[serde(default = "full")]
    pub most: Rung,
    /// The command's own folder for temporary files, absolute; made if it is not there.
    pub temp: PathBuf,
    /// Names of variables that stay though they look like keys of a client.
    #[serde(default)]
    pub keep_variables: Vec<String>,
}

fn yes() -> bool {
    true
}

fn full() -> Rung {
    Rung::Full
}
