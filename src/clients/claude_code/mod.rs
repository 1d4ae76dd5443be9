//! Claude Code (seen with 2.1.329). Its hooks and its names of tools are the pattern for the one vocabulary.

pub mod hook;
pub mod kept;
pub mod permissions;
pub mod results;
pub mod settings;

use serde_json::Value;

use super::{Abilities, Client};
use crate::domain::workflow::ModelTier;

pub const CLIENT: Client = Client {
    name: "claude-code",
    title: "Claude Code",
    abilities: Abilities {
        blocks_on_failure: true,
        rewrites: true,
        confines: false,
        asks: true,
        defers: true,
        call_ids: true,
        sees_failures: true,
    },
    read: hook::read,
    answer: hook::answer,
    failed: hook::failed,
    rewrite_shell,
    set_model,
    text_of_result: Some(results::text_at),
};

fn rewrite_shell(native: &Value, command: &str) -> Value {
    super::fields::with(native, "command", command)
}

fn set_model(native: &Value, tier: ModelTier) -> Option<Value> {
    let model = match tier {
        ModelTier::Weak => "haiku",
        ModelTier::Base => "sonnet",
        ModelTier::Strong => "opus",
    };
    Some(super::fields::with(native, "model", model))
}
