"""A callback that takes long, while a real server has much to say."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldap
import pytest
import trustme

from syncrepl_client import Buffers, Replica
from syncrepl_client.transport.tls import TLS
from tests.draining import reservoir_of, wait_until_taken
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PERSON = f"uid=u000001,ou=people,{SUFFIX}"
LARGE = 600_000
WRITES = 40
"""So many are more than memory takes."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("certificates")
    certificate = authority.issue_cert("127.0.0.1")
    paths = [folder / name for name in ("cert.pem", "key.pem", "ca.pem")]
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    with Slapd(sessionlog=1000, tls_cert=paths[0], tls_key=paths[1], tls_ca=paths[2]) as slapd:
        slapd.load(sample_ldif(1))
        slapd.start()
        yield slapd


@pytest.fixture(params=["plain", "tls"])
def options(request: pytest.FixtureRequest, server: Slapd) -> dict[str, Any]:
    """How to get to the server."""
    if request.param == "plain":
        return {"url": f"{server.url}/{PERSON}??base"}
    return {"url": f"{server.ldaps_url}/{PERSON}??base", "tls": TLS(ca_file=server.tls_ca)}


def write(server: Slapd, writes: int = WRITES) -> list[bytes]:
    """Write large values; returns what goes with each of them."""
    titles = [b"%d" % number for number in range(writes)]
    for number, title in enumerate(titles):
        photo = bytes([number]) * LARGE
        server.modify(PERSON, [(ldap.MOD_REPLACE, "jpegPhoto", [photo]), (ldap.MOD_REPLACE, "title", [title])])
    return titles


class Slow:
    """Notes titles; the first one that it is told of when it has something to do takes as long as that does."""

    def __init__(self) -> None:
        self.titles: list[bytes] = []
        self.todo: Callable[[], object] | None = None

    def change(self, change: Any, *, cursor: Any, **_: Any) -> None:
        todo, self.todo = self.todo, None
        if todo is not None:
            cursor.execute("CREATE TABLE mine (x)")
            todo()
        self.titles += change.entry.attributes["title"]


@contextmanager
def listening(slow: Slow, path: Path, **options: Any) -> Iterator[Replica]:
    with closing(Replica(path=path, listener=slow, **options)) as replica:
        replica.connect()
        replica.refresh()
        slow.titles.clear()
        yield replica
    assert [thread for thread in threading.enumerate() if thread.name == "syncrepl-drain"] == []
    assert {file.name for file in path.parent.iterdir()} <= {"data", "data-lock", "data-wal", "data-shm"}


def step_until(replica: Replica, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        replica.step(0.5)


def test_all_is_taken_while_a_callback_runs_and_told_in_order_once(
    server: Slapd, tmp_path: Path, options: dict[str, Any]
) -> None:
    slow = Slow()
    with listening(slow, tmp_path / "data", **options) as replica:
        written: list[bytes] = []

        def be_slow() -> None:
            written.extend(write(server))
            wait_until_taken(replica, WRITES * LARGE)
            assert reservoir_of(replica).spooled > LARGE

        slow.todo = be_slow
        server.replace(PERSON, "title", ["first"])
        step_until(replica, lambda: slow.titles[-1:] == [b"%d" % (WRITES - 1)])

        assert slow.titles == [b"first", *written]
        assert not reservoir_of(replica)


def test_beyond_small_limits_the_server_waits_and_nothing_is_lost(
    server: Slapd, tmp_path: Path, options: dict[str, Any]
) -> None:
    slow = Slow()
    buffers = Buffers(memory=256 * 1024, spool=1024 * 1024)
    with listening(slow, tmp_path / "data", buffers=buffers, **options) as replica:
        written: list[bytes] = []

        def be_slow() -> None:
            written.extend(write(server))
            wait_until_taken(replica, buffers.memory + buffers.spool)
            assert reservoir_of(replica).held < 2 * buffers.spool

        slow.todo = be_slow
        server.replace(PERSON, "title", ["first"])
        step_until(replica, lambda: slow.titles[-1:] == [b"%d" % (WRITES - 1)])

        assert slow.titles == [b"first", *written]


def test_a_stop_while_much_was_taken_loses_nothing(server: Slapd, tmp_path: Path, options: dict[str, Any]) -> None:
    slow = Slow()
    began = 0.0
    with listening(slow, tmp_path / "data", **options) as replica:

        def be_slow() -> None:
            nonlocal began
            write(server)
            wait_until_taken(replica, WRITES * LARGE)
            replica.stop()
            began = time.monotonic()

        slow.todo = be_slow
        server.replace(PERSON, "title", ["first"])
        step_until(replica, lambda: not replica.step(1))
    assert time.monotonic() < began + 2
    assert len(slow.titles) < WRITES

    with listening(slow, tmp_path / "data", **options) as replica:
        (copied,) = replica.entries.values()
        assert copied["title"] == [b"%d" % (WRITES - 1)]


def test_memory_stays_bounded(server: Slapd, tmp_path: Path) -> None:
    writes = 150
    command = [sys.executable, "-m", "tests.slow_program", f"{server.url}/{PERSON}??base", str(tmp_path / "data")]
    with subprocess.Popen(
        [*command, str(writes + 1)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "listening\n"
        server.replace(PERSON, "title", ["first"])
        assert program.stdout.readline() == "busy\n"
        written = write(server, writes)
        program.stdin.write("\n")
        program.stdin.flush()
        used, *titles = program.stdout.readline().split()

    assert titles == ["first", *(title.decode() for title in written)]
    print(f"{int(used) / 1e6:.1f} MB more for {writes * LARGE / 1e6:.0f} MB")  # noqa: T201  # shown by pytest -s
    assert int(used) < 40_000_000
