//! Reading what sessions cost out of their transcripts, setting money aside, and changing caps. What a cap keeps from going on
//! is decided in `domain`; prices are in `routing`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::clients::transcript::pairs::{Pair, pairs};
use crate::clients::transcript::{Format, Reading, read};
use crate::context::tokens::weigh;
use crate::domain::canonical;
use crate::domain::command::{ChangeBudget, Command};
use crate::domain::decide::{budget, warn};
use crate::domain::facts::{Caller, Facts};
use crate::domain::forecast::{self, Forecast, Usual};
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::spending::{Account, Cost, Limit, On, Spent};
use crate::domain::task::Task;
use crate::domain::warning::Warning;
use crate::domain::workflow::Budget;
use crate::routing::prices::priced;
use crate::store::spending::{self, Charge, Position};
use crate::store::{self, Lock, Scope, StoreError, Tx, warnings};

use super::{Engine, Failure, token_counts};

/// What is read of a transcript at once.
const PIECE_BYTES: usize = 4 << 20;
/// A line that is longer holds no usage that anybody would believe; it is passed over.
const LINE_BYTES_MAX: usize = 64 << 20;
/// The bytes before a position by which a transcript is known again: some lines, since their ends are all alike.
const MARK_BYTES: u64 = 4096;
/// Transcripts of subagents that are looked at beside the session's own.
const SUBAGENTS_MAX: usize = 1000;
/// What the record of a warning says it came by.
pub(super) const COUNTING: &str = "budget";

/// A session whose cost is to be read.
#[derive(Clone, Copy, Debug)]
pub struct SessionFiles<'a> {
    /// By its name, such as `claude-code`.
    pub client: &'a str,
    pub session: &'a str,
    pub transcript: &'a Path,
    /// The subagent that is speaking; its transcript is read too.
    pub subagent: Option<&'a str>,
    /// Read the transcripts of all subagents: at the end of a turn.
    pub all: bool,
}

/// For whom the main thread or a subagent works now.
#[derive(Clone, Debug)]
pub struct Working {
    pub agent: AgentName,
    pub task: Option<TaskId>,
}

/// What was new.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewUsage {
    pub spent: Spent,
    pub limit: Option<Limit>,
    /// Caps that this brought near their end.
    pub warnings: Vec<Warning>,
}

impl Engine {
    /// Counts what the transcripts of a session say since they were last read. `working` says for whom the main thread
    /// (nothing) or a subagent works. Where there is nothing new this costs a look at each file and one read of the store.
    pub fn read_usage(
        &self,
        of: &SessionFiles<'_>,
        working: &dyn Fn(Option<&str>) -> Working,
    ) -> Result<NewUsage, StoreError> {
        let mut new = NewUsage::default();
        let Some(format) = Format::of_client(of.client) else { return Ok(new) };
        for (file, subagent) in files(of) {
            while let Some(more) = self.read_piece(format, of.session, &file, subagent.as_deref(), working)? {
                new.spent = new.spent.plus(more.spent).unwrap_or(new.spent);
                new.limit = more.limit;
                new.warnings.extend(more.warnings);
            }
        }
        Ok(new)
    }

    /// Nothing when the file has nothing new.
    fn read_piece(
        &self,
        format: Format,
        session: &str,
        path: &Path,
        subagent: Option<&str>,
        working: &dyn Fn(Option<&str>) -> Working,
    ) -> Result<Option<NewUsage>, StoreError> {
        let Some(length) = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
        else {
            return Ok(None);
        };
        let name = path.to_string_lossy().into_owned();
        let mut from = self.view(|tx| spending::position(tx, &name))?;
        if from.position == length {
            return Ok(None);
        }
        let unreadable = |source| StoreError::File { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(unreadable)?;
        // Shorter, or other bytes than those that were read: it is another file under the old name, and is read anew. What
        // was counted of it is not counted twice.
        if from.position > length || mark(&file, from.position).map_err(unreadable)? != from.mark {
            from = Position::default();
        }
        let Some((reading, pairs)) = next(&file, format, &from, length).map_err(unreadable)? else { return Ok(None) };
        let position = from.position.saturating_add(u64::try_from(reading.consumed).unwrap_or(0));
        let mark = mark(&file, position).map_err(unreadable)?;
        let to = Position { position, mark, carried: reading.carried };
        let day = crate::domain::view::day(self.now());
        let charges: Vec<Charge> = reading
            .used
            .into_iter()
            .map(|used| {
                let who = working(used.agent.as_deref().or(subagent));
                let price = priced(self.routes.catalogue(), &used.model, &used.tokens);
                let (agent, session) = (who.agent.0, session.to_owned());
                let on = On { task: who.task, phase: String::new(), agent, session, model: used.model };
                let (micro_usd, guessed) = (price.micro_usd, price.guessed);
                Charge { id: used.id, on, day: day.clone(), tokens: used.tokens, micro_usd, guessed }
            })
            .collect();
        let (spent, warnings) = self.count(charges, pairs, name, to)?;
        Ok(Some(NewUsage { spent, limit: reading.limit, warnings }))
    }

    /// Amounts, position and warnings in one transaction: what is counted is never read again, what is not is, and who counts
    /// what passes eighty percent says so.
    fn count(
        &self,
        charges: Vec<Charge>,
        pairs: Vec<Pair>,
        file: String,
        to: Position,
    ) -> Result<(Spent, Vec<Warning>), StoreError> {
        let by = self.by(&super::startup::system(), COUNTING);
        self.counting(move |tx| {
            let charges = in_their_phases(tx, &charges)?;
            let grown = spending::record(tx, &charges, by.at)?;
            spending::put_position(tx, &file, &to)?;
            token_counts::learn(tx, &pairs, by.at)?;
            let read = charges.iter().map(|charge| AgentName(charge.on.agent.clone())).collect();
            let tasks: Vec<TaskId> = grown.tasks.into_iter().collect();
            Ok((grown.spent, warnings::watch(tx, &tasks, &by, &read, warn::due)?))
        })
    }

    /// A write under the name of counting; it may run more than once, and the last run counts.
    pub(super) fn counting<T: Default + Send + 'static>(
        &self,
        mut body: impl FnMut(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let slot = std::sync::Arc::new(std::sync::Mutex::new(T::default()));
        let fill = std::sync::Arc::clone(&slot);
        self.backend().write(
            Lock::named([spending::COUNTED.to_owned()]),
            Box::new(move |tx| {
                *fill.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = body(tx)?;
                Ok(())
            }),
        )?;
        let found = std::mem::take(&mut *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(found)
    }

    /// Sets money and tokens aside for a task, until they are settled or their holder is not heard of until then; refused where
    /// a cap of the task, or of one it is a part of, does not leave so much.
    pub fn reserve(&self, caller: &Caller, task: TaskId, wish: Spent, until: Time) -> Result<u64, Failure> {
        let (by, now) = (self.by(caller, "reserve"), self.now());
        let decide = move |facts: &Facts| budget::within(facts, task, wish, now);
        Ok(spending::reserve(self.backend(), by, task, wish, until, decide)??)
    }

    /// Gives a reservation back; false when it had lapsed. What was spent is counted as it is read.
    pub fn settle(&self, reservation: u64) -> Result<bool, StoreError> {
        self.counting(move |tx| spending::settle(tx, reservation))
    }

    /// Keeps a reservation of a holder that is still at work.
    pub fn prolong(&self, reservation: u64, until: Time) -> Result<(), StoreError> {
        self.backend().write(
            Lock::named([spending::COUNTED.to_owned()]),
            Box::new(move |tx| spending::prolong(tx, reservation, until).map(drop)),
        )
    }

    /// Gives a task other caps, in the name of a person.
    pub fn change_budget(&self, caller: &Caller, change: ChangeBudget) -> Result<Task, Failure> {
        let (id, scope) = (change.task, Scope::Budget(change.task));
        let outcome = self.command(caller, "tasks", scope, Command::ChangeBudget(change), Vec::new())?;
        self.look_at_caps(id);
        Ok(outcome.facts.task(id)?.clone())
    }

    /// What a task has cost, with everything below it.
    pub fn cost(&self, id: TaskId) -> Result<Option<TaskCost>, StoreError> {
        let by = self.by(&super::startup::system(), "tasks");
        let now = self.now();
        self.view(|tx| {
            let facts = store::look(tx, &Scope::Budget(id), &by)?;
            let Ok(task) = facts.task(id) else { return Ok(None) };
            let caps = facts.workflow_of(task).map(|workflow| budget::caps(task, workflow)).unwrap_or_default();
            let left = budget::left(&facts, task, now).unwrap_or_default();
            let (account, costs) = (spending::account(tx, id)?, spending::costs(tx, Some(id))?);
            Ok(Some(TaskCost {
                task: id,
                account,
                caps,
                left,
                minutes: task.worked_minutes(now),
                costs,
                prices: self.routes.catalogue().date.clone(),
                forecasts: warn::open_forecasts(&facts, task, now),
                kind: task.spec.kind.clone(),
                workflow: task.spec.workflow.clone(),
                usual: forecast::usual(&warnings::done_like(tx, task)?),
            }))
        })
    }
}

/// What a task has cost and what it may.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TaskCost {
    pub task: TaskId,
    /// With everything below it.
    pub account: Account,
    pub caps: Budget,
    /// The least that is left, over the task and all it is a part of.
    pub left: Option<Budget>,
    pub minutes: u64,
    pub costs: Vec<Cost>,
    /// The date of the prices it is reckoned at.
    pub prices: String,
    /// How the caps that count for it stand, and when they are used up at the pace of the last half hour.
    pub forecasts: Vec<Forecast>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    pub workflow: String,
    /// What done tasks of its type and workflow came to; nothing from fewer than five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<Usual>,
}

/// The session's own transcript, and those of its subagents, each with the subagent it is of.
fn files(of: &SessionFiles<'_>) -> Vec<(PathBuf, Option<String>)> {
    let mut found = vec![(of.transcript.to_path_buf(), None)];
    // `SESSION.jsonl` has those of its subagents in `SESSION/subagents/agent-ID.jsonl`.
    let folder = of.transcript.with_extension("").join("subagents");
    if of.all {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.take(SUBAGENTS_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.strip_prefix("agent-").and_then(|name| name.strip_suffix(".jsonl"));
            if let Some(id) = id {
                found.push((entry.path(), Some(id.to_owned())));
            }
        }
    } else if let Some(id) = of.subagent
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        found.push((folder.join(format!("agent-{id}.jsonl")), Some(id.to_owned())));
    }
    found
}

/// The next whole lines, and what they say of token counts; nothing while the next line is not complete.
fn next(file: &File, format: Format, from: &Position, length: u64) -> std::io::Result<Option<(Reading, Vec<Pair>)>> {
    let mut size = PIECE_BYTES;
    loop {
        let rest = usize::try_from(length.saturating_sub(from.position)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size.min(rest)];
        let read_bytes = fill(file, &mut bytes, from.position)?;
        bytes.truncate(read_bytes);
        let mut reading = read(format, &bytes, &from.carried);
        if reading.consumed > 0 {
            let mut found = Vec::new();
            if format == Format::ClaudeCode {
                let whole = bytes.get(..reading.consumed).unwrap_or_default();
                (found, reading.carried) = pairs(format, whole, &from.carried, weigh);
            }
            return Ok(Some((reading, found)));
        }
        if bytes.len() < size {
            return Ok(None);
        }
        if size >= LINE_BYTES_MAX {
            return Ok(Some((Reading { consumed: bytes.len(), ..reading }, Vec::new())));
        }
        size *= 4;
    }
}

fn fill(file: &File, bytes: &mut [u8], from: u64) -> std::io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = from.saturating_add(u64::try_from(done).unwrap_or(0));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// What the bytes before a position are known by; empty at the start.
fn mark(file: &File, position: u64) -> std::io::Result<String> {
    let length = position.min(MARK_BYTES);
    if length == 0 {
        return Ok(String::new());
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let done = fill(file, &mut bytes, position - length)?;
    bytes.truncate(done);
    Ok(canonical::sha256(&bytes))
}

/// Each under the phase in which its task stands.
fn in_their_phases(tx: &mut dyn Tx, charges: &[Charge]) -> Result<Vec<Charge>, StoreError> {
    let mut phases: BTreeMap<TaskId, String> = BTreeMap::new();
    for task in charges.iter().filter_map(|charge| charge.on.task) {
        if let Entry::Vacant(unknown) = phases.entry(task) {
            let phase = store::read::task(tx, task)?.map(|(task, _)| task.phase).unwrap_or_default();
            unknown.insert(phase);
        }
    }
    let phase = |task: Option<TaskId>| task.and_then(|task| phases.get(&task)).cloned().unwrap_or_default();
    Ok(charges
        .iter()
        .map(|charge| Charge { on: On { phase: phase(charge.on.task), ..charge.on.clone() }, ..charge.clone() })
        .collect())
}
