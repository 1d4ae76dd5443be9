-- What was told to whom. `closed` when nothing more will be told of an approval on a channel.
CREATE TABLE notices(
  approval BIGINT NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  what TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL,
  at BIGINT NOT NULL,
  due BIGINT,
  lease_until BIGINT,
  reference TEXT COLLATE "C",
  error TEXT COLLATE "C",
  closed BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY(approval, channel, what)
);
CREATE INDEX notices_open ON notices(approval) WHERE closed = 0;
-- How a channel did of late, for all processes on this store.
CREATE TABLE channel_health(
  channel TEXT COLLATE "C" PRIMARY KEY,
  failures BIGINT NOT NULL,
  open_until BIGINT,
  error TEXT COLLATE "C",
  at BIGINT NOT NULL
);
