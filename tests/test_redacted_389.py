"""A copy of 389 Directory Server without what is redacted, where a comparison with the server repairs what it omits."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from syncrepl_client import Change, Origin, Replica, SyncreplMode
from syncrepl_client.redaction import MASK, Redaction
from tests.ns_slapd import NsSlapd
from tests.slapd import SUFFIX, sample_ldif
from tests.verification import person

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

# What the server makes of a password.
SCHEME = b"{PBKDF2"
TITLED = "(title=kept)"


@pytest.fixture
def server() -> Iterator[NsSlapd]:
    with NsSlapd() as started:
        started.load(sample_ldif(10))
        started.start()
        for number in (1, 2):
            started.replace(person(number), "userPassword", ["open sesame"])
            started.replace(person(number), "title", ["kept"])
        yield started


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Origin, str]] = []

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.told.append((change.origin, change.entry.dn))


def test_a_repair_brings_nothing_in_clear_and_comes_to_an_end(server: NsSlapd, tmp_path: Path) -> None:
    (stored,) = server.search(person(1))[person(1)]["userPassword"]
    assert stored.startswith(SCHEME)
    url = f"{server.url}/{SUFFIX}??sub?{TITLED}?bindname={quote(server.rootdn, safe='')},x-bindpw={server.rootpw}"
    data = tmp_path / "copy.db"
    rules = Redaction(mask=["userPassword"], hash=["telephoneNumber"], key=b"0123456789abcdef")

    listener = Listener()

    def refresh() -> None:
        with Replica(url, data, mode=SyncreplMode.REFRESH_ONLY, redaction=rules, listener=listener) as replica:
            replica.run()

    refresh()
    # Who leaves the filter is not told of: the comparison after the resumption finds it.
    server.replace(person(2), "title", ["gone"])
    server.replace(person(1), "userPassword", ["Vogon poetry"])
    server.replace(person(1), "telephoneNumber", ["+47 55 00 00 00"])
    refresh()
    assert (Origin.VERIFICATION, person(2)) in listener.told
    listener.told.clear()
    refresh()
    assert listener.told == []

    with closing(Replica(url, data, redaction=rules)) as replica:
        assert replica.verify().differences == ()
        assert set(replica.entries) == {person(1)}
        entry = replica.entries[person(1)]
        assert entry["userPassword"] == [MASK]
        assert entry["telephoneNumber"][0].startswith(b"{HMAC-SHA256}")
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert stored not in content
    assert b"+47 55 00 00 00" not in content
