"""Put settings into a configuration that is LDIF, as 389 Directory Server and ApacheDS have.

Both rewrite it, or what they made of it, in their own order and spelling; so names are compared without case, and what
is not set stays.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ldif

if TYPE_CHECKING:
    from tests.server import Attributes

__all__ = ["Settings", "parse_ldif", "with_settings"]

# DN to attribute to values; no values removes the attribute.
Settings = Mapping[str, Mapping[str, Sequence[str]]]


def with_settings(text: str, *settings: Settings) -> str:
    """Return the configuration with these settings, later ones first; KeyError names an unknown DN."""
    entries = parse_ldif(text)
    by_name = {_normal(dn): attrs for dn, attrs in entries}
    for each in settings:
        for dn, changes in each.items():
            _set(by_name[_normal(dn)], changes)
    output = io.StringIO()
    writer = ldif.LDIFWriter(output)
    for dn, attrs in entries:
        writer.unparse(dn, attrs)
    return output.getvalue()


def parse_ldif(text: str) -> list[tuple[str, Attributes]]:
    parser = ldif.LDIFRecordList(io.StringIO(text))
    parser.parse()
    return list(parser.all_records)


def _normal(dn: str) -> str:
    return re.sub(" *, *", ",", dn.lower())


def _set(entry: Attributes, changes: Mapping[str, Sequence[str]]) -> None:
    names = {name.lower() for name in changes}
    for name in [name for name in entry if name.lower() in names]:
        del entry[name]
    entry.update({name: [value.encode() for value in values] for name, values in changes.items() if values})
