"""Our own form."""

from __future__ import annotations

import json

import pytest

from syncrepl_client.cli.json_lines import JsonLines
from syncrepl_client.envelope import Plain
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap.schema import NO_SCHEMA
from syncrepl_client.model import Added, Modified, Renamed
from tests.envelope.changes import ANN, BEFORE, CHANGES, FILE, MOVED, decoded, entry_of, found


def test_a_change_is_one_object() -> None:
    (event,) = Plain(FILE).events(Renamed(BEFORE, MOVED, found()))

    assert event.content_type == "application/json"
    assert dict(event.headers) == {}
    assert decoded(event.body) == {
        "id": "5d0e3f:42",
        "op": "u",
        "entryUUID": str(ANN),
        "before": {"dn": "uid=ann,dc=example,dc=com", "attributes": {"cn": ["Ann"], "uidNumber": [1000]}},
        "after": {"dn": "uid=anna,dc=example,dc=com", "attributes": {"cn": ["Ann"], "uidNumber": [1000]}},
        "sequence": 42,
        "time": "2026-01-31T12:00:01.000002Z",
    }


@pytest.mark.parametrize(("kind", "op"), list(zip(CHANGES, "cuudr", strict=True)))
def test_what_there_was_and_is_depends_on_the_kind(kind: str, op: str) -> None:
    (event,) = Plain(FILE).events(CHANGES[kind])
    found = decoded(event.body)

    assert found["op"] == op
    assert (found["before"] is None) == (op in "cr")
    assert (found["after"] is None) == (op == "d")


@pytest.mark.parametrize("kind", [Modified, Renamed])
def test_without_schema_it_says_what_the_command_says(kind: type[Modified | Renamed]) -> None:
    values = {"cn": [b"Ann", "Änne".encode()], "jpegPhoto": [b"\xff\xd8"], "uidNumber": [b"1000"], "x": [b"\x1b[2J"]}
    change = kind(entry_of(values, schema=NO_SCHEMA), entry_of({}, dn="cn=\x9b", schema=NO_SCHEMA), found())
    (event,) = Plain(FILE).events(change)
    told = decoded(event.body)

    assert told.pop("id") == event.id
    assert told == json.loads(JsonLines(placed=True).change(change))
    assert event.body is not None
    assert b"\xc2\x9b" not in event.body


def test_a_change_that_was_stored_nobody_knows_when_has_no_time() -> None:
    (event,) = Plain(FILE).events(Added(BEFORE, found(stored=None)))

    assert decoded(event.body)["time"] is None


def test_events_are_joined_to_an_array() -> None:
    form = Plain(FILE)
    events = [event for change in CHANGES.values() for event in form.events(change)]
    batch = form.batch(events)

    assert batch.content_type == "application/json"
    assert [one["id"] for one in decoded(batch.body)] == [event.id for event in events]
    assert form.batch([]).body == b"[]"


def test_a_file_without_name_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        Plain("")
