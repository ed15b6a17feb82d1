"""CloudEvents, read by the SDK of those who made the standard."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given

from syncrepl_client.envelope import BINDINGS, CloudEvents
from syncrepl_client.envelope.cloudevents import source_of
from syncrepl_client.exceptions import LDAPUrlParseError, UsageError
from syncrepl_client.model import Added, Modified
from tests.envelope.changes import ANN, BEFORE, CHANGES, FILE, MOVED, STORED, URL, changes, decoded, entry, found

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

    from syncrepl_client.envelope import Event
    from syncrepl_client.envelope.cloudevents import Mode
    from syncrepl_client.model import Change

MODES: list[Mode] = ["structured", "binary"]
STORED_AT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=STORED)


def event_of(change: Change, mode: Mode = "structured") -> Event:
    (event,) = CloudEvents(FILE, URL, mode=mode).events(change)
    return event


def received(event: Event) -> BaseCloudEvent:
    """Return what the SDK makes of an HTTP request."""
    assert event.body is not None
    return http.from_http(http.HTTPMessage(BINDINGS["http"].headers(event), event.body), JSONFormat())


def test_an_event_in_structured_mode_is_one_document() -> None:
    event = event_of(CHANGES["renamed"])

    assert event.content_type == "application/cloudevents+json"
    assert dict(event.headers) == {}
    assert decoded(event.body) == {
        "specversion": "1.0",
        "id": "5d0e3f:42",
        "source": "ldap://ldap.example.com/dc=example,dc=com",
        "type": "org.syncrepl.entry.renamed",
        "subject": str(ANN),
        "partitionkey": str(ANN),
        "sequence": "00000000000000000042",
        "time": "2026-01-31T12:00:01.000002Z",
        "recordedtime": "2026-01-31T12:00:01.000002Z",
        "datacontenttype": "application/json",
        "data": {
            "entryUUID": str(ANN),
            "before": {"dn": "uid=ann,dc=example,dc=com", "attributes": {"cn": ["Ann"], "uidNumber": [1000]}},
            "after": {"dn": "uid=anna,dc=example,dc=com", "attributes": {"cn": ["Ann"], "uidNumber": [1000]}},
        },
    }


@pytest.mark.parametrize("kind", CHANGES)
def test_in_binary_mode_the_body_is_the_data_and_the_attributes_are_beside_it(kind: str) -> None:
    document = decoded(event_of(CHANGES[kind]).body)
    event = event_of(CHANGES[kind], "binary")

    assert event.content_type == document.pop("datacontenttype") == "application/json"
    assert decoded(event.body) == document.pop("data")
    assert dict(event.headers) == document
    assert event.headers["type"] == f"org.syncrepl.entry.{kind}"


@pytest.mark.parametrize("mode", MODES)
def test_time_is_when_the_server_changed_it_and_recordedtime_when_it_was_stored(mode: Mode) -> None:
    told = received(event_of(Added(entry(modifyTimestamp=[b"20260131120000Z"]), found()), mode))

    assert told.get_time() == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert told.get_extension("recordedtime") == "2026-01-31T12:00:01.000002Z"
    assert received(event_of(Added(BEFORE, found()), mode)).get_time() == STORED_AT


@pytest.mark.parametrize("mode", MODES)
def test_times_that_are_not_known_are_not_told(mode: Mode) -> None:
    event = event_of(Added(BEFORE, found(stored=None)), mode)
    told = event.headers or decoded(event.body)

    assert not {"time", "recordedtime"} & set(told)


def test_the_order_of_the_strings_is_that_of_the_changes() -> None:
    numbers = [0, 1, 9, 10, 99, 100, (1 << 63) - 1]
    told = [
        event_of(Modified(BEFORE, MOVED, found(sequence=number)), "binary").headers["sequence"] for number in numbers
    ]

    assert sorted(told) == told
    assert list(map(int, told)) == numbers


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, "ldap://ldap.example.com/dc=example,dc=com"),
        ("ldaps://h:1636/", "ldaps://h:1636/"),
        ("ldap://[2001:db8::1]:10389/o=x", "ldap://[2001:db8::1]:10389/o=x"),
        ("ldapi://%2Frun%2Fldapi/o=x?cn", "ldapi://%2Frun%2Fldapi/o=x"),
        ("ldap://h/o=a%20%3Fb%23", "ldap://h/o=a%20%3Fb%23"),
        ("ldap://h/o=J%C3%BCrgen??base", "ldap://h/o=J%C3%BCrgen"),
    ],
)
def test_the_source_is_the_server_and_the_base(url: str, expected: str) -> None:
    assert source_of(url) == expected


@pytest.mark.parametrize("mode", MODES)
def test_events_of_either_mode_are_joined_as_the_batch_format_has_it(mode: Mode) -> None:
    form = CloudEvents(FILE, URL, mode=mode)
    batch = form.batch([event for change in CHANGES.values() for event in form.events(change)])

    assert batch.content_type == "application/cloudevents-batch+json"
    assert decoded(batch.body) == [decoded(event_of(change).body) for change in CHANGES.values()]
    assert form.batch([]).body == b"[]"


def test_what_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        CloudEvents("a b", URL)
    with pytest.raises(LDAPUrlParseError):
        CloudEvents(FILE, "http://example.com")


@given(changes())
def test_both_modes_say_the_same_and_keep_the_rules_of_the_standard(change: Change) -> None:
    structured, binary = (received(event_of(change, mode)) for mode in MODES)

    assert structured.get_data() == binary.get_data()
    assert _attributes(structured) == _attributes(binary)
    for name, value in _attributes(structured).items():
        assert re.fullmatch("[a-z0-9]{1,20}", name)
        # CloudEvents 1.0 section 3.2: no control characters, and no empty values.
        assert isinstance(value, datetime) or (value.isascii() and value.isprintable() and value)
    assert {"id", "source", "specversion", "type"} <= set(_attributes(structured))


def _attributes(event: BaseCloudEvent) -> dict[str, Any]:
    # The SDK puts the time of reading in where an event has none.
    return {name: value for name, value in event.get_attributes().items() if name != "time"}
