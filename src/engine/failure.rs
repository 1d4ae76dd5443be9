//! How a command ends that was not carried out: refused, or a fault of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::refusal::Refusal;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller learns the reference, the log the cause.
    #[error(transparent)]
    Broken(#[from] StoreError),
}

/// By what a fault is found in the log.
pub fn reference() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
