//! What the environment says of traces and the log: the standard variables of OpenTelemetry, as far as they are supported,
//! and `PHASEGATE_LOG_FORMAT`. Traces are off where no address is given.

use url::Url;

use crate::telemetry::sampler::Sampler;
use crate::telemetry::settings::TraceSettings;

const SERVICE: &str = "phasegate";
const SERVICE_CHARS: usize = 200;
const HEADERS_MAX: usize = 32;
const TRACES_PATH: &str = "v1/traces";

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// By `PHASEGATE_LOG_FORMAT`; the error is a word that is none.
pub fn log_format() -> Result<LogFormat, String> {
    match variable("PHASEGATE_LOG_FORMAT") {
        None => Ok(LogFormat::Text),
        Some(word) => match word.as_str() {
            "json" => Ok(LogFormat::Json),
            "text" => Ok(LogFormat::Text),
            _ => Err(word),
        },
    }
}

/// Where traces go; nothing where they are off. The error says which variable is wrong.
pub fn traces() -> Result<Option<TraceSettings>, String> {
    checked(&variable)
}

fn checked(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<TraceSettings>, String> {
    let of_traces = |name: &str| {
        variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
            .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    };
    let off = variable("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|word| word == "none");
    let endpoint = match (variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), variable("OTEL_EXPORTER_OTLP_ENDPOINT")) {
        _ if off => return Ok(None),
        (None, None) => return Ok(None),
        (Some(whole), _) => address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &whole)?,
        (None, Some(base)) => below(&address("OTEL_EXPORTER_OTLP_ENDPOINT", &base)?)?,
    };
    if let Some(other) = of_traces("PROTOCOL").filter(|protocol| !protocol.starts_with("http/")) {
        let shown: String = other.chars().take(40).collect();
        return Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is `{shown}`, and traces go as http/json only"));
    }
    let sampler = match variable("OTEL_TRACES_SAMPLER") {
        Some(name) => Sampler::named(&name, variable("OTEL_TRACES_SAMPLER_ARG").as_deref())?,
        None => Sampler::default(),
    };
    let service = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| SERVICE.to_owned());
    Ok(Some(TraceSettings {
        endpoint,
        headers: of_traces("HEADERS").map(|text| headers(&text)).transpose()?.unwrap_or_default(),
        service: service.chars().take(SERVICE_CHARS).collect(),
        sampler,
    }))
}

/// The address itself is not shown: it can hold a secret.
fn address(name: &str, text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(format!("{name} is not an address like http://localhost:4318")),
    }
}

fn below(base: &Url) -> Result<Url, String> {
    let mut whole = base.clone();
    let path = format!("{}/{TRACES_PATH}", base.path().trim_end_matches('/'));
    whole.set_path(&path);
    Ok(whole)
}

/// `name=value,name=value`, with what is special in a value percent-encoded. Values are secrets and not shown.
fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let wrong = || "OTEL_EXPORTER_OTLP_HEADERS is not a list like `name=value,name=value`".to_owned();
    let mut found = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let name = http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let value = decoded(value.trim());
        http::HeaderValue::from_str(&value).map_err(|_| wrong())?;
        found.push((name.as_str().to_owned(), value));
    }
    if found.len() > HEADERS_MAX { Err(wrong()) } else { Ok(found) }
}

fn decoded(value: &str) -> String {
    // A form, but for `+`, which stands for itself here; `&` would end it.
    let form = value.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(value, _)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, String> {
        checked(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn traces_are_on_where_an_address_is_given_and_not_switched_off() {
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const WHOLE: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        for (variables, wanted) in [
            (vec![], None),
            (vec![(BASE, "http://localhost:4318")], Some("http://localhost:4318/v1/traces")),
            (vec![(BASE, "https://o.example/otlp/")], Some("https://o.example/otlp/v1/traces")),
            (vec![(BASE, "http://a:1"), (WHOLE, "http://b:2/x")], Some("http://b:2/x")),
            (vec![(BASE, "http://a:1"), ("OTEL_SDK_DISABLED", "true")], None),
            (vec![(BASE, "http://a:1"), ("OTEL_TRACES_EXPORTER", "none")], None),
            (vec![(BASE, "http://a:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], Some("http://a:1/v1/traces")),
        ] {
            let found = read(&variables).unwrap().map(|settings| settings.endpoint.to_string());
            assert_eq!(found.as_deref(), wanted, "{variables:?}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named_and_its_value_is_not_shown() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1");
        for (variables, name) in [
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "HUSH:4317")], "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "file:///HUSH")], "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            (vec![base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "http/json"),
            (vec![base, ("OTEL_EXPORTER_OTLP_HEADERS", "HUSH")], "OTEL_EXPORTER_OTLP_HEADERS"),
            (vec![base, ("OTEL_EXPORTER_OTLP_HEADERS", "a=%0aHUSH")], "OTEL_EXPORTER_OTLP_HEADERS"),
            (vec![base, ("OTEL_TRACES_SAMPLER", "xray")], "OTEL_TRACES_SAMPLER"),
        ] {
            let error = read(&variables).unwrap_err();
            assert!(error.contains(name) && !error.contains("HUSH"), "{error}");
        }
    }

    #[test]
    fn headers_are_decoded() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b+c=d, X-Team=core");
        let found = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"), headers]).unwrap().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found.headers, [pair("api-key", "a b+c=d"), pair("x-team", "core")]);
        assert!(!format!("{found:?}").contains("a b+c"));
    }
}
