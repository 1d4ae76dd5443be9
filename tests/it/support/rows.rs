//! Everything in a store as text, in an order that hangs on nothing but the rows: what must not change, or be alike in two.

use phasegate::store::{Backend, StoreError, snapshot};

const TABLES: [(&str, &str); 18] = [
    ("tasks", "id, status, urgency, agent, run_until, body"),
    ("task_links", "task, needs"),
    ("task_labels", "label, task"),
    ("leases", "task, agent, fence, lease_ms, expires_at"),
    ("handles", "hash, task, fence, agent"),
    ("approvals", "id, state, body"),
    ("approvers", "name, body"),
    ("calls", "id, approval, running_until, body"),
    ("bypasses", "id, open_until, body"),
    ("trusts", "name, body"),
    ("workflows", "hash"),
    ("blobs", "sha256"),
    ("events", "seq, body"),
    ("refusals", "agent, tool, code, task, since, repeats"),
    ("counters", "name, value"),
    ("sessions", "id, open, body"),
    ("seen_calls", "call, body"),
    ("meta", "key, value"),
];

pub fn all(backend: &dyn Backend) -> Result<Vec<String>, StoreError> {
    snapshot(backend, |tx| {
        let mut lines = Vec::new();
        for (table, columns) in TABLES {
            let parts = columns.split(", ").map(|column| format!("coalesce(CAST({column} AS TEXT), '-')"));
            let line = parts.collect::<Vec<_>>().join(" || ' ' || ");
            tx.query(&format!("SELECT {line} FROM {table}"), &[], &mut |row| {
                lines.push(format!("{table} {}", row.text(0)?.unwrap_or_default()));
                Ok(())
            })?;
        }
        lines.sort_unstable();
        Ok(lines)
    })
}
