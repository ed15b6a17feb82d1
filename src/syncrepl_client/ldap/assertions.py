"""What an item of a filter says about values, as the schema has it or as it is without one.

An item is a filter without others inside (RFC 4511 section 4.5.1.7).  `Rules` makes an `Assertion` of it once, so that
what it costs to understand the item is not paid for each entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncrepl_client.ldap.clues import NO_CLUES, Clues
from syncrepl_client.ldap.filter import Comparison, Extensible, Present, Substrings

__all__ = ["Assertion", "Item", "Rules", "Test"]

Item = Comparison | Present | Substrings | Extensible
Test = Callable[[bytes], bool]
"""Tells whether a value is as asserted."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is looked for in an entry.

    Args:
        applies: tells by its description whether an attribute's values are looked at.
        test: what one of them has to be; None if it is enough that there is one.
        with_dn: whether the values in the entry's name are looked at as well.
        clues: what the octets of an entry have in which there is such a value.
    """

    applies: Callable[[str], bool]
    test: Test | None
    with_dn: bool = False
    clues: Clues = NO_CLUES


class Rules(Protocol):
    """How values compare."""

    def assertion(self, item: Item, /) -> Assertion | None:
        """Return what an item asserts; None if that cannot be determined, so that the item is Undefined."""
