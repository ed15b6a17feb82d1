"""The four clients, as programs of somebody who uses the package; ended by SIGTERM.

    python -m tests.soak.clients KIND DATA TOLD [URL PROVIDER...]

``callbacks`` keeps a table by the callbacks of the class `Syncrepl`, in the data file itself.  ``watcher`` iterates
over `watch`, ``asynchronous`` over `awatch`, and ``subscriber`` reads the data file of ``callbacks``; these three write
what they are told into the file TOLD, a line for each change, and count a change as handled when it is in there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client import Backoff, Heartbeat, MaxDeletes, Retention, Syncrepl, SyncreplMode, awatch, subscribe, watch
from syncrepl_client.connection.access import Timeouts
from syncrepl_client.exceptions import SyncreplError
from tests.convergence.mirror import Mirror, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncrepl_client import Change, Entry

__all__ = ["digest", "main", "state_of"]

# Small, so that old changes are taken away while there are new ones.
_KEPT: Final = Retention(octets=4 << 20)
# So small that it does not wait for a reader who is away for some rounds.
_OVERTAKING: Final = Retention(octets=2 << 20, largest=6 << 20)
_OPTIONS: Final[dict[str, Any]] = {
    "backoff": Backoff(0.1, 1.0),
    "heartbeat": Heartbeat(1.0, 2.0),
    "timeouts": Timeouts(connect=2, tls=2, bind=2, answer=5),
    "patience": 5.0,
    # Trees are deleted whole; one of them asks before.
    "max_deletes": None,
    "changelog": _KEPT,
    # Asked for by 389 Directory Server.
    "cleartext_password": True,
}


def digest(attrs: Mapping[str, Any]) -> str:
    """Return what stands for values in a line."""
    return hashlib.sha256(dump(attrs).encode()).hexdigest()[:24]


class Teller:
    """Writes changes into a file; each life begins with a line of its own, for the last line of another may be torn."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._file.write(b'\n"begin"\n')

    def tell(self, change: Change) -> None:
        """Write a change down."""
        before, after = state_of(change.before), state_of(change.after)
        line = json.dumps([change.sequence, str(change.uuid), type(change).__name__, before, after])
        self._file.write(line.encode() + b"\n")


def state_of(entry: Entry | None) -> list[str] | None:
    return None if entry is None else [entry.dn, digest(entry.attributes)]


def _on_term(act: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: act())


def _traced(told: Path) -> dict[str, Any]:
    """Return the options of a client that keeps what goes over its line, for who looks for a failure."""
    trace = told.with_suffix(".trace").open("a", buffering=1)
    return _OPTIONS | {"trace": lambda line: trace.write(f"{time.time():.4f} {line}\n")}


def callbacks(data: str, told: Path, url: str, *providers: str) -> None:
    """Keep a table."""
    # Also while it is opened.
    _on_term(lambda: sys.exit(0))
    mode = SyncreplMode.REFRESH_AND_PERSIST
    options = _traced(told) | {"changelog": _OVERTAKING}
    with Syncrepl(data, Mirror, mode, url, reconnect=True, providers=providers, **options) as client:
        _on_term(client.please_stop)
        while client.poll(0.5):
            pass


def watcher(data: str, told: Path, url: str, *providers: str) -> None:
    """Iterate."""
    stopped = threading.Event()
    _on_term(stopped.set)
    teller = Teller(told)
    options = _traced(told) | {"max_deletes": MaxDeletes()}
    for change in watch(url, data, subscription="watcher", stop_event=stopped, providers=providers, **options):
        teller.tell(change)


def subscriber(data: str, told: Path) -> None:
    """Read what somebody else keeps in step."""
    stopped = threading.Event()
    _on_term(stopped.set)
    while not Path(data).exists() and not stopped.wait(0.1):
        pass
    if stopped.is_set():
        return
    teller = Teller(told)
    with subscribe(data, "subscriber") as changes:
        while not stopped.is_set():
            for change in changes.read(timeout=0.2):
                teller.tell(change)


async def _asynchronous(data: str, told: Path, url: str, *providers: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    teller = Teller(told)
    # What the stream of 389 Directory Server does not tell is found by comparison alone.
    options = _traced(told) | {"verify_every": 2.0}
    async with awatch(
        url, data, subscription="asynchronous", stop_event=stopped, providers=providers, **options
    ) as changes:
        async for change in changes:
            teller.tell(change)


def asynchronous(data: str, told: Path, url: str, *providers: str) -> None:
    """Iterate in an event loop."""
    asyncio.run(_asynchronous(data, told, url, *providers))


class _Line(logging.Formatter):
    """Writes a record as one line, as the service does."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info and record.exc_info[0]
        return json.dumps(
            {
                "time": time.time(),
                "level": record.levelname.lower(),
                "message": record.getMessage(),
                "what": getattr(record, "what", ""),
                "error": error.__name__ if error else "",
            }
        )


def main(kind: str, data: str, told: str, *urls: str) -> None:
    """Be a client."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    kinds: dict[str, Callable[..., None]] = {
        "callbacks": callbacks,
        "watcher": watcher,
        "subscriber": subscriber,
        "asynchronous": asynchronous,
    }
    try:
        kinds[kind](data, Path(told), *urls)
    except SyncreplError as error:
        # As a program of a user's would: it says so, and whoever watches it starts it again.
        logging.getLogger("soak").error("ended by %s: %s", type(error).__name__, error)  # noqa: TRY400
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
