//! Agent clients, one folder each: what their hooks say and want to hear, their names of tools, their settings, their
//! transcripts. What is decided about a call is not here.

pub mod claude_code;
pub mod codex;
pub mod cursor;
pub mod gemini;
pub mod hooked;
pub mod opencode;
pub mod setup;
pub mod vscode;
