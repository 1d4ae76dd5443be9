-- Runs of clients, as their hooks show them.
CREATE TABLE sessions(
  id TEXT COLLATE "C" PRIMARY KEY,
  agent TEXT COLLATE "C" NOT NULL,
  open BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX sessions_open ON sessions(seen_at) WHERE open = 1;
-- Calls that a hook let through and whose end is awaited: what joins them to the server's view and to their end.
CREATE TABLE seen_calls(
  call TEXT COLLATE "C" PRIMARY KEY,
  session TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL
);
CREATE INDEX seen_calls_at ON seen_calls(at);
CREATE INDEX seen_calls_session ON seen_calls(session);
