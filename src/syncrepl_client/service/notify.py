"""What a service manager such as systemd is told: that the service is ready, reloads, stops, and is alive.

It is the protocol of sd_notify(3): assignments, one on each line, in a datagram to a socket whose address is in the
environment.  Without that address nobody asks, and nothing is sent.

Facts that shaped it:

* An address that begins with ``@`` is in the abstract namespace: its first octet is NUL.
* A line break in a text would begin another assignment, such as ``MAINPID=``; texts may quote a server.
* ``RELOADING=1`` needs the time of CLOCK_MONOTONIC beside it where the unit has ``Type=notify-reload``, and is ended by
  ``READY=1``.
* ``WATCHDOG_PID`` names the process that is watched: a command that was started by it inherits the variables.  So they
  are taken out of the environment.
* The watchdog begins with ``READY=1``; a service that takes long before that asks for more time again and again, each
  time before that which it has asked for is over.
* A manager that is being replaced by a newer one reads later what was sent; its queue can be full until then.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import UsageError
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Notifier"]

# Seconds that a manager whose queue is full may take; a thread that beats must not be kept.
_PATIENCE: Final = 0.5
_MICROSECONDS: Final = 1_000_000
# What a manager shows of a status is one line of a terminal; a datagram has its limit as well.
_MOST: Final = 1000


class Notifier:
    """Tells the service manager how the service is; nobody if there is none.

    Each call may come from any thread, and returns whether the manager has got it.  It is not an error if it has not:
    the service goes on, and a manager that misses the signs of life does what its unit says.

    Args:
        address: where the manager listens, as in ``NOTIFY_SOCKET``; None if nobody does.
        limit: how many seconds the manager lets pass without a sign of life; None if it does not watch.

    Raises:
        UsageError: that is no address of a socket.
    """

    def __init__(self, address: str | None, limit: float | None = None) -> None:
        self._address = None if address is None else _checked(address)
        self.interval = None if limit is None or address is None else limit / 2
        """How many seconds to let pass between two signs of life; None if nobody waits for them."""

    @classmethod
    def take(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Make one from the environment, and take the variables out of it: they are not for commands that are started.

        Args:
            environment: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked for in it.

        Raises:
            UsageError: a variable is not what it should be.
        """
        address = environment.pop("NOTIFY_SOCKET", "") or None
        limit = environment.pop("WATCHDOG_USEC", "") or None
        watched = environment.pop("WATCHDOG_PID", "") or None
        if limit is None or (watched is not None and watched != str(os.getpid())):
            return cls(address)
        if not limit.isascii() or not limit.isdigit() or int(limit) == 0:
            raise UsageError(f"WATCHDOG_USEC is {limit!r}", hint="it is a number of microseconds, set by systemd")
        return cls(address, int(limit) / _MICROSECONDS)

    @property
    def heard(self) -> bool:
        """Whether there is a manager."""
        return self._address is not None

    def ready(self, status: str = "") -> bool:
        """Say that the service does its work: after the start, and after a reload."""
        return self._send("READY=1", *_status(status))

    def reloading(self, status: str = "") -> bool:
        """Say that the configuration is read again; `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send("RELOADING=1", f"MONOTONIC_USEC={now}", *_status(status))

    def stopping(self, status: str = "") -> bool:
        """Say that the service is about to end."""
        return self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> bool:
        """Say for people what the service does, in one line."""
        return self._send(*_status(text))

    def beat(self) -> bool:
        """Give a sign of life; see `interval`."""
        return self._send("WATCHDOG=1")

    def extend(self, seconds: float, status: str = "") -> bool:
        """Ask for more time to start, or to stop.

        Args:
            seconds: how long from now on; ask again before that is over, if it is not enough.
            status: see `status`.
        """
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}", *_status(status))

    def _send(self, *assignments: str) -> bool:
        if self._address is None or not assignments:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_PATIENCE)
                sock.sendto("\n".join(assignments).encode(errors="replace"), self._address)
        except OSError:
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={printable(text)[:_MOST]}",) if text else ()


def _checked(address: str) -> str:
    """Return the address of a socket as Python has it."""
    length = len(os.fsencode(address))
    # sockaddr_un has room for 108 octets, with the NUL at the end of a path.
    if address[:1] not in {"/", "@"} or not 1 < length < 108:  # noqa: PLR2004 - unix(7)
        raise UsageError(
            f"NOTIFY_SOCKET is {address!r}, which is no address that can be written to",
            hint="it is an absolute path, or a name that begins with @; unset it if no service manager listens",
        )
    return "\0" + address[1:] if address.startswith("@") else address
