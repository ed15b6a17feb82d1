"""A replica that follows in a thread, and what its listener is told.

with Follower(url, path) as follower:
follower.heard.wait_for("refresh done")
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from syncrepl_client import Added, Backoff, Deleted, Modified, Renamed, Replica

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from syncrepl_client.connection.listener import BoundConnection

__all__ = ["QUICK", "Follower", "Heard", "until"]

QUICK = Backoff(base=0.05, cap=0.2)
PATIENCE = 20.0


def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells: a listener hears of changes before they are in the file for others to see."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Heard:
    """A listener that notes what it is told, in words."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.losses: list[tuple[Exception, str, float, int]] = []
        self._changed = threading.Condition()

    def bound(self, connection: BoundConnection) -> None:
        self._note("bound")

    def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
        match change:
            case Added(after=entry):
                self._note(f"add {entry.dn}")
            case Modified(after=entry):
                self._note(f"modify {entry.dn}")
            case Renamed(before=before, after=after):
                self._note(f"rename {before.dn} {after.dn}")
            case Deleted(before=entry):
                self._note(f"delete {entry.dn}")

    def refresh_done(self, entries: object, cursor: sqlite3.Cursor) -> None:
        self._note("refresh done")

    def connected(self, url: str) -> None:
        self._note(f"connected {url}")

    def disconnected(self, error: Exception, *, url: str, delay: float, attempt: int) -> None:
        self.losses.append((error, url, delay, attempt))
        self._note(f"lost {type(error).__name__}")

    @property
    def changes(self) -> list[str]:
        return [one for one in self.told if one.split()[0] in {"add", "modify", "rename", "delete"}]

    def count(self, what: str) -> int:
        return sum(one.startswith(what) for one in self.told)

    def wait_for(self, what: str, times: int = 1) -> None:
        """Wait until something that begins so was told so often."""
        self.wait_until(lambda: self.count(what) >= times)

    def wait_until(self, condition: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), self.told

    def _note(self, what: str) -> None:
        with self._changed:
            self.told.append(what)
            self._changed.notify_all()


class Follower:
    """Follows in a thread; ``with`` stops it, and is an error if it did not end well."""

    def __init__(self, url: str, path: Path, **options: Any) -> None:
        self.heard: Heard = options.setdefault("listener", Heard())
        self.replica = Replica(url, path, **{"backoff": QUICK, **options})
        self.error: BaseException | None = None
        # Seconds of a processor that it took in all.
        self.cpu = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.replica.stop()
        self.join()
        if kind is None and self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with closing(self.replica):
                self.replica.follow()
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.error = error
        finally:
            self.cpu = time.thread_time()

    def join(self) -> None:
        """Wait until it has ended by itself."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def failure(self) -> BaseException:
        """Wait until it has failed; returns why."""
        self.join()
        assert self.error is not None
        error, self.error = self.error, None
        return error
