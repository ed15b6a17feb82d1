"""`Snapshot`: what the service does at one moment, for all that show it: metrics, probes and the status line.

It is made of plain values by whoever knows them.  Nothing in it names an entry; an error is there in words that may be
shown to whoever may ask.
"""

from __future__ import annotations

import os
import time

# Whoever reads what was written needs the types when the program runs.
from collections.abc import Mapping  # noqa: TC003
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from syncrepl_client.envelope.base import Kind  # noqa: TC001
from syncrepl_client.relay import State  # noqa: TC001

__all__ = ["Process", "SinkState", "Snapshot", "SourceState", "ThreadState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """A directory, and the copy of it.

    Args:
        name: its name in the configuration.
        whole: whether there is a copy.
        connected: whether a search runs at a provider.
        refreshing: whether a refresh is in progress.
        entries: how many entries the copy has.
        away: for how many seconds there has been no connection; 0 while there is one.
        stopped: whether it has ended for good, by an error that does not get better.
        lag: for how many seconds, at the most, the copy has lacked what the provider has; None if that is not known.
        last_event: when the last change was stored, in seconds since 1970; None if there was none.
        changes: how many changes were stored, by what happened, since the service was started.
        reconnects: how many tries to have a connection have failed, and how many connections were lost, by reason.
        deletes_held: how many deletions are held until somebody decides.
        error: why there is no connection; empty if there is one.
    """

    name: str
    whole: bool = False
    connected: bool = False
    refreshing: bool = False
    entries: int = 0
    away: float = 0.0
    stopped: bool = False
    lag: float | None = None
    last_event: float | None = None
    changes: Mapping[Kind, int] = field(default_factory=dict)
    reconnects: Mapping[str, int] = field(default_factory=dict)
    deletes_held: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkState:
    """A sink, as far as it takes from one source.

    Args:
        sink: its name in the configuration.
        source: the name of the source.
        state: what its relay does.
        pending: how many changes it has not delivered; None if that is not known.
        delivered: how many events were confirmed, by what happened, since the service was started.
        errors: how many tries have failed since then.
        retries: how many have failed since something was delivered.
        rejected: how many events were set aside or left out since the service was started.
        dead_letters: how many events are set aside now.
        lag: how old the oldest change is that it has not delivered, in seconds; 0 if there is none, None if that is not
            known.
        error: what went wrong last, if that still matters.
    """

    sink: str
    source: str
    state: State
    pending: int | None = None
    delivered: Mapping[Kind, int] = field(default_factory=dict)
    errors: int = 0
    retries: int = 0
    rejected: int = 0
    dead_letters: int = 0
    lag: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ThreadState:
    """A thread that says now and then that it is at work.

    Args:
        name: whose it is.
        silent: for how many seconds it has said nothing.
        limit: for how many seconds it may.
    """

    name: str
    silent: float
    limit: float


@dataclass(frozen=True, slots=True)
class Process:
    """What the process uses; None for what the system does not tell.

    Args:
        started: when it was started, in seconds since 1970.
        cpu_seconds: how much time of processors it has used.
        open_files: how many files and connections it has open.
        resident_bytes: how much memory it has.
    """

    started: float | None
    cpu_seconds: float
    open_files: int | None
    resident_bytes: int | None

    @classmethod
    def look(cls) -> Process:
        """Ask the system."""
        return cls(_started(_SELF / "stat"), time.process_time(), _open_files(), _resident())


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the service does at one moment.

    Args:
        version: of the package.
        python: the version of Python.
        sources: the directories.
        sinks: the sinks, each once for each source that it takes from.
        threads: the threads that must be at work.
        process: what the process uses.
        reloaded: when the configuration that counts now was read, in seconds since 1970; None if that is not known.
        reload_failed: whether the configuration was changed since then in a way that cannot be.
    """

    version: str
    python: str
    sources: tuple[SourceState, ...] = ()
    sinks: tuple[SinkState, ...] = ()
    threads: tuple[ThreadState, ...] = ()
    process: Process = field(default_factory=Process.look)
    reloaded: float | None = None
    reload_failed: bool = False


# --- Linux tells in /proc ---------------------------------------------------------------------------------------------

_SELF: Final = Path("/proc/self")
# Field 22 of /proc/self/stat, counted from the one after the name of the program, which may hold spaces; proc(5).
_START: Final = 19


@cache
def _started(stat: Path) -> float | None:
    """Find out when the process was started: once, for the clock may be set, and that is no new start."""
    try:
        ticks = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[_START])
    except (OSError, ValueError, IndexError):
        return None
    # The time of the boot itself is in /proc/stat, which services may not see.
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _open_files() -> int | None:
    try:
        # The one that the listing itself opens does not count.
        return sum(1 for _ in (_SELF / "fd").iterdir()) - 1
    except OSError:
        return None


def _resident() -> int | None:
    try:
        pages = int((_SELF / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
