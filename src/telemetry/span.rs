//! One piece of work with its start and its end. Ids and the time come from whoever makes the tracer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use super::exporter::Message;
use super::parent::{Inside, TraceParent};
use super::sampler::Sampler;

/// What a server does for others, and what is inside of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub here: TraceParent,
    pub parent: Option<u64>,
    pub name: String,
    pub kind: Kind,
    pub start_ns: u64,
    pub end_ns: u64,
    pub failed: bool,
    pub attributes: Vec<(&'static str, Value)>,
}

/// Spans that were handed to the exporter, by what became of them.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    pub dropped: AtomicU64,
}

type Now = Box<dyn Fn() -> u64 + Send + Sync>;
type Random = Box<dyn Fn() -> u64 + Send + Sync>;

pub struct Tracer {
    pub(super) sampler: Sampler,
    pub(super) queue: SyncSender<Message>,
    pub(super) counts: Arc<Counts>,
    /// Nanoseconds since 1970.
    pub(super) now: Now,
    pub(super) random: Random,
}

impl Tracer {
    /// A span under that parent, or the first of its trace.
    pub fn begin(&self, name: impl Into<String>, kind: Kind, parent: Option<TraceParent>) -> Open<'_> {
        let trace =
            parent.map_or_else(|| (u128::from((self.random)()) << 64) | u128::from((self.random)()), |p| p.trace);
        let sampled = self.sampler.keeps(trace, parent);
        self.open(name, kind, trace, parent.map(|parent| parent.span), sampled)
    }

    /// A part of the work that this thread is in; nothing where it is in none, or in one that is not kept.
    pub fn part(&self, name: &str) -> Option<Open<'_>> {
        let around = super::inside().filter(|around| around.sampled)?;
        Some(self.open(name, Kind::Internal, around.trace, Some(around.span), true))
    }

    fn open(&self, name: impl Into<String>, kind: Kind, trace: u128, parent: Option<u64>, sampled: bool) -> Open<'_> {
        // An id of zeros is none.
        let here = TraceParent { trace: trace.max(1), span: (self.random)().max(1), sampled };
        let span = sampled.then(|| {
            let start_ns = (self.now)();
            let (name, attributes) = (name.into(), Vec::new());
            Span { here, parent, name, kind, start_ns, end_ns: start_ns, failed: false, attributes }
        });
        Open { tracer: self, here, span }
    }

    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

/// A span until it is dropped, which is its end.
pub struct Open<'t> {
    tracer: &'t Tracer,
    here: TraceParent,
    /// None where this trace is not kept.
    span: Option<Span>,
}

impl Open<'_> {
    pub fn here(&self) -> TraceParent {
        self.here
    }

    /// What this thread does now is part of it.
    pub fn enter(&self) -> Inside {
        Inside::of(self.here)
    }

    /// Only of words that are ours: names, codes, ids, numbers.
    pub fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.span {
            span.attributes.push((key, value.into()));
        }
    }

    pub fn rename(&mut self, name: impl Into<String>) {
        if let Some(span) = &mut self.span {
            span.name = name.into();
        }
    }

    /// It did not do what it was for, by a fault of ours.
    pub fn fail(&mut self) {
        if let Some(span) = &mut self.span {
            span.failed = true;
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let Some(mut span) = self.span.take() else { return };
        span.end_ns = (self.tracer.now)().max(span.start_ns);
        // Nobody waits for the exporter: where it does not keep up, spans are lost and counted.
        if self.tracer.queue.try_send(Message::Span(Box::new(span))).is_err() {
            self.tracer.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
