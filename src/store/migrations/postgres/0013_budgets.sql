-- Answers of a model are set aside like money; what was spent of late, for a forecast; and which caps were warned of, as JSON.
ALTER TABLE accounts ADD COLUMN reserved_calls BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN recent TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN warned TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE reservations ADD COLUMN calls BIGINT NOT NULL DEFAULT 0;
CREATE INDEX accounts_warned ON accounts(task) WHERE warned <> '';
-- One warning told to one channel. `at` is when it was given: another warning of the same cap is another row.
CREATE TABLE warning_notices(
  task BIGINT NOT NULL,
  unit TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  attempts BIGINT NOT NULL,
  due BIGINT,
  PRIMARY KEY(task, unit, at, channel)
);
