//! What a shell call did to the work tree: looked at before and after it, and held against what its phase may write.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::clients::hooked::ToolCall;
use crate::domain::canonical;
use crate::domain::command::{AcceptViolations, Command, Target};
use crate::domain::facts::{Caller, Facts};
use crate::domain::ids::TaskId;
use crate::domain::task::Task;
use crate::domain::violation::{TreePath, Violation, named, still_there};
use crate::domain::workflow::Phase;
use crate::engine::worktree::{Skip, Snapshot, changes, look};
use crate::engine::{Engine, Failure};
use crate::policy::client_call::SHELL;
use crate::policy::effects::violations;
use crate::policy::paths::effective_writes;
use crate::sandbox;
use crate::store::{Scope, With};

use super::before::observes;
use super::{Actor, TOOL};

/// Looks that were taken before a call, by the call, below the state folder.
pub(super) const LOOKS: &str = "looks";
const UNSEEN: &str = "what this command changed could not be told: the look at the work tree that was taken before it is \
                      not there; look at `git status` yourself, and have a person run `phasegate doctor`";

impl Engine {
    /// How the work tree stands before a command. Where its phase may write everywhere too: what is protected it may not.
    pub(super) fn look_before(&self, actor: &Actor, call: &ToolCall) {
        // A look that nobody will ask for again is not taken.
        if call.tool != SHELL || call.id.is_none() {
            return;
        }
        let earlier = self.kept.looks.find(&self.last_look(actor));
        let taken = Snapshot::take(&self.workspace.root, &Skip::builds(), earlier.as_deref(), self.now());
        let kept = taken.and_then(|taken| {
            let folder = self.workspace.state.join(LOOKS);
            let mut make = std::fs::DirBuilder::new();
            make.recursive(true).mode(0o700).create(&folder).map_err(|error| error.to_string())?;
            self.kept.looks.keep(self.look_of(actor, call), taken);
            Ok(())
        });
        if let Err(why) = kept {
            tracing::warn!(why, "the work tree was not looked at before a call; what it changes cannot be told");
        }
    }

    /// What the call changed that its phase may not change, on record and in words for the agent.
    pub(super) fn look_after(&self, actor: &Actor, call: &ToolCall, task: TaskId) -> Result<Option<String>, Failure> {
        let Some(before) = self.kept.looks.take(&self.look_of(actor, call)) else {
            return Ok(Some(UNSEEN.to_owned()));
        };
        let caller = self.hook_caller(actor);
        let facts = self.task_facts(&caller, task)?;
        let (task, after) = (facts.task(task)?, before.again(self.now()));
        let after = match after {
            Ok(after) => after,
            Err(why) => return Ok(Some(format!("what this command changed could not be told: {why}"))),
        };
        let phase = facts.phase_of(task)?;
        let writes = effective_writes(phase.writes.as_deref(), &phase.rules.allow).patterns();
        let changes = changes(&before, &after);
        let grants = if changes.is_empty() { Vec::new() } else { self.written_by_builds(phase) };
        let mut found = violations(&changes, writes.as_deref(), &grants);
        self.kept.looks.keep(self.last_look(actor), after);
        let undone = self.note_undone(&caller, task)?;
        // To put back what stands against the task is a change too, and none against the phase.
        found.retain(|change| !undone.contains(&change.path));
        if found.is_empty() {
            return Ok(None);
        }
        let words = named(&found);
        let (id, phase) = (task.id, phase.name.clone());
        let session = actor.shown.session.clone();
        let note = Command::NoteViolations { task: id, session, call: call.id.clone(), found };
        self.command(&caller, TOOL, task_scope(id), note, Vec::new())?;
        if observes(&facts, Some(facts.task(id)?)) {
            return Ok(None);
        }
        Ok(Some(format!(
            "this command changed what phase {phase} of {id} does not allow: {words}. It is recorded. Put it back as it was; \
             no gate passes until then, or until a person lets it stand (`phasegate tasks accept {id}`)"
        )))
    }

    /// Of what stands against a task, that which is as it was goes on record as undone.
    pub(in crate::engine) fn note_undone(&self, caller: &Caller, task: &Task) -> Result<Vec<TreePath>, Failure> {
        let back = |violation: &&Violation| {
            let now = look(&self.workspace.root, &violation.path);
            now.is_ok_and(|now| !still_there(violation, now.as_ref()))
        };
        let paths: Vec<TreePath> = task.violations.iter().filter(back).map(|known| known.path.clone()).collect();
        if !paths.is_empty() {
            let note = Command::NoteUndone { task: task.id, paths: paths.clone() };
            self.command(caller, TOOL, task_scope(task.id), note, Vec::new())?;
        }
        Ok(paths)
    }

    /// What a command of this phase may write beside its patterns, as patterns: the kernel opens the same to it.
    fn written_by_builds(&self, phase: &Phase) -> Vec<String> {
        let root = &self.workspace.root;
        let folders = sandbox::build_folders(root);
        let below = folders.iter().filter_map(|folder| folder.strip_prefix(root).ok()).filter_map(Path::to_str);
        phase.sandbox.grants.iter().cloned().chain(below.map(|below| format!("/{}/", literal(below)))).collect()
    }

    pub fn accept_violations(&self, caller: &Caller, accept: AcceptViolations) -> Result<Task, Failure> {
        let id = accept.task;
        let outcome =
            self.command(caller, "tasks", Scope::Budget(id), Command::AcceptViolations(accept), Vec::new())?;
        Ok(outcome.facts.task(id)?.clone())
    }

    fn task_facts(&self, caller: &Caller, task: TaskId) -> Result<Facts, Failure> {
        let by = self.by(caller, TOOL);
        Ok(self.view(|tx| crate::store::look(tx, &task_scope(task), &by))?)
    }

    fn last_look(&self, actor: &Actor) -> PathBuf {
        self.look_file(&format!("last {}", actor.shown.session))
    }

    fn look_of(&self, actor: &Actor, call: &ToolCall) -> PathBuf {
        let call = call.id.as_deref().unwrap_or_default();
        self.look_file(&format!("{} {} {call}", actor.shown.session, actor.acting))
    }

    fn look_file(&self, of: &str) -> PathBuf {
        let name = canonical::sha256(of.as_bytes());
        self.workspace.state.join(LOOKS).join(name.get(..32).unwrap_or(&name))
    }
}

/// A path as a pattern that fits it alone.
fn literal(path: &str) -> String {
    let special = |letter: char| matches!(letter, '*' | '?' | '[' | ']' | '\\' | '!' | '#' | ' ');
    path.chars().map(|letter| if special(letter) { format!("\\{letter}") } else { letter.to_string() }).collect()
}

fn task_scope(task: TaskId) -> Scope {
    Scope::Task { target: Target { task: Some(task), ..Target::default() }, with: With::Nothing }
}
