"""Asking a server what it is and what it allows: questions in, facts out.  No question is dear, however large it is."""
