//! `phasegate hook` through the real binary: events of clients on standard input, and the server that the same client has.
//! The forms of the clients' JSON are not here (`src/clients`), nor is what a rule means (`src/policy`).

mod answers;
mod budgets;
mod calls;
mod course;
mod effects;
mod faults;
mod held;
mod others;
mod races;
mod results;
mod served;
mod subagents;
mod world;

/// Look, then build what was looked at, then done. `src` may be written while building.
const FLOW: &str = r#"
version: 1
name: flow
protect: { deny: ["Read(.env)"] }
unclaimed: { allow: [Read, Grep] }
phases:
  look:
    goal: Look and change nothing.
    allow: [Read, "Bash(ls *)", "mcp__github__get_*"]
    exit: [ { artifact: notes } ]
    model: { tier: weak }
    next: [build]
  build:
    allow: [Read, Edit, Write, Bash, Agent]
    writes: ["src/**"]
    sandbox: { confine: off }
    exit: [ { command: ["true"], tier: observed } ]
    next: [done]
  done: { end: true }
"#;
