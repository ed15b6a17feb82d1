"""A socket that is read while nobody comes to read it: order, limits, ends, and what is left behind."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.transport import drain
from syncrepl_client.transport.reservoir import Buffers, Reservoir
from syncrepl_client.transport.sockets import SocketTransport
from tests.test_sockets import LONG, woken_by_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Ends = tuple[SocketTransport, socket.socket]
LIMITS = Buffers(memory=256 * 1024, spool=1024 * 1024)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "syncrepl-drain"]


@contextmanager
def connected(folder: Path, *, tls: bool = False, buffers: Buffers = LIMITS) -> Iterator[Ends]:
    """Two ends of a connection, of which one is drained."""
    limits = Buffers(buffers.memory, buffers.spool, folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    # As little as can be, so that what is not taken is soon noticed.
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    authority = trustme.CA() if tls else None
    context = ssl.create_default_context()
    if authority is not None:
        authority.configure_trust(context)
    with closing(SocketTransport(ours, "peer", 5, context)) as transport:
        if authority is not None:
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(server)
            wrapped: list[socket.socket] = []
            worker = threading.Thread(target=lambda: wrapped.append(server.wrap_socket(theirs, server_side=True)))
            worker.start()
            transport.start_tls("127.0.0.1")
            worker.join()
            (theirs,) = wrapped
            # The server's tickets come before the first byte.
            theirs.sendall(b"x")
            assert read_all(transport, 1) == b"x"
        transport.drain(limits)
        with theirs:
            yield transport, theirs
    assert threads() == []
    assert list(folder.iterdir()) == []


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    with connected(tmp_path, tls=request.param) as both:
        yield both


class Sender(threading.Thread):
    """Sends bytes, and knows how many."""

    def __init__(self, theirs: socket.socket, data: bytes, pause: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__()
        self._theirs, self._data, self._pause = theirs, data, pause
        self.sent = 0
        self.start()

    def run(self) -> None:
        while self.sent < len(self._data):
            piece = self._data[self.sent : self.sent + 16384]
            self._theirs.sendall(piece)
            self.sent += len(piece)
            time.sleep(self._pause())

    def stuck(self) -> bool:
        """Whether nothing more was taken for a while."""
        before = self.sent
        time.sleep(0.2)
        return before == self.sent


def drain_of(transport: SocketTransport) -> drain.Drain:
    assert transport._drain is not None  # noqa: SLF001
    return transport._drain  # noqa: SLF001


def reservoir(transport: SocketTransport) -> Reservoir:
    return drain_of(transport)._reservoir  # noqa: SLF001


def full(transport: SocketTransport) -> bool:
    return reservoir(transport).spooled == LIMITS.spool


def read_all(transport: SocketTransport, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        piece = transport.read(20)
        assert piece is not None
        read += piece
    return bytes(read)


def test_all_is_taken_while_nobody_reads(ends: Ends) -> None:
    transport, theirs = ends
    data = random.Random(1).randbytes(1_000_000)
    sender = Sender(theirs, data)

    sender.join(20)

    assert sender.sent == len(data)
    assert data == read_all(transport, len(data))
    assert transport.read(0) is None


def test_beyond_the_limits_the_server_has_to_wait(ends: Ends) -> None:
    transport, theirs = ends
    # More than the buffers and what kernels hold.
    data = random.Random(2).randbytes(24_000_000)
    sender = Sender(theirs, data)
    until(lambda: full(transport))
    until(sender.stuck)

    assert sender.sent < len(data)
    assert data == read_all(transport, len(data))
    sender.join()


def test_no_byte_overtakes_another(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reader and thread take turns all the time, each in the middle of what the other does."""
    monkeypatch.setattr(drain, "_DELAY", 0.001)
    monkeypatch.setattr(drain, "_PATIENT_DELAY", 0.001)
    transport, theirs = ends
    chance = random.Random(3)
    data = chance.randbytes(6_000_000)
    sender = Sender(theirs, data, lambda: chance.choice([0, 0, 0.001]))
    read = b""
    while len(read) < len(data):
        read += transport.read(20, patient=chance.random() < 0.5) or b""
        time.sleep(chance.choice([0, 0, 0.001, 0.005]))
        transport.send(b"meanwhile")
    sender.join()

    assert data == read


def test_what_was_said_before_the_end_comes_before_it(ends: Ends) -> None:
    transport, theirs = ends
    theirs.sendall(b"bye" * 100_000)
    theirs.close()
    until(lambda: reservoir(transport))

    assert read_all(transport, 300_000) == b"bye" * 100_000
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="peer closed the connection"):
            transport.read(LONG)


def test_what_was_said_before_a_reset_comes_before_it(tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, theirs):
        theirs.sendall(b"bye" * 100_000)
        until(lambda: reservoir(transport))
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        until(lambda: drain_of(transport)._failure)  # noqa: SLF001

        assert read_all(transport, 300_000) == b"bye" * 100_000
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="the connection to peer broke: Connection reset"):
                transport.read(LONG)


def test_a_wake_ends_a_read(ends: Ends) -> None:
    transport, theirs = ends
    timer = threading.Timer(0.05, transport.wake)
    timer.start()
    assert transport.read(LONG) is None
    timer.join()
    theirs.sendall(b"next")
    assert transport.read(LONG) == b"next"


def test_a_signal_ends_a_read(ends: Ends) -> None:
    transport, _ = ends

    assert woken_by_signal(transport.read) < 0.5


def test_a_reader_does_not_wait_for_a_stream_that_never_pauses(ends: Ends) -> None:
    """The thread would take the lock again before anybody else gets it."""
    transport, theirs = ends
    data = bytes(10_000_000)
    sender = Sender(theirs, data)
    until(lambda: reservoir(transport))
    began = time.monotonic()
    read = len(transport.read(LONG) or b"")

    assert time.monotonic() < began + 1
    read += len(read_all(transport, len(data) - read))
    sender.join()
    assert len(data) == read


@pytest.mark.parametrize("much", [False, True])
def test_a_close_ends_the_thread_at_once_whatever_it_does(tmp_path: Path, *, much: bool) -> None:
    with connected(tmp_path) as (transport, theirs):
        stop = threading.Event()

        def chatter() -> None:
            with suppress(OSError):
                while not stop.wait(0 if much else 0.01):
                    theirs.sendall(bytes(65536 if much else 100))

        worker = threading.Thread(target=chatter)
        worker.start()
        until(lambda: reservoir(transport))
        if much:
            until(lambda: full(transport))
        assert threads()
        began = time.monotonic()
        transport.close()
        assert time.monotonic() < began + 0.5
        assert threads() == []
        worker.join(20)
        stop.set()


def test_a_close_before_anything_was_drained_is_harmless(tmp_path: Path) -> None:
    with connected(tmp_path) as (transport, _):
        transport.close()
        transport.close()
        transport.wake()


def test_a_thread_that_fails_says_so_to_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(tmp_path) as (transport, theirs):

        def broken(_: bytes) -> None:
            raise MemoryError

        monkeypatch.setattr(reservoir(transport), "add", broken)
        theirs.sendall(b"x")
        until(lambda: drain_of(transport)._failure)  # noqa: SLF001
        with pytest.raises(MemoryError):
            transport.read(LONG)


def test_while_nothing_arrives_the_thread_sleeps(tmp_path: Path) -> None:
    """A reader that waits costs nothing, nor does one that stays away."""
    with connected(tmp_path) as (transport, _):
        transport.read(0.2)
        before = time.process_time()
        transport.read(1)
        time.sleep(1)
        assert time.process_time() - before < 0.05
