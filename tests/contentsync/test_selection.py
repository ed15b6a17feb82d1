"""Operational attributes that nobody asked for."""

from __future__ import annotations

import pytest

from syncrepl_client.contentsync.selection import Selection
from syncrepl_client.ldap.attributes import decode_attributes, encode_attributes

OPERATIONAL = frozenset({"entrycsn", "modifytimestamp"})


@pytest.mark.parametrize(
    ("requested", "left"),
    [
        ((), ["cn", "Description"]),
        (("*",), ["cn", "Description"]),
        (("*", "ENTRYCSN"), ["cn", "entryCSN", "Description"]),
        (("*", "+"), ["cn", "entryCSN", "Description", "modifyTimestamp"]),
    ],
)
def test_what_was_not_asked_for_is_taken_out(requested: tuple[str, ...], left: list[str]) -> None:
    values = {"cn": [b"a"], "entryCSN": [b"1"], "Description": [b"x" * 300], "modifyTimestamp": [b"2", b"3"]}

    ((uuid, dn, attributes),) = Selection(requested, OPERATIONAL).of([(b"u", b"cn=a", encode_attributes(values))])

    assert (uuid, dn) == (b"u", b"cn=a")
    assert {name: values[name] for name in left} == decode_attributes(attributes)


def test_an_entry_without_any_keeps_its_octets() -> None:
    """They are what the copy is compared by."""
    wire = b"\x30\x81\x0b\x30\x09\x04\x02cn\x31\x03\x04\x01a"

    assert Selection((), OPERATIONAL).of([(b"u", b"cn=a", wire)]) == [(b"u", b"cn=a", wire)]
