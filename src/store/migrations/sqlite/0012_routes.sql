-- Answers of route_model, until their outcomes are told and after.
CREATE TABLE decisions(id TEXT PRIMARY KEY, agent TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

-- Tries that have ended, in the order in which they are learned from. `task` is 0 for work outside any task; `ran` is the model
-- that did most of it, where a transcript says so; `success` is in thousandths; `micro_usd` is below 0 where it is not known.
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
  failed_before TEXT NOT NULL
);
CREATE INDEX tries_task ON tries(task, phase);

-- What was learned from the tries up to one, to begin with instead of reading all of them again. A new generation forgets
-- what older ones knew.
CREATE TABLE learned(name TEXT PRIMARY KEY, generation INTEGER NOT NULL, forgotten INTEGER NOT NULL, upto INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
