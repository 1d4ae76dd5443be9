-- Runs of clients, as their hooks show them.
CREATE TABLE sessions(
  id TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  open INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_open ON sessions(seen_at) WHERE open = 1;
-- Calls that a hook let through and whose end is awaited: what joins them to the server's view and to their end.
CREATE TABLE seen_calls(
  call TEXT PRIMARY KEY,
  session TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX seen_calls_at ON seen_calls(at);
CREATE INDEX seen_calls_session ON seen_calls(session);
