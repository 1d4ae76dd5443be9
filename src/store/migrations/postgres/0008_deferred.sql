-- Calls that were answered with a handle and are fetched later. Only the handle's hash is here.
CREATE TABLE deferred(hash TEXT COLLATE "C" PRIMARY KEY, agent TEXT COLLATE "C" NOT NULL, tool TEXT COLLATE "C" NOT NULL, process TEXT COLLATE "C" NOT NULL, approval BIGINT,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, until BIGINT NOT NULL, cancelled BIGINT NOT NULL DEFAULT 0,
    state TEXT COLLATE "C" NOT NULL);
CREATE INDEX deferred_agent ON deferred(agent);
CREATE INDEX deferred_until ON deferred(until);
