-- The log as a Merkle tree: hashes in tiles of 256 (a level holds the hashes of full tiles of the level below), signed
-- heads, and where heads were sent. Record `seq` is leaf `seq - 1`. No command writes here; the sealer does.
CREATE TABLE tiles(level INTEGER NOT NULL, position INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY(level, position));
CREATE TABLE heads(size INTEGER PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL);
CREATE TABLE anchors(size INTEGER NOT NULL, place TEXT NOT NULL, at INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY(place, size));
