//! Every way to say no: what happened, why, and what to do next. A refusal is an outcome, not a fault; faults are the store's.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub hint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Value>>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), details: None }
    }

    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// Not worth a record: a call that could not be read, and an empty queue, which is an answer more than a refusal.
    pub fn is_recorded(&self) -> bool {
        !matches!(self.code, Code::BadArguments | Code::UnknownTool | Code::NothingReady)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nnext: {}", self.hint) }
    }
}

impl std::error::Error for Refusal {}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// What programs match on. Each has a page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

codes! {
    BadArguments = "bad_arguments",
    UnknownTool = "unknown_tool",
    NotOpen = "not_open",
    RoleRequired = "role_required",
    UnknownTask = "unknown_task",
    UnknownCredential = "unknown_credential",
    NameTaken = "name_taken",
    UnknownApproval = "unknown_approval",
    UnknownWorkflow = "unknown_workflow",
    WorkflowUntrusted = "workflow_untrusted",
    WorkflowInvalid = "workflow_invalid",
    UnknownReference = "unknown_reference",
    DependencyCycle = "dependency_cycle",
    NothingReady = "nothing_ready",
    NotClaimable = "not_claimable",
    MissingCapability = "missing_capability",
    ClaimLimit = "claim_limit",
    BudgetExceeded = "budget_exceeded",
    NoClaim = "no_claim",
    WhichClaim = "which_claim",
    NotHolder = "not_holder",
    StaleClaim = "stale_claim",
    WrongState = "wrong_state",
    OpenDependents = "open_dependents",
    UnknownArtifact = "unknown_artifact",
    UnknownContext = "unknown_context",
    UnknownDecision = "unknown_decision",
    ArtifactInvalid = "artifact_invalid",
    ArtifactMismatch = "artifact_mismatch",
    NotNext = "not_next",
    GatesUnmet = "gates_unmet",
    GateSuperseded = "gate_superseded",
    NoApprovalGate = "no_approval_gate",
    ApprovalClosed = "approval_closed",
    OwnApproval = "own_approval",
    NotAsked = "not_asked",
    LevelTooLow = "level_too_low",
    DialogMismatch = "dialog_mismatch",
    TooLarge = "too_large",
    TooMany = "too_many",
    Cancelled = "cancelled",
    ApprovalRequired = "approval_required",
    AskedTogether = "asked_together",
    UnknownApprover = "unknown_approver",
    NotAnApprover = "not_an_approver",
    SignatureRequired = "signature_required",
    BadSignature = "bad_signature",
    UnknownBypass = "unknown_bypass",
    CallClosed = "call_closed",
    Screened = "screened",
    Unguarded = "unguarded",
    ScreeningUnavailable = "screening_unavailable",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
