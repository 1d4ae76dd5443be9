//! Telling clients that a resource they watch has changed: the board when the log moves, a task when a record is about it.
//! They are told that it changed, not what; whoever wants to know reads it again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio::sync::watch;

use crate::engine::Engine;

use super::resources;
use super::server::invalid;

/// A client that watches a busy board is told so often and no more.
const PAUSE: Duration = Duration::from_millis(200);
/// How soon it is noticed that a session has ended in which nothing happens.
const LOOK: Duration = Duration::from_secs(30);
const WATCHED_MAX: usize = 64;
const SESSION: &str = "mcp-session-id";

/// What moved in the log since the last look.
struct Moves {
    engine: Arc<Engine>,
    newest: watch::Receiver<u64>,
    seen: u64,
    /// It moved since then. Kept, since whoever waits may stop waiting and begin again.
    moved: bool,
}

impl Moves {
    fn new(engine: &Arc<Engine>) -> Result<Self, ErrorData> {
        let newest = engine.feed();
        let seen = engine.last_record().map_err(|error| super::server::internal(&error))?;
        Ok(Self { engine: Arc::clone(engine), newest, seen, moved: false })
    }

    /// Those of these resources that changed, as soon as one did. `None`: it will not be known any more.
    async fn next(&mut self, watched: &Uris) -> Option<Vec<String>> {
        loop {
            if !self.moved {
                self.newest.changed().await.ok()?;
                self.moved = true;
            }
            tokio::time::sleep(PAUSE).await;
            // Where a backup was put back the numbers fall, and everything may be different.
            let (from, to) = (self.seen, *self.newest.borrow_and_update());
            let engine = Arc::clone(&self.engine);
            let touched = tokio::task::spawn_blocking(move || engine.touched(from, to)).await.ok()?;
            let touched = touched.inspect_err(|error| tracing::warn!(%error, "what changed cannot be seen")).ok()?;
            (self.seen, self.moved) = (to, false);
            let changed: Vec<String> =
                held(watched).iter().filter(|uri| resources::is_touched(uri, touched.as_ref())).cloned().collect();
            if !changed.is_empty() {
                return Some(changed);
            }
        }
    }
}

/// Runs a subscription of the newest protocol until the client closes it.
pub async fn listen(engine: &Arc<Engine>, context: &SubscriptionContext) -> Result<(), ErrorData> {
    let wanted = context.accepted().resource_subscriptions.clone().unwrap_or_default();
    let wanted: Uris = Arc::new(Mutex::new(wanted.into_iter().collect()));
    let mut moves = Moves::new(engine)?;
    loop {
        let changed = tokio::select! {
            changed = moves.next(&wanted) => changed,
            () = context.cancelled() => return Ok(()),
        };
        let Some(changed) = changed else { return Ok(()) };
        for uri in changed {
            if context.sink().notify_resource_updated(uri).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Of what a client asks to watch, what can be watched.
pub fn watchable(uris: &[String]) -> Vec<String> {
    uris.iter().filter(|uri| resources::is_watchable(uri)).take(WATCHED_MAX).cloned().collect()
}

type Uris = Arc<Mutex<BTreeSet<String>>>;

/// What the sessions of the older protocol watch.
#[derive(Default)]
pub struct Watchers {
    sessions: Arc<Mutex<HashMap<String, Uris>>>,
}

impl Watchers {
    pub fn subscribe(
        &self,
        engine: &Arc<Engine>,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !resources::is_watchable(uri) {
            let shown: String = uri.chars().take(120).collect();
            return Err(invalid(format!(
                "`{shown}` cannot be watched; phasegate://board and phasegate://task/{{id}} can"
            )));
        }
        let session = session(context);
        let mut sessions = held(&self.sessions);
        if let Some(uris) = sessions.get(&session) {
            let mut uris = held(uris);
            if uris.len() >= WATCHED_MAX && !uris.contains(uri) {
                return Err(invalid(format!("{WATCHED_MAX} resources are watched already; unsubscribe from one")));
            }
            uris.insert(uri.to_owned());
            return Ok(());
        }
        let uris: Uris = Arc::new(Mutex::new(BTreeSet::from([uri.to_owned()])));
        let moves = Moves::new(engine)?;
        sessions.insert(session.clone(), Arc::clone(&uris));
        let all = Arc::clone(&self.sessions);
        let peer = context.peer.clone();
        tokio::spawn(async move {
            tell(moves, &uris, &peer).await;
            held(&all).remove(&session);
        });
        Ok(())
    }

    pub fn unsubscribe(&self, uri: &str, context: &RequestContext<RoleServer>) {
        if let Some(uris) = held(&self.sessions).get(&session(context)) {
            held(uris).remove(uri);
        }
    }
}

async fn tell(mut moves: Moves, uris: &Uris, peer: &Peer<RoleServer>) {
    loop {
        let changed = tokio::select! {
            changed = moves.next(uris) => changed,
            () = tokio::time::sleep(LOOK) => Some(Vec::new()),
        };
        let Some(changed) = changed else { return };
        if peer.is_transport_closed() {
            return;
        }
        for uri in changed {
            if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                return;
            }
        }
    }
}

/// Over HTTP one server has many sessions; on a pipe there is one.
fn session(context: &RequestContext<RoleServer>) -> String {
    let parts = context.extensions.get::<Parts>();
    let named = parts.and_then(|parts| parts.headers.get(SESSION)).and_then(|value| value.to_str().ok());
    named.unwrap_or_default().to_owned()
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
