"""What is known of a server, and what follows from it: facts in, findings out.  Pure: nothing here asks a server."""
