//! A workflow file becomes a compiled workflow, or the list of everything wrong with it.
//! Finding and opening files is not here; a schema named by path comes through the caller's loader.

mod compile;
mod context;
mod fields;
mod flow;
mod gates;
mod problem;
mod schema;
pub mod shape;
mod tree;

pub use problem::{Problem, nearest};

use crate::domain::workflow::Workflow;
use fields::Reader;

/// Gives the JSON of a schema file named relative to the workflow file, or says why it cannot.
pub type LoadSchema<'l> = dyn FnMut(&str) -> Result<serde_json::Value, String> + 'l;

/// No file needs more to be mended, and no terminal shows more.
const MAX_PROBLEMS: usize = 100;

pub fn read(source: &str, load_schema: &mut LoadSchema<'_>) -> Result<Workflow, Vec<Problem>> {
    let root = tree::parse(source).map_err(few)?;
    let mut reader = Reader::new(load_schema);
    let workflow = compile::workflow(&mut reader, &root);
    match workflow {
        Some(workflow) if reader.problems.is_empty() => Ok(workflow),
        _ => Err(few(reader.problems)),
    }
}

fn few(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup();
    problems.truncate(MAX_PROBLEMS);
    problems
}

#[cfg(test)]
mod tests;
