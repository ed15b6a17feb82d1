"""Cookies whose inside matters, although RFC 4533 calls them opaque.

OpenLDAP: ``rid=NNN[,sid=XXX],csn=CSN[;CSN…][,delcsn=CSN]``.  Treated as opaque they lose changes: echoing ``sid=``
makes another provider withhold changes, some cookies carry one CSN of several, and some carry none at all.

389 Directory Server: ``host:port#binddn:base:filter#N``, N being the number of a change in its retro changelog, or
garbage where the change is not in there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap.times import generalized_time

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ChangeNumberCookie", "OpenLDAPCookie"]

_CSN: Final = re.compile(rb"\d{14}\.\d{6}Z#[0-9a-fA-F]{6}#([0-9a-fA-F]{3})#[0-9a-fA-F]{6}")

# What 389 writes for "no number": -1 in 32 bits; anything near the end of 64 bits is no better.
_NO_NUMBER: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ChangeNumberCookie:
    """The number of a change."""

    number: int

    @classmethod
    def parse(cls, cookie: bytes | None) -> ChangeNumberCookie | None:
        """Read a cookie; None if it is absent, of another form, or one that the server would not take back.

        The server itself parses it by ``#``, so one with a ``#`` in its filter, base or bind DN is invalid to it.
        """
        parts = cookie.split(b"#") if cookie else []
        if len(parts) != 3 or not parts[2].isdigit():  # noqa: PLR2004 - server, client, number
            return None
        number = int(parts[2])
        return cls(number) if number < _NO_NUMBER else None


@dataclass(frozen=True, slots=True)
class OpenLDAPCookie:
    """A vector of change sequence numbers, at most one for each server id."""

    rid: bytes
    csns: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, csns: Iterable[bytes]) -> OpenLDAPCookie | None:
        """Make a cookie of CSNs; None if there are none."""
        return cls.parse(b"rid=000,csn=" + b";".join(csns))

    @classmethod
    def parse(cls, cookie: bytes | None) -> OpenLDAPCookie | None:
        """Read a cookie; None if it is absent, of another form, or without a CSN that one could resume from."""
        if not cookie or not cookie.startswith(b"rid="):
            return None
        fields = dict(part.partition(b"=")[::2] for part in cookie.split(b","))
        csns: dict[bytes, bytes] = {}
        for csn in fields.get(b"csn", b"").split(b";"):
            match = _CSN.fullmatch(csn)
            if match:
                csns[match[1].lower()] = csn
        return cls(fields[b"rid"], tuple(sorted(csns.items()))) if csns else None

    def updated(self, newer: OpenLDAPCookie) -> OpenLDAPCookie:
        """Take over the CSN of each server id that `newer` names, unless it is older: replays repeat old ones."""
        merged = dict(self.csns)
        for sid, csn in newer.csns:
            merged[sid] = max(csn, merged.get(sid, b""))
        return OpenLDAPCookie(self.rid, tuple(sorted(merged.items())))

    @property
    def sids(self) -> frozenset[bytes]:
        """The ids of the servers whose changes it counts."""
        return frozenset(sid for sid, _ in self.csns)

    def newer_than(self, other: OpenLDAPCookie) -> bool:
        """Tell whether a CSN is newer than the other's of the same server id, or of a server that it does not know."""
        return bool(self.ahead_of(other))

    def ahead_of(self, other: OpenLDAPCookie) -> list[bytes]:
        """Return the CSNs that are newer than the other's of the same server id, or of a server that it has not."""
        known = dict(other.csns)
        return [csn for sid, csn in self.csns if csn > known.get(sid, b"")]

    def seconds_to(self, newer: OpenLDAPCookie) -> float:
        """Return how many seconds of changes another one counts that this one does not.

        They are of the clocks of the servers that made the changes, each compared with itself.  A server that is not
        known here had made none when the newest change was made that is.  Infinite if the clocks do not tell.
        """
        known = dict(self.csns)
        newest = max(csn for _, csn in self.csns)
        ahead = [(sid, csn) for sid, csn in newer.csns if csn > known.get(sid, b"")]
        return max((_seconds(known.get(sid, newest), csn) for sid, csn in ahead), default=0.0)

    def encode(self) -> bytes:
        """Write the cookie without ``sid=`` and ``delcsn=``."""
        return b"rid=" + self.rid + b",csn=" + b";".join(csn for _, csn in self.csns)


def _seconds(older: bytes, newer: bytes) -> float:
    """Return how many seconds one CSN is older than another one; infinite if it is not, or one of them has no date."""
    try:
        start, end = (generalized_time(csn.partition(b"#")[0]) for csn in (older, newer))
    except (ValueError, OverflowError):
        return math.inf
    return (end - start).total_seconds() if end >= start else math.inf
