-- Approvers, approved acts that take time, and bypasses; what an approval runs out at, whatever its state.
INSERT INTO counters(name, value) VALUES ('call', 0), ('bypass', 0);

CREATE TABLE approvers(name TEXT COLLATE "C" PRIMARY KEY, body TEXT COLLATE "C" NOT NULL);

CREATE TABLE calls(id BIGINT PRIMARY KEY, approval BIGINT NOT NULL, task BIGINT, running_until BIGINT, body TEXT COLLATE "C" NOT NULL);
CREATE INDEX calls_running ON calls(running_until) WHERE running_until IS NOT NULL;
-- However it comes about, one approval starts one act.
CREATE UNIQUE INDEX calls_approval ON calls(approval);

CREATE TABLE bypasses(id BIGINT PRIMARY KEY, open_until BIGINT, body TEXT COLLATE "C" NOT NULL);
CREATE INDEX bypasses_open ON bypasses(open_until) WHERE open_until IS NOT NULL;

-- `expires_at` is null where time alone no longer ends it.
CREATE TABLE approvals_new(id BIGINT PRIMARY KEY, task BIGINT, batch BIGINT, state TEXT COLLATE "C" NOT NULL, expires_at BIGINT, body TEXT COLLATE "C" NOT NULL);
INSERT INTO approvals_new(id, task, batch, state, expires_at, body)
  SELECT id, task, NULL, state, CASE WHEN state = 'pending' THEN expires_at END, body FROM approvals;
DROP TABLE approvals;
ALTER TABLE approvals_new RENAME TO approvals;
CREATE INDEX approvals_task ON approvals(task, id);
CREATE INDEX approvals_batch ON approvals(batch) WHERE batch IS NOT NULL;
CREATE INDEX approvals_pending ON approvals(id) WHERE state = 'pending';
CREATE INDEX approvals_due ON approvals(expires_at) WHERE expires_at IS NOT NULL;
