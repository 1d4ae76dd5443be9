//! Phase tokens: given out to whoever holds a task, and turned back into that claim when a call brings one. Whether the claim
//! and its phase still stand is decided in the transaction of the call (`domain`).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::claim::Pass;
use crate::domain::command::Target;
use crate::domain::facts::Caller;
use crate::domain::ids::TaskId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Status;
use crate::identity::phase_token::{PhaseClaims, PhaseKey};
use crate::store::{StoreError, read};
use crate::tools::{Request, Tool, claim_task, transition_phase, update_task};

use super::{Engine, secret_file};

const MS: i64 = 1000;
/// Answers of these say where the caller stands from now on.
const GIVING: [&str; 3] = [claim_task::TOOL.name, transition_phase::TOOL.name, update_task::TOOL.name];

impl Engine {
    /// The token for the caller's claim on this task, as both are now; none where it holds it not.
    pub fn phase_token(&self, caller: &Caller, task: TaskId) -> Option<String> {
        self.signed(caller, task).unwrap_or_else(|error| {
            tracing::warn!(%error, "a phase token could not be made");
            None
        })
    }

    /// The same for the answer of a tool, where that is one that changes where the caller stands.
    pub fn phase_token_after(&self, caller: &Caller, tool: &Tool, answer: &Value) -> Option<String> {
        let task = answer.get("task").and_then(Value::as_str).filter(|_| GIVING.contains(&tool.name))?;
        // Nobody holds a task that has ended, so there is nothing to look up.
        let status = answer.get("status").and_then(|status| Status::deserialize(status).ok());
        if status.is_some_and(|status| !status.is_open()) {
            return None;
        }
        self.phase_token(caller, task.parse().ok()?)
    }

    /// The public half of the key that signs them, as a JWKS.
    pub fn phase_keys(&self) -> Result<Value, StoreError> {
        Ok(json!({ "keys": [self.phase_key()?.jwk()] }))
    }

    /// The caller with the claim that its phase token shows. It is checked here that the token is ours, in time, and its own.
    pub fn under_phase_token(&self, caller: &Caller, token: &str) -> Result<Caller, super::Failure> {
        let now_seconds = self.now().0.div_euclid(MS);
        let claims = self.phase_key()?.read(token, &self.workspace_id()?, now_seconds).map_err(|flaw| {
            let message = format!("this phase token does not count: {flaw}");
            Refusal::new(Code::StaleClaim, message, "use that of your newest answer, or leave it out")
        })?;
        if claims.sub != caller.agent {
            let message = format!("the phase token is of `{}`, and you are `{}`", claims.sub, caller.agent);
            let hint = "a phase token is not handed on; claim_task gives you one of your own";
            return Err(Refusal::new(Code::NotHolder, message, hint).into());
        }
        let PhaseClaims { task, fence, phase, visit, .. } = claims;
        Ok(Caller { pass: Some(Pass { task, fence, phase, visit }), ..caller.clone() })
    }

    fn signed(&self, caller: &Caller, task: TaskId) -> Result<Option<String>, StoreError> {
        let Some((task, Some(until))) = self.glance(|tx| read::task(tx, task))? else { return Ok(None) };
        let Some(claim) = task.claim().filter(|claim| claim.agent == caller.agent) else { return Ok(None) };
        let claims = PhaseClaims {
            iss: self.workspace_id()?,
            sub: caller.agent.clone(),
            task: task.id,
            phase: task.phase.clone(),
            visit: task.visit,
            fence: claim.fence,
            workflow: task.workflow.clone(),
            iat: self.now().0.div_euclid(MS),
            exp: until.0.div_euclid(MS),
        };
        Ok(Some(self.phase_key()?.sign(&claims)))
    }

    /// Made by whichever process needs it first; all on one store have the same.
    fn phase_key(&self) -> Result<&PhaseKey, StoreError> {
        if let Some(key) = self.identity.phase_key.get() {
            return Ok(key);
        }
        let path = &self.identity.phase_key_file;
        let seed = secret_file::open(path, self.clock.as_ref())
            .map_err(|source| StoreError::File { path: path.clone(), source })?;
        Ok(self.identity.phase_key.get_or_init(|| PhaseKey::new(&seed)))
    }
}

/// The call as its phase token means it: about the token's task and claim, and no other.
pub(super) fn passed(mut request: Request, pass: Option<&Pass>) -> Result<Request, Refusal> {
    let Some(pass) = pass else { return Ok(request) };
    let Some(target) = target(&mut request) else { return Ok(request) };
    if let Some(other) = target.task.filter(|task| *task != pass.task) {
        let message = format!("the phase token is for {}, and `task` names {other}", pass.task);
        return Err(Refusal::new(Code::BadArguments, message, "leave one of the two out"));
    }
    *target = Target {
        task: Some(pass.task),
        fence: Some(pass.fence),
        pass: Some(pass.clone()),
        handle: target.handle.take(),
    };
    Ok(request)
}

fn target(request: &mut Request) -> Option<&mut Target> {
    match request {
        Request::Update { target, .. } | Request::Artifact { target, .. } | Request::Transition { target, .. } => {
            Some(target)
        }
        Request::Approval { request, .. } => Some(&mut request.target),
        Request::Outcome(told) => Some(&mut told.target),
        Request::Submit(_)
        | Request::Claim(_)
        | Request::Route(_)
        | Request::ListTasks(_)
        | Request::QueryAudit(_)
        | Request::Shorten(_) => None,
    }
}
