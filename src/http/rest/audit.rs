//! The log: pages of records, the newest signed head, proofs that others can check, and exports that are never held whole.

use std::io;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::domain::record::{RecordFilter, RecordPage};
use crate::engine::log::Format;
use crate::engine::prove::NewestHead;
use crate::engine::sealer::SealError;
use crate::tools::{Request, query_audit, schema};

use super::super::problem::Problem;
use super::operation::{Asked, Found, Operation, Run, Shape, WHOLE, missing};
use super::{object, shape};

/// Pieces of an export that wait for a slow reader.
const PIECES_AHEAD: usize = 2;

pub fn operations() -> Vec<Operation> {
    let proof = || Shape::Json(object(&["proof", "key", "head", "path"]));
    vec![
        Operation::new(
            "audit",
            "/api/v1/audit",
            "Records that fit, the newest first, as far as the caller is shown them; or how many there are",
            Shape::Json(shape::<RecordPage>()),
            Run::Read(records),
        )
        .query((query_audit::TOOL.input)()),
        Operation::new(
            "audit_head",
            "/api/v1/audit/head",
            "The newest signed head, after sealing what is new",
            Shape::Json(shape::<NewestHead>()),
            Run::Read(head),
        ),
        Operation::new(
            "audit_proof",
            "/api/v1/audit/proof",
            "That a record is in the log under the newest head; `phasegate audit prove check` reads it",
            proof(),
            Run::Read(inclusion),
        )
        .query(schema::of::<Inclusion>())
        .roles(WHOLE),
        Operation::new(
            "audit_consistency",
            "/api/v1/audit/consistency",
            "That the log goes on from an older one, and nothing before was changed",
            proof(),
            Run::Read(consistency),
        )
        .query(schema::of::<Consistency>()),
        Operation::new(
            "audit_export",
            "/api/v1/audit/export",
            "The log, or a part of it, for other programs: JSON Lines as stored, CSV, or OpenTelemetry",
            Shape::Bytes(&["application/jsonl", "text/csv; charset=utf-8"]),
            Run::Stream(export),
        )
        .query(schema::of::<Export>())
        .roles(WHOLE),
    ]
}

fn records(asked: &Asked) -> Result<Found, Problem> {
    let filter = match (query_audit::TOOL.parse)(asked.raw_query())? {
        Request::QueryAudit(filter) => filter,
        _ => RecordFilter::default(),
    };
    let page = asked.engine().records_seen(asked.caller(), &filter)?;
    let way = if filter.after.is_some() { "after" } else { "before" };
    Ok(Found::json(&page)?.next(way, page.next))
}

/// A log that cannot be sealed is a fault of ours or of the machine; the reason is no secret.
fn unsealed(error: SealError) -> Problem {
    match error {
        SealError::Store(error) => error.into(),
        error => {
            tracing::error!(%error, "the log cannot be sealed");
            Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, "not_sealed", error.to_string()).hint(error.hint())
        }
    }
}

fn head(asked: &Asked) -> Result<Found, Problem> {
    let head = asked.engine().newest_head().map_err(unsealed)?;
    Found::json(&head.ok_or_else(|| missing("no_records", "the log holds no record yet", "a first call writes one"))?)
}

const NUMBER_MAX: u64 = 1_000_000_000_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inclusion {
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    seq: u64,
}

fn inclusion(asked: &Asked) -> Result<Found, Problem> {
    asked.engine().may_prove(asked.caller())?;
    let Inclusion { seq } = asked.query()?;
    let found = asked.engine().prove_inclusion(seq).map_err(unsealed)?;
    let hint = "`GET /api/v1/audit` shows what there is";
    let proof = found.ok_or_else(|| missing("no_records", format!("there is no record {seq}"), hint))?;
    // What we hand out as a proof must be one.
    proof.check(&[]).map_err(|why| not_borne_out(&why))?;
    Found::json(&proof)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Consistency {
    /// How many records the older log had.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    from: u64,
    /// How many the newer one had when a head of it was made; the newest head when left out.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    to: Option<u64>,
}

fn consistency(asked: &Asked) -> Result<Found, Problem> {
    let Consistency { from, to } = asked.query()?;
    let found = asked.engine().prove_growth(from, to).map_err(unsealed)?;
    let hint = "the older one is larger, or no head of the newer size is kept; leave `to` out to take the newest head";
    let proof = found.ok_or_else(|| missing("no_head", "there are no such two logs", hint))?;
    proof.check(&[]).map_err(|why| not_borne_out(&why))?;
    Found::json(&proof)
}

fn not_borne_out(why: &str) -> Problem {
    tracing::error!(why, "a proof does not hold");
    let detail = format!("the log does not bear this out: {why}");
    Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, "log_changed", detail)
        .hint("`phasegate audit verify` says what was changed")
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Jsonl,
    Csv,
    Otel,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Export {
    /// `jsonl` when left out.
    format: Option<Form>,
    /// The first record; 1 when left out.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    from: Option<u64>,
    /// The last record; the newest when left out.
    #[schemars(range(min = 1, max = NUMBER_MAX))]
    to: Option<u64>,
}

fn export(asked: Asked) -> Result<Response, Problem> {
    asked.engine().may_export(asked.caller())?;
    let Export { format, from, to } = asked.query()?;
    let (format, kind, name) = match format.unwrap_or_default() {
        Form::Jsonl => (Format::Jsonl, "application/jsonl", "audit.jsonl"),
        Form::Csv => (Format::Csv, "text/csv; charset=utf-8", "audit.csv"),
        Form::Otel => (Format::Otel, "application/jsonl", "audit-otel.jsonl"),
    };
    // A slow reader keeps a thread, as a stream of events does not.
    let permit = asked.app.limits.stream(&asked.principal)?;
    let (give, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES_AHEAD);
    let work = move || {
        let _permit = permit;
        let engine = asked.engine();
        let range = |newest: u64| (from.unwrap_or(1), newest.min(to.unwrap_or(u64::MAX)));
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let done = engine.last_record().map_err(Into::into).and_then(|newest| {
            let mut on = |bytes: &[u8], _| give.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone);
            engine.export_to(format, range(newest), &mut on)
        });
        // The answer has begun, so all that is left is to end it in a way that shows.
        if let Err(error) = done {
            tracing::warn!(%error, "an export ended early");
            let _ = give.blocking_send(Err(io::Error::other("the export ended early")));
        }
    };
    tokio::task::spawn_blocking(work);
    let pieces =
        futures::stream::unfold(pieces, |mut pieces| async { pieces.recv().await.map(|piece| (piece, pieces)) });
    let named = format!("attachment; filename=\"{name}\"");
    let headers =
        [(CONTENT_TYPE, kind.to_owned()), (CACHE_CONTROL, "no-store".to_owned()), (CONTENT_DISPOSITION, named)];
    Ok((headers, Body::from_stream(pieces.boxed())).into_response())
}
