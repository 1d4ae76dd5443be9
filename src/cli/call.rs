//! `phasegate call`: one tool, as an agent would call it.

use std::io::Read;

use serde_json::Value;

use crate::domain::strict_json;
use crate::engine::Unwatched;
use crate::tools;

use super::{Ended, Out, Place};

const ARGUMENTS_MAX: u64 = 4 << 20;
/// As deep as a client's message may go.
const DEPTH_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Such as `claim_task`; `phasegate schema` lists them.
    tool: String,
    /// The arguments as JSON; `-` reads them from standard input.
    arguments: Option<String>,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let tool = tools::find(&args.tool)?;
    let text = match args.arguments.as_deref() {
        None => "{}".to_owned(),
        Some("-") => {
            out.says_it_waits("waits for the arguments on its input, as JSON; Ctrl-D ends them.");
            let mut text = String::new();
            std::io::stdin().take(ARGUMENTS_MAX).read_to_string(&mut text).map_err(|error| {
                Ended::usage(format!("the arguments cannot be read: {error}"), "give JSON in UTF-8")
            })?;
            text
        }
        Some(text) => text.to_owned(),
    };
    let arguments = strict_json::object(text.as_bytes(), DEPTH_MAX).map(Value::Object).map_err(|why| {
        Ended::usage(
            format!("what is given as arguments {why}"),
            "quote them: phasegate call claim_task '{\"id\":\"T-1\"}'",
        )
    })?;
    let engine = place.open()?;
    let reply = engine.call(&place.agent(), tool, arguments, &Unwatched)?;
    out.answer(&reply.structured, &super::output::visible(&reply.text));
    Ok(())
}
