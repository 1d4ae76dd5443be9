//! What a confined command may do, as data, and how much of that a machine can hold. How it is held is not here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::workflow::{Confine, Network, Sandbox, Sockets};

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
    /// Relative to `root`: made against the bounds, and open so that it can be taken away.
    #[serde(default)]
    pub undoing: Vec<PathBuf>,
    /// What the tools of the project write (`target/`, `node_modules/`, …) may be written too, as `build_grants` finds it.
    #[serde(default = "yes")]
    pub build_grants: bool,
    /// What stands in the brackets of rules that deny reading.
    #[serde(default)]
    pub read_denied: Vec<String>,
    /// The same of rules that deny writing.
    #[serde(default)]
    pub edit_denied: Vec<String>,
    /// Never written, whatever is granted: phasegate's own state and files, settings of the client.
    #[serde(default)]
    pub write_denied: Vec<PathBuf>,
    /// Ours, and neither read nor written: the store, keys, tickets of other commands.
    #[serde(default)]
    pub private: Vec<PathBuf>,
    pub network: bool,
    #[serde(default)]
    pub sockets: Sockets,
    /// The least that must be held; below it the command does not run.
    #[serde(default)]
    pub needs: Rung,
    /// The most that is tried, for `confine: off` and for machines that are known to hold less.
    #[serde(default = "full")]
    pub most: Rung,
    /// The command's own folder for temporary files, absolute; made if it is not there.
    pub temp: PathBuf,
    /// Names of variables that stay though they look like keys of a client.
    #[serde(default)]
    pub keep_variables: Vec<String>,
}

impl Bounds {
    /// Of a phase, for a machine that can hold `can`; what may not be read or written beside is added by the caller.
    pub fn of(
        phase: &str,
        root: PathBuf,
        writes: Option<Vec<String>>,
        sandbox: &Sandbox,
        can: Rung,
        temp: PathBuf,
    ) -> Self {
        let (needs, most) = match sandbox.confine {
            // Within a tree that is open as a whole only mounts can close anything.
            Confine::Auto if writes.is_none() && sandbox.network == Network::Allow => {
                (Rung::None, if can == Rung::Full { can } else { Rung::None })
            }
            // A closed network is asked for in so many words, and is held from this rung on.
            Confine::Auto if sandbox.network == Network::Deny => (Rung::Writes, can.max(Rung::Writes)),
            Confine::Auto => (Rung::None, can),
            Confine::Full => (Rung::Full, Rung::Full),
            Confine::Writes => (Rung::Writes, can.max(Rung::Writes)),
            Confine::Off => (Rung::None, Rung::None),
        };
        Self {
            phase: phase.to_owned(),
            root,
            writes,
            grants: sandbox.grants.clone(),
            undoing: Vec::new(),
            build_grants: true,
            read_denied: Vec::new(),
            edit_denied: Vec::new(),
            write_denied: Vec::new(),
            private: Vec::new(),
            network: sandbox.network == Network::Allow,
            sockets: sandbox.sockets,
            needs,
            most,
            temp,
            keep_variables: Vec::new(),
        }
    }

    /// Bound by what it may not touch alone: its work is the person's own, with their keys and in their folders.
    pub fn writes_anywhere(&self) -> bool {
        self.writes.is_none()
    }
}

fn yes() -> bool {
    true
}

fn full() -> Rung {
    Rung::Full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phase_asks_for_is_needed_and_the_rest_is_taken_where_it_can_be_had() {
        let (closed, open) = (Network::Deny, Network::Allow);
        for (confine, network, can, needs, most) in [
            (Confine::Auto, open, Rung::None, Rung::None, Rung::None),
            (Confine::Auto, open, Rung::Writes, Rung::None, Rung::None),
            (Confine::Auto, open, Rung::Full, Rung::None, Rung::Full),
            (Confine::Auto, closed, Rung::None, Rung::Writes, Rung::Writes),
            (Confine::Auto, closed, Rung::Full, Rung::Writes, Rung::Full),
            (Confine::Full, open, Rung::Writes, Rung::Full, Rung::Full),
            (Confine::Writes, open, Rung::None, Rung::Writes, Rung::Writes),
            (Confine::Off, open, Rung::Full, Rung::None, Rung::None),
        ] {
            let sandbox = Sandbox { network, confine, ..Sandbox::default() };
            let bounds = Bounds::of("a", PathBuf::from("/w"), None, &sandbox, can, PathBuf::from("/t"));
            assert_eq!((bounds.needs, bounds.most), (needs, most), "{confine:?} {network:?} {can:?}");
        }
    }
}
