"""A copy of a data file that can take its place, made while the file is in use."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from syncrepl_client.exceptions import DBError, UsageError
from syncrepl_client.store import tables
from syncrepl_client.store.decisions import copy_file
from syncrepl_client.store.visiting import translated, visit

__all__ = ["backup"]

_CHECK: Final = "PRAGMA quick_check(1)"
_FINE: Final = "ok"


def backup(path: Path, target: Path, *, overwrite: bool = False) -> None:
    """Copy a data file as it is at one moment, with all that programs have stored in it.

    The copy is verified before it gets its name, and only its owner may read it.

    Args:
        path: the data file.
        target: the copy.
        overwrite: whether to replace a file of that name.

    Raises:
        UsageError: there is a file of that name.
        DBError: the file cannot be read or is damaged, or the copy cannot be written.
    """
    visit(path).close()
    if target.exists() and (not overwrite or target.samefile(path)):
        raise _there_already(target)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            unnamed = Path(folder, "copy")
            copy_file(path, unnamed)
            _verify(unnamed)
            _name(unnamed, target, overwrite=overwrite)
    except FileExistsError:
        # Somebody else was faster.
        raise _there_already(target) from None
    except OSError as error:
        raise DBError(f"cannot write {target}: {error.strerror}", hint="check its folder") from error


def _there_already(target: Path) -> UsageError:
    return UsageError(f"there is already a file {target}", hint="choose another name, or let it be overwritten")


def _name(copy: Path, target: Path, *, overwrite: bool) -> None:
    """Give the copy its name, so that it survives a power cut."""
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    if not overwrite:
        try:
            # Unlike a rename it fails if there is a file by now.
            target.hardlink_to(copy)
        except FileExistsError:
            raise
        except OSError:
            # Not every disk has links; there was no such file a moment ago.
            pass
        else:
            return
    copy.replace(target)


def _verify(copy: Path) -> None:
    with translated(copy), closing(visit(copy)) as connection:
        (verdict,) = connection.execute(_CHECK).fetchone()
        if verdict != _FINE:
            raise DBError(f"the data file is damaged: {verdict}", hint="start afresh: syncrepl-client reset DATA")
        # Where it takes the place of the file, it will give numbers of changes that were told already to others.
        connection.execute(tables.NEW_FILE_ID)
        # In one file, without a log beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
