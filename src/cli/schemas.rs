//! `phasegate schema`: the shapes others program against, made from the types.

use serde_json::{Value, json};

use crate::config::settings::SettingsFile;
use crate::config::workflow_file;
use crate::domain::event::Event;
use crate::domain::refusal::{Code, Refusal};
use crate::http::openapi;
use crate::tools::{self, TOOLS, schema as shape};

use super::{Ended, Out};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A tool, or event, refusal, workflow, config, openapi; left out: the list.
    name: Option<String>,
}

/// Schemas that are not of a tool.
pub const SCHEMAS: [&str; 5] = ["event", "refusal", "workflow", "config", "openapi"];

pub fn run(args: &Args, out: &Out) -> Result<(), Ended> {
    match &args.name {
        None => {
            let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).chain(SCHEMAS).collect();
            out.answer(&json!(names), &names.join("\n"));
        }
        Some(name) => out.text(&serde_json::to_string_pretty(&schema(name)?).unwrap_or_default()),
    }
    Ok(())
}

/// By name, as it is committed under `schemas/`.
pub fn schema(name: &str) -> Result<Value, Refusal> {
    Ok(match name {
        "event" => shape::of::<Event>(),
        "refusal" => shape::of::<Refusal>(),
        "workflow" => workflow_file::shape::shape(),
        "config" => shape::of::<SettingsFile>(),
        "openapi" => openapi::document(),
        tool => {
            let found = tools::find(tool).map_err(|refusal| {
                let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).chain(SCHEMAS).collect();
                Refusal::new(
                    Code::UnknownTool,
                    format!("there is no schema `{tool}`"),
                    format!("known: {}", names.join(", ")),
                )
                .with(json!({ "because": refusal.message }))
            })?;
            json!({
                "name": found.name,
                "title": found.title,
                "description": found.description,
                "input": (found.input)(),
                "output": (found.output)(),
            })
        }
    })
}
