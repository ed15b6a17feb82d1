"""The columns that are made of an entry's name on its way into the store."""

from __future__ import annotations

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import dn as names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["DepthOrder", "of_one_name", "text", "texts"]


def text(dn: bytes) -> str:
    """Decode a DN.

    Raises:
        ProtocolError: it is not UTF-8 (RFC 4511 section 4.1.3).
    """
    try:
        return dn.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a DN that is not UTF-8: {dn[:60]!r}") from error


def texts(dns: list[bytes]) -> list[str]:
    """Decode many DNs; see `text`."""
    try:
        return [dn.decode() for dn in dns]
    except UnicodeDecodeError:
        return [text(dn) for dn in dns]


def of_one_name(entries: Iterable[tuple[bytes, str]]) -> Iterator[bytes]:
    """Iterate over the UUIDs of those among a few entries that have the name of another one of them."""
    found = list(entries)
    for uuid, dn in found:
        if any(other != uuid and names.same(name, dn) for other, name in found):
            yield uuid


class DepthOrder:
    """Row ids in the order of their entries' depth in the tree, at eight bytes each."""

    def __init__(self) -> None:
        self._ids: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))

    def add(self, dns: Iterable[str], first: int) -> None:
        """Remember rows that follow one another."""
        for row, dn in enumerate(dns, first):
            self._ids[names.depth(dn)].append(row)

    def pages(self, size: int, *, deepest_first: bool = False) -> Iterator[array[int]]:
        """Iterate over the ids in pages of at most `size`."""
        for depth in sorted(self._ids, reverse=deepest_first):
            ids = self._ids[depth]
            for start in range(0, len(ids), size):
                yield ids[start : start + size]
