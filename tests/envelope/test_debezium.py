"""The form of Debezium's change events."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from syncrepl_client.envelope import Debezium
from syncrepl_client.exceptions import LDAPUrlParseError, UsageError
from syncrepl_client.model import Added, Change, Modified, Origin, Renamed
from tests.envelope.changes import AFTER, ANN, BEFORE, CHANGES, FILE, MOVED, STORED, URL, decoded, entry, found, schema

NOON = 1769860800


def form(*, tombstones: bool = False, server: str | None = "openldap") -> Debezium:
    return Debezium(FILE, URL, name="corp", version="1.2", server=server, tombstones=tombstones)


def source(change: Change) -> dict[str, object]:
    (event,) = form().events(change)
    told: dict[str, object] = decoded(event.body)["source"]
    return told


def test_a_rename_is_an_update_whose_names_differ() -> None:
    (event,) = form().events(Renamed(BEFORE, MOVED, found()))
    told = decoded(event.body)

    assert event.key == str(ANN)
    assert list(told) == ["before", "after", "source", "op", "ts_ms", "ts_us", "ts_ns", "transaction"]
    assert told == {
        "before": {
            "dn": "uid=ann,dc=example,dc=com",
            "entryUUID": str(ANN),
            "attributes": {"cn": ["Ann"], "uidNumber": [1000]},
        },
        "after": {
            "dn": "uid=anna,dc=example,dc=com",
            "entryUUID": str(ANN),
            "attributes": {"cn": ["Ann"], "uidNumber": [1000]},
        },
        "source": {
            "version": "1.2",
            "connector": "ldap",
            "name": "corp",
            "ts_ms": STORED // 1000,
            "ts_us": STORED,
            "ts_ns": STORED * 1000,
            "snapshot": "false",
            "db": "dc=example,dc=com",
            "sequence": '["41","42"]',
            "server": "openldap",
            "cookie": None,
            "entry_csn": None,
            "dn": "uid=anna,dc=example,dc=com",
        },
        "op": "u",
        "ts_ms": STORED // 1000,
        "ts_us": STORED,
        "ts_ns": STORED * 1000,
        "transaction": None,
    }


@pytest.mark.parametrize(("kind", "op"), list(zip(CHANGES, "cuudr", strict=True)))
def test_what_there_was_and_is_depends_on_the_operation(kind: str, op: str) -> None:
    (event,) = form().events(CHANGES[kind])
    told = decoded(event.body)

    assert told["op"] == op
    assert (told["before"] is None) == (op in "cr")
    assert (told["after"] is None) == (op == "d")
    assert told["source"]["snapshot"] == ("true" if op == "r" else "false")


@pytest.mark.parametrize(
    ("marks", "told"), [({"first"}, "first"), (set(), "true"), ({"last"}, "last"), ({"first", "last"}, "last")]
)
def test_the_source_says_where_a_snapshot_begins_and_ends(marks: set[str], told: str) -> None:
    provenance = found(Origin.SNAPSHOT)._replace(first="first" in marks, last="last" in marks)

    assert source(Added(AFTER, provenance))["snapshot"] == told
    assert Draft202012Validator(schema("debezium")).is_valid(decoded(form().events(Added(AFTER, provenance))[0].body))


def test_the_source_says_when_the_server_changed_it_and_which_change_that_was() -> None:
    csn = b"20260131120000.123456Z#000000#000#000000"
    told = source(Added(entry(modifyTimestamp=[b"20260131120000Z"], entryCSN=[csn]), found()))

    assert (told["ts_ms"], told["ts_us"], told["ts_ns"]) == (NOON * 10**3, NOON * 10**6, NOON * 10**9)
    assert told["entry_csn"] == csn.decode()


@pytest.mark.parametrize("broken", [b"99991231235959Z", b"00010101000000Z", b"never"])
def test_a_time_that_no_64_bits_can_hold_is_not_believed(broken: bytes) -> None:
    assert source(Added(entry(modifyTimestamp=[broken]), found()))["ts_ns"] == STORED * 1000


def test_times_that_are_not_known_are_null_and_zero_in_the_source() -> None:
    (event,) = form().events(Added(BEFORE, found(stored=None)))
    told = decoded(event.body)

    assert told["ts_ms"] is told["ts_us"] is told["ts_ns"] is None
    assert told["source"]["ts_ms"] == told["source"]["ts_us"] == told["source"]["ts_ns"] == 0


def test_the_sequence_is_a_json_array_in_a_string() -> None:
    assert json.loads(str(source(Modified(BEFORE, MOVED, found(sequence=1)))["sequence"])) == ["0", "1"]
    assert json.loads(str(source(Added(BEFORE, found(sequence=0)))["sequence"])) == ["0", "0"]


def test_a_deletion_is_followed_by_a_tombstone_if_one_is_wanted() -> None:
    deletion, grave = form(tombstones=True).events(CHANGES["deleted"])

    assert [deletion] == form().events(CHANGES["deleted"])
    assert decoded(deletion.body)["after"] is None
    assert grave.body is None
    assert grave.key == deletion.key == str(ANN)
    assert grave.id != deletion.id
    assert [len(form(tombstones=True).events(change)) for change in CHANGES.values()] == [1, 1, 1, 2, 1]


def test_events_are_joined_to_an_array_without_tombstones() -> None:
    events = form(tombstones=True).events(CHANGES["deleted"])
    batch = form().batch(events)

    assert batch.content_type == "application/json"
    assert decoded(batch.body) == [decoded(events[0].body)]


def test_what_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        Debezium("a b", URL, name="corp", version="1")
    with pytest.raises(LDAPUrlParseError):
        Debezium(FILE, "http://example.com", name="corp", version="1")
