"""The pytest plugin: one fixture.

It stands beside the package and imports it late: pytest loads plugins in every run of every project that shares the
environment, and importing anything inside the package imports all of its fronts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.testing import Provider

__all__ = ["syncrepl_provider"]


@pytest.fixture
def syncrepl_provider() -> Iterator[Provider]:
    """An LDAP server in memory that speaks RFC 4533, with dc=example,dc=com in it; see `syncrepl_client.testing`."""
    from syncrepl_client.testing import Provider  # noqa: PLC0415 - see the module's docstring

    with Provider() as provider:
        yield provider
