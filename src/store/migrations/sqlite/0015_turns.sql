-- For a list of words SQLite builds a table in memory with each row that it writes, and then looks the word up in it.
DROP INDEX events_turns;
CREATE INDEX events_turns ON events(kind, at, agent)
  WHERE kind = 'TaskClaimed' OR kind = 'TaskCompleted' OR kind = 'TaskFailed' OR kind = 'CommandRefused';
