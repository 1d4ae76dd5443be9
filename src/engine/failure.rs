//! How a command ends that was not carried out: refused, or a fault of ours.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::refusal::Refusal;
use crate::store::StoreError;
use crate::tools::fold;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller learns the reference, the log the cause.
    #[error(transparent)]
    Broken(#[from] StoreError),
}

impl Failure {
    /// No longer than an answer may be.
    pub(super) fn bounded(self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(fold::refusal(refusal)),
            Self::Broken(error) => Self::Broken(error),
        }
    }
}

/// By what a fault is found in the log.
pub fn reference() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
