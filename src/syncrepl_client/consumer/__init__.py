"""The first pump, from a server's messages to the store, and what it finds out before it believes them."""
