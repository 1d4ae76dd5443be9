-- What people look at: where tasks stand and since when, how many stand there, and what was spent on which day.
ALTER TABLE tasks ADD COLUMN phase TEXT COLLATE "C" NOT NULL DEFAULT '';
-- When it came into its phase; of a task that is over, when it ended.
ALTER TABLE tasks ADD COLUMN entered_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN touched_at BIGINT NOT NULL DEFAULT 0;
UPDATE tasks SET
  phase = body::jsonb ->> 'phase',
  entered_at = coalesce((SELECT at FROM events WHERE task = tasks.id AND kind IN ('TaskSubmitted', 'PhaseEntered',
    'TaskCompleted', 'TaskFailed', 'TaskCancelled', 'TaskReopened') ORDER BY seq DESC LIMIT 1), 0),
  touched_at = coalesce((SELECT at FROM events WHERE task = tasks.id ORDER BY seq DESC LIMIT 1), 0);
CREATE INDEX tasks_place ON tasks(workflow, phase, status, entered_at);

-- Counted when a task moves, so that a look at the board does not count a million rows. Moves are added as rows, which the
-- pass that numbers records puts together: a row that every claim changes would have each wait for the other.
CREATE TABLE task_counts(workflow TEXT COLLATE "C" NOT NULL, phase TEXT COLLATE "C" NOT NULL, status TEXT COLLATE "C" NOT NULL, tasks BIGINT NOT NULL);
CREATE INDEX task_counts_place ON task_counts(workflow, phase, status);
INSERT INTO task_counts(workflow, phase, status, tasks)
  SELECT workflow, phase, status, count(*) FROM tasks GROUP BY workflow, phase, status;

-- How fast it goes: what of a day is counted by the hour and by agent.
CREATE INDEX events_turns ON events(kind, at, agent)
  WHERE kind IN ('TaskClaimed', 'TaskCompleted', 'TaskFailed', 'CommandRefused');

-- UTC, as `2026-11-20`; empty for what was spent before days were told apart.
ALTER TABLE spending ADD COLUMN day TEXT COLLATE "C" NOT NULL DEFAULT '';
DROP INDEX spending_on;
CREATE UNIQUE INDEX spending_on ON spending(task, phase, agent, session, model, day);
CREATE INDEX spending_day ON spending(day, micro_usd);
CREATE INDEX spending_agent ON spending(agent, micro_usd);
