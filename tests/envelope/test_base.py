"""What every envelope makes of a change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from syncrepl_client.envelope.base import (
    Event,
    Kind,
    array,
    head_of,
    kind_of,
    modified_when,
    origin,
    origin_of,
    tombstone,
)
from syncrepl_client.exceptions import UsageError
from syncrepl_client.model import Added, Deleted, Modified, Origin, Renamed
from tests.envelope.changes import AFTER, ANN, BEFORE, CHANGES, FILE, entry, found

NOON = b"20260131120000Z"
EVENING = b"20260131180000Z"


@pytest.mark.parametrize("kind", CHANGES)
def test_an_event_bears_the_kind_of_change_and_the_number_that_it_has_in_the_changelog(kind: str) -> None:
    head = head_of(FILE, CHANGES[kind])

    assert head.kind == kind_of(CHANGES[kind]) == kind
    assert head.key == str(ANN)
    assert head.sequence == 42
    assert head.dn == CHANGES[kind].dn
    assert head.id == ("5d0e3f:42" if kind != "read" else f"5d0e3f:42:{ANN}")


@pytest.mark.parametrize("where", [Origin.REFRESH, Origin.PERSIST, Origin.VERIFICATION])
def test_only_an_entry_of_a_snapshot_is_read(where: Origin) -> None:
    assert kind_of(Added(AFTER, found(where))) is Kind.CREATED


def test_the_last_entry_of_a_snapshot_is_marked() -> None:
    assert not head_of(FILE, CHANGES["read"]).event("", b"").last
    assert head_of(FILE, Added(AFTER, found(Origin.SNAPSHOT)._replace(last=True))).event("", b"").last


def test_the_file_is_in_the_name_of_an_event() -> None:
    event = head_of(FILE, CHANGES["deleted"]).event("", b"")
    assert origin_of(event) == origin_of(tombstone(event)) == FILE


def test_a_change_without_number_cannot_be_sent() -> None:
    with pytest.raises(UsageError) as caught:
        head_of(FILE, Deleted(BEFORE, found(sequence=None)))

    assert "changelog" in caught.value.hint


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "ä", "x" * 129])
def test_the_name_of_a_file_goes_into_headers_as_it_is(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name the file") as caught:
        origin(name)

    assert "letters" in caught.value.hint
    assert origin("x" * 128) == "x" * 128
    assert origin("0a-B.c_d~e") == "0a-B.c_d~e"


def test_the_time_of_a_change_is_when_the_entry_was_modified() -> None:
    before, after = entry(modifyTimestamp=[NOON]), entry(modifyTimestamp=[EVENING])

    assert modified_when(Added(before)) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert modified_when(Modified(before, after)) == datetime(2026, 1, 31, 18, tzinfo=UTC)
    assert modified_when(Renamed(before, after)) == datetime(2026, 1, 31, 18, tzinfo=UTC)
    assert modified_when(Modified(entry(), after)) == datetime(2026, 1, 31, 18, tzinfo=UTC)


def test_the_time_of_a_change_that_the_entry_does_not_tell_is_not_known() -> None:
    one = entry(modifyTimestamp=[NOON])

    assert modified_when(Deleted(one)) is None
    assert modified_when(Renamed(one, entry("cn=b", modifyTimestamp=[NOON]))) is None
    assert modified_when(Modified(one, entry())) is None
    assert modified_when(Added(entry(modifyTimestamp=[b"99999999999999Z"]))) is None


def test_a_tombstone_has_the_key_of_the_deletion_and_no_body() -> None:
    deletion = Event(f"{FILE}:42", str(ANN), Kind.DELETED, "cn=a", 42, "application/json", {"type": "x"}, b"{}")
    grave = tombstone(deletion)

    assert (grave.key, grave.kind, grave.dn, grave.sequence) == (str(ANN), Kind.DELETED, "cn=a", 42)
    assert grave.id == "5d0e3f:42:tombstone"
    assert grave.body is None
    assert dict(grave.headers) == {}
    assert array([deletion, grave, deletion]) == b"[{},{}]"
    assert len({deletion, grave, deletion}) == 2
