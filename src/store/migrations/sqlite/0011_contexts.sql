-- Texts that agents had reduced, whole, so that what was left out can be fetched back until then; and what was left in, by
-- fingerprints, so that the next reduction can leave it out.
CREATE TABLE contexts(handle TEXT PRIMARY KEY, agent TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL, content BLOB NOT NULL, prints BLOB NOT NULL);
CREATE INDEX contexts_agent ON contexts(agent, at);
CREATE INDEX contexts_until ON contexts(until);
-- What it came to, by agent.
CREATE TABLE context_sums(agent TEXT PRIMARY KEY, calls INTEGER NOT NULL, tokens_before INTEGER NOT NULL, tokens_after INTEGER NOT NULL, repeats INTEGER NOT NULL);
