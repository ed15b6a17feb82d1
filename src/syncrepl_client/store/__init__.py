"""The durable copy of a search, in SQLite."""
