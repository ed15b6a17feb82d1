"""Entries for tests of what is printed."""

from __future__ import annotations

from uuid import UUID

from syncrepl_client.model import Attributes, Entry

UUID_TEXT = "0d9a5b5c-6f4e-4c7b-9b44-0123456789ab"


def entry(dn: str, **attributes: bytes | list[bytes]) -> Entry:
    """Make an entry with one or several values for each attribute; in names "_" stands for "-"."""
    values = {
        name.replace("_", "-"): [value] if isinstance(value, bytes) else value for name, value in attributes.items()
    }
    return Entry(UUID(UUID_TEXT).bytes, dn, Attributes.of(values))
