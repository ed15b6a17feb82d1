"""Reading events of all forms: what each says of its entry, as its envelope has written it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from syncrepl_client.envelope import CloudEvents, Debezium, Plain
from syncrepl_client.envelope.base import JSON, Event, Kind
from syncrepl_client.envelope.reading import is_json, read
from syncrepl_client.envelope.values import Values, encode
from syncrepl_client.model import Added
from tests.envelope.changes import CHANGES, FILE, URL, changes, entry, found

if TYPE_CHECKING:
    from syncrepl_client.envelope.base import Envelope
    from syncrepl_client.model import Change, Entry

FORMS: dict[str, Envelope] = {
    "structured": CloudEvents(FILE, URL),
    "binary": CloudEvents(FILE, URL, mode="binary"),
    "debezium": Debezium(FILE, URL, name="corp", version="1.2"),
    "plain": Plain(FILE),
}
forms = pytest.mark.parametrize("form", FORMS)


def event(body: bytes | None, **headers: str) -> Event:
    return Event("a:1", "k", Kind.UPDATED, "cn=a", 1, JSON, headers, body)


def told(one: Entry | None) -> Any:
    return None if one is None else (one.dn, json.loads(encode(Values().of(one))))


@forms
@given(change=changes())
def test_what_is_read_is_what_was_written(form: str, change: Change) -> None:
    (made,) = FORMS[form].events(change)
    reading = read(made)
    for stored, meant in ((reading.before, change.before), (reading.after, change.after)):
        assert (None if stored is None else (stored.dn, json.loads(bytes(stored.attributes)))) == told(meant)
    assert reading.time == change.stored_at


@forms
def test_the_time_is_when_it_was_stored_also_where_the_server_says_when_it_was_made(form: str) -> None:
    change = Added(entry(modifyTimestamp=[b"20250131120000Z"]), found())
    assert read(FORMS[form].events(change)[0]).time == change.stored_at


@forms
def test_octets_stay_marked(form: str) -> None:
    (made,) = FORMS[form].events(Added(entry(userPassword=[b"\0\xff"]), found()))
    after = read(made).after
    assert after is not None
    assert bytes(after.attributes) == b'{"userPassword":[{"base64":"AP8="}]}'


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"text",
        b"[]",
        b"{}",
        b"null",
        b'{"before":null}',
        b'{"after":{"dn":"cn=a"},"before":null}',
        b'{"before":null,"after":null,"time":"soon"}',
        b'{"before":null,"after":null,"ts_us":9223372036854775807}',
        b'{"data":{}}',
    ],
)
def test_what_says_nothing_of_an_entry_is_refused(body: bytes | None) -> None:
    with pytest.raises(ValueError, match="no entry before and after"):
        read(event(body))


def test_a_time_beside_the_body_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no entry"):
        read(event(b'{"before":null,"after":null}', recordedtime="soon"))


def test_an_event_of_another_form_is_read_if_it_has_both() -> None:
    reading = read(event(b'{"before":null,"after":{"dn":"cn=a","attributes":{},"more":1},"more":1}'))
    assert reading.after is not None
    assert reading.after.dn == "cn=a"
    assert reading.time is None


def test_json_is_told_from_what_is_none() -> None:
    (made,) = FORMS["plain"].events(CHANGES["updated"])
    assert is_json(made.body or b"")
    assert is_json(b" [1] ")
    assert not any(map(is_json, (b"", b"{", b'{"a":1}]', b'1},{"b":2', b'{"a":\xff}')))
