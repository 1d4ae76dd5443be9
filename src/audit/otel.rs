//! A record as an OpenTelemetry log record in OTLP/JSON, with the `mcp.*` and `gen_ai.*` attributes that apply. Those
//! conventions are in development; nothing is sent from here.

use serde_json::value::RawValue;

use crate::domain::record::CallVerdict;

use super::export::{Row, number};
use super::judged::{Judged, verdict_of};
use super::lines::Head;

/// Records in one object of an export.
pub const BATCH: usize = 1000;

pub const BEGIN: &str = concat!(
    r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"phasegate"}},"#,
    r#"{"key":"service.version","value":{"stringValue":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}]},"scopeLogs":[{"scope":{"name":"phasegate.audit"},"logRecords":["#
);
pub const END: &str = "]}]}]}\n";

/// What records of the course of a session carry for a tool.
const HOOK: &str = "hook";

/// Severity numbers of OpenTelemetry.
const INFO: (u64, &str) = (9, "INFO");
const WARN: (u64, &str) = (13, "WARN");

pub fn record(row: &Row<'_>, head: &Head<'_>, to: &mut Vec<u8>) {
    let judged = Judged::read(&head.kind, head.event);
    let verdict = verdict_of(&head.kind, head.event);
    let (severity, word) = match verdict {
        Some(CallVerdict::Allowed) | None => INFO,
        Some(CallVerdict::Refused | CallVerdict::Waived) => WARN,
    };
    for field in ["{\"timeUnixNano\":\"", "\",\"observedTimeUnixNano\":\""] {
        to.extend_from_slice(field.as_bytes());
        // Times are kept in milliseconds; 64-bit numbers are strings in OTLP/JSON.
        number(u64::try_from(head.at.0).unwrap_or(0), to);
        to.extend_from_slice(b"000000");
    }
    to.extend_from_slice(b"\",\"severityNumber\":");
    number(severity, to);
    to.extend_from_slice(b",\"severityText\":\"");
    to.extend_from_slice(word.as_bytes());
    to.extend_from_slice(b"\",\"eventName\":");
    string(&head.kind, to);
    to.extend_from_slice(b",\"body\":{\"stringValue\":");
    string(head.event, to);
    to.extend_from_slice(b"},\"attributes\":[");
    to.extend_from_slice(b"{\"key\":\"phasegate.seq\",\"value\":{\"intValue\":\"");
    number(row.seq, to);
    to.extend_from_slice(b"\"}}");
    attribute("phasegate.role", &head.role, to);
    attribute("phasegate.verdict", verdict.map_or("", CallVerdict::word), to);
    attribute("gen_ai.agent.name", &head.agent, to);
    if let Some(task) = head.task {
        attribute("phasegate.task", &task.to_string(), to);
    }
    if let Some(judged) = &judged {
        if judged.tool.starts_with("mcp__") {
            attribute("mcp.method.name", "tools/call", to);
        }
        attribute("gen_ai.operation.name", "execute_tool", to);
        attribute("gen_ai.tool.name", &judged.tool, to);
        attribute("gen_ai.tool.call.id", &judged.call, to);
        attribute("gen_ai.conversation.id", &judged.session, to);
    } else if head.role == "agent" && head.tool != HOOK {
        attribute("mcp.method.name", "tools/call", to);
        attribute("gen_ai.operation.name", "execute_tool", to);
        attribute("gen_ai.tool.name", &head.tool, to);
    } else {
        attribute("phasegate.command", &head.tool, to);
    }
    if verdict == Some(CallVerdict::Refused)
        && let Some(code) = code(head.event)
    {
        attribute("error.type", &code, to);
    }
    if row.body.is_empty() {
        to.extend_from_slice(b",{\"key\":\"phasegate.erased\",\"value\":{\"boolValue\":true}}");
    }
    to.extend_from_slice(b"]}");
}

fn code(event: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refused<'a> {
        #[serde(borrow)]
        code: Option<&'a RawValue>,
    }
    let refused: Refused<'_> = serde_json::from_str(event).ok()?;
    serde_json::from_str(refused.code?.get()).ok()
}

fn attribute(key: &str, value: &str, to: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    to.extend_from_slice(b",{\"key\":\"");
    to.extend_from_slice(key.as_bytes());
    to.extend_from_slice(b"\",\"value\":{\"stringValue\":");
    string(value, to);
    to.extend_from_slice(b"}}");
}

fn string(text: &str, to: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(to, text);
}
