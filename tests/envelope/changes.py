"""Changes to make events of, usual ones and broken ones, and what says whether the events are right."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model import (
    Added,
    Attributes,
    Change,
    Deleted,
    Entry,
    Modified,
    Origin,
    Provenance,
    Renamed,
)

FILE = "5d0e3f"
URL = "ldap://ldap.example.com/dc=example,dc=com??sub?(cn=*)?bindname=cn=reader,x-bindpw=hush-hush"
ANN = UUID("6fbc6e3c-8f6d-4a3e-9a4e-0d6f5c1b2a39")
# 2026-01-31 12:00:01.000002 UTC, in microseconds.
STORED = 1769860801000002

_SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
SCHEMA = Schema.parse(
    {
        "attributeTypes": [
            f"( 2.5.4.3 NAME ( 'cn' 'commonName' ) SYNTAX {_SYNTAX}15 )".encode(),
            f"( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX {_SYNTAX}27 SINGLE-VALUE )".encode(),
            f"( 2.5.18.2 NAME 'modifyTimestamp' SYNTAX {_SYNTAX}24 USAGE directoryOperation )".encode(),
            f"( 1.2.3.1 NAME 'active' SYNTAX {_SYNTAX}7 )".encode(),
            f"( 2.5.4.35 NAME 'userPassword' SYNTAX {_SYNTAX}40 )".encode(),
            f"( 2.5.4.36 NAME 'userCertificate' SYNTAX {_SYNTAX}8 )".encode(),
            b"( 1.3.6.1.1.16.4 NAME 'entryUUID' SYNTAX 1.3.6.1.1.16.1 )",
            b"( 1.2.3.2 NAME 'vendor' SYNTAX 1.2.3.4.5 )",
            b"( 1.2.3.3 NAME 'bare' )",
        ]
    }
)


def entry(dn: str = "uid=ann,dc=example,dc=com", **values: list[bytes]) -> Entry:
    return entry_of(values, dn=dn)


def entry_of(
    values: dict[str, list[bytes]], *, dn: str = "uid=ann,dc=example,dc=com", schema: Schema = SCHEMA
) -> Entry:
    return Entry(ANN.bytes, dn, Attributes.of(values), schema)


def found(origin: Origin = Origin.PERSIST, sequence: int | None = 42, stored: int | None = STORED) -> Provenance:
    return Provenance(origin, sequence, stored)


BEFORE = entry(cn=[b"Ann"], uidNumber=[b"1000"])
AFTER = entry(cn=[b"Ann", b"Anna"], uidNumber=[b"1000"])
MOVED = entry("uid=anna,dc=example,dc=com", cn=[b"Ann"], uidNumber=[b"1000"])
CHANGES: dict[str, Change] = {
    "created": Added(AFTER, found()),
    "updated": Modified(BEFORE, AFTER, found()),
    "renamed": Renamed(BEFORE, MOVED, found()),
    "deleted": Deleted(BEFORE, found()),
    "read": Added(AFTER, found(Origin.SNAPSHOT)),
}

# --- whatever a server may send -------------------------------------------------------------------------------------

_TIMES = [
    b"20260131120000Z",
    b"20260131120000.123456Z",
    b"99991231235959Z",
    b"00010101000000Z",
    b"99999999999999Z",
    b"?",
]
_NAMES = [
    "cn",
    "cn;lang-de",
    "uidNumber",
    "modifyTimestamp",
    "active",
    "userPassword",
    "userCertificate;binary",
    "entryUUID",
    "entryCSN",
    "vendor",
    "bare",
    "unknown",
]
VALUES = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=10).map(str.encode),
    st.integers().map(lambda number: b"%d" % number),
    st.sampled_from(
        [*_TIMES, b"TRUE", b"false", b"9" * 5000, b"{REDACTED}", b"\0", b"\x7f", b"\xc2\x9b", str(ANN).encode()]
    ),
)
_DNS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_ATTRIBUTES = st.dictionaries(st.sampled_from(_NAMES), st.lists(VALUES, max_size=3), max_size=6).map(Attributes.of)
_SCHEMAS = st.sampled_from([SCHEMA, NO_SCHEMA])


@st.composite
def changes(draw: st.DrawFn) -> Change:
    uuid, schema = draw(st.binary(min_size=16, max_size=16)), draw(_SCHEMAS)

    def one() -> Entry:
        return Entry(uuid, draw(_DNS), draw(_ATTRIBUTES), schema)

    provenance = Provenance(
        draw(st.sampled_from(Origin)),
        draw(st.integers(0, (1 << 63) - 1)),
        draw(st.none() | st.integers(0, 4102444800000000)),
    )
    kind = draw(st.sampled_from([Added, Deleted, Modified, Renamed]))
    return kind(one(), provenance) if kind in {Added, Deleted} else kind(one(), one(), provenance)


# --- what is published ----------------------------------------------------------------------------------------------


def schema(form: str) -> dict[str, Any]:
    text = resources.files("syncrepl_client.envelope").joinpath(f"schemas/{form}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def decoded(body: bytes | None) -> Any:
    assert body is not None
    return json.loads(body)
