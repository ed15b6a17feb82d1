"""A client and a provider that can be told to lie to it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from syncrepl_client.testing import Provider
from tests.traps.laboratory import OPENLDAP, Laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from syncrepl_client.testing.directory import Values


class MakeLaboratory(Protocol):
    """Starts a provider of a kind, with some entries that are in the client's copy already."""

    def __call__(
        self, root_dse: Mapping[str, Values] = OPENLDAP, *, entries: int = 4, copied: bool = True, scope: str = "one"
    ) -> Laboratory: ...


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeLaboratory]:
    """Make laboratories, all with the same data file."""
    with ExitStack() as stack:

        def start(
            root_dse: Mapping[str, Values] = OPENLDAP, *, entries: int = 4, copied: bool = True, scope: str = "one"
        ) -> Laboratory:
            laboratory = Laboratory(stack.enter_context(Provider(root_dse=root_dse)), tmp_path / "data", scope)
            laboratory.fill(entries)
            if copied:
                laboratory.run()
            return laboratory

        yield start


@pytest.fixture
def lab(make: MakeLaboratory) -> Laboratory:
    """Return a client of an OpenLDAP provider that has copied four entries."""
    return make()
