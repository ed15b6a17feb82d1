"""The program's listener, of whose methods any may be missing, and the connection that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.exceptions import ClosedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.connection.client import Client

__all__ = ["AnyListener", "BoundConnection"]


def _ignore(*_arguments: object, **_named: object) -> None:
    """Stand in for a method that a listener does not have."""


class AnyListener:
    """Calls those methods that a listener has.

    Args:
        listener: the program's; None if it has none.
    """

    def __init__(self, listener: object | None) -> None:
        self._bound = getattr(listener, "bound", None)
        # Under this name it is remembered who was told of the changes.
        self.name = str(getattr(listener, "name", "") or type(listener).__qualname__)
        # The listener's own methods where it has them: a call in between would be paid once for each entry.
        self.change = getattr(listener, "change", _ignore)
        self.refresh_done = getattr(listener, "refresh_done", _ignore)
        self.cookie = getattr(listener, "cookie", _ignore)
        self.debug = getattr(listener, "debug", _ignore)
        self.connected = getattr(listener, "connected", _ignore)
        self.disconnected = getattr(listener, "disconnected", _ignore)
        # Whether it knows entries by the spelling of their names alone.
        self.by_name = bool(getattr(listener, "by_name", False))
        self.hears_changes = bool(getattr(listener, "hears_changes", self.change is not _ignore))

    def bound(self, client: Client) -> None:
        """Let the program ask the server something before the search begins."""
        if self._bound is not None:
            connection = BoundConnection(client)
            try:
                self._bound(connection)
            finally:
                connection.expire()


class BoundConnection:
    """What the callback `bind_complete` may ask the server; valid inside that call alone.

    Its methods have the names of python-ldap's.
    """

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client

    def expire(self) -> None:
        """Make every later call an error."""
        self._client = None

    @property
    def _open(self) -> Client:
        if self._client is None:
            raise ClosedError("the connection given to bind_complete is valid inside that call alone")
        return self._client

    def whoami_s(self) -> str:
        """Return the authorization identity, such as ``dn:cn=reader,dc=example,dc=com`` (RFC 4532)."""
        return self._open.who_am_i()

    def search_s(
        self, base: str, scope: int, filterstr: str = "(objectClass=*)", attrlist: Iterable[str] | None = None
    ) -> list[tuple[str, dict[str, list[bytes]]]]:
        """Search; `scope` is 0 (base), 1 (one level) or 2 (subtree)."""
        return self._open.search(base, scope, filterstr, attrlist or ())

    def read_rootdse_s(
        self, filterstr: str = "(objectClass=*)", attrlist: Iterable[str] | None = None
    ) -> dict[str, list[bytes]]:
        """Read the root DSE, its operational attributes included (RFC 4512 section 5.1)."""
        found = self.search_s("", 0, filterstr, attrlist or ("*", "+"))
        return found[0][1] if found else {}

    def get_naming_contexts(self) -> list[bytes]:
        """Return the suffixes that the server holds."""
        return self.read_rootdse_s(attrlist=("namingContexts",)).get("namingContexts", [])

    def search_subschemasubentry_s(self, dn: str = "") -> str | None:
        """Return the DN of the entry that holds the schema for `dn` (RFC 4512 section 4.4)."""
        found = self.search_s(dn, 0, attrlist=("subschemaSubentry",))
        values = found[0][1].get("subschemaSubentry", []) if found else []
        return values[0].decode() if values else None

    def read_subschemasubentry_s(
        self, subschemasubentry_dn: str, attrs: Iterable[str] | None = None
    ) -> dict[str, list[bytes]] | None:
        """Read the schema (RFC 4512 section 4.2)."""
        wanted = attrs or ("attributeTypes", "objectClasses", "ldapSyntaxes", "matchingRules")
        found = self.search_s(subschemasubentry_dn, 0, "(objectClass=subschema)", wanted)
        return found[0][1] if found else None
