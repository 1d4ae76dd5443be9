//! How often: calls a minute of one principal, and credentials that do not count from one address. Time is the engine's
//! clock, so that a test can move it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use crate::domain::credential::Principal;
use crate::domain::ids::{AgentName, Time};

use super::App;
use super::inside::Inside;
use super::listen::Peer;
use super::problem::{Problem, caught};

const MINUTE_MS: f64 = 60_000.0;
/// Who is remembered at once; beyond that, whoever called longest ago is forgotten.
const CALLERS_MAX: usize = 4096;
/// Credentials that do not count, from one address in a minute, before it has to wait.
const GUESSES_PER_MINUTE: u32 = 30;
pub const SIGN_IN: &str = "/api/v1/sign-in";

/// Token buckets: each holds a minute's worth and fills evenly.
pub struct Buckets<K> {
    of: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Time,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { of: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Takes one; where there is none, says after how many seconds there will be one.
    pub fn take(&self, who: &K, per_minute: u32, now: Time) -> Result<(), u32> {
        let full = f64::from(per_minute);
        let mut buckets = self.held();
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(who) {
            forget_oldest(&mut buckets);
        }
        let bucket = buckets.entry(who.clone()).or_insert(Bucket { tokens: full, at: now });
        // A clock that was set back gives nothing and takes nothing.
        let passed_ms = now.0.saturating_sub(bucket.at.0).max(0) as f64;
        bucket.tokens = (bucket.tokens + passed_ms * full / MINUTE_MS).min(full);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            let wait_ms = (1.0 - bucket.tokens) * MINUTE_MS / full.max(f64::MIN_POSITIVE);
            return Err((wait_ms / 1000.0).ceil().clamp(1.0, 60.0) as u32);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<K, Bucket>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for many at once, so that a flood of names does not look through all of them for each.
fn forget_oldest<K: Eq + Hash + Clone>(buckets: &mut HashMap<K, Bucket>) {
    let mut times: Vec<Time> = buckets.values().map(|bucket| bucket.at).collect();
    times.sort_unstable();
    let Some(until) = times.get(times.len() / 4).copied() else { return };
    let mut left = times.len() / 4 + 1;
    buckets.retain(|_, bucket| {
        let goes = left > 0 && bucket.at <= until;
        left -= usize::from(goes);
        !goes
    });
}

/// Everything that is counted by the minute.
#[derive(Default)]
pub struct Rates {
    calls: Buckets<AgentName>,
    guesses: Buckets<IpAddr>,
}

/// So many calls a minute for each principal.
pub fn metered(app: &App, principal: &Principal) -> Result<(), Problem> {
    let per_minute = principal.calls_per_minute.unwrap_or(app.options.limits.calls_per_minute);
    app.rates.calls.take(&principal.caller.agent, per_minute, app.engine.now()).map_err(|seconds| {
        let detail = format!("`{}` has made its {per_minute} calls of this minute", principal.caller.agent);
        let hint = format!("wait {seconds} s; `phasegate token create --rate N` makes a credential that may call more");
        too_many("too_many_calls", detail, hint, seconds)
    })
}

/// Around everything: who keeps trying credentials that do not count has to wait. Those that count pass from the same address:
/// one bad neighbour behind a proxy locks nobody out, and a secret is too long to be found by trying.
pub async fn guessing(app: &App, request: Request, inside: impl Inside) -> Response {
    let address = request.extensions().get::<Peer>().map(|peer| neighbourhood(peer.address.ip()));
    let signs_in = request.method() == Method::POST && request.uri().path() == SIGN_IN;
    let tries = request.headers().contains_key(AUTHORIZATION) || signs_in;
    let response = caught(request, inside).await;
    let (true, Some(address), StatusCode::UNAUTHORIZED) = (tries, address, response.status()) else { return response };
    match app.rates.guesses.take(&address, GUESSES_PER_MINUTE, app.engine.now()) {
        Ok(()) => response,
        Err(seconds) => {
            let detail = "too many credentials that do not count came from this address";
            let hint = format!("wait {seconds} s, and mind the token; `phasegate token list` shows which count");
            too_many("too_many_guesses", detail.to_owned(), hint, seconds).into_response()
        }
    }
}

fn too_many(code: &str, detail: String, hint: String, seconds: u32) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail).hint(hint).retry_after(seconds)
}

/// Who has one IPv6 address has as many as fit into its network.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or_else(
            || {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            },
            IpAddr::V4,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_a_minutes_worth_at_once_and_then_fills_evenly() {
        let buckets = Buckets::default();
        let start = Time(1_000_000);
        let taken = (0..10).filter(|_| buckets.take(&"ana", 6, start).is_ok()).count();
        assert_eq!(taken, 6);
        assert_eq!(buckets.take(&"ana", 6, start), Err(10));
        assert_eq!(buckets.take(&"ana", 6, Time(start.0 + 9_000)), Err(1));
        assert_eq!(buckets.take(&"ana", 6, Time(start.0 + 10_000)), Ok(()));
        assert_eq!(buckets.take(&"ana", 6, Time(start.0 + 5_000)), Err(10), "a clock set back gives nothing");
        assert_eq!(buckets.take(&"ben", 6, start), Ok(()), "another caller has a bucket of its own");
    }

    #[test]
    fn a_flood_of_names_takes_bounded_room_and_the_youngest_are_kept() {
        let buckets = Buckets::default();
        for number in 0..20_000_i64 {
            let _ = buckets.take(&number, 1, Time(number));
        }
        let held = buckets.held();
        assert!(held.len() <= CALLERS_MAX, "{} names are held", held.len());
        assert!(held.contains_key(&19_999) && !held.contains_key(&0));
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let table = [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ];
        for (address, expected) in table {
            assert_eq!(neighbourhood(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
