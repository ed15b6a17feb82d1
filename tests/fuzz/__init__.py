"""Whatever arrives, the codec and the session answer with a value or with one of our errors, and soon.

``targets`` says what is tried and what must hold, ``seeds`` where inputs come from (the recordings of real servers, the
texts of the tests, and in ``corpus/`` what once failed), ``mutation`` how they are changed, ``limits`` how long and how
much one input may take.  ``python -m tests.fuzz --seconds 600`` looks for more, guided by coverage where atheris is
installed; ``test_fuzz.py`` is the short run.
"""
