"""A realm for the tests of Kerberos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kerberos import realm_in_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kerberos import Realm


@pytest.fixture(scope="package")
def realm() -> Iterator[Realm]:
    """Run a realm in which ``alice`` has a keytab."""
    with realm_in_use() as running:
        running.add("alice", keytab="alice.keytab")
        yield running
