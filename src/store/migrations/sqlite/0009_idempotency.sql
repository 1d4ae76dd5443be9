-- What was asked under an `Idempotency-Key`, and the sealed first answer once there is one. Neither the key nor the answer can
-- be read here.
CREATE TABLE idempotency(id TEXT PRIMARY KEY, caller TEXT NOT NULL, digest TEXT NOT NULL, until INTEGER NOT NULL, answer BLOB);
CREATE INDEX idempotency_caller ON idempotency(caller);
CREATE INDEX idempotency_until ON idempotency(until);
