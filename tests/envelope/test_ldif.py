"""LDIF: comments that name the event, records that programs read, and what was renamed above an entry."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import ldif
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.envelope import Ldif
from syncrepl_client.envelope.ldif import CONTENT_TYPE, VERSION, records_of
from syncrepl_client.exceptions import UsageError
from syncrepl_client.model import Added, Deleted, Modified, Origin, Provenance, Renamed
from tests.envelope.changes import AFTER, ANN, BEFORE, CHANGES, FILE, MOVED, changes, entry, found

if TYPE_CHECKING:
    from syncrepl_client.envelope import Event
    from syncrepl_client.model import Change

TIME = "# time: 2026-01-31T12:00:01.000002Z\n"


def text(event: Event) -> str:
    assert event.body is not None
    return event.body.decode("ascii")


def counted(body: bytes) -> dict[str, int]:
    """Return how many records of each kind python-ldap finds."""
    parser = ldif.LDIFRecordList(io.BytesIO(body))
    parser.parse_change_records()
    return {kind: count for kind, count in parser.changetype_counter.items() if count}


def test_a_change_is_a_record_below_comments_that_name_it() -> None:
    (event,) = Ldif(FILE).events(CHANGES["updated"])

    assert (event.content_type, dict(event.headers), event.id, event.key) == (CONTENT_TYPE, {}, "5d0e3f:42", str(ANN))
    assert text(event) == (
        "version: 1\n\n"
        f"# id: 5d0e3f:42\n# kind: updated\n{TIME}# entryUUID: {ANN}\n"
        "dn: uid=ann,dc=example,dc=com\nchangetype: modify\nreplace: cn\ncn: Ann\ncn: Anna\n-\n\n"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("created", {"add": 1}),
        ("updated", {"modify": 1}),
        ("renamed", {"modrdn": 1}),
        ("deleted", {"delete": 1}),
        ("read", {"add": 1}),
    ],
)
def test_each_kind_has_its_record(kind: str, expected: dict[str, int]) -> None:
    (event,) = Ldif(FILE).events(CHANGES[kind])

    assert f"# kind: {kind}\n" in text(event)
    assert counted(event.body or b"") == expected


def test_each_record_of_a_rename_has_an_id_of_its_own() -> None:
    after = entry("uid=anna,dc=example,dc=com", cn=[b"Anna"], uidNumber=[b"1000"])
    (event,) = Ldif(FILE).events(Renamed(BEFORE, after, found()))
    first, second = text(event).removeprefix("version: 1\n\n").removesuffix("\n\n").split("\n\n")

    assert first.startswith(f"# id: 5d0e3f:42\n# kind: renamed\n{TIME}# entryUUID: {ANN}\ndn: ")
    assert second.startswith(f"# id: 5d0e3f:42:modify\n# kind: renamed\n{TIME}# entryUUID: {ANN}\ndn: ")
    assert counted(event.body or b"") == {"modrdn": 1, "modify": 1}


def test_a_change_with_nothing_to_apply_is_a_comment() -> None:
    (event,) = Ldif(FILE).events(
        Modified(BEFORE, entry("UID=\u00e4nn\n", **dict(BEFORE.attributes)), found(stored=None))
    )

    assert text(event) == (
        "version: 1\n\n# id: 5d0e3f:42\n# kind: updated\n"
        f"# entryUUID: {ANN}\n# dn:: VUlEPcOkbm4K\n# nothing to apply\n\n"
    )
    assert counted(event.body or b"") == {}


def test_what_was_renamed_along_with_an_entry_is_not_renamed_again() -> None:
    form = Ldif(FILE)

    def renamed(old: str, new: str, sequence: int, stored: int) -> str:
        change = Renamed(entry(old), entry(new), Provenance(Origin.PERSIST, sequence, stored))
        (event,) = form.events(change)
        # A relay may ask twice.
        assert form.events(change) == [event]
        return text(event)

    assert "newrdn: ou=b\n" in renamed("ou=a,dc=x", "ou=b,dc=x", 1, 100)
    assert "# nothing to apply\n" in renamed("cn=c,ou=a,dc=x", "cn=c,ou=b,dc=x", 2, 100)
    assert "dn: cn=d,ou=b,dc=x\n" in renamed("cn=d,ou=a,dc=x", "cn=e,ou=b,dc=x", 3, 100)
    assert "newsuperior: ou=b,dc=x\n" in renamed("cn=f,ou=a,dc=x", "cn=f,ou=b,dc=x", 4, 101)


@given(change=changes())
def test_every_event_is_ascii_that_ends_with_an_empty_line(change: Change) -> None:
    (event,) = Ldif(FILE).events(change)

    assert text(event).startswith(f"version: 1\n\n# id: {event.id}\n# kind: {event.kind.value}\n")
    assert text(event).endswith("\n\n")
    assert not text(event).endswith("\n\n\n")
    assert f"\n# entryUUID: {event.key}\n" in text(event)
    assert [event] == Ldif(FILE).events(change)


@given(st.lists(st.sampled_from(list(CHANGES.values())), max_size=4, unique_by=id))
def test_a_batch_is_one_file(told: list[Change]) -> None:
    form = Ldif(FILE)
    numbered = [replace(change, provenance=found(sequence=at)) for at, change in enumerate(told)]
    events = [event for change in numbered for event in form.events(change)]
    batch = form.batch(iter(events))

    assert batch.content_type == CONTENT_TYPE
    assert batch.body.count(VERSION) == 1
    assert batch.body == VERSION + b"".join(records_of(event.body or b"") for event in events)
    assert sum(counted(batch.body).values()) == len(events)


def test_records_that_somebody_else_has_made_are_parted_as_well() -> None:
    assert records_of(b"dn: dc=x\nchangetype: delete") == b"dn: dc=x\nchangetype: delete\n\n"
    assert records_of(VERSION + b"# a\n\n\n") == b"# a\n\n"


def test_what_cannot_be_named_is_refused() -> None:
    with pytest.raises(UsageError):
        Ldif("")
    with pytest.raises(UsageError, match="without a number"):
        Ldif(FILE).events(Deleted(AFTER, found(sequence=None)))
    assert Ldif(FILE).events(Added(MOVED, found(Origin.SNAPSHOT)))[0].id == f"5d0e3f:42:{ANN}"
