//! `GET /api/v1/events`: records as they come, as server-sent events, from where the reader left off. A reader that is slow
//! lags behind the store; nothing is kept for it here. What an event means is not here (`domain`).

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::ids::TaskId;
use crate::domain::record::{Record, RecordFilter, parse_kinds};
use crate::engine::StoreError;
use crate::tools::schema;

use super::identity;
use super::problem::Problem;
use super::rest::operation::{Asked, Operation, Run, Shape, bad};

/// So that nothing in between takes a quiet stream for a dead one, and a credential that was revoked ends its streams.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Records of one look at the store: what a stream holds in memory.
const PAGE: usize = 100;
/// How long a client waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 1000;
const LAST_ID: HeaderName = HeaderName::from_static("last-event-id");

pub fn operation() -> Operation {
    Operation::new(
        "events",
        "/api/v1/events",
        "Records as they come, as server-sent events: `id` is the record's number, `event` its kind, `data` the record; \
         `hello` comes first, `reset` where a backup was put back",
        Shape::Bytes(&["text/event-stream"]),
        Run::Stream(events),
    )
    .query(schema::of::<Args>())
    .header("Last-Event-ID", "The last `id` that was read; the stream goes on after it. It counts before `after`.")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// Records after this number; only new ones when left out.
    #[schemars(range(max = 1_000_000_000_000u64))]
    after: Option<u64>,
    /// Kinds of records or groups of them, with commas between: `write,TaskClaimed`.
    #[schemars(length(max = 1000))]
    kind: Option<String>,
    task: Option<TaskId>,
    /// Who did it.
    #[schemars(length(max = 200))]
    agent: Option<String>,
}

/// One reader, between two looks at the store.
struct Reader {
    asked: Asked,
    filter: RecordFilter,
    newest: watch::Receiver<u64>,
    stopping: CancellationToken,
    /// Up to here everything has been looked at.
    last: u64,
    greeted: bool,
}

fn events(asked: Asked) -> Result<Response, Problem> {
    let Args { after, kind, task, agent } = asked.query()?;
    let kinds = kind.as_deref().map(parse_kinds).transpose();
    let kinds = kinds.map_err(|why| bad(&format!("`kind`: {why}"), "`GET /api/openapi.json` says more"))?;
    let resumed = asked.parts.headers.get(LAST_ID).map(|id| id.to_str().ok().and_then(|id| id.trim().parse().ok()));
    let wrong = || bad("`Last-Event-ID` is no number of a record", "send the last `id` that came, or leave it out");
    let resumed: Option<u64> = resumed.map(|id| id.ok_or_else(wrong)).transpose()?;
    let permit = asked.app.limits.stream(&asked.principal)?;
    let filter = RecordFilter { kinds: kinds.unwrap_or_default(), task, agent, limit: PAGE, ..RecordFilter::default() };
    let newest = asked.app.engine.feed();
    let stopping = asked.app.stopping.clone();
    let start = resumed.or(after);
    let reader = Reader { asked, filter, newest, stopping, last: start.unwrap_or(u64::MAX), greeted: false };
    let pieces = futures::stream::unfold((reader, permit), |(reader, permit)| async move {
        let (piece, reader) = reader.next().await?;
        Some((Ok::<_, io::Error>(piece), (reader, permit)))
    });
    let no_buffer = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    let mut response = Body::from_stream(pieces.boxed()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(no_buffer.0, no_buffer.1);
    Ok(response)
}

/// What a look at the store found.
enum Look {
    Some(Vec<u8>),
    /// The numbers fell: a backup was put back.
    Reset(u64),
    Nothing,
    /// The credential does not count any more.
    Over,
}

impl Reader {
    /// The next piece of the stream; nothing where it ends.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if self.stopping.is_cancelled() {
                return None;
            }
            let (look, mut reader) = tokio::task::spawn_blocking(move || (self.look(), self)).await.ok()?;
            match look {
                Ok(Look::Some(bytes)) => return Some((bytes.into(), reader)),
                Ok(Look::Reset(seq)) => {
                    reader.last = seq;
                    return Some((named("reset", seq, seq), reader));
                }
                Ok(Look::Nothing) => {}
                Ok(Look::Over) => return None,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ended early");
                    return None;
                }
            }
            tokio::select! {
                changed = reader.newest.changed() => changed.ok()?,
                () = reader.stopping.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    let reader = reader.still_known().await?;
                    return Some((Bytes::from_static(b": keep-alive\n\n"), reader));
                }
            }
            self = reader;
        }
    }

    fn look(&mut self) -> Result<Look, StoreError> {
        let engine = self.asked.engine();
        if !self.greeted {
            self.greeted = true;
            let newest = engine.last_record()?;
            self.last = self.last.min(newest);
            // The position, so that a reader that is cut off before its first record goes on from here.
            return Ok(Look::Some(named("hello", self.last, newest).to_vec()));
        }
        // Marked as seen before the look, so that what comes during it is looked at again. It may be a moment old, and then
        // the store says whether the numbers really fell.
        let seen = *self.newest.borrow_and_update();
        let newest = if seen < self.last { engine.last_record()? } else { seen };
        if newest < self.last {
            return Ok(Look::Reset(newest));
        }
        // Each round either finds something or comes to the end of what there was when the look began.
        while self.last < newest {
            self.filter.after = Some(self.last);
            let page = engine.records_seen(self.asked.caller(), &self.filter)?;
            let shown = page.records.last().map_or(self.last, |record| record.seq);
            self.last = page.next.unwrap_or(newest.max(shown));
            if !page.records.is_empty() {
                if !identity::still_counts(&self.asked.app, &self.asked.parts, &self.asked.principal) {
                    return Ok(Look::Over);
                }
                return Ok(Look::Some(page.records.iter().flat_map(written).collect()));
            }
        }
        Ok(Look::Nothing)
    }

    /// Ends the stream of a credential that does not count any more.
    async fn still_known(self) -> Option<Self> {
        let looked = tokio::task::spawn_blocking(move || {
            identity::still_counts(&self.asked.app, &self.asked.parts, &self.asked.principal).then_some(self)
        });
        looked.await.ok()?
    }
}

fn named(event: &str, id: u64, seq: u64) -> Bytes {
    format!("retry: {RETRY_MS}\nevent: {event}\nid: {id}\ndata: {}\n\n", json!({ "seq": seq })).into()
}

fn written(record: &Record) -> Vec<u8> {
    let kind = record.event.get("type").and_then(serde_json::Value::as_str).unwrap_or("record");
    let data = serde_json::to_string(record).unwrap_or_default();
    format!("id: {}\nevent: {kind}\ndata: {data}\n\n", record.seq).into_bytes()
}
