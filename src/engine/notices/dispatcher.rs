//! The thread that looks for what is due, and one thread a channel that sends it, so that a slow channel holds up no other.
//! Many processes may run one each on a store: a lease lets one send a notice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::notify::plan::Job;
use crate::store::StoreError;
use crate::store::notices;

use super::super::Engine;
use super::{Outbox, Parcel, Sent};

const EVERY: Duration = Duration::from_millis(500);
/// Looks between two that ask for everything although nothing has changed: time alone makes things due too.
const WHOLE_LOOK: u32 = 4;
/// For messages on their way when the process ends; what is not noted by then is sent again.
const FAREWELL: Duration = Duration::from_secs(2);

enum Note {
    Done(Job, Sent),
    Stop,
}

/// Runs until it is dropped.
pub struct Dispatcher {
    stop: Arc<AtomicBool>,
    notes: Sender<Note>,
    thread: Option<JoinHandle<()>>,
}

impl Dispatcher {
    /// None where no channel is set up: then nothing runs.
    pub fn start(engine: &Arc<Engine>, settings: &Settings) -> std::io::Result<Option<Self>> {
        let outbox = Outbox::new(settings);
        if outbox.is_empty() {
            return Ok(None);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (notes, inbox) = channel();
        let mut senders = BTreeMap::new();
        for name in outbox.channels.keys() {
            senders.insert(name.clone(), sender(name, &outbox, &stop, &notes)?);
        }
        let rounds = Rounds {
            engine: Arc::downgrade(engine),
            outbox,
            senders,
            underway: BTreeMap::new(),
            seen: Vec::new(),
            looks: 0,
        };
        let thread =
            std::thread::Builder::new().name("phasegate-notices".to_owned()).spawn(move || rounds.run(&inbox))?;
        Ok(Some(Self { stop, notes, thread: Some(thread) }))
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.notes.send(Note::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Not joined at the end: a message that hangs must not hold the process.
fn sender(
    name: &str,
    outbox: &Outbox,
    stop: &Arc<AtomicBool>,
    notes: &Sender<Note>,
) -> std::io::Result<Sender<Parcel>> {
    let (parcels, queue) = channel::<Parcel>();
    let (outbox, stop, notes) = (outbox.clone(), Arc::clone(stop), notes.clone());
    std::thread::Builder::new().name(format!("phasegate-to-{name}")).spawn(move || {
        for parcel in queue {
            let sent = if stop.load(Ordering::Relaxed) { Sent::Unsent } else { outbox.send(&parcel) };
            if notes.send(Note::Done(parcel.job, sent)).is_err() {
                return;
            }
        }
    })?;
    Ok(parcels)
}

struct Rounds {
    engine: Weak<Engine>,
    outbox: Outbox,
    senders: BTreeMap<String, Sender<Parcel>>,
    /// Messages handed to a sender and not yet noted.
    underway: BTreeMap<String, usize>,
    seen: Vec<i64>,
    looks: u32,
}

impl Rounds {
    fn run(mut self, inbox: &Receiver<Note>) {
        loop {
            let note = inbox.recv_timeout(EVERY);
            let Some(engine) = self.engine.upgrade() else { return };
            match note {
                Ok(Note::Done(job, sent)) => self.note(&engine, &job, sent),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => return self.farewell(&engine, inbox),
            }
            if let Err(error) = self.look(&engine) {
                tracing::warn!(%error, "people could not be told of approvals; it is tried again");
            }
        }
    }

    fn look(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let seen = engine.view(notices::signature)?;
        self.looks = self.looks.wrapping_add(1);
        if seen == self.seen && !self.looks.is_multiple_of(WHOLE_LOOK) {
            return Ok(());
        }
        self.seen = seen;
        let underway = &self.underway;
        let parcels = self.outbox.take(engine, |name| !underway.contains_key(name))?;
        for parcel in parcels {
            let name = parcel.job.channel.clone();
            let Some(sender) = self.senders.get(&name) else { continue };
            // A sender that is gone leaves the lease to lapse.
            if sender.send(parcel).is_ok() {
                *self.underway.entry(name).or_default() += 1;
            }
        }
        Ok(())
    }

    fn note(&mut self, engine: &Engine, job: &Job, sent: Sent) {
        if let Some(count) = self.underway.get_mut(&job.channel) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.underway.remove(&job.channel);
            }
        }
        if let Sent::No(failed) = &sent {
            tracing::warn!(channel = job.channel, error = failed.said, "a message was not sent; it is tried again");
        }
        if let Err(error) = self.outbox.finish(engine, job, sent) {
            tracing::warn!(%error, channel = job.channel, "what was sent could not be noted; it may be sent twice");
        }
        // What waited for this channel may go now.
        self.seen.clear();
    }

    fn farewell(mut self, engine: &Engine, inbox: &Receiver<Note>) {
        self.senders.clear();
        while !self.underway.is_empty() {
            match inbox.recv_timeout(FAREWELL) {
                Ok(Note::Done(job, sent)) => self.note(engine, &job, sent),
                Ok(Note::Stop) => {}
                Err(_) => return,
            }
        }
    }
}
