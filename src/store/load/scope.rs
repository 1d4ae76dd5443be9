//! Which rows a command needs, in words, and what they keep others from. Reading them is not here.

use std::collections::BTreeSet;

use crate::domain::command::{Filter, Target};
use crate::domain::ids::{
    AgentName, ApprovalId, BypassId, CallId, CredentialId, HandleHash, RouteId, SessionId, TaskId,
};
use crate::store::{self, By, Lock};

/// What to load, and so what the transaction is about. Each loads a handful of rows.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Tasks that a new one refers to.
    Submit {
        refers_to: Vec<TaskId>,
    },
    Claim {
        id: Option<TaskId>,
        handle: Option<HandleHash>,
        next: Option<Filter>,
        refers_to: Option<Vec<TaskId>>,
        capabilities: BTreeSet<String>,
        /// Only tasks of these; empty: any.
        workflows: BTreeSet<String>,
    },
    /// Where the caller stands, and nothing beside it: what only reads needs no more.
    Standing,
    /// A task that is held, or to be changed by somebody entitled to.
    Task {
        target: Target,
        with: With,
    },
    /// These, and those that were asked together with them.
    Approvals(Vec<ApprovalId>),
    /// Who may do what: workflows in force, approvers, open bypasses.
    Trust,
    /// The same, and credentials: this one, or those that go by this name.
    Credential {
        id: Option<CredentialId>,
        name: Option<AgentName>,
    },
    /// A task that is held, and a decision about a model.
    Outcome {
        target: Target,
        decision: Option<RouteId>,
    },
    /// Where learning begins.
    Learning,
    /// Such a scope, and one task.
    Bypass {
        task: Option<TaskId>,
        bypass: Option<BypassId>,
    },
    /// To carry out what this approval allows.
    Start(ApprovalId),
    /// What a backup brings back and must not: unused approvals, open bypasses, who was revoked since.
    Restored,
    Call(CallId),
    /// What a hook tells of: its session, the task of the agent or of the one in whose name it works.
    Hook {
        session: SessionId,
        /// The agent on the session's main thread, where another acts.
        parent: Option<AgentName>,
        /// A call whose end is told.
        call: Option<String>,
        /// What its gates speak of is wanted too.
        gates: bool,
    },
    /// A task, those it is a part of, and who may change its caps.
    Budget(TaskId),
    /// Everything whose time is up, a bounded number at a time.
    Sweep,
}

/// What a task's command needs beside the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    Nothing,
    /// Children, labelled tasks and approvals that its gates speak of.
    Gates,
    /// The same, and the approvers, whether or not anything waits for them.
    GatesAndApprovers,
    /// The gates, and who waits for it.
    GatesAndDependents,
    /// Its approvals, who waits for it, and who waits for those.
    AllDependents,
    /// A new run id.
    Run,
}

impl Scope {
    /// Most commands go beside each other. What is rare, or looks at much, has the workspace for itself.
    pub fn lock(&self, by: &By) -> Lock {
        let agent = store::of_agent(&by.agent);
        match self {
            // The next task, whichever it is; rows that others have are passed over.
            Self::Claim { id: None, handle: None, refers_to: None, .. } => Lock::Together(vec![agent]),
            Self::Submit { .. } | Self::Claim { .. } | Self::Standing | Self::Task { .. } | Self::Outcome { .. } => {
                Lock::named([agent])
            }
            Self::Hook { session, parent, .. } => {
                let parent = parent.iter().map(store::of_agent);
                Lock::named([agent].into_iter().chain(parent).chain([format!("session {session}")]))
            }
            Self::Approvals(_)
            | Self::Trust
            | Self::Credential { .. }
            | Self::Bypass { .. }
            | Self::Start(_)
            | Self::Restored
            | Self::Learning
            | Self::Call(_)
            | Self::Budget(_)
            | Self::Sweep => Lock::Whole,
        }
    }

    /// Whether what is decided in this scope may cost something, and so needs to know of budgets.
    pub(super) fn spends(&self) -> bool {
        match self {
            Self::Submit { .. }
            | Self::Claim { .. }
            | Self::Standing
            | Self::Task { .. }
            | Self::Hook { .. }
            | Self::Budget(_)
            // A yes may be to a higher cap.
            | Self::Approvals(_) => true,
            Self::Trust
            | Self::Bypass { .. }
            | Self::Credential { .. }
            | Self::Start(_)
            | Self::Restored
            | Self::Outcome { .. }
            | Self::Learning
            | Self::Call(_)
            | Self::Sweep => false,
        }
    }
}
