-- What was asked under an `Idempotency-Key`, and the sealed first answer once there is one. Neither the key nor the answer can
-- be read here.
CREATE TABLE idempotency(id TEXT COLLATE "C" PRIMARY KEY, caller TEXT COLLATE "C" NOT NULL, digest TEXT COLLATE "C" NOT NULL, until BIGINT NOT NULL, answer BYTEA);
CREATE INDEX idempotency_caller ON idempotency(caller);
CREATE INDEX idempotency_until ON idempotency(until);
