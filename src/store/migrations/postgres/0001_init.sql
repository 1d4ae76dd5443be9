-- Rows are the truth; events are the record. `body` is the whole of a row as JSON, other columns are what is searched.
CREATE TABLE meta(key TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);
CREATE TABLE counters(name TEXT COLLATE "C" PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters(name, value) VALUES ('task', 0), ('approval', 0), ('run', 0);

CREATE TABLE tasks(
  id BIGINT PRIMARY KEY,
  status TEXT COLLATE "C" NOT NULL,
  urgency BIGINT NOT NULL,
  needs TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  workflow TEXT COLLATE "C" NOT NULL,
  version TEXT COLLATE "C" NOT NULL,
  parent BIGINT,
  agent TEXT COLLATE "C",
  run_until BIGINT,
  body TEXT COLLATE "C" NOT NULL
);
-- Which ready task is next: by what it needs, then urgency, then age.
CREATE INDEX tasks_ready ON tasks(status, needs, urgency DESC, id) WHERE status = 'ready';
CREATE INDEX tasks_status ON tasks(status, id);
CREATE INDEX tasks_parent ON tasks(parent, status) WHERE parent IS NOT NULL;
CREATE INDEX tasks_running ON tasks(run_until) WHERE run_until IS NOT NULL;

CREATE TABLE task_links(task BIGINT NOT NULL, needs BIGINT NOT NULL, PRIMARY KEY(task, needs));
CREATE INDEX task_links_needs ON task_links(needs, task);
CREATE TABLE task_labels(label TEXT COLLATE "C" NOT NULL, task BIGINT NOT NULL, PRIMARY KEY(label, task));

-- Renewed by any activity, without an event; a row a live claim.
CREATE TABLE leases(task BIGINT PRIMARY KEY, agent TEXT COLLATE "C" NOT NULL, fence BIGINT NOT NULL, handle TEXT COLLATE "C" NOT NULL,
  lease_ms BIGINT NOT NULL, expires_at BIGINT NOT NULL);
CREATE INDEX leases_agent ON leases(agent);
CREATE INDEX leases_expiry ON leases(expires_at);
CREATE UNIQUE INDEX leases_handle ON leases(handle);
-- Handles of claims that have ended, so that a stale holder can be told what happened.
CREATE TABLE handles(hash TEXT COLLATE "C" PRIMARY KEY, task BIGINT NOT NULL, fence BIGINT NOT NULL, agent TEXT COLLATE "C" NOT NULL);

CREATE TABLE approvals(id BIGINT PRIMARY KEY, task BIGINT, state TEXT COLLATE "C" NOT NULL, expires_at BIGINT NOT NULL, body TEXT COLLATE "C" NOT NULL);
CREATE INDEX approvals_task ON approvals(task, id);
CREATE INDEX approvals_pending ON approvals(expires_at) WHERE state = 'pending';

CREATE TABLE workflows(hash TEXT COLLATE "C" PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, body TEXT COLLATE "C" NOT NULL, source TEXT COLLATE "C" NOT NULL);
CREATE TABLE trusts(name TEXT COLLATE "C" PRIMARY KEY, is_default BIGINT NOT NULL, body TEXT COLLATE "C" NOT NULL);
CREATE TABLE blobs(sha256 TEXT COLLATE "C" PRIMARY KEY, content BYTEA NOT NULL);

-- What commands record waits in `arrivals` until a pass gives it its number: a number taken by the command itself would make
-- each wait for the other's commit, and one of a sequence would have holes and come into sight out of order.
CREATE TABLE arrivals(
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  task BIGINT,
  agent TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL
);
-- Commands that were carried out: how one whose answer was lost is told from one that failed.
CREATE TABLE commits(id UUID PRIMARY KEY, at TIMESTAMPTZ NOT NULL);
CREATE INDEX commits_at ON commits(at);
CREATE TABLE events(
  seq BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  task BIGINT,
  agent TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX events_task ON events(task, seq) WHERE task IS NOT NULL;

CREATE TABLE refusals(
  agent TEXT COLLATE "C" NOT NULL,
  tool TEXT COLLATE "C" NOT NULL,
  code TEXT COLLATE "C" NOT NULL,
  task BIGINT NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  since BIGINT NOT NULL,
  repeats BIGINT NOT NULL,
  PRIMARY KEY(agent, tool, code, task)
);
