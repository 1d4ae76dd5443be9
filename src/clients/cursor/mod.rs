//! Cursor: an MCP server among its own tools, which no hook of ours sees.

pub mod settings;
