-- Texts that agents had reduced, whole, so that what was left out can be fetched back until then; and what was left in, by
-- fingerprints, so that the next reduction can leave it out.
CREATE TABLE contexts(handle TEXT COLLATE "C" PRIMARY KEY, agent TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, until BIGINT NOT NULL, content BYTEA NOT NULL, prints BYTEA NOT NULL);
CREATE INDEX contexts_agent ON contexts(agent, at);
CREATE INDEX contexts_until ON contexts(until);
-- What it came to, by agent.
CREATE TABLE context_sums(agent TEXT COLLATE "C" PRIMARY KEY, calls BIGINT NOT NULL, tokens_before BIGINT NOT NULL, tokens_after BIGINT NOT NULL, repeats BIGINT NOT NULL);
