"""How fast a copy of a directory is made, and what it costs: `python -m bench`."""
