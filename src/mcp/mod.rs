//! The MCP edge: frames, the stdio transport, and the guard around a service.
mod calling;
mod deferred;
pub mod dialog;
mod ends;
mod escapes;
mod flow;
pub mod frame;
pub mod guard;
pub mod guarded;
mod lines;
pub mod methods;
mod prompts;
mod resources;
pub mod server;
pub mod stdio;
pub mod straight;
pub mod typed;
mod watching;
