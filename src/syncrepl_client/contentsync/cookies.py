"""The cookie of OpenLDAP: ``rid=NNN[,sid=XXX],csn=CSN[;CSN…][,delcsn=CSN]``.

RFC 4533 calls cookies opaque.  Those of OpenLDAP cannot be treated so without losing changes: echoing ``sid=`` makes
another provider withhold changes, some cookies carry one CSN of several, and some carry none at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["OpenLDAPCookie"]

_CSN: Final = re.compile(rb"\d{14}\.\d{6}Z#[0-9a-fA-F]{6}#([0-9a-fA-F]{3})#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class OpenLDAPCookie:
    """A vector of change sequence numbers, at most one for each server id."""

    rid: bytes
    csns: tuple[tuple[bytes, bytes], ...]

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

    def encode(self) -> bytes:
        """Write the cookie without ``sid=`` and ``delcsn=``."""
        return b"rid=" + self.rid + b",csn=" + b";".join(csn for _, csn in self.csns)
