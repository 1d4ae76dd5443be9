-- What real counts say of estimated ones, by model: sums over pairs, in tokens, the old ones worth less and less.
CREATE TABLE token_factors(model TEXT COLLATE "C" PRIMARY KEY, pairs BIGINT NOT NULL, estimated BIGINT NOT NULL, counted BIGINT NOT NULL, at BIGINT NOT NULL);
-- Of the reductions, so many were results of tools.
ALTER TABLE context_sums ADD COLUMN results BIGINT NOT NULL DEFAULT 0;
