-- The log as a Merkle tree: hashes in tiles of 256 (a level holds the hashes of full tiles of the level below), signed
-- heads, and where heads were sent. Record `seq` is leaf `seq - 1`. No command writes here; the sealer does.
CREATE TABLE tiles(level BIGINT NOT NULL, position BIGINT NOT NULL, hashes BYTEA NOT NULL, PRIMARY KEY(level, position));
CREATE TABLE heads(size BIGINT PRIMARY KEY, number BIGINT NOT NULL, at BIGINT NOT NULL, root BYTEA NOT NULL, note TEXT COLLATE "C" NOT NULL);
CREATE TABLE anchors(size BIGINT NOT NULL, place TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL, answer TEXT COLLATE "C" NOT NULL, PRIMARY KEY(place, size));
