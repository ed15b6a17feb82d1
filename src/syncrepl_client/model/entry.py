"""An entry of the copy: its UUID, its name and its attributes, read as octets, as text or as what their syntax says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from syncrepl_client.ldap import descriptions
from syncrepl_client.ldap.schema import NO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.ldap.attributes import Attributes
    from syncrepl_client.ldap.schema import Schema

__all__ = ["Entry"]


class Entry:
    """An entry, which does not change.

    Attributes are asked for by description (RFC 4512 section 2.5): the name in any case or, if the schema is known, any
    other name or the OID of the type; and options.  ``cn`` finds ``commonName`` but not ``cn;lang-de``, and
    ``userCertificate`` finds ``userCertificate;binary``.

    Two entries are equal if their UUIDs, their names as they are spelled and their attributes are; the schema says only
    how to read them.

    A first load makes an entry for each there is.  So this is no frozen dataclass, which takes three times as long to
    make: what is private is assigned plainly, and what is public can only be read.  A look at `dn` costs 0.03 µs more
    for that, and to make an entry costs a third less than to make a named tuple.

    Args:
        uuid_octets: the entryUUID, or what the server uses in its place: 16 octets.
        dn: the name as the server spells it.
        attributes: the attributes, not decoded until someone looks.
        schema: what is known about attributes.
    """

    __match_args__ = ("uuid_octets", "dn", "attributes")
    __slots__ = ("_attributes", "_dn", "_schema", "_uuid_octets")

    def __init__(self, uuid_octets: bytes, dn: str, attributes: Attributes, schema: Schema = NO_SCHEMA) -> None:
        self._uuid_octets = uuid_octets
        self._dn = dn
        self._attributes = attributes
        self._schema = schema

    @property
    def uuid_octets(self) -> bytes:
        """The entryUUID, or what the server uses in its place."""
        return self._uuid_octets

    @property
    def uuid(self) -> UUID:
        """The entryUUID, or what the server uses in its place."""
        return UUID(bytes=self._uuid_octets)

    @property
    def dn(self) -> str:
        """The name as the server spells it."""
        return self._dn

    @property
    def attributes(self) -> Attributes:
        """All attributes, by the names that the server gives them."""
        return self._attributes

    @property
    def schema(self) -> Schema:
        """What is known about attributes."""
        return self._schema

    # --- octets -------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> list[bytes]:
        """Return the values of an attribute as octets.

        Raises:
            KeyError: the entry does not have it.
        """
        values = self.get(name)
        if values is None:
            raise KeyError(name)
        return values

    def get(self, name: str, default: list[bytes] | None = None) -> list[bytes] | None:
        """Return the values of an attribute as octets, or something else if the entry does not have it."""
        found = self._attributes.get(name)
        if found is not None:
            return found
        key = self._schema.key
        wanted = key(name)
        return next((values for known, values in self._attributes.items() if key(known) == wanted), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that the server gives the attributes."""
        return iter(self._attributes)

    def variants(self, name: str) -> dict[str, list[bytes]]:
        """Return an attribute with whatever options, such as ``cn`` and ``cn;lang-de``.

        Args:
            name: its name; options in it are those that each must have.

        Returns:
            Values as octets by description, as the server spells them.
        """
        key = self._schema.key
        kind, options = key(descriptions.type_of(name)), set(descriptions.split(name)[1])
        return {
            known: values
            for known, values in self._attributes.items()
            if key(descriptions.type_of(known)) == kind and options.issubset(descriptions.split(known)[1])
        }

    # --- text ---------------------------------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        """Return the first value of an attribute as text; None if the entry does not have it.

        What is not UTF-8 in it is shown as U+FFFD: text is for people; for everything else there are the octets.
        """
        values = self.get(name)
        return values[0].decode(errors="replace") if values else None

    def texts(self, name: str) -> list[str]:
        """Return the values of an attribute as text, none if the entry does not have it; see `text`."""
        return [value.decode(errors="replace") for value in self.get(name) or ()]

    # --- what the syntax says -----------------------------------------------------------------------------------------

    def value(self, name: str) -> object | None:
        """Return the first value of an attribute by its syntax; None if the entry does not have it; see `values`."""
        values = self.get(name)
        return self._schema.decode(name, values[0]) if values else None

    def values(self, name: str) -> list[object]:
        """Return the values of an attribute by its syntax, none if the entry does not have it.

        They are ``bool``, ``int``, ``datetime``, ``UUID`` or ``str``.  Values that break their syntax are ``bytes``, as
        are all that no text stands for, and those of attributes of which the schema knows nothing.
        """
        return list(map(self._schema.decoder(name), self.get(name) or ()))

    def single_valued(self, name: str) -> bool | None:
        """Tell whether an attribute can have one value at most; None if that is not known."""
        kind = self._schema.attribute(name)
        return None if kind is None else kind.single_valued

    # --- comparison ---------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (
            self._uuid_octets == other._uuid_octets and self._dn == other._dn and self._attributes == other._attributes
        )

    def __hash__(self) -> int:
        # Attributes would have to be decoded for it, and entries that differ in them alone are few.
        return hash((self._uuid_octets, self._dn))

    def __repr__(self) -> str:
        # Values may be secret.
        return f"<Entry {self._dn!r} {self._uuid_octets.hex()}>"
