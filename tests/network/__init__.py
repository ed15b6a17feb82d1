"""Networks that drop, stall and lie, between a client in a process of its own and a real server."""
