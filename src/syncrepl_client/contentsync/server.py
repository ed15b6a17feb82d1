"""What a server says of itself in its root DSE, and which dialect of RFC 4533 follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.contentsync.controls import SYNC_REQUEST
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.messages import CANCEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.contentsync.dialects import Dialect

__all__ = ["ROOT_DSE", "Server"]

ROOT_DSE: Final = ("*", "+", "firstChangeNumber", "lastChangeNumber")
"""The attributes to ask the root DSE for; 389 Directory Server shows its change numbers to those who name them."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of a server.

    `first_change` and `last_change` are the ends of its changelog, None where it shows none.
    """

    vendor: str = ""
    version: str = ""
    classes: frozenset[str] = frozenset()
    controls: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    mechanisms: frozenset[str] = frozenset()
    naming_contexts: tuple[str, ...] = ()
    first_change: int | None = None
    last_change: int | None = None
    # FreeIPA's own attributes.
    ipa: bool = False
    # The entry that holds its schema; empty if it does not say.
    subschema: str = ""
    # Whether the root DSE could be read at all.
    known: bool = field(default=False)

    @classmethod
    def of(cls, root_dse: Mapping[str, list[bytes]]) -> Server:
        """Read the attributes of a root DSE; an empty one is a server that hides it."""
        values = {name.lower(): [value.decode(errors="replace") for value in root_dse[name]] for name in root_dse}

        def one(name: str) -> str:
            return next(iter(values.get(name, ())), "")

        return cls(
            vendor=one("vendorname"),
            version=one("vendorversion"),
            classes=frozenset(name.lower() for name in values.get("objectclass", ())),
            controls=frozenset(values.get("supportedcontrol", ())),
            extensions=frozenset(values.get("supportedextension", ())),
            mechanisms=frozenset(values.get("supportedsaslmechanisms", ())),
            naming_contexts=tuple(values.get("namingcontexts", ())),
            first_change=_number(one("firstchangenumber")),
            last_change=_number(one("lastchangenumber")),
            ipa=any(name.startswith("ipa") for name in values),
            subschema=one("subschemasubentry"),
            known=bool(values),
        )

    @property
    def offers_sync(self) -> bool:
        """Whether the server announces RFC 4533; some that have it do not."""
        return SYNC_REQUEST in self.controls

    @property
    def offers_cancel(self) -> bool:
        """Whether a search can be ended by Cancel (RFC 3909)."""
        return CANCEL in self.extensions

    def suffix_of(self, base: str) -> str | None:
        """Return the naming context that a name lies in; None if the server shows none."""
        holding = [context for context in self.naming_contexts if context and names.is_under(base, context)]
        return max(holding, key=names.depth, default=None)

    def dialect(self, base: str) -> Dialect | None:
        """Choose the dialect for a search below `base`; None if the root DSE tells nothing."""
        if "openldaprootdse" in self.classes:
            return dialects.OPENLDAP
        if "389" in self.vendor:
            # FreeIPA logs changes of its DNS entries alone.
            suffix = self.suffix_of(base)
            is_logged = not self.ipa or (suffix is not None and names.is_under(base, f"cn=dns,{suffix}"))
            return dialects.DS389 if is_logged else dialects.FREEIPA
        if "apache" in self.vendor.lower():
            return dialects.APACHEDS
        return dialects.UNKNOWN if self.known else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
