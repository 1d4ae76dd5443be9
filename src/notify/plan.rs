//! PURE: what is to be told to whom now. It knows quiet hours, digests, reminders, tries after a failure, and channels that
//! are left alone for a while. Sending, and keeping what was sent, is not here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::approval::Approval;
use crate::domain::ids::{ApprovalId, Time};
use crate::domain::notice::{Breaker, BreakerState, Notice, NoticeState, What};
use crate::domain::warning::{Sent, WarningKey};

/// Approvals in one message.
pub const DIGEST_MAX: usize = 20;
/// Messages that a channel is given at once; the rest waits, and another process may take it.
const JOBS_MAX: usize = 4;
/// How long a process has for the messages it took: more than `JOBS_MAX` sends that all run into their time limits.
pub const LEASE_SECONDS: u64 = 240;
const BACKOFF_MS: u64 = 2_000;
const BACKOFF_MS_MAX: u64 = 600_000;
/// Nobody acts on an outcome, so it is not tried for ever.
const OUTCOME_ATTEMPTS: u32 = 6;
/// A warning that is older is no news.
const WARNING_MS: i64 = 24 * 60 * 60 * 1000;
/// What a warning counts as where a channel wants only what has some level: anything but a signature.
const WARNING_LEVEL: u8 = 1;

/// When a channel wants to hear of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub channel: String,
    /// Approvals from one of these names; all, where none is named.
    pub for_whom: BTreeSet<String>,
    pub least_level: u8,
    pub quiet: Option<Quiet>,
    pub digest_seconds: u64,
    pub remind_seconds: Option<u64>,
}

/// Hours of the day in which nothing is sent; over midnight where they end before they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Minutes of the day.
    pub from: i32,
    pub to: i32,
    pub zone: TimeZone,
}

impl Quiet {
    fn covers(&self, time: Time) -> bool {
        let Ok(stamp) = Timestamp::from_millisecond(time.0) else { return false };
        let local = stamp.to_zoned(self.zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// What the plan needs to know of an approval.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: ApprovalId,
    pub from: Vec<String>,
    pub level: u8,
    pub asked_at: Time,
    pub expires_at: Time,
    pub pending: bool,
}

impl From<&Approval> for Waiting {
    fn from(approval: &Approval) -> Self {
        Self {
            id: approval.id,
            from: approval.from.clone(),
            level: approval.level,
            asked_at: approval.requested_at,
            expires_at: approval.expires_at,
            pending: approval.state.is_pending(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub approvals: &'a [Waiting],
    /// Those that are not closed.
    pub notices: &'a [Notice],
    pub breakers: &'a BTreeMap<String, Breaker>,
    pub now: Time,
}

/// One message to send, about one approval or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub channel: String,
    pub what: What,
    /// With the number of this attempt.
    pub approvals: Vec<(ApprovalId, u32)>,
    /// The same for caps that are nearly used up; in a message of their own.
    pub warnings: Vec<(WarningKey, u32)>,
    /// What the medium called the first message, where this one follows it.
    pub follows: Option<String>,
    /// The one try of a channel that failed; others wait for how it goes.
    pub probe: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub jobs: Vec<Job>,
    /// Pairs of which nothing more is to be told.
    pub settled: Vec<(ApprovalId, String)>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.settled.is_empty()
    }
}

type Told<'a> = BTreeMap<(ApprovalId, &'a str, What), &'a Notice>;

pub fn plan(look: &Look<'_>, schedules: &[Schedule]) -> Plan {
    let told: Told<'_> =
        look.notices.iter().map(|notice| ((notice.approval, notice.channel.as_str(), notice.what), notice)).collect();
    let mut plan = Plan { settled: settled(look, schedules, &told), ..Plan::default() };
    for schedule in schedules {
        plan.jobs.extend(of_channel(look, schedule, &told));
    }
    plan
}

/// Answered before anybody was told, or told on a channel that is no longer there for it.
fn settled(look: &Look<'_>, schedules: &[Schedule], told: &Told<'_>) -> Vec<(ApprovalId, String)> {
    let over: BTreeMap<ApprovalId, &Waiting> =
        look.approvals.iter().filter(|one| !one.pending).map(|one| (one.id, one)).collect();
    let done = told.values().filter(|notice| notice.what == What::Asked).filter(|notice| {
        let Some(one) = over.get(&notice.approval) else { return false };
        let gone = !schedules.iter().any(|schedule| schedule.channel == notice.channel && schedule.is_for(one));
        let untold = match notice.state {
            NoticeState::Failed { .. } => true,
            NoticeState::Sent | NoticeState::Leased { .. } => false,
        };
        gone || untold
    });
    done.map(|notice| (notice.approval, notice.channel.clone())).collect()
}

fn of_channel(look: &Look<'_>, schedule: &Schedule, told: &Told<'_>) -> Vec<Job> {
    let quiet = |time| schedule.quiet.as_ref().is_some_and(|quiet| quiet.covers(time));
    if quiet(look.now) {
        return Vec::new();
    }
    let state = look.breakers.get(&schedule.channel).map_or(BreakerState::Closed, |breaker| breaker.state(look.now));
    let probe = match state {
        BreakerState::Open(_) => return Vec::new(),
        BreakerState::HalfOpen => true,
        BreakerState::Closed => false,
    };
    let mut due = Due::default();
    for one in look.approvals.iter().filter(|one| schedule.is_for(one)) {
        due.add(one, schedule, told, look.now);
    }
    let window = i64::try_from(schedule.digest_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    // The digest leaves when its oldest has waited long enough; what failed once does not wait for company again.
    let ripe = due.asked.iter().any(|found| found.1 > 1 || look.now.0 - found.0.asked_at.0 >= window);
    let mut jobs = Vec::new();
    if ripe {
        let (held, fresh): (Vec<Found<'_>>, Vec<_>) = due.asked.into_iter().partition(|found| quiet(found.0.asked_at));
        // What gathered in quiet hours comes as one message.
        jobs.extend(grouped(held, schedule, What::Asked, true, told));
        jobs.extend(grouped(fresh, schedule, What::Asked, schedule.digest_seconds > 0, told));
    }
    jobs.extend(grouped(due.reminders, schedule, What::Reminder, schedule.digest_seconds > 0, told));
    jobs.extend(grouped(due.outcomes, schedule, What::Outcome, schedule.digest_seconds > 0, told));
    jobs.truncate(if probe { 1 } else { JOBS_MAX });
    for job in &mut jobs {
        job.probe = probe;
    }
    jobs
}

/// An approval, and the number of the attempt to tell of it.
type Found<'a> = (&'a Waiting, u32);

#[derive(Default)]
struct Due<'a> {
    asked: Vec<Found<'a>>,
    reminders: Vec<Found<'a>>,
    outcomes: Vec<Found<'a>>,
}

impl<'a> Due<'a> {
    fn add(&mut self, one: &'a Waiting, schedule: &Schedule, told: &Told<'_>, now: Time) {
        let row = |what| told.get(&(one.id, schedule.channel.as_str(), what)).copied();
        let attempt = |row: Option<&Notice>| match row {
            None => Some(1),
            Some(row) => row.is_due(now).then(|| row.attempts.saturating_add(1)),
        };
        let asked = row(What::Asked);
        if !one.pending {
            // A sender that died may have told it, so its outcome is told as well.
            let was_told = asked.is_some_and(|asked| match asked.state {
                NoticeState::Sent => true,
                NoticeState::Leased { until } => until <= now,
                NoticeState::Failed { .. } => false,
            });
            if let Some(attempt) = attempt(row(What::Outcome)).filter(|_| was_told) {
                self.outcomes.push((one, attempt));
            }
            return;
        }
        // Over, but not yet swept: its outcome comes soon.
        if one.expires_at <= now {
            return;
        }
        let Some(asked) = asked.filter(|asked| asked.state == NoticeState::Sent) else {
            if let Some(attempt) = attempt(asked) {
                self.asked.push((one, attempt));
            }
            return;
        };
        let Some(before) = schedule.remind_seconds else { return };
        let from =
            Time(one.expires_at.0.saturating_sub(i64::try_from(before.saturating_mul(1000)).unwrap_or(i64::MAX)));
        // Who was told only after that point needs no reminder.
        if now >= from
            && asked.at < from
            && let Some(attempt) = attempt(row(What::Reminder))
        {
            self.reminders.push((one, attempt));
        }
    }
}

impl Schedule {
    fn is_for(&self, one: &Waiting) -> bool {
        let named = self.for_whom.is_empty() || one.from.is_empty();
        one.level >= self.least_level && (named || one.from.iter().any(|name| self.for_whom.contains(name)))
    }
}

fn grouped(found: Vec<Found<'_>>, schedule: &Schedule, what: What, together: bool, told: &Told<'_>) -> Vec<Job> {
    let size = if together { DIGEST_MAX } else { 1 };
    let job = |part: &[Found<'_>]| {
        let first = |id| told.get(&(id, schedule.channel.as_str(), What::Asked)).and_then(|row| row.reference.clone());
        let mut references: Vec<Option<String>> = part.iter().map(|found| first(found.0.id)).collect();
        references.dedup();
        // Of several first messages none can stand for all.
        let follows = if references.len() == 1 { references.pop().flatten() } else { None };
        Job {
            channel: schedule.channel.clone(),
            what,
            approvals: part.iter().map(|found| (found.0.id, found.1)).collect(),
            warnings: Vec::new(),
            follows: follows.filter(|_| what != What::Asked),
            probe: false,
        }
    };
    found.chunks(size).map(job).collect()
}

/// What was told of warnings, by warning and channel.
pub type WarningsTold = BTreeMap<(WarningKey, String), Sent>;

/// One message a channel about caps that it was not told of yet. Nobody is asked anything, so a channel that wants only what must
/// be signed is not told, and what a channel slept through for a day it is not told either. `planned`: what leaves anyway.
pub fn warnings(
    near: &[WarningKey],
    told: &WarningsTold,
    schedules: &[Schedule],
    breakers: &BTreeMap<String, Breaker>,
    planned: &[Job],
    now: Time,
) -> Vec<Job> {
    let of = |schedule: &Schedule| {
        let channel = &schedule.channel;
        let state = breakers.get(channel).map_or(BreakerState::Closed, |breaker| breaker.state(now));
        let probe = state == BreakerState::HalfOpen;
        let closed = match state {
            BreakerState::Open(_) => true,
            BreakerState::HalfOpen => planned.iter().any(|job| job.channel == *channel),
            BreakerState::Closed => false,
        };
        let quiet = schedule.quiet.as_ref().is_some_and(|quiet| quiet.covers(now));
        if closed || quiet || schedule.least_level > WARNING_LEVEL {
            return None;
        }
        let due = |key: &WarningKey| match told.get(&(*key, channel.clone())) {
            None => Some((*key, 1)),
            Some(sent) => sent.due.filter(|due| *due <= now).map(|_| (*key, sent.attempts.saturating_add(1))),
        };
        let fresh = |key: &&WarningKey| now.0.saturating_sub(key.at.0) < WARNING_MS;
        let warnings: Vec<(WarningKey, u32)> = near.iter().filter(fresh).filter_map(due).take(DIGEST_MAX).collect();
        let window = i64::try_from(schedule.digest_seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        let ripe = warnings.iter().any(|(key, attempt)| *attempt > 1 || now.0 - key.at.0 >= window);
        let channel = channel.clone();
        ripe.then(|| Job { channel, what: What::Warning, approvals: Vec::new(), warnings, follows: None, probe })
    };
    schedules.iter().filter_map(of).collect()
}

/// When to try again after so many attempts, or never. `jitter` is any number; it spreads those who failed together.
pub fn again(what: What, attempts: u32, now: Time, jitter: u64) -> Option<Time> {
    if matches!(what, What::Outcome | What::Warning) && attempts >= OUTCOME_ATTEMPTS {
        return None;
    }
    let wait = BACKOFF_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(BACKOFF_MS_MAX);
    let wait = wait + jitter % (wait / 4);
    Some(Time(now.0.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))))
}

#[cfg(test)]
mod tests;
