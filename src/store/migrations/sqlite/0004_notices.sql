-- What was told to whom. `closed` when nothing more will be told of an approval on a channel.
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
-- How a channel did of late, for all processes on this store.
CREATE TABLE channel_health(
  channel TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  open_until INTEGER,
  error TEXT,
  at INTEGER NOT NULL
) WITHOUT ROWID;
