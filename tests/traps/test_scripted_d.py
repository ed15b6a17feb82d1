"""Traps D1 to D11: names and identities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client import Added, Deleted, Modified, Renamed
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.testing import script
from tests.traps.laboratory import FOLLOW, NEWER, OPENLDAP, SUFFIX, UNKNOWN, both_modes, refresh_end

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from syncrepl_client.testing.directory import Values
    from tests.traps.conftest import MakeLaboratory
    from tests.traps.laboratory import Laboratory


class Listener:
    """Notes changes."""

    by_name = True

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
        match change:
            case Added(after=entry):
                self.told.append(("add", entry.dn))
            case Deleted(before=entry):
                self.told.append(("delete", entry.dn))
            case Modified(after=entry):
                self.told.append(("modify", entry.dn))
            case Renamed(before=before, after=after):
                self.told.append(("rename", before.dn, after.dn))


def follow(lab: Laboratory, last: Callable[[set[str]], bool], *steps: Step) -> list[tuple[str, ...]]:
    """Let a client hear steps after a refresh that tells nothing, until its names are as they shall be."""
    listener = Listener()
    lab.provider.script(script.refresh_delete(), *steps)
    with lab.replica(FOLLOW, listener=listener) as replica:
        replica.refresh()
        while not last(set(replica.entries)):
            assert replica.step()
    return listener.told


# --- D1, D2 -----------------------------------------------------------------------------------------------------------


@pytest.mark.trap("D1", server="scripted")
@both_modes
@pytest.mark.parametrize("circle", [(1, 2), (1, 2, 3), (3, 1, 2, 4)])
def test_names_may_go_round_inside_a_refresh(lab: Laboratory, mode: SyncreplMode, circle: tuple[int, ...]) -> None:
    names: dict[str, UUID] = {lab.dn(number): lab.uuid(number) for number in range(1, 5)}

    class ByName:
        """Follows changes by name, as a program does that knows no UUIDs."""

        by_name = True

        def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
            match change:
                case Added(after=entry):
                    assert entry.dn not in names
                    names[entry.dn] = entry.uuid
                case Deleted(before=entry):
                    assert names.pop(entry.dn) == entry.uuid
                case Renamed(before=before, after=after):
                    assert after.dn not in names
                    names[after.dn] = names.pop(before.dn)

    newer = {number: lab.dn(circle[(index + 1) % len(circle)]) for index, number in enumerate(circle)}
    lab.provider.script(
        *(lab.sent(number, dn=dn) for number, dn in newer.items()), refresh_end(mode, NEWER, deletes=True)
    )

    lab.run(mode, listener=ByName())
    expected = {newer.get(number, lab.dn(number)): lab.uuid(number) for number in range(1, 5)}
    assert names == expected
    assert {row[1]: UUID(bytes=row[0]) for row in lab.copy().rows} == expected


@pytest.mark.trap("D2", server="scripted")
@both_modes
@pytest.mark.parametrize("gone_first", [False, True])
def test_an_entry_that_was_made_anew_is_another_one(
    lab: Laboratory,
    mode: SyncreplMode,
    gone_first: bool,  # noqa: FBT001
) -> None:
    again = lab.sent(1, uuid=lab.uuid(11))
    gone = script.id_set([lab.uuid(1)], deletes=True)
    listener = Listener()
    lab.provider.script(*([gone, again] if gone_first else [again, gone]), refresh_end(mode, NEWER, deletes=True))

    lab.run(mode, listener=listener)
    assert listener.told == [("delete", lab.dn(1)), ("add", lab.dn(1))]
    assert lab.numbers() == {2, 3, 4, 11}


# --- D6 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("D6", server="scripted")
@both_modes
@pytest.mark.parametrize("known", [True, False])
def test_a_moved_entry_is_one_with_another_name(
    make: MakeLaboratory,
    mode: SyncreplMode,
    known: bool,  # noqa: FBT001
) -> None:
    """A state that ApacheDS made up."""
    lab = make(OPENLDAP)
    if not known:
        lab.add(5)
    number = 1 if known else 5
    others = [lab.sent(other) for other in range(1, 5) if other != number]
    moved = lab.sent(number, 4, dn=f"cn=moved,{SUFFIX}")
    lab.provider.script(*others, moved, refresh_end(mode, NEWER, deletes=True))

    lab.run(mode, verify_every=0)
    names = {int.from_bytes(row[0]): row[1] for row in lab.copy().rows}
    assert names[number] == f"cn=moved,{SUFFIX}"
    assert names.keys() == {1, 2, 3, 4, number}


@pytest.mark.trap("D6", server="scripted")
def test_a_moved_entry_of_the_persist_stage_is_renamed(lab: Laboratory) -> None:
    moved = f"cn=moved,{SUFFIX}"

    told = follow(lab, lambda names: moved in names, lab.sent(1, 4, NEWER, dn=moved))

    assert told == [("rename", lab.dn(1), moved)]
    assert lab.copy().cookie == NEWER


@pytest.mark.trap("D6", server="scripted")
@both_modes
@pytest.mark.parametrize("state", [5, 127, 255, 4096, -1])
def test_a_state_that_does_not_exist_is_an_error(lab: Laboratory, mode: SyncreplMode, state: int) -> None:
    lab.provider.script(lab.sent(1), lab.sent(2, state), refresh_end(mode, NEWER, deletes=True))

    with lab.refused(ProtocolError, f"unknown sync state {state}"):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("D6", server="scripted")
def test_a_state_that_does_not_exist_in_the_persist_stage_is_an_error(lab: Laboratory) -> None:
    lab.provider.script(script.refresh_delete(), lab.sent(2, 5, NEWER))

    with lab.refused(ProtocolError, "unknown sync state 5"), lab.replica(FOLLOW) as replica:
        replica.run()
    lab.converges()


# --- D7 ---------------------------------------------------------------------------------------------------------------

NAMES = ["", f"cn=e2,{SUFFIX}", f"CN=E2,{SUFFIX}", "cn=e2,ou=outside,dc=example,dc=org", f"cn=e1,{SUFFIX}", "no name"]


@pytest.mark.trap("D7", server="scripted")
@both_modes
@pytest.mark.parametrize("name", NAMES)
def test_a_deletion_is_of_whom_its_uuid_says(lab: Laboratory, mode: SyncreplMode, name: str) -> None:
    listener = Listener()
    lab.delete(2)
    lab.provider.script(script.entry(name, {}, lab.uuid(2), 3), refresh_end(mode, lab.provider.cookie, deletes=True))

    lab.run(mode, listener=listener)
    assert listener.told == [("delete", lab.dn(2))]
    lab.converges()


@pytest.mark.trap("D7", server="scripted")
@pytest.mark.parametrize("attributes", [{}, {"cn": "e2", "sn": "2"}], ids=["bare", "with attributes"])
@pytest.mark.parametrize("name", NAMES)
def test_a_deletion_of_the_persist_stage_is_of_whom_its_uuid_says(
    lab: Laboratory, name: str, attributes: dict[str, str]
) -> None:
    gone = script.entry(name, attributes, lab.uuid(2), 3, NEWER)

    assert follow(lab, lambda names: lab.dn(2) not in names, gone) == [("delete", lab.dn(2))]
    assert lab.numbers() == {1, 3, 4}


@pytest.mark.trap("D7", server="scripted")
@pytest.mark.parametrize("octets", [b"cn=\xff,dc=example,dc=com", b"\xc3\x28"])
@pytest.mark.parametrize("state", [1, 2, 3])
@pytest.mark.parametrize("scope", ["one", "sub"])
@pytest.mark.parametrize("live", [False, True], ids=["refresh", "persist"])
def test_a_name_that_is_not_utf_8_is_an_error(
    make: MakeLaboratory,
    octets: bytes,
    state: int,
    scope: str,
    live: bool,  # noqa: FBT001
) -> None:
    lab = make(scope=scope)
    # The bytes of a name that has as many.
    named = script.entry("c" * len(octets), {}, lab.uuid(2 if state == 3 else 9), state)
    operation = named.operation.replace(b"c" * len(octets), octets)
    wrong = type(named)(operation, named.controls)
    lab.provider.script(*([script.refresh_delete(), wrong] if live else [wrong, script.refresh_delete(NEWER)]))
    if state == 3 and not live:
        # Nobody looks at the name.
        lab.run(FOLLOW)
        assert 2 not in lab.numbers()
        return

    with lab.replica(FOLLOW) as replica, pytest.raises(ProtocolError, match="not UTF-8") as caught:
        replica.run()
    assert caught.value.hint
    lab.converges()


# --- D8 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("D8", server="scripted")
@both_modes
@pytest.mark.parametrize("by_set", [True, False])
@pytest.mark.parametrize("number", [2, 5], ids=["known", "unknown"])
def test_a_uuid_that_was_deleted_and_sent_is_there(
    lab: Laboratory,
    mode: SyncreplMode,
    by_set: bool,  # noqa: FBT001
    number: int,
) -> None:
    if number == 5:
        lab.add(5)
    else:
        lab.modify(2)
    listener = Listener()
    gone = script.id_set([lab.uuid(number)], deletes=True) if by_set else script.entry("", {}, lab.uuid(number), 3)
    lab.provider.script(gone, lab.sent(number), refresh_end(mode, lab.provider.cookie, deletes=True))

    lab.run(mode, listener=listener)
    assert listener.told == [("add" if number == 5 else "modify", lab.dn(number))]
    lab.converges()


@pytest.mark.trap("D8", server="scripted")
@both_modes
@pytest.mark.parametrize("by_set", [True, False])
@pytest.mark.parametrize("number", [2, 5], ids=["known", "unknown"])
def test_a_uuid_that_was_sent_and_deleted_is_gone(
    lab: Laboratory,
    mode: SyncreplMode,
    by_set: bool,  # noqa: FBT001
    number: int,
) -> None:
    lab.add(5)
    gone = script.id_set([lab.uuid(number)], deletes=True) if by_set else script.entry("", {}, lab.uuid(number), 3)
    steps = [lab.sent(number), gone]
    lab.delete(number)
    if number == 2:
        lab.delete(5)
    lab.provider.script(*steps, refresh_end(mode, lab.provider.cookie, deletes=True))

    lab.run(mode)
    assert lab.numbers() == {1, 2, 3, 4} - {number}
    lab.converges()


@pytest.mark.trap("D8", server="scripted")
@pytest.mark.parametrize("between", [False, True], ids=["in one piece", "one after the other"])
def test_a_uuid_that_comes_back_while_listening_is_there(lab: Laboratory, between: bool) -> None:  # noqa: FBT001
    stall = script.stall()
    gone = script.entry("", {}, lab.uuid(2), 3, NEWER)
    back = lab.sent(2, 1, NEWER.replace(b"2030", b"2031"), dn=f"cn=back,{SUFFIX}")
    listener = Listener()
    lab.provider.script(script.refresh_delete(), gone, *([stall] if between else []), back)
    with lab.replica(FOLLOW, listener=listener) as replica:
        while f"cn=back,{SUFFIX}" not in replica.entries:
            replica.step()
            if lab.dn(2) not in replica.entries:
                stall.release()

    assert listener.told == [("delete", lab.dn(2)), ("add", f"cn=back,{SUFFIX}")]
    assert lab.numbers() == {1, 2, 3, 4}


# --- D9 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("D9", server="scripted")
@both_modes
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN], ids=["openldap", "unknown"])
def test_a_directory_that_was_loaded_anew_has_other_uuids(
    make: MakeLaboratory, mode: SyncreplMode, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse)
    for number in range(1, 5):
        lab.delete(number)
    for number in range(1, 5):
        lab.provider.add(lab.dn(number), {"sn": "new"}, uuid=UUID(int=100 + number))

    lab.converges(mode=mode)
    assert lab.numbers() == {101, 102, 103, 104}


# --- D11 --------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("D11", server="scripted")
def test_a_name_that_is_still_taken_for_a_moment_is_settled_by_a_refresh(lab: Laboratory) -> None:
    """Entry 1 was renamed and a new one has its name, but the messages come the other way round."""
    lab.provider.rename(lab.dn(1), f"cn=former,{SUFFIX}")
    lab.provider.add(lab.dn(1), {"sn": "new"}, uuid=lab.uuid(11))
    listener = Listener()
    new = script.entry(lab.dn(1), lab.provider.search(lab.dn(1), 0)[lab.dn(1)], lab.uuid(11), 1, NEWER)
    lab.provider.script(script.refresh_delete(), new)

    with lab.asks(2), lab.replica(FOLLOW, listener=listener) as replica:
        while f"cn=former,{SUFFIX}" not in replica.entries:
            replica.step()
    assert listener.told == [("rename", lab.dn(1), f"cn=former,{SUFFIX}"), ("add", lab.dn(1))]
    lab.converges()


@pytest.mark.trap("D11", server="scripted")
@pytest.mark.parametrize("cookie", [None, NEWER])
def test_a_name_that_is_taken_for_ever_ends_in_an_error(lab: Laboratory, cookie: bytes | None) -> None:
    taken = script.entry(lab.dn(1), {"sn": "new"}, lab.uuid(11), 1, NEWER.replace(b"2030", b"2031"))
    everything = [lab.sent(number) for number in range(1, 5)]
    lab.provider.script(*everything, script.refresh_delete(cookie), taken, times=50)

    with lab.replica(FOLLOW) as replica, pytest.raises(ProtocolError, match="again and again") as caught:
        replica.run()
    assert caught.value.hint
    assert 2 < len(lab.requests) < 20
    assert lab.numbers() == {1, 2, 3, 4}


@pytest.mark.trap("D11", server="scripted")
@both_modes
def test_two_entries_may_have_one_name_at_the_end_of_a_refresh(lab: Laboratory, mode: SyncreplMode) -> None:
    lab.provider.script(lab.sent(1, uuid=lab.uuid(11)), refresh_end(mode, None, deletes=True))

    lab.run(mode)
    assert lab.numbers() == {1, 2, 3, 4, 11}
    lab.provider.script(script.id_set([lab.uuid(11)], deletes=True), refresh_end(mode, None, deletes=True))
    lab.run(mode)
    lab.converges()


@pytest.mark.trap("D4", "A3", server="scripted")
def test_who_came_with_a_subtree_that_left_and_came_back_while_deletions_were_confirmed_is_found(
    make: MakeLaboratory,
) -> None:
    """The copy keeps the top, so what the server tells of it afterwards looks like any other change."""
    lab = make(OPENLDAP, entries=0, scope="sub")
    unit = f"ou=unit,{SUFFIX}"
    gone = [
        lab.provider.add(unit, {}),
        *(lab.provider.add(f"cn=e{number},{unit}", {"sn": "x"}) for number in range(60)),
    ]
    lab.run()
    lab.provider.add(f"cn=new,{unit}", {"sn": "x"})
    # As it was before the unit came back.
    lab.provider.script(script.id_set(gone, deletes=True), script.refresh_delete(lab.provider.cookie))

    with lab.replica(FOLLOW) as replica:
        replica.refresh()
        assert set(replica.entries) == set(lab.provider.search())
    lab.converges()
