-- Calls that were answered with a handle and are fetched later. Only the handle's hash is here.
CREATE TABLE deferred(hash TEXT PRIMARY KEY, agent TEXT NOT NULL, tool TEXT NOT NULL, process TEXT NOT NULL, approval INTEGER,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, until INTEGER NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL);
CREATE INDEX deferred_agent ON deferred(agent);
CREATE INDEX deferred_until ON deferred(until);
