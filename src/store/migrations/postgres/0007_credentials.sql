-- Who may call over HTTP. A credential is found by the hash of its secret at every request.
INSERT INTO counters(name, value) VALUES ('credential', 0);
CREATE TABLE credentials(id BIGINT PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, hash TEXT COLLATE "C" NOT NULL UNIQUE, body TEXT COLLATE "C" NOT NULL);
CREATE INDEX credentials_name ON credentials(name);
