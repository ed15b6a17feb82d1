"""The code on the pages runs with the tests, each page from its top to its end.

A page finds a directory server of its own under `url`, can change it through `directory`, and works in a folder that
holds nothing but certificates: `ca.pem` of the authority that the server has its own from, and `ann-cert.pem` of
somebody.  Code with a caption is the file of that name: it is written there, and run by what comes after it.

What is typed into a terminal (``console``) is run if it has a class that says how: ``once``; ``until`` it prints what
stands there, as who looks at something looks again; ``fails`` with either; ``meanwhile``, as what goes on beside all
that follows.  A ``text`` with the class ``then`` is what that prints next.  A word behind either names one of several
terminals.  A configuration with the class ``added`` and the name of a file is put at the end of that.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sybil import Sybil
from sybil.parsers.rest import CodeBlockParser, DocTestParser, PythonCodeBlockParser, SkipParser
from tests.certificates import KEY_PASSWORD, Authority, encrypted
from tests.slapd import Slapd, empty_tree
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sybil import Document, Example, Region

# Who binds by a user name, or a certificate, is the person of that name.
_SASL = """
sasl-host localhost
sasl-realm EXAMPLE.COM
sasl-auxprops slapd
authz-policy to
TLSVerifyClient try
authz-regexp .*cn=ann,.* uid=ann,ou=people,dc=example,dc=com
authz-regexp uid=([^,/@]*)(@[^,]*)?,(cn=[^,]*,)?cn=[^,]*,cn=auth uid=$1,ou=people,dc=example,dc=com
"""


def set_up(namespace: dict[str, Any]) -> None:
    """Start a server and go to an empty folder."""
    stack = namespace["_stack"] = ExitStack()
    before = Path.cwd()
    stack.callback(os.chdir, before)
    os.chdir(stack.enter_context(tempfile.TemporaryDirectory()))
    authority = Authority(Path.cwd())
    cert, key = authority.issue("127.0.0.1", "localhost")
    _, client_key = authority.issue("ann@example.com", file="ann")
    encrypted(client_key)
    Path("key-password").write_text(KEY_PASSWORD)
    Path("key-password").chmod(0o600)
    server = stack.enter_context(Slapd(extra_global=_SASL, tls_cert=cert, tls_key=key, tls_ca=authority.file))
    server.load(empty_tree())
    server.start()
    server.add(f"uid=ann,ou=people,{server.suffix}", {"objectClass": ["account"], "uid": ["ann"], "l": ["Oslo"]})
    namespace["_terminal"] = terminal = Terminal(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.callback(terminal.close)
    namespace["directory"] = server
    namespace["url"] = f"{server.url}/{server.suffix}?*?sub?(objectClass=account)"


def tear_down(namespace: dict[str, Any]) -> None:
    """Stop the server."""
    namespace["_stack"].close()


class CodeParser(PythonCodeBlockParser):
    """Finds code: what to run, and files to write."""

    def __call__(self, document: Document) -> Iterable[Region]:
        """Find it on a page."""
        for region in super().__call__(document):
            if "caption" in region.lexemes["options"]:
                region.evaluator = write
            yield region


class MarkedParser(CodeBlockParser):
    """Finds blocks that have an option.

    Args:
        language: theirs.
        option: that option.
        evaluator: what is done with them.
    """

    def __init__(self, language: str, option: str, evaluator: Callable[[Example], None]) -> None:
        super().__init__(language, evaluator)
        self._option = option

    def __call__(self, document: Document) -> Iterable[Region]:
        """Find them on a page."""
        return (region for region in super().__call__(document) if self._option in region.lexemes["options"])


def write(example: Example) -> None:
    """Write a file."""
    text = example.namespace["_terminal"].here(str(example.parsed))
    Path(example.region.lexemes["options"]["caption"]).write_text(text, encoding="utf-8")


def added(example: Example) -> None:
    """Write more into a file."""
    word, file = example.region.lexemes["options"]["class"].split()
    if word != "added":
        raise ValueError(word)
    with Path(file).open("a", encoding="utf-8") as opened:
        opened.write("\n" + example.namespace["_terminal"].here(str(example.parsed)))


def typed(example: Example) -> None:
    """Type commands, or wait for what they print."""
    terminal: Terminal = example.namespace["_terminal"]
    text = str(example.parsed)
    match example.region.lexemes["options"]["class"].split():
        case ["then", *name]:
            terminal.expect(text, *name)
        case ["meanwhile", *name]:
            terminal.start(text, *name)
        case [*words] if {*words} <= {"fails", "once", "until"}:
            terminal.run(text, until="until" in words, fails="fails" in words)
        case words:
            raise ValueError(words)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the code of the pages back into its order, which the shuffling of tests has lost."""
    here = Path(__file__).parent
    pages = [item for item in items if here in item.path.parents]
    pages.sort(key=lambda item: (item.path, item.location[1] or 0))
    items[:] = [item for item in items if here not in item.path.parents] + pages


pytest_collect_file = Sybil(
    parsers=[
        DocTestParser(),
        CodeParser(),
        MarkedParser("toml", "caption", write),
        MarkedParser("toml", "class", added),
        MarkedParser("console", "class", typed),
        MarkedParser("text", "class", typed),
        SkipParser(),
    ],
    patterns=["*.rst"],
    excludes=["_build/**"],
    setup=set_up,
    teardown=tear_down,
).pytest()
