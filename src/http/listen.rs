//! Listening, accepting, and ending: connections within their limits, and a stop that lets those in flight finish.

use std::io::Result;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{App, router};

/// Serves until `stopped` is over and what was in flight has been answered.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let router = router(&app);
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}
