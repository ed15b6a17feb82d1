"""Passwords, held so that nothing prints them by accident, and the files that hold them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from syncrepl_client.exceptions import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Hidden", "Secret", "is_exposed", "without_newline"]


class Hidden(bytes):
    """Octets that hold a secret, on their way to the server: they show as ``***``.

    Tools that print the local variables of a traceback find these in the frames between a password and the socket.
    What is made of them is hidden only if it is made a `Hidden` too.
    """

    __slots__ = ()

    @classmethod
    def like(cls, original: bytes, made_of_it: bytes) -> bytes:
        """Hide octets that were made of others, if those are hidden."""
        return cls(made_of_it) if isinstance(original, cls) else made_of_it

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class Secret:
    """Something that only its server may read.

    It shows in no ``repr``, no log and no traceback, and cannot be pickled.

    Args:
        source: the secret, text as UTF-8; or a function that fetches it, called anew for each bind, so that a program
            need not hold it and a changed one is found.
        path: the file that it is in, if it is in one.
    """

    __slots__ = ("_source", "path")

    def __init__(self, source: bytes | str | Callable[[], bytes], *, path: Path | None = None) -> None:
        self._source = source.encode() if isinstance(source, str) else source
        self.path = path

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return the secret in a file, which is read anew for each bind; the end of its line is not part of it.

        What can be read only once, such as a pipe, is read now.

        Raises:
            UsageError: it cannot be read, or is empty; also when it is read again.
        """
        file = Path(path)
        secret = _read(file)
        if not file.is_file():
            return cls(secret)
        return cls(lambda: _read(file), path=file)

    def reveal(self) -> Hidden:
        """Return the secret itself.  What it was fetched from may raise errors of its own."""
        return Hidden(self._source if isinstance(self._source, bytes) else self._source())

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def without_newline(content: bytes) -> bytes:
    """Return the secret in what an editor or ``echo`` wrote.

    Raises:
        UsageError: there is nothing.
    """
    secret = content.removesuffix(b"\n").removesuffix(b"\r")
    if not secret:
        # RFC 4513 section 5.1.2: the server would take it for an anonymous bind.
        raise UsageError("the password is empty")
    return secret


def is_exposed(path: str | os.PathLike[str]) -> bool:
    """Tell whether other users can read a file; one that is not there is not."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read the password file '{path}': {error.strerror}", hint="check its path and permissions"
        ) from error
    return without_newline(content)
