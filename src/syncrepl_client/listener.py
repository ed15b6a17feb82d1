"""The program's listener, of whose methods any may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncrepl_client.client import Client

__all__ = ["AnyListener"]


def _ignore(*_arguments: object, **_named: object) -> None:
    """Stand in for a method that a listener does not have."""


class AnyListener:
    """Calls those methods that a listener has.

    Args:
        listener: the program's; None if it has none.
    """

    def __init__(self, listener: object | None) -> None:
        self._bound = getattr(listener, "bound", None)
        # Under this name it is remembered who was told of the changes.
        self.name = str(getattr(listener, "name", "") or type(listener).__qualname__)
        # The listener's own methods where it has them: a call in between would be paid once for each entry.
        self.change = getattr(listener, "change", _ignore)
        self.refresh_done = getattr(listener, "refresh_done", _ignore)
        self.cookie = getattr(listener, "cookie", _ignore)
        self.debug = getattr(listener, "debug", _ignore)
        self.connected = getattr(listener, "connected", _ignore)
        self.disconnected = getattr(listener, "disconnected", _ignore)
        # Whether it knows entries by the spelling of their names alone.
        self.by_name = bool(getattr(listener, "by_name", False))
        self.hears_changes = bool(getattr(listener, "hears_changes", self.change is not _ignore))

    def bound(self, client: Client) -> None:
        """Let the program ask the server something before the search begins."""
        if self._bound is not None:
            from syncrepl_client.client import BoundConnection

            connection = BoundConnection(client)
            try:
                self._bound(connection)
            finally:
                connection.expire()
