//! The `context` of a workflow or a phase: which results of the client's own tools are made shorter, and to what. How a text
//! is made shorter is not here.

use super::fields::{Fields, Reader, join};
use super::tree::{Node, Value};
use crate::domain::context::{ReducedResults, Results, TokenBudget};
use crate::policy::results;

/// Below this a mark and a handle cost as much as they save.
const ABOVE_MIN: u64 = 200;
const ABOVE_MAX: u64 = 1_000_000;
const KEEP_MIN: f64 = 100.0;
const TOOLS_MAX: usize = 64;
/// As `optimize_context` keeps where nothing is said.
const KEEP_DEFAULT: TokenBudget = TokenBudget::Share(0.5);

pub fn read(reader: &mut Reader<'_, '_>, node: &Node, path: &str) -> Option<Results> {
    if let Value::Text(..) = node.value {
        return reader.choice(node, path, &[("off", ())]).map(|()| Results::Whole);
    }
    let fields = reader.fields(node, path, &["reduce_above", "keep", "tools"])?;
    let Some(above) = fields.get("reduce_above") else {
        let hint = "write from how many tokens on a result is made shorter: `reduce_above: 4000`";
        reader.refuse(fields.at, path, "the key `reduce_above` is missing", hint);
        return None;
    };
    let above = reader.whole(above, &join(path, "reduce_above"), ABOVE_MIN, ABOVE_MAX)?;
    let keep = match fields.get("keep") {
        Some(node) => keep(reader, node, &join(path, "keep"), above)?,
        None => KEEP_DEFAULT,
    };
    Some(Results::Reduced(ReducedResults { above, keep, tools: tools(reader, &fields, path) }))
}

/// A share below 1, a number of tokens above.
fn keep(reader: &mut Reader<'_, '_>, node: &Node, path: &str, above: u64) -> Option<TokenBudget> {
    let amount = reader.amount(node, path)?;
    if amount < 1.0 {
        return Some(TokenBudget::Share(amount));
    }
    let hint = format!("write a share below 1 such as `0.4`, or tokens from {KEEP_MIN} to {above}");
    let why = if amount < KEEP_MIN || amount.fract() != 0.0 {
        Some("is no share below 1 and no number of tokens that holds anything".to_owned())
    } else if amount > above as f64 {
        Some(format!("is more than `reduce_above`, so a result of {} tokens would not be made shorter", above + 1))
    } else {
        None
    };
    if let Some(why) = why {
        reader.refuse(node.at, path, format!("`{amount}` {why}"), hint);
        return None;
    }
    Some(TokenBudget::Tokens(amount as u64))
}

fn tools(reader: &mut Reader<'_, '_>, fields: &Fields<'_>, path: &str) -> Vec<String> {
    let Some(node) = fields.get("tools") else { return Vec::new() };
    let path = join(path, "tools");
    let (written, before) = (reader.texts(node, &path, TOOLS_MAX), reader.problems.len());
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        let message = "the list names no tool, so nothing would be made shorter";
        reader.refuse(node.at, &path, message, "name some, leave the key out, or write `context: off`");
    }
    let mut tools: Vec<String> = Vec::new();
    for (index, (tool, at)) in written.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        match results::unfit(&tool) {
            Some((message, hint)) => reader.refuse(at, &path, message, hint),
            None if tools.contains(&tool) => {
                reader.refuse(at, &path, format!("`{tool}` stands here twice"), "keep one of them")
            }
            None => tools.push(tool),
        }
    }
    if reader.problems.len() > before { Vec::new() } else { tools }
}
