//! Agent clients, one folder each: what their hooks say and want to hear, their names of tools, their settings, their
//! transcripts. What is decided about a call is not here.

mod fields;
mod names;
mod patch;
mod strict;
#[cfg(test)]
mod tests;

pub mod claude_code;
pub mod codex;
pub mod cursor;
pub mod gemini;
pub mod hooked;
pub mod opencode;
pub mod setup;
pub mod transcript;
pub mod vscode;

use serde_json::Value;

use crate::domain::workflow::ModelTier;
pub use strict::EVENT_BYTES_MAX;

use hooked::{HookAnswer, Hooked, Printed};

/// A client whose hooks are understood. To add one: a folder and a row in `CLIENTS`.
#[derive(Clone, Copy)]
pub struct Client {
    /// As in `phasegate hook NAME`.
    pub name: &'static str,
    pub title: &'static str,
    pub abilities: Abilities,
    /// An event from the bytes on standard input; why not, for a person.
    pub read: fn(&[u8]) -> Result<Hooked, String>,
    pub answer: fn(&Hooked, &HookAnswer) -> Printed,
    /// What is printed where no answer could be made: the call does not run.
    pub failed: fn(&[u8], &str) -> Printed,
    /// The input of a shell call, in the client's own form, with another command.
    pub rewrite_shell: fn(&Value, &str) -> Value,
    /// The input of a call that starts a subagent, in the client's own form, with the model of a tier; nothing where
    /// the client lets no one choose.
    pub set_model: fn(&Value, ModelTier) -> Option<Value>,
    /// Where the text of a result stands; nothing where the client takes no other result for a call that ran.
    pub text_of_result: Option<TextAt>,
}

/// A JSON pointer into the result of a tool: to the one text in it that a model reads. Nothing where there is none, or more
/// than one thing.
pub type TextAt = fn(tool: &str, result: &Value) -> Option<&'static str>;

/// What the client does with what it is told. Measured, not read in its documents, unless the client's folder says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// A hook that crashes, hangs or is missing stops the call, when it is set up so.
    pub blocks_on_failure: bool,
    pub rewrites: bool,
    /// It runs commands in a sandbox of its own.
    pub confines: bool,
    /// A hook can make the client ask its person.
    pub asks: bool,
    /// A run without a person can end at a call and be taken up there later.
    pub defers: bool,
    /// The hook and the server see one id for one call.
    pub call_ids: bool,
    /// The hook is told of calls that failed.
    pub sees_failures: bool,
}

pub const CLIENTS: [Client; 4] = [claude_code::CLIENT, codex::CLIENT, gemini::CLIENT, opencode::CLIENT];

pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}
