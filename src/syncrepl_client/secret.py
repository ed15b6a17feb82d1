"""Passwords, held so that nothing prints them by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Hidden", "Secret"]


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
    """

    __slots__ = ("_source",)

    def __init__(self, source: bytes | str | Callable[[], bytes]) -> None:
        self._source = source.encode() if isinstance(source, str) else source

    def reveal(self) -> Hidden:
        """Return the secret itself.  What it was fetched from may raise errors of its own."""
        return Hidden(self._source if isinstance(self._source, bytes) else self._source())

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
