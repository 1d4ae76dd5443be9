//! The log on standard error: lines for people, or JSON, one object a line, for programs. Whatever looks like a credential
//! is taken out of a line before it is written, in both.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::config::telemetry::LogFormat;

/// How secrets of ours begin, and tokens of others.
const SECRETS: [&str; 4] = ["pgt_", "pgc_", "pgp_", "eyJ"];
/// Fewer characters than that are no secret; they may be the prefix alone, in a message about it.
const SECRET_CHARS: usize = 12;
const HIDDEN: &str = "[hidden]";

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Whoever reads standard error takes objects, one a line.
pub fn is_json() -> bool {
    matches!(FORMAT.get(), Some(LogFormat::Json))
}

/// Standard output belongs to answers; the log goes to standard error.
pub fn start(format: LogFormat) {
    let _ = FORMAT.set(format);
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("PHASEGATE_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    // rmcp logs every error reply at warn, and our error replies are ordinary.
    let filter = match "rmcp=error".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    // Where a line cannot be written, the library would say so on standard error too, and end the thread that could not.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_writer(Clean).with_env_filter(filter).with_ansi(false);
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.fmt_fields(JsonFields).event_format(Json).try_init(),
    };
}

struct Json;

/// Fields of a span, kept as the members of an object.
struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(&self, mut to: Writer<'w>, fields: R) -> fmt::Result {
        let mut found = Fields::default();
        fields.record(&mut found);
        to.write_str(&serde_json::to_string(&found.0).map_err(|_| fmt::Error)?)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Json {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (meta, mut line) = (event.metadata(), Map::new());
        line.insert("time".to_owned(), Value::String(time));
        line.insert("level".to_owned(), Value::String(meta.level().as_str().to_ascii_lowercase()));
        line.insert("target".to_owned(), Value::String(meta.target().to_owned()));
        // What is around it, outermost first: the `id` of a `request` is its `request_id`. Its own fields come last and win.
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
            {
                let name = span.name();
                line.extend(fields.into_iter().map(|(key, value)| (format!("{name}_{key}"), value)));
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        line.extend(own.0);
        writeln!(to, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.put(field, Value::String(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}

/// Standard error, for one line at a time.
struct Clean;

impl<'a> MakeWriter<'a> for Clean {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line).ok().and_then(without_secrets) {
            Some(cleaned) => io::stderr().write_all(cleaned.as_bytes())?,
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Nothing where there is nothing to take out.
fn without_secrets(line: &str) -> Option<String> {
    let mut cleaned = String::new();
    let mut rest = line;
    while let Some(at) = SECRETS.iter().filter_map(|begin| rest.find(begin)).min() {
        let (before, from) = rest.split_at(at);
        let token = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let end = from.find(|c| !token(c)).unwrap_or(from.len());
        let (secret, after) = from.split_at(end);
        cleaned.push_str(before);
        cleaned.push_str(if secret.len() >= SECRET_CHARS { HIDDEN } else { secret });
        rest = after;
    }
    if cleaned.is_empty() && rest.len() == line.len() {
        return None;
    }
    cleaned.push_str(rest);
    Some(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_not_written() {
        for (line, wanted) in [
            ("nothing here", None),
            ("token=pgt_0123456789abcdef x", Some("token=[hidden] x")),
            ("Bearer pgt_0123456789abcdef, pgc_0123456789", Some("Bearer [hidden], [hidden]")),
            (r#"{"authorization":"eyJhbGciOi.J9eyJ.sig-_"}"#, Some(r#"{"authorization":"[hidden]"}"#)),
            ("it begins with pgt_", Some("it begins with pgt_")),
            ("pgt_pgt_pgt_0123", Some("[hidden]")),
        ] {
            assert_eq!(without_secrets(line).as_deref(), wanted, "{line}");
        }
    }
}
