//! `phasegate policy check`: one case a line in, one verdict a line out, in the same order.

use std::io::{BufRead, Read};

use serde_json::{Value, json};

use super::super::{Ended, Out};
use super::given;
use crate::domain::strict_json;

/// Of one line, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Of values within values.
const DEPTH_MAX: usize = 64;

/// The id of a line that is not judged, so that its answer is found.
fn loose_id(line: &[u8]) -> Value {
    let read = serde_json::from_slice::<Value>(line).ok();
    read.and_then(|case| case.get("id").cloned()).unwrap_or(Value::Null)
}

pub fn run(out: &Out) -> Result<(), Ended> {
    out.says_it_waits("waits for calls on its input, one JSON object a line (`docs/rules.md`); Ctrl-D ends it.");
    let mut input = std::io::stdin().lock();
    let (mut number, mut unjudged) = (0_u64, 0_u64);
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Ended::internal(&error, "look at where the lines come from"))?;
        if read == 0 || out.is_gone() {
            break;
        }
        number += 1;
        let cut = line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n");
        if cut {
            input.skip_until(b'\n').map_err(|error| Ended::internal(&error, "look at where the lines come from"))?;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let case = if cut {
            Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
        } else {
            // As the hook reads: a key that stands twice could be read otherwise elsewhere.
            strict_json::object(&line, DEPTH_MAX).map(Value::Object).map_err(|why| format!("the line {why}"))
        };
        let id = case.as_ref().ok().and_then(|case| case.get("id")).cloned().unwrap_or_else(|| loose_id(&line));
        match case.and_then(|case| given::judged(&case)) {
            Ok(verdict) => out.value(&json!({
                "id": id, "verdict": verdict.decision.word(), "rule": verdict.rule, "reason": verdict.reason,
            })),
            Err(why) => {
                unjudged += 1;
                out.aside(&format!("phasegate: line {number}: {why}"));
                out.value(
                    &json!({ "id": id, "verdict": "none", "rule": null, "reason": format!("not judged: {why}") }),
                );
            }
        }
    }
    if unjudged == 0 { Ok(()) } else { Err(Ended::No) }
}
