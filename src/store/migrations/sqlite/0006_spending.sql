-- What work costs, measured. No events: each row can be made again from the transcripts it came from, but for reservations.
INSERT INTO counters(name, value) VALUES ('reservation', 0);

-- How far each transcript was read: `mark` is of the bytes before `position`, to see that it is still the same file.
CREATE TABLE transcripts(file TEXT PRIMARY KEY, position INTEGER NOT NULL, mark TEXT NOT NULL, carried TEXT NOT NULL) WITHOUT ROWID;

-- One row for each who and what; `task` is 0 for work outside any task.
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
);
CREATE UNIQUE INDEX spending_on ON spending(task, phase, agent, session, model);

-- Every answer of a model that is counted, by a hash of its id: an answer that is reported again only adds what it grew by.
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

-- A task and everything below it: what a cap is compared with.
CREATE TABLE accounts(
  task INTEGER PRIMARY KEY,
  micro_usd INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  calls INTEGER NOT NULL DEFAULT 0,
  reserved_micro_usd INTEGER NOT NULL DEFAULT 0,
  reserved_tokens INTEGER NOT NULL DEFAULT 0
);

-- Set aside until it is settled, or until its holder has not been heard of for so long.
CREATE TABLE reservations(id INTEGER PRIMARY KEY, task INTEGER NOT NULL, holder TEXT NOT NULL, micro_usd INTEGER NOT NULL,
  tokens INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE INDEX reservations_until ON reservations(until);
