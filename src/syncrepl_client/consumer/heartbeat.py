"""Silence of the server, and what it means.

In the middle of a refresh the server owes the next message, and who waits in vain has lost the connection.  In the
persist stage it may have nothing to say for days, and a peer that has vanished, or a server that hangs behind a kernel
that answers for it, says nothing either.  So after a while it is asked something that each server answers, on the same
connection.  What it answers does not matter, and any other sign of life is as good.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import ConnectionLost, UsageError

if TYPE_CHECKING:
    from syncrepl_client.connection.client import Client

__all__ = ["Heartbeat", "Watch"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a server that says nothing is asked whether it is still there.

    Args:
        every: seconds of silence until it is asked.
        answer: seconds that it may take to say anything; after that the connection is lost.

    Raises:
        UsageError: one of them is not more than 0.
    """

    every: float = 60.0
    answer: float = 30.0

    def __post_init__(self) -> None:
        if self.every <= 0 or self.answer <= 0:
            raise UsageError(
                f"a heartbeat every {self.every:g} s, answered in {self.answer:g} s", hint="give None for no heartbeat"
            )


class Watch:
    """Notices a server that says nothing where it owes an answer.

    Args:
        client: the connection.
        patience: seconds that the server may be silent in the middle of a refresh.
        heartbeat: when it is asked in the persist stage; None for never.
    """

    def __init__(self, client: Client, *, patience: float, heartbeat: Heartbeat | None) -> None:
        self._client = client
        self._patience = patience
        self._heartbeat = heartbeat
        # When the server was asked, on the monotonic clock; None while no answer is awaited.
        self._asked: float | None = None

    def refreshing(self, heard: float) -> None:
        """Look at the clock after a read in the middle of a refresh.

        Args:
            heard: when something of the search came last, on the monotonic clock.

        Raises:
            ConnectionLost: that is too long ago.
        """
        self._asked = None
        if time.monotonic() > heard + self._patience:
            raise ConnectionLost(
                f"no word from the server for {self._patience:g} s in the middle of a refresh",
                hint="it is overloaded or hangs; the copy is as it was",
            )

    def listening(self) -> None:
        """Look at the clock after a read in the persist stage, or while an answer is awaited; ask if it is time.

        Raises:
            ConnectionLost: it was asked and said nothing.
        """
        heartbeat = self._heartbeat
        if heartbeat is None:
            return
        now = time.monotonic()
        if self._asked is not None and self._client.heard >= self._asked:
            self._asked = None
        if self._asked is None:
            if now >= self._client.heard + heartbeat.every:
                self._asked = now
                self._client.ping()
        elif now >= self._asked + heartbeat.answer:
            raise ConnectionLost(
                f"the server answers nothing any more: no word for {now - self._client.heard:.0f} s",
                hint="it hangs, or the network lost the connection without a word; the client resumes where it was",
            )
