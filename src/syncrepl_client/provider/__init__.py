"""Which server is talked to: where servers are found, which is tried when, and the link to the one that answers."""
