//! Taking in artifacts: reading a file of the work tree, and checking content against the gate's schema, before the command.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::config::workspace::STATE_FOLDER;
use crate::domain::canonical;
use crate::domain::command::{Command, SubmitArtifact, Target};
use crate::domain::decide::{gates, holder};
use crate::domain::facts::Facts;
use crate::domain::ids::WorkflowHash;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::{GateKind, Phase, Workflow};
use crate::store::{Attachment, Scope, With};
use crate::tools::submit_artifact::Submitted;
use crate::tools::{Content, Output, Reply};

use super::gates::artifact::{self, CompiledSchema};
use super::{Call, Failure, noted, screening, subject};

pub type Schemas = Mutex<HashMap<(WorkflowHash, String, String), Arc<CompiledSchema>>>;

struct Taken {
    bytes: Vec<u8>,
    media_type: String,
    path: Option<String>,
    /// The content as JSON, where it is JSON.
    json: Option<Value>,
}

impl Call<'_> {
    pub(super) fn artifact(
        &self,
        target: Target,
        name: String,
        content: Content,
        media_type: Option<String>,
    ) -> Result<Reply, Failure> {
        let facts = self.look(&target, With::Gates)?;
        let context = self.engine.context(self.caller);
        let limit = context.settings.limits.artifact_bytes;
        // A caller that holds nothing learns that first, and nothing about the files.
        let checked = holder(&facts, &target, &context).map(|(task, _)| task).and_then(|task| {
            let taken = take(&self.engine.workspace.root, content, media_type, limit)?;
            self.check(&facts, task, &name, &taken)?;
            Ok((task.workflow.clone(), taken))
        });
        let (checked_under, taken) = checked.map_err(|refusal| self.refuse(&target, refusal))?;
        let this = Call { exact: Arc::clone(&self.exact), looked: Arc::clone(&self.looked), ..*self };
        let this = this.looked(&screening::content(taken.json.as_ref(), &taken.bytes), Some(&target))?;
        let sha256 = canonical::sha256(&taken.bytes);
        let command = SubmitArtifact {
            target: target.clone(),
            name: name.clone(),
            sha256: sha256.clone(),
            bytes: u64::try_from(taken.bytes.len()).unwrap_or(u64::MAX),
            media_type: taken.media_type,
            path: taken.path,
            checked_under,
        };
        let blob = Attachment::Blob { sha256, content: taken.bytes };
        let scope = Scope::Task { target, with: With::Gates };
        let outcome = this.run(scope, Command::SubmitArtifact(command), vec![blob])?;
        let task = outcome.facts.task(subject(&outcome).unwrap_or(crate::domain::ids::TaskId(0)))?;
        let kept = task.artifacts.get(&name).ok_or_else(|| {
            Refusal::new(Code::UnknownArtifact, format!("artifact `{name}` was not kept"), "hand it in again")
        })?;
        let unmet = gates::missing(&outcome.facts, task, &context)?;
        let answer = Submitted {
            task: task.id,
            name,
            version: kept.version,
            sha256: kept.sha256.clone(),
            bytes: kept.bytes,
            media_type: kept.media_type.clone(),
            next: unmet.is_empty().then(|| "transition_phase".to_owned()),
            unmet,
        };
        Ok(noted(answer.reply(), &outcome))
    }

    fn check(&self, facts: &Facts, task: &Task, name: &str, taken: &Taken) -> Result<(), Refusal> {
        let workflow = facts.workflow_of(task)?;
        let Some((phase, schema)) = schema_for(workflow, facts.phase_of(task)?, name) else { return Ok(()) };
        let key = (task.workflow.clone(), phase.to_owned(), name.to_owned());
        let known = self.engine.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let compiled = match known {
            Some(compiled) => compiled,
            None => {
                let compiled = artifact::compile(schema).map_err(|why| {
                    Refusal::new(
                        Code::WorkflowInvalid,
                        format!("the schema of `{name}` cannot be used: {why}"),
                        "a person mends the workflow",
                    )
                })?;
                let compiled = Arc::new(compiled);
                self.engine.schemas.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&compiled));
                compiled
            }
        };
        let Some(json) = &taken.json else {
            let message = format!("artifact `{name}` is not JSON, and its gate has a schema");
            let hint = format!("hand in JSON like {}", gates::shape(Some(schema)));
            return Err(Refusal::new(Code::ArtifactInvalid, message, hint));
        };
        compiled.validate(json).map_err(|errors| {
            let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let message = format!("artifact `{name}` does not fit its schema: {}", list.join("; "));
            let details = serde_json::json!({
                "errors": errors.iter().map(|e| serde_json::json!({"path": e.path, "message": e.message})).collect::<Vec<_>>(),
                "schema": schema,
            });
            let hint = format!("mend these places and hand it in again, like {}", gates::shape(Some(schema)));
            Refusal::new(Code::ArtifactInvalid, message, hint).with(details)
        })
    }
}

/// The schema of the artifact's gate: the present phase's, else that of another phase that asks for the name.
fn schema_for<'w>(workflow: &'w Workflow, phase: &'w Phase, name: &str) -> Option<(&'w str, &'w Value)> {
    let of = |phase: &'w Phase| {
        phase.exit.iter().find_map(|gate| match &gate.kind {
            GateKind::Artifact { name: known, schema } if known == name => Some((phase.name.as_str(), schema.as_ref())),
            _ => None,
        })
    };
    let found = of(phase).or_else(|| workflow.phases.iter().find_map(of));
    found.and_then(|(phase, schema)| schema.map(|schema| (phase, schema)))
}

fn take(root: &Path, content: Content, media_type: Option<String>, limit: usize) -> Result<Taken, Refusal> {
    match content {
        Content::Inline(Value::String(text)) => {
            let json = serde_json::from_str(&text).ok();
            let bytes = bounded(text.into_bytes(), limit)?;
            Ok(Taken { bytes, media_type: media_type.unwrap_or_else(|| "text/markdown".to_owned()), path: None, json })
        }
        Content::Inline(value) => {
            let bytes = bounded(value.to_string().into_bytes(), limit)?;
            let media_type = media_type.unwrap_or_else(|| "application/json".to_owned());
            Ok(Taken { bytes, media_type, path: None, json: Some(value) })
        }
        Content::Path { path, sha256 } => {
            let (bytes, path) = read_inside(root, &path, limit)?;
            let found = canonical::sha256(&bytes);
            if sha256.as_ref().is_some_and(|said| *said != found) {
                let message = format!("`{path}` has the digest {found}, not the one you gave");
                return Err(Refusal::new(Code::ArtifactMismatch, message, "the file has changed; read it again"));
            }
            let json = serde_json::from_slice(&bytes).ok();
            let media_type = media_type.unwrap_or_else(|| guess(&path).to_owned());
            Ok(Taken { bytes, media_type, path: Some(path), json })
        }
    }
}

fn bounded(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, Refusal> {
    if bytes.len() <= limit {
        return Ok(bytes);
    }
    let message = format!("the artifact is {} bytes, the limit is {limit}", bytes.len());
    Err(Refusal::new(Code::TooLarge, message, "hand in a summary, and keep the bulk in the work tree"))
}

const OUTSIDE: &str = "it lies outside the work tree";

/// A regular file of the work tree, and its path from the root; links that lead out are not followed.
fn read_inside(root: &Path, path: &str, limit: usize) -> Result<(Vec<u8>, String), Refusal> {
    let refuse = |why: &str| {
        let message = format!("`{path}` cannot be handed in: {why}");
        Refusal::new(Code::ArtifactMismatch, message, "name a file inside the work tree, relative to its root")
    };
    let root = std::fs::canonicalize(root).map_err(|_| refuse("the work tree is gone"))?;
    let whole = root.join(path);
    let real: PathBuf = std::fs::canonicalize(&whole).map_err(|_| {
        // Of what lies outside nobody is told whether it is there.
        let nearest = whole.ancestors().skip(1).find_map(|folder| std::fs::canonicalize(folder).ok());
        let is_inside = nearest.is_some_and(|folder| folder.starts_with(&root));
        refuse(if is_inside { "there is no such file" } else { OUTSIDE })
    })?;
    let inside = real.strip_prefix(&root).map_err(|_| refuse(OUTSIDE))?;
    if inside.components().any(|part| part.as_os_str() == STATE_FOLDER || part.as_os_str() == ".git") {
        return Err(refuse("it belongs to phasegate or git"));
    }
    let found = std::fs::metadata(&real).map_err(|_| refuse("it cannot be read"))?;
    if !found.is_file() {
        return Err(refuse("it is not a regular file"));
    }
    if found.len() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("`{path}` is {} bytes, the limit is {limit}", found.len()),
            "hand in a summary of it",
        ));
    }
    let bytes = std::fs::read(&real).map_err(|_| refuse("it cannot be read"))?;
    let shown = inside.to_str().ok_or_else(|| refuse("its name is not UTF-8"))?;
    Ok((bounded(bytes, limit)?, shown.to_owned()))
}

fn guess(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json") => "application/json",
        Some("md" | "markdown") => "text/markdown",
        Some("yaml" | "yml") => "application/yaml",
        Some("html") => "text/html",
        Some("csv") => "text/csv",
        _ => "text/plain",
    }
}
