"""One connection to one server: the way in, who to be there, and what can be asked on it."""
