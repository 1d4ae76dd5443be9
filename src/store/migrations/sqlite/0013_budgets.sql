-- Answers of a model are set aside like money; what was spent of late, for a forecast; and which caps were warned of, as JSON.
ALTER TABLE accounts ADD COLUMN reserved_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN recent TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN warned TEXT NOT NULL DEFAULT '';
ALTER TABLE reservations ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
CREATE INDEX accounts_warned ON accounts(task) WHERE warned <> '';
-- One warning told to one channel. `at` is when it was given: another warning of the same cap is another row.
CREATE TABLE warning_notices(
  task INTEGER NOT NULL,
  unit TEXT NOT NULL,
  at INTEGER NOT NULL,
  channel TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due INTEGER,
  PRIMARY KEY(task, unit, at, channel)
) WITHOUT ROWID;
