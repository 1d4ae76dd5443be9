//! Texts on their way in and records on their way down: which texts a call brings, what is found in them, and the key under
//! which records are redacted. What a finding leads to is decided in `policy`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::screening::{OnFailure, Send};
use crate::config::settings::Settings;
use crate::config::workspace::Workspace;
use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::command::{self, Change, NewTask, Target, Want};
use crate::domain::flag::{Flagged, Looked, Unscreened};
use crate::domain::refusal::{Code, Refusal};
use crate::policy::screening::words;
use crate::screen::Screen;
use crate::screen::redact::Redactor;
use crate::store::{Redact, Redaction, StoreError, With};
use crate::tools::Request;

use super::clock::Clock;
use super::secret_file;
use super::service::{Question, Service, Verdict};
use super::{Call, Failure};

const KEY_FILE: &str = "redaction.key";
/// More texts than this in one call are sent to the service as one.
const QUESTIONS_MAX: usize = 16;

pub struct Screening {
    screen: Arc<Screen>,
    redactor: Arc<Redactor>,
    service: Option<Service>,
}

/// One text of a call, and where it stands.
pub(super) struct Text {
    item: usize,
    field: String,
    content: Content,
}

enum Content {
    Plain(String),
    Json(Value),
}

/// Takes secrets and personal data out of what others are told.
pub struct Cleaner(Arc<Redactor>);

impl Cleaner {
    pub fn text(&self, text: String) -> String {
        self.0.text(&text).unwrap_or(text)
    }

    /// As it may leave this machine.
    pub fn approval(&self, approval: &Approval) -> Approval {
        let mut clean = approval.clone();
        clean.ask = self.text(clean.ask);
        clean.reason = self.text(clean.reason);
        match &mut clean.about {
            About::Call { arguments, .. } => drop(self.0.value(arguments, false)),
            About::Question { choices } => {
                choices.iter_mut().for_each(|choice| *choice = self.text(std::mem::take(choice)));
            }
            About::Gate { .. } => {}
        }
        if let ApprovalState::Adjusted { arguments, .. } | ApprovalState::Consumed { arguments: Some(arguments), .. } =
            &mut clean.state
        {
            self.0.value(arguments, false);
        }
        if let Some(answer) = clean.state.answer_mut() {
            answer.reason = self.text(std::mem::take(&mut answer.reason));
        }
        clean
    }
}

struct Records(Arc<Redactor>);

impl Redact for Records {
    fn record(&self, json: &str) -> Option<String> {
        self.0.json(json)
    }
}

impl Screening {
    pub fn open(settings: &Settings, workspace: &Workspace, clock: &dyn Clock) -> Result<Self, StoreError> {
        let folder = beside_store(settings.store.as_deref(), &workspace.state);
        let key = secret_file::open(&folder.join(KEY_FILE), clock)
            .map_err(|source| StoreError::File { path: folder.join(KEY_FILE), source })?;
        // The settings were read with these rules, so they can be used.
        let screen = Arc::new(Screen::new(&settings.screen_rules).unwrap_or_default());
        let redactor = Arc::new(Redactor::new(Arc::clone(&screen), &key));
        Ok(Self { screen, redactor, service: settings.screening.clone().map(Service::new) })
    }

    pub fn redaction(&self) -> Redaction {
        Redaction(Some(Arc::new(Records(Arc::clone(&self.redactor)))))
    }

    /// Without its secrets and personal data.
    pub fn clean(&self, text: String) -> String {
        self.redactor.text(&text).unwrap_or(text)
    }

    /// For texts that leave this machine, to be used where the engine cannot be.
    pub fn cleaner(&self) -> Cleaner {
        Cleaner(Arc::clone(&self.redactor))
    }

    /// A refusal repeats what it was given, and goes where the text itself does not.
    pub fn clean_failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused(mut refusal) => {
                refusal.message = self.clean(refusal.message);
                refusal.hint = self.clean(refusal.hint);
                if let Some(details) = &mut refusal.details {
                    self.redactor.value(details, false);
                }
                Failure::Refused(refusal)
            }
            Failure::Broken(error) => Failure::Broken(error),
        }
    }

    fn look(&self, texts: &[Text]) -> Vec<Flagged> {
        let each = texts.iter().filter_map(|text| {
            let flags = match &text.content {
                Content::Plain(plain) => self.screen.flags(plain),
                Content::Json(value) => self.screen.flags_of(value),
            };
            let (item, field) = (text.item, text.field.clone());
            (!flags.is_empty()).then_some(Flagged { item, field, flags, by_service: false })
        });
        each.collect()
    }
}

impl Call<'_> {
    /// The same call, knowing what its texts hold. The service is asked here, outside every transaction.
    pub(super) fn looked(self, texts: &[Text], target: Option<&Target>) -> Result<Self, Failure> {
        let screening = &self.engine.screening;
        let mut looked = Looked { flagged: screening.look(texts), unscreened: Vec::new() };
        if let Some(service) = screening.service.as_ref().filter(|_| !texts.is_empty()) {
            self.ask(service, texts, target, &mut looked)?;
        }
        Ok(Self { looked: Arc::new(looked), ..self })
    }

    fn ask(
        &self,
        service: &Service,
        texts: &[Text],
        target: Option<&Target>,
        looked: &mut Looked,
    ) -> Result<(), Failure> {
        let nowhere = Target::default();
        let target = target.unwrap_or(&nowhere);
        let facts = self.look(target, With::Nothing)?;
        let subject = facts.subject.or_else(|| facts.held.first().copied());
        let task = subject.and_then(|id| facts.state.tasks.get(&id));
        for text in &sent(texts) {
            let content = match &text.content {
                Content::Plain(plain) => plain.clone(),
                Content::Json(value) => value.to_string(),
            };
            let content = match (service.settings.send, &text.content) {
                (Send::Full, _) => content,
                (Send::Redacted, Content::Plain(_)) => self.engine.screening.clean(content),
                (Send::Redacted, Content::Json(value)) => {
                    let mut value = value.clone();
                    self.engine.screening.redactor.value(&mut value, false);
                    value.to_string()
                }
            };
            let question = Question {
                tool: self.tool.name,
                field: &text.field,
                text: &content,
                task: task.map(|task| task.id.to_string()),
                phase: task.map(|task| task.phase.as_str()),
            };
            let random = u8::from_str_radix(&self.engine.clock.random_hex(1), 16).unwrap_or(0);
            let (item, field) = (text.item, text.field.clone());
            match service.ask(&question, || self.engine.now(), random) {
                Ok(Verdict::Allow) => {}
                Ok(Verdict::Flag(flags)) => looked.flagged.push(Flagged { item, field, flags, by_service: true }),
                Ok(Verdict::Refuse { flags, reason }) => {
                    let reason = if reason.is_empty() { String::new() } else { format!("; it says `{reason}`") };
                    let found = words(&flags);
                    let message = format!("the screening service refuses `{field}`, which holds {found}{reason}");
                    let refusal = Refusal::new(Code::Screened, message, "take that out and call again");
                    return Err(self.refuse(target, refusal));
                }
                Err(why) if service.settings.on_failure == OnFailure::Open => {
                    looked.unscreened.push(Unscreened { item, field, why });
                }
                Err(why) => {
                    let message = format!("`{field}` could not be screened, so it was not taken in: {why}");
                    let hint =
                        "call again in a minute; if it stays so, a person looks at `[screening]` in their config.toml";
                    return Err(self.refuse(target, Refusal::new(Code::ScreeningUnavailable, message, hint)));
                }
            }
        }
        Ok(())
    }
}

/// A graph of hundreds of tasks is one question, not a thousand.
fn sent(texts: &[Text]) -> Vec<Text> {
    let copied = |text: &Text| Text {
        item: text.item,
        field: text.field.clone(),
        content: match &text.content {
            Content::Plain(plain) => Content::Plain(plain.clone()),
            Content::Json(value) => Content::Json(value.clone()),
        },
    };
    if texts.len() <= QUESTIONS_MAX {
        return texts.iter().map(copied).collect();
    }
    let members = texts.iter().map(|text| {
        let value = match &text.content {
            Content::Plain(plain) => Value::String(plain.clone()),
            Content::Json(value) => value.clone(),
        };
        json!({ "field": text.field, "text": value })
    });
    // A list, since names may be alike.
    let is_batch = texts.iter().any(|text| text.field.starts_with("batch."));
    let field = if is_batch { "batch" } else { "tasks" };
    vec![Text { item: 0, field: field.to_owned(), content: Content::Json(Value::Array(members.collect())) }]
}

/// The texts that a request brings, but for an artifact, whose content is read later.
pub(super) fn texts(request: &Request) -> (Vec<Text>, Option<&Target>) {
    let mut list = List::default();
    let target = match request {
        Request::Submit(submission) => {
            for (item, new) in submission.tasks.iter().enumerate() {
                let prefix = if submission.tasks.len() > 1 { format!("tasks.{item}.") } else { String::new() };
                list.task(item, &prefix, new);
            }
            None
        }
        Request::Claim(claim) => {
            if let Want::New(new) = &claim.want {
                list.task(0, "new.", new);
            }
            None
        }
        Request::Update { target, change } => {
            list.change(change);
            Some(target)
        }
        Request::Approval { request, .. } => {
            for (item, what) in request.what.iter().enumerate() {
                let prefix = if request.what.len() > 1 { format!("batch.{item}.") } else { String::new() };
                match what {
                    command::Question::Free { ask, choices, .. } => {
                        list.plain(item, &format!("{prefix}question"), ask);
                        list.plain(item, &format!("{prefix}choices"), &choices.join("\n"));
                    }
                    command::Question::Call { arguments, .. } => {
                        list.json(item, &format!("{prefix}arguments"), Some(arguments));
                    }
                    command::Question::Gate(_) => {}
                }
            }
            list.plain(0, "reason", &request.reason);
            Some(&request.target)
        }
        Request::Transition { target, outcome, .. } => {
            if let Some(outcome) = outcome {
                list.plain(0, "summary", &outcome.summary);
                list.json(0, "result", outcome.data.as_ref());
            }
            Some(target)
        }
        Request::Outcome(told) => {
            list.plain(0, "note", &told.why);
            Some(&told.target)
        }
        Request::Artifact { target, .. } => Some(target),
        // A text to be shortened goes back to whom it came from, and to nobody else.
        Request::Route(_) | Request::ListTasks(_) | Request::QueryAudit(_) | Request::Shorten(_) => None,
    };
    (list.texts, target)
}

/// The content of an artifact: its strings where it is JSON, else whatever of it is text.
pub(super) fn content(json: Option<&Value>, bytes: &[u8]) -> Vec<Text> {
    let mut list = List::default();
    match json {
        Some(value) => list.json(0, "content", Some(value)),
        None => list.plain(0, "content", &String::from_utf8_lossy(bytes)),
    }
    list.texts
}

#[derive(Default)]
struct List {
    texts: Vec<Text>,
}

impl List {
    fn plain(&mut self, item: usize, field: &str, text: &str) {
        if !text.is_empty() {
            self.texts.push(Text { item, field: field.to_owned(), content: Content::Plain(text.to_owned()) });
        }
    }

    fn json(&mut self, item: usize, field: &str, value: Option<&Value>) {
        if let Some(value) = value {
            self.texts.push(Text { item, field: field.to_owned(), content: Content::Json(value.clone()) });
        }
    }

    fn task(&mut self, item: usize, prefix: &str, new: &NewTask) {
        let spec = &new.spec;
        let labels = spec.labels.iter().cloned().collect::<Vec<_>>();
        for (field, text) in [
            ("title", &spec.title),
            ("goal", &spec.goal),
            ("description", &spec.description),
            ("constraints", &spec.constraints.join("\n")),
            ("acceptance_criteria", &spec.acceptance_criteria.join("\n")),
            ("labels", &labels.join("\n")),
        ] {
            self.plain(item, &format!("{prefix}{field}"), text);
        }
        self.json(item, &format!("{prefix}context"), spec.context.as_ref());
        self.json(item, &format!("{prefix}metadata"), spec.metadata.as_ref());
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Progress { note, checkpoint, .. } => {
                self.plain(0, "progress", note);
                self.json(0, "checkpoint", checkpoint.as_ref());
            }
            Change::Checkpoint { data } => self.json(0, "checkpoint", Some(data)),
            Change::Block { reason } => self.plain(0, "blocker", reason),
            Change::Release { reason } => self.plain(0, "release", reason),
            Change::Fail { reason, .. } => self.plain(0, "fail", reason),
            Change::Cancel { reason, .. } => self.plain(0, "cancel", reason),
            Change::Reopen { reason } => self.plain(0, "reopen", reason),
            Change::Unblock { .. } => {}
        }
    }
}

/// Where the key of redactions lies.
pub(super) fn key_file(store: Option<&str>, state: &Path) -> PathBuf {
    beside_store(store, state).join(KEY_FILE)
}

fn beside_store(store: Option<&str>, state: &Path) -> PathBuf {
    let file = store.and_then(|url| url.strip_prefix("sqlite:")).map(Path::new);
    match file.and_then(Path::parent) {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_path_buf(),
        None => state.to_path_buf(),
    }
}
