"""Traps E4, E6, E7, E14 and E16: what stands in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import LDAPResultError, NoSuchBase, ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.testing import script, wire
from tests.traps.laboratory import (
    DS389,
    FOLLOW,
    NEWER,
    NUMBERED,
    ONCE,
    OPENLDAP,
    SUFFIX,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.script import Response
    from tests.traps.conftest import MakeLaboratory

LATER = NEWER.replace(b"2030", b"2031")


# --- E4, E6, E14 ------------------------------------------------------------------------------------------------------


@pytest.mark.trap("E4", server="scripted")
@both_modes
@pytest.mark.parametrize("root_dse", [OPENLDAP, DS389], ids=["openldap", "389"])
def test_an_update_of_389_is_fetched_with_the_attributes_that_were_asked_for(
    make: MakeLaboratory, mode: SyncreplMode, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse, copied=False)
    lab.attributes_asked = "cn"
    numbered = root_dse is DS389
    if numbered:
        # As 389 answers whoever has no cookie: with the attributes that were asked for.
        asked = [script.entry(lab.dn(number), {"cn": f"e{number}"}, lab.uuid(number)) for number in range(1, 5)]
        lab.provider.script(*asked, refresh_end(ONCE, NUMBERED % 10, deletes=False))
    lab.run()
    before = lab.copy().rows
    lab.provider.replace(lab.dn(1), "description", "not asked for")
    # An OpenLDAP server keeps to the list.
    update = lab.sent(1) if numbered else script.entry(lab.dn(1), {"cn": "e1"}, lab.uuid(1))
    cookie = NUMBERED % 11 if numbered else lab.provider.cookie
    lab.provider.script(update, refresh_end(mode, cookie, deletes=True))

    with lab.asks(2 if numbered else 1):
        lab.run(mode, verify_every=0)
    assert lab.copy().rows == before


@pytest.mark.trap("E4", server="scripted")
@both_modes
def test_an_update_of_who_may_not_be_searched_for_is_fetched_by_name(make: MakeLaboratory, mode: SyncreplMode) -> None:
    lab = make(DS389, copied=False)
    lab.attributes_asked = "sn"
    lab.give_number(10)
    lab.modify(2)
    lab.provider.script(lab.sent(2), refresh_end(mode, NUMBERED % 11, deletes=mode is not ONCE))
    # Who is searched for by UUID is not found, but others are.
    lab.provider.script(lab.sent(4), refresh_end(ONCE, NUMBERED % 11, deletes=None))

    with lab.asks(3):
        lab.run(mode, verify_every=0)
    (changed,) = (row for row in lab.copy().rows if row[0] == lab.uuid(2).bytes)
    assert b"changed" in changed[2]


@pytest.mark.trap("E6", server="scripted")
@both_modes
def test_a_deletion_of_somebody_unknown_is_nothing(lab: Laboratory, mode: SyncreplMode) -> None:
    lab.provider.script(
        script.id_set(lab.uuids(50, 60), deletes=True),
        script.entry(f"cn=never,{SUFFIX}", {}, lab.uuid(61), 3),
        refresh_end(mode, None, deletes=True),
    )

    before = lab.copy()
    with lab.asks(1):
        lab.run(mode)
    assert lab.copy() == before


@pytest.mark.trap("E6", "E14", server="scripted")
def test_what_changes_nothing_is_told_to_nobody(lab: Laboratory) -> None:
    told: list[object] = []

    class Listener:
        def change(self, change: object, cursor: sqlite3.Cursor) -> None:
            told.append(change)

    values = {**lab.attributes(2)}
    turned = script.entry(lab.dn(2), dict(reversed(values.items())), lab.uuid(2), 2)
    gone = script.entry("", {}, lab.uuid(70), 3)
    lab.provider.script(lab.sent(1), script.refresh_delete(), lab.sent(1, 2), turned, gone, lab.sent(3, 1, NEWER))

    with lab.replica(FOLLOW, listener=Listener()) as replica:
        while lab.copy().cookie != NEWER:
            replica.step()
    assert told == []


# --- E7 ---------------------------------------------------------------------------------------------------------------

OTHER = wire.control("1.2.3.4", b"\x30\x00")
VALUELESS = wire.control("1.2.840.113556.1.4.473", critical=False)
ORDERS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "first": lambda own: (own, OTHER, VALUELESS),
    "last": lambda own: (OTHER, VALUELESS, own),
    "between": lambda own: (VALUELESS, own, OTHER),
    "alone": lambda own: (own,),
}


def with_controls(response: Response, order: str) -> Response:
    return type(response)(response.operation, ORDERS[order](*response.controls))


@pytest.mark.trap("E7", server="scripted")
@both_modes
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("usual", [True, False], ids=["after usual ones", "from the first"])
def test_controls_may_come_in_any_order(
    lab: Laboratory,
    mode: SyncreplMode,
    order: str,
    usual: bool,  # noqa: FBT001
) -> None:
    for number in (1, 2, 3):
        lab.modify(number)
    lab.delete(4)
    messages = [lab.sent(1), lab.sent(2), lab.sent(3), script.entry("", {}, lab.uuid(4), 3)]
    end = refresh_end(mode, lab.provider.cookie, deletes=True)
    lab.provider.script(
        *(message if usual and index == 0 else with_controls(message, order) for index, message in enumerate(messages)),
        with_controls(end, order) if mode is ONCE else end,
    )

    lab.run(mode)
    lab.converges()
    assert lab.numbers() == {1, 2, 3}


@pytest.mark.trap("E7", server="scripted")
@both_modes
@pytest.mark.parametrize("order", ORDERS)
def test_the_control_of_a_search_that_failed_is_read_too(lab: Laboratory, mode: SyncreplMode, order: str) -> None:
    lab.provider.script(with_controls(script.search_done(4096, "", script.sync_done(NEWER)), order))
    lab.provider.script(refresh_end(mode, LATER, deletes=True))

    lab.run(mode)
    assert lab.cookies[-1] == NEWER
    assert lab.copy().cookie == LATER


@pytest.mark.trap("E7", server="scripted")
@both_modes
@pytest.mark.parametrize("code", [32, 51, 80])
def test_a_cookie_of_a_search_that_failed_covers_nothing(lab: Laboratory, mode: SyncreplMode, code: int) -> None:
    lab.modify(1)
    lab.provider.script(lab.sent(1), script.search_done(code, "", script.sync_done(NEWER, deletes=True)))

    with lab.refused(NoSuchBase if code == 32 else LDAPResultError):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("E7", server="scripted")
@both_modes
@pytest.mark.parametrize("value", [b"", b"\x30", b"\x04\x00", b"\x30\x03\x0a\x01", b"\x30\x05\x04\x10abc", None])
@pytest.mark.parametrize("place", ["state", "done"])
def test_a_control_that_cannot_be_read_is_an_error(
    lab: Laboratory, mode: SyncreplMode, value: bytes | None, place: str
) -> None:
    bad = wire.control(controls.SYNC_STATE if place == "state" else controls.SYNC_DONE, value)
    message = lab.sent(1) if place == "state" else script.search_done(0)
    lab.provider.script(type(message)(message.operation, (bad,)), refresh_end(mode, NEWER, deletes=True))

    with lab.refused(ProtocolError):
        lab.run(mode)
    lab.converges()


# --- E16 --------------------------------------------------------------------------------------------------------------

SIZES = [0, 1, 15, 17, 32]


def no_uuid(lab: Laboratory) -> Response:
    state = ber.sequence(ber.enumerated(1))
    return type(lab.sent(2))(lab.sent(2).operation, (wire.control(controls.SYNC_STATE, state),))


@pytest.mark.trap("E16", server="scripted")
@both_modes
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", ["entry", "deleted entry", "set of the present", "set of the deleted"])
@pytest.mark.parametrize("usual", [True, False], ids=["after usual ones", "from the first"])
def test_a_uuid_of_another_size_is_an_error(
    lab: Laboratory,
    mode: SyncreplMode,
    size: int,
    place: str,
    usual: bool,  # noqa: FBT001
) -> None:
    uuid = (b"\0" * 32)[:size]
    wrong = {
        "entry": lab.sent(2, uuid=uuid),
        "deleted entry": script.entry("", {}, uuid, 3),
        "set of the present": script.id_set([lab.uuid(1), uuid]),
        "set of the deleted": script.id_set([lab.uuid(1), uuid], deletes=True),
    }
    before: Sequence[Step] = [lab.sent(1)] if usual else []
    lab.provider.script(*before, wrong[place], refresh_end(mode, NEWER, deletes=True))

    with lab.refused(ProtocolError, f"a syncUUID of {size} octets"):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("E16", server="scripted")
@both_modes
@pytest.mark.parametrize("usual", [True, False], ids=["after usual ones", "from the first"])
def test_an_entry_without_a_uuid_is_an_error(
    lab: Laboratory,
    mode: SyncreplMode,
    usual: bool,  # noqa: FBT001
) -> None:
    before: Sequence[Step] = [lab.sent(1)] if usual else []
    lab.provider.script(*before, no_uuid(lab), refresh_end(mode, NEWER, deletes=True))

    with lab.refused(ProtocolError, "without state or UUID"):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("E16", server="scripted")
@pytest.mark.parametrize("size", SIZES)
def test_a_uuid_of_another_size_while_listening_is_an_error(lab: Laboratory, size: int) -> None:
    lab.provider.script(script.refresh_delete(), lab.sent(2, 2, NEWER, uuid=(b"\0" * 32)[:size]))

    with lab.refused(ProtocolError, "syncUUID"), lab.replica(FOLLOW) as replica:
        replica.run()
    lab.converges()
