"""The code on the pages runs with the tests: one namespace for each page, from its top to its end."""

from __future__ import annotations

from sybil import Sybil
from sybil.parsers.rest import DocTestParser, PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[DocTestParser(), PythonCodeBlockParser(), SkipParser()],
    patterns=["*.rst"],
    excludes=["_build/**"],
).pytest()
