//! Tells people of approvals: leases what is due, sends it outside any transaction, notes what came of it. A notice that
//! fails changes nothing of its approval. When to tell is not here (`notify::plan`), nor how (`notify`).

mod dispatcher;
mod link_key;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::settings::Settings;
use crate::domain::approval::Approval;
use crate::domain::forecast::Forecast;
use crate::domain::ids::{ApprovalId, Time};
use crate::domain::notice::{Breaker, Notice, NoticeState, What};
use crate::domain::spending::{Spent, Unit};
use crate::domain::warning::WarningKey;
use crate::notify::link::{Link, Press, sign};
use crate::notify::message::{self, Answering, Item, Message};
use crate::notify::plan::{self, Job, LEASE_SECONDS, Look, Plan, Schedule, Waiting};
use crate::notify::settings::ChannelSettings;
use crate::notify::{self, Channel, NotSent};
use crate::store::notices::{self, Board};
use crate::store::{Lock, StoreError, Tx, read, warnings};

use super::Engine;
use super::screening::Cleaner;
use super::secret_file::Secret;

pub use dispatcher::Dispatcher;
pub use link_key::link_key;

/// However long the other side asks us to wait, an hour is enough.
const WAIT_SECONDS_MAX: u64 = 3600;

impl Engine {
    /// What was told of one approval, to whom, and what went wrong.
    pub fn notices(&self, approval: ApprovalId) -> Result<Vec<Notice>, StoreError> {
        self.view(|tx| notices::of_approval(tx, approval))
    }

    /// How each channel did of late; one that was never used is not in it.
    pub fn breakers(&self) -> Result<BTreeMap<String, Breaker>, StoreError> {
        self.view(notices::breakers)
    }
}

/// Sends a message that asks nothing, to see whether a channel works; else says what went wrong.
pub fn test(channel: &ChannelSettings, workspace: String, now: Time) -> Result<(), String> {
    let message = Message {
        channel: channel.schedule.channel.clone(),
        workspace,
        what: What::Asked,
        items: Vec::new(),
        caps: Vec::new(),
        follows: None,
        at: now,
        is_test: true,
    };
    notify::open(channel).send(&message).map(drop).map_err(|failed| failed.said)
}

/// The channels of this process.
#[derive(Clone)]
pub struct Outbox {
    schedules: Arc<[Schedule]>,
    channels: BTreeMap<String, Arc<dyn Channel>>,
    links_base: Option<String>,
}

/// A leased message on its way.
pub struct Parcel {
    pub job: Job,
    message: Message,
}

/// What came of a parcel.
pub enum Sent {
    /// With what the medium calls the message.
    Yes(Option<String>),
    No(NotSent),
    /// Given back: this process ends.
    Unsent,
}

/// What is needed to write messages inside a transaction.
struct Desk {
    workspace: String,
    now: Time,
    links: Option<Links>,
    cleaner: Cleaner,
}

struct Links {
    base: String,
    key: Secret,
    nonce: String,
}

impl Outbox {
    pub fn new(settings: &Settings) -> Self {
        let schedules = settings.channels.iter().map(|channel| channel.schedule.clone()).collect();
        let channels = settings.channels.iter().map(|channel| {
            let open: Arc<dyn Channel> = Arc::from(notify::open(channel));
            (channel.schedule.channel.clone(), open)
        });
        Self { schedules, channels: channels.collect(), links_base: settings.links_base.clone() }
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// One round, without a thread of its own: what is due leaves, channels side by side. How many messages were tried.
    pub fn pass(&self, engine: &Engine) -> Result<usize, StoreError> {
        let parcels = self.take(engine, |_| true)?;
        let count = parcels.len();
        let mut by_channel: BTreeMap<String, Vec<Parcel>> = BTreeMap::new();
        for parcel in parcels {
            by_channel.entry(parcel.job.channel.clone()).or_default().push(parcel);
        }
        let results: Mutex<Vec<(Job, Sent)>> = Mutex::default();
        std::thread::scope(|scope| {
            for parcels in by_channel.into_values() {
                scope.spawn(|| {
                    for parcel in parcels {
                        let sent = self.send(&parcel);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((parcel.job, sent));
                    }
                });
            }
        });
        for (job, sent) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.finish(engine, &job, sent)?;
        }
        Ok(count)
    }

    /// Leases what is due on the channels that are free. A look comes first, so that nothing is written when nothing is due.
    pub fn take(&self, engine: &Engine, free: impl Fn(&str) -> bool) -> Result<Vec<Parcel>, StoreError> {
        let now = engine.now();
        let free: Vec<String> = self.channels.keys().filter(|name| free(name)).cloned().collect();
        let schedules = Arc::clone(&self.schedules);
        let plan = move |board: &Board| {
            let approvals: Vec<Waiting> = board.approvals.iter().map(Waiting::from).collect();
            let look = Look { approvals: &approvals, notices: &board.notices, breakers: &board.breakers, now };
            let mut plan = plan::plan(&look, &schedules);
            let near: Vec<WarningKey> = board.near.iter().map(warnings::Near::key).collect();
            let caps = plan::warnings(&near, &board.warned, &schedules, &board.breakers, &plan.jobs, now);
            plan.jobs.extend(caps);
            plan.jobs.retain(|job| free.contains(&job.channel));
            plan
        };
        if engine.view(|tx| Ok(plan(&notices::board(tx)?)))?.is_empty() {
            return Ok(Vec::new());
        }
        let desk = self.desk(engine, now);
        let slot = Arc::new(Mutex::new(Vec::new()));
        let fill = Arc::clone(&slot);
        // A body that runs again replaces what an earlier run left.
        engine.backend().write(
            Lock::named([notices::TOLD.to_owned()]),
            Box::new(move |tx| {
                let board = notices::board(tx)?;
                let parcels = desk.lease(tx, &board, plan(&board))?;
                *fill.lock().unwrap_or_else(PoisonError::into_inner) = parcels;
                Ok(())
            }),
        )?;
        let parcels = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(parcels)
    }

    fn desk(&self, engine: &Engine, now: Time) -> Desk {
        let links = self.links_base.as_ref().and_then(|base| match link_key(engine) {
            Ok(key) => Some(Links { base: base.clone(), key, nonce: engine.clock.random_hex(8) }),
            Err(error) => {
                tracing::warn!(%error, "links cannot be signed; messages carry the command instead");
                None
            }
        });
        let workspace = engine.workspace().root.display().to_string();
        Desk { workspace, now, links, cleaner: engine.screening.cleaner() }
    }

    pub fn send(&self, parcel: &Parcel) -> Sent {
        let Some(channel) = self.channels.get(&parcel.job.channel) else { return Sent::Unsent };
        match catch_unwind(AssertUnwindSafe(|| notify::deliver(channel.as_ref(), &parcel.message))) {
            Ok(Ok(reference)) => Sent::Yes(reference),
            Ok(Err(failed)) => Sent::No(failed),
            Err(_) => Sent::No(NotSent { said: "sending broke; the log says where".to_owned(), wait_seconds: None }),
        }
    }

    /// Notes what came of a message, in one short transaction.
    pub fn finish(&self, engine: &Engine, job: &Job, sent: Sent) -> Result<(), StoreError> {
        let now = engine.now();
        let jitter = u64::from_str_radix(&engine.clock.random_hex(4), 16).unwrap_or(0);
        let warned = job.warnings.iter().map(|(_, attempt)| *attempt);
        let attempts = job.approvals.iter().map(|(_, attempt)| *attempt).chain(warned).max().unwrap_or(1);
        let (state, reference, error) = match sent {
            Sent::Yes(reference) => (NoticeState::Sent, reference, None),
            Sent::Unsent => (NoticeState::Failed { again: Some(now) }, None, None),
            Sent::No(failed) => {
                let asked_to_wait = failed.wait_seconds.map(|wait| now.plus_seconds(wait.min(WAIT_SECONDS_MAX)));
                let again = plan::again(job.what, attempts, now, jitter).map(|again| Some(again).max(asked_to_wait));
                (NoticeState::Failed { again: again.flatten() }, None, Some(failed.said))
            }
        };
        let counts = error.is_some() || state == NoticeState::Sent;
        let over =
            job.what == What::Outcome && matches!(state, NoticeState::Sent | NoticeState::Failed { again: None });
        let job = job.clone();
        engine.backend().write(
            Lock::named([notices::TOLD.to_owned()]),
            Box::new(move |tx| {
                for (approval, attempts) in &job.approvals {
                    let result = Notice {
                        approval: *approval,
                        channel: job.channel.clone(),
                        what: job.what,
                        state,
                        attempts: *attempts,
                        at: now,
                        reference: reference.clone(),
                        error: error.clone(),
                    };
                    notices::finish(tx, &result)?;
                    if over {
                        notices::close(tx, *approval, &job.channel)?;
                    }
                }
                for (key, attempt) in &job.warnings {
                    let again = match state {
                        NoticeState::Failed { again } => again,
                        NoticeState::Sent | NoticeState::Leased { .. } => None,
                    };
                    warnings::finish(tx, *key, &job.channel, *attempt, again)?;
                }
                if counts {
                    let breaker = notices::breakers(tx)?.remove(&job.channel).unwrap_or_default();
                    notices::put_breaker(tx, &job.channel, &breaker.after(error.as_deref(), now))?;
                }
                Ok(())
            }),
        )
    }
}

impl Desk {
    fn lease(&self, tx: &mut dyn Tx, board: &Board, plan: Plan) -> Result<Vec<Parcel>, StoreError> {
        let until = self.now.plus_seconds(LEASE_SECONDS);
        for (approval, channel) in &plan.settled {
            notices::close(tx, *approval, channel)?;
        }
        let mut parcels = Vec::new();
        for job in plan.jobs {
            let mut items = Vec::new();
            for (id, attempt) in &job.approvals {
                notices::lease(tx, *id, &job.channel, job.what, *attempt, self.now, until)?;
                let Some(approval) = board.approvals.iter().find(|approval| approval.id == *id) else { continue };
                let task = match approval.task {
                    Some(task) => read::task(tx, task)?.map(|(task, _)| task.spec.title),
                    None => None,
                };
                // Before anything is cut, so that no half of a secret stays.
                let shown = self.cleaner.approval(approval);
                let title = task.map(|title| self.cleaner.text(title));
                let answer = if shown == *approval {
                    self.answering(approval, &job.channel)
                } else {
                    // What was taken out has to be looked at where it is whole.
                    Answering::command(approval.id)
                };
                items.push(Item::of(&shown, title, answer));
            }
            let mut caps = Vec::new();
            for (key, attempt) in &job.warnings {
                warnings::lease(tx, *key, &job.channel, *attempt, until)?;
                caps.extend(board.near.iter().find(|near| near.key() == *key).map(|near| self.near(near)));
            }
            if job.probe {
                let breaker = board.breakers.get(&job.channel).cloned().unwrap_or_default();
                notices::put_breaker(tx, &job.channel, &Breaker { open_until: Some(until), ..breaker })?;
            }
            let message = Message {
                channel: job.channel.clone(),
                workspace: self.workspace.clone(),
                what: job.what,
                items,
                caps,
                follows: job.follows.clone(),
                at: self.now,
                is_test: false,
            };
            parcels.push(Parcel { job, message });
        }
        Ok(parcels)
    }

    /// As it stands now, and not as it was when it was found.
    fn near(&self, near: &warnings::Near) -> message::Near {
        let warnings::Near { task, account, warned } = near;
        let taken = |of: fn(&Spent) -> u64| (of(&account.spent), of(&account.reserved));
        let (spent, reserved) = match warned.unit {
            Unit::MicroUsd => taken(|sum| sum.micro_usd),
            Unit::Tokens => taken(|sum| sum.tokens),
            Unit::Calls => taken(|sum| sum.calls),
            Unit::Minutes => (task.worked_minutes(self.now), 0),
        };
        let percent = spent.saturating_add(reserved).saturating_mul(100).checked_div(warned.cap).unwrap_or(100);
        let (task_id, unit, cap) = (task.id, warned.unit, warned.cap);
        message::Near {
            title: self.cleaner.text(task.spec.title.clone()),
            at: warned.at,
            cap: Forecast { task: task_id, unit, cap, spent, reserved, percent, minutes_left: None },
        }
    }

    fn answering(&self, approval: &Approval, channel: &str) -> Answering {
        let link = |press: Press| {
            let links = self.links.as_ref()?;
            let link = Link {
                approval: approval.id,
                digest: approval.digest.clone(),
                press,
                channel: channel.to_owned(),
                expires_at: approval.expires_at,
                nonce: format!("{}-{}", links.nonce, press.word()),
            };
            Some(format!("{}/a/{}", links.base, sign(links.key.as_slice(), &link)?))
        };
        match (link(Press::Open), link(Press::Approve), link(Press::Reject)) {
            (Some(open), Some(approve), Some(reject)) => Answering::Links { open, approve, reject },
            _ => Answering::command(approval.id),
        }
    }
}
