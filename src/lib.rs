//! The map: one line a module. Nothing else is here.

pub mod audit; // PURE: the log as a Merkle tree under signed heads
pub mod cli; // front door: the command line
pub mod clients; // agent clients, one folder each: hook JSON in and out, settings, transcripts
pub mod config; // what people write in files and the environment, checked
pub mod context; // PURE: what of a text a query needs, within a budget of tokens
pub mod domain; // PURE: what is true and what may change
pub mod engine; // the only entry: calls, gate runs, sweeping
pub mod http; // front door: MCP, REST, events and pages over HTTP
pub mod identity; // PURE: tokens of others and passkeys, read and checked
pub mod mcp; // front door: MCP over stdio
pub mod notify; // ways to reach a person, one file each
pub mod policy; // PURE: may this call run?
pub mod routing; // PURE: how hard is it, which tier of model
pub mod sandbox; // a command with a phase's effects only
pub mod screen; // PURE: secrets, personal data, injection in text that comes in
pub mod store; // one transaction around a decision
pub mod telemetry; // spans for OpenTelemetry, and sending them
pub mod tools; // the public surface: one file a tool, one table
