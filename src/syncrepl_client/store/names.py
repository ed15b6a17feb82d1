"""The columns that are made of an entry's name on its way into the store."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import dn as names

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DepthOrder", "text"]


def text(dn: bytes) -> str:
    """Decode a DN.

    Raises:
        ProtocolError: it is not UTF-8 (RFC 4511 section 4.1.3).
    """
    try:
        return dn.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a DN that is not UTF-8: {dn[:60]!r}") from error


class DepthOrder:
    """Row ids in the order of their entries' depth in the tree, at eight bytes each."""

    def __init__(self) -> None:
        self._ids: dict[int, array[int]] = {}

    def add(self, dn: str, row: int) -> None:
        """Remember a row."""
        self._ids.setdefault(names.depth(dn), array("q")).append(row)

    def pages(self, size: int, *, deepest_first: bool = False) -> Iterator[array[int]]:
        """Iterate over the ids in pages of at most `size`."""
        for depth in sorted(self._ids, reverse=deepest_first):
            ids = self._ids[depth]
            for start in range(0, len(ids), size):
                yield ids[start : start + size]
