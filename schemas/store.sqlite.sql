-- What the migrations make, as the database tells it: PHASEGATE_UPDATE=1 cargo test --test it surface

CREATE TABLE accounts(
  task INTEGER PRIMARY KEY,
  micro_usd INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  calls INTEGER NOT NULL DEFAULT 0,
  reserved_micro_usd INTEGER NOT NULL DEFAULT 0,
  reserved_tokens INTEGER NOT NULL DEFAULT 0
, reserved_calls INTEGER NOT NULL DEFAULT 0, recent TEXT NOT NULL DEFAULT '', warned TEXT NOT NULL DEFAULT '');

CREATE INDEX accounts_warned ON accounts(task) WHERE warned <> '';

CREATE TABLE anchors(size INTEGER NOT NULL, place TEXT NOT NULL, at INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY(place, size));

CREATE TABLE answers(
  id TEXT PRIMARY KEY,
  spending INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  cache_write_long INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  output INTEGER NOT NULL,
  micro_usd INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE "approvals"(id INTEGER PRIMARY KEY, task INTEGER, batch INTEGER, state TEXT NOT NULL, expires_at INTEGER, body TEXT NOT NULL);

CREATE INDEX approvals_batch ON approvals(batch) WHERE batch IS NOT NULL;

CREATE INDEX approvals_due ON approvals(expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX approvals_pending ON approvals(id) WHERE state = 'pending';

CREATE INDEX approvals_task ON approvals(task, id);

CREATE TABLE approvers(name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE blobs(sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);

CREATE TABLE bypasses(id INTEGER PRIMARY KEY, open_until INTEGER, body TEXT NOT NULL);

CREATE INDEX bypasses_open ON bypasses(open_until) WHERE open_until IS NOT NULL;

CREATE TABLE calls(id INTEGER PRIMARY KEY, approval INTEGER NOT NULL, task INTEGER, running_until INTEGER, body TEXT NOT NULL);

CREATE UNIQUE INDEX calls_approval ON calls(approval);

CREATE INDEX calls_running ON calls(running_until) WHERE running_until IS NOT NULL;

CREATE TABLE channel_health(
  channel TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  open_until INTEGER,
  error TEXT,
  at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE context_sums(agent TEXT PRIMARY KEY, calls INTEGER NOT NULL, tokens_before INTEGER NOT NULL, tokens_after INTEGER NOT NULL, repeats INTEGER NOT NULL, results INTEGER NOT NULL DEFAULT 0);

CREATE TABLE contexts(handle TEXT PRIMARY KEY, agent TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, content BLOB NOT NULL, prints BLOB NOT NULL);

CREATE INDEX contexts_agent ON contexts(agent, at);

CREATE INDEX contexts_until ON contexts(until);

CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE credentials(id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL);

CREATE INDEX credentials_name ON credentials(name);

CREATE TABLE decisions(id TEXT PRIMARY KEY, agent TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE deferred(hash TEXT PRIMARY KEY, agent TEXT NOT NULL, tool TEXT NOT NULL, process TEXT NOT NULL, approval INTEGER,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, until INTEGER NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL);

CREATE INDEX deferred_agent ON deferred(agent);

CREATE INDEX deferred_until ON deferred(until);

CREATE TABLE events(
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  task INTEGER,
  agent TEXT NOT NULL,
  body TEXT NOT NULL
);

CREATE INDEX events_task ON events(task, seq) WHERE task IS NOT NULL;

CREATE INDEX events_turns ON events(kind, at, agent)
  WHERE kind = 'TaskClaimed' OR kind = 'TaskCompleted' OR kind = 'TaskFailed' OR kind = 'CommandRefused';

CREATE TABLE handles(hash TEXT PRIMARY KEY, task INTEGER NOT NULL, fence INTEGER NOT NULL, agent TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE heads(size INTEGER PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL);

CREATE TABLE idempotency(id TEXT PRIMARY KEY, caller TEXT NOT NULL, digest TEXT NOT NULL, until INTEGER NOT NULL, answer BLOB);

CREATE INDEX idempotency_caller ON idempotency(caller);

CREATE INDEX idempotency_until ON idempotency(until);

CREATE TABLE learned(name TEXT PRIMARY KEY, generation INTEGER NOT NULL, forgotten INTEGER NOT NULL, upto INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE leases(task INTEGER PRIMARY KEY, agent TEXT NOT NULL, fence INTEGER NOT NULL, handle TEXT NOT NULL,
  lease_ms INTEGER NOT NULL, expires_at INTEGER NOT NULL);

CREATE INDEX leases_agent ON leases(agent);

CREATE INDEX leases_expiry ON leases(expires_at);

CREATE UNIQUE INDEX leases_handle ON leases(handle);

CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE notices(
  approval INTEGER NOT NULL,
  channel TEXT NOT NULL,
  what TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  at INTEGER NOT NULL,
  due INTEGER,
  lease_until INTEGER,
  reference TEXT,
  error TEXT,
  closed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(approval, channel, what)
) WITHOUT ROWID;

CREATE INDEX notices_open ON notices(approval) WHERE closed = 0;

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

CREATE TABLE reservations(id INTEGER PRIMARY KEY, task INTEGER NOT NULL, holder TEXT NOT NULL, micro_usd INTEGER NOT NULL,
  tokens INTEGER NOT NULL, until INTEGER NOT NULL, calls INTEGER NOT NULL DEFAULT 0);

CREATE INDEX reservations_until ON reservations(until);

CREATE TABLE seen_calls(
  call TEXT PRIMARY KEY,
  session TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX seen_calls_at ON seen_calls(at);

CREATE INDEX seen_calls_session ON seen_calls(session);

CREATE TABLE sessions(
  id TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  open INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_agent ON sessions(agent, open, seen_at);

CREATE INDEX sessions_open ON sessions(seen_at) WHERE open = 1;

CREATE TABLE spending(
  id INTEGER PRIMARY KEY,
  task INTEGER NOT NULL,
  phase TEXT NOT NULL,
  agent TEXT NOT NULL,
  session TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  cache_write_long INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  output INTEGER NOT NULL,
  micro_usd INTEGER NOT NULL,
  guessed_micro_usd INTEGER NOT NULL
, day TEXT NOT NULL DEFAULT '');

CREATE INDEX spending_agent ON spending(agent, micro_usd);

CREATE INDEX spending_day ON spending(day, micro_usd);

CREATE UNIQUE INDEX spending_on ON spending(task, phase, agent, session, model, day);

CREATE TABLE task_counts(workflow TEXT NOT NULL, phase TEXT NOT NULL, status TEXT NOT NULL, tasks INTEGER NOT NULL,
  PRIMARY KEY(workflow, phase, status)) WITHOUT ROWID;

CREATE TABLE task_labels(label TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(label, task)) WITHOUT ROWID;

CREATE TABLE task_links(task INTEGER NOT NULL, needs INTEGER NOT NULL, PRIMARY KEY(task, needs)) WITHOUT ROWID;

CREATE INDEX task_links_needs ON task_links(needs, task);

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
, phase TEXT NOT NULL DEFAULT '', entered_at INTEGER NOT NULL DEFAULT 0, touched_at INTEGER NOT NULL DEFAULT 0);

CREATE INDEX tasks_parent ON tasks(parent, status) WHERE parent IS NOT NULL;

CREATE INDEX tasks_place ON tasks(workflow, phase, status, entered_at);

CREATE INDEX tasks_ready ON tasks(status, needs, urgency DESC, id) WHERE status = 'ready';

CREATE INDEX tasks_running ON tasks(run_until) WHERE run_until IS NOT NULL;

CREATE INDEX tasks_status ON tasks(status, id);

CREATE TABLE tiles(level INTEGER NOT NULL, position INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY(level, position));

CREATE TABLE token_factors(model TEXT PRIMARY KEY, pairs INTEGER NOT NULL, estimated INTEGER NOT NULL, counted INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE transcripts(file TEXT PRIMARY KEY, position INTEGER NOT NULL, mark TEXT NOT NULL, carried TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE tries(
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  task INTEGER NOT NULL,
  phase TEXT NOT NULL,
  decision TEXT NOT NULL,
  tier TEXT NOT NULL,
  model TEXT NOT NULL,
  ran TEXT NOT NULL,
  success INTEGER NOT NULL,
  judge TEXT NOT NULL,
  micro_usd INTEGER NOT NULL,
  failed_before TEXT NOT NULL,
  used TEXT NOT NULL
);

CREATE INDEX tries_task ON tries(task, phase);

CREATE TABLE trusts(name TEXT PRIMARY KEY, is_default INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE warning_notices(
  task INTEGER NOT NULL,
  unit TEXT NOT NULL,
  at INTEGER NOT NULL,
  channel TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due INTEGER,
  PRIMARY KEY(task, unit, at, channel)
) WITHOUT ROWID;

CREATE TABLE workflows(hash TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL, source TEXT NOT NULL) WITHOUT ROWID;
