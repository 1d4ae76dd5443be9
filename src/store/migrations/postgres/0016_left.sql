-- Whether whoever holds a task has a session that goes on.
CREATE INDEX sessions_agent ON sessions(agent, open, seen_at);
