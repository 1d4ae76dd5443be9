//! The rules of a task as data: its phases, what each may use, what must be shown to leave it.
//! Reading the file is not here (`config`), judging a call by it is not here (`policy`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::Results;

/// One version of a workflow, complete in itself: schemas named by file are already inlined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workflow {
    pub version: u32,
    pub name: String,
    #[serde(default)]
    pub enforcement: Enforcement,
    #[serde(default)]
    pub uninspectable: Uninspectable,
    /// Left out where it is the default, so that versions from before it keep their hash.
    #[serde(default, skip_serializing_if = "Screening::is_default")]
    pub screen: Screening,
    #[serde(default)]
    pub protect: Rules,
    #[serde(default)]
    pub unclaimed: Rules,
    #[serde(default)]
    pub budget: Budget,
    #[serde(default)]
    pub retry: Retry,
    /// For phases that say nothing of their own, and for agents without a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Results>,
    /// In the order of the file; the first is where a task starts.
    pub phases: Vec<Phase>,
}

/// What happens to a call the rules do not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Refuse it.
    #[default]
    Strict,
    /// Let it pass, say so, record it.
    Warn,
    /// Let it pass, record it.
    Observe,
}

/// What happens to a shell command that cannot be read statically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Uninspectable {
    #[default]
    Ask,
    Deny,
}

/// What happens to a text that comes in and holds a secret, personal data or an attempt to steer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Screening {
    /// Nothing; the record is redacted all the same.
    Off,
    /// Keep it, say so, record it.
    #[default]
    Flag,
    /// Refuse it.
    Refuse,
}

impl Screening {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Flag => "flag",
            Self::Refuse => "refuse",
        }
    }
}

/// Tools of clients that write files, as rules name them. What is denied to one of them, no command may write either.
pub const WRITERS: [&str; 4] = ["Edit", "Write", "MultiEdit", "NotebookEdit"];

/// Permission rules as written, in the syntax of `docs/rules.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// A cap; what is absent is not capped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u64>,
    /// Answers of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

impl Budget {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What the other says where it says something.
    pub fn or(self, other: Self) -> Self {
        Self {
            usd: self.usd.or(other.usd),
            tokens: self.tokens.or(other.tokens),
            minutes: self.minutes.or(other.minutes),
            calls: self.calls.or(other.calls),
        }
    }
}

/// How often a task may be tried before a failure is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    pub name: String,
    #[serde(default)]
    pub goal: String,
    #[serde(flatten)]
    pub rules: Rules,
    /// Where files may be written; absent: wherever the rules allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Sandbox::is_default")]
    pub sandbox: Sandbox,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require_approval: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelChoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Results>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit: Vec<Gate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Entering it completes the task.
    #[serde(default)]
    pub end: bool,
}

/// What holds for shell commands, by the kernel's means. What is new is left out where it is the default, so that versions
/// from before it keep their hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    #[serde(default)]
    pub network: Network,
    #[serde(default, skip_serializing_if = "Confine::is_default")]
    pub confine: Confine,
    #[serde(default, skip_serializing_if = "Sockets::is_default")]
    pub sockets: Sockets,
    /// More places to write: below the work tree, absolute, or below `~/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
}

impl Sandbox {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    #[default]
    Allow,
    Deny,
}

/// How much of a shell command the kernel must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confine {
    /// As much as the machine can.
    #[default]
    Auto,
    /// Everything; a machine that cannot refuses the command.
    Full,
    /// Writes at least; a machine that cannot refuses the command.
    Writes,
    /// Nothing.
    Off,
}

impl Confine {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of the sockets of running services, which would do work for a command without its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl Sockets {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelChoice {
    pub tier: ModelTier,
    #[serde(default)]
    pub raise_on_failure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelTier {
    Weak,
    Base,
    Strong,
}

impl ModelTier {
    pub fn word(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Base => "base",
            Self::Strong => "strong",
        }
    }
}

/// One condition for leaving a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// Unique in its phase and stable between readings, such as `artifact:findings` or `command:cargo test`.
    pub id: String,
    #[serde(flatten)]
    pub kind: GateKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum GateKind {
    /// A document the agent hands in, valid under a JSON Schema.
    Artifact {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<serde_json::Value>,
    },
    /// A program run by phasegate itself, without a shell, in the work tree; exit 0 passes.
    Command {
        argv: Vec<String>,
        within_seconds: u64,
        fresh: bool,
        /// It is enough that a hook saw the agent's own run of it end well on the files as they are now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        observed: bool,
    },
    /// Every chosen file parses.
    Syntax { files: SyntaxFiles },
    /// A person said yes.
    Approval(ApprovalGate),
    /// Every child task is done.
    Children,
    /// Every task that carries one of these labels is done.
    Tasks { labels: Vec<String> },
    /// Nothing of the task's budget is overspent.
    Budget,
    /// A program that the trusted file names: exit 0 passes, 2 refuses with its stderr as reason, anything else is an error and refuses.
    Hook { argv: Vec<String>, within_seconds: u64, fresh: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyntaxFiles {
    /// Those that differ from the last commit, and untracked ones.
    Changed,
    /// Those that match one of these globs.
    Matching(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalGate {
    /// The question, as the person will read it.
    pub ask: String,
    /// Names or groups of approvers; empty: any approver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// `author`: nobody who worked on the task.
    #[serde(default)]
    pub not_by_author: bool,
    pub within_seconds: u64,
    /// The least level of proof, 0 to 3.
    #[serde(default)]
    pub level: u8,
}

impl Workflow {
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    pub fn first_phase(&self) -> Option<&Phase> {
        self.phases.first()
    }
}

impl GateKind {
    /// What a hook saw is enough for it.
    pub fn takes_observed(&self) -> bool {
        matches!(self, Self::Command { observed: true, .. })
    }

    /// A gate that has to be run to be known; the others are read off the facts.
    pub fn is_run(&self) -> bool {
        match self {
            Self::Command { .. } | Self::Syntax { .. } | Self::Hook { .. } => true,
            Self::Artifact { .. } | Self::Approval(_) | Self::Children | Self::Tasks { .. } | Self::Budget => false,
        }
    }
}
