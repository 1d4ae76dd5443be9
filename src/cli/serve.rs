//! `phasegate serve`: the MCP server over stdio, until the end of input or a signal; or over HTTP, until a signal.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::settings::Settings;
use crate::engine::notices::Dispatcher;
use crate::engine::sealer::Sealer;
use crate::engine::sweeper::Sweeper;
use crate::engine::traces;
use crate::http::options::Options;
use crate::http::{App, listen};
use crate::mcp::guard::Guard;
use crate::mcp::server::{Opening, Server, Unopened};
use crate::mcp::stdio::{self, StdioLimits};
use crate::telemetry::Exporter;

use super::hook_server::HookServer;
use super::serve_http::{self, Flags};
use super::{Ended, Out, Place};

/// Calls at work at the same time, all callers together.
const WAITING_MAX: usize = 2048;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

pub fn chosen(args: &Args, place: Place, out: &Out) -> Result<(), Ended> {
    match args.flags.http {
        None => {
            out.says_it_waits(
                "speaks MCP on its input, which a client starts; for a browser: phasegate serve --http 8808. It ends with \
                 Ctrl-C.",
            );
            run(place)
        }
        Some(address) => over_http(place, args.flags.options(address)?, args.flags.stdio, out),
    }
}

fn broken(error: &dyn std::fmt::Display) -> Ended {
    Ended::internal(error, "start it again; `phasegate doctor` checks the set-up")
}

fn over_http(place: Place, mut options: Options, stdio: bool, out: &Out) -> Result<(), Ended> {
    let settings = place.settings.clone();
    // Calls that run gates or wait for a person each hold a thread for minutes.
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(WAITING_MAX).build();
    let runtime = runtime.map_err(|error| broken(&error))?;
    let listeners = runtime.block_on(serve_http::bound(&mut options))?;
    let beside = Arc::new(Mutex::new(Beside::default()));
    let opening = Arc::new(opening(place, Arc::clone(&beside)));
    let engine = match opening.get() {
        Ok(engine) => Arc::clone(engine),
        Err(unopened) => return Err(Ended::internal(&unopened.message, &unopened.hint)),
    };
    serve_http::announce(&options, out);
    let stop = CancellationToken::new();
    let serving =
        runtime.spawn(listen::serve_all(App::new(engine, options), listeners, stop.clone().cancelled_owned()));
    let ended = if stdio {
        over_stdio(opening, settings)
    } else {
        runtime.block_on(stopped());
        Ok(())
    };
    stop.cancel();
    let served = runtime.block_on(async {
        tokio::select! {
            served = serving => served.map_err(|error| broken(&error))?.map_err(|error| broken(&error)),
            // Told twice: whoever tells does not want to wait.
            () = stopped() => Ok(()),
        }
    });
    end(runtime, &beside);
    ended.and(served)
}

pub fn run(place: Place) -> Result<(), Ended> {
    let settings = place.settings.clone();
    let beside = Arc::new(Mutex::new(Beside::default()));
    // A folder that holds no workspace gets one with its first call, not because a client looked in.
    let exists = place.has_store();
    let opening = Arc::new(opening(place, Arc::clone(&beside)));
    let early = Arc::clone(&opening);
    // The store opens while the client is still saying hello.
    let ahead = std::thread::Builder::new().name("phasegate-open".to_owned()).spawn(move || {
        if exists && let Err(unopened) = early.get() {
            tracing::error!(message = unopened.message, hint = unopened.hint, "the workspace cannot be opened");
        }
    });
    let ahead = ahead.map_err(|error| broken(&error))?;
    let ended = over_stdio(opening, settings);
    let _ = ahead.join();
    drop(std::mem::take(&mut *beside.lock().unwrap_or_else(PoisonError::into_inner)));
    ended
}

/// Until the end of input or a signal.
fn over_stdio(opening: Arc<Opening>, settings: Settings) -> Result<(), Ended> {
    let server = Server::new(opening, settings.agent, settings.capabilities, settings.claims_per_agent);
    // One thread for the protocol: it is the fastest for one client, and calls that write run on threads of their own.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| broken(&error))?;
    let ended = runtime.block_on(async {
        let transport = stdio::open(StdioLimits::default()).map_err(|error| broken(&error))?;
        let service = Guard::new(server).counting(transport.handle());
        stdio::serve(service, transport, stopped()).await.map_err(|error| broken(&error))
    });
    // A blocked read of a terminal must not hold the process.
    runtime.shutdown_background();
    match ended? {
        rmcp::service::QuitReason::JoinError(error) => Err(broken(&error)),
        _ => Ok(()),
    }
}

fn end(runtime: Runtime, beside: &Mutex<Beside>) {
    runtime.shutdown_background();
    drop(std::mem::take(&mut *beside.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// What runs beside the calls; it ends in this order, so that the sealer comes after whoever still writes.
#[derive(Default)]
struct Beside {
    dispatcher: Option<Dispatcher>,
    hooks: Option<HookServer>,
    sweeper: Option<Sweeper>,
    sealer: Option<Sealer>,
    /// Last, so that it sends what the others did.
    traces: Option<Exporter>,
}

fn opening(place: Place, beside: Arc<Mutex<Beside>>) -> Opening {
    Opening::new(Box::new(move || {
        let engine = place.open().map_err(|ended| {
            let (message, hint) = ended.said();
            Unopened { message, hint }
        })?;
        let mut beside = beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.traces = traces::start(&engine);
        match Sweeper::start(&engine) {
            Ok(started) => beside.sweeper = Some(started),
            // Leases still end when somebody claims; only the board learns of it later.
            Err(error) => tracing::warn!(%error, "the sweeper could not be started"),
        }
        match HookServer::start(&engine, &place) {
            Ok(started) => beside.hooks = started,
            // They open the store by themselves.
            Err(error) => tracing::warn!(%error, "hooks cannot be answered by this process"),
        }
        match Dispatcher::start(&engine, &place.settings) {
            Ok(started) => beside.dispatcher = started,
            // What waits is still in the list; another process may tell of it.
            Err(error) => tracing::warn!(%error, "people cannot be told of approvals by this process"),
        }
        match Sealer::start(&engine) {
            Ok(started) => beside.sealer = Some(started),
            // `phasegate audit head` seals as well.
            Err(error) => tracing::warn!(%error, "the sealer could not be started"),
        }
        Ok(engine)
    }))
}

async fn stopped() {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
}
