//! One HTTP POST: with time limits, without redirects, with a bounded answer, and with errors that never show the address,
//! since addresses of webhooks are secrets.

use std::io::Read;
use std::time::Duration;

use super::NotSent;
use super::settings::{Found, Secret, host_of, is_loopback};

const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
/// Of an answer, only what a person may be told.
const ANSWER_BYTES: u64 = 2048;

pub fn known(found: &Found) -> Result<&Secret, NotSent> {
    found.as_ref().map_err(NotSent::new)
}

/// Asks one host, within limits of time, and follows no redirect: what is meant is where the user said.
pub fn agent(host: &str, connect: Duration, total: Duration) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .timeout_connect(Some(connect))
        .timeout_global(Some(total))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("phasegate/", env!("CARGO_PKG_VERSION")));
    // A proxy of the environment would not find this machine's own addresses.
    if is_loopback(host) {
        config = config.proxy(None);
    }
    ureq::Agent::new_with_config(config.build())
}

/// Posts JSON; every status but 2xx is a failure.
pub fn post(url: &Secret, headers: &[(&str, &str)], body: &str) -> Result<(), NotSent> {
    let host = host_of(url.shown()).unwrap_or_default();
    let mut request = agent(host, CONNECT, TOTAL).post(url.shown()).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut secrets = vec![url.shown()];
    secrets.extend(parts_of(url.shown()));
    secrets.extend(headers.iter().map(|(_, value)| *value));
    let mut response = request.send(body).map_err(|error| unreached(&error, host, &secrets))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut said = String::new();
    let _ = response.body_mut().as_reader().take(ANSWER_BYTES).read_to_string(&mut said);
    let why = match status.as_u16() {
        300..=399 => "; redirects are not followed, so set the address it leads to".to_owned(),
        401 | 403 => "; check the token or the secret".to_owned(),
        404 | 410 => "; check the address".to_owned(),
        _ => String::new(),
    };
    let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
    let failed = NotSent::without(&format!("{host} answered {}{why}{said}", status.as_u16()), &secrets);
    Err(NotSent { wait_seconds: wait, ..failed })
}

/// Shorter parts of an address are words such as `api`, and no secrets.
const PART_CHARACTERS: usize = 6;

/// What a server may repeat of an address: its path and query, whole and in parts.
fn parts_of(url: &str) -> Vec<&str> {
    let after_host = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let parts = after_host.split(['/', '?', '&', '=']);
    std::iter::once(after_host).chain(parts).filter(|part| part.len() >= PART_CHARACTERS).collect()
}

fn unreached(error: &ureq::Error, host: &str, secrets: &[&str]) -> NotSent {
    let said = match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            format!("{host} did not take the connection within {} s", CONNECT.as_secs())
        }
        ureq::Error::Timeout(_) => format!("{host} did not answer within {} s", TOTAL.as_secs()),
        ureq::Error::HostNotFound => format!("no host is called {host}; check the address"),
        ureq::Error::ConnectionFailed => format!("{host} refused the connection"),
        ureq::Error::Io(error) => format!("{host}: {error}"),
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => "the address cannot be read".to_owned(),
        other => format!("{host}: {other}"),
    };
    NotSent::without(&said, secrets)
}
