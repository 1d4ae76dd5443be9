//! A shell command that the kernel holds to its phase: what it may do is written into a ticket, and the client's shell is
//! given the ticket in place of the command.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use crate::clients::hooked::{HookAnswer, ToolCall};
use crate::domain::facts::Facts;
use crate::domain::refusal::Refusal;
use crate::domain::task::Task;
use crate::domain::violation::ChangeKind;
use crate::domain::workflow::{Enforcement, Phase, Sandbox, WRITERS, Workflow};
use crate::policy::client_call::UNCLAIMED;
use crate::policy::effects::never_written;
use crate::policy::paths::effective_writes;
use crate::policy::rule::Rule;
use crate::sandbox::{self, Blank, Bounds, Rung, Ticket, TicketId};

use super::Told;
use crate::engine::{Engine, Failure, StoreError};

/// Where they wait, below the state folder.
const TICKETS: &str = "exec";
/// The file itself, and by their names what belongs to it.
const BESIDE_STORE: [&str; 5] = ["", "-wal", "-shm", "-journal", ".queue"];
/// A ticket that is not used by then is void.
const TICKET_SECONDS: u64 = 10 * 60;

impl Engine {
    /// What the kernel of this machine can hold, found out once for a program, a user and a start of the machine.
    pub(super) fn kernel(&self, binary: &Path) -> Rung {
        *self.kept.kernel.get_or_init(|| self.known_kernel(binary))
    }

    fn known_kernel(&self, binary: &Path) -> Rung {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let user = rustix::process::geteuid().as_raw();
        let of = format!("{} {user} {}", boot.trim(), env!("CARGO_PKG_VERSION"));
        let file = self.workspace.state.join("kernel");
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some(word) = known.strip_prefix(&of) {
            return [Rung::Full, Rung::Writes]
                .into_iter()
                .find(|rung| rung.word() == word.trim())
                .unwrap_or(Rung::None);
        }
        let rung = sandbox::probe(binary);
        // Where it cannot be kept it is found out again.
        let _ = std::fs::write(&file, format!("{of} {}\n", rung.word()));
        rung
    }

    pub(super) fn confined(
        &self,
        told: &Told,
        call: &ToolCall,
        facts: &Facts,
        task: Option<&Task>,
        held: Rung,
    ) -> Result<HookAnswer, Failure> {
        let refuse = |why: String| Ok(HookAnswer::Deny { reason: format!("phasegate: {why}") });
        let Some(rewrite) = told.rewrite else {
            return refuse("the command was to be confined, and this client takes no other in its place".to_owned());
        };
        let Some(command) = call.input.get("command").and_then(serde_json::Value::as_str) else {
            return refuse("the call has no command".to_owned());
        };
        let mut bounds = self.bounds(told, facts, task)?;
        // The record says how it is held; it never runs under less.
        bounds.needs = bounds.needs.max(held);
        if bounds.most == Rung::None {
            return Ok(HookAnswer::Allow { input: None, note: None });
        }
        let temp = bounds.temp.clone();
        let expires = self.now().plus_seconds(TICKET_SECONDS);
        let ticket =
            Ticket { command: command.to_owned(), cwd: told.hooked.cwd.clone(), bounds, snapshot: None, expires };
        let folder = self.workspace.state.join(TICKETS);
        let fault = |source| StoreError::File { path: folder.clone(), source };
        let ahead = self.blank().take().filter(Blank::is_there);
        let blank = ahead.map_or_else(|| self.new_blank(), Ok).map_err(fault)?;
        let id = ticket.store(blank).map_err(fault)?;
        let words = sandbox::rewritten(&told.binary.display().to_string(), &folder, &id, &temp);
        Ok(HookAnswer::Allow { input: Some(rewrite(&call.native, &words)), note: None })
    }

    /// Makes the file of the next ticket, once the last is in use. Where it cannot be made, the next command finds out.
    pub fn make_ahead(&self) {
        let mut blank = self.blank();
        if blank.is_none() && self.kept.kernel.get().is_some_and(|rung| *rung != Rung::None) {
            *blank = self.new_blank().ok();
        }
    }

    fn blank(&self) -> MutexGuard<'_, Option<Blank>> {
        self.kept.blank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_blank(&self) -> std::io::Result<Blank> {
        let id = TicketId::parse(&self.clock.random_hex(TicketId::BYTES));
        let id = id.ok_or_else(|| std::io::Error::other("the clock gives no random bytes"))?;
        Blank::make(&self.workspace.state.join(TICKETS), id)
    }

    /// What is phasegate's outside of the state folder: settings, and a store that lies elsewhere, with its keys and what SQLite
    /// and the queue of writers put beside it.
    pub(super) fn own_files(&self, told: &Told) -> Vec<PathBuf> {
        let mut all = told.own_paths.clone();
        if let Some(store) = &self.store_elsewhere {
            let beside = BESIDE_STORE.map(|end| {
                let mut path = store.clone().into_os_string();
                path.push(end);
                PathBuf::from(path)
            });
            all.extend(beside);
            all.extend(self.key_files());
        }
        all
    }

    /// For what its commands write on the way.
    pub(super) fn temp_folder(&self, task: &str) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        sandbox::temp_folder(Path::new("/tmp"), user, &self.workspace.root, task)
    }

    /// Without a task, of one that may do everything which the default workflow does not deny.
    pub(super) fn bounds(&self, told: &Told, facts: &Facts, task: Option<&Task>) -> Result<Bounds, Failure> {
        // What is denied to whom a subagent works for is denied to it.
        let lent = facts.lent.iter().filter_map(|id| facts.state.tasks.get(id));
        let of_tasks =
            lent.chain(task).map(|task| Ok((facts.workflow_of(task)?.as_ref(), Some(facts.phase_of(task)?))));
        let mut all = of_tasks.collect::<Result<Vec<(&Workflow, Option<&Phase>)>, Refusal>>()?;
        all.extend(facts.default_workflow().filter(|_| task.is_none()).map(|workflow| (workflow, None)));
        let rules = |(workflow, phase): &(&Workflow, Option<&Phase>)| -> Vec<Rule> {
            let own = phase.map_or(&workflow.unclaimed, |phase| &phase.rules);
            let texts = workflow.protect.deny.iter().chain(&own.deny);
            texts.filter_map(|text| Rule::parse(text).ok()).collect()
        };
        let rules: Vec<Rule> = all.iter().flat_map(rules).collect();
        let denied = |tools: &[&str]| -> Vec<String> {
            let about = rules.iter().filter(|rule| tools.iter().any(|tool| rule.tool.matches(tool)));
            about.filter_map(|rule| rule.spec.clone()).collect()
        };
        let phase = task.map(|task| facts.phase_of(task)).transpose()?;
        let name = phase.map_or(UNCLAIMED, |phase| &phase.name);
        let temp = self.temp_folder(&task.map_or_else(|| UNCLAIMED.to_owned(), |task| task.id.to_string()));
        let (root, can) = (self.workspace.root.clone(), self.kernel(&told.binary));
        let is_strict = all.iter().any(|(workflow, _)| workflow.enforcement == Enforcement::Strict);
        // What rules close stays open under `warn` and `observe`; what no rule opens stays closed.
        let mut bounds = match phase.filter(|_| is_strict) {
            Some(phase) => {
                let writes = effective_writes(phase.writes.as_deref(), &phase.rules.allow).patterns();
                Bounds::of(name, root, writes, &phase.sandbox, can, temp)
            }
            None => Bounds::of(name, root, None, &Sandbox::default(), can, temp),
        };
        if is_strict {
            (bounds.read_denied, bounds.edit_denied) = (denied(&["Read"]), denied(&WRITERS));
        }
        bounds.write_denied = vec![self.workspace.state.clone(), told.binary.clone()];
        bounds.write_denied.extend(never_written().map(|name| self.workspace.root.join(name)));
        bounds.undoing = task.map(added).unwrap_or_default();
        bounds.private = vec![self.workspace.state.join(TICKETS)];
        bounds.private.extend(self.own_files(told));
        bounds.private.extend(self.key_files());
        Ok(bounds)
    }
}

/// What stands against the task only because it was made, so that a command can take it away again.
fn added(task: &Task) -> Vec<PathBuf> {
    let added = task.violations.iter().filter(|known| known.kind == ChangeKind::Added);
    added.map(|known| PathBuf::from(OsStr::from_bytes(&known.path.0))).collect()
}
