//! Sends spans, on a thread of its own: in batches, within time limits, with rests while nobody takes them. What cannot be
//! kept is dropped and counted; no call ever waits for it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::otlp;
use super::settings::TraceSettings;
use super::span::{Counts, Span, Tracer};

const QUEUE_SPANS: usize = 4096;
const BATCH_SPANS: usize = 512;
/// Kept while nobody takes them; the oldest go first.
const PENDING_SPANS: usize = 4096;
const LINGER: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
/// What the end of the process may wait for what is left.
const FLUSH: Duration = Duration::from_secs(2);

pub enum Message {
    Span(Box<Span>),
    /// The process ends: send what is there, and say that it is done.
    Stop(SyncSender<()>),
}

/// Runs until it is dropped, which sends what is left, for a moment at most.
pub struct Exporter(SyncSender<Message>);

impl Drop for Exporter {
    fn drop(&mut self) {
        let (done, ended) = sync_channel(1);
        if self.0.try_send(Message::Stop(done)).is_ok() {
            let _ = ended.recv_timeout(FLUSH);
        }
    }
}

/// A tracer and the thread that sends what it makes.
pub fn start(
    settings: &TraceSettings,
    now: impl Fn() -> u64 + Send + Sync + 'static,
    random: impl Fn() -> u64 + Send + Sync + 'static,
) -> io::Result<(Tracer, Exporter)> {
    let (queue, jobs) = sync_channel(QUEUE_SPANS);
    let counts = Arc::<Counts>::default();
    let sender = Sender::new(settings.clone(), Arc::clone(&counts));
    std::thread::Builder::new().name("phasegate-traces".to_owned()).spawn(move || sender.run(&jobs))?;
    let tracer = Tracer {
        sampler: settings.sampler,
        queue: queue.clone(),
        counts,
        now: Box::new(now),
        random: Box::new(random),
    };
    Ok((tracer, Exporter(queue)))
}

struct Sender {
    settings: TraceSettings,
    agent: ureq::Agent,
    counts: Arc<Counts>,
    pending: VecDeque<Box<Span>>,
    failures: u32,
    rest_until: Option<Instant>,
}

enum Sent {
    Taken,
    /// It may be taken later.
    Later(String),
    Never(String),
}

impl Sender {
    fn new(settings: TraceSettings, counts: Arc<Counts>) -> Self {
        let mut config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TOTAL))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("phasegate/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment would not find this machine's own addresses.
        if matches!(settings.endpoint.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            config = config.proxy(None);
        }
        let agent = ureq::Agent::new_with_config(config.build());
        Self { settings, agent, counts, pending: VecDeque::new(), failures: 0, rest_until: None }
    }

    fn run(mut self, jobs: &Receiver<Message>) {
        loop {
            let until = now() + LINGER;
            loop {
                match jobs.recv_timeout(until.saturating_duration_since(now())) {
                    Ok(Message::Span(span)) => self.keep(span),
                    Ok(Message::Stop(done)) => {
                        self.rest_until = None;
                        self.send();
                        let _ = done.try_send(());
                        return;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return self.send(),
                }
                if self.pending.len() >= BATCH_SPANS && self.rest_until.is_none() {
                    break;
                }
            }
            self.send();
        }
    }

    fn keep(&mut self, span: Box<Span>) {
        if self.pending.len() >= PENDING_SPANS {
            self.pending.pop_front();
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.pending.push_back(span);
    }

    /// All that is pending, or up to the first batch that is not taken.
    fn send(&mut self) {
        if self.rest_until.is_some_and(|until| now() < until) {
            return;
        }
        self.rest_until = None;
        while !self.pending.is_empty() {
            let batch: Vec<Box<Span>> = self.pending.drain(..self.pending.len().min(BATCH_SPANS)).collect();
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            match self.post(&batch) {
                Sent::Taken => {
                    if self.failures > 0 {
                        tracing::warn!("spans are taken again");
                    }
                    self.failures = 0;
                    self.counts.sent.fetch_add(count, Ordering::Relaxed);
                }
                Sent::Never(why) => {
                    self.counts.dropped.fetch_add(count, Ordering::Relaxed);
                    return self.rest(&why);
                }
                Sent::Later(why) => {
                    for span in batch.into_iter().rev() {
                        self.pending.push_front(span);
                    }
                    return self.rest(&why);
                }
            }
        }
    }

    fn rest(&mut self, why: &str) {
        if self.failures == 0 {
            let host = self.settings.endpoint.host_str().unwrap_or_default();
            tracing::warn!(host, why, next = "check OTEL_EXPORTER_OTLP_ENDPOINT; calls go on", "spans cannot be sent");
        }
        self.failures = self.failures.saturating_add(1);
        let rest = LINGER.saturating_mul(1 << self.failures.min(5)).min(REST_MAX);
        self.rest_until = now().checked_add(rest);
    }

    fn post(&self, batch: &[Box<Span>]) -> Sent {
        let body = otlp::body(&self.settings.service, batch);
        let mut request = self.agent.post(self.settings.endpoint.as_str()).header("Content-Type", "application/json");
        for (name, value) in &self.settings.headers {
            request = request.header(name, value);
        }
        match request.send(body) {
            Ok(response) => match response.status().as_u16() {
                200..=299 => Sent::Taken,
                status @ (429 | 502 | 503 | 504) => Sent::Later(format!("it answered {status}")),
                status => Sent::Never(format!("it answered {status}")),
            },
            // No more of the error: it can hold the address.
            Err(ureq::Error::Timeout(_)) => Sent::Later("it did not answer in time".to_owned()),
            Err(ureq::Error::ConnectionFailed | ureq::Error::HostNotFound | ureq::Error::Io(_)) => {
                Sent::Later("it cannot be reached".to_owned())
            }
            Err(_) => Sent::Never("the request could not be made".to_owned()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a batch waits and a rest lasts; nothing else depends on it")]
fn now() -> Instant {
    Instant::now()
}
