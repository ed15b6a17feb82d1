"""Traps A2 and A7 to A9: refreshes that do not end as they should."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.exceptions import (
    ConnectionLost,
    InsufficientAccess,
    InvalidCredentials,
    LDAPResultError,
    NoSuchBase,
    ProtocolError,
    SyncNotSupported,
    SyncreplError,
)
from syncrepl_client.testing import script
from tests.testing.conversation import Conversation
from tests.traps.laboratory import (
    FOLLOW,
    NEWER,
    SUFFIX,
    UNKNOWN,
    Laboratory,
    both_modes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from tests.traps.conftest import MakeLaboratory


# --- A2 ---------------------------------------------------------------------------------------------------------------

BREAKS: dict[str, tuple[Sequence[Step], type[SyncreplError]]] = {
    "cut": ([script.cut()], ConnectionLost),
    "success without Sync Done": ([script.search_done()], ProtocolError),
    **{f"result {code}": ([script.search_done(code, "why")], LDAPResultError) for code in (1, 3, 4, 11, 51, 52, 80)},
    "result 80 with Sync Done": (
        [script.search_done(80, "why", script.sync_done(NEWER, deletes=False))],
        LDAPResultError,
    ),
    "notice of disconnection": ([script.disconnection(52, "bye")], ConnectionLost),
    "garbage": ([script.raw(b"\0" * 9)], ProtocolError),
}


@pytest.mark.trap("A2", server="scripted")
@both_modes
@pytest.mark.parametrize("after", ["nothing", "the set", "the first entry"])
@pytest.mark.parametrize("broken", BREAKS)
def test_a_refresh_that_ended_early_is_no_refresh(lab: Laboratory, mode: SyncreplMode, after: str, broken: str) -> None:
    steps, kind = BREAKS[broken]
    lab.modify(1)
    lab.delete(2)
    lab.add(5)
    begun = {
        "nothing": [],
        "the set": [script.id_set([lab.uuid(1), lab.uuid(5)])],
        "the first entry": [script.id_set([lab.uuid(2)], deletes=True, cookie=NEWER), lab.sent(1)],
    }
    lab.provider.script(*begun[after], *steps)

    with lab.refused(kind):
        lab.run(mode)
    lab.converges()


def answer(lab: Laboratory, mode: int, cookie: bytes | None) -> int:
    """Tell how many octets the directory's answer has."""
    with Conversation(lab.provider.url) as conversation:
        conversation.search(SUFFIX, mode, cookie, scope=1)
        return sum(map(len, conversation.until(lambda _: False)))


@pytest.mark.trap("A2", server="scripted")
def test_a_refresh_cut_after_any_octet_is_no_refresh(lab: Laboratory) -> None:
    """Present phase, one entry changed and one gone; the client has to be the one that knows the end."""
    before = lab.copy()
    lab.modify(1)
    lab.delete(2)
    size = answer(lab, 1, before.cookie)

    for after in range(size):
        lab.provider.script(script.cut(after), script.from_directory())
        with lab.refused(ConnectionLost):
            lab.run()
    lab.converges()
    assert lab.numbers() == {1, 3, 4}


@pytest.mark.trap("A2", server="scripted")
def test_a_first_load_cut_after_any_octet_is_none(make: MakeLaboratory) -> None:
    lab = make(entries=2, copied=False)
    size = answer(lab, 1, None)

    for after in range(size):
        lab.provider.script(script.cut(after), script.from_directory())
        with pytest.raises(ConnectionLost):
            lab.run()
        assert lab.copy() == ([], None, [])
    lab.converges()


@pytest.mark.trap("A2", server="scripted")
@both_modes
def test_a_callback_that_fails_leaves_a_refresh_unmade(lab: Laboratory, mode: SyncreplMode) -> None:
    class Failing:
        def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
            raise LookupError

    before = lab.copy()
    lab.delete(2)

    with pytest.raises(LookupError):
        lab.run(mode, listener=Failing())
    assert before == lab.copy()
    lab.converges()


# --- A7 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("A7", server="scripted")
@both_modes
@pytest.mark.parametrize("first", [0, 1, 3], ids=["none has a state", "the second has none", "the last has none"])
def test_a_plain_result_is_no_content(lab: Laboratory, mode: SyncreplMode, first: int) -> None:
    plain = [script.plain_entry(lab.dn(number), lab.attributes(number)) for number in range(first + 1, 5)]
    lab.provider.script(*[lab.sent(number) for number in range(1, first + 1)], *plain, script.search_done())

    with lab.refused(ProtocolError, "without a Sync State"):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("A7", server="scripted")
@both_modes
def test_a_server_that_cannot_synchronize_is_said(make: MakeLaboratory, mode: SyncreplMode) -> None:
    lab = make()
    with_plugin_off = make({"supportedControl": ["2.16.840.1.113730.3.4.2"]}, copied=False)

    with with_plugin_off.refused(SyncNotSupported, "unavailableCriticalExtension", requests=0):
        with_plugin_off.run(mode)
    lab.converges()


# --- A8 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("A8", server="scripted")
@both_modes
def test_the_old_copy_serves_while_a_full_refresh_runs(lab: Laboratory, mode: SyncreplMode) -> None:
    before = lab.copy()
    lab.modify(1)
    lab.delete(2)
    stall = script.stall()
    lab.provider.script(script.search_done(4096, "stale"))
    lab.provider.script(lab.sent(1), stall, script.cut())
    failures: list[BaseException] = []

    def run() -> None:
        try:
            lab.run(mode)
        except ConnectionLost as error:
            failures.append(error)

    worker = threading.Thread(target=run)
    worker.start()
    stall.wait_until_reached()
    assert before.rows == lab.copy().rows
    with closing(sqlite3.connect(lab.path)) as reader:
        assert reader.execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (4,)
    stall.release()
    worker.join(10)

    assert len(failures) == 1
    assert before == lab.copy()
    assert lab.cookies[-2:] == [before.cookie, None]
    lab.converges()


# --- A9 ---------------------------------------------------------------------------------------------------------------

ERRORS = {
    1: LDAPResultError,
    2: LDAPResultError,
    8: InsufficientAccess,
    10: LDAPResultError,
    12: SyncNotSupported,
    13: InsufficientAccess,
    32: NoSuchBase,
    34: LDAPResultError,
    48: InvalidCredentials,
    49: InvalidCredentials,
    50: InsufficientAccess,
    51: LDAPResultError,
    53: LDAPResultError,
    123: LDAPResultError,
}


@pytest.mark.trap("A9", server="scripted")
@both_modes
@pytest.mark.parametrize("code", ERRORS)
def test_an_error_is_no_empty_content(make: MakeLaboratory, mode: SyncreplMode, code: int) -> None:
    """Also where everything was named as deleted before it, as slapd does where the base is gone."""
    lab = make(UNKNOWN)
    lab.provider.script(script.id_set(lab.uuids(1, 4), deletes=True, cookie=NEWER), script.search_done(code, "why"))

    with lab.refused(ERRORS[code], "why"):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("A9", server="scripted")
@pytest.mark.parametrize("code", [32, 50, 53])
def test_an_error_in_the_persist_stage_keeps_what_came_before(lab: Laboratory, code: int) -> None:
    lab.provider.script(
        script.refresh_delete(), script.entry("", {}, lab.uuid(3), state=3, cookie=NEWER), script.search_done(code)
    )

    with lab.replica(FOLLOW) as replica, pytest.raises(ERRORS[code]) as caught:
        replica.run()
    assert caught.value.hint
    assert lab.numbers() in ({1, 2, 4}, {1, 2, 3, 4})
    assert (lab.copy().cookie == NEWER) == (3 not in lab.numbers())
