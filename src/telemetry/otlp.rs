//! Spans as OTLP/JSON. Ids are hex and 64-bit numbers are strings there.

use serde_json::{Value as Json, json};

use super::span::{Kind, Span, Value};

/// `STATUS_CODE_ERROR`; what went well has no status.
const FAILED: u8 = 2;
const SAMPLED: u8 = 1;

pub fn body(service: &str, spans: &[Box<Span>]) -> String {
    let resource = [("service.name", service), ("service.version", env!("CARGO_PKG_VERSION"))];
    let resource: Vec<Json> =
        resource.iter().map(|(key, text)| attribute(key, &json!({ "stringValue": text }))).collect();
    let spans: Vec<Json> = spans.iter().map(|span| one(span)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "phasegate", "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    }] })
    .to_string()
}

fn one(span: &Span) -> Json {
    let attributes: Vec<Json> = span.attributes.iter().map(|(key, value)| attribute(key, &typed(value))).collect();
    let mut json = json!({
        "traceId": format!("{:032x}", span.here.trace),
        "spanId": format!("{:016x}", span.here.span),
        "flags": SAMPLED,
        "name": span.name,
        "kind": match span.kind { Kind::Internal => 1, Kind::Server => 2 },
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes,
    });
    if let Json::Object(fields) = &mut json {
        if let Some(parent) = span.parent {
            fields.insert("parentSpanId".to_owned(), Json::String(format!("{parent:016x}")));
        }
        if span.failed {
            fields.insert("status".to_owned(), json!({ "code": FAILED }));
        }
    }
    json
}

fn attribute(key: &str, value: &Json) -> Json {
    json!({ "key": key, "value": value })
}

fn typed(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::TraceParent;

    #[test]
    fn a_span_is_written_as_collectors_read_it() {
        let span = Span {
            here: TraceParent { trace: 0xab, span: 0xcd, sampled: true },
            parent: Some(0xef),
            name: "tools/call claim_task".to_owned(),
            kind: Kind::Server,
            start_ns: 1,
            end_ns: u64::MAX,
            failed: true,
            attributes: vec![("gen_ai.tool.name", "claim_task".into()), ("n", 3.into())],
        };
        let body: Json = serde_json::from_str(&body("phasegate", &[Box::new(span)])).unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({"key":"service.name","value":{"stringValue":"phasegate"}})
        );
        let span = &resource["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "000000000000000000000000000000ab");
        assert_eq!((&span["spanId"], &span["parentSpanId"]), (&json!("00000000000000cd"), &json!("00000000000000ef")));
        assert_eq!((&span["kind"], &span["status"]["code"]), (&json!(2), &json!(2)));
        assert_eq!(span["endTimeUnixNano"], "18446744073709551615");
        assert_eq!(span["attributes"][1], json!({"key":"n","value":{"intValue":"3"}}));
    }
}
