//! PURE: what is true and what may change. No I/O, no clock, no ids made, no SQL, nothing of ours imported.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new variant must be thought of everywhere")]

pub mod approval;
pub mod brief;
pub mod canonical;
pub mod claim;
pub mod command;
pub mod decide;
pub mod duration;
pub mod event;
pub mod evidence;
pub mod facts;
pub mod graph;
pub mod ids;
pub mod query;
pub mod record;
pub mod refusal;
pub mod route;
pub mod state;
pub mod task;
pub mod workflow;
