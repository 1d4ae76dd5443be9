//! Dialogs: a pending approval that this client's person may answer is put to them where they sit. 2026-07-28: the call is
//! answered with the form, and its retry carries the answer. Older sessions: a question during the call. What a dialog may
//! decide, and whether, is the engine's; level 0 is all it proves.

pub mod form;
pub mod state;

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientResult, ElicitRequest, ElicitResult, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    ProtocolVersion, ServerRequest,
};
use rmcp::service::{Peer, PeerRequestOptions, RequestContext, RequestHandle, ServiceError};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::domain::approval::Approval;
use crate::domain::approver::Via;
use crate::domain::canonical;
use crate::domain::command::{DecideApprovals, Decision};
use crate::domain::credential::OF_CLIENT;
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::{ApprovalId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::engine::{Engine, Failure, StoreError};
use crate::tools::Reply;
use crate::tools::request_approval::TOOL;

use form::Said;
use state::{Key, State};

/// How long a question stays with a client whose call does not say how long it waits.
const WAIT_SECONDS: u64 = 120;
/// The longest a question stays with a client; the tool's own bound on `wait_seconds`.
const WAIT_SECONDS_MAX: u64 = 300;
/// The name of our one request among a result's input requests.
const KEY: &str = "approval";
const DISMISSED_MAX: usize = 10_000;

/// How a client can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the result of its call.
    Result,
    /// By a request of ours while its call runs.
    Request,
}

/// `None`: the client shows no forms.
pub fn way(context: &RequestContext<RoleServer>) -> Option<Way> {
    let elicitation = context.client_capabilities()?.elicitation?;
    // A capability that names no mode is of the time when there was only this one.
    if elicitation.form.is_none() && elicitation.url.is_some() {
        return None;
    }
    let version = context.protocol_version()?;
    Some(if version >= ProtocolVersion::V_2026_07_28 { Way::Result } else { Way::Request })
}

/// What this process knows of its dialogs.
#[derive(Default)]
pub struct Dialogs {
    key: OnceLock<Key>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Put to the client by a request that is still open.
    shown: HashSet<ApprovalId>,
    /// Closed without an answer: an agent that asks again must not bring it back on the screen.
    dismissed: HashSet<ApprovalId>,
}

impl Dialogs {
    fn key(&self, engine: &Engine) -> &Key {
        self.key.get_or_init(|| Key::new(engine.dialog_secret()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is to be asked now. A question of ours is in the list of those shown from here on.
    fn begins(&self, approval: &Approval, way: Way) -> bool {
        let mut known = self.known();
        form::is_answerable(approval)
            && !known.dismissed.contains(&approval.id)
            && match way {
                Way::Result => !known.shown.contains(&approval.id),
                Way::Request => known.shown.insert(approval.id),
            }
    }

    fn dismiss(&self, id: ApprovalId) {
        let mut known = self.known();
        if known.dismissed.len() >= DISMISSED_MAX {
            known.dismissed.clear();
        }
        known.dismissed.insert(id);
    }

    /// The answer to a call whose person is to be asked first. `None` where it is no longer to be asked.
    pub fn ask_by_result(
        &self,
        engine: &Engine,
        caller: &Caller,
        arguments: &Value,
        approval: &Approval,
    ) -> Result<Option<InputRequiredResult>, Failure> {
        let state = State {
            agent: caller.agent.clone(),
            approval: approval.id,
            digest: approval.digest.clone(),
            call: canonical::digest(arguments),
            until: approval.expires_at,
        };
        let (Some(params), Some(state)) = (rendered(engine, approval)?, self.key(engine).seal(&state)) else {
            return Ok(None);
        };
        let request = InputRequest::Elicitation(ElicitRequest::new(params));
        let requests = InputRequests::from([(KEY.to_owned(), request)]);
        Ok(Some(InputRequiredResult::new(Some(requests), Some(state))))
    }

    /// The retry of a call that was answered with a dialog.
    pub fn resume(
        &self,
        engine: &Engine,
        caller: &Caller,
        arguments: &Value,
        sealed: Option<&str>,
        responses: Option<&InputResponses>,
    ) -> Result<Reply, Failure> {
        let approval = match self.opened(engine, caller, arguments, sealed)? {
            Ok(approval) => approval,
            Err(refusal) => return Err(engine.refuse(caller, &TOOL, refusal)),
        };
        let result = responses.and_then(|responses| responses.get(KEY)).cloned();
        let result = result.and_then(|result| serde_json::from_value::<ElicitResult>(result).ok());
        let said =
            result.map_or(Said::Unfit("it has no answer to the dialog"), |result| form::said(&approval, &result));
        let note = self.settle(engine, caller, &approval, said)?;
        let mut reply = engine.asking(approval.id)?;
        if let Some(note) = note {
            reply.note(&note);
        }
        Ok(reply)
    }

    /// The approval that a state is about, if the state was made here for this call of this agent and still holds.
    fn opened(
        &self,
        engine: &Engine,
        caller: &Caller,
        arguments: &Value,
        sealed: Option<&str>,
    ) -> Result<Result<Approval, Refusal>, StoreError> {
        let Some(sealed) = sealed else { return Ok(Err(mismatch("it came without a `requestState`"))) };
        let Some(state) = self.key(engine).open(sealed) else {
            return Ok(Err(mismatch("its `requestState` was not made in this workspace, or was changed")));
        };
        if state.agent != caller.agent {
            return Ok(Err(mismatch("it was asked of another agent")));
        }
        if state.call != canonical::digest(arguments) {
            return Ok(Err(mismatch("it was asked for other arguments")));
        }
        if state.until <= engine.now() {
            let message =
                format!("the dialog about {} ran out at {}; its answer was not used", state.approval, state.until);
            let hint = "call request_approval again without `requestState` and `inputResponses`";
            return Ok(Err(Refusal::new(Code::ApprovalClosed, message, hint)));
        }
        let found = engine.approval(state.approval)?.filter(|approval| approval.digest == state.digest);
        Ok(found.ok_or_else(|| mismatch("the approval it was about is not there any more")))
    }

    /// Decides what was said, where anything was. A word for the agent, where the answer is not what it seems.
    fn settle(
        &self,
        engine: &Engine,
        caller: &Caller,
        approval: &Approval,
        said: Said,
    ) -> Result<Option<String>, Failure> {
        let id = approval.id;
        let decision = match said {
            Said::Answer(decision) => decision,
            Said::Nothing => {
                self.dismiss(id);
                return Ok(Some(format!(
                    "the client's dialog was closed without an answer; {id} is not shown there again"
                )));
            }
            Said::Unfit(why) => {
                return Ok(Some(format!("what came back from the client's dialog was not used: {why}")));
            }
        };
        decided(engine, caller, id, decision)
    }
}

fn decided(engine: &Engine, caller: &Caller, id: ApprovalId, decision: Decision) -> Result<Option<String>, Failure> {
    let answers =
        DecideApprovals { approvals: vec![(id, None)], answer: decision, level: form::LEVEL, via: Via::Dialog };
    match engine.answer(&person_at(caller), answers) {
        Ok(_) => Ok(None),
        // Somebody was quicker, or the thing changed meanwhile: what stands is the answer of this call.
        Err(Failure::Refused(refusal)) => {
            Ok(Some(format!("the answer from the client's dialog was not used: {}", refusal.message)))
        }
        Err(broken) => Err(broken),
    }
}

/// Whoever answers in an agent's client. It is all that is known of them, and the record says no more.
fn person_at(caller: &Caller) -> Caller {
    Caller { claims: 0, ..Caller::new(format!("{OF_CLIENT}{}", caller.agent), Role::Approver) }
}

fn mismatch(why: &str) -> Refusal {
    let message = format!("the answer belongs to no dialog of this call: {why}");
    let hint = "call request_approval again without `requestState` and `inputResponses`; nothing was decided";
    Refusal::new(Code::DialogMismatch, message, hint)
}

fn rendered(engine: &Engine, approval: &Approval) -> Result<Option<rmcp::model::ElicitRequestParams>, StoreError> {
    let task = match approval.task {
        Some(id) => engine.task(id)?,
        None => None,
    };
    let mut artifacts = Vec::new();
    for (name, artifact) in task.iter().flat_map(|task| &task.artifacts) {
        artifacts.push(form::Artifact {
            name: name.clone(),
            version: artifact.version.into(),
            by: artifact.by.to_string(),
            content: engine.blob(&artifact.sha256)?.unwrap_or_default(),
        });
    }
    Ok(form::form(approval, task.as_ref(), &artifacts))
}

/// One call's wish to ask its client. Lives beside the call, which runs on a thread of its own.
pub struct Wish {
    way: Way,
    dialogs: Arc<Dialogs>,
    open: Arc<AtomicBool>,
    ask: Mutex<Option<oneshot::Sender<Asked>>>,
}

/// What to ask. The call waits for as long as this lives, and no longer.
struct Asked {
    approval: Approval,
    way: Way,
    dialogs: Arc<Dialogs>,
    open: Arc<AtomicBool>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.way == Way::Request {
            self.dialogs.known().shown.remove(&self.approval.id);
        }
        self.open.store(false, Ordering::SeqCst);
    }
}

impl Wish {
    pub fn new(way: Way, dialogs: &Arc<Dialogs>) -> (Self, Wished) {
        let (sender, asked) = oneshot::channel();
        let ask = Mutex::new(Some(sender));
        (Self { way, dialogs: Arc::clone(dialogs), open: Arc::default(), ask }, Wished { asked })
    }

    /// Until when a call waits that would wait until `until`. Asks the first time it is called.
    pub fn waiting(&self, approval: &Approval, until: Time) -> Time {
        let first = self.ask.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ask) = first
            && self.dialogs.begins(approval, self.way)
        {
            self.open.store(true, Ordering::SeqCst);
            let (dialogs, open) = (Arc::clone(&self.dialogs), Arc::clone(&self.open));
            // Where nobody listens any more it is dropped here, and nothing is open.
            let _ = ask.send(Asked { approval: approval.clone(), way: self.way, dialogs, open });
        }
        match (self.open.load(Ordering::SeqCst), self.way) {
            (false, _) => until,
            (true, Way::Result) => Time(i64::MIN),
            // The question has its own bound, and ends the wait when it ends.
            (true, Way::Request) => Time(i64::MAX),
        }
    }
}

/// The other end of a wish.
pub struct Wished {
    asked: oneshot::Receiver<Asked>,
}

impl Wished {
    /// What is to be asked by the result, once the call is back.
    pub fn taken(&mut self) -> Option<Approval> {
        self.asked.try_recv().ok().map(|asked| asked.approval.clone())
    }

    /// Runs a call to its end and asks the client beside it. The call's end withdraws the question.
    pub async fn beside<T>(
        mut self,
        call: impl Future<Output = T>,
        peer: &Peer<RoleServer>,
        engine: &Arc<Engine>,
        caller: &Caller,
        wait_seconds: u64,
    ) -> (T, Option<String>) {
        let mut call = pin!(call);
        let asked = tokio::select! {
            ended = &mut call => return (ended, None),
            asked = &mut self.asked => match asked {
                Ok(asked) => asked,
                Err(_) => return (call.await, None),
            },
        };
        let bound = if wait_seconds == 0 { WAIT_SECONDS } else { wait_seconds.min(WAIT_SECONDS_MAX) };
        let (ended, said) = question(call.as_mut(), peer, engine, &asked.approval, bound).await;
        let note = match said {
            Ok(said) => settled(engine, caller, &asked, said).await,
            Err(note) => note,
        };
        drop(asked);
        let ended = match ended {
            Some(ended) => ended,
            None => call.await,
        };
        (ended, note)
    }
}

/// The same as `settle`, from the protocol's thread.
async fn settled(engine: &Arc<Engine>, caller: &Caller, asked: &Asked, said: Said) -> Option<String> {
    let (engine, caller) = (Arc::clone(engine), caller.clone());
    let (dialogs, approval) = (Arc::clone(&asked.dialogs), asked.approval.clone());
    match tokio::task::spawn_blocking(move || dialogs.settle(&engine, &caller, &approval, said)).await {
        Ok(Ok(note)) => note,
        Ok(Err(error)) => {
            tracing::error!(%error, "the answer from a client's dialog could not be recorded");
            Some("the answer from the client's dialog could not be recorded".to_owned())
        }
        Err(_) => None,
    }
}

/// The end of the call, where it came first, and what the person said, or a word on why they said nothing.
async fn question<F: Future>(
    mut call: Pin<&mut F>,
    peer: &Peer<RoleServer>,
    engine: &Engine,
    approval: &Approval,
    bound_seconds: u64,
) -> (Option<F::Output>, Result<Said, Option<String>>) {
    let failed = || Err(Some("the client's dialog could not be shown".to_owned()));
    let params = match rendered(engine, approval) {
        Ok(Some(params)) => params,
        Ok(None) => return (None, failed()),
        Err(error) => {
            tracing::error!(%error, "a dialog could not be rendered");
            return (None, failed());
        }
    };
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
    let mut handle = match peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await {
        Ok(handle) => handle,
        Err(error) => {
            tracing::debug!(%error, "a dialog could not be sent");
            return (None, failed());
        }
    };
    tokio::select! {
        ended = &mut call => {
            withdraw(handle, "the call has ended").await;
            (Some(ended), Err(None))
        }
        answer = &mut handle.rx => (None, match answer {
            Ok(Ok(ClientResult::ElicitResult(result))) => Ok(form::said(approval, &result)),
            Ok(Ok(_)) => Ok(Said::Unfit("it is no answer to a form")),
            Ok(Err(ServiceError::McpError(error))) => {
                let why: String = error.message.chars().take(200).collect();
                Err(Some(format!("the client did not show the dialog: {why}")))
            }
            Ok(Err(_)) | Err(_) => failed(),
        }),
        () = tokio::time::sleep(Duration::from_secs(bound_seconds)) => {
            withdraw(handle, "nobody answered in time").await;
            (None, Err(Some(format!("nobody answered the client's dialog within {bound_seconds} s"))))
        }
    }
}

async fn withdraw(handle: RequestHandle<RoleServer>, why: &str) {
    if let Err(error) = handle.cancel(Some(why.to_owned())).await {
        tracing::debug!(%error, "a dialog could not be withdrawn");
    }
}
