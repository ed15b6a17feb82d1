"""A connected socket by itself: what is read, when waiting ends, and what a broken connection is."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.ldap import url as urls
from syncrepl_client.transport.sockets import SocketTransport, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = 3600


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def ends(peer: socket.socket) -> Iterator[tuple[SocketTransport, socket.socket]]:
    ours = socket.create_connection(peer.getsockname())
    theirs, _ = peer.accept()
    with closing(SocketTransport(ours, "peer", 5)) as transport, theirs:
        yield transport, theirs


@pytest.mark.parametrize("patient", [False, True])
def test_what_arrived_is_read(ends: tuple[SocketTransport, socket.socket], *, patient: bool) -> None:
    transport, theirs = ends
    theirs.sendall(b"hello")

    assert transport.read(LONG, patient=patient) == b"hello"
    assert transport.read(0, patient=patient) is None


def test_much_is_read_in_large_pieces(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, theirs = ends
    data = bytes(range(256)) * 20_000
    worker = threading.Thread(target=theirs.sendall, args=(data,))
    worker.start()

    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(data):
        piece = transport.read(LONG, patient=True)
        assert piece is not None
        pieces.append(piece)
    worker.join()

    assert data == b"".join(pieces)


def test_what_was_said_before_the_end_counts(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, theirs = ends
    theirs.sendall(b"bye")
    theirs.close()

    assert transport.read(LONG, patient=True) == b"bye"
    with pytest.raises(ConnectionLost, match="peer closed the connection"):
        transport.read(LONG)


def test_a_connection_that_is_reset_is_lost(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, theirs = ends
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()

    with pytest.raises(ConnectionLost, match="the connection to peer broke: Connection reset"):
        transport.read(LONG)
    with pytest.raises(ConnectionLost, match="the connection to peer broke"):
        transport.send(b"anybody there?")


def test_a_wake_ends_one_wait(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, theirs = ends
    transport.wake()
    transport.wake()

    assert transport.read(LONG) is None
    theirs.sendall(b"next")
    assert transport.read(LONG) == b"next"


def test_a_wake_of_a_closed_socket_is_harmless(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, _ = ends
    transport.close()
    transport.close()

    transport.wake()


def woken_by_signal(read: Callable[[float], bytes | None]) -> float:
    """Wait until a signal comes; returns how long that took after it."""
    came: list[float] = []
    former = signal.signal(signal.SIGALRM, lambda *_: came.append(time.monotonic()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert read(LONG) is None
    finally:
        signal.signal(signal.SIGALRM, former)
    return time.monotonic() - came[0]


def test_a_signal_ends_the_waiting(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, _ = ends

    assert woken_by_signal(transport.read) < 0.5
    assert signal.set_wakeup_fd(-1) == -1


def test_an_event_loop_keeps_hearing_of_signals(ends: tuple[SocketTransport, socket.socket]) -> None:
    """It has a pipe of its own for them, which is put back where it was."""
    transport, theirs = ends
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    former = signal.set_wakeup_fd(writer)
    handler = signal.signal(signal.SIGALRM, lambda *_: theirs.sendall(b"x"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert transport.read(LONG) == b"x"
        assert os.read(reader, 10) == bytes((signal.SIGALRM,))
        assert signal.set_wakeup_fd(former) == writer
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.set_wakeup_fd(former)
        os.close(reader)
        os.close(writer)


def test_another_thread_waits_without_signals(ends: tuple[SocketTransport, socket.socket]) -> None:
    transport, theirs = ends
    read: list[bytes | None] = []
    worker = threading.Thread(target=lambda: read.append(transport.read(LONG)))
    worker.start()
    theirs.sendall(b"x")
    worker.join(10)

    assert read == [b"x"]


@pytest.mark.parametrize(("seconds", "expected"), [(60, (60, 10, 6, 120_000)), (1.4, (1, 1, 6, 2800))])
def test_the_kernel_asks_whether_the_peer_is_there(
    peer: socket.socket, seconds: float, expected: tuple[int, ...]
) -> None:
    with closing(connect(urls.parse(f"ldap://127.0.0.1:{peer.getsockname()[1]}/dc=x"), keepalive=seconds)) as transport:
        sock = transport._sock  # noqa: SLF001
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tuple(sock.getsockopt(socket.IPPROTO_TCP, name) for name in names) == expected


def test_it_asks_nothing_unless_it_is_told_to(peer: socket.socket) -> None:
    with closing(connect(urls.parse(f"ldap://127.0.0.1:{peer.getsockname()[1]}/dc=x"), keepalive=0)) as transport:
        assert transport._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0  # noqa: SLF001
