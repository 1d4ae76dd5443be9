-- What the migrations make, as the database tells it: PHASEGATE_UPDATE=1 cargo test --test it surface

CREATE TABLE accounts(
  task bigint NOT NULL,
  micro_usd bigint NOT NULL DEFAULT 0,
  tokens bigint NOT NULL DEFAULT 0,
  calls bigint NOT NULL DEFAULT 0,
  reserved_micro_usd bigint NOT NULL DEFAULT 0,
  reserved_tokens bigint NOT NULL DEFAULT 0,
  reserved_calls bigint NOT NULL DEFAULT 0,
  recent text COLLATE "C" NOT NULL DEFAULT ''::text,
  warned text COLLATE "C" NOT NULL DEFAULT ''::text
);
ALTER TABLE accounts ADD PRIMARY KEY (task);
CREATE INDEX accounts_warned ON accounts USING btree (task) WHERE (warned <> ''::text);
CREATE UNIQUE INDEX accounts_pkey ON accounts USING btree (task);

CREATE TABLE anchors(
  size bigint NOT NULL,
  place text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  answer text COLLATE "C" NOT NULL
);
ALTER TABLE anchors ADD PRIMARY KEY (place, size);
CREATE UNIQUE INDEX anchors_pkey ON anchors USING btree (place, size);

CREATE TABLE answers(
  id text COLLATE "C" NOT NULL,
  spending bigint NOT NULL,
  input bigint NOT NULL,
  cache_write bigint NOT NULL,
  cache_write_long bigint NOT NULL,
  cache_read bigint NOT NULL,
  output bigint NOT NULL,
  micro_usd bigint NOT NULL
);
ALTER TABLE answers ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX answers_pkey ON answers USING btree (id);

CREATE TABLE approvals(
  id bigint NOT NULL,
  task bigint,
  batch bigint,
  state text COLLATE "C" NOT NULL,
  expires_at bigint,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE approvals ADD PRIMARY KEY (id);
CREATE INDEX approvals_batch ON approvals USING btree (batch) WHERE (batch IS NOT NULL);
CREATE INDEX approvals_due ON approvals USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX approvals_pending ON approvals USING btree (id) WHERE (state = 'pending'::text);
CREATE INDEX approvals_task ON approvals USING btree (task, id);
CREATE UNIQUE INDEX approvals_new_pkey ON approvals USING btree (id);

CREATE TABLE approvers(
  name text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE approvers ADD PRIMARY KEY (name);
CREATE UNIQUE INDEX approvers_pkey ON approvers USING btree (name);

CREATE TABLE arrivals(
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  task bigint,
  agent text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE arrivals ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX arrivals_pkey ON arrivals USING btree (id);

CREATE TABLE blobs(
  sha256 text COLLATE "C" NOT NULL,
  content bytea NOT NULL
);
ALTER TABLE blobs ADD PRIMARY KEY (sha256);
CREATE UNIQUE INDEX blobs_pkey ON blobs USING btree (sha256);

CREATE TABLE bypasses(
  id bigint NOT NULL,
  open_until bigint,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE bypasses ADD PRIMARY KEY (id);
CREATE INDEX bypasses_open ON bypasses USING btree (open_until) WHERE (open_until IS NOT NULL);
CREATE UNIQUE INDEX bypasses_pkey ON bypasses USING btree (id);

CREATE TABLE calls(
  id bigint NOT NULL,
  approval bigint NOT NULL,
  task bigint,
  running_until bigint,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE calls ADD PRIMARY KEY (id);
CREATE INDEX calls_running ON calls USING btree (running_until) WHERE (running_until IS NOT NULL);
CREATE UNIQUE INDEX calls_approval ON calls USING btree (approval);
CREATE UNIQUE INDEX calls_pkey ON calls USING btree (id);

CREATE TABLE channel_health(
  channel text COLLATE "C" NOT NULL,
  failures bigint NOT NULL,
  open_until bigint,
  error text COLLATE "C",
  at bigint NOT NULL
);
ALTER TABLE channel_health ADD PRIMARY KEY (channel);
CREATE UNIQUE INDEX channel_health_pkey ON channel_health USING btree (channel);

CREATE TABLE commits(
  id uuid NOT NULL,
  at timestamp with time zone NOT NULL
);
ALTER TABLE commits ADD PRIMARY KEY (id);
CREATE INDEX commits_at ON commits USING btree (at);
CREATE UNIQUE INDEX commits_pkey ON commits USING btree (id);

CREATE TABLE context_sums(
  agent text COLLATE "C" NOT NULL,
  calls bigint NOT NULL,
  tokens_before bigint NOT NULL,
  tokens_after bigint NOT NULL,
  repeats bigint NOT NULL,
  results bigint NOT NULL DEFAULT 0
);
ALTER TABLE context_sums ADD PRIMARY KEY (agent);
CREATE UNIQUE INDEX context_sums_pkey ON context_sums USING btree (agent);

CREATE TABLE contexts(
  handle text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  until bigint NOT NULL,
  content bytea NOT NULL,
  prints bytea NOT NULL
);
ALTER TABLE contexts ADD PRIMARY KEY (handle);
CREATE INDEX contexts_agent ON contexts USING btree (agent, at);
CREATE INDEX contexts_until ON contexts USING btree (until);
CREATE UNIQUE INDEX contexts_pkey ON contexts USING btree (handle);

CREATE TABLE counters(
  name text COLLATE "C" NOT NULL,
  value bigint NOT NULL
);
ALTER TABLE counters ADD PRIMARY KEY (name);
CREATE UNIQUE INDEX counters_pkey ON counters USING btree (name);

CREATE TABLE credentials(
  id bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE credentials ADD PRIMARY KEY (id);
ALTER TABLE credentials ADD UNIQUE (hash);
CREATE INDEX credentials_name ON credentials USING btree (name);
CREATE UNIQUE INDEX credentials_hash_key ON credentials USING btree (hash);
CREATE UNIQUE INDEX credentials_pkey ON credentials USING btree (id);

CREATE TABLE decisions(
  id text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE decisions ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX decisions_pkey ON decisions USING btree (id);

CREATE TABLE deferred(
  hash text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  tool text COLLATE "C" NOT NULL,
  process text COLLATE "C" NOT NULL,
  approval bigint,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  until bigint NOT NULL,
  cancelled bigint NOT NULL DEFAULT 0,
  state text COLLATE "C" NOT NULL
);
ALTER TABLE deferred ADD PRIMARY KEY (hash);
CREATE INDEX deferred_agent ON deferred USING btree (agent);
CREATE INDEX deferred_until ON deferred USING btree (until);
CREATE UNIQUE INDEX deferred_pkey ON deferred USING btree (hash);

CREATE TABLE events(
  seq bigint NOT NULL,
  at bigint NOT NULL,
  kind text COLLATE "C" NOT NULL,
  task bigint,
  agent text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE events ADD PRIMARY KEY (seq);
CREATE INDEX events_task ON events USING btree (task, seq) WHERE (task IS NOT NULL);
CREATE INDEX events_turns ON events USING btree (kind, at, agent) WHERE (kind = ANY (ARRAY['TaskClaimed'::text, 'TaskCompleted'::text, 'TaskFailed'::text, 'CommandRefused'::text]));
CREATE UNIQUE INDEX events_pkey ON events USING btree (seq);

CREATE TABLE handles(
  hash text COLLATE "C" NOT NULL,
  task bigint NOT NULL,
  fence bigint NOT NULL,
  agent text COLLATE "C" NOT NULL
);
ALTER TABLE handles ADD PRIMARY KEY (hash);
CREATE UNIQUE INDEX handles_pkey ON handles USING btree (hash);

CREATE TABLE heads(
  size bigint NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  root bytea NOT NULL,
  note text COLLATE "C" NOT NULL
);
ALTER TABLE heads ADD PRIMARY KEY (size);
CREATE UNIQUE INDEX heads_pkey ON heads USING btree (size);

CREATE TABLE idempotency(
  id text COLLATE "C" NOT NULL,
  caller text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  until bigint NOT NULL,
  answer bytea
);
ALTER TABLE idempotency ADD PRIMARY KEY (id);
CREATE INDEX idempotency_caller ON idempotency USING btree (caller);
CREATE INDEX idempotency_until ON idempotency USING btree (until);
CREATE UNIQUE INDEX idempotency_pkey ON idempotency USING btree (id);

CREATE TABLE learned(
  name text COLLATE "C" NOT NULL,
  generation bigint NOT NULL,
  forgotten bigint NOT NULL,
  upto bigint NOT NULL,
  at bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE learned ADD PRIMARY KEY (name);
CREATE UNIQUE INDEX learned_pkey ON learned USING btree (name);

CREATE TABLE leases(
  task bigint NOT NULL,
  agent text COLLATE "C" NOT NULL,
  fence bigint NOT NULL,
  handle text COLLATE "C" NOT NULL,
  lease_ms bigint NOT NULL,
  expires_at bigint NOT NULL
);
ALTER TABLE leases ADD PRIMARY KEY (task);
CREATE INDEX leases_agent ON leases USING btree (agent);
CREATE INDEX leases_expiry ON leases USING btree (expires_at);
CREATE UNIQUE INDEX leases_handle ON leases USING btree (handle);
CREATE UNIQUE INDEX leases_pkey ON leases USING btree (task);

CREATE TABLE meta(
  key text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL
);
ALTER TABLE meta ADD PRIMARY KEY (key);
CREATE UNIQUE INDEX meta_pkey ON meta USING btree (key);

CREATE TABLE notices(
  approval bigint NOT NULL,
  channel text COLLATE "C" NOT NULL,
  what text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  attempts bigint NOT NULL,
  at bigint NOT NULL,
  due bigint,
  lease_until bigint,
  reference text COLLATE "C",
  error text COLLATE "C",
  closed bigint NOT NULL DEFAULT 0
);
ALTER TABLE notices ADD PRIMARY KEY (approval, channel, what);
CREATE INDEX notices_open ON notices USING btree (approval) WHERE (closed = 0);
CREATE UNIQUE INDEX notices_pkey ON notices USING btree (approval, channel, what);

CREATE TABLE refusals(
  agent text COLLATE "C" NOT NULL,
  tool text COLLATE "C" NOT NULL,
  code text COLLATE "C" NOT NULL,
  task bigint NOT NULL,
  role text COLLATE "C" NOT NULL,
  since bigint NOT NULL,
  repeats bigint NOT NULL
);
ALTER TABLE refusals ADD PRIMARY KEY (agent, tool, code, task);
CREATE UNIQUE INDEX refusals_pkey ON refusals USING btree (agent, tool, code, task);

CREATE TABLE reservations(
  id bigint NOT NULL,
  task bigint NOT NULL,
  holder text COLLATE "C" NOT NULL,
  micro_usd bigint NOT NULL,
  tokens bigint NOT NULL,
  until bigint NOT NULL,
  calls bigint NOT NULL DEFAULT 0
);
ALTER TABLE reservations ADD PRIMARY KEY (id);
CREATE INDEX reservations_until ON reservations USING btree (until);
CREATE UNIQUE INDEX reservations_pkey ON reservations USING btree (id);

CREATE TABLE schema_version(
  version bigint NOT NULL
);

CREATE TABLE seen_calls(
  call text COLLATE "C" NOT NULL,
  session text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE seen_calls ADD PRIMARY KEY (call);
CREATE INDEX seen_calls_at ON seen_calls USING btree (at);
CREATE INDEX seen_calls_session ON seen_calls USING btree (session);
CREATE UNIQUE INDEX seen_calls_pkey ON seen_calls USING btree (call);

CREATE TABLE sessions(
  id text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  open bigint NOT NULL,
  seen_at bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE sessions ADD PRIMARY KEY (id);
CREATE INDEX sessions_agent ON sessions USING btree (agent, open, seen_at);
CREATE INDEX sessions_open ON sessions USING btree (seen_at) WHERE (open = 1);
CREATE UNIQUE INDEX sessions_pkey ON sessions USING btree (id);

CREATE TABLE spending(
  id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
  task bigint NOT NULL,
  phase text COLLATE "C" NOT NULL,
  agent text COLLATE "C" NOT NULL,
  session text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  calls bigint NOT NULL,
  input bigint NOT NULL,
  cache_write bigint NOT NULL,
  cache_write_long bigint NOT NULL,
  cache_read bigint NOT NULL,
  output bigint NOT NULL,
  micro_usd bigint NOT NULL,
  guessed_micro_usd bigint NOT NULL,
  day text COLLATE "C" NOT NULL DEFAULT ''::text
);
ALTER TABLE spending ADD PRIMARY KEY (id);
CREATE INDEX spending_agent ON spending USING btree (agent, micro_usd);
CREATE INDEX spending_day ON spending USING btree (day, micro_usd);
CREATE UNIQUE INDEX spending_on ON spending USING btree (task, phase, agent, session, model, day);
CREATE UNIQUE INDEX spending_pkey ON spending USING btree (id);

CREATE TABLE task_counts(
  workflow text COLLATE "C" NOT NULL,
  phase text COLLATE "C" NOT NULL,
  status text COLLATE "C" NOT NULL,
  tasks bigint NOT NULL
);
CREATE INDEX task_counts_place ON task_counts USING btree (workflow, phase, status);

CREATE TABLE task_labels(
  label text COLLATE "C" NOT NULL,
  task bigint NOT NULL
);
ALTER TABLE task_labels ADD PRIMARY KEY (label, task);
CREATE UNIQUE INDEX task_labels_pkey ON task_labels USING btree (label, task);

CREATE TABLE task_links(
  task bigint NOT NULL,
  needs bigint NOT NULL
);
ALTER TABLE task_links ADD PRIMARY KEY (task, needs);
CREATE INDEX task_links_needs ON task_links USING btree (needs, task);
CREATE UNIQUE INDEX task_links_pkey ON task_links USING btree (task, needs);

CREATE TABLE tasks(
  id bigint NOT NULL,
  status text COLLATE "C" NOT NULL,
  urgency bigint NOT NULL,
  needs text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  workflow text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  parent bigint,
  agent text COLLATE "C",
  run_until bigint,
  body text COLLATE "C" NOT NULL,
  phase text COLLATE "C" NOT NULL DEFAULT ''::text,
  entered_at bigint NOT NULL DEFAULT 0,
  touched_at bigint NOT NULL DEFAULT 0
);
ALTER TABLE tasks ADD PRIMARY KEY (id);
CREATE INDEX tasks_parent ON tasks USING btree (parent, status) WHERE (parent IS NOT NULL);
CREATE INDEX tasks_place ON tasks USING btree (workflow, phase, status, entered_at);
CREATE INDEX tasks_ready ON tasks USING btree (status, needs, urgency DESC, id) WHERE (status = 'ready'::text);
CREATE INDEX tasks_running ON tasks USING btree (run_until) WHERE (run_until IS NOT NULL);
CREATE INDEX tasks_status ON tasks USING btree (status, id);
CREATE UNIQUE INDEX tasks_pkey ON tasks USING btree (id);

CREATE TABLE tiles(
  level bigint NOT NULL,
  position bigint NOT NULL,
  hashes bytea NOT NULL
);
ALTER TABLE tiles ADD PRIMARY KEY (level, "position");
CREATE UNIQUE INDEX tiles_pkey ON tiles USING btree (level, "position");

CREATE TABLE token_factors(
  model text COLLATE "C" NOT NULL,
  pairs bigint NOT NULL,
  estimated bigint NOT NULL,
  counted bigint NOT NULL,
  at bigint NOT NULL
);
ALTER TABLE token_factors ADD PRIMARY KEY (model);
CREATE UNIQUE INDEX token_factors_pkey ON token_factors USING btree (model);

CREATE TABLE transcripts(
  file text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  mark text COLLATE "C" NOT NULL,
  carried text COLLATE "C" NOT NULL
);
ALTER TABLE transcripts ADD PRIMARY KEY (file);
CREATE UNIQUE INDEX transcripts_pkey ON transcripts USING btree (file);

CREATE TABLE tries(
  id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
  at bigint NOT NULL,
  task bigint NOT NULL,
  phase text COLLATE "C" NOT NULL,
  decision text COLLATE "C" NOT NULL,
  tier text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  ran text COLLATE "C" NOT NULL,
  success bigint NOT NULL,
  judge text COLLATE "C" NOT NULL,
  micro_usd bigint NOT NULL,
  failed_before text COLLATE "C" NOT NULL,
  used text COLLATE "C" NOT NULL
);
ALTER TABLE tries ADD PRIMARY KEY (id);
CREATE INDEX tries_task ON tries USING btree (task, phase);
CREATE UNIQUE INDEX tries_pkey ON tries USING btree (id);

CREATE TABLE trusts(
  name text COLLATE "C" NOT NULL,
  is_default bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
ALTER TABLE trusts ADD PRIMARY KEY (name);
CREATE UNIQUE INDEX trusts_pkey ON trusts USING btree (name);

CREATE TABLE warning_notices(
  task bigint NOT NULL,
  unit text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  channel text COLLATE "C" NOT NULL,
  attempts bigint NOT NULL,
  due bigint
);
ALTER TABLE warning_notices ADD PRIMARY KEY (task, unit, at, channel);
CREATE UNIQUE INDEX warning_notices_pkey ON warning_notices USING btree (task, unit, at, channel);

CREATE TABLE workflows(
  hash text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL
);
ALTER TABLE workflows ADD PRIMARY KEY (hash);
CREATE UNIQUE INDEX workflows_pkey ON workflows USING btree (hash);
