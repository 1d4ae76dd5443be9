-- Rows are the truth; events are the record. `body` is the whole of a row as JSON, other columns are what is searched.
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters(name, value) VALUES ('task', 0), ('approval', 0), ('run', 0);

CREATE TABLE tasks(
  id INTEGER PRIMARY KEY,
  status TEXT NOT NULL,
  urgency INTEGER NOT NULL,
  needs TEXT NOT NULL,
  kind TEXT NOT NULL,
  workflow TEXT NOT NULL,
  version TEXT NOT NULL,
  parent INTEGER,
  agent TEXT,
  run_until INTEGER,
  body TEXT NOT NULL
);
-- Which ready task is next: by what it needs, then urgency, then age.
CREATE INDEX tasks_ready ON tasks(status, needs, urgency DESC, id) WHERE status = 'ready';
CREATE INDEX tasks_status ON tasks(status, id);
CREATE INDEX tasks_parent ON tasks(parent, status) WHERE parent IS NOT NULL;
CREATE INDEX tasks_running ON tasks(run_until) WHERE run_until IS NOT NULL;

CREATE TABLE task_links(task INTEGER NOT NULL, needs INTEGER NOT NULL, PRIMARY KEY(task, needs)) WITHOUT ROWID;
CREATE INDEX task_links_needs ON task_links(needs, task);
CREATE TABLE task_labels(label TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(label, task)) WITHOUT ROWID;

-- Renewed by any activity, without an event; a row a live claim.
CREATE TABLE leases(task INTEGER PRIMARY KEY, agent TEXT NOT NULL, fence INTEGER NOT NULL, handle TEXT NOT NULL,
  lease_ms INTEGER NOT NULL, expires_at INTEGER NOT NULL);
CREATE INDEX leases_agent ON leases(agent);
CREATE INDEX leases_expiry ON leases(expires_at);
CREATE UNIQUE INDEX leases_handle ON leases(handle);
-- Handles of claims that have ended, so that a stale holder can be told what happened.
CREATE TABLE handles(hash TEXT PRIMARY KEY, task INTEGER NOT NULL, fence INTEGER NOT NULL, agent TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE approvals(id INTEGER PRIMARY KEY, task INTEGER, state TEXT NOT NULL, expires_at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX approvals_task ON approvals(task, id);
CREATE INDEX approvals_pending ON approvals(expires_at) WHERE state = 'pending';

CREATE TABLE workflows(hash TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL, source TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trusts(name TEXT PRIMARY KEY, is_default INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs(sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);

CREATE TABLE events(
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  task INTEGER,
  agent TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX events_task ON events(task, seq) WHERE task IS NOT NULL;

CREATE TABLE refusals(
  agent TEXT NOT NULL,
  tool TEXT NOT NULL,
  code TEXT NOT NULL,
  task INTEGER NOT NULL,
  role TEXT NOT NULL,
  since INTEGER NOT NULL,
  repeats INTEGER NOT NULL,
  PRIMARY KEY(agent, tool, code, task)
) WITHOUT ROWID;
