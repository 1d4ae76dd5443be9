//! What a caller takes for an answer. rmcp wants both forms by their names; here ranges count too, as HTTP has them.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

const JSON: [&str; 3] = ["application/json", "application/*", "*/*"];
const EVENTS: [&str; 3] = ["text/event-stream", "text/*", "*/*"];
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// Says in full what ranges stand for.
pub fn say_in_full(headers: &mut HeaderMap) {
    let ranges: Vec<(String, bool)> =
        headers.get_all(ACCEPT).iter().filter_map(|one| one.to_str().ok()).flat_map(read).collect();
    if takes(&ranges, JSON) && takes(&ranges, EVENTS) {
        headers.insert(ACCEPT, BOTH);
    }
}

/// Ranges, and whether they are wanted at all. Those with parameters of their own are told apart by nothing here.
fn read(value: &str) -> impl Iterator<Item = (String, bool)> {
    value.split(',').filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next()?.to_ascii_lowercase();
        let wanted = parts.all(|parameter| !is_zero(parameter));
        (!range.is_empty()).then_some((range, wanted))
    })
}

fn is_zero(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse::<f64>().is_ok_and(|weight| weight == 0.0)
    })
}

/// What names a form most closely says whether it is taken.
fn takes(ranges: &[(String, bool)], by: [&str; 3]) -> bool {
    by.iter().find_map(|name| ranges.iter().find(|(range, _)| range == name)).is_some_and(|(_, wanted)| *wanted)
}
