//! The way from phase to phase: every phase can be reached, and from every phase an end can be reached.
//! Loops are allowed where a way out exists.

use super::compile::Placed;
use super::fields::{Reader, join};
use super::problem::nearest;
use std::collections::BTreeSet;

pub fn check(reader: &mut Reader<'_, '_>, phases: &[Placed]) {
    let names: Vec<&str> = phases.iter().map(|placed| placed.phase.name.as_str()).collect();
    for placed in phases {
        check_next(reader, placed, &names);
    }
    let Some(first) = phases.first() else { return };
    if !phases.iter().any(|placed| placed.phase.end) {
        let hint = "add `done: { end: true }` and name it in a `next`";
        reader.refuse(first.at, "phases", "no phase is an end, so no task could ever be completed", hint);
        return;
    }
    if first.phase.end {
        reader.refuse(
            first.at,
            &first.path,
            "the first phase is an end, so a task would be complete before it starts",
            "put a working phase first",
        );
        return;
    }
    let reached = reach(phases, &[first.phase.name.as_str()], false);
    let ends: Vec<&str> =
        phases.iter().filter(|placed| placed.phase.end).map(|placed| placed.phase.name.as_str()).collect();
    let ending = reach(phases, &ends, true);
    for placed in phases {
        let name = placed.phase.name.as_str();
        if !reached.contains(name) {
            let message =
                format!("the phase `{name}` cannot be reached from `{}`, where a task starts", first.phase.name);
            reader.refuse(
                placed.at,
                &placed.path,
                message,
                format!("name `{name}` in the `next` of a phase before it, or remove it"),
            );
        }
        // A phase without `next` has its own message.
        if !ending.contains(name) && !placed.next.is_empty() {
            let message =
                format!("from the phase `{name}` no end can be reached, so a task would never leave the loop");
            reader.refuse(placed.at, &placed.path, message, "add a way forward to its `next`");
        }
    }
}

fn check_next(reader: &mut Reader<'_, '_>, placed: &Placed, names: &[&str]) {
    let path = join(&placed.path, "next");
    if placed.next.is_empty() && !placed.phase.end {
        let message = format!("the phase `{}` is not an end and has no `next`", placed.phase.name);
        reader.refuse(placed.at, &placed.path, message, "write `next: [..]`, or `end: true`");
    }
    let mut seen = BTreeSet::new();
    for (index, (name, at)) in placed.next.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !names.contains(&name.as_str()) {
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the phases are `{}`", names.join("`, `")),
            };
            reader.refuse(*at, &path, format!("`{name}` is not a phase of this workflow"), hint);
        } else if *name == placed.phase.name {
            reader.refuse(
                *at,
                &path,
                format!("the phase `{name}` names itself"),
                "remove it: a task stays in a phase until it leaves",
            );
        } else if !seen.insert(name) {
            reader.refuse(*at, &path, format!("`{name}` stands here twice"), "keep one of them");
        }
    }
}

/// Every phase that can be reached from `start`, or with `backwards`, from which `start` can be reached.
fn reach<'p>(phases: &'p [Placed], start: &[&'p str], backwards: bool) -> BTreeSet<&'p str> {
    let mut found: BTreeSet<&str> = start.iter().copied().collect();
    loop {
        let before = found.len();
        for placed in phases {
            let name = placed.phase.name.as_str();
            if backwards {
                if placed.next.iter().any(|(next, _)| found.contains(next.as_str())) {
                    found.insert(name);
                }
            } else if found.contains(name) {
                found.extend(placed.next.iter().map(|(next, _)| next.as_str()));
            }
        }
        if found.len() == before {
            return found;
        }
    }
}
