//! `phasegate policy check`: one case a line in, one verdict a line out, in the same order.

use std::io::{BufRead, Read};

use serde_json::{Value, json};

use super::super::{Ended, Out};
use super::given;

/// Of one line, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub fn run(out: &Out) -> Result<(), Ended> {
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
            serde_json::from_slice::<Value>(&line).map_err(|error| format!("the line is not JSON: {error}"))
        };
        let id = case.as_ref().ok().and_then(|case| case.get("id")).cloned().unwrap_or(Value::Null);
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
