"""What all connections of a provider share: the directory, who listens to it, what was asked, what is scripted.

Every method may be called from any thread.  One lock covers the directory and its listeners, so that a listener that
began with a refresh hears of each later write once.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from syncrepl_client.testing.content import Content, Synchronization
from syncrepl_client.testing.cookies import Cookie

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncrepl_client.testing.directory import Directory, Write
    from syncrepl_client.testing.requests import Search, SyncRequest
    from syncrepl_client.testing.script import Step
    from syncrepl_client.testing.wire import Response

__all__ = ["Backend", "Listener"]


class Listener:
    """A synchronization that goes on after its refresh, and where to say what it hears."""

    def __init__(self, synchronization: Synchronization, say: Callable[[Response], None]) -> None:
        self.synchronization = synchronization
        self.say = say


class Backend:
    """The state of a provider.

    Args:
        directory: the entries.
        root_dse: the attributes of the root DSE.
        credentials: name and password that a client must bind with; None if everybody is welcome.
        session_log: whether the provider tells deletions one by one.
        server_id: its number in cookies.
        cancel_result: what Cancel is answered with; None for no answer.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        root_dse: Mapping[str, list[bytes]],
        credentials: tuple[str, bytes] | None,
        session_log: bool,
        server_id: int,
        cancel_result: int | None,
    ) -> None:
        self.directory = directory
        self.root_dse = root_dse
        self.credentials = credentials
        self.session_log = session_log
        self.cancel_result = cancel_result
        self._server_id = server_id
        self._lock = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._requests: list[SyncRequest] = []
        self._scripts: deque[Sequence[Step]] = deque()
        self._listeners: list[Listener] = []

    # --- writes -------------------------------------------------------------------------------------------------------

    def write(self, act: Callable[[Directory], Write]) -> Write:
        """Write to the directory, and tell whoever listens."""
        with self._lock:
            write = act(self.directory)
            for listener in list(self._listeners):
                said = listener.synchronization.written(write)
                self._say(listener, said)
            return write

    def read(self, search: Search) -> list[Response]:
        """Answer a plain search."""
        with self._lock:
            return Content(self.directory, search).everything()

    # --- synchronization ----------------------------------------------------------------------------------------------

    def asked(self, request: SyncRequest) -> Sequence[Step] | None:
        """Note a request; returns the script that answers it, None where the directory does."""
        with self._asked:
            self._requests.append(request)
            self._asked.notify_all()
            return self._scripts.popleft() if self._scripts else None

    def synchronize(self, search: Search, request: SyncRequest, say: Callable[[Response], None]) -> Listener:
        """Answer a synchronization; its listener hears of later writes until `leave`, if the client wants to."""
        with self._lock:
            content = Content(self.directory, search)
            synchronization = Synchronization(content, request, server_id=self._server_id)
            listener = Listener(synchronization, say)
            if request.persist:
                self._listeners.append(listener)
            self._say(listener, content.limited(synchronization.refresh(session_log=self.session_log)))
            return listener

    def leave(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def _say(self, listener: Listener, said: Sequence[Response]) -> None:
        for response in said:
            listener.say(response)
        if said and said[-1].ends_search and listener in self._listeners:
            self._listeners.remove(listener)

    # --- what tests do and see ----------------------------------------------------------------------------------------

    def found(self, search: Search) -> dict[str, dict[str, list[bytes]]]:
        """Return what a search finds, by DN."""
        with self._lock:
            content = Content(self.directory, search)
            return {entry.dn: content.select(entry) for entry in content}

    def cookie(self) -> bytes:
        """Return the cookie of a client that is up to date."""
        with self._lock:
            return Cookie().reply(self.directory.context_csn, server_id=self._server_id)

    def script(self, steps: Sequence[Step], times: int) -> None:
        """Let these steps answer the next searches that nothing is scripted for yet."""
        with self._lock:
            self._scripts.extend([steps] * times)

    def requests(self, at_least: int, timeout: float) -> list[SyncRequest]:
        """Return the requests so far, once there are enough.

        Raises:
            TimeoutError: there are not enough in time.
        """
        with self._asked:
            if not self._asked.wait_for(lambda: len(self._requests) >= at_least, timeout):
                raise TimeoutError(f"{len(self._requests)} sync requests within {timeout:g} s, expected {at_least}")
            return list(self._requests)
