//! What waits for a person, and the person's answer to exactly what was shown. Who may answer is decided in `domain`.

mod page;
pub mod shown;
mod started;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::approval::{About, Approval};
use crate::domain::approver::{Signed, Via};
use crate::domain::command::{Command, DecideApprovals, Decision};
use crate::domain::credential::OF_CHANNEL;
use crate::domain::decide::{answer_statement, decide, void};
use crate::domain::facts::{Caller, Facts, Role};
use crate::domain::ids::ApprovalId;
use crate::domain::query::ApprovalFilter;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::visible::visible;
use crate::domain::workflow::Workflow;
use crate::notify::link;
use crate::policy::rule::Rule;
use crate::store::{Scope, StoreError, Tx, look, read};

use super::notices::link_key;
use super::{Engine, Failure};
pub use crate::notify::link::{BadLink, Link, Press};
use shown::{May, Shown, ShownAnswer, ShownArtifact};

/// More than this on one page nobody reads; the oldest come first.
const WAITING_MAX: usize = 200;
/// What a page or a link shows: that rules keep agents away from where it was signed in or sent.
const LEVEL: u8 = 1;
/// As many as one touch of a passkey may sign, and nobody reads more before one answer.
const ANSWERED_MAX: usize = 100;

/// An answer to what was shown, one of several that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub approval: ApprovalId,
    pub digest: String,
    pub signed: Option<Signed>,
}

impl Engine {
    /// What waits, the oldest first. An agent sees what it or one of its subagents asked.
    pub fn inbox(&self, caller: &Caller) -> Result<Vec<Shown>, StoreError> {
        let (by, now) = (self.by(caller, "approvals"), self.now());
        self.view(|tx| {
            let filter = ApprovalFilter { pending_only: true, id: None, limit: usize::MAX >> 1 };
            let mut waiting = read::approvals(tx, &filter)?;
            waiting.retain(|approval| !approval.has_run_out(now) && approval.is_shown_to(caller));
            waiting.reverse();
            waiting.truncate(WAITING_MAX);
            let ids = waiting.iter().map(|approval| approval.id).collect();
            let facts = look(tx, &Scope::Approvals(ids), &by)?;
            waiting.iter().map(|approval| self.show(tx, &facts, approval, caller)).collect()
        })
    }

    /// One of them, answered or not.
    pub fn shown(&self, caller: &Caller, id: ApprovalId) -> Result<Shown, Failure> {
        let by = self.by(caller, "approvals");
        let found = self.view(|tx| {
            let Some(approval) = read::approval(tx, id)?.filter(|approval| approval.is_shown_to(caller)) else {
                return Ok(None);
            };
            let facts = look(tx, &Scope::Approvals(vec![id]), &by)?;
            self.show(tx, &facts, &approval, caller).map(Some)
        })?;
        Ok(found.ok_or_else(|| unknown(id))?)
    }

    fn show(&self, tx: &mut dyn Tx, facts: &Facts, approval: &Approval, caller: &Caller) -> Result<Shown, StoreError> {
        let task = approval.task.and_then(|id| facts.state.tasks.get(&id));
        let mut artifacts = Vec::new();
        for (name, artifact) in task.iter().flat_map(|task| &task.artifacts) {
            let content = read::blob(tx, &artifact.sha256)?.unwrap_or_default();
            let (lines, cut) = shown::artifact_lines(&content);
            artifacts.push(ShownArtifact {
                name: visible(name),
                version: u64::from(artifact.version),
                by: artifact.by.clone(),
                sha256: artifact.sha256.clone(),
                bytes: artifact.bytes,
                lines,
                cut,
            });
        }
        let texts = |list: &[String]| list.iter().map(|text| visible(text)).collect();
        let answered = approval.state.answer().map(|answer| ShownAnswer {
            by: answer.by.clone(),
            at: answer.at,
            level: answer.level,
            how: answer.via.words(),
            reason: visible(&answer.reason),
            choice: answer.choice.as_deref().map(visible),
            signed: answer.signed.is_some(),
        });
        let (gate, choices) = match &approval.about {
            About::Gate { gate } => (visible(gate), Vec::new()),
            About::Question { choices } => (String::new(), choices.clone()),
            About::Call { .. } => (String::new(), Vec::new()),
        };
        Ok(Shown {
            id: approval.id,
            digest: approval.digest.clone(),
            state: if approval.has_run_out(self.now()) { "expired" } else { approval.state.word() },
            about: approval.about.word(),
            headline: visible(&super::views::one_line(&shown::headline(approval))),
            ask: visible(&approval.ask),
            ask_by_agent: matches!(approval.about, About::Question { .. }),
            task: approval.task,
            title: task.map(|task| visible(&task.spec.title)).unwrap_or_default(),
            workflow: task.map(|task| task.spec.workflow.clone()).unwrap_or_default(),
            phase: approval.phase.clone().unwrap_or_default(),
            gate,
            requested_by: approval.requested_by.clone(),
            requested_at: approval.requested_at,
            expires_at: approval.expires_at,
            on_yes: visible(&shown::yes_means(approval)),
            call: shown::call(approval),
            rules: rules(tx, facts, approval)?,
            choices,
            claim: visible(&approval.reason),
            artifacts,
            together: read::batch(tx, approval.id)?.iter().map(|known| known.id).collect(),
            level: approval.level,
            level_words: shown::level_words(approval.level),
            from: texts(&approval.from),
            not_by_author: approval.not_by_author,
            answered,
            void: void(facts, approval).filter(|_| approval.state.is_unused()),
            you: self.may(facts, approval, caller),
        })
    }

    /// What a no of this caller would be answered: a yes may need a choice besides, and nothing else.
    fn may(&self, facts: &Facts, approval: &Approval, caller: &Caller) -> May {
        let batch =
            facts.state.approvals.values().filter(|known| approval.batch.is_some() && known.batch == approval.batch);
        let mut all: BTreeSet<ApprovalId> = batch.map(|known| known.id).collect();
        all.insert(approval.id);
        let no = Command::DecideApprovals(DecideApprovals {
            approvals: all.iter().map(|id| (*id, None)).collect(),
            answer: Decision::Reject { reason: String::new() },
            level: LEVEL,
            via: Via::Inbox,
        });
        let Err(refusal) = decide(facts, &no, &self.context(caller)) else {
            return May { answer: true, sign: 0, why: String::new(), hint: String::new() };
        };
        let least =
            facts.state.approvals.values().filter(|known| all.contains(&known.id)).map(|known| known.level).max();
        let signs = matches!(refusal.code, Code::SignatureRequired | Code::LevelTooLow);
        let sign = if signs { least.unwrap_or(0).max(crate::domain::approver::LEVEL_SIGNED) } else { 0 };
        May { answer: signs, sign, why: refusal.message, hint: refusal.hint }
    }

    /// What each approver would sign under this answer, with the digest it is about.
    pub fn answer_statements(
        &self,
        caller: &Caller,
        ids: &[ApprovalId],
        answer: &Decision,
    ) -> Result<Vec<(Seen, Value)>, Failure> {
        each_once(ids)?;
        let workspace = self.workspace_id()?;
        let statement = |id: &ApprovalId| {
            let approval = self.approval(*id)?.filter(|approval| approval.is_shown_to(caller));
            let approval = approval.ok_or_else(|| unknown(*id))?;
            let statement = answer_statement(&workspace, &approval, answer);
            Ok((Seen { approval: *id, digest: approval.digest, signed: None }, statement))
        };
        ids.iter().map(statement).collect()
    }

    /// All of them or none, and only if they are still what was shown. Whoever signs acts under the name of the key.
    pub fn answer_seen(
        &self,
        caller: &Caller,
        seen: Vec<Seen>,
        answer: Decision,
        via: Via,
    ) -> Result<Vec<Approval>, Failure> {
        let ids: Vec<ApprovalId> = seen.iter().map(|seen| seen.approval).collect();
        let known = self.answer_statements(caller, &ids, &answer)?;
        for (Seen { approval: id, digest, .. }, (known, _)) in seen.iter().zip(&known) {
            if known.digest != *digest {
                let message = format!("{id} is not what was shown: its digest is another one");
                return Err(Refusal::new(Code::ApprovalClosed, message, "load the page again and read it anew").into());
            }
        }
        let mut signed = seen.iter().zip(&known).filter_map(|(seen, (_, said))| Some((seen.signed.as_ref()?, said)));
        let caller = match signed.next() {
            Some((signed, statement)) => self.who_signs(caller, signed, statement)?,
            None => caller.clone(),
        };
        let approvals = seen.into_iter().map(|seen| (seen.approval, seen.signed)).collect();
        self.answer(&caller, DecideApprovals { approvals, answer, level: LEVEL, via })
    }

    /// What a link stands for, while it counts; else why it does not.
    pub fn link(&self, token: &str) -> Result<Result<Link, BadLink>, StoreError> {
        let Ok(key) = link_key(self).inspect_err(|error| tracing::warn!(%error, "the link key cannot be read")) else {
            return Ok(Err(BadLink::Forged));
        };
        let mut failed = None;
        let read = link::verify(key.as_slice(), token, self.now(), |id| match self.approval(id) {
            Ok(approval) => approval.map(|approval| approval.digest),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        failed.map_or(Ok(read), Err)
    }

    /// Whoever was told by this channel. Nothing shows which person that is.
    pub fn link_caller(link: &Link) -> Caller {
        Caller::new(format!("{OF_CHANNEL}{}", link.channel), Role::Approver)
    }

    /// Once: the answer closes the approval. A link to one of a batch answers none of it.
    pub fn answer_link(&self, link: &Link, answer: Decision) -> Result<Vec<Approval>, Failure> {
        let known = self.approval(link.approval)?.ok_or_else(|| unknown(link.approval))?;
        if known.not_by_author {
            let message = format!("{} is not for its author, and a link does not show who answers", link.approval);
            return Err(Refusal::new(Code::OwnApproval, message, "sign in to the inbox and answer there").into());
        }
        let no = matches!(answer, Decision::Reject { .. });
        if no && link.press == Press::Approve || !no && link.press == Press::Reject {
            let message = format!("this link is to {} {}", link.press.word(), link.approval);
            return Err(Refusal::new(Code::NotAsked, message, "take the other link of the message").into());
        }
        let seen = Seen { approval: link.approval, digest: link.digest.clone(), signed: None };
        self.answer_seen(&Self::link_caller(link), vec![seen], answer, Via::Link)
    }
}

/// The rules of its phase that ask about the tool, as they are written. Of a question or a gate there are none.
fn rules(tx: &mut dyn Tx, facts: &Facts, approval: &Approval) -> Result<Vec<String>, StoreError> {
    let task = approval.task.and_then(|id| facts.state.tasks.get(&id));
    let (About::Call { tool, .. }, Some(task)) = (&approval.about, task) else { return Ok(Vec::new()) };
    let Some((body, _)) = read::workflow_body(tx, &task.workflow.0)? else { return Ok(Vec::new()) };
    let workflow: Option<Workflow> = serde_json::from_str(&body).ok();
    let phase = workflow.as_ref().zip(approval.phase.as_deref()).and_then(|(workflow, name)| workflow.phase(name));
    let asks = phase.into_iter().flat_map(|phase| phase.require_approval.iter().chain(&phase.rules.ask));
    let about = asks.filter(|text| Rule::parse(text).is_ok_and(|rule| rule.matches_tool(tool)));
    Ok(about.map(|text| visible(text)).collect())
}

fn each_once(ids: &[ApprovalId]) -> Result<(), Refusal> {
    let count = ids.len();
    if !(1..=ANSWERED_MAX).contains(&count) {
        let message = format!("one answer is for 1 to {ANSWERED_MAX} approvals, and this names {count}");
        let hint = "name the approvals it is for, in several answers if need be";
        return Err(Refusal::new(Code::BadArguments, message, hint));
    }
    let mut seen = BTreeSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("{twice} is named twice, and one answer answers it once");
            Err(Refusal::new(Code::BadArguments, message, format!("name {twice} once; nothing was answered")))
        }
    }
}

fn unknown(id: ApprovalId) -> Refusal {
    Refusal::new(Code::UnknownApproval, format!("there is no approval {id}"), "`phasegate approvals list` shows them")
}
