"""Traps E1 to E3, E12 and E13: how refreshes and searches end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.exceptions import LDAPResultError, ProtocolError
from syncrepl_client.testing import Provider, script
from tests.traps.laboratory import (
    APACHEDS,
    DS389,
    FOLLOW,
    NEWER,
    ONCE,
    OPENLDAP,
    SUFFIX,
    UNKNOWN,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.script import Response
    from tests.traps.conftest import MakeLaboratory

LATER = NEWER.replace(b"2030", b"2031")
PATIENCE = 10.0


# --- E1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("E1", server="scripted")
def test_a_new_cookie_ends_the_refresh_of_apacheds(make: MakeLaboratory) -> None:
    lab = make(APACHEDS)
    lab.delete(2)
    lab.modify(3)
    stall = script.stall()
    lab.provider.script(
        lab.sent(1),
        lab.sent(3),
        lab.sent(4),
        script.new_cookie(b"rid=1,csn=1"),
        stall,
        script.new_cookie(b"rid=1,csn=2"),
    )

    with lab.replica(FOLLOW, verify_every=0) as replica:
        replica.refresh()
        assert not replica.refreshing
        assert set(replica.entries) == {lab.dn(1), lab.dn(3), lab.dn(4)}
        stall.release()
    assert lab.copy().cookie is None
    assert lab.cookies[-1] is None
    lab.converges()


@pytest.mark.trap("E1", server="scripted")
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN, DS389], ids=["openldap", "unknown", "389"])
def test_a_new_cookie_ends_no_refresh_of_others(make: MakeLaboratory, root_dse: Mapping[str, Values]) -> None:
    lab = make(root_dse)
    if root_dse is DS389:
        lab.give_number()
    lab.provider.script(script.new_cookie(NEWER), lab.sent(1), refresh_end(FOLLOW, None, deletes=True))

    with lab.asks(1):
        lab.run(FOLLOW, verify_every=0)
    assert lab.numbers() == {1, 2, 3, 4}


@pytest.mark.trap("E1", server="scripted")
def test_a_new_cookie_ends_no_refresh_only(make: MakeLaboratory) -> None:
    lab = make(APACHEDS)
    everything = [lab.sent(number) for number in range(1, 5)]
    lab.provider.script(script.new_cookie(b"rid=1,csn=1"), *everything, refresh_end(ONCE, b"rid=1,csn=2", deletes=None))

    lab.run(verify_every=0)
    assert lab.numbers() == {1, 2, 3, 4}


@pytest.mark.trap("E1", server="scripted")
@pytest.mark.parametrize("deletes", [False, True])
def test_a_refresh_ends_once(lab: Laboratory, deletes: bool) -> None:  # noqa: FBT001
    lab.provider.script(script.refresh_delete(), (script.refresh_delete if deletes else script.refresh_present)(NEWER))

    with lab.refused(ProtocolError, "not allowed"), lab.replica(FOLLOW) as replica:
        replica.run()
    lab.converges()


# --- E2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("E2", "A8", server="scripted")
@both_modes
@pytest.mark.parametrize("offered", [None, b"", NEWER, b"x"])
@pytest.mark.parametrize(
    "root_dse", [OPENLDAP, UNKNOWN, DS389, APACHEDS], ids=["openldap", "unknown", "389", "apacheds"]
)
def test_a_server_that_is_never_content_is_given_up(
    make: MakeLaboratory, mode: SyncreplMode, offered: bytes | None, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse)
    done = [] if offered is None else [script.sync_done(offered)]
    lab.provider.script(lab.sent(1), script.search_done(4096, "not yet", *done), times=3)

    with lab.refused(ProtocolError, "not yet", requests=3):
        lab.run(mode)
    lab.converges()


@pytest.mark.trap("E2", server="scripted")
def test_a_server_that_is_content_in_between_is_given_up_too(lab: Laboratory) -> None:
    everything = [lab.sent(number) for number in range(1, 5)]
    lab.provider.script(
        *everything, script.refresh_delete(NEWER), lab.sent(1, 2, LATER), script.search_done(4096, "again"), times=3
    )

    with lab.asks(3), lab.replica(FOLLOW) as replica, pytest.raises(ProtocolError, match="again") as caught:
        replica.run()
    assert caught.value.hint
    assert lab.numbers() == {1, 2, 3, 4}
    lab.provider.script(*everything, refresh_end(ONCE, lab.provider.cookie, deletes=True))
    lab.converges()


@pytest.mark.trap("E2", "A8", server="scripted")
@both_modes
@pytest.mark.parametrize("offered", [None, b"", NEWER])
def test_what_came_before_a_refresh_was_required_is_forgotten(
    lab: Laboratory, mode: SyncreplMode, offered: bytes | None
) -> None:
    lab.delete(1)
    lab.add(5)
    done = [] if offered is None else [script.sync_done(offered)]
    lab.provider.script(
        script.id_set([lab.uuid(2), lab.uuid(3)], deletes=True),
        script.entry(f"cn=ghost,{SUFFIX}", {"sn": "x"}, lab.uuid(99)),
        script.search_done(4096, "", *done),
    )
    # The directory knows nothing of a cookie of 2030.
    if offered:
        lab.provider.script(
            script.id_set([lab.uuid(1)], deletes=True), lab.sent(5), refresh_end(mode, NEWER, deletes=True)
        )

    lab.run(mode)
    assert lab.cookies[2] == (offered or None)
    assert lab.numbers() == {2, 3, 4, 5}


@pytest.mark.trap("E13", server="scripted")
@both_modes
def test_openldap_that_forgot_its_latest_changes_is_read_anew(lab: Laboratory, mode: SyncreplMode) -> None:
    lab.delete(2)
    lab.provider.script(script.search_done(53, "consumer state is newer than provider!"))

    lab.converges(mode=mode)
    assert lab.cookies[2] is None


@pytest.mark.trap("E13", "E12", server="scripted")
@both_modes
@pytest.mark.parametrize(("root_dse", "requests"), [(OPENLDAP, 2), (DS389, 1), (UNKNOWN, 1)])
def test_a_server_that_is_unwilling_is_not_asked_on_and_on(
    make: MakeLaboratory, mode: SyncreplMode, root_dse: Mapping[str, Values], requests: int
) -> None:
    lab = make(root_dse)
    lab.provider.script(script.search_done(53, "Too many active synchronization sessions"), times=requests)

    with lab.refused(LDAPResultError, "Too many", requests=requests):
        lab.run(mode)
    lab.converges()


# --- E3 ---------------------------------------------------------------------------------------------------------------


def listen_until_the_end(lab: Laboratory, **options: Any) -> list[str]:
    """Let a client refresh and end its search; returns what it sent and heard."""
    said: list[str] = []
    with lab.replica(FOLLOW, trace=said.append, verify_every=0, **options) as replica:
        replica.refresh()
        said.append("end")
        replica.finish()
        while replica.step():
            pass
        # Once more does no harm.
        replica.finish()
        assert not replica.step()
    return said[said.index("end") + 1 :]


@pytest.mark.trap("E3", server="scripted")
@pytest.mark.parametrize("result", [0, 2, 53, 118, 119, 120, 121, 80])
def test_a_search_ends_whatever_cancel_is_answered_with(
    tmp_path: Path, result: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncrepl_client.consumer.stream._CANCEL_PATIENCE", 1000.0)
    with Provider(cancel_result=result) as provider:
        lab = Laboratory(provider, tmp_path / "data")
        lab.fill(2)

        said = listen_until_the_end(lab)
        assert any(line.startswith(">") and " Cancel " in line for line in said)
        assert any("abandon" in line for line in said) == (result != 0)
        lab.converges()


@pytest.mark.trap("E3", server="scripted")
def test_a_search_ends_although_cancel_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncrepl_client.consumer.stream._CANCEL_PATIENCE", 0.2)
    with Provider(cancel_result=None) as provider:
        lab = Laboratory(provider, tmp_path / "data")
        lab.fill(2)

        assert any("abandon" in line for line in listen_until_the_end(lab))
        lab.converges()


@pytest.mark.trap("E3", "C6", server="scripted")
@pytest.mark.parametrize(
    ("root_dse", "sent"), [(OPENLDAP, {"cancel"}), (UNKNOWN, {"cancel"}), (DS389, {"abandon"}), (APACHEDS, set())]
)
def test_a_search_is_ended_as_the_server_can(
    make: MakeLaboratory, root_dse: Mapping[str, Values], sent: set[str]
) -> None:
    """ApacheDS closes on Cancel, and Abandon makes it forget the client."""
    lab = make(root_dse)
    if root_dse is APACHEDS:
        everything = [lab.sent(number) for number in range(1, 5)]
        lab.provider.script(*everything, script.new_cookie(b"rid=1,csn=1"))

    said = listen_until_the_end(lab)
    words = {"Cancel": "cancel", "abandon": "abandon"}
    assert sent == {word for line in said if line.startswith(">") for name, word in words.items() if name in line}


@pytest.mark.trap("E3", server="scripted")
@pytest.mark.parametrize("late", ["entry", "set", "cookie", "refresh required", "no state", "cut short"])
def test_what_comes_late_of_a_search_that_was_given_up_is_nothing(make: MakeLaboratory, late: str) -> None:
    """Entry 5 has the name of entry 1, so the search begins again; of the first one messages are still on their way."""
    lab = make(copied=False)
    messages: dict[str, list[Response]] = {
        "entry": [script.entry(f"cn=ghost,{SUFFIX}", {"sn": "x"}, lab.uuid(98), cookie=LATER)],
        "set": [script.id_set(lab.uuids(1, 4), deletes=True, cookie=LATER)],
        "cookie": [script.new_cookie(LATER)],
        "refresh required": [script.search_done(4096)],
        "no state": [script.plain_entry(f"cn=ghost,{SUFFIX}", {"sn": "x"})],
        "cut short": [script.search_done(51)],
    }
    said: list[str] = []
    taken = script.entry(lab.dn(1), {"sn": "x"}, lab.uuid(5), cookie=LATER)
    lab.provider.script(*[lab.sent(n) for n in range(1, 5)], script.refresh_delete(lab.provider.cookie), taken)
    # The client has no credentials, so its second message was the search.
    lab.provider.script(*(script.raw(message.encode(2)) for message in messages[late]), script.from_directory())

    with lab.asks(2), lab.replica(FOLLOW, trace=said.append) as replica:
        while len(lab.requests) < 2 or replica.refreshing:
            replica.step()
        lab.add(6)
        while lab.dn(6) not in replica.entries:
            replica.step()
    assert [line for line in said if line.startswith("> 2 search")]
    assert any(line.startswith("< 2 ") for line in said[said.index(next(s for s in said if "abandon" in s)) :])
    assert lab.numbers() == {1, 2, 3, 4, 6}
    lab.converges()
