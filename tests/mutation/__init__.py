"""What decides what is gone, changed a little in every place: some test has to notice.

``python -m tests.mutation`` makes the changes, by mutmut, and runs the fast tests that are about the changed function.
A change that no test notices is a gap in the tests, or makes no difference; `explained` says why, for each of those.
"""
