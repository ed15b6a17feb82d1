"""What all forms have in common, whatever a server sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from syncrepl_client.envelope import CloudEvents, Debezium, Ldif, Plain
from syncrepl_client.envelope.base import origin_of
from syncrepl_client.exceptions import UsageError
from syncrepl_client.model import Added, Deleted, Modified, Origin, Provenance
from tests.envelope.changes import AFTER, ANN, BEFORE, CHANGES, FILE, URL, changes, decoded, found, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.envelope import Envelope
    from syncrepl_client.model import Change

FORMS: dict[str, Callable[[], Envelope]] = {
    "plain": lambda: Plain(FILE),
    "debezium": lambda: Debezium(FILE, URL, name="corp", version="1.2", tombstones=True),
    "cloudevents": lambda: CloudEvents(FILE, URL),
    "binary": lambda: CloudEvents(FILE, URL, mode="binary"),
}
SCHEMAS = {form: schema(form) for form in ("plain", "debezium", "cloudevents")}
# In binary mode the body is a part of what the document is in structured mode.
SCHEMAS["binary"] = {"$ref": "#/$defs/data", "$defs": SCHEMAS["cloudevents"]["$defs"]}
PUBLISHED = {form: Draft202012Validator(one) for form, one in SCHEMAS.items()}
forms = pytest.mark.parametrize("form", FORMS)


@pytest.mark.parametrize("form", ["plain", "debezium", "cloudevents"])
def test_what_is_published_is_a_schema(form: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[form])
    assert SCHEMAS[form]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@forms
@given(change=changes())
def test_every_event_is_what_the_schema_says(form: str, change: Change) -> None:
    first, *rest = FORMS[form]().events(change)

    PUBLISHED[form].validate(decoded(first.body))
    assert [event.body for event in rest] == [None] * (form == "debezium" and isinstance(change, Deleted))


@forms
@pytest.mark.parametrize("kind", CHANGES)
def test_the_schema_refuses_what_is_not_an_event(form: str, kind: str) -> None:
    document = decoded(FORMS[form]().events(CHANGES[kind])[0].body)
    other = {"before": document.get("after"), "after": document.get("before")}
    state = next(filter(None, (document.get("data", document)[name] for name in ("after", "before"))))

    with pytest.raises(ValidationError):
        PUBLISHED[form].validate({**document, "surplus": 1})
    for name in document:
        if name not in {"time", "recordedtime"}:
            with pytest.raises(ValidationError):
                PUBLISHED[form].validate({key: value for key, value in document.items() if key != name})
    if form in {"plain", "debezium"} and kind in {"created", "deleted", "read"}:
        with pytest.raises(ValidationError):
            PUBLISHED[form].validate({**document, **other})
    state["attributes"]["cn"] = "Ann"
    with pytest.raises(ValidationError):
        PUBLISHED[form].validate(document)


@forms
@given(change=changes())
def test_an_event_is_the_same_each_time(form: str, change: Change) -> None:
    assert FORMS[form]().events(change) == FORMS[form]().events(change)


@forms
@given(
    placed=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from(["snapshot", "change"])), unique=True
    )
)
def test_no_two_events_have_one_name(form: str, placed: list[tuple[int, int, str]]) -> None:
    # One change has one number; a snapshot has an entry once.
    told: dict[object, Change] = {}
    for sequence, person, what in placed:
        one = type(AFTER)(bytes([*bytes(15), person]), AFTER.dn, AFTER.attributes, AFTER.schema)
        if what == "snapshot":
            told[sequence, person] = Added(one, Provenance(Origin.SNAPSHOT, sequence, 0))
        else:
            told[sequence] = Deleted(one, Provenance(Origin.PERSIST, sequence, 0))
    ids = [event.id for change in told.values() for event in FORMS[form]().events(change)]

    assert len(set(ids)) == len(ids)


@forms
@given(change=changes())
def test_an_event_is_one_line_without_anything_of_who_binds(form: str, change: Change) -> None:
    for event in FORMS[form]().events(change):
        text = repr(event)
        assert "hush-hush" not in text
        assert "cn=reader" not in text
        assert b"\n" not in (event.body or b"")


@forms
@given(given_changes=st.lists(changes(), max_size=4))
def test_a_batch_holds_the_events_in_their_order(form: str, given_changes: list[Change]) -> None:
    envelope = FORMS[form]()
    events = [event for change in given_changes for event in envelope.events(change)]
    told = decoded(envelope.batch(iter(events)).body)

    bodies = [json.loads(event.body) for event in events if event.body is not None]
    assert [one["data"] for one in told] == bodies if form == "binary" else told == bodies


@forms
def test_a_change_without_number_is_refused(form: str) -> None:
    with pytest.raises(UsageError, match="without a number"):
        FORMS[form]().events(Modified(BEFORE, AFTER, found(sequence=None)))


# --- heartbeats -------------------------------------------------------------------------------------------------------

NOW = 1769860801000002
ALL_FORMS: dict[str, Callable[[], Envelope]] = {**FORMS, "ldif": lambda: Ldif(FILE)}


@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_heartbeat_is_about_no_entry(form: str) -> None:
    envelope = ALL_FORMS[form]()
    beat, later = envelope.heartbeat(42, NOW), envelope.heartbeat(42, NOW + 1)

    assert (beat.id, beat.kind, beat.dn, beat.sequence) == (f"5d0e3f:heartbeat:{NOW}", "heartbeat", "", 42)
    assert (origin_of(beat), beat.last) == (FILE, False)
    assert beat.id != later.id
    # One for all of a data file, which may be in a place for UUIDs.
    assert beat.key == later.key == str(UUID(beat.key))
    assert beat.key not in {str(ANN), Plain("other").heartbeat(1, NOW).key}
    assert envelope.heartbeat(None, NOW).sequence == 0


@forms
@given(sequence=st.none() | st.integers(0, (1 << 53) - 1), time=st.integers(0, 4102444800000000))
def test_a_heartbeat_is_what_the_schema_says(form: str, sequence: int | None, time: int) -> None:
    document = decoded(FORMS[form]().heartbeat(sequence, time).body)
    one = {"$ref": "#/$defs/heartbeatData", "$defs": SCHEMAS["cloudevents"]["$defs"]}
    validator = Draft202012Validator(one) if form == "binary" else PUBLISHED[form]

    validator.validate(document)
    with pytest.raises(ValidationError):
        validator.validate({**document, "surplus": 1})


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("plain", {"op": "m", "entryUUID": None, "before": None, "after": None, "time": "2026-01-31T12:00:01.000002Z"}),
        ("debezium", {"ts_ms": 1769860801000}),
        ("cloudevents", {"type": "org.syncrepl.heartbeat", "data": {"sequence": 42}, "sequence": f"{42:020d}"}),
        ("binary", {}),
    ],
)
def test_a_heartbeat_says_how_far_delivery_is(form: str, expected: dict[str, object]) -> None:
    document = decoded(FORMS[form]().heartbeat(42, NOW).body)

    assert document == {**document, "sequence": 42, **expected}


def test_a_heartbeat_in_binary_mode_has_its_attributes_beside_it() -> None:
    beat, whole = (FORMS[form]().heartbeat(42, NOW) for form in ("binary", "cloudevents"))
    document = decoded(whole.body)

    assert document == {**beat.headers, "datacontenttype": beat.content_type, "data": decoded(beat.body)}
    assert "subject" not in document
    assert FORMS["binary"]().batch([beat]) == FORMS["cloudevents"]().batch([whole])


def test_a_heartbeat_in_ldif_is_a_comment() -> None:
    assert Ldif(FILE).heartbeat(42, NOW).body == (
        b"version: 1\n\n# id: 5d0e3f:heartbeat:1769860801000002\n# kind: heartbeat\n"
        b"# time: 2026-01-31T12:00:01.000002Z\n# sequence: 42\n\n"
    )
