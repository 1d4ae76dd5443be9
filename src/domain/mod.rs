//! PURE: what is true and what may change. No I/O, no clock, no ids made, no SQL, nothing of ours imported.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new variant must be thought of everywhere")]

pub mod address;
pub mod approval;
pub mod approver;
pub mod brief;
pub mod bypass;
pub mod call;
pub mod call_text;
pub mod canonical;
pub mod claim;
pub mod command;
pub mod context;
pub mod credential;
pub mod decide;
pub mod deferred;
pub mod duration;
pub mod event;
pub mod evidence;
pub mod facts;
pub mod flag;
pub mod forecast;
pub mod graph;
pub mod ids;
pub mod issuer;
pub mod notice;
pub mod passkey;
pub mod preference;
pub mod query;
pub mod record;
pub mod refusal;
pub mod route;
pub mod savings;
pub mod session;
pub mod spending;
pub mod state;
pub mod strict_json;
pub mod task;
pub mod view;
pub mod violation;
pub mod visible;
pub mod warning;
pub mod workflow;
