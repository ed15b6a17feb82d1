"""Where the data of a command go: to standard output, or to a file that is there whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from syncrepl_client.cli.output import OutputFailed, StandardOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["destination"]

_STANDARD_OUTPUT = "-"


@contextmanager
def destination(file: str | None) -> Iterator[StandardOutput]:
    """Give what to write the data to.

    A file gets its name when it is complete, and only its owner may read it.  What is no regular file, such as a pipe,
    is written to as it is.

    Args:
        file: its name; None or ``-`` for standard output.

    Raises:
        OutputFailed: it cannot be written to.
    """
    if file is None or file == _STANDARD_OUTPUT:
        output = StandardOutput(sys.stdout.buffer)
        yield output
        output.flush()
        return
    try:
        path = Path(file).resolve()
        special = path.exists() and not path.is_file()
        with _opened(path) if special else _replaced(path) as descriptor, os.fdopen(descriptor, "wb") as stream:
            output = StandardOutput(stream, name=file)
            yield output
            output.flush()
            if not special:
                os.fsync(descriptor)
    except OSError as error:
        raise OutputFailed(error, file) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    yield os.open(path, os.O_WRONLY | os.O_CLOEXEC)


@contextmanager
def _replaced(path: Path) -> Iterator[int]:
    """Open a file without name yet, which takes the place of the one of that name in the end."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        yield descriptor
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
