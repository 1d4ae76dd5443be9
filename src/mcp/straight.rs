//! Calls of tools that need nothing of rmcp's machinery: no stream, nothing asked or told before the answer. They are answered
//! as rmcp answers them, without its tasks and channels. Whatever is not plainly such a call is left to rmcp, which also says
//! what is wrong with it. In a session those are reads alone: the answer to a write can be asked for again there.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::ACCEPT;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use rmcp::model::{
    CallToolResponse, CallToolResult, ClientCapabilities, JsonObject, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::domain::credential::Principal;
use crate::telemetry::TraceParent;
use crate::tools::{self, Tool, request_approval};

use super::calling::{self, Joins, Said};
use super::frame::Id;
use super::guarded::{AtWork, Guarded};
use super::server::{Reporter, Server, apart, completed, rendered, unusable};

const VERSION: &str = "2026-07-28";
/// Those with sessions.
const OLDER: [&str; 2] = ["2025-11-25", "2025-06-18"];
const METHOD: &str = "tools/call";
const PROTOCOL: &str = "mcp-protocol-version";
const PARAMETER: &str = "mcp-param-";
const SESSION: &str = "mcp-session-id";

/// A call that is read and of which rmcp would make nothing else.
pub struct Plain<'a> {
    pub id: RequestId,
    /// Where it is made in one. Whether that is the caller's, and there at all, is not known here.
    pub session: Option<&'a str>,
    tool: &'static Tool,
    arguments: Value,
    meta: Meta<'a>,
}

/// What is not named here is rmcp's to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    arguments: Option<JsonObject>,
    #[serde(rename = "_meta", borrow, default)]
    meta: Meta<'a>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<ClientCapabilities>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo")]
    _client: Option<IgnoredAny>,
    #[serde(rename = "claudecode/toolUseId", default, deserialize_with = "text")]
    claude_code_call: Option<String>,
    #[serde(rename = "callId", default, deserialize_with = "text")]
    call: Option<String>,
    #[serde(rename = "phasegate/phase_token", default, deserialize_with = "text")]
    phase_token: Option<String>,
    #[serde(default, deserialize_with = "text")]
    traceparent: Option<String>,
    #[serde(rename = "tracestate")]
    _tracestate: Option<IgnoredAny>,
}

/// A text where the field is there at all: `null` is neither.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

impl<'a> Plain<'a> {
    /// A sound request of this method and with these parameters, where it is such a call.
    pub fn read(headers: &'a HeaderMap, id: Id<'_>, method: &str, params: Option<&'a str>) -> Option<Self> {
        if method != METHOD || !accepts_both(headers) || headers.keys().any(is_rmcps) {
            return None;
        }
        let session = headers.get(SESSION);
        let is_known = match session {
            Some(_) => OLDER.iter().any(|version| says(headers, PROTOCOL, version)),
            None => says(headers, PROTOCOL, VERSION) && says(headers, "mcp-method", METHOD),
        };
        if !is_known {
            return None;
        }
        let Params { name, arguments, meta } = serde_json::from_str(params?).ok()?;
        let tool = tools::find(&name).ok()?;
        let is_plain = match (session, &meta.version, &meta.capabilities) {
            (Some(id), None, None) => tool.read_only && says(headers, SESSION, id),
            (None, Some(version), Some(can)) => {
                // A client with a way to ask its person, or to fetch an answer later.
                let asks = tool.name == request_approval::TOOL.name || (!tool.read_only && can.supports_tasks());
                version == VERSION && says(headers, "mcp-name", name.as_bytes()) && !asks
            }
            _ => false,
        };
        if !is_plain {
            return None;
        }
        let id = match id {
            Id::Number(number) => RequestId::Number(number),
            Id::Text(text) => RequestId::String(text.into()),
        };
        let session = session.and_then(|id| id.to_str().ok());
        Some(Self { id, session, tool, arguments: Value::Object(arguments.unwrap_or_default()), meta })
    }
}

/// The header stands there once, with this value.
fn says(headers: &HeaderMap, name: &str, value: impl AsRef<[u8]>) -> bool {
    let mut all = headers.get_all(name).iter();
    all.next().is_some_and(|one| one.as_bytes() == value.as_ref()) && all.next().is_none()
}

fn is_rmcps(name: &HeaderName) -> bool {
    name.as_str().starts_with(PARAMETER)
}

/// Both forms of an answer, each named as it is.
fn accepts_both(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return false };
    let has = |form: &str| one.to_str().is_ok_and(|forms| forms.split(',').any(|one| one.trim() == form));
    has("application/json") && has("text/event-stream")
}

impl Guarded<Server> {
    /// The body of the answer. None where this caller has too many calls at work, which is rmcp's to say.
    pub async fn straight(&self, principal: &Principal, parts: &Parts, call: Plain<'_>) -> Option<Vec<u8>> {
        let at_work = self.begin_for(principal).ok()?;
        let (id, in_session) = (call.id.clone(), call.session.is_some());
        let work = self.inner().plain(principal, parts.extensions.get().copied(), call, at_work);
        let message = match self.answered("call_tool", Box::pin(async { Ok(work.await) })).await {
            Ok(mut result) => {
                if in_session {
                    // The older protocol knows one kind of result only.
                    result.result_type = None;
                }
                ServerJsonRpcMessage::response(ServerResult::from(CallToolResponse::from(result)), id)
            }
            Err(error) => ServerJsonRpcMessage::error(error, Some(id)),
        };
        // The call has been made, so it is answered here whatever comes.
        Some(serde_json::to_vec(&message).unwrap_or_default())
    }
}

impl Server {
    async fn plain(
        &self,
        principal: &Principal,
        around: Option<TraceParent>,
        call: Plain<'_>,
        at_work: AtWork,
    ) -> CallToolResult {
        let engine = match self.opening.get() {
            Ok(engine) => engine,
            Err(unopened) => return unusable(unopened),
        };
        let Plain { tool, arguments, meta, .. } = call;
        let said = Said {
            call: meta.claude_code_call.as_deref().or(meta.call.as_deref()),
            phase_token: meta.phase_token.as_deref(),
        };
        let caller = match calling::caller(engine, principal.caller.clone(), Joins::Own, tool, &arguments, &said) {
            Ok(caller) => caller,
            Err(failure) => return rendered(Err(failure)),
        };
        let trace = meta.traceparent.as_deref().and_then(TraceParent::parse).or(around);
        // Whoever gives up the connection gives up this future.
        let given_up = CancellationToken::new();
        let _until_dropped = given_up.clone().drop_guard();
        let reporter = Reporter::silent(Box::new(move || given_up.is_cancelled()), trace);
        if tool.read_only {
            return rendered(engine.call(&caller, tool, arguments, &reporter));
        }
        let engine = Arc::clone(engine);
        let called = apart(move || {
            // For as long as the work goes on, whether or not anybody still waits for it.
            let _at_work = at_work;
            Ok(completed(&engine, &caller, tool, arguments, &reporter, true))
        });
        called.await.unwrap_or_else(|failure| rendered(Err(failure)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const PLAIN: [(&str, &str); 4] = [
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", VERSION),
        ("mcp-method", METHOD),
        ("mcp-name", "list_tasks"),
    ];

    fn is_plain(headers: &HeaderMap, params: &Value) -> bool {
        let text = params.to_string();
        Plain::read(headers, Id::Number(1), METHOD, Some(&text)).is_some()
    }

    #[test]
    fn what_rmcp_would_read_more_of_is_left_to_it() {
        let plain = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
        });
        let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        for (tool, name, value, expected) in [
            ("list_tasks", "io.modelcontextprotocol/clientInfo", json!({ "name": "a", "version": "1" }), true),
            ("list_tasks", "claudecode/toolUseId", json!("toolu_1"), true),
            ("list_tasks", "claudecode/toolUseId", json!(null), false),
            ("list_tasks", "traceparent", json!("00-1"), true),
            ("list_tasks", "progressToken", json!(1), false),
            ("list_tasks", "io.modelcontextprotocol/logLevel", json!("info"), false),
            ("list_tasks", "io.modelcontextprotocol/clientCapabilities", json!({ "elicitation": {} }), true),
            ("list_tasks", "io.modelcontextprotocol/clientCapabilities", tasks.clone(), true),
            ("list_tasks", "io.modelcontextprotocol/clientCapabilities", json!("none"), false),
            ("list_tasks", "io.modelcontextprotocol/protocolVersion", json!("2025-11-25"), false),
            ("transition_phase", "traceparent", json!(""), true),
            ("transition_phase", "io.modelcontextprotocol/clientCapabilities", tasks, false),
            ("request_approval", "traceparent", json!(""), false),
            ("no_such_tool", "traceparent", json!(""), false),
        ] {
            let mut meta = plain.clone();
            meta[name] = value;
            let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
            let mut headers = headers(&PLAIN);
            headers.insert("mcp-name", tool.parse().unwrap());
            assert_eq!(is_plain(&headers, &params), expected, "{params}");
        }
        let unknown = json!({ "name": "list_tasks", "_meta": plain, "requestState": "s" });
        assert!(!is_plain(&headers(&PLAIN), &unknown));
    }

    #[test]
    fn only_the_headers_of_a_plain_call_will_do() {
        let params = json!({ "name": "list_tasks", "_meta": {
            "io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {},
        } });
        assert!(is_plain(&headers(&PLAIN), &params));
        for (name, _) in PLAIN {
            let without = PLAIN.into_iter().filter(|(known, _)| *known != name);
            assert!(!is_plain(&headers(&without.collect::<Vec<_>>()), &params), "without {name}");
            let mut twice = headers(&PLAIN);
            twice.append(name, twice.get(name).cloned().unwrap());
            assert!(!is_plain(&twice, &params), "{name} twice");
        }
        for (name, value, expected) in [
            ("accept", "text/event-stream,application/json", true),
            ("accept", "application/json;q=0.1, text/event-stream", false),
            ("accept", "*/*", false),
            ("mcp-protocol-version", "2027-01-01", false),
            ("mcp-method", "tools/list", false),
            ("mcp-name", "claim_task", false),
            ("mcp-param-limit", "1", false),
            ("x-other", "1", true),
        ] {
            let mut all = headers(&PLAIN);
            all.insert(HeaderName::from_static(name), value.parse().unwrap());
            assert_eq!(is_plain(&all, &params), expected, "{name}: {value}");
        }
    }

    #[test]
    fn in_a_session_only_reads_are_plain() {
        let older = [PLAIN[0], ("mcp-protocol-version", "2025-11-25"), ("mcp-session-id", "a")];
        let list = json!({ "name": "list_tasks" });
        for (name, value, params, expected) in [
            ("x-other", "1", list.clone(), true),
            ("x-other", "1", json!({ "name": "claim_task" }), false),
            ("x-other", "1", json!({ "name": "list_tasks", "task": { "ttl": 1 } }), false),
            ("x-other", "1", json!({ "name": "list_tasks", "_meta": { "progressToken": 1 } }), false),
            (
                "x-other",
                "1",
                json!({ "name": "list_tasks", "_meta": { "io.modelcontextprotocol/protocolVersion": VERSION } }),
                false,
            ),
            ("mcp-protocol-version", "2025-06-18", list.clone(), true),
            ("mcp-protocol-version", VERSION, list.clone(), false),
            ("mcp-protocol-version", "2024-11-05", list.clone(), false),
            ("accept", "application/json", list.clone(), false),
        ] {
            let mut all = headers(&older);
            all.insert(HeaderName::from_static(name), value.parse().unwrap());
            assert_eq!(is_plain(&all, &params), expected, "{name}: {value}, {params}");
        }
        for (name, _) in older {
            let without = older.into_iter().filter(|(known, _)| *known != name);
            assert!(!is_plain(&headers(&without.collect::<Vec<_>>()), &list), "without {name}");
            let mut twice = headers(&older);
            twice.append(name, twice.get(name).cloned().unwrap());
            assert!(!is_plain(&twice, &list), "{name} twice");
        }
    }
}
