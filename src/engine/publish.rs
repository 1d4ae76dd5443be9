//! Sending the newest head where whoever can write the store cannot reach it. What was sent is noted, so that a check can
//! say up to where the log is anchored.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use crate::audit::check::StoredHead;
use crate::audit::head::Head;
use crate::audit::key::VerifierKey;
use crate::audit::note::{self, Note};
use crate::audit::proof;
use crate::audit::report::Anchor;
use crate::audit::witness::{self, Answer};
use crate::domain::canonical;
use crate::notify::settings::good_url;
use crate::store::{Lock, StoreError, tree};

use super::Engine;
use super::prove::Stored;
use super::sealer::SealError;

const WITHIN: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// The ref under `refs/notes/` that git keeps heads in.
const GIT_REF: &str = "phasegate";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    File(PathBuf),
    /// A note on the commit that is checked out.
    Git,
    Webhook(String),
    Witness(String),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // In clear only to this machine, as with channels.
        let web = |text: &str| good_url(text).is_ok();
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            Some(("witness", url)) if web(url) => Ok(Self::Witness(url.trim_end_matches('/').to_owned())),
            _ if text == "git" => Ok(Self::Git),
            _ if web(text) => Ok(Self::Webhook(text.to_owned())),
            _ => Err(format!("`{text}` is no place for heads; write file:PATH, git, https://… or witness:URL")),
        }
    }
}

/// As it is noted. The path of a webhook is often a secret, so only its host and a digest are.
impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Git => write!(f, "git:refs/notes/{GIT_REF}"),
            Self::Witness(url) => write!(f, "witness:{url}"),
            Self::Webhook(url) => {
                let host: String = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
                let host = host.rsplit_once('@').map_or(host.as_str(), |(_, host)| host);
                let digest: String = canonical::sha256(url.as_bytes()).chars().take(8).collect();
                write!(f, "{host}/… ({digest})")
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("{0}")]
    Said(String),
    /// The place holds a head that this log does not go on from.
    #[error("{place} holds a head of {size} records that this log does not go on from; it was left as it is")]
    Contradicted { place: String, size: u64 },
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Seal(error.into())
    }
}

impl PublishError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Seal(error) => error.hint(),
            Self::Said(_) => "mend that and publish again; nothing was noted",
            Self::Contradicted { .. } => {
                "`phasegate audit verify --from` that head says what differs; a store put back from a backup differs too"
            }
        }
    }
}

fn said(error: impl fmt::Display) -> PublishError {
    PublishError::Said(error.to_string())
}

#[derive(Clone, Debug, Default)]
pub struct How {
    /// Add to a file instead of replacing it.
    pub append: bool,
    /// The key that a witness must have cosigned with.
    pub witness: Option<VerifierKey>,
}

impl Engine {
    /// Seals, sends, notes. None where there is nothing to send.
    pub fn publish(&self, to: &To, how: &How) -> Result<Option<Anchor>, PublishError> {
        let Some(head) = self.seal()? else { return Ok(None) };
        let answer = match to {
            To::File(path) => self.to_file(path, how.append, &head)?,
            To::Git => self.to_git(&head)?,
            To::Webhook(url) => to_webhook(url, &head)?,
            To::Witness(url) => self.to_witness(url, how.witness.as_ref(), &head)?,
        };
        let to = match to {
            To::File(path) => To::File(fs::canonicalize(path).unwrap_or_else(|_| path.clone())),
            other => other.clone(),
        };
        let anchor = Anchor { size: head.size, place: to.to_string(), at: self.now() };
        let noted = anchor.clone();
        self.backend
            .write(Lock::named([tree::SEALED.to_owned()]), Box::new(move |tx| tree::put_anchor(tx, &noted, &answer)))?;
        Ok(Some(anchor))
    }

    /// Never over a head that says something else: that one is the evidence.
    fn to_file(&self, path: &Path, append: bool, head: &StoredHead) -> Result<String, PublishError> {
        let told = |error: std::io::Error| said(format!("{}: {error}", path.display()));
        let old = match fs::read_to_string(path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(told(error)),
        };
        for kept in note::all(&old) {
            let head = Note::parse(kept).and_then(|note| Head::parse(&note.text));
            let head = head.map_err(|error| said(format!("{} is not a file of heads: {error}", path.display())))?;
            if head.origin != self.log_name()? {
                return Err(said(format!("{} holds heads of another log, `{}`", path.display(), head.origin)));
            }
            if !self.goes_on_from(head.size, head.root)? {
                return Err(PublishError::Contradicted { place: path.display().to_string(), size: head.size });
            }
        }
        let text = match append && !old.is_empty() {
            true if note::all(&old).last() == Some(&head.note.as_str()) => old,
            true => format!("{}\n\n{}", old.trim_end(), head.note),
            false => head.note.clone(),
        };
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let mut file = fs::File::create(&draft).map_err(told)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(told)?;
        fs::rename(&draft, path).map_err(told)?;
        Ok(String::new())
    }

    fn to_git(&self, head: &StoredHead) -> Result<String, PublishError> {
        let notes = format!("--ref={GIT_REF}");
        self.git(&["notes", &notes, "add", "-f", "-F", "-", "HEAD"], &head.note)?;
        self.git(&["rev-parse", "HEAD"], "")
    }

    #[expect(clippy::disallowed_methods, reason = "git keeps the head; the repository's hooks are switched off")]
    fn git(&self, arguments: &[&str], input: &str) -> Result<String, PublishError> {
        let mut command = Command::new("git");
        // The note is phasegate's, whoever is set up to commit here.
        command.args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "user.name=phasegate",
            "-c",
            "user.email=phasegate@localhost",
        ]);
        command.args(arguments).current_dir(&self.workspace.root);
        command.env_clear().envs(self.gate_environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| said(format!("git could not be started: {error}")))?;
        // A head is smaller than the pipe.
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().map_err(said)?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(said(format!(
                "git did not take the note: {}",
                told.lines().last().unwrap_or("no word of why")
            )));
        }
        written.map_err(said)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn to_witness(&self, url: &str, key: Option<&VerifierKey>, head: &StoredHead) -> Result<String, PublishError> {
        let place = To::Witness(url.to_owned()).to_string();
        let known = self.view(tree::anchors)?.into_iter().find(|anchor| anchor.place == place);
        let mut old = known.map_or(0, |anchor| anchor.size.min(head.size));
        for _ in 0..2 {
            let path = self.view(|tx| proof::consistency(&mut Stored(tx), old, head.size))?;
            let (status, kind, body) =
                post(&format!("{url}/add-checkpoint"), &witness::request(old, &path, &head.note))?;
            match witness::answer(status, &kind, &body) {
                Answer::Knows(size) if size <= head.size && size != old => old = size,
                Answer::Knows(size) => {
                    return Err(PublishError::Contradicted { place, size });
                }
                Answer::Refused(why) => return Err(said(format!("the witness at {url} did not cosign: {why}"))),
                Answer::Cosigned(lines) => {
                    if key.is_some_and(|key| witness::seen(&head.note, &lines, key).is_none()) {
                        return Err(said(format!(
                            "the witness at {url} answered without a valid cosignature of its key"
                        )));
                    }
                    return Ok(lines.iter().map(|line| format!("{}\n", line.whole)).collect());
                }
            }
        }
        Err(said(format!("the witness at {url} named another size each time")))
    }
}

fn to_webhook(url: &str, head: &StoredHead) -> Result<String, PublishError> {
    let (status, _, body) = post(url, &head.note)?;
    if (200..300).contains(&status) {
        return Ok(format!("{status}"));
    }
    Err(said(format!("the webhook answered {status}: {}", body.trim().chars().take(200).collect::<String>())))
}

/// Status, media type and body. Redirects are not followed: the head goes where the person said.
fn post(url: &str, text: &str) -> Result<(u16, String, String), PublishError> {
    let config = ureq::Agent::config_builder();
    // No proxy of the environment: agents can set that.
    let config = config.proxy(None).timeout_global(Some(WITHIN)).http_status_as_error(false).max_redirects(0);
    let agent = config.build().new_agent();
    let sent = agent.post(url).content_type("text/plain; charset=utf-8").send(text);
    let mut answer =
        sent.map_err(|error| said(format!("nothing could be sent: {}", error.to_string().replace(url, "…"))))?;
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    Ok((answer.status().as_u16(), kind, body.unwrap_or_default()))
}
