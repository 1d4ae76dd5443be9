-- Who may call over HTTP. A credential is found by the hash of its secret at every request.
INSERT INTO counters(name, value) VALUES ('credential', 0);
CREATE TABLE credentials(id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE INDEX credentials_name ON credentials(name);
