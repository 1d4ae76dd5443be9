//! The tables of a store, one line each: what goes along when a store is moved, backed up or restored. A test compares this
//! with the schemas of both kinds of store. What only PostgreSQL has for its own work (`arrivals`, `commits`) is not here.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    Text,
    Bytes,
}

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// So many columns, the first ones, tell rows apart and give their order.
    pub key: usize,
    /// `#` after a name: a whole number. `%`: bytes. Else a text.
    columns: &'static str,
    /// Where its rows are read from, if not from all of the table as it is.
    from: Option<&'static str>,
}

const fn table(name: &'static str, key: usize, columns: &'static str) -> Table {
    Table { name, key, columns, from: None }
}

/// Small ones first, the log last.
pub const TABLES: [Table; 39] = [
    // Where a store is being moved to or from is said of that one store only.
    Table { from: Some("(SELECT key, value FROM meta WHERE key <> 'move') AS kept"), ..table("meta", 1, "key value") },
    table("counters", 1, "name value#"),
    table("workflows", 1, "hash name body source"),
    table("trusts", 1, "name is_default# body"),
    table("approvers", 1, "name body"),
    table("credentials", 1, "id# name hash body"),
    table("channel_health", 1, "channel failures# open_until# error at#"),
    // In PostgreSQL moves are added as rows, and put together later.
    Table {
        from: Some(
            "(SELECT workflow, phase, status, sum(tasks) AS tasks FROM task_counts GROUP BY workflow, phase, status \
             HAVING sum(tasks) <> 0) AS counted",
        ),
        ..table("task_counts", 3, "workflow phase status tasks#")
    },
    table("bypasses", 1, "id# open_until# body"),
    table("approvals", 1, "id# task# batch# state expires_at# body"),
    table("calls", 1, "id# approval# task# running_until# body"),
    table("notices", 3, "approval# channel what state attempts# at# due# lease_until# reference error closed#"),
    table("leases", 1, "task# agent fence# handle lease_ms# expires_at#"),
    table("refusals", 4, "agent tool code task# role since# repeats#"),
    table("sessions", 1, "id agent open# seen_at# body"),
    table("seen_calls", 1, "call session at# body"),
    table("deferred", 1, "hash agent tool process approval# created_at# updated_at# until# cancelled# state"),
    table("idempotency", 1, "id caller digest until# answer%"),
    table("reservations", 1, "id# task# holder micro_usd# tokens# until# calls#"),
    table("transcripts", 1, "file position# mark carried"),
    table(
        "spending",
        1,
        "id# task# phase agent session model calls# input# cache_write# cache_write_long# cache_read# output# micro_usd# \
         guessed_micro_usd# day",
    ),
    table(
        "accounts",
        1,
        "task# micro_usd# tokens# calls# reserved_micro_usd# reserved_tokens# reserved_calls# recent warned",
    ),
    table("warning_notices", 4, "task# unit at# channel attempts# due#"),
    table("answers", 1, "id spending# input# cache_write# cache_write_long# cache_read# output# micro_usd#"),
    table("task_links", 2, "task# needs#"),
    table("task_labels", 2, "label task#"),
    table("handles", 1, "hash task# fence# agent"),
    table("decisions", 1, "id agent at# body"),
    table("tries", 1, "id# at# task# phase decision tier model ran success# judge micro_usd# failed_before used"),
    table("learned", 1, "name generation# forgotten# upto# at# body"),
    table("token_factors", 1, "model pairs# estimated# counted# at#"),
    table("context_sums", 1, "agent calls# tokens_before# tokens_after# repeats# results#"),
    table("contexts", 1, "handle agent at# until# content% prints%"),
    table(
        "tasks",
        1,
        "id# status urgency# needs kind workflow version parent# agent run_until# body phase entered_at# touched_at#",
    ),
    table("blobs", 1, "sha256 content%"),
    table("anchors", 2, "place size# at# answer"),
    table("heads", 1, "size# number# at# root% note"),
    table("tiles", 2, "level# position# hashes%"),
    table("events", 1, "seq# at# kind task# agent body"),
];

impl Table {
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Form)> {
        self.columns.split_whitespace().map(|column| match (column.strip_suffix('#'), column.strip_suffix('%')) {
            (Some(name), _) => (name, Form::Whole),
            (None, Some(name)) => (name, Form::Bytes),
            (None, None) => (column, Form::Text),
        })
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.columns().map(|(name, _)| name).collect()
    }

    /// What stands behind `FROM` where its rows are read.
    pub fn from(&self) -> &'static str {
        self.from.unwrap_or(self.name)
    }
}
