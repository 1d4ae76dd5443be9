-- What real counts say of estimated ones, by model: sums over pairs, in tokens, the old ones worth less and less.
CREATE TABLE token_factors(model TEXT PRIMARY KEY, pairs INTEGER NOT NULL, estimated INTEGER NOT NULL, counted INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
-- Of the reductions, so many were results of tools.
ALTER TABLE context_sums ADD COLUMN results INTEGER NOT NULL DEFAULT 0;
