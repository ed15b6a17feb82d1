"""Traps E9 and E10: connections that end, and servers that say nothing."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Replica
from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.testing import script
from tests.traps.laboratory import (
    FOLLOW,
    NEWER,
    ONCE,
    SUFFIX,
    UNKNOWN,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from tests.traps.conftest import MakeLaboratory

LATER = NEWER.replace(b"2030", b"2031")
PATIENCE = 10.0


# --- E9, E10 ----------------------------------------------------------------------------------------------------------


@contextmanager
def running(replica: Replica) -> Iterator[threading.Thread]:
    """Let a client run in a thread, which has to end once it was told to."""
    worker = threading.Thread(target=replica.run)
    worker.start()
    try:
        yield worker
    finally:
        replica.stop()
        worker.join(PATIENCE)
    assert not worker.is_alive()


@pytest.mark.trap("E10", server="scripted")
@both_modes
def test_half_a_message_is_no_sign_of_life_for_ever(lab: Laboratory, mode: SyncreplMode) -> None:
    before = lab.copy()
    lab.provider.script(script.raw(lab.sent(1).encode(4)[:20]), script.stall())

    with lab.replica(mode, patience=0.5) as replica, pytest.raises(ConnectionLost, match="no word"):
        replica.run()
    assert lab.copy() == before


@pytest.mark.trap("E10", server="scripted")
@both_modes
@pytest.mark.parametrize("after", ["nothing", "an entry", "half a message"])
def test_a_client_of_a_server_that_says_nothing_can_be_stopped(lab: Laboratory, mode: SyncreplMode, after: str) -> None:
    begun: dict[str, list[Step]] = {
        "nothing": [],
        "an entry": [lab.sent(1)],
        "half a message": [script.raw(lab.sent(1).encode(4)[:20])],
    }
    before = lab.copy()
    stall = script.stall()
    lab.provider.script(*begun[after], stall)

    with lab.replica(mode) as replica, running(replica):
        stall.wait_until_reached()
    assert lab.copy() == before
    lab.converges()


@pytest.mark.trap("E10", server="scripted")
def test_a_client_that_waits_for_a_confirmation_can_be_stopped(make: MakeLaboratory) -> None:
    lab = make(UNKNOWN)
    before = lab.copy()
    stall = script.stall()
    lab.provider.script(refresh_end(ONCE, NEWER, deletes=False))
    lab.provider.script(stall)

    with lab.replica() as replica, running(replica):
        stall.wait_until_reached()
    assert lab.copy() == before


@pytest.mark.trap("E10", server="scripted")
def test_a_confirmation_that_never_comes_is_a_lost_connection(
    make: MakeLaboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncrepl_client.connection.inquiry._PATIENCE", 0.1)
    lab = make(UNKNOWN)
    lab.provider.script(refresh_end(ONCE, NEWER, deletes=False))
    lab.provider.script(script.stall())

    with lab.refused(ConnectionLost, "no answer", requests=2):
        lab.run()
    lab.converges()


@pytest.mark.trap("E10", server="scripted")
def test_a_client_of_a_server_that_only_accepts_can_be_stopped(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        replica = Replica(f"ldap://127.0.0.1:{deaf.getsockname()[1]}/{SUFFIX}", tmp_path / "data")
        opener = threading.Thread(target=replica.connect)
        opener.start()
        accepted, _ = deaf.accept()
        with closing(accepted):
            # The first thing that it asks for is the root DSE.
            assert accepted.recv(1)
            replica.stop()
            opener.join(PATIENCE)
        assert not opener.is_alive()
        assert not replica.step()
        replica.close()


def options_of(port: int) -> dict[str, int]:
    """Read the options of this process's own socket that is connected to a port."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    for link in Path("/proc/self/fd").iterdir():
        try:
            found = socket.socket(fileno=os.dup(int(link.name)))
        except OSError:
            continue
        with found:
            try:
                peer = found.getpeername()
            except OSError:
                continue
            if peer[1:] == (port,):
                options = {name: found.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names}
                return {"SO_KEEPALIVE": found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), **options}
    raise LookupError(port)


@pytest.mark.trap("E10", server="scripted")
def test_the_kernel_asks_whether_a_silent_server_is_still_there(lab: Laboratory) -> None:
    with lab.replica(FOLLOW) as replica:
        replica.refresh()
        options = options_of(int(lab.provider.url.rpartition(":")[2]))

    assert options["SO_KEEPALIVE"] == 1
    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"] <= 120
    assert 0 < options["TCP_USER_TIMEOUT"] <= 120_000


@pytest.mark.trap("E9", server="scripted")
@pytest.mark.parametrize("notice", [None, 52, 2])
def test_a_connection_that_ends_while_listening_is_resumed_by_the_next_run(lab: Laboratory, notice: int | None) -> None:
    with lab.refused(ConnectionLost), lab.replica(FOLLOW) as replica:
        replica.refresh()
        lab.provider.disconnect(notice=notice, diagnostic="bye")
        replica.run()
    cookie = lab.copy().cookie
    lab.modify(1)
    lab.delete(2)

    lab.converges()
    assert lab.cookies[-1] == cookie
