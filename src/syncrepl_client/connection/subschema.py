"""Reading the server's schema: once, and again when it has changed (RFC 4512 section 4.4).

What cannot be read is not an error: values are octets then, and compared as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import LDAPResultError
from syncrepl_client.ldap.attributes import Attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.server import Server
    from syncrepl_client.store.store import Store

__all__ = ["learn"]

_EVERYTHING: Final = "(objectClass=*)"
# What changes with the schema: RFC 4512 section 3.4.4, 389 Directory Server's own, and OpenLDAP's.
_STAMPS: Final = ("modifyTimestamp", "nsSchemaCSN", "entryCSN")
_DEFINITIONS: Final = ("attributeTypes", "objectClasses", "matchingRules", "ldapSyntaxes")


def learn(client: Client, store: Store, server: Server, base: str) -> None:
    """Read the schema that governs a search, unless it is the one that is stored.

    Args:
        client: bound; no search runs on it.
        store: where it is stored.
        server: what it says of itself.
        base: the base of the search.
    """
    try:
        subentry = server.subschema or _pointer(client, base)
        if not subentry:
            return
        known = store.subschema()
        if known is not None and known[0] == subentry and _stamps(known[1]):
            now = _read(client, subentry, _STAMPS)
            if _stamps(now) == _stamps(known[1]):
                return
        found = _read(client, subentry, (*_DEFINITIONS, *_STAMPS))
    except LDAPResultError:
        return
    if any(name.lower() == "attributetypes" for name in found):
        store.set_subschema(subentry, Attributes.of(found))


def _pointer(client: Client, dn: str) -> str:
    """Return the name of the subschema subentry that an entry points to; empty if it does not."""
    found = client.search(dn, 0, _EVERYTHING, ("subschemaSubentry",))
    values = Attributes.of(found[0][1]).get("subschemaSubentry", []) if found else []
    return values[0].decode(errors="replace") if values else ""


def _read(client: Client, subentry: str, attributes: tuple[str, ...]) -> dict[str, list[bytes]]:
    found = client.search(subentry, 0, "(objectClass=subschema)", attributes)
    return found[0][1] if found else {}


def _stamps(attributes: Mapping[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Return what tells one version of a schema from another."""
    wanted = {name.lower() for name in _STAMPS}
    return {name.lower(): attributes[name] for name in attributes if name.lower() in wanted}
