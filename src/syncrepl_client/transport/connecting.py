"""From a URL to a connected socket.

What waits here is waited for a little at a time, so that a stop is noticed.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.url import LDAPUrl

__all__ = ["Patience", "connected_socket"]

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
# How long a stop may go unnoticed, in seconds.
_SLICE: Final = 0.05
# How often the kernel asks whether the peer is still there.
_QUESTIONS: Final = 6


class Patience:
    """Waits for a socket, a little at a time, so that a stop is noticed.

    Args:
        timeout: seconds in all.
        stopping: tells whether a stop was asked for.
    """

    def __init__(self, timeout: float, stopping: Callable[[], bool]) -> None:
        self._deadline = time.monotonic() + timeout
        self._stopping = stopping

    def wait(self, sock: socket.socket, event: int) -> None:
        """Wait for an event.

        Raises:
            TimeoutError: it took too long.
            Interrupted: a stop was asked for.
        """
        poller = select.poll()
        poller.register(sock, event)
        while not poller.poll(_SLICE * 1000):
            if self._stopping():
                raise Interrupted
            if time.monotonic() > self._deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


# An address family and an address of it.
_Address = tuple[int, object]


def _addresses(url: LDAPUrl) -> list[_Address]:
    if url.scheme == "ldapi":
        return [(socket.AF_UNIX, url.socket_path)]
    found = socket.getaddrinfo(url.host or "localhost", url.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def connected_socket(url: LDAPUrl, patience: Patience, keepalive: float) -> socket.socket:
    """Connect to the first address of a server that accepts.

    Args:
        url: names the server.
        patience: waits, for all addresses together.
        keepalive: seconds of silence until the kernel asks whether the peer is there; 0 leaves it to the system.

    Raises:
        OSError: the last address does not accept, or the name has none.
        UnicodeError: it is no name.
        Interrupted: a stop was asked for.
    """
    addresses = _addresses(url)
    for number, (family, address) in enumerate(addresses, 1):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(0)
            if family != socket.AF_UNIX:
                _prepare(sock)
                _keep_alive(sock, keepalive)
            _connect(sock, address, patience)
        except OSError:
            sock.close()
            if number == len(addresses):
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise OSError("the name has no address")


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _may_have(_RECEIVE_BUFFER):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def _keep_alive(sock: socket.socket, seconds: float) -> None:
    """Let the kernel ask whether the peer is still there: who only listens would never know."""
    if not seconds:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": max(1, round(seconds)),
        "TCP_KEEPINTVL": max(1, round(seconds / _QUESTIONS)),
        "TCP_KEEPCNT": _QUESTIONS,
        # Milliseconds until what was sent must have arrived.
        "TCP_USER_TIMEOUT": round(2000 * seconds),
    }
    for name, value in options.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connect(sock: socket.socket, address: object, patience: Patience) -> None:
    code = sock.connect_ex(address)  # type: ignore[arg-type]  # of the family's own form
    if code in {errno.EINPROGRESS, errno.EAGAIN}:
        patience.wait(sock, select.POLLOUT)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _may_have(size: int) -> bool:
    """Tell whether a socket may have a receive buffer of a size.

    Linux grants less without a word, and from then on the buffer does not grow by itself: better left alone.
    """
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii")) >= size
    except (OSError, ValueError):
        return False
