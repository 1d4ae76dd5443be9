//! `phasegate serve`: the MCP server over stdio, until the end of input or a signal.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::sweeper::Sweeper;
use crate::mcp::guard::Guard;
use crate::mcp::server::Server;
use crate::mcp::stdio::{self, StdioLimits};

use super::{Ended, Place};

pub fn run(place: &Place) -> Result<(), Ended> {
    let engine = place.open()?;
    let broken =
        |error: &dyn std::fmt::Display| Ended::internal(error, "start it again; `phasegate doctor` checks the set-up");
    let sweeper = Sweeper::start(&engine).map_err(|error| broken(&error))?;
    let server = Server::new(engine, place.settings.agent.clone(), place.settings.claims_per_agent);
    // One thread for the protocol: it is the fastest for one client, and calls that write run on threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| broken(&error))?;
    let ended = runtime.block_on(async {
        let transport = stdio::open(StdioLimits::default()).map_err(|error| broken(&error))?;
        let service = Guard::new(server).counting(transport.handle());
        stdio::serve(service, transport, stopped()).await.map_err(|error| broken(&error))
    });
    // A blocked read of a terminal must not hold the process.
    runtime.shutdown_background();
    drop(sweeper);
    match ended? {
        rmcp::service::QuitReason::JoinError(error) => Err(broken(&error)),
        _ => Ok(()),
    }
}

async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
