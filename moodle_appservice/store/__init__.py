"""Our own memory, on SQLite or PostgreSQL with the same SQL text."""
