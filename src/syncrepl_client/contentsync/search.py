"""The parameters of a content synchronization search: all that a cookie belongs to (RFC 4533 section 3.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import messages

__all__ = ["BASE", "ONE_LEVEL", "SUBTREE", "Search"]

BASE: Final = 0
ONE_LEVEL: Final = 1
SUBTREE: Final = 2


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for.

    Args:
        base: DN of the base.
        scope: `BASE`, `ONE_LEVEL` or `SUBTREE`.
        filter_: the filter, encoded.
        attributes: what to return; empty means all user attributes.
        identity: who asks.
        redaction: stands for the rules under which its entries are redacted; empty for none.
    """

    base: str
    scope: int
    filter_: bytes
    attributes: tuple[str, ...]
    identity: str = ""
    redaction: str = ""

    @property
    def fingerprint(self) -> str:
        """A digest of all parameters: a cookie is never sent with others."""
        parts = (
            names.normalize(self.base),
            str(self.scope),
            self.filter_.hex(),
            " ".join(sorted({name.lower() for name in self.attributes})),
            names.normalize(self.identity),
            "manageDsaIT",
            # What was stored under other rules has to be read anew.
            *([self.redaction] if self.redaction else []),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def request(self, *, asterisk: bool = False) -> bytes:
        """Encode the search request.

        Args:
            asterisk: whether to ask for all user attributes by name.  No attributes mean the same (RFC 4511 section
                4.5.1.8), but a server that adds the operational ones to an empty list sends those alone.
        """
        attributes = self.attributes or (("*",) if asterisk else ())
        return messages.search_request(self.base, self.scope, self.filter_, attributes)

    def holds(self, dn: str) -> bool:
        """Tell whether a name lies within base and scope."""
        if self.scope == BASE:
            return names.same(dn, self.base)
        if self.scope == ONE_LEVEL:
            return names.same(names.parent(dn), self.base) and bool(dn)
        return names.is_under(dn, self.base)
