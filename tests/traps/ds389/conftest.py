"""One server for the tests of a module, and a part of its tree for each of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.ns_slapd import CONTENT_SYNC, NsSlapd
from tests.slapd import SUFFIX, empty_tree
from tests.traps.copies import add_person, add_unit

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[NsSlapd]:
    # Clients that are gone count for a second; here more than the usual ten may have gone.
    with NsSlapd(settings={CONTENT_SYNC: {"nsslapd-pluginarg0": ["1000"]}}) as started:
        started.start()
        started.load(empty_tree())
        yield started


@pytest.fixture
def out(server: NsSlapd) -> str:
    """Make a container beside the base."""
    return add_unit(server, f"ou=out{time.monotonic_ns()}", SUFFIX)


@pytest.fixture
def base(server: NsSlapd) -> str:
    """Make a container with three people."""
    unit = add_unit(server, f"ou=base{time.monotonic_ns()}", f"ou=people,{SUFFIX}")
    for name in "abc":
        add_person(server, f"cn={name}", unit)
    return unit
