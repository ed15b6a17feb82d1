"""What one receiver gets of the changes; who follows it holds the selected part of the directory."""

from __future__ import annotations

import json
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncrepl_client import Reader, Retention, subscribe
from syncrepl_client.envelope import CloudEvents, Debezium, Plain
from syncrepl_client.envelope.base import modified_when
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import evaluation
from syncrepl_client.ldap.schema import NO_SCHEMA
from syncrepl_client.model import Added, Change, Deleted, Modified, Origin, Provenance, Renamed
from syncrepl_client.relay import Relay
from syncrepl_client.relay.selection import Selection
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.store.store import Store
from tests.selecting import SCHEMA, entry
from tests.store.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from syncrepl_client.model import Entry

FOUND = Provenance(Origin.PERSIST, 42, 1769860801000002)
SNAPSHOT = Provenance(Origin.SNAPSHOT, 41, 1769860801000001)
PLAIN = Plain("selected")

OSLO = entry({"objectClass": [b"person"], "cn": [b"Ann"], "l": [b"Oslo"], "mail": [b"a@x"]})
OSLO_TOO = entry({"objectClass": [b"person"], "cn": [b"Ann"], "l": [b"OSLO "], "mail": [b"b@x"]})
ROME = entry({"objectClass": [b"person"], "cn": [b"Ann"], "l": [b"Rome"], "mail": [b"a@x"]})
MOVED = entry({"objectClass": [b"person"], "cn": [b"Ann"], "l": [b"Oslo"], "mail": [b"a@x"]}, dn="cn=anna,dc=x")


# --- the filter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Added(OSLO, FOUND), Added(OSLO)),
        (Added(ROME, FOUND), None),
        (Added(OSLO, SNAPSHOT), Added(OSLO)),
        (Added(ROME, SNAPSHOT), None),
        (Deleted(OSLO, FOUND), Deleted(OSLO)),
        (Deleted(ROME, FOUND), None),
        (Modified(OSLO, OSLO_TOO, FOUND), Modified(OSLO, OSLO_TOO)),
        (Modified(OSLO, ROME, FOUND), Deleted(OSLO)),
        (Modified(ROME, OSLO, FOUND), Added(OSLO)),
        (Modified(ROME, ROME, FOUND), None),
        (Renamed(OSLO, MOVED, FOUND), Renamed(OSLO, MOVED)),
        (Renamed(ROME, MOVED, FOUND), Added(MOVED)),
        (Renamed(MOVED, ROME, FOUND), Deleted(MOVED)),
    ],
)
def test_an_entry_that_enters_is_created_and_one_that_leaves_is_deleted(change: Change, told: Change | None) -> None:
    found = Selection(filter="(&(objectClass=person)(localityName=oslo))").of(change)
    assert found == told
    if found is not None:
        assert found.provenance == change.provenance


def test_the_event_is_what_the_receiver_sees() -> None:
    events = Selection(filter="(l=oslo)", keep=["l"]).around(PLAIN.events)
    assert list(events(Modified(ROME, ROME, FOUND))) == []
    (entered,) = events(Modified(ROME, OSLO, FOUND))
    assert (entered.id, entered.kind) == ("selected:42", "created")
    assert json.loads(entered.body or b"")["after"] == {"dn": "cn=ann,dc=x", "attributes": {"l": ["Oslo"]}}
    debezium = Debezium("selected", "ldap://h/dc=x", name="n", version="1", tombstones=True)
    left, tombstone = Selection(filter="(l=oslo)").around(debezium.events)(Modified(OSLO, ROME, FOUND))
    assert (left.kind, tombstone.body, json.loads(left.body or b"")["after"]) == ("deleted", None, None)
    (read,) = events(Added(OSLO, SNAPSHOT))
    assert read.kind == "read"


def test_values_compare_as_the_schema_says() -> None:
    seven, ten = (entry({"objectClass": [b"person"], "uidNumber": [number]}) for number in (b"7", b"10"))
    grown = Selection(filter="(uidNumber>=8)")
    assert grown.of(Modified(seven, ten, FOUND)) == Added(ten)
    assert grown.of(Modified(ten, seven, FOUND)) == Deleted(ten)
    # Without a schema OIDs mean nothing; when it is known they do.
    by_oid = Selection(filter="(2.5.4.7=oslo)")
    without = entry(dict(OSLO.attributes), schema=NO_SCHEMA)
    for one, told in ((without, False), (OSLO, True), (without, False)):
        assert (by_oid.of(Added(one, FOUND)) is not None) is told


def test_the_filter_sees_what_is_not_told_and_what_redaction_has_left() -> None:
    selection = Selection(filter="(&(l=oslo)(mail=*))", keep=["cn"])
    assert selection.of(Added(OSLO, FOUND)) == Added(entry({"cn": [b"Ann"]}))
    masked = entry({**OSLO.attributes, "mail": [b"{REDACTED}"]})
    assert selection.of(Added(masked, FOUND)) == Added(entry({"cn": [b"Ann"]}))
    assert Selection(filter="(mail=a@x)").of(Added(masked, FOUND)) is None
    (event,) = Selection(rename={"mail": "e"}).around(PLAIN.events)(Added(masked, FOUND))
    assert json.loads(event.body or b"")["after"]["attributes"]["e"] == ["{REDACTED}"]


def test_a_filter_may_be_about_names() -> None:
    selection = Selection(filter="(|(cn:dn:=anna)(entryDN=cn=nobody,dc=x))")
    assert selection.of(Renamed(OSLO, MOVED, FOUND)) == Added(MOVED)


# --- attributes and kinds ---------------------------------------------------------------------------------------------


def test_a_change_of_what_is_left_out_is_not_told() -> None:
    selection = Selection(leave_out=["mail"])
    assert selection.of(Modified(OSLO, OSLO_TOO, FOUND)) is not None
    other = entry({**OSLO.attributes, "mail": [b"c@x"]})
    assert selection.of(Modified(OSLO, other, FOUND)) is None
    renamed = selection.of(Renamed(OSLO, MOVED, FOUND))
    assert isinstance(renamed, Renamed)
    assert "mail" not in renamed.after
    spelled = entry({**OSLO.attributes, "mail": [b"c@x"]}, dn="CN=ann,dc=x")
    assert isinstance(selection.of(Modified(OSLO, spelled, FOUND)), Modified)
    assert selection.of(Deleted(OSLO, FOUND)) == Deleted(
        entry({"objectClass": [b"person"], "cn": [b"Ann"], "l": [b"Oslo"]})
    )


def test_when_a_change_was_made_is_told_although_the_attribute_is_not() -> None:
    stamps = [{"modifyTimestamp": [b"2026013112000%dZ" % second], "entryCSN": [b"csn%d" % second]} for second in (1, 2)]
    before, after = (entry({**one.attributes, **stamp}) for one, stamp in zip((OSLO, ROME), stamps, strict=True))
    found = Selection(keep=["l"]).of(Modified(before, after, FOUND))
    assert found is not None
    assert modified_when(found) == modified_when(Modified(before, after, FOUND)) is not None
    (event,) = CloudEvents("selected", "ldap://h/dc=x").events(found)
    document = json.loads(event.body or b"")
    assert document["time"] == "2026-01-31T12:00:02Z"
    assert document["data"]["after"]["attributes"] == {"l": ["Rome"]}


@pytest.mark.parametrize("kind", ["created", "updated", "renamed", "deleted", "read"])
def test_kinds_are_what_the_receiver_sees(kind: str) -> None:
    selection = Selection(kinds=[kind], filter="(l=oslo)")
    changes: list[tuple[str, Change]] = [
        ("created", Added(OSLO, FOUND)),
        ("created", Modified(ROME, OSLO, FOUND)),
        ("read", Added(OSLO, SNAPSHOT)),
        ("updated", Modified(OSLO, OSLO_TOO, FOUND)),
        ("renamed", Renamed(OSLO, MOVED, FOUND)),
        ("deleted", Deleted(OSLO, FOUND)),
        ("deleted", Renamed(MOVED, ROME, FOUND)),
    ]
    for seen, change in changes:
        assert (selection.of(change) is not None) is (seen == kind)


# --- what is selected by nothing --------------------------------------------------------------------------------------


def test_where_everything_is_selected_nothing_is_in_between() -> None:
    assert not Selection()
    events = PLAIN.events
    assert Selection().around(events) is events
    change = Modified(OSLO, ROME, FOUND)
    assert Selection().of(change) is change
    assert Selection(filter="(cn=ann)", kinds=["updated"]).of(change) is change


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kinds": ["created", "moved"]}, "no kind of change: 'moved'"),
        ({"kinds": ["heartbeat"]}, "no kind of change: 'heartbeat'"),
        ({"kinds": "created"}, "the text 'created'"),
        ({"filter": "(cn=ann"}, "not a search filter: expected '\\)' at character 7"),
        ({"filter": ""}, "not a search filter"),
        ({"keep": ["c n"]}, "is no attribute"),
    ],
)
def test_what_selects_nothing_sensible_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Selection(**given)
    assert caught.value.hint


def test_attributes_that_the_schema_does_not_have_are_named() -> None:
    selection = Selection(
        filter="(&(objectClass=person)(!(town=x))(|(cn=a*)(uidNumber>=1)(:caseExactMatch:=a)(nick:=b)(town=*)))",
        keep=["cn;lang-de", "fon"],
        rename={"rfc822Mailbox": "email"},
    )
    assert selection.unknown(SCHEMA) == ["town", "nick", "fon"]
    assert selection.unknown(NO_SCHEMA) == []
    assert Selection(leave_out=["mail"]).unknown(SCHEMA) == []


# --- who follows it ---------------------------------------------------------------------------------------------------

_TOWNS = st.lists(st.sampled_from([b"Oslo", b"oslo", b"Rome"]), max_size=2, unique=True)
_ENTRY = st.fixed_dictionaries(
    {"objectClass": st.just([b"person"]), "l": _TOWNS, "uidNumber": st.sampled_from([[], [b"7"], [b"10"]])},
    optional={"mail": st.sampled_from([[b"a@x"], [b"b@x"]]), "mail;lang-de": st.just([b"c@x"])},
)
_STEP = st.tuples(st.integers(1, 4), st.none() | _ENTRY, st.integers(1, 3))
_SELECTIONS: dict[str, dict[str, Any]] = {
    "filter": {"filter": "(|(l=oslo)(uidNumber>=8))"},
    "not": {"filter": "(!(l=oslo))"},
    "keep": {"keep": ["2.5.4.7"]},
    "leave out": {"leave_out": ["mail"]},
    "rename": {"rename": {"mail": "email"}},
    "all": {"filter": "(uidNumber=*)", "keep": ["uidNumber"], "rename": {"mail;lang-de": "post"}},
}


def changes_of(
    steps: Iterable[tuple[int, dict[str, list[bytes]] | None, int]], state: dict[int, Entry]
) -> list[Change]:
    """Follow the steps in a directory; return what changed."""
    found: list[Change] = []
    for sequence, (number, values, name) in enumerate(steps, 1):
        place = Provenance(Origin.PERSIST, sequence, sequence)
        before = state.pop(number, None)
        if values is None:
            found += [Deleted(before, place)] if before else []
            continue
        held = {name: list(of_name) for name, of_name in values.items() if of_name}
        after = state[number] = entry(
            {**held, "modifyTimestamp": [b"%d" % sequence]}, f"cn=e{number}-{name},dc=x", number
        )
        if before is None:
            found.append(Added(after, place))
        elif before.dn != after.dn:
            found.append(Renamed(before, after, place))
        else:
            found.append(Modified(before, after, place))
    return found


def followed(changes: Iterable[Change]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Follow changes as they are told, each of which has to fit."""
    held: dict[int, tuple[str, dict[str, Any]]] = {}
    for change in changes:
        number = int.from_bytes(change.entry.uuid_octets)
        if isinstance(change, Added):
            assert number not in held
        else:
            assert held.pop(number)[0] == change.before.dn
        if change.after is not None:
            held[number] = told_of(change.after)
    return held


def told_of(one: Entry) -> tuple[str, dict[str, Any]]:
    # What a server writes by itself lags behind where something is left out; another order of values is no change.
    return one.dn, {name: sorted(values) for name, values in one.attributes.items() if name != "modifyTimestamp"}


@pytest.mark.parametrize("name", _SELECTIONS)
@settings(max_examples=60)
@given(first=st.lists(_STEP, max_size=4), steps=st.lists(_STEP, max_size=12))
def test_who_follows_what_is_selected_holds_the_selected_part_of_the_directory(
    name: str, first: list[Any], steps: list[Any]
) -> None:
    wanted = _SELECTIONS[name]
    selection = Selection(**wanted)
    state: dict[int, Entry] = {}
    changes_of(first, state)
    snapshot: list[Change] = [Added(one, SNAPSHOT) for one in state.values()]
    changes = [*snapshot, *changes_of(steps, state)]

    held = followed(told for change in changes if (told := selection.of(change)) is not None)

    matches = evaluation.compile(cast("str", wanted.get("filter", "(objectClass=*)")), SCHEMA)
    expected = {number: told_of(one) for number, one in state.items() if matches(one.attributes, one.dn)}
    assert held == {number: (dn, projected(values, wanted)) for number, (dn, values) in expected.items()}


def projected(values: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Project attributes by hand."""
    match wanted:
        case {"keep": ["2.5.4.7"]}:
            return {name: of_name for name, of_name in values.items() if name == "l"}
        case {"keep": ["uidNumber"]}:
            kept = {"uidNumber": "uidNumber", "mail;lang-de": "post"}
            return {kept[name]: of_name for name, of_name in values.items() if name in kept}
        case {"leave_out": _}:
            return {name: of_name for name, of_name in values.items() if not name.startswith("mail")}
        case {"rename": _}:
            return {name.replace("mail", "email"): of_name for name, of_name in values.items()}
    return values


def test_a_relay_delivers_the_selected_part_of_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "data"
    selection = Selection(filter="(member=*)", leave_out=["description"])
    sink = MemorySink()
    with closing(Store(path, lambda: False, retention=Retention(age=None, octets=None))) as store:
        changing = Changing(store, Random(11))
        with subscribe(path, "one") as subscription:
            relay = Relay(subscription, selection.around(PLAIN.events), sink, random=Random(1).random)
            for _ in range(30):
                changing.change()
                relay.step(0)
            for _ in range(5):
                relay.step(0)
            last = changing.sequence
            assert relay.status().offset == last
            relay.close()
    held: dict[str, Any] = {}
    for event in sink.events:
        document = json.loads(event.body or b"")
        assert document["before"] is None or "description" not in document["before"]["attributes"]
        held[event.key] = document["after"]
    with Reader(path) as reader:
        members = {
            str(one.uuid): (one.dn, sorted(one.texts("member"))) for one in reader.entries.all() if "member" in one
        }
    assert members
    found = {key: (one["dn"], sorted(one["attributes"]["member"])) for key, one in held.items() if one is not None}
    assert found == members
    assert len(sink.events) < last
